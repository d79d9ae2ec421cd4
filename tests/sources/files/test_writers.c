/* Datasets written to NPY and token files: what is in them, with any workers; stopped anywhere, and gone on with. */
#include <millrace/millrace.h>
#include <millrace/sources/arrays.h>
#include <millrace/sources/records.h>
#include <millrace/sources/writers.h>

#include "check.h"
#include "files.h"
#include "refuse.h"
#include "said.h"

#include <stdatomic.h>
#include <sys/wait.h>

enum { ROWS = 1000 };

/* ---- a dataset, and a stream, that break off where they are told to ---- */

static atomic_int asked;
static int64_t breaks = -1; /* the sample that cannot be had */
static int64_t dies = -1;   /* the sample at which the program ends */
static bool spoiled;        /* each thirteenth sample cannot be had */

static mr_status put_sample(int64_t i, const mr_sample *sample)
{
    float *x = sample->field[0];
    atomic_fetch_add(&asked, 1);
    if (i == breaks || (spoiled && i % 13 == 5))
        return mr_fail(MR_ERR_FORMAT, "row is damaged");
    if (i == dies)
        _exit(9);
    for (int j = 0; j < 6; j++)
        x[j] = (float)(i * 6 + j);
    *(int64_t *)sample->field[1] = i % 300;
    int16_t *items = mr_ragged_resize(sample->field[2], i % 5);
    for (int64_t j = 0; items && j < i % 5; j++)
        items[j] = (int16_t)(i + j);
    return items ? MR_OK : mr_error_status();
}

static const mr_field fields[] = { { "x", MR_FLOAT32, { 2, { 2, 3 } } },
                                   { "n", MR_INT64, { 0 } },
                                   { "tokens", MR_INT16, { 1, { -1 } } } };

static int64_t len(void *self)
{
    (void)self;
    return ROWS;
}

static mr_status get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    return put_sample(index, sample);
}

static mr_dataset *by_index(void)
{
    static const mr_dataset_vtable vtable = { .len = len, .get = get };
    return mr_dataset_new(&vtable, NULL, 0, fields, 3);
}

static void *cursor_open(void *self, int64_t shard, int64_t shards)
{
    (void)self;
    int64_t *at = malloc(2 * sizeof *at);
    at[0] = shard;
    at[1] = shards;
    return at;
}

static mr_status cursor_next(void *cursor, const mr_sample *sample)
{
    int64_t *at = cursor;
    if (at[0] >= ROWS)
        return MR_END;
    mr_status s = put_sample(at[0], sample);
    at[0] += at[1];
    return s;
}

static void cursor_tell(void *cursor, void *state)
{
    memcpy(state, cursor, 2 * sizeof(int64_t));
}

static mr_status cursor_seek(void *cursor, const void *state)
{
    memcpy(cursor, state, 2 * sizeof(int64_t));
    return MR_OK;
}

static mr_dataset *as_stream(void)
{
    static const mr_stream_vtable vtable = { .open = cursor_open,
                                             .next = cursor_next,
                                             .close = free,
                                             .cursor_state_size = 2 * sizeof(int64_t),
                                             .tell = cursor_tell,
                                             .seek = cursor_seek };
    return mr_stream_new(&vtable, NULL, 0, fields, 3);
}

/* ---- files ---- */

static char *contents(const char *name, long *size)
{
    FILE *file = fopen(in_folder(name), "rb");
    *size = 0;
    if (!CHECK(file != NULL))
        return calloc(1, 1);
    fseek(file, 0, SEEK_END);
    *size = ftell(file);
    rewind(file);
    char *bytes = malloc((size_t)*size + 1);
    CHECK(fread(bytes, 1, (size_t)*size, file) == (size_t)*size);
    fclose(file);
    return bytes;
}

static bool same_files(const char *a, const char *b)
{
    long n, m;
    char *x = contents(a, &n), *y = contents(b, &m);
    bool same = n == m && memcmp(x, y, (size_t)n) == 0;
    free(x);
    free(y);
    return same;
}

static mr_status write_arrays(mr_dataset *d, const char *x, const char *n, const mr_write_opts *opts)
{
    char first[300], second[300];
    snprintf(first, sizeof first, "%s", in_folder(x));
    snprintf(second, sizeof second, "%s", in_folder(n));
    mr_status s = mr_npy_write(d, (mr_npy_out[]){ { "x", first }, { "n", second } }, 2, opts);
    mr_dataset_free(d);
    return s;
}

