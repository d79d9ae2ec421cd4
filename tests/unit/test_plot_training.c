/* The picture of a training from its log: what gnuplot is told, word for word, by a script in its place; that it draws it; and
 * what is refused. And JSON lines as tables. */
#include "gnuplot.h"

#include <millrace/plot.h>

static const char *put(const char *name, const char *text)
{
    const char *path = in_folder(name);
    file_put(path, text, strlen(text));
    return path;
}

static const char long_csv[] = "lr-sgd,loss,epoch,step,val_loss\r\n"
                               "0.5,4.0,0,0,\r\n"
                               "0.5,2.0,0,1,\r\n"
                               ",,0,1,3.0\r\n"
                               "0.25,1.0,1,2,\r\n"
                               "0.25,nan,1,3,\r\n"
                               ",,1,3,2.5\r\n"
                               ",,2,4,nan\r\n"
                               ",,3,5,2.5\r\n";
static const char merged_csv[] = "epoch,step,lr-sgd,loss,val_loss\r\n"
                                 "0,0,0.5,4.0,\r\n"
                                 "0,1,0.5,2.0,3.0\r\n"
                                 "1,2,0.25,1.0,\r\n"
                                 "1,3,0.25,nan,2.5\r\n"
                                 "2,4,,,nan\r\n"
                                 "3,5,,,2.5\r\n";
static const char json_lines[] =
    "{\"kind\":\"step\",\"epoch\":0,\"step\":0,\"lr-sgd\":0.5,\"loss\":4.0}\n"
    "{\"kind\":\"step\",\"epoch\":0,\"step\":1,\"lr-sgd\":0.5,\"loss\":2.0}\n"
    "{\"kind\":\"validation\",\"epoch\":0,\"step\":1,\"val_loss\":3.0}\n"
    "{\"kind\":\"step\",\"epoch\":1,\"step\":2,\"lr-sgd\":0.25,\"loss\":1.0}\n"
    "{\"kind\":\"step\",\"epoch\":1,\"step\":3,\"lr-sgd\":0.25,\"loss\":\"NaN\"}\n"
    "{\"kind\":\"validation\",\"epoch\":1,\"step\":3,\"val_loss\":2.5}\n"
    "{\"kind\":\"validation\",\"epoch\":2,\"step\":4,\"val_loss\":\"NaN\"}\n"
    "{\"kind\":\"validation\",\"epoch\":3,\"step\":5,\"val_loss\":2.5}\n";

/* ---- what gnuplot is told ---- */

#define LOOK                                                    \
    "set border 3 lc rgb '#555555'\n"                           \
    "set tics nomirror out scale 0.5 textcolor rgb '#333333'\n" \
    "set format '%.7g'\n"                                       \
    "set grid lt 1 lw 0.6 lc rgb '#dddddd'\n"                   \
    "set rmargin 4\n"

static const char script_of_both[] =
    "set terminal svg font 'DejaVu Sans,16' dashlength 0.5 size 960,720 background rgb 'white'\n"
    "set encoding utf8\n"
    "set multiplot\nset lmargin at screen 0.11\nset tmargin at screen 0.9\nset bmargin at screen 0.4\n" LOOK
    "set key top right reverse Left samplen 3\n"
    "$line0 << EOD\n0.0 4.0\n1.0 2.0\n2.0 1.0\nEOD\n"
    "$line1 << EOD\n1.0 3.0\n3.0 2.5\n5.0 2.5\nEOD\n"
    "$line2 << EOD\n3.0 2.5\nEOD\n"
    "plot $line0 with lines lw 2 dt solid lc rgb '#1f77b4' title \"loss\" noenhanced,"
    " $line1 with lines lw 2 dt solid lc rgb '#ff7f0e' title \"val_loss\" noenhanced,"
    " $line2 with points pt 6 ps 2 lw 2 lc rgb '#333333' title \"best: 2.5 at step 3\" noenhanced\n"
    "set xrange [GPVAL_X_MIN:GPVAL_X_MAX]\nunset title\nunset logscale y\nunset mytics\nset yrange [0:*]\n"
    "set tmargin at screen 0.3\nset bmargin at screen 0.1\n" LOOK "unset key\n"
    "set xlabel \"step\" noenhanced\nset ylabel \"lr-sgd\" noenhanced\n"
    "$line0 << EOD\n0.0 0.5\n1.0 0.5\n2.0 0.25\n3.0 0.25\nEOD\n"
    "plot $line0 with lines lw 2 dt solid lc rgb '#1f77b4' title \"\" noenhanced\n"
    "unset multiplot\n";

