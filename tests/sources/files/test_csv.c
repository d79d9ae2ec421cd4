/* CSV: what pandas reads, by number and from the front to the back; faults in words. */
#include <millrace/sources/csv.h>

#include "check.h"
#include "files.h"

#include <stdlib.h>

enum { COLUMNS = 300 };

static const char *csv_folder = MR_TEST_DATA "/csv";

/* ---- beside pandas ---- */

typedef struct expected {
    char name[64];
    int rows, columns;
    mr_csv_opts opts;
    double (*cell)[COLUMNS];
    bool classes[COLUMNS];
} expected;

static void read_options(expected *e, char *text)
{
    for (char *word = strtok(text, " \n"); word; word = strtok(NULL, " \n")) {
        char *value = strchr(word, '=') + 1;
        if (strncmp(word, "delimiter", 9) == 0)
            e->opts.delimiter = *value;
        else if (strncmp(word, "comment", 7) == 0)
            e->opts.comment = *value;
        else if (strncmp(word, "quote", 5) == 0)
            e->opts.quote = *value;
        else if (strncmp(word, "skip", 4) == 0)
            e->opts.skip_lines = atoi(value);
        else if (CHECK(strncmp(word, "no_header", 9) == 0))
            e->opts.no_header = true;
    }
}

static bool read_expected(FILE *file, expected *e)
{
    static char line[1 << 15];
    int at = 0;
    *e = (expected){ 0 };
    if (!fgets(line, sizeof line, file))
        return false;
    CHECK(sscanf(line, "file %63s %d %d%n", e->name, &e->rows, &e->columns, &at) == 3 &&
          e->columns <= COLUMNS);
    read_options(e, line + at);
    e->cell = calloc((size_t)e->rows + 1, sizeof *e->cell);
    for (int r = 0; r < e->rows && CHECK(fgets(line, sizeof line, file) != NULL); r++) {
        char *text = line;
        for (int c = 0; c < e->columns; c++) {
            while (*text == ' ')
                text++;
            e->classes[c] = e->classes[c] || *text == '=';
            e->cell[r][c] = strtod(text + (*text == '='), &text);
        }
    }
    return true;
}

static int make_fields(const expected *e, mr_csv_field *field, char (*name)[16])
{
    for (int c = 0; c < e->columns; c++) {
        snprintf(name[c], sizeof name[c], "#%d", c);
        field[c] = (mr_csv_field){ .name = name[c],
                                   .dtype = e->classes[c] ? MR_INT64 : MR_FLOAT64,
                                   .missing = e->classes[c] ? MR_MISSING_FAIL : MR_MISSING_NAN,
                                   .classes = e->classes[c] };
    }
    return e->columns;
}

static void check_row(const expected *e, int row, const mr_batch *sample)
{
    if (!CHECK(sample != NULL)) {
        printf("    %s, row %d: %s\n", e->name, row, mr_error());
        return;
    }
    for (int c = 0; c < e->columns; c++) {
        double wanted = e->cell[row][c];
        if (e->classes[c]) {
            CHECK_EQ_I64(*(int64_t *)mr_tensor_data(sample->field[c]), wanted);
        } else {
            double got = *(double *)mr_tensor_data(sample->field[c]);
            if (!CHECK(isnan(wanted) ? isnan(got) : memcmp(&got, &wanted, sizeof got) == 0))
                printf("    %s, row %d, column %d: %a, not %a\n", e->name, row, c, got, wanted);
        }
    }
}

static void check_stream(const expected *e, const char *path, mr_csv_field *field, mr_dataset *dataset)
{
    for (int c = 0; c < e->columns; c++)
        if (field[c].classes) {
            field[c].classes = false;
            field[c].words = mr_csv_words(dataset, field[c].name, &field[c].word_count);
        }
    mr_dataset *stream = mr_csv_stream_new(path, field, e->columns, &e->opts);
    CHECK_EQ_I64(mr_dataset_len(stream), -1);
    mr_cursor *cursor = mr_stream_open(stream);
    const mr_batch *sample = NULL;
    for (int r = 0; r < e->rows; r++) {
        CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_OK);
        check_row(e, r, sample);
    }
    CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_END);
    mr_cursor_free(cursor);
    mr_dataset_free(stream);
}

