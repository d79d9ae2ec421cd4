/* Pictures: what gnuplot is told, looked up in the SVG it draws; odd paths; and everything that can be wrong, some of
 * it with a script in gnuplot's place. */
#include "check.h"

#include "base/alloc.h"
#include "base/file.h"

#include <millrace/plot.h>

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/mr-plot-XXXXXX";
static const char *real_path;
static bool has_gnuplot;

/* ---- files, and one line ---- */

/* A path in the test's folder; valid until the fourth call after. */
static const char *in_folder(const char *name)
{
    static char paths[4][512];
    static int at;
    at = (at + 1) % 4;
    snprintf(paths[at], sizeof *paths, "%s/%s", folder, name);
    return paths[at];
}

static const char *contents(const char *path)
{
    static char text[1 << 18];
    char *bytes = NULL;
    size_t size = 0;
    *text = '\0';
    if (mr__file_read_all(path, &bytes, &size, sizeof text - 1) == MR_OK)
        memcpy(text, bytes, size + 1);
    else
        printf("    %s\n", mr_error());
    mr__free(bytes);
    return text;
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    if (!file || fputs(text, file) < 0 || fclose(file))
        exit(2);
}

/* How many files are in the folder, besides `ignored`. */
static int files(const char *ignored)
{
    int count = 0;
    DIR *dir = opendir(folder);
    for (const struct dirent *entry; (entry = readdir(dir));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                 strcmp(entry->d_name, ignored) != 0;
    closedir(dir);
    return count;
}

static int occurrences(const char *text, const char *what)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        count++;
    return count;
}

static const double xs[] = { 0, 1, 2, 3, 4, 5 }, ys[] = { 1, 4, 2, 8, 5, 7 };

static mr_plot *one_line(const mr_plot_opts *opts, const char *label)
{
    mr_plot *plot = mr_plot_new(opts);
    CHECK_EQ_I64(mr_plot_line(plot, xs, ys, 6, "-", label), MR_OK);
    return plot;
}

/* Saves and frees a picture, and checks the status; a failure must say `says`. */
static void saves(mr_plot *plot, const char *path, mr_status status, const char *says)
{
    mr_status got = mr_plot_save(plot, path);
    if (!CHECK_EQ_I64(got, status) && got < 0)
        printf("    %s\n", mr_error());
    if (got < 0 && says)
        CHECK_EQ_STR(mr_error(), says);
    mr_plot_free(plot);
}

/* Saves and frees a picture; gives its SVG. */
static const char *svg_of(mr_plot *plot)
{
    const char *path = in_folder("looked-at.svg");
    unlink(path);
    saves(plot, path, MR_OK, NULL);
    return contents(path);
}

/* ---- what is drawn ---- */

static void test_png(void)
{
    static const unsigned char begins[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0,    13,
                                            'I',  'H', 'D', 'R', 0,    0,    3,    0xC0, 0, 0, 0x02, 0x1C };
    static const char *const names[] = { "a.png", "b.PNG" };
    for (int i = 0; i < 2; i++) {
        char *bytes = NULL;
        size_t size = 0;
        saves(one_line(NULL, "a"), in_folder(names[i]), MR_OK, NULL);
        CHECK_EQ_I64(mr__file_read_all(in_folder(names[i]), &bytes, &size, 0), MR_OK);
        CHECK(size > 1000 && memcmp(bytes, begins, sizeof begins) == 0); /* 960 x 540 */
        mr__free(bytes);
    }
}

static void test_svg(void)
{
    const char *svg =
        svg_of(one_line(&(mr_plot_opts){ .title = "Title", .x_label = "abscissa", .y_label = "o" }, ""));
    CHECK(strstr(svg, "width=\"960\" height=\"540\"") != NULL);
    CHECK(strstr(svg, "font-size=\"16.00\"") != NULL);
    CHECK(strstr(svg, "<text>Title</text>") != NULL);
    CHECK(strstr(svg, "<text>abscissa</text>") != NULL);
    CHECK(strstr(svg, "<text>o</text>") != NULL);
    CHECK(strstr(svg, ">2.5<") == NULL && strstr(svg, ">8<") != NULL); /* ticks */
    CHECK_EQ_I64(occurrences(svg, "</svg>"), 1);
}