static mr_status write_tokens(mr_dataset *d, const char *name, const mr_tokens_write_opts *opts)
{
    mr_status s = mr_tokens_write(d, "tokens", in_folder(name), opts);
    mr_dataset_free(d);
    return s;
}

/* What numpy.save would write, which mr_npy_save does. */
static void make_expected(void)
{
    mr_tensor *flat = mr_tensor_arange(MR_FLOAT32, 0, 6 * ROWS, 1),
              *x = mr_tensor_wrap(MR_FLOAT32, MR_SHAPE(ROWS, 2, 3), mr_tensor_data(flat)),
              *n = mr_tensor_zeros(MR_INT64, MR_SHAPE(ROWS));
    FILE *tokens = fopen(in_folder("tokens"), "wb"), *ended = fopen(in_folder("ended"), "wb");
    for (int i = 0; i < ROWS; i++) {
        ((int64_t *)mr_tensor_data(n))[i] = i % 300;
        for (int j = 0; j < i % 5; j++) {
            const uint16_t token = (uint16_t)(i + j);
            const int32_t wide = i + j;
            fwrite(&token, sizeof token, 1, tokens);
            fwrite(&wide, sizeof wide, 1, ended);
        }
        fwrite(&(uint32_t){ UINT32_MAX }, sizeof(uint32_t), 1, ended);
    }
    fclose(tokens);
    fclose(ended);
    CHECK_EQ_I64(mr_npy_save(x, in_folder("x.npy")), MR_OK);
    CHECK_EQ_I64(mr_npy_save(n, in_folder("n.npy")), MR_OK);
    mr_tensor_free(x);
    mr_tensor_free(n);
    mr_tensor_free(flat);
}

static const mr_tokens_write_opts ended = { .dtype = MR_INT32, .ends = true, .end = UINT32_MAX };

static void test_files(void)
{
    for (int workers = 0; workers < 3; workers++) {
        const mr_write_opts opts = { .workers = workers, .batch_size = 7 };
        mr_tokens_write_opts with_end = ended;
        with_end.write = opts;
        CHECK_EQ_I64(write_arrays(by_index(), "a.npy", "b.npy", &opts), MR_OK);
        CHECK(same_files("a.npy", "x.npy") && same_files("b.npy", "n.npy"));
        CHECK_EQ_I64(write_tokens(by_index(), "c", &(mr_tokens_write_opts){ .write = opts }), MR_OK);
        CHECK(same_files("c", "tokens"));
        CHECK_EQ_I64(write_tokens(as_stream(), "d", &with_end), MR_OK);
        CHECK(same_files("d", "ended"));
        CHECK(!file_exists(in_folder("a.npy.part")) && !file_exists(in_folder("a.npy.state")));
        CHECK(!file_exists(in_folder("d.part")) && !file_exists(in_folder("d.state")));
    }

    /* A stream that does not say how long it is. */
    CHECK_EQ_I64(write_arrays(as_stream(), "a.npy", "b.npy", NULL), MR_OK);
    mr_tensor *x = mr_npy_load(in_folder("a.npy")), *n = mr_npy_load(in_folder("b.npy"));
    CHECK_EQ_I64(mr_tensor_shape(x).dim[0], ROWS);
    CHECK(((float *)mr_tensor_data(x))[5999] == 5999);
    CHECK_EQ_I64(((int64_t *)mr_tensor_data(n))[999], 99);
    mr_tensor_free(x);
    mr_tensor_free(n);

    /* In shards: all of it, in another order. */
    CHECK_EQ_I64(write_arrays(as_stream(), "a.npy", "b.npy", &(mr_write_opts){ .shards = 3, .workers = 2 }),
                 MR_OK);
    x = mr_npy_load(in_folder("a.npy"));
    double sum = 0;
    for (int i = 0; i < 6 * ROWS; i++)
        sum += ((float *)mr_tensor_data(x))[i];
    CHECK(sum == 5999.0 * 3000);
    mr_tensor_free(x);

    /* A field of one number a sample is a token each. */
    mr_dataset *d = by_index();
    CHECK_EQ_I64(mr_tokens_write(d, "n", in_folder("e"), NULL), MR_OK);
    long size;
    char *bytes = contents("e", &size);
    CHECK_EQ_I64(size, 2 * ROWS);
    CHECK_EQ_I64(((uint16_t *)(void *)bytes)[999], 99);
    free(bytes);
    mr_dataset_free(d);
}

/* ---- stopping, and going on ---- */