static void test_beside_pandas(void)
{
    static mr_csv_field field[COLUMNS];
    static char name[COLUMNS][16], path[400];
    snprintf(path, sizeof path, "%s/expected.txt", csv_folder);
    FILE *file = fopen(path, "r");
    expected e;
    int files = 0;
    if (!CHECK(file != NULL))
        return;
    for (; read_expected(file, &e); files++) {
        snprintf(path, sizeof path, "%s/%s", csv_folder, e.name);
        mr_dataset *dataset = mr_csv_new(path, field, make_fields(&e, field, name), &e.opts);
        if (!CHECK(dataset != NULL))
            printf("    %s: %s\n", e.name, mr_error());
        CHECK_EQ_I64(mr_dataset_len(dataset), e.rows);
        for (int r = e.rows - 1; r >= 0; r--) {
            mr_batch *sample = mr_dataset_get(dataset, r);
            check_row(&e, r, sample);
            mr_batch_free(sample);
        }
        check_stream(&e, path, field, dataset);
        mr_dataset_free(dataset);
        free(e.cell);
    }
    fclose(file);
    CHECK_EQ_I64(files, 28);
}

/* ---- fields ---- */

static const char *put(const char *text)
{
    file_put(in_folder("a.csv"), text, strlen(text));
    return in_folder("a.csv");
}

static float number(const mr_batch *sample, int field, int at)
{
    return ((const float *)mr_tensor_data(sample->field[field]))[at];
}

static void test_fields(void)
{
    const char *path = put("id,x1,x2,x3,kind,ok\n7,1,2,3,b,true\n8,4,5,6,a,False\n");
    mr_dataset *d = mr_csv_new(path,
                               (mr_csv_field[]){ { .name = "x", .columns = "x1:x3" },
                                                 { .name = "kind", .classes = true },
                                                 { .name = "ok", .dtype = MR_BOOL },
                                                 { .name = "rest", .columns = "*" } },
                               4, NULL);
    mr_batch *s = mr_dataset_get(d, 1);
    CHECK_EQ_I64(mr_tensor_numel(s->field[0]), 3);
    CHECK(number(s, 0, 0) == 4 && number(s, 0, 1) == 5 && number(s, 0, 2) == 6);
    CHECK_EQ_I64(mr_tensor_dtype(s->field[1]), MR_INT64);
    CHECK_EQ_I64(*(int64_t *)mr_tensor_data(s->field[1]), 0);
    CHECK(!*(bool *)mr_tensor_data(s->field[2]));
    CHECK_EQ_I64(mr_tensor_ndim(s->field[3]), 1);
    CHECK(number(s, 3, 0) == 8);
    int count;
    const char *const *words = mr_csv_words(d, "kind", &count);
    CHECK_EQ_I64(count, 2);
    CHECK_EQ_STR(words[1], "b");
    CHECK(!mr_csv_words(d, "x", &count));
    CHECK(strstr(mr_error(), "a.csv' has no field 'x' of classes") != NULL);
    mr_batch_free(s);
    mr_dataset_free(d);

    /* Out of order, words by the user, and what is missing. */
    const char *const kinds[] = { "b", "a" };
    path = put("x,kind\n1,a\n,b\n3,\n4,b\n");
    d = mr_csv_new(
        path,
        (mr_csv_field[]){ { .name = "kind", .words = kinds, .word_count = 2, .missing = MR_MISSING_SKIP },
                          { .name = "x", .missing = MR_MISSING_FILL, .fill = -9 } },
        2, NULL);
    CHECK_EQ_I64(mr_dataset_len(d), 3);
    s = mr_dataset_get(d, 1);
    CHECK_EQ_I64(*(int64_t *)mr_tensor_data(s->field[0]), 0);
    CHECK(number(s, 1, 0) == -9);
    mr_batch_free(s);
    s = mr_dataset_get(d, 2);
    CHECK(number(s, 1, 0) == 4);
    mr_batch_free(s);
    mr_dataset_free(d);

    /* Nothing is said: numbers and classes are told from each other. */
    d = mr_csv_new(path, NULL, 0, NULL);
    CHECK_EQ_I64(mr_dataset_field_count(d), 2);
    CHECK_EQ_I64(mr_dataset_fields(d)[0].dtype, MR_FLOAT32);
    CHECK_EQ_I64(mr_dataset_fields(d)[1].dtype, MR_INT64);
    s = mr_dataset_get(d, 1);
    CHECK(isnan(number(s, 0, 0)));
    mr_batch_free(s);
    mr_dataset_free(d);
}