/* Each line has its own colour and dashes, and its label in the legend; "" has none there. */
static void test_styles(void)
{
    static const char *const styles[] = { "-", "--", "-.", ":", "-" };
    static const char *const labels[] = { "one", "two", "", "four", "five" };
    static const char *const paths[] = {
        "<path stroke='rgb( 31, 119, 180)'  d=",
        "<path stroke='rgb(255, 127,  14)' stroke-dasharray='7.0,3.5'  d=",
        "<path stroke='rgb( 44, 160,  44)' stroke-dasharray='7.0,3.0,1.0,3.0'  d=",
        "<path stroke='rgb(214,  39,  40)' stroke-dasharray='1.5,2.0'  d=",
        "<path stroke='rgb(148, 103, 189)'  d="
    };
    mr_plot *plot = mr_plot_new(NULL);
    for (int i = 0; i < 5; i++)
        CHECK_EQ_I64(mr_plot_line(plot, xs, ys, 6, styles[i], labels[i]), MR_OK);
    const char *svg = svg_of(plot);
    for (int i = 0; i < 5; i++) {
        char text[64];
        snprintf(text, sizeof text, "<text>%s</text>", labels[i]);
        CHECK_EQ_I64(occurrences(svg, paths[i]), 1);
        CHECK_EQ_I64(occurrences(svg, text), *labels[i] != '\0');
    }
}

/* More lines than colours. */
static void test_many_lines(void)
{
    mr_plot *plot = mr_plot_new(NULL);
    for (int i = 0; i < 12; i++)
        CHECK_EQ_I64(mr_plot_line(plot, xs, ys, 6, "-", ""), MR_OK);
    const char *svg = svg_of(plot);
    CHECK_EQ_I64(occurrences(svg, "<path stroke='rgb( 31, 119, 180)'"), 2);
    CHECK_EQ_I64(occurrences(svg, "<path stroke='rgb( 23, 190, 207)'"), 1);
}

/* Nothing in a text means anything: to gnuplot, to its enhanced mode, or to a shell. */
static void test_special_characters(void)
{
    static const char odd[] = "'it's'_a^b {/Bold x} \"q\" \\n `date` $(date) @a ~b %d é µ";
    mr_plot *plot = one_line(&(mr_plot_opts){ .title = odd, .x_label = odd, .y_label = odd }, odd);
    char text[128];
    snprintf(text, sizeof text, "<text>%s</text>", odd);
    const char *svg = svg_of(plot);
    CHECK_EQ_I64(occurrences(svg, text), 4);
    CHECK(strstr(svg, "encoding=\"utf-8\"") != NULL);
    plot = one_line(&(mr_plot_opts){ .title = "two\nlines", .x_label = "", .y_label = "<&>" }, "'");
    svg = svg_of(plot);
    CHECK(strstr(svg, "<text>two lines</text>") != NULL);
    CHECK(strstr(svg, "<text>&lt;&amp;></text>") != NULL);
    CHECK(strstr(svg, "<text>'</text>") != NULL);
    plot = one_line(&(mr_plot_opts){ .title = "\"\"", .x_label = "\\", .y_label = "101\\101`" }, "'a'");
    svg = svg_of(plot);
    CHECK(strstr(svg, "<text>\"\"</text>") != NULL);
    CHECK(strstr(svg, "<text>\\</text>") != NULL);
    CHECK(strstr(svg, "<text>101\\101`</text>") != NULL);
    CHECK(strstr(svg, "<text>'a'</text>") != NULL);
}

