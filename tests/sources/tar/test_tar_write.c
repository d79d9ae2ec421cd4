/* Samples written to tar files, and read again: the same; in files of so many samples or bytes; stopped anywhere, and
 * gone on with. */
#include <millrace/millrace.h>
#include <millrace/sources/tar.h>

#include "check.h"
#include "files.h"
#include "refuse.h"
#include "said.h"

#include <locale.h>
#include <stdatomic.h>
#include <sys/wait.h>

enum { ROWS = 100 };

static mr_rng *rng;
static atomic_int
    asked; /* samples that are in none of the first batches, which are read ahead for another epoch */
static int64_t breaks = -1, dies = -1;
static const char *odd_name; /* of sample 7 */
static double odd_number;

static bool put_bytes(mr_ragged *to, const void *bytes, int64_t count)
{
    char *at = mr_ragged_resize(to, count);
    if (at)
        memcpy(at, bytes, (size_t)count);
    return at != NULL;
}

static mr_status get(void *self, int64_t i, const mr_sample *sample)
{
    char text[400];
    (void)self;
    if (i >= 32)
        atomic_fetch_add(&asked, 1);
    if (i == breaks)
        return mr_fail(MR_ERR_FORMAT, "row is damaged");
    if (i == dies)
        _exit(9);
    snprintf(text, sizeof text, "folder/%s%0*lld", i == 3 ? "K\xc3\xb6ln" : "", i == 5 ? 200 : 4,
             (long long)i);
    if (i == 7 && odd_name)
        snprintf(text, sizeof text, "%s", odd_name);
    if (!put_bytes(sample->field[0], text, (int64_t)strlen(text)))
        return mr_error_status();
    memset(text, (int)i, sizeof text);
    if (!put_bytes(sample->field[1], text, i * 3 % 400))
        return mr_error_status();
    *(int64_t *)sample->field[2] = i * 1000003 - 50;
    float *x = sample->field[3];
    for (int j = 0; j < 6; j++)
        x[j] = (float)(i + j) / 7;
    *(double *)sample->field[4] =
        i == 7 && odd_number != 0 ? odd_number : 1.0 / (double)(i + 1) - 1e-300 * (double)i;
    *(bool *)sample->field[5] = i % 3 == 0;
    int16_t *list = mr_ragged_resize(sample->field[6], i % 4);
    for (int64_t j = 0; list && j < i % 4; j++)
        list[j] = (int16_t)(i - 2 * j);
    return list ? MR_OK : mr_error_status();
}

static int64_t len(void *self)
{
    (void)self;
    return ROWS;
}

static const mr_field fields[] = {
    { "name", MR_UINT8, { 1, { -1 } } }, { "picture", MR_UINT8, { 1, { -1 } } },
    { "label", MR_INT64, { 0 } },        { "x", MR_FLOAT32, { 2, { 2, 3 } } },
    { "y", MR_FLOAT64, { 0 } },          { "ok", MR_BOOL, { 0 } },
    { "list", MR_INT16, { 1, { -1 } } },
};
static const mr_tar_out outs[] = {
    { .field = "picture", .extension = "jpg" },
    { .field = "label", .extension = "cls", .content = MR_MEMBER_TEXT },
    { .field = "x", .content = MR_MEMBER_RAW },
    { .field = "y", .extension = "json", .content = MR_MEMBER_JSON, .key = "why \"so\"" },
    { .field = "x", .extension = "json", .content = MR_MEMBER_JSON },
    { .field = "ok", .extension = "json", .content = MR_MEMBER_JSON },
    { .field = "x", .extension = "txt", .content = MR_MEMBER_TEXT },
    { .field = "list", .extension = "list", .content = MR_MEMBER_TEXT },
};

static mr_dataset *samples(void)
{
    static const mr_dataset_vtable vtable = { .len = len, .get = get };
    return mr_dataset_new(&vtable, NULL, 0, fields, 7);
}