/* Out of a pipe, which a worker reads, into a file. */
static void test_from_pipe(void)
{
    enum { NUMBERS = 50000 };
    static const mr_field field[] = { { "n", MR_INT64, { 0 } } };
    char command[900];
    int64_t *numbers = malloc(NUMBERS * sizeof *numbers);
    for (int64_t i = 0; i < NUMBERS; i++)
        numbers[i] = 7 * i;
    file_put(in_folder("numbers"), numbers, NUMBERS * sizeof *numbers);
    CHECK(mkfifo(in_folder("pipe"), 0600) == 0);
    snprintf(command, sizeof command, "cat '%s' >'%s' &", in_folder("numbers"), in_folder("pipe"));
    CHECK(system(command) == 0);
    mr_dataset *d = mr_records_stream_new(in_folder("pipe"), field, 1, NULL);
    CHECK_EQ_I64(mr_npy_write(d, &(mr_npy_out){ "n", in_folder("piped.npy") }, 1,
                              &(mr_write_opts){ .workers = 3, .batch_size = 100 }),
                 MR_OK);
    mr_dataset_free(d);
    mr_tensor *n = mr_npy_load(in_folder("piped.npy"));
    CHECK(n && mr_tensor_numel(n) == NUMBERS &&
          memcmp(mr_tensor_data(n), numbers, NUMBERS * sizeof *numbers) == 0);
    mr_tensor_free(n);
    free(numbers);
}

static const mr_write_opts often = { .batch_size = 16, .save_every = 1e-9 };

static void test_failed_and_went_on(void)
{
    mr_write_opts more = often;
    more.workers = 2;
    for (int stream = 0; stream < 2; stream++) {
        unlink(in_folder("a.npy"));
        breaks = 700;
        CHECK_EQ_I64(write_arrays(stream ? as_stream() : by_index(), "a.npy", "b.npy", &often),
                     MR_ERR_FORMAT);
        check_said("sample 700: row is damaged");
        CHECK(!file_exists(in_folder("a.npy")) && file_exists(in_folder("a.npy.part")));
        breaks = 850; /* and once more */
        CHECK_EQ_I64(write_arrays(stream ? as_stream() : by_index(), "a.npy", "b.npy", &more), MR_ERR_FORMAT);
        mr_error_clear();
        breaks = -1;
        atomic_store(&asked, 0);
        CHECK_EQ_I64(write_arrays(stream ? as_stream() : by_index(), "a.npy", "b.npy", &often), MR_OK);
        CHECK(atomic_load(&asked) < 200); /* what was written is not read again */
        if (!stream)
            CHECK(same_files("a.npy", "x.npy"));
        CHECK(!file_exists(in_folder("a.npy.state")));
        mr_tensor *x = mr_npy_load(in_folder("a.npy"));
        for (int i = 0; i < 6 * ROWS; i++)
            CHECK(((float *)mr_tensor_data(x))[i] == (float)i);
        mr_tensor_free(x);

        mr_tokens_write_opts tokens = ended;
        tokens.write = often;
        breaks = 333;
        CHECK_EQ_I64(write_tokens(stream ? as_stream() : by_index(), "c", &tokens), MR_ERR_FORMAT);
        mr_error_clear();
        breaks = -1;
        tokens.write = more;
        CHECK_EQ_I64(write_tokens(stream ? as_stream() : by_index(), "c", &tokens), MR_OK);
        CHECK(same_files("c", "ended"));
    }
}

/* The program ends at some sample, without a word. */
static void test_died_and_went_on(void)
{
    for (int64_t at = 3; at < ROWS; at += 311) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            dies = at;
            write_arrays(by_index(), "a.npy", "b.npy", &often);
            _exit(1);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 9);
        CHECK_EQ_I64(write_arrays(by_index(), "a.npy", "b.npy", NULL), at < 64 ? MR_OK : MR_ERR_STATE);
        if (at >= 64) {
            check_said("/a.npy.state' is of another writing: "); /* with batches of another size */
            CHECK_EQ_I64(write_arrays(by_index(), "a.npy", "b.npy", &often), MR_OK);
        }
        CHECK(same_files("a.npy", "x.npy") && same_files("b.npy", "n.npy"));
    }
}