/* A point that is not there breaks the line; one that is alone then is a dot. */
static void test_gaps(void)
{
    const double gap[] = { 1, 2, NAN, 3, 4, 5 }, lone[] = { 1, INFINITY, 2, -INFINITY, 3, 4 };
    mr_plot *plot = mr_plot_new(NULL);
    CHECK_EQ_I64(mr_plot_line(plot, xs, ys, 6, "-", ""), MR_OK);
    CHECK_EQ_I64(mr_plot_line(plot, xs, gap, 6, "-", ""), MR_OK);
    CHECK_EQ_I64(mr_plot_line(plot, xs, lone, 6, "-", ""), MR_OK);
    const char *svg = svg_of(plot);
    const char *blue = strstr(svg, "<path stroke='rgb( 31, 119, 180)'"),
               *orange = strstr(svg, "<path stroke='rgb(255, 127,  14)'");
    if (CHECK(blue && orange)) {
        char path[512];
        snprintf(path, sizeof path, "%.*s", (int)strcspn(blue, ">"), blue);
        CHECK_EQ_I64(occurrences(path, " M") + occurrences(path, "'M"), 1);
        snprintf(path, sizeof path, "%.*s", (int)strcspn(orange, ">"), orange);
        CHECK_EQ_I64(occurrences(path, " M") + occurrences(path, "'M"), 2);
    }
    CHECK_EQ_I64(occurrences(svg, "<use xlink:href='#gpPt6'"), 2);
    const double one[] = { 3 };
    plot = mr_plot_new(NULL);
    CHECK_EQ_I64(mr_plot_line(plot, one, one, 1, "-", "single"), MR_OK);
    CHECK_EQ_I64(occurrences(svg_of(plot), "<use xlink:href='#gpPt6'"), 1);
}

static void test_log_y(void)
{
    const double y[] = { 100, 1, 0, 0.01, -1, 0.001 };
    mr_plot *plot = mr_plot_new(&(mr_plot_opts){ .log_y = true });
    CHECK_EQ_I64(mr_plot_line(plot, xs, y, 6, "-", ""), MR_OK);
    const char *svg = svg_of(plot);
    static const char *const ticks[] = { ">100<", ">10<", ">1<", ">0.1<", ">0.01<", ">0.001<" };
    for (int i = 0; i < 6; i++)
        CHECK(strstr(svg, ticks[i]) != NULL);
    CHECK_EQ_I64(occurrences(svg, "<use xlink:href='#gpPt6'"), 2); /* 0.01 and 0.001, each behind a gap */
    plot = mr_plot_new(&(mr_plot_opts){ .log_y = true });
    CHECK_EQ_I64(mr_plot_line(plot, xs, y + 2, 1, "-", ""), MR_OK);
    saves(plot, in_folder("none.svg"), MR_ERR_ARGUMENT,
          "plot: no line has a point to draw: on a logarithmic axis only values above 0 have a place");
}

static void test_log_x(void)
{
    const double x[] = { -1, 0, 1e-8, 1e-6, 1e-4 }, y[] = { 1, 2, 3, 4, 5 };
    mr_plot *plot = mr_plot_new(&(mr_plot_opts){ .log_x = true });
    CHECK_EQ_I64(mr_plot_line(plot, x, y, 5, "-", ""), MR_OK);
    CHECK_EQ_I64(mr_plot_mark(plot, 1e-6, 4, "here"), MR_OK);
    const char *svg = svg_of(plot);
    CHECK(strstr(svg, ">1e-08<") && strstr(svg, ">1e-06<") && strstr(svg, ">0.0001<"));
    CHECK(strstr(svg, ">3.5<") && !strstr(svg, ">1<"));
    plot = mr_plot_new(&(mr_plot_opts){ .log_x = true });
    CHECK_EQ_I64(mr_plot_line(plot, x, y, 2, "-", ""), MR_OK);
    saves(plot, in_folder("none.svg"), MR_ERR_ARGUMENT,
          "plot: no line has a point to draw: on a logarithmic axis only values above 0 have a place");
}

/* Doubles of any size, in a locale of any kind, reach gnuplot as they are. */
static void test_numbers(void)
{
    const double x[] = { 0, 2000000 }, y[] = { 1e-5, 3e-5 };
    mr_plot *plot = mr_plot_new(NULL);
    CHECK_EQ_I64(mr_plot_line(plot, x, y, 2, "-", ""), MR_OK);
    const char *svg = svg_of(plot);
    CHECK(strstr(svg, ">1.2e-05<") != NULL && strstr(svg, ">1500000<") != NULL);
}

/* ---- where it is drawn to ---- */