/* ---- order: by a loader, shuffled, with workers ---- */

static void test_shuffled(void)
{
    FILE *file = fopen(in_folder("long.csv"), "w");
    fprintf(file, "i,square\n");
    for (int i = 0; i < 1000; i++)
        fprintf(file, i % 7 ? "%d,%d\n" : "%d,\"%d\"\r\n", i, i * i);
    fclose(file);
    mr_dataset *d = mr_csv_new(in_folder("long.csv"), NULL, 0, NULL);
    mr_rng *rng = mr_rng_new(1);
    for (int workers = 0; workers < 3; workers += 2) {
        mr_loader *loader =
            mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 48, .shuffle = true, .workers = workers });
        const mr_batch *b;
        double sum = 0;
        while (mr_loader_next(loader, &b) == MR_OK)
            for (int64_t i = 0; i < b->rows; i++) {
                CHECK(number(b, 0, (int)i) == (float)b->indices[i]);
                CHECK(number(b, 1, (int)i) == (float)(b->indices[i] * b->indices[i]));
                sum += number(b, 0, (int)i);
            }
        CHECK(sum == 999 * 500);
        mr_loader_free(loader);
    }
    mr_rng_free(rng);
    mr_dataset_free(d);
}

/* ---- going on where a loader stood, with other workers ---- */

static void check_resumed(const char *path)
{
    mr_dataset *d = mr_csv_stream_new(path, NULL, 0, NULL);
    mr_rng *rng = mr_rng_new(1);
    const mr_batch *b;
    const void *bytes;
    size_t size;
    for (int k = 0; k <= 21; k++) {
        mr_loader *first = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 48, .workers = k % 3 }),
                  *second =
                      mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 48, .workers = (k + 1) % 3 });
        for (int i = 0; i < k; i++)
            CHECK_EQ_I64(mr_loader_next(first, &b), MR_OK);
        CHECK_EQ_I64(mr_loader_save(first, &bytes, &size), MR_OK);
        CHECK_EQ_I64(mr_loader_restore(second, bytes, size), MR_OK);
        int row = 48 * k < 1000 ? 48 * k : 1000; /* the last batch is short */
        mr_status s;
        while ((s = mr_loader_next(second, &b)) == MR_OK)
            for (int64_t i = 0; i < b->rows; i++, row++)
                CHECK(number(b, 0, (int)i) == (float)row);
        CHECK_EQ_I64(s, MR_END);
        CHECK_EQ_I64(row, 1000);
        mr_loader_free(first);
        mr_loader_free(second);
    }
    mr_rng_free(rng);
    mr_dataset_free(d);
}