/* All is written, and one file does not get its name: the next time that is all there is to do. */
static void test_complete(void)
{
    unlink(in_folder("b.npy"));
    CHECK(mkdir(in_folder("b.npy"), 0700) == 0);
    CHECK_EQ_I64(write_arrays(by_index(), "a.npy", "b.npy", NULL), MR_ERR_IO);
    check_said("cannot rename '");
    CHECK(rmdir(in_folder("b.npy")) == 0);
    atomic_store(&asked, 0);
    CHECK_EQ_I64(write_arrays(by_index(), "a.npy", "b.npy", NULL), MR_OK);
    CHECK_EQ_I64(atomic_load(&asked), 0);
    CHECK(same_files("a.npy", "x.npy") && same_files("b.npy", "n.npy"));
}

/* The program ends when a file has its name, and its state is not removed yet: the file stays as it is, however often
 * one calls. */
static void test_named(void)
{
    char path[300];
    long size;
    snprintf(path, sizeof path, "%s", in_folder("c"));
    unlink(path);
    CHECK(mkdir(path, 0700) == 0);
    CHECK_EQ_I64(write_tokens(by_index(), "c", &(mr_tokens_write_opts){ .write = often }), MR_ERR_IO);
    check_said("cannot rename '");
    CHECK(rmdir(path) == 0);
    char *state = contents("c.state", &size);
    for (int call = 0; call < 3; call++) {
        if (call)
            file_put(in_folder("c.state"), state, (size_t)size);
        atomic_store(&asked, 0);
        CHECK_EQ_I64(write_tokens(by_index(), "c", &(mr_tokens_write_opts){ .write = often }), MR_OK);
        CHECK_EQ_I64(atomic_load(&asked), 0);
        CHECK(same_files("c", "tokens"));
        CHECK(!file_exists(in_folder("c.part")) && !file_exists(in_folder("c.state")));
    }
    file_put(in_folder("c.state"), state, (size_t)size);
    file_put(path, "another", 7);
    CHECK_EQ_I64(write_tokens(by_index(), "c", &(mr_tokens_write_opts){ .write = often }), MR_ERR_STATE);
    check_said("/c' has 7 bytes, and should have 4000: it has changed");
    unlink(path);
    CHECK_EQ_I64(write_tokens(by_index(), "c", &(mr_tokens_write_opts){ .write = often }), MR_ERR_IO);
    check_said("cannot open '");
    unlink(in_folder("c.state"));
    free(state);
}

static mr_status write_either(bool arrays)
{
    return arrays ? write_arrays(by_index(), "a.npy", "b.npy", &often)
                  : write_tokens(by_index(), "c", &(mr_tokens_write_opts){ .write = often });
}

/* What was written is gone: that is a failure each time, and never zeros. */
static void check_lost(bool arrays, bool shorter)
{
    char part[300], state[300];
    snprintf(part, sizeof part, "%s.part", in_folder(arrays ? "a.npy" : "c"));
    snprintf(state, sizeof state, "%s.state", in_folder(arrays ? "a.npy" : "c"));
    breaks = 500;
    CHECK_EQ_I64(write_either(arrays), MR_ERR_FORMAT);
    mr_error_clear();
    breaks = -1;
    CHECK((shorter ? truncate(part, 100) : unlink(part)) == 0);
    for (int call = 0; call < 3; call++) {
        CHECK_EQ_I64(write_either(arrays), MR_ERR_STATE);
        check_said(shorter ? "part' has 100 bytes, and should have " : "part' is missing, and should have ");
        CHECK(file_exists(part) == shorter);
    }
    unlink(state);
    CHECK_EQ_I64(write_either(arrays), MR_OK);
    CHECK(arrays ? same_files("a.npy", "x.npy") : same_files("c", "tokens"));
}

static void test_lost(void)
{
    for (int i = 0; i < 4; i++)
        check_lost(i < 2, i % 2);
}