static const char *told(const char *log, const mr_plot_training_opts *opts)
{
    const char *path = in_folder("told.svg");
    unlink(path);
    if (!CHECK_EQ_I64(mr_plot_training(log, path, opts), MR_OK))
        printf("    %s\n", mr_error());
    return file_contents(path, NULL);
}

static void test_script(void)
{
    CHECK_EQ_STR(told(put("long.csv", long_csv), NULL), script_of_both);
    CHECK_EQ_STR(told(put("merged.csv", merged_csv), NULL), script_of_both);
    CHECK_EQ_STR(told(put("lines.jsonl", json_lines), NULL), script_of_both);
}

/* Without a learning rate there is one picture; without a validation the best is one of the training. */
static void test_parts(void)
{
    const char *text = told(put("part.csv", "train_loss,step\n3,0\n1,1\n2,2\n"), NULL);
    CHECK(strstr(text, "size 960,540") && !strstr(text, "multiplot"));
    CHECK(strstr(text, "title \"train_loss\"") && strstr(text, "title \"best: 1 at step 1\""));
    CHECK(strstr(text, "set xlabel \"step\""));
    text = told(put("part.csv", "acc,val_acc,step,rate\n3,1,0,1\n1,2,1,1\n2,1,2,1\n"),
                &(mr_plot_training_opts){ .train = "acc",
                                          .val = "val_acc",
                                          .lr = "rate",
                                          .title = "A \"title\"",
                                          .more_is_better = true,
                                          .log_y = true });
    CHECK(strstr(text, "set key bottom right") && strstr(text, "title \"best: 2 at step 1\""));
    CHECK(strstr(text, "set title \"A \\042title\\042\" noenhanced\n") && strstr(text, "set logscale y\n"));
    CHECK(strstr(text, "set ylabel \"rate\""));
    text = told(put("part.csv", "loss_epoch,loss_step,step\n,3,0\n,1,1\n2,,1\n"), NULL);
    CHECK(strstr(text, "title \"loss_step\"") && !strstr(text, "loss_epoch"));
    /* A validation alone; names of one's own; what has no values does not count. */
    text = told(put("part.csv", "step,val_loss\n0,3\n1,2\n"), NULL);
    CHECK(strstr(text, "plot $line0 with lines") && strstr(text, "title \"val_loss\""));
    CHECK(strstr(text, "title \"best: 2 at step 1\""));
    text = told(put("part.csv", "step,loss,test_loss,nll_loss,val/loss\n0,,7,5,\n1,,7,4,\n1,,,,3\n"), NULL);
    CHECK(strstr(text, "title \"nll_loss\"") && strstr(text, "title \"val/loss\""));
    CHECK(!strstr(text, "test_loss") && strstr(text, "title \"best: 3 at step 1\""));
    text = told(put("part.csv", "step,acc,val_loss_epoch,val_loss_step\n0,1,,4\n1,1,3,\n"), NULL);
    CHECK(strstr(text, "title \"val_loss_epoch\"") && !strstr(text, "acc"));
    text =
        told(put("part.csv", "step,acc,nll_loss\n0,1,2\n1,1,3\n"), &(mr_plot_training_opts){ .val = "acc" });
    CHECK(strstr(text, "title \"acc\"") && !strstr(text, "nll_loss"));
    text = told(put("part.csv", "loss,step\ninf,0\n-inf,1\n2,2\n"), NULL);
    CHECK(strstr(text, "title \"best: 2 at step 2\""));
}

/* ---- drawn ---- */

