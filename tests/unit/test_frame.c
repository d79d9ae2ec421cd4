/* Tables read from CSV files, what is said of malformed ones, and their heads beside pandas' (golden/head.txt). */
#include "check.h"

#include <millrace/plot.h>

#include <locale.h>
#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/mr-frame-XXXXXX";

static void write_file(const char *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, count, file) != count || fclose(file))
        exit(2);
}

static mr_frame *read_text(const char *text)
{
    write_file(text, strlen(text));
    return mr_frame_read_csv(path);
}

/* ---- what is read ---- */

/* Checks a frame of columns a and b with the rows (1, 2) and (3, 4), and frees it. */
static void check_four(mr_frame *frame)
{
    if (!CHECK(frame != NULL)) {
        printf("    %s\n", mr_error());
        return;
    }
    CHECK_EQ_I64(mr_frame_rows(frame), 2);
    CHECK_EQ_I64(mr_frame_columns(frame), 2);
    CHECK_EQ_STR(mr_frame_name(frame, 0), "a");
    CHECK_EQ_STR(mr_frame_name(frame, 1), "b");
    CHECK(mr_frame_name(frame, 2) == NULL && mr_frame_name(frame, -1) == NULL);
    const double *a = mr_frame_column(frame, "a"), *b = mr_frame_column(frame, "b");
    if (CHECK(a && b))
        CHECK(a[0] == 1 && a[1] == 3 && b[0] == 2 && b[1] == 4);
    mr_frame_free(frame);
}

static void test_lines(void)
{
    check_four(read_text("a,b\n1,2\n3,4\n"));
    check_four(read_text("a,b\n1,2\n3,4"));
    check_four(read_text("a,b\r\n1,2\r\n3,4\r\n"));
    check_four(read_text("a,b\r\n1,2\r\n3,4\r"));
    check_four(read_text("a,b\n1,2\r\n3,4"));
    check_four(read_text("\n\r\na,b\n\n1,2\r\n\r\n\n3,4\n\n\n"));
    check_four(read_text("\xEF\xBB\xBF"
                         "a,b\n1,2\n3,4\n"));
}

static void test_quotes(void)
{
    check_four(read_text("\"a\",\"b\"\n\"1\",2\n3,\"4\"\n"));
    check_four(read_text("\"a\",\"b\"\r\n\"1\",\"2\"\r\n\"3\",\"4\""));
    mr_frame *frame = read_text("\"a, b\",\"c \"\"d\"\"\",\"e\nf\",\"\",g\"h\n1,2,3,4,\"\"\n");
    if (!CHECK(frame != NULL))
        return;
    CHECK_EQ_I64(mr_frame_columns(frame), 5);
    CHECK_EQ_STR(mr_frame_name(frame, 0), "a, b");
    CHECK_EQ_STR(mr_frame_name(frame, 1), "c \"d\"");
    CHECK_EQ_STR(mr_frame_name(frame, 2), "e\nf");
    CHECK_EQ_STR(mr_frame_name(frame, 3), "");
    CHECK_EQ_STR(mr_frame_name(frame, 4), "g\"h");
    CHECK_EQ_I64(mr_frame_rows(frame), 1);
    CHECK(isnan(mr_frame_column(frame, "g\"h")[0]));
    mr_frame_free(frame);
}

static void test_numbers(void)
{
    mr_frame *frame = read_text("x,y\n"
                                "1.6151371002197266,-1e-05\n"
                                " 2 ,+3\n"
                                "nan,-NaN\n"
                                "inf,-Infinity\n"
                                ",5e-324\n"
                                ".5,5.\n");
    if (!CHECK(frame != NULL))
        return;
    const double *x = mr_frame_column(frame, "x"), *y = mr_frame_column(frame, "y");
    CHECK_EQ_I64(mr_frame_rows(frame), 6);
    CHECK(x[0] == 1.6151371002197266 && y[0] == -1e-05);
    CHECK(x[1] == 2 && y[1] == 3);
    CHECK(isnan(x[2]) && isnan(y[2]));
    CHECK(x[3] == HUGE_VAL && y[3] == -HUGE_VAL);
    CHECK(isnan(x[4]) && y[4] == 5e-324);
    CHECK(x[5] == 0.5 && y[5] == 5);
    mr_frame_free(frame);
}