static void test_odd_paths(void)
{
    static const char *const names[] = { "with space.png", "it's \"quoted\" `date` $HOME.svg",
                                         "-V.png",         "~.svg",
                                         "line\nend.png",  "back\\slash.svg",
                                         ".png",           "größe.PNG" };
    char here[512];
    if (!CHECK(getcwd(here, sizeof here) && chdir(folder) == 0))
        return;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int before = files("");
        saves(one_line(NULL, "a"), names[i], MR_OK, NULL);
        if (!CHECK(access(names[i], F_OK) == 0))
            printf("    %s\n", names[i]);
        CHECK_EQ_I64(files(""), before + 1);
        unlink(names[i]);
    }
    CHECK(chdir(here) == 0);
}

/* The old picture stays until the new one is complete, and nothing is left of one that failed. */
static void test_replaces(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s", in_folder("replaced.svg"));
    write_text(path, "old");
    mr_plot *plot = mr_plot_new(NULL);
    CHECK_EQ_I64(mr_plot_line(plot, xs, ys, 0, "-", ""), MR_OK);
    int before = files("");
    saves(plot, path, MR_ERR_ARGUMENT, "plot: no line has a point to draw");
    CHECK_EQ_STR(contents(path), "old");
    CHECK_EQ_I64(files(""), before);
    saves(one_line(NULL, ""), path, MR_OK, NULL);
    CHECK(strstr(contents(path), "</svg>") != NULL);
    CHECK_EQ_I64(files(""), before);
}

/* A picture may be saved twice, and grow in between. */
static void test_twice(void)
{
    mr_plot *plot = one_line(NULL, "one");
    CHECK_EQ_I64(mr_plot_save(plot, in_folder("one.svg")), MR_OK);
    CHECK_EQ_I64(mr_plot_line(plot, ys, xs, 6, "-", "two"), MR_OK);
    CHECK_EQ_I64(mr_plot_save(plot, in_folder("two.svg")), MR_OK);
    CHECK(strstr(contents(in_folder("one.svg")), "<text>two<") == NULL);
    CHECK(strstr(contents(in_folder("two.svg")), "<text>two<") != NULL);
    mr_plot_free(plot);
}

static void test_bad_paths(void)
{
    char text[1024], path[600];
    saves(one_line(NULL, ""), "loss.jpg", MR_ERR_ARGUMENT,
          "plot: 'loss.jpg' ends neither in .png nor in .svg");
    saves(one_line(NULL, ""), "a.png/loss", MR_ERR_ARGUMENT,
          "plot: 'a.png/loss' ends neither in .png nor in .svg");
    saves(one_line(NULL, ""), "", MR_ERR_ARGUMENT, "plot: '' ends neither in .png nor in .svg");
    saves(one_line(NULL, ""), "/nowhere/loss.png", MR_ERR_IO,
          "cannot write '/nowhere/loss.png': No such file or directory");
    snprintf(path, sizeof path, "%s", in_folder("folder.png"));
    mkdir(path, 0777);
    snprintf(text, sizeof text, "cannot write '%s': Is a directory", path);
    saves(one_line(NULL, ""), path, MR_ERR_IO, text);
    rmdir(path);
}

/* ---- what is refused ---- */

static void test_refused(void)
{
    mr_plot *plot = mr_plot_new(NULL);
    const char *path = in_folder("refused.png");
    CHECK_EQ_I64(mr_plot_save(plot, path), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "plot: there is no line to draw");
    CHECK_EQ_I64(mr_plot_line(plot, xs, ys, 6, "-o", ""), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "plot_line: '-o' is no style; there are -, --, -. and :");
    CHECK_EQ_I64(mr_plot_line(plot, xs, ys, -1, "-", ""), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "plot_line: -1 points");
    static const struct {
        bool plot, x, y;
        const char *style, *label, *says;
    } table[] = { { false, true, true, "-", "", "plot_line: plot is NULL" },
                  { true, false, true, "-", "", "plot_line: x is NULL" },
                  { true, true, false, "-", "", "plot_line: y is NULL" },
                  { true, true, true, NULL, "", "plot_line: style is NULL" },
                  { true, true, true, "-", NULL, "plot_line: label is NULL" } };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        CHECK_EQ_I64(mr_plot_line(table[i].plot ? plot : NULL, table[i].x ? xs : NULL, table[i].y ? ys : NULL,
                                  6, table[i].style, table[i].label),
                     MR_ERR_ARGUMENT);
        CHECK_EQ_STR(mr_error(), table[i].says);
    }
    CHECK_EQ_I64(mr_plot_save(NULL, path), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "plot_save: plot is NULL");
    CHECK_EQ_I64(mr_plot_save(plot, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "plot_save: path is NULL");
    mr_plot_free(NULL);
    mr_plot_free(plot);
}