static void test_resumed(void)
{
    char command[600];
    FILE *file = fopen(in_folder("rows.csv"), "w");
    fprintf(file, "i,text of no interest\n");
    for (int i = 0; i < 1000; i++)
        fprintf(file, i % 5 ? "%d,0\n" : "%d,\"1\"\n\n", i);
    fclose(file);
    check_resumed(in_folder("rows.csv"));
    snprintf(command, sizeof command, "gzip -k '%s'", in_folder("rows.csv"));
    CHECK(system(command) == 0);
    check_resumed(in_folder("rows.csv.gz"));
}

#define REMEDY " (the field's .missing may be MR_MISSING_FILL, MR_MISSING_NAN or MR_MISSING_SKIP)"

static void check_fault(const char *text, const mr_csv_field *fields, int count, const mr_csv_opts *opts,
                        int64_t row, const char *wanted);

/* ---- by row and from the front to the back: the same rows ---- */

/* The rows whose only field has these numbers, one column of int64. */
static void check_same(const char *text, const mr_csv_field *f, const int64_t *wanted, int64_t count)
{
    mr_dataset *d = mr_csv_new(put(text), f, 1, NULL), *stream;
    mr_csv_field words = *f;
    if (f->classes) {
        words.classes = false;
        words.words = mr_csv_words(d, f->name, &words.word_count);
    }
    stream = mr_csv_stream_new(in_folder("a.csv"), &words, 1, NULL);
    mr_cursor *cursor = mr_stream_open(stream);
    const mr_batch *sample;
    CHECK_EQ_I64(mr_dataset_len(d), count);
    for (int64_t i = 0; i < count; i++) {
        mr_batch *b = mr_dataset_get(d, i);
        if (CHECK(b != NULL))
            CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[0]), wanted[i]);
        if (CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_OK))
            CHECK_EQ_I64(*(int64_t *)mr_tensor_data(sample->field[0]), wanted[i]);
        mr_batch_free(b);
    }
    if (!CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_END))
        printf("    %s\n", mr_error());
    mr_error_clear();
    mr_cursor_free(cursor);
    mr_dataset_free(stream);
    mr_dataset_free(d);
}

/* A quote opens at the beginning of a cell only (pandas). */
static void test_stray_quotes(void)
{
    const mr_csv_field c = { .name = "c", .classes = true }, a = { .name = "a", .dtype = MR_INT64 };
    check_same("c\nab\"c\nd\ne\nf\n", &c, (int64_t[]){ 0, 1, 2, 3 }, 4);
    check_same("a,b\n1,5\" disc\n2,\"x\n\"\"y\"\n3,\"\"\n4,a\"b\"\n", &a, (int64_t[]){ 1, 2, 3, 4 }, 4);
}

/* Blanks around names count where a column has them in its name. */
static void test_blanks_around_names(void)
{
    const mr_csv_field both = { .name = "x", .columns = " b ,  a", .dtype = MR_INT64 },
                       range = { .name = "x", .columns = "a : b", .dtype = MR_INT64 },
                       blank = { .name = "x", .columns = " b", .dtype = MR_INT64 };
    check_same("a,b\n1,2\n", &both, (int64_t[]){ 2 }, 1);
    check_same("a,b\n1,2\n", &range, (int64_t[]){ 1 }, 1);
    check_same("a,b\n1,2\n", &blank, (int64_t[]){ 2 }, 1);
    check_same("b, b\n1,2\n", &blank, (int64_t[]){ 2 }, 1);
}