static void test_no_rows(void)
{
    static const char *const texts[] = { "loss,step", "loss,step\n", "loss,step\r\n\r\n" };
    for (size_t i = 0; i < 3; i++) {
        mr_frame *frame = read_text(texts[i]);
        CHECK_EQ_I64(mr_frame_rows(frame), 0);
        CHECK_EQ_I64(mr_frame_columns(frame), 2);
        CHECK(mr_frame_column(frame, "step") != NULL);
        mr_frame_free(frame);
    }
}

/* More columns than are made room for at once, and a line that is longer than any buffer might be. */
static void test_many(void)
{
    enum { COLUMNS = 100, ROWS = 300 };
    char *text = malloc(COLUMNS * (ROWS + 1) * 12), *to = text;
    for (int r = -1; r < ROWS; r++)
        for (int c = 0; c < COLUMNS; c++)
            to += sprintf(to, r < 0 ? "c%d%c" : "%d%c", r < 0 ? c : r * COLUMNS + c,
                          c < COLUMNS - 1 ? ',' : '\n');
    mr_frame *frame = read_text(text);
    CHECK_EQ_I64(mr_frame_rows(frame), ROWS);
    CHECK_EQ_I64(mr_frame_columns(frame), COLUMNS);
    bool same = true;
    for (int c = 0; c < COLUMNS; c++) {
        char name[16];
        sprintf(name, "c%d", c);
        const double *values = mr_frame_column(frame, name);
        for (int r = 0; values && r < ROWS; r++)
            same &= values[r] == r * COLUMNS + c;
    }
    CHECK(same);
    mr_frame_free(frame);
    free(text);
}

/* ---- what is refused ---- */

/* Reading `text` fails with "'PATH' " and then `says`. */
static void refuses(const char *text, const char *says)
{
    mr_frame *frame = read_text(text);
    char expected[256];
    snprintf(expected, sizeof expected, "'%s' %s", path, says);
    CHECK(frame == NULL);
    CHECK_EQ_I64(mr_error_status(), MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), expected);
    mr_frame_free(frame);
}

static void test_malformed(void)
{
    refuses("", "line 1: there are no names of columns");
    refuses("\n\r\n", "line 1: there are no names of columns");
    refuses("a,b\n1,2\n3\n", "line 3: 1 cells, where the names are 2");
    refuses("a,b\r\n1,2,3\r\n", "line 2: 3 cells, where the names are 2");
    refuses("a\n1\n2,\n", "line 3: 2 cells, where the names are 1");
    refuses("a,b\n1,2\n\n3,x4\n", "line 4: column 'b': 'x4' is no number");
    refuses("a,b\n1,4 5\n", "line 2: column 'b': '4 5' is no number");
    refuses("a,b\n0x10,1\n", "line 2: column 'a': '0x10' is no number");
    refuses("a,b\n1,-\n", "line 2: column 'b': '-' is no number");
    refuses("a,b\n1, \n", "line 2: column 'b': ' ' is no number");
    refuses("a,b\n1,1.5.2\n", "line 2: column 'b': '1.5.2' is no number");
    refuses("a,b\n1,nanny\n", "line 2: column 'b': 'nanny' is no number");
    refuses("a,b\n1,\t2\n", "line 2: column 'b': '\t2' is no number");
    refuses("a,b\n1,2\r3\n", "line 2: column 'b': '2 3' is no number");
    refuses("a,b\n\"1,2\n", "line 2: a quote is not closed");
    refuses("\"a\nb\",c\n1,\"2\"x\n", "line 3: there is more behind a closing quote");
    refuses("a,b\n1,\"2\"\r3\n", "line 2: there is more behind a closing quote");
    write_file("a,b\n1,\0002\n", 9);
    CHECK(mr_frame_read_csv(path) == NULL);
    CHECK(strstr(mr_error(), "line 1: this is no text: there is a zero byte in the file") != NULL);
}

static void test_no_file(void)
{
    CHECK(mr_frame_read_csv("/nowhere/metrics.csv") == NULL);
    CHECK_EQ_STR(mr_error(), "cannot read '/nowhere/metrics.csv': No such file or directory");
    CHECK_EQ_I64(mr_error_status(), MR_ERR_IO);
    CHECK(mr_frame_read_csv("/tmp") == NULL);
    CHECK_EQ_STR(mr_error(), "cannot read '/tmp': Is a directory");
}