/* A line that nobody checked: saving says what was wrong with it. */
static void test_first_cause(void)
{
    mr_plot *plot = one_line(NULL, "");
    (void)mr_plot_line(plot, xs, ys, 6, "dashed", "");
    saves(plot, in_folder("cause.png"), MR_ERR_ARGUMENT,
          "plot_line: 'dashed' is no style; there are -, --, -. and :");
    CHECK(access(in_folder("cause.png"), F_OK) != 0);
}

/* ---- gnuplot missing, or failing ---- */

/* Puts a shell script in gnuplot's place, and only that. */
static void pretend(const char *script)
{
    char text[512];
    mkdir(in_folder("bin"), 0777);
    snprintf(text, sizeof text, "#!/bin/sh\nPATH='%s:/usr/bin:/bin'\n%s\n", real_path, script);
    write_text(in_folder("bin/gnuplot"), text);
    chmod(in_folder("bin/gnuplot"), 0777);
    setenv("PATH", in_folder("bin"), 1);
}

static void test_missing(void)
{
    static const char *const paths[] = { "", "/nowhere", "/nowhere:/dev" };
    for (int i = 0; i < 3; i++) {
        setenv("PATH", paths[i], 1);
        int before = files("");
        saves(one_line(NULL, ""), in_folder("missing.png"), MR_ERR_MISSING,
              "plot: gnuplot is not installed (Debian: apt-get install gnuplot-nox)");
        CHECK_EQ_I64(files(""), before);
    }
    setenv("PATH", real_path, 1);
}

static void test_failing(void)
{
    static const struct {
        const char *script, *says;
    } table[] = {
        { "cat >/dev/null; exit 3", "plot: gnuplot failed with status 3" },
        { "cat >/dev/null; printf '\\nplot x\\n     ^\\n         line 12: x is odd\\n\\n' >&2; exit 1",
          "plot: gnuplot failed with status 1: x is odd" },
        { "cat >/dev/null; echo no picture today >&2; exit 1",
          "plot: gnuplot failed with status 1: no picture today" },
        { "kill -9 $$", "plot: gnuplot was ended by signal 9" },
        { "exec <&-; exit 4", "plot: gnuplot failed with status 4" },
        { "head -c 300000 /dev/zero | tr '\\0' x >&2; echo >&2; echo at last >&2; cat >/dev/null; exit 5",
          "plot: gnuplot failed with status 5: at last" },
        { "cat >/dev/null", "plot: gnuplot drew nothing" },
    };
    enum { COUNT = 20000 };
    double *x = calloc(COUNT, sizeof *x);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        pretend(table[i].script);
        int before = files("");
        mr_plot *plot = mr_plot_new(NULL); /* more than a pipe holds */
        CHECK_EQ_I64(mr_plot_line(plot, x, x, COUNT, "-", ""), MR_OK);
        saves(plot, in_folder("failing.png"), MR_ERR_IO, table[i].says);
        CHECK_EQ_I64(files(""), before);
    }
    free(x);
    chmod(in_folder("bin/gnuplot"), 0666);
    saves(one_line(NULL, ""), in_folder("failing.png"), MR_ERR_IO,
          "plot: cannot run gnuplot: Permission denied");
    unlink(in_folder("bin/gnuplot"));
    rmdir(in_folder("bin"));
    setenv("PATH", real_path, 1);
}

/* A user's own settings of gnuplot are none of this picture's. */
static void test_own_settings(void)
{
    const char *home = getenv("HOME");
    char *before = home ? strdup(home) : NULL;
    write_text(in_folder(".gnuplot"), "exit status 7\n");
    setenv("HOME", folder, 1);
    saves(one_line(NULL, ""), in_folder("own.png"), MR_OK, NULL);
    if (before)
        setenv("HOME", before, 1);
    free(before);
    unlink(in_folder(".gnuplot"));
}

/* ---- metrics ---- */