/* A row that is left out is so whatever its other cells are, unless it has too few of them, or too many. */
static void test_left_out(void)
{
    const mr_csv_field two[] = { { .name = "a", .dtype = MR_INT64 },
                                 { .name = "b", .missing = MR_MISSING_SKIP } },
                       one = {
                           .name = "a,b", .columns = "a,b", .dtype = MR_INT64, .missing = MR_MISSING_SKIP
                       };
    check_same("a,b\nx,\n1,2\n,y\n", &one, (int64_t[]){ 1 }, 1);
    static const char *const none[] = { "", "nan", " NaN", "+nan", "N/A" };
    for (int i = 0; i < 5; i++) {
        char text[64];
        snprintf(text, sizeof text, "a,b\nx,%s\n1,2\n", none[i]);
        mr_dataset *d = mr_csv_new(put(text), two, 2, NULL),
                   *stream = mr_csv_stream_new(put(text), two, 2, NULL);
        mr_cursor *cursor = mr_stream_open(stream);
        const mr_batch *sample;
        CHECK_EQ_I64(mr_dataset_len(d), 1);
        CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_OK);
        CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_END);
        mr_cursor_free(cursor);
        mr_dataset_free(stream);
        mr_dataset_free(d);
    }
    check_fault("a,b\n,\n3,,5\n", two, 2, NULL, 0, "': line 3 has 3 cells, not 2");
}

/* ---- faults ---- */

/* Fails when it is opened, or when the row is read, with "'<path>': <text>". */
static void check_fault(const char *text, const mr_csv_field *fields, int count, const mr_csv_opts *opts,
                        int64_t row, const char *wanted)
{
    char all[600];
    const char *path = put(text);
    mr_dataset *d = mr_csv_new(path, fields, count, opts);
    if (row < 0)
        CHECK(d == NULL);
    else if (CHECK(d != NULL))
        CHECK(mr_dataset_get(d, row) == NULL);
    const char *said = mr_error(), *at = strstr(said, path);
    snprintf(all, sizeof all, "%s%s", path, wanted);
    CHECK_EQ_STR(at ? at : said, all);
    mr_error_clear();
    mr_dataset_free(d);
}

static void test_faults(void)
{
    const mr_csv_field x = { .name = "x" }, whole = { .name = "x", .dtype = MR_UINT8 };
    const char *const words[] = { "a", "b" };
    check_fault("", &x, 1, NULL, -1, "' has no lines");
    check_fault("\n\n", &x, 1, NULL, -1, "' has no lines");
    check_fault("x,y\n1,2\n3\n", &x, 1, NULL, 1, "': line 3 has 1 cells, not 2");
    check_fault("x,y\n1,2\n3,4,5\n", &x, 1, NULL, 1, "': line 3 has 3 cells, not 2");
    check_fault("x\n1\n\n\"two\nlines\"\n", &x, 1, NULL, 1,
                "': line 4, column 'x': 'two lines' is no number");
    check_fault("x\n1.5\n", &whole, 1, NULL, 0, "': line 2, column 'x': '1.5' is no whole number");
    check_fault("x\n256\n", &whole, 1, NULL, 0, "': line 2, column 'x': '256' does not fit uint8");
    check_fault("x\nNA\n", &x, 1, NULL, 0,
                "': line 2, column 'x': 'NA' is missing (the field's .missing may be MR_MISSING_FILL, "
                "MR_MISSING_NAN or "
                "MR_MISSING_SKIP)");
    check_fault("x\nnan\n", &x, 1, NULL, 0, "': line 2, column 'x': 'nan' is missing" REMEDY);
    check_fault("x\n NaN\n", &x, 1, NULL, 0, "': line 2, column 'x': ' NaN' is missing" REMEDY);
    check_fault("x,y\n,1\n", &x, 1, NULL, 0, "': line 2, column 'x': '' is missing" REMEDY);
    check_fault("x\n\"1\n", &x, 1, NULL, 0,
                "': line 2, cell 1: a quote that is not closed, or text behind it");
    check_fault("x\n\"1\"2\n", &x, 1, NULL, 0,
                "': line 2, cell 1: a quote that is not closed, or text behind it");
    check_fault("x\nc\n", &(mr_csv_field){ .name = "x", .words = words, .word_count = 2 }, 1, NULL, 0,
                "': line 2, column 'x': 'c' is none of the words 'a', 'b'");
    check_fault("\"x\n1\n", &x, 1, NULL, -1, "': line 1: a quote that is not closed, or text behind it");
    check_fault("1\nx\n", &(mr_csv_field){ .name = "#0" }, 1, &(mr_csv_opts){ .no_header = true }, 1,
                "': line 2, column '#0': 'x' is no number");
}