static void test_no_column(void)
{
    mr_frame *frame = read_text("loss,epoch,step\n1,2,3\n");
    CHECK(mr_frame_column(frame, "Loss") == NULL);
    CHECK_EQ_I64(mr_error_status(), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "frame_column: no column 'Loss'; there are 'loss', 'epoch', 'step'");
    mr_frame_free(frame);
    frame = read_text("loss\n1\n");
    CHECK(mr_frame_column(frame, "") == NULL);
    CHECK_EQ_STR(mr_error(), "frame_column: no column ''; there is 'loss'");
    mr_frame_free(frame);
}

static void test_null(void)
{
    mr_frame *frame = read_text("a\n1\n");
    CHECK(mr_frame_read_csv(NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "frame_read_csv: path is NULL");
    CHECK(mr_frame_column(frame, NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "frame_column: name is NULL");
    CHECK(mr_frame_column(NULL, "a") == NULL);
    CHECK_EQ_STR(mr_error(), "frame_column: frame is NULL");
    CHECK_EQ_I64(mr_frame_print_head(NULL, frame, 5), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "frame_print_head: file is NULL");
    CHECK_EQ_I64(mr_frame_print_head(stdout, NULL, 5), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "frame_print_head: frame is NULL");
    CHECK_EQ_I64(mr_frame_rows(NULL), 0);
    CHECK_EQ_I64(mr_frame_columns(NULL), 0);
    CHECK(mr_frame_name(NULL, 0) == NULL);
    mr_frame_free(NULL);
    mr_frame_free(frame);
}

static void test_unwritable(void)
{
    mr_frame *frame = read_text("a\n1\n");
    FILE *full = fopen("/dev/full", "w");
    if (full) {
        setbuf(full, NULL);
        CHECK_EQ_I64(mr_frame_print_head(full, frame, 5), MR_ERR_IO);
        CHECK_EQ_STR(mr_error(), "frame_print_head: cannot write: No space left on device");
        fclose(full);
    }
    mr_frame_free(frame);
}

/* ---- heads ---- */

/* What mr_frame_print_head prints of this CSV; the caller frees it. */
static char *head_of(const char *csv, int64_t rows)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    mr_frame *frame = read_text(csv);
    if (mr_frame_print_head(file, frame, rows) != MR_OK)
        fprintf(file, "%s\n", mr_error());
    mr_frame_free(frame);
    fclose(file);
    return text;
}

static void test_golden(void)
{
    static char line[4096], csv[1 << 16], head[1 << 16];
    FILE *golden = fopen(MR_TEST_DATA "/head.txt", "r");
    long long rows = 0, cases = 0;
    if (!CHECK(golden != NULL))
        return;
    for (bool more = true; more;) {
        more = fgets(line, sizeof line, golden) != NULL;
        if ((!more || strncmp(line, "case", 4) == 0) && *csv) {
            char *text = head_of(csv, rows);
            if (!CHECK_EQ_STR(text, head))
                printf("    the first %lld rows of\n%s", rows, csv);
            free(text);
            *csv = *head = '\0';
            cases++;
        }
        if (more && strncmp(line, "case", 4) == 0)
            rows = atoll(line + 4);
        else if (more)
            strcat(*line == '<' ? csv : head, line + 2);
    }
    CHECK(cases > 100);
    fclose(golden);
}

/* Files have points in every locale, and heads too. */
static void test_locale(void)
{
    static const char *const names[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE" };
    for (size_t i = 0; i < 3; i++) {
        if (!setlocale(LC_NUMERIC, names[i]))
            continue;
        char *text = head_of("a\n0.5\n1.25\n", 5), here[8];
        CHECK_EQ_STR(text, "      a\n0  0.50\n1  1.25\n");
        free(text);
        snprintf(here, sizeof here, "%.1f", 0.5);
        CHECK_EQ_STR(here, "0,5");
    }
    setlocale(LC_NUMERIC, "C");
}

int main(void)
{
    int file = mkstemp(path);
    if (file < 0)
        return 2;
    close(file);
    RUN(test_lines);
    RUN(test_quotes);
    RUN(test_numbers);
    RUN(test_no_rows);
    RUN(test_many);
    RUN(test_malformed);
    RUN(test_no_file);
    RUN(test_no_column);
    RUN(test_null);
    RUN(test_unwritable);
    RUN(test_golden);
    RUN(test_locale);
    unlink(path);
    return check_report();
}