static void test_states(void)
{
    static const char *const damage[] = { "", "short", NULL };
    breaks = 500;
    CHECK_EQ_I64(write_arrays(by_index(), "a.npy", "b.npy", &often), MR_ERR_FORMAT);
    mr_error_clear();
    breaks = -1;
    CHECK_EQ_I64(write_arrays(by_index(), "a.npy", "c.npy", &often), MR_ERR_STATE);
    check_said("/a.npy.state' is of another writing: remove it to begin anew");
    long size;
    char *state = contents("a.npy.state", &size);
    for (int i = 0; damage[i]; i++) {
        file_put(in_folder("a.npy.state"), damage[i], strlen(damage[i]));
        CHECK_EQ_I64(write_arrays(by_index(), "a.npy", "b.npy", &often), MR_ERR_STATE);
        check_said("/a.npy.state' is damaged: remove it to begin anew");
    }
    for (long i = 0; i < size; i += 13) {
        state[i] ^= 1;
        file_put(in_folder("a.npy.state"), state, (size_t)size);
        CHECK_EQ_I64(write_arrays(by_index(), "a.npy", "b.npy", &often), MR_ERR_STATE);
        check_said("/a.npy.state' is damaged: remove it to begin anew");
        state[i] ^= 1;
    }
    file_put(in_folder("a.npy.state"), state, (size_t)size);
    CHECK(truncate(in_folder("a.npy.part"), 300) == 0);
    CHECK_EQ_I64(write_arrays(by_index(), "a.npy", "b.npy", &often), MR_ERR_STATE);
    check_said("/a.npy.part' has 300 bytes, and should have ");
    free(state);
    unlink(in_folder("a.npy.state"));
    CHECK_EQ_I64(write_arrays(by_index(), "a.npy", "b.npy", &often), MR_OK);
    CHECK(same_files("a.npy", "x.npy"));
}

/* ---- samples that cannot be had ---- */

static int64_t told, first_told;

static void left_out(void *user, int64_t count, const mr_bad_sample *list, int64_t listed)
{
    CHECK(user == &told && listed == count);
    told = count;
    first_told = list[0].index;
    CHECK(strstr(list[0].message, "sample 5: row is damaged") != NULL);
}

/* The arrays of the others, whether it was all done at once or gone on with. */
static void check_others(void)
{
    mr_tensor *x = mr_npy_load(in_folder("a.npy")), *n = mr_npy_load(in_folder("b.npy"));
    int64_t row = 0;
    CHECK(mr_tensor_shape(x).dim[0] == ROWS - 77 && mr_tensor_shape(n).dim[0] == ROWS - 77);
    for (int64_t i = 0; i < ROWS; i++)
        if (i % 13 != 5) {
            CHECK(((float *)mr_tensor_data(x))[6 * row] == (float)(6 * i));
            CHECK_EQ_I64(((int64_t *)mr_tensor_data(n))[row++], i % 300);
        }
    CHECK_EQ_I64(told, 77);
    CHECK_EQ_I64(first_told, 5);
    told = 0;
    mr_tensor_free(x);
    mr_tensor_free(n);
}

static void test_left_out(void)
{
    mr_write_opts opts = { .batch_size = 16, .save_every = 1e-9, .on_bad_sample = MR_BAD_SKIP };
    opts.left_out = left_out;
    opts.user = &told;
    spoiled = true;
    for (int kind = 0; kind < 6; kind++) {
        opts.workers = kind % 3;
        CHECK_EQ_I64(write_arrays(kind < 3 ? by_index() : as_stream(), "a.npy", "b.npy", &opts), MR_OK);
        check_others();
    }

    /* By another policy it stops at the first, and goes on without it; or ends somewhere, and goes on. */
    CHECK_EQ_I64(write_arrays(by_index(), "a.npy", "b.npy", &often), MR_ERR_FORMAT);
    check_said("sample 5: row is damaged");
    CHECK_EQ_I64(write_arrays(by_index(), "a.npy", "b.npy", &opts), MR_OK);
    check_others();
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dies = 777;
        write_arrays(by_index(), "a.npy", "b.npy", &opts);
        _exit(1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 9);
    CHECK_EQ_I64(write_arrays(by_index(), "a.npy", "b.npy", &opts), MR_OK);
    check_others();

    /* There may be too many, and what does not fit is a failure all the same, of the sample that it is. */
    opts.max_bad_samples = 76;
    CHECK_EQ_I64(write_arrays(by_index(), "a.npy", "b.npy", &opts), MR_ERR_CALLBACK);
    check_said("sample 993: row is damaged; bad samples in epoch 0: 77, and 76 are allowed");
    opts.max_bad_samples = 0;
    CHECK_EQ_I64(write_arrays(by_index(), "a.npy", "b.npy", &opts), MR_OK);
    check_others();
    mr_dataset *d = by_index();
    CHECK_EQ_I64(
        mr_tokens_write(d, "n", in_folder("e"), &(mr_tokens_write_opts){ .dtype = MR_UINT8, .write = opts }),
        MR_ERR_FORMAT);
    check_said("tokens_write: sample 256: token 0 is 256, which does not fit uint8");
    unlink(in_folder("e.state"));
    CHECK_EQ_I64(told, 0);
    mr_dataset_free(d);
    spoiled = false;
}