static void check_refused(const mr_csv_field *fields, int count, const char *wanted)
{
    const char *path = put("x,y\n1,2\n");
    char text[600];
    CHECK(mr_csv_new(path, fields, count, NULL) == NULL);
    snprintf(text, sizeof text, wanted, path);
    CHECK_EQ_STR(mr_error(), text);
    mr_error_clear();
}

static void test_wrong_fields(void)
{
    const char *const twice[] = { "a", "a" };
    check_refused(&(mr_csv_field){ .name = "z" }, 1,
                  "csv_new: field 'z': '%s' has no column 'z': it has the columns 'x', 'y'");
    check_refused(&(mr_csv_field){ .name = "z", .columns = "x:z" }, 1,
                  "csv_new: field 'z': '%s' has no column 'z': it has the columns 'x', 'y'");
    check_refused(&(mr_csv_field){ .name = "z", .columns = "#2" }, 1,
                  "csv_new: field 'z': '%s' has no column '#2': it has the columns 'x', 'y'");
    check_refused(&(mr_csv_field){ .name = "z", .columns = "y:x" }, 1,
                  "csv_new: field 'z': 'y:x' goes from column 1 back to 0");
    check_refused((mr_csv_field[]){ { .name = "x" }, { .name = "z", .columns = "y,x" } }, 2,
                  "csv_new: column 'x' of '%s' is named twice, by fields 'x' and 'z'");
    check_refused((mr_csv_field[]){ { .name = "x", .columns = "x,y" }, { .name = "z", .columns = "*" } }, 2,
                  "csv_new: field 'z': '%s' has no column that no other field names");
    check_refused(&(mr_csv_field){ .columns = "x" }, 1, "csv_new: a field without a name");
    check_refused(&(mr_csv_field){ .name = "x", .dtype = MR_INT64, .missing = MR_MISSING_NAN }, 1,
                  "csv_new: field 'x': there is no NaN among whole numbers");
    check_refused(&(mr_csv_field){ .name = "x", .dtype = MR_FLOAT64, .classes = true }, 1,
                  "csv_new: field 'x': words are whole numbers, not float64");
    check_refused(&(mr_csv_field){ .name = "x", .dtype = MR_FLOAT16 }, 1,
                  "csv_new: field 'x': float16 is none of float32, float64, int64, int32, int16, uint16, "
                  "int8, uint8, bool");
    check_refused(&(mr_csv_field){ .name = "x", .words = twice, .word_count = 2 }, 1,
                  "csv_new: field 'x': the word 'a' is there twice");
    CHECK(!mr_csv_new(NULL, NULL, 0, NULL));
    CHECK_EQ_STR(mr_error(), "csv_new: path is NULL");
    CHECK(!mr_csv_new("/nowhere/a.csv", NULL, 0, NULL));
    CHECK_EQ_STR(mr_error(), "cannot open '/nowhere/a.csv': No such file or directory");
    CHECK(!mr_csv_stream_new(put("x,w\n1,a\n"), NULL, 0, NULL));
    CHECK(strstr(mr_error(), "column 'w' has words: name fields, and the words") != NULL);
    CHECK(!mr_csv_stream_new(put("x\n1\n"), &(mr_csv_field){ .name = "x", .classes = true }, 1, NULL));
    CHECK_EQ_STR(mr_error(),
                 "csv_stream_new: field 'x': the words of a stream are not known before its end: name them");
    int count;
    CHECK(!mr_csv_words(NULL, "x", &count));
    CHECK_EQ_STR(mr_error(), "csv_words: this is no dataset of mr_csv_new");
}

