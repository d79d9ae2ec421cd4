/* The index of a CSV file that is kept in a file: it is used, and made anew when it is none of this file's and fields',
 * or damaged. */
#include <millrace/sources/csv.h>

#include "files.h"
#include "refuse.h"
#include "row_checks.h"
#include "sources/files/csv_index.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <zlib.h>

enum { ROWS = 20000 };

static const mr_csv_opts kept = { .keep_index = true };
static const mr_csv_field fields[] = {
    { .name = "n", .dtype = MR_INT64 },
    { .name = "town", .classes = true },
    { .name = "x", .missing = MR_MISSING_SKIP },
};

/* 20,000 rows; every seventh has no x. */
static char *text_of_rows(size_t *size)
{
    char *text = malloc(ROWS * 32);
    *size = (size_t)sprintf(text, "n,town,x\n");
    for (int i = 0; i < ROWS; i++)
        *size += (size_t)sprintf(text + *size, i % 7 ? "%d,%s,%d.5\n" : "%d,%s,\n", i,
                                 (const char *const[]){ "Ulm", "Bonn", "Rom" }[i % 3], i);
    return text;
}

static const char *make_rows(void)
{
    size_t size;
    char *text = text_of_rows(&size);
    file_put(in_folder("rows.csv"), text, size);
    free(text);
    unlink(in_folder("rows.csv.index"));
    return in_folder("rows.csv");
}

/* Writes over some bytes of the file, which then has the time that it had before. */
static void write_over(const char *path, int64_t at, const char *bytes)
{
    struct stat before;
    int fd = open(path, O_WRONLY);
    CHECK(fstat(fd, &before) == 0);
    CHECK(pwrite(fd, bytes, strlen(bytes), at) == (ssize_t)strlen(bytes));
    CHECK(futimens(fd, (struct timespec[]){ before.st_atim, before.st_mtim }) == 0);
    close(fd);
}

/* Opens the file with some of the fields; the number of rows. */
static int64_t rows_by(const mr_csv_field *some, int count, const mr_csv_opts *opts)
{
    mr_dataset *d = mr_csv_new(in_folder("rows.csv"), some, count, opts);
    if (!CHECK(d != NULL))
        printf("    %s\n", mr_error());
    int64_t rows = mr_dataset_len(d);
    mr_dataset_free(d);
    return rows;
}

/* All rows and words are what they are without an index. */
static void check_rows(const mr_csv_opts *opts)
{
    static int64_t values[ROWS];
    int words;
    mr_dataset *d = mr_csv_new(in_folder("rows.csv"), fields, 3, opts);
    const char *const *word = mr_csv_words(d, "town", &words);
    CHECK(words == 3 && strcmp(word[0], "Bonn") == 0 && strcmp(word[1], "Rom") == 0 &&
          strcmp(word[2], "Ulm") == 0);
    const int64_t rows = rows_of(d, &(mr_loader_opts){ .batch_size = 999, .workers = 1 }, values, ROWS);
    CHECK_EQ_I64(rows, ROWS - ROWS / 7 - 1);
    for (int64_t i = 0, n = 0; i < rows; i++, n++) {
        n += n % 7 == 0;
        if (!CHECK_EQ_I64(values[i], n))
            break;
    }
    mr_batch *b = mr_dataset_get(d, 4);
    CHECK(b && *(int64_t *)mr_tensor_data(b->field[1]) == 1 && *(float *)mr_tensor_data(b->field[2]) == 5.5f);
    mr_batch_free(b);
    mr_dataset_free(d);
}

static void test_kept(void)
{
    make_rows();
    check_rows(NULL);
    CHECK(!file_exists(in_folder("rows.csv.index")));
    check_rows(&kept);
    CHECK(file_exists(in_folder("rows.csv.index")));
    check_rows(&kept);
    const mr_csv_opts elsewhere = { .index = in_folder("other") };
    check_rows(&elsewhere);
    check_rows(&elsewhere);
    CHECK(file_exists(elsewhere.index));
}

/* A file that has changed, but for all that is looked at, shows that the index is used; what is looked at, that it is not. */
static void test_used(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s", make_rows());
    CHECK_EQ_I64(rows_by(fields, 1, &kept), ROWS);
    write_over(path, 200000, "\n\n\n\n");
    CHECK_EQ_I64(rows_by(fields, 1, &kept), ROWS);
    const int64_t now = rows_by(fields, 1, NULL);
    CHECK(now != ROWS);

    make_rows();
    CHECK_EQ_I64(rows_by(fields, 1, &kept), ROWS);
    write_over(path, 200000, "\n\n\n\n");
    CHECK(utimensat(AT_FDCWD, path, NULL, 0) == 0);
    CHECK_EQ_I64(rows_by(fields, 1, &kept), now);
    CHECK_EQ_I64(rows_by(fields, 1, &kept), now); /* it was kept anew */

    for (int end = 0; end < 2; end++) {
        struct stat about;
        make_rows();
        CHECK_EQ_I64(rows_by(fields, 1, &kept), ROWS);
        CHECK(stat(path, &about) == 0);
        write_over(path, end ? about.st_size - 3 : 10, "\n");
        CHECK(rows_by(fields, 1, &kept) != ROWS);
    }
}