static mr_frame *frame_of(const char *text)
{
    write_text(in_folder("metrics.csv"), text);
    return mr_frame_read_csv(in_folder("metrics.csv"));
}

/* Rows in which another column has its value are no gaps. */
static void test_metrics(void)
{
    mr_frame *frame =
        frame_of("train_loss,val_loss,lr,epoch,step\r\n4,,,0,49\r\n,3,,0,63\r\n2,,,1,99\r\n,1,,1,127\r\n");
    char path[512];
    snprintf(path, sizeof path, "%s", in_folder("metrics.svg"));
    CHECK_EQ_I64(mr_plot_metrics(frame, "train_loss", path), MR_OK);
    const char *svg = contents(path);
    CHECK(strstr(svg, "<text>train_loss</text>") != NULL && strstr(svg, "<text>step</text>") != NULL);
    CHECK_EQ_I64(occurrences(svg, "<path stroke='rgb( 31, 119, 180)'"), 1);
    CHECK_EQ_I64(occurrences(svg, "<use xlink:href='#gpPt6'"), 0);
    mr_frame_free(frame);
}

static void test_metrics_refused(void)
{
    mr_frame *frame = frame_of("train_loss,lr,epoch,step\r\n4,,0,49\r\n");
    char path[512];
    snprintf(path, sizeof path, "%s", in_folder("metrics-refused.png"));
    CHECK_EQ_I64(mr_plot_metrics(frame, "loss", path), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "frame_column: no column 'loss'; there are 'train_loss', 'lr', 'epoch', 'step'");
    CHECK_EQ_I64(mr_plot_metrics(frame, "lr", path), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "plot_metrics: column 'lr' has no values");
    CHECK_EQ_I64(mr_plot_metrics(frame, NULL, path), MR_ERR_ARGUMENT);
    CHECK_EQ_I64(mr_plot_metrics(NULL, "lr", path), MR_ERR_ARGUMENT);
    CHECK_EQ_I64(mr_plot_metrics(frame, "train_loss", NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "plot_save: path is NULL");
    CHECK_EQ_I64(mr_plot_metrics(frame, "train_loss", "a.gif"), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "plot: 'a.gif' ends neither in .png nor in .svg");
    mr_frame_free(frame);
    frame = frame_of("loss,time\n1,2\n");
    CHECK_EQ_I64(mr_plot_metrics(frame, "loss", path), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "frame_column: no column 'step'; there are 'loss', 'time'");
    mr_frame_free(frame);
    frame = frame_of("loss,step\n");
    CHECK_EQ_I64(mr_plot_metrics(frame, "loss", path), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "plot_metrics: column 'loss' has no values");
    mr_frame_free(frame);
    CHECK_EQ_I64(mr_plot_metrics(mr_frame_read_csv("/nowhere"), "loss", path), MR_ERR_IO);
    CHECK_EQ_STR(mr_error(), "cannot read '/nowhere': No such file or directory");
    CHECK(access(path, F_OK) != 0);
}

static void remove_folder(void)
{
    DIR *dir = opendir(folder);
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlink(in_folder(entry->d_name));
    closedir(dir);
    rmdir(folder);
}

int main(void)
{
    const char *path = getenv("PATH");
    real_path = strdup(path ? path : "/usr/bin:/bin");
    if (!mkdtemp(folder))
        return 2;
    has_gnuplot = system("gnuplot --version >/dev/null 2>&1") == 0;
    RUN(test_bad_paths);
    RUN(test_refused);
    RUN(test_first_cause);
    RUN(test_missing);
    RUN(test_failing);
    RUN(test_metrics_refused);
    if (has_gnuplot) {
        RUN(test_png);
        RUN(test_svg);
        RUN(test_styles);
        RUN(test_many_lines);
        RUN(test_special_characters);
        RUN(test_gaps);
        RUN(test_log_y);
        RUN(test_log_x);
        RUN(test_numbers);
        RUN(test_odd_paths);
        RUN(test_replaces);
        RUN(test_twice);
        RUN(test_own_settings);
        RUN(test_metrics);
    } else {
        printf("note: gnuplot is not installed: nothing was drawn\n");
    }
    remove_folder();
    free((void *)(uintptr_t)real_path);
    return check_report();
}