static mr_status write_files(const char *files, mr_tar_write_opts opts)
{
    mr_dataset *d = samples();
    mr_status s = mr_tar_write(d, in_folder(files), outs, 8, &opts);
    mr_dataset_free(d);
    return s;
}

/* Reads them, in order, and compares. */
static void check_files(const char *files)
{
    const mr_tar_field back[] = {
        { .name = "name", .extension = "__key__" },
        { .name = "picture", .extension = "jpg" },
        { .name = "label", .extension = "cls", .content = MR_MEMBER_TEXT, .dtype = MR_INT64 },
        { .name = "x", .content = MR_MEMBER_RAW, .shape = { 2, { 2, 3 } } },
        { .name = "y",
          .extension = "json",
          .content = MR_MEMBER_JSON,
          .key = "why \"so\"",
          .dtype = MR_FLOAT64 },
        { .name = "z", .extension = "json", .content = MR_MEMBER_JSON, .key = "x", .shape = { 2, { 2, 3 } } },
        { .name = "ok", .extension = "json", .content = MR_MEMBER_JSON, .dtype = MR_BOOL },
        { .name = "t", .extension = "txt", .content = MR_MEMBER_TEXT, .shape = { 2, { 2, 3 } } },
        { .name = "list" },
    };
    mr_dataset *d = mr_tar_stream_new(in_folder(files), back, 9, NULL), *wanted = samples();
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    for (int i = 0; i < ROWS; i++) {
        if (!CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK)) {
            printf("    %s, sample %d: %s\n", files, i, mr_error());
            break;
        }
        mr_batch *w = mr_dataset_get(wanted, i);
        for (int f = 0; f < 5; f++) {
            mr_tensor *x = b->field[f], *y = w->field[f];
            CHECK_EQ_I64(mr_tensor_numel(x), mr_tensor_numel(y));
            CHECK(memcmp(mr_tensor_data(x), mr_tensor_data(y),
                         (size_t)mr_tensor_numel(y) * mr_dtype_size(mr_tensor_dtype(y))) == 0);
        }
        CHECK(memcmp(mr_tensor_data(b->field[5]), mr_tensor_data(w->field[3]), 24) == 0);
        CHECK(*(bool *)mr_tensor_data(b->field[6]) == *(bool *)mr_tensor_data(w->field[5]));
        CHECK(memcmp(mr_tensor_data(b->field[7]), mr_tensor_data(w->field[3]), 24) == 0);
        char list[64] = "", text[64] = "";
        for (int j = 0; j < i % 4; j++)
            snprintf(list + strlen(list), 16, j ? " %d" : "%d", i - 2 * j);
        strcat(list, "\n");
        memcpy(text, mr_tensor_data(b->field[8]), (size_t)mr_tensor_numel(b->field[8]));
        CHECK_EQ_STR(text, list);
        mr_batch_free(w);
    }
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_END);
    mr_cursor_free(cursor);
    mr_dataset_free(d);
    mr_dataset_free(wanted);
}

static int files_like(const char *pattern)
{
    char command[400];
    snprintf(command, sizeof command, "exit $(ls %s 2>/dev/null | wc -l)", in_folder(pattern));
    return WEXITSTATUS(system(command));
}

static void remove_all(void)
{
    char command[400];
    snprintf(command, sizeof command, "rm -rf %s", in_folder("*"));
    CHECK(system(command) == 0);
}