/* The disk is full, and then it is not. */
static void test_full(void)
{
    files_limit(9000);
    CHECK_EQ_I64(write_arrays(by_index(), "a.npy", "b.npy", &often), MR_ERR_IO);
    check_said("/a.npy.part': File too large");
    files_limit(0);
    atomic_store(&asked, 0);
    CHECK_EQ_I64(write_arrays(by_index(), "a.npy", "b.npy", &often), MR_OK);
    CHECK(atomic_load(&asked) < ROWS);
    CHECK(same_files("a.npy", "x.npy") && same_files("b.npy", "n.npy"));
}

/* ---- what cannot be ---- */

static void check_refused(mr_status status, const char *wanted)
{
    CHECK(status < 0);
    check_said(wanted);
}

static void test_refused(void)
{
    mr_dataset *d = by_index();
    const char *path = in_folder("f");
    check_refused(mr_npy_write(d, NULL, 0, NULL), "npy_write: there is at least one array");
    check_refused(mr_npy_write(d, &(mr_npy_out){ "y", path }, 1, NULL),
                  "npy_write: the dataset has no field 'y'");
    check_refused(mr_npy_write(d, &(mr_npy_out){ "x", NULL }, 1, NULL), "npy_write: field 'x' has no path");
    check_refused(mr_npy_write(d, &(mr_npy_out){ "tokens", path }, 1, NULL),
                  "npy_write: field 'tokens' is ragged: its samples are no rows of an array");
    check_refused(mr_npy_write(NULL, &(mr_npy_out){ "x", path }, 1, NULL), "npy_write: dataset is NULL");
    check_refused(mr_npy_write(d, &(mr_npy_out){ "x", "/nowhere/x.npy" }, 1, NULL),
                  "cannot create '/nowhere/x.npy.part'");
    check_refused(mr_npy_write(d, &(mr_npy_out){ "x", path }, 1, &(mr_write_opts){ .workers = -1 }),
                  "-1 workers");
    char other[300];
    snprintf(other, sizeof other, "%s/./f", files_folder);
    for (int i = 0; i < 2; i++) {
        check_refused(mr_npy_write(d, (mr_npy_out[]){ { "x", path }, { "n", i ? other : path } }, 2, NULL),
                      "npy_write: fields 'x' and 'n' go to one file, '");
        CHECK(!file_exists(path));
    }
    check_refused(mr_tokens_write(d, "x", path, NULL),
                  "tokens_write: field 'x' has float32, no whole numbers");
    check_refused(mr_tokens_write(d, "n", NULL, NULL), "tokens_write: path is NULL");
    check_refused(mr_tokens_write(d, "n", path, &(mr_tokens_write_opts){ .dtype = MR_FLOAT32 + 1 }),
                  "tokens_write: tokens of type float64, not uint8, uint16, int32 or int64");
    check_refused(mr_tokens_write(d, "n", path, &(mr_tokens_write_opts){ .ends = true, .end = 70000 }),
                  "tokens_write: the end, 70000, does not fit uint16");
    check_refused(
        mr_tokens_write(d, "n", path, &(mr_tokens_write_opts){ .dtype = MR_INT32, .ends = true, .end = -1 }),
        "tokens_write: the end, -1, does not fit 32 bits without a sign");
    check_refused(mr_tokens_write(d, "n", path, &(mr_tokens_write_opts){ .dtype = MR_UINT8 }),
                  "tokens_write: sample 256: token 0 is 256, which does not fit uint8");
    unlink(in_folder("f.state"));
    mr_dataset_free(d);
}

/* ---- memory runs out ---- */

static double write_program(mr_status *status)
{
    *status = write_arrays(as_stream(), "a.npy", "b.npy", &often);
    if (*status == MR_OK)
        *status = write_tokens(as_stream(), "c", &(mr_tokens_write_opts){ .write = often });
    unlink(in_folder("a.npy.state"));
    unlink(in_folder("c.state"));
    return 0;
}

static void test_out_of_memory(void)
{
    refuse_begin();
    refuse_each("writers", write_program, 20);
    refuse_end();
}

int main(void)
{
    if (!files_begin_in_memory())
        return 1;
    make_expected();
    RUN(test_files);
    RUN(test_from_pipe);
    RUN(test_failed_and_went_on);
    RUN(test_died_and_went_on);
    RUN(test_complete);
    RUN(test_named);
    RUN(test_lost);
    RUN(test_states);
    RUN(test_left_out);
    RUN(test_full);
    RUN(test_refused);
    RUN(test_out_of_memory);
    return files_report();
}