/* Every cut of a packed file, and every byte of it changed, ends in rows or in a failure with the path. */
static void check_damage(const char *name)
{
    char path[400], bytes[4000], *copy = bytes;
    snprintf(path, sizeof path, "%s/%s", csv_folder, name);
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    CHECK(size > 50 && size < sizeof bytes);
    fclose(file);
    int failed = 0;
    for (size_t i = 0; i < size; i++) {
        file_put(in_folder("cut"), bytes, i);
        mr_dataset *d = mr_csv_stream_new(in_folder("cut"), NULL, 0, NULL);
        mr_cursor *cursor = mr_stream_open(d);
        const mr_batch *sample;
        mr_status s = MR_OK;
        while (cursor && (s = mr_cursor_next(cursor, &sample)) == MR_OK)
            continue;
        failed += !cursor || s < 0;
        if (s < 0)
            CHECK(strstr(mr_error(), "/cut'") != NULL);
        mr_error_clear();
        mr_cursor_free(cursor);
        mr_dataset_free(d);
    }
    CHECK(failed >=
          (int)size - 5); /* too few bytes to know a packed file, and a cut between two members, are none */
    for (size_t i = 0; i < size; i++) {
        copy[i] ^= 0x55;
        file_put(in_folder("changed.csv"), bytes, size);
        mr_dataset *d = mr_csv_new(in_folder("changed.csv"), NULL, 0, NULL);
        for (int64_t r = 0; r < mr_dataset_len(d); r++)
            mr_batch_free(mr_dataset_get(d, r));
        mr_error_clear();
        mr_dataset_free(d);
        copy[i] ^= 0x55;
    }
}

static void test_damage(void)
{
    check_damage("wide.csv.gz");
    check_damage("wide.csv.zst");
}

/* A quote that is never closed makes one record of all that follows: it is read up to a limit, not to the end of memory. */
static void test_endless_record(void)
{
    FILE *file = fopen(in_folder("endless.csv"), "w");
    fprintf(file, "x\n1\n\"");
    for (int i = 0; i < 40 << 14; i++)
        fprintf(file, "%063d\n", i);
    fclose(file);
    mr_dataset *d = mr_csv_stream_new(in_folder("endless.csv"), &(mr_csv_field){ .name = "x" }, 1, NULL);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *sample;
    CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_OK);
    CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_ERR_FORMAT);
    CHECK(strstr(mr_error(), "/endless.csv': a record of more than 32 MB from byte 4 on") != NULL);
    CHECK(!mr_csv_new(in_folder("endless.csv"), &(mr_csv_field){ .name = "x" }, 1, NULL));
    CHECK(strstr(mr_error(), "/endless.csv': a record of more than 32 MB from byte 4 on") != NULL);
    mr_error_clear();
    mr_cursor_free(cursor);
    mr_dataset_free(d);
    unlink(in_folder("endless.csv"));
}

/* ---- pipes ---- */

static void test_pipe(void)
{
    CHECK(mkfifo(in_folder("pipe"), 0600) == 0);
    char command[600];
    snprintf(command, sizeof command, "printf 'x,y\\n1,2\\n3,4\\n' >'%s' &", in_folder("pipe"));
    CHECK(system(command) == 0);
    mr_dataset *d = mr_csv_stream_new(in_folder("pipe"), NULL, 0, NULL);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *sample;
    CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_OK);
    CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_OK);
    CHECK(number(sample, 1, 0) == 4);
    CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_END);
    mr_cursor_free(cursor);
    CHECK(!mr_stream_open(d));
    CHECK(strstr(mr_error(), "/pipe' can be read once only") != NULL);
    mr_error_clear();
    mr_dataset_free(d);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_beside_pandas);
    RUN(test_fields);
    RUN(test_shuffled);
    RUN(test_resumed);
    RUN(test_stray_quotes);
    RUN(test_blanks_around_names);
    RUN(test_left_out);
    RUN(test_faults);
    RUN(test_wrong_fields);
    RUN(test_damage);
    RUN(test_endless_record);
    RUN(test_pipe);
    return files_report();
}