static void test_files(void)
{
    for (int workers = 0; workers < 3; workers++) {
        CHECK_EQ_I64(
            write_files("a-##.tar",
                        (mr_tar_write_opts){ .samples = 30, .key = "name", .write.workers = workers }),
            MR_OK);
        CHECK_EQ_I64(files_like("a-*"), 4);
        check_files("a-{00..03}.tar");
    }
    CHECK_EQ_I64(write_files("b#.tar.gz", (mr_tar_write_opts){ .key = "name", .level = 1 }), MR_OK);
    CHECK_EQ_I64(files_like("b*"), 1);
    check_files("b0.tar.gz");
    CHECK_EQ_I64(write_files("c#.tar.zst", (mr_tar_write_opts){ .bytes = 8000,
                                                                .key = "name",
                                                                .write = { .workers = 1, .batch_size = 7 } }),
                 MR_OK);
    CHECK(files_like("c*") > 3);
    check_files("c*.tar.zst");

    /* Without a field that names them, samples are numbered. */
    mr_dataset *d = samples();
    CHECK_EQ_I64(mr_tar_write(d, in_folder("d#.tar"), outs, 2, NULL), MR_OK);
    mr_dataset_free(d);
    char command[400];
    snprintf(command, sizeof command, "test \"$(tar -tf %s | tail -1)\" = 000000099.cls",
             in_folder("d0.tar"));
    CHECK(system(command) == 0);
    remove_all();
}

/* The same bytes at any time, in any locale. */
static void test_same_bytes(void)
{
    char command[400];
    CHECK_EQ_I64(write_files("a#.tar.gz", (mr_tar_write_opts){ .key = "name" }), MR_OK);
    if (!setlocale(LC_ALL, "de_DE.UTF-8"))
        setlocale(LC_ALL, "C.UTF-8");
    CHECK_EQ_I64(write_files("b#.tar.gz", (mr_tar_write_opts){ .key = "name",
                                                               .write = { .workers = 2, .batch_size = 3 } }),
                 MR_OK);
    setlocale(LC_ALL, "C");
    snprintf(command, sizeof command, "cmp %s %s", in_folder("a0.tar.gz"), in_folder("b0.tar.gz"));
    CHECK(system(command) == 0);
    size_t size;
    const char *bytes = file_contents(in_folder("a0.tar.gz"), &size);
    CHECK(size > 8 && memcmp(bytes + 4, "\0\0\0\0", 4) == 0); /* RFC 1952: MTIME */
    remove_all();
}

/* Out of a pipe, which a worker reads, into files: as if it came from the dataset. */
static void test_from_pipe(void)
{
    static const mr_tar_field back[] = {
        { .name = "name", .extension = "__key__" },
        { .name = "picture", .extension = "jpg" },
        { .name = "label", .extension = "cls", .content = MR_MEMBER_TEXT, .dtype = MR_INT64 },
    };
    char command[900];
    mr_dataset *d = samples();
    mr_tar_write_opts opts = { .key = "name", .samples = 33 };
    CHECK_EQ_I64(mr_tar_write(d, in_folder("all#.tar"), outs, 2, &(mr_tar_write_opts){ .key = "name" }),
                 MR_OK);
    CHECK_EQ_I64(mr_tar_write(d, in_folder("a#.tar"), outs, 2, &opts), MR_OK);
    mr_dataset_free(d);
    CHECK(mkfifo(in_folder("pipe"), 0600) == 0);
    snprintf(command, sizeof command, "cat '%s' >'%s' &", in_folder("all0.tar"), in_folder("pipe"));
    CHECK(system(command) == 0);
    d = mr_tar_stream_new(in_folder("pipe"), back, 3, NULL);
    opts.write = (mr_write_opts){ .workers = 2, .batch_size = 7 };
    CHECK_EQ_I64(mr_tar_write(d, in_folder("b#.tar"), outs, 2, &opts), MR_OK);
    mr_dataset_free(d);
    snprintf(command, sizeof command, "cd '%s' && for i in 0 1 2 3; do cmp a$i.tar b$i.tar || exit 1; done",
             files_folder);
    CHECK(system(command) == 0);
    remove_all();
}

/* ---- stopping, and going on ---- */