/* Other fields, other rows. */
static void test_fields(void)
{
    static const char *const words[] = { "Ulm", "Bonn", "Rom" };
    const mr_csv_field by_word = { .name = "town", .words = words, .word_count = 3 }, missing_word = {
        .name = "x", .words = (const char *const[]){ "" }, .word_count = 1, .missing = MR_MISSING_SKIP
    };
    make_rows();
    for (int i = 0; i < 2; i++) {
        CHECK_EQ_I64(rows_by(fields, 2, &kept), ROWS);
        CHECK_EQ_I64(rows_by(fields, 3, &kept), ROWS - ROWS / 7 - 1);
        CHECK_EQ_I64(rows_by(&by_word, 1, &kept), ROWS);
        CHECK_EQ_I64(rows_by(&fields[2], 1, &kept), ROWS - ROWS / 7 - 1);
        CHECK_EQ_I64(rows_by(&(mr_csv_field){ .name = "x", .missing = MR_MISSING_NAN }, 1, &kept), ROWS);
        CHECK_EQ_I64(rows_by(&missing_word, 1, &kept), ROWS); /* an empty cell is a word */
        CHECK_EQ_I64(rows_by(fields, 1, &(mr_csv_opts){ .keep_index = true, .skip_lines = 0 }), ROWS);
        CHECK_EQ_I64(rows_by(&(mr_csv_field){ .name = "#0", .words = words, .word_count = 1 }, 1,
                             &(mr_csv_opts){ .keep_index = true, .no_header = true }),
                     ROWS + 1);
    }
    check_rows(&kept);
}

/* ---- damage ---- */

static void test_damage(void)
{
    size_t size;
    make_rows();
    check_rows(&kept);
    file_put(in_folder("small.csv"), "n,town\n1,Ulm\n2,Bonn\n3,Ulm\n", 26);
    mr_dataset_free(mr_csv_new(in_folder("small.csv"), fields, 2, &kept));
    char index[256], path[512];
    snprintf(path, sizeof path, "%s", in_folder("small.csv.index"));
    memcpy(index, file_contents(path, &size), sizeof index);
    if (!CHECK(size > 88 && size < sizeof index))
        return;
    for (size_t cut = 0; cut <= 2 * size + 1;
         cut++) { /* each length, one that is longer, and each byte changed */
        const size_t length = cut <= size + 1 ? cut : size;
        index[size] = 0;
        if (cut > size + 1)
            index[cut - size - 2] ^= 0x40;
        file_put(path, index, length);
        if (cut > size + 1)
            index[cut - size - 2] ^= 0x40;
        mr_dataset *d = mr_csv_new(in_folder("small.csv"), fields, 2, &kept);
        int words;
        const char *const *word = mr_csv_words(d, "town", &words);
        CHECK(mr_dataset_len(d) == 3 && words == 2 && strcmp(word[0], "Bonn") == 0);
        mr_batch *b = mr_dataset_get(d, 2);
        CHECK(b && *(int64_t *)mr_tensor_data(b->field[0]) == 3 &&
              *(int64_t *)mr_tensor_data(b->field[1]) == 1);
        mr_batch_free(b);
        mr_dataset_free(d);
        size_t now;
        const char *again = file_contents(path, &now);
        if (!CHECK(now == size && memcmp(again, index, size) == 0))
            break;
    }
}

/* Puts an index that is sound but for its rows, as only somebody who wants to do harm would. */
static void put_index(mr__row_index index)
{
    mr__bytes bytes;
    mr__csv_plan plan = { 0 };
    mr__csv_front front = { 0 };
    CHECK(mr__bytes_open(&bytes, NULL, in_folder("rows.csv"), NULL) == MR_OK);
    CHECK(mr__csv_plan_begin(&plan, "csv_new", in_folder("rows.csv"), NULL) == MR_OK);
    CHECK(mr__csv_front_find(&plan.format, &front, bytes.at, bytes.size, true));
    CHECK(mr__csv_plan_head(&plan, &front, bytes.at) == MR_OK);
    CHECK(mr__csv_plan_fields(&plan, fields, 1) == MR_OK);
    const mr__csv_indexed of = mr__csv_index_of(&plan, &bytes, front.data);
    CHECK(mr__csv_index_save(in_folder("rows.csv.index"), &of, &index) == MR_OK);
    mr__csv_plan_free(&plan);
    mr__bytes_close(&bytes);
}