static void test_drawn(void)
{
    const char *path = in_folder("drawn.svg");
    CHECK_EQ_I64(mr_plot_training(put("long.csv", long_csv), path, NULL), MR_OK);
    const char *svg = file_contents(path, NULL);
    CHECK(strstr(svg, "width=\"960\" height=\"720\"") != NULL);
    CHECK(strstr(svg, "<text>best: 2.5 at step 3</text>") != NULL);
    CHECK(strstr(svg, "<text>lr-sgd</text>") != NULL);
    const char *first = strstr(svg, "<path stroke='rgb( 31, 119, 180)'");
    CHECK(first && strstr(first + 10, "<path stroke='rgb( 31, 119, 180)'")); /* in both pictures */
    CHECK_EQ_I64(mr_plot_training(put("one.csv", "loss,lr,step\n1,0,7\n"), in_folder("one.png"), NULL),
                 MR_OK);
    CHECK(file_exists(in_folder("one.png")));
}

/* ---- refused ---- */

static void refuses(const char *log, const mr_plot_training_opts *opts, mr_status status, const char *text)
{
    CHECK_EQ_I64(mr_plot_training(log, in_folder("refused.png"), opts), status);
    CHECK_EQ_STR(mr_error(), text);
    CHECK(!file_exists(in_folder("refused.png")));
}