static void test_went_on(void)
{
    const mr_tar_write_opts opts = { .samples = 13, .key = "name", .write.batch_size = 8 };
    mr_tar_write_opts more = opts;
    more.write.workers = 2;
    breaks = 60;
    CHECK_EQ_I64(write_files("a-##.tar", opts), MR_ERR_FORMAT);
    check_said("sample 60: row is damaged");
    CHECK_EQ_I64(files_like("a-*.tar"), 4);
    breaks = -1;
    atomic_store(&asked, 0);
    CHECK_EQ_I64(write_files("a-##.tar", more), MR_OK);
    CHECK(atomic_load(&asked) <= 52); /* from the batch on in which the last file ended */
    check_files("a-*.tar");
    CHECK_EQ_I64(files_like("*"), 8); /* and nothing else */
    for (int64_t at = 1; at < ROWS; at += 33) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            dies = at;
            write_files("b-##.tar.zst", opts);
            _exit(1);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 9);
        CHECK_EQ_I64(write_files("b-##.tar.zst", opts), MR_OK);
        check_files("b-*.tar.zst");
    }
    remove_all();
    breaks = 60;
    CHECK(write_files("a-##.tar", opts) < 0);
    mr_error_clear();
    breaks = -1;
    more.samples = 14;
    CHECK_EQ_I64(write_files("a-##.tar", more), MR_ERR_STATE);
    check_said("/a-##.tar.state' is of another writing: remove it to begin anew");
    remove_all();
}

/* The disk is full, and then it is not. */
static void test_full(void)
{
    files_limit(40000);
    CHECK_EQ_I64(write_files("a#.tar", (mr_tar_write_opts){ .samples = 20, .key = "name" }), MR_ERR_IO);
    check_said("cannot write '");
    files_limit(0);
    CHECK_EQ_I64(write_files("a#.tar", (mr_tar_write_opts){ .samples = 20, .key = "name" }), MR_OK);
    check_files("a*.tar");
    remove_all();
}

/* ---- what cannot be ---- */

static void check_refused(const char *files, const mr_tar_out *out, int count, mr_tar_write_opts opts,
                          const char *wanted)
{
    mr_dataset *d = samples();
    CHECK(mr_tar_write(d, files, out, count, &opts) < 0);
    check_said(wanted);
    mr_dataset_free(d);
    remove_all();
}

static void test_refused(void)
{
    const mr_tar_write_opts none = { 0 }, named = { .key = "name" };
    const mr_tar_out label = { .field = "label", .extension = "x", .content = MR_MEMBER_TEXT };
    char files[100];
    snprintf(files, sizeof files, "%s/a#.tar", files_folder);
    check_refused("a.tar", outs, 1, none,
                  "tar_write: 'a.tar' has no place, or several, for a number: train-######.tar");
    check_refused("a#b#.tar", outs, 1, none, "tar_write: 'a#b#.tar' has no place, or several, for a number");
    check_refused(NULL, outs, 1, none, "tar_write: '' has no place");
    check_refused(files, NULL, 0, none, "tar_write: there is at least one member");
    check_refused(files, outs, 1, (mr_tar_write_opts){ .samples = -1 }, "tar_write: samples is negative");
    check_refused(files, &(mr_tar_out){ .field = "y" }, 1, none,
                  "tar_write: field 'y' has float64, and bytes are uint8");
    check_refused(files, &(mr_tar_out){ .field = "z" }, 1, none, "tar_write: the dataset has no field 'z'");
    check_refused(files, &(mr_tar_out){ .field = "picture", .content = 9 }, 1, none,
                  "tar_write: field 'picture': a content that is none");
    check_refused(files, &(mr_tar_out){ .field = "picture", .extension = "a/b" }, 1, none,
                  "tar_write: field 'picture': 'a/b' is no extension");
    check_refused(files,
                  (mr_tar_out[]){ label, { .field = "y", .extension = "x", .content = MR_MEMBER_JSON } }, 2,
                  none, "tar_write: fields 'label' and 'y' have the same extension 'x', and are no JSON");
    check_refused("/nowhere/a#.tar", outs, 1, none, "cannot create '/nowhere/a0.tar.part'");
    odd_name = "a/b.c";
    check_refused(files, outs, 1, named, "tar_write: sample 7: its name 'a/b.c' has a point");
    odd_name = "a/";
    check_refused(files, outs, 1, named, "tar_write: sample 7: its name 'a/' is empty");
    odd_name = "folder/0006";
    check_refused(files, outs, 1, named,
                  "tar_write: sample 7: its name 'folder/0006' is that of the sample before");
    odd_name = NULL;
    odd_number = (double)NAN;
    check_refused(files, &outs[3], 1, none, "tar_write: sample 7: field 'y': JSON has no NaN");
    odd_number = -(double)INFINITY;
    check_refused(files, &outs[3], 1, none, "tar_write: sample 7: field 'y': JSON has no infinity");
    odd_number = 0;
}