static void test_hostile(void)
{
    make_rows();
    uint64_t behind[] = { 9, 9, UINT64_MAX };
    put_index((mr__row_index){ .place = behind, .rows = 9, .places = 2, .step = 8 });
    CHECK_EQ_I64(rows_by(fields, 1, &kept), ROWS); /* a place twice */
    behind[1] = 1 << 30;
    put_index((mr__row_index){ .place = behind, .rows = 9, .places = 2, .step = 8 });
    CHECK_EQ_I64(rows_by(fields, 1, &kept), ROWS); /* one behind the file */
    behind[1] = 20;
    for (int64_t rows = 8; rows < 18; rows += 9) { /* more places than rows have; fewer */
        put_index((mr__row_index){ .place = behind, .rows = rows, .places = 2, .step = 8 });
        CHECK_EQ_I64(rows_by(fields, 1, &kept), ROWS);
    }

    struct stat about;
    CHECK(stat(in_folder("rows.csv"), &about) == 0);
    uint64_t late = (uint64_t)about.st_size - 3; /* the last row's, and no others */
    put_index((mr__row_index){ .place = &late, .rows = 8, .places = 1, .step = 8 });
    mr_dataset *d = mr_csv_new(in_folder("rows.csv"), fields, 1, &kept);
    CHECK(mr_dataset_len(d) == 8 && !mr_dataset_get(d, 5));
    check_said("/rows.csv' has changed since its rows were counted");
    mr_dataset_free(d);
}

static char heard[2000];

static void hear(void *user, mr_log_level level, const char *line)
{
    (void)user;
    CHECK_EQ_I64(level, MR_LOG_WARNING);
    snprintf(heard, sizeof heard, "%s", line);
}

/* Where no index can be kept, the rows are there all the same. */
static void check_not_kept(const mr_csv_opts *opts, const char *why)
{
    heard[0] = 0;
    mr_set_log_hook(hear, NULL);
    CHECK_EQ_I64(rows_by(fields, 2, opts), ROWS);
    mr_set_log_hook(NULL, NULL);
    if (!CHECK(strstr(heard, "rows.csv': the index of its rows is not kept: cannot ") && strstr(heard, why)))
        printf("    %s\n", heard);
    CHECK_EQ_I64(mr_error_status(), MR_OK);
}

static void test_not_kept(void)
{
    make_rows();
    check_not_kept(&(mr_csv_opts){ .index = "/nowhere/rows.index" }, "create '/nowhere/rows.index.");
    CHECK(mkdir(in_folder("rows.csv.index"), 0777) == 0);
    check_not_kept(&kept, "write '");
    CHECK(rmdir(in_folder("rows.csv.index")) == 0);

    struct rlimit before; /* as of a disk that is full */
    CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
    signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 4096, before.rlim_max }) == 0);
    check_not_kept(&kept, "write '");
    CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
    CHECK(!file_exists(in_folder("rows.csv.index")));
}

static void test_faults(void)
{
    make_rows();
    CHECK(!mr_csv_new("-", fields, 1, &kept));
    mr_error_clear();
    mr_storage *disk = mr_storage_from_fd(open(in_folder("rows.csv"), O_RDONLY));
    CHECK(!mr_csv_new("rows", fields, 1, &(mr_csv_opts){ .keep_index = true, .storage = disk }));
    check_said("csv_new: 'rows' is not on the disk: its index is kept where `index` says");
    mr_dataset *d =
        mr_csv_new("rows", fields, 1, &(mr_csv_opts){ .index = in_folder("far.index"), .storage = disk });
    CHECK_EQ_I64(mr_dataset_len(d), ROWS);
    mr_dataset_free(d);
    mr_storage_free(disk);
    CHECK(file_exists(in_folder("far.index")));

    file_put(in_folder("none.csv"), "n,town\n", 7); /* no rows */
    for (int i = 0; i < 2; i++) {
        d = mr_csv_new(in_folder("none.csv"), fields, 2, &kept);
        CHECK_EQ_I64(mr_dataset_len(d), 0);
        mr_dataset_free(d);
    }
}

/* A packed file's index is of its unpacked bytes. */
static void test_packed(void)
{
    size_t size;
    char *text = text_of_rows(&size);
    gzFile file = gzopen(in_folder("rows.csv.gz"), "wb");
    CHECK(gzwrite(file, text, (unsigned)size) == (int)size && gzclose(file) == Z_OK);
    free(text);
    for (int i = 0; i < 2; i++) {
        mr_dataset *d = mr_csv_new(in_folder("rows.csv.gz"), fields, 3, &kept);
        CHECK_EQ_I64(mr_dataset_len(d), ROWS - ROWS / 7 - 1);
        mr_dataset_free(d);
    }
    CHECK(file_exists(in_folder("rows.csv.gz.index")));
}

/* ---- memory ---- */

static double open_twice(mr_status *status)
{
    unlink(in_folder("small.csv.index"));
    double sum = sum_of_rows(mr_csv_new(in_folder("small.csv"), fields, 2, &kept), status);
    if (*status == MR_OK)
        sum += sum_of_rows(mr_csv_new(in_folder("small.csv"), fields, 2, &kept), status);
    return sum;
}

static void test_memory(void)
{
    refuse_begin();
    refuse_each("open_twice", open_twice, 40);
    refuse_end();
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_kept);
    RUN(test_used);
    RUN(test_fields);
    RUN(test_damage);
    RUN(test_hostile);
    RUN(test_not_kept);
    RUN(test_faults);
    RUN(test_packed);
    RUN(test_memory);
    return files_report();
}