static void test_refused(void)
{
    char log[512];
    snprintf(log, sizeof log, "%s", put("refused.csv", "a,step,lr\n1,1,\n"));
    refuses(NULL, NULL, MR_ERR_ARGUMENT, "plot_training: log is NULL");
    CHECK_EQ_I64(mr_plot_training(log, NULL, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "plot_training: path is NULL");
    refuses("/nowhere/a.csv", NULL, MR_ERR_IO, "cannot read '/nowhere/a.csv': No such file or directory");
    refuses("/nowhere/a.jsonl", NULL, MR_ERR_IO, "cannot read '/nowhere/a.jsonl': No such file or directory");
    refuses(log, NULL, MR_ERR_ARGUMENT,
            "plot_training: the log has no loss by its name, but 'a': say by .train and .val what is to be "
            "drawn");
    refuses(put("accuracies.csv", "epoch,acc,step,lr,val_acc,loss\n0,1,2,3,4,\n"), NULL, MR_ERR_ARGUMENT,
            "plot_training: the log has no loss by its name, but 'acc', 'val_acc': say by .train and .val "
            "what is to "
            "be drawn");
    refuses(put("empty.csv", "epoch,step,lr,loss\n"), NULL, MR_ERR_ARGUMENT,
            "plot_training: the log has no metrics: none was logged");
    refuses(put("empty.jsonl", ""), NULL, MR_ERR_ARGUMENT,
            "plot_training: the log has no metrics: none was logged");
    refuses(log, &(mr_plot_training_opts){ .train = "a", .val = "b" }, MR_ERR_ARGUMENT,
            "frame_column: no column 'b'; there are 'a', 'step', 'lr'");
    refuses(log, &(mr_plot_training_opts){ .train = "lr" }, MR_ERR_ARGUMENT,
            "plot_training: column 'lr' has no values");
    refuses(log, &(mr_plot_training_opts){ .train = "a" }, MR_ERR_ARGUMENT,
            "plot: no line has a point to draw");
    refuses(put("without.csv", "loss,lr\n1,1\n"), NULL, MR_ERR_ARGUMENT,
            "frame_column: no column 'step'; there are 'loss', 'lr'");
    CHECK_EQ_I64(mr_plot_training(put("fine.csv", long_csv), "a.gif", NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "plot: 'a.gif' ends neither in .png nor in .svg");
    mr_plot *plot = mr_plot_new(NULL);
    CHECK_EQ_I64(mr_plot_mark(NULL, 0, 0, ""), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "plot_mark: plot is NULL");
    CHECK_EQ_I64(mr_plot_mark(plot, 0, 0, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "plot_mark: label is NULL");
    mr_plot_free(plot);
}

/* ---- JSON lines as tables ---- */

static mr_frame *lines(const char *text)
{
    return mr_frame_read_jsonl(put("frame.jsonl", text));
}

static void test_jsonl(void)
{
    mr_frame *f = lines("{\"kind\":\"step\",\"a\":1,\"b\":2.5}\r\n\n  \n{\"b\":null,\"\\u00e4\\\"\":-3}\n"
                        "{\"a\":\"Infinity\",\"b\":\"-Infinity\",\"c\":\"NaN\"}\n{}");
    CHECK_EQ_I64(mr_frame_rows(f), 4);
    CHECK_EQ_I64(mr_frame_columns(f), 4);
    CHECK_EQ_STR(mr_frame_name(f, 0), "a");
    CHECK_EQ_STR(mr_frame_name(f, 2), "\xc3\xa4\"");
    const double *a = mr_frame_column(f, "a"), *b = mr_frame_column(f, "b"), *c = mr_frame_column(f, "c"),
                 *d = mr_frame_column(f, "\xc3\xa4\"");
    CHECK(a[0] == 1 && isnan(a[1]) && a[2] == INFINITY && isnan(a[3]));
    CHECK(b[0] == 2.5 && isnan(b[1]) && b[2] == -INFINITY && isnan(c[2]) && isnan(d[0]) && d[1] == -3);
    mr_frame_free(f);
    f = lines("");
    CHECK_EQ_I64(mr_frame_rows(f), 0);
    mr_frame_free(f);
}

/* Whole numbers without a gap are printed as such. */
static void test_jsonl_head(void)
{
    char text[200] = "";
    mr_frame *f = lines("{\"step\":1,\"a\":1}\n{\"step\":2,\"a\":1.5}\n{\"step\":3,\"b\":4}\n");
    FILE *out = fmemopen(text, sizeof text, "w");
    CHECK_EQ_I64(mr_frame_print_head(out, f, 5), MR_OK);
    fclose(out);
    CHECK_EQ_STR(text, "   step    a    b\n0     1  1.0  NaN\n1     2  1.5  NaN\n2     3  NaN  4.0\n");
    mr_frame_free(f);
}

static void test_jsonl_refused(void)
{
    static const struct {
        const char *text, *says;
    } wrong[] = { { "{\"a\":1}\n[1]\n", "line 2: this is no JSON object" },
                  { "{\"a\":1}\n\n{\"a\":", "line 3: this is no JSON object" },
                  { "{\"a\":1,\"a\":2}\n", "line 1: this is no JSON object" },
                  { "7\n", "line 1: this is no JSON object" },
                  { "{\"a\":[1]}\n", "line 1: 'a' is no number" },
                  { "{\"b\":true}\n", "line 1: 'b' is no number" } };
    char wanted[600];
    CHECK(!mr_frame_read_jsonl(NULL));
    CHECK_EQ_STR(mr_error(), "frame_read_jsonl: path is NULL");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(!lines(wrong[i].text));
        CHECK_EQ_I64(mr_error_status(), MR_ERR_FORMAT);
        snprintf(wanted, sizeof wanted, "'%s' %s", in_folder("frame.jsonl"), wrong[i].says);
        CHECK_EQ_STR(mr_error(), wanted);
    }
}

/* Many rows, and columns that come late. */
static void test_jsonl_many(void)
{
    static char text[60000];
    size_t used = 0;
    for (int i = 0; i < 1000; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "{\"step\":%d,\"column%d\":%d.5}\n", i,
                                 i / 25, i);
    mr_frame *f = lines(text);
    CHECK_EQ_I64(mr_frame_columns(f), 41);
    CHECK_EQ_I64(mr_frame_rows(f), 1000);
    const double *last = mr_frame_column(f, "column39"), *step = mr_frame_column(f, "step");
    for (int i = 0; i < 1000; i++)
        CHECK(step[i] == i && (i < 975 ? isnan(last[i]) : last[i] == i + 0.5));
    mr_frame_free(f);
}

int main(void)
{
    if (!files_begin())
        return 1;
    gnuplot_replaced(true);
    RUN(test_script);
    RUN(test_parts);
    gnuplot_replaced(false);
    if (system("gnuplot --version >/dev/null 2>&1") == 0)
        RUN(test_drawn);
    else
        printf("note: gnuplot is not installed: nothing was drawn\n");
    RUN(test_refused);
    RUN(test_jsonl);
    RUN(test_jsonl_head);
    RUN(test_jsonl_refused);
    RUN(test_jsonl_many);
    return files_report();
}