/* ---- memory runs out ---- */

static double write_program(mr_status *status)
{
    *status = write_files("a#.tar", (mr_tar_write_opts){ .samples = 40, .key = "name" });
    unlink(in_folder("a#.tar.state"));
    return 0;
}

static void test_out_of_memory(void)
{
    refuse_begin();
    refuse_each("tar_write", write_program, 20);
    refuse_end();
}

/* A sample that cannot be had is left out, and the numbers of the others have no gap. */
static void test_left_out(void)
{
    const mr_tar_field back[] = {
        { .name = "key", .extension = "__key__" },
        { .name = "label", .extension = "cls", .content = MR_MEMBER_TEXT, .dtype = MR_INT64 }
    };
    breaks = 33;
    CHECK_EQ_I64(
        write_files("left-##.tar", (mr_tar_write_opts){ .samples = 40, .write.on_bad_sample = MR_BAD_SKIP }),
        MR_OK);
    breaks = -1;
    mr_dataset *d = mr_tar_stream_new(in_folder("left-*.tar"), back, 2, NULL);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    char name[16];
    int i = 0;
    for (; mr_cursor_next(cursor, &b) == MR_OK; i++) {
        snprintf(name, sizeof name, "%09d", i);
        CHECK(memcmp(mr_tensor_data(b->field[0]), name, 9) == 0);
        CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[1]), (i + (i >= 33)) * 1000003 - 50);
    }
    CHECK_EQ_I64(i, ROWS - 1);
    mr_cursor_free(cursor);
    mr_dataset_free(d);
}

static char heard[500];

static void hear(void *user, mr_log_level level, const char *line)
{
    (void)user;
    CHECK_EQ_I64(level, MR_LOG_WARNING);
    snprintf(heard, sizeof heard, "%s", line);
}

/* Files of an earlier, longer set are named. */
static void test_older_files(void)
{
    char wanted[500];
    heard[0] = 0;
    mr_set_log_hook(hear, NULL);
    CHECK_EQ_I64(write_files("old-##.tar", (mr_tar_write_opts){ .samples = 30 }), MR_OK);
    CHECK_EQ_STR(heard, "");
    CHECK_EQ_I64(write_files("old-##.tar", (mr_tar_write_opts){ .samples = 50 }), MR_OK);
    snprintf(
        wanted, sizeof wanted,
        "tar_write: '%s' is of an earlier writing, and not of the 2 files that were written: a pattern of "
        "their names reads it, too",
        in_folder("old-02.tar"));
    CHECK_EQ_STR(heard, wanted);
    mr_set_log_hook(NULL, NULL);
}

int main(void)
{
    if (!files_begin_in_memory())
        return 1;
    rng = mr_rng_new(1);
    RUN(test_files);
    RUN(test_same_bytes);
    RUN(test_from_pipe);
    RUN(test_went_on);
    RUN(test_full);
    RUN(test_refused);
    RUN(test_out_of_memory);
    RUN(test_left_out);
    RUN(test_older_files);
    mr_rng_free(rng);
    return files_report();
}
