/* Files that are not what they seem: packed ones that grow without measure, heads without an end, files that become
 * shorter, storages that cannot seek, pipes that live. */
#include <millrace/sources/arrays.h>
#include <millrace/sources/csv.h>
#include <millrace/sources/jsonl.h>
#include <millrace/sources/records.h>

#include "check.h"
#include "files.h"
#include "said.h"

#include "sources/files/csv.h"
#include "sources/files/json_value.h"

static const mr_csv_field x = { .name = "x" };
static const mr_jsonl_field key = { .name = "x" };

/* A file of `count` times a text behind a head, packed if its name says so. */
static const char *make(const char *name, const char *head, const char *text, int count)
{
    static char path[600];
    char command[700];
    snprintf(path, sizeof path, "%s", in_folder(name));
    char *suffix = strstr(path, ".gz");
    if (suffix)
        *suffix = 0;
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    fputs(head, file);
    for (int i = 0; i < count; i++)
        fputs(text, file);
    fclose(file);
    snprintf(command, sizeof command, "gzip -f '%s'", path);
    if (suffix) {
        CHECK(system(command) == 0);
        *suffix = '.';
    }
    return path;
}

/* ---- how much is unpacked ---- */

static void test_max_bytes(void)
{
    CHECK(!mr_csv_new(make("a.csv.gz", "x\n", "1\n", 500), &x, 1, &(mr_csv_opts){ .max_bytes = 1001 }));
    check_said("/a.csv.gz' has more than 1001 bytes to keep in memory: max_bytes is the limit");
    mr_dataset *d = mr_csv_new(in_folder("a.csv.gz"), &x, 1, &(mr_csv_opts){ .max_bytes = 1002 });
    CHECK_EQ_I64(mr_dataset_len(d), 500);
    mr_dataset_free(d);
    CHECK(!mr_jsonl_new(make("a.jsonl.gz", "", "{}\n", 500), &key, 1, &(mr_jsonl_opts){ .max_bytes = 100 }));
    check_said("/a.jsonl.gz' has more than 100 bytes to keep");
    CHECK(!mr_tokens_new(in_folder("a.csv.gz"), 2, &(mr_tokens_opts){ .max_bytes = 100 }));
    check_said("/a.csv.gz' has more than 100 bytes to keep");
    CHECK(!mr_text_new(in_folder("a.csv.gz"), 2, &(mr_text_opts){ .max_bytes = 100 }));
    check_said("/a.csv.gz' has more than 100 bytes to keep");
    CHECK(!mr_text_new(in_folder("a.csv.gz"), 2, &(mr_text_opts){ .max_bytes = -1 }));
    check_said("/a.csv.gz': max_bytes is -1");

    /* What is mapped has no limit. */
    d = mr_csv_new(make("b.csv", "x\n", "1\n", 500), &x, 1, &(mr_csv_opts){ .max_bytes = 1 });
    CHECK_EQ_I64(mr_dataset_len(d), 500);
    mr_dataset_free(d);
}

/* ---- a size that is known ---- */

enum { GIVEN = 1 << 20 };

static void *huge_open(void *self, const char *name, mr_file_facts *facts)
{
    (void)self;
    (void)name;
    facts->size = INT64_C(1) << 62;
    return mr_calloc(1, sizeof(int64_t));
}

static int64_t huge_read(void *file, void *bytes, size_t size)
{
    int64_t *given = file;
    if (*given + (int64_t)size > GIVEN)
        return mr_fail(MR_ERR_STATE, "too much is read") < 0 ? -1 : 0;
    for (size_t i = 0; i < size; i++)
        ((char *)bytes)[i] = "PK\3\4"[(*given + (int64_t)i) % 4];
    *given += (int64_t)size;
    return (int64_t)size;
}

static mr_status huge_seek(void *file, int64_t offset)
{
    *(int64_t *)file = offset;
    return MR_OK;
}

/* A file elsewhere that says that it is larger than what may be kept is not read up to there. */
static void test_huge(void)
{
    static const mr_storage_vtable vtable = {
        .open = huge_open, .read = huge_read, .close = mr_free, .seek = huge_seek
    };
    const char said[] = "'m' has more than 4294967296 bytes to keep in memory: max_bytes is the limit";
    mr_storage *storage = mr_storage_new(&vtable, NULL, 0);
    CHECK(!mr_csv_new("m", &x, 1, &(mr_csv_opts){ .storage = storage }));
    check_said(said);
    CHECK(!mr_jsonl_new("m", &key, 1, &(mr_jsonl_opts){ .storage = storage }));
    check_said(said);
    CHECK(!mr_tokens_new("m", 2, &(mr_tokens_opts){ .storage = storage }));
    check_said(said);
    CHECK(!mr_arrays_new(&(mr_array_file){ .path = "m", .storage = storage }, 1)); /* a ZIP file */
    check_said(said);
    CHECK(!mr_npz_new("m", storage));
    check_said(said);
    mr_storage_free(storage);
}

/* An array is unpacked as far as its head says. */
static void test_array(void)
{
    CHECK(!mr_npy_load(make("a.npy.gz", "\x93NUMPY\1", "", 0)));
    check_said("/a.npy.gz'");
    char idx[8] = { 0, 0, 8, 1, 0, 0, 0, 3 };
    FILE *file = fopen(in_folder("a.idx"), "w");
    fwrite(idx, 1, sizeof idx, file);
    for (int i = 0; i < 1 << 20; i++)
        putc('x', file);
    fclose(file);
    char command[600];
    snprintf(command, sizeof command, "gzip -f '%s'", in_folder("a.idx"));
    CHECK(system(command) == 0);
    CHECK(!mr_npy_load(in_folder("a.idx.gz")));
    check_said("/a.idx.gz' should have 3 bytes of elements, more are there");
}

static void test_long_json(void)
{
    mr_dataset *d =
        mr_jsonl_new(make("long.jsonl", "{\"x\": 1, \"y\": \"", "0123456789abcdef", 1 << 20), &key, 1, NULL);
    CHECK(!mr_dataset_get(d, 0));
    check_said("/long.jsonl': line 1: JSON of more than 16 MB");
    mr_dataset_free(d);
}

/* ---- heads ---- */

static void test_wide(void)
{
    CHECK(!mr_csv_new(make("wide.csv", "", ",", 65536), NULL, 0, NULL));
    check_said("/wide.csv': line 1 has more than 65536 columns");
    CHECK(!mr_csv_stream_new(in_folder("wide.csv"), &x, 1, NULL));
    check_said("/wide.csv': line 1 has more than 65536 columns");
    mr_dataset *d = mr_csv_new(make("wide.csv", "a", ",a", 20000), NULL, 0, NULL);
    CHECK_EQ_I64(mr_dataset_field_count(d), 20001);
    mr_dataset_free(d);

    /* Names that look like numbers of columns are names. */
    d = mr_csv_new(make("names.csv", "#1,#0\n1,2\n", "", 0), NULL, 0, NULL);
    mr_batch *b = mr_dataset_get(d, 0);
    CHECK_EQ_STR(mr_dataset_fields(d)[0].name, "#1");
    CHECK(b && *(float *)mr_tensor_data(b->field[0]) == 1);
    mr_batch_free(b);
    mr_dataset_free(d);
}

/* However the bytes come, each is looked at once: the end is the same as if they came together. */
static void test_scan(void)
{
    static const char *const records[] = { "a,b\n",    "\"a\n\",\"\"\"\"\n", "a\"b,\"c\"\"\n,\"\n",
                                           "\"\"\r\n", "\"a\"b\n",           "#\"\n",
                                           "\n" };
    const mr__csv_format format = { .delimiter = ',', .quote = '"', .comment = '#' };
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        const size_t length = strlen(records[i]);
        mr__scan scan = { 0 };
        for (size_t n = 0; n <= length; n++) {
            CHECK_EQ_I64(mr__csv_scan(&format, records[i], records[i] + n, &scan), n == length);
            CHECK(scan.passed + 1 >= n && scan.passed <= n);
        }
        CHECK_EQ_I64(scan.passed, length);
    }
}

/* ---- words whose numbers do not fit ---- */

static const char *words[300];

static void test_words(void)
{
    static char text[300][8];
    static char all[4000] = "x\n";
    for (int i = 0; i < 300; i++) {
        snprintf(text[i], sizeof text[i], "w%03d", i);
        words[i] = text[i];
        if (i < 257)
            snprintf(all + strlen(all), sizeof all - strlen(all), "%s\n", text[i]);
    }
    const mr_csv_field given = { .name = "x", .words = words, .word_count = 300, .dtype = MR_UINT8 },
                       found = { .name = "x", .classes = true, .dtype = MR_UINT8 };
    CHECK(!mr_csv_new(make("words.csv", all, "", 0), &given, 1, NULL));
    check_said("csv_new: field 'x': the numbers of 300 words do not fit uint8");
    CHECK(!mr_jsonl_new(in_folder("words.csv"),
                        &(mr_jsonl_field){ .name = "x", .words = words, .word_count = 129, .dtype = MR_INT8 },
                        1, NULL));
    check_said("jsonl_new: field 'x': the numbers of 129 words do not fit int8");
    CHECK(!mr_csv_new(in_folder("words.csv"), &found, 1, NULL));
    check_said("csv_new: field 'x': '");
    CHECK(!mr_csv_new(in_folder("words.csv"), &found, 1, NULL));
    check_said("/words.csv' has 257 words, whose numbers do not fit uint8");
    all[strlen(all) - 5] = 0;
    mr_dataset *d = mr_csv_new(make("words.csv", all, "", 0), &found, 1, NULL);
    mr_batch *b = mr_dataset_get(d, 255);
    CHECK(b && *(uint8_t *)mr_tensor_data(b->field[0]) == 255);
    mr_batch_free(b);
    mr_dataset_free(d);
}

static void say_here(const void *of, char *to, size_t room)
{
    (void)of;
    snprintf(to, room, "here");
}

static void test_json_word(void)
{
    mr__words known = { 0 };
    for (int i = 0; i < 300; i++)
        CHECK_EQ_I64(mr__words_add(&known, words[i], 4), i);
    const mr__where where = { say_here, NULL };
    const mr_field field = { "x", MR_UINT8, { 0 } };
    const mr__json_field f = { .field = &field, .key = "x", .words = &known };
    static const char text[] = "{\"x\": \"w299\"}";
    mr__json object = { 0 };
    uint8_t to;
    CHECK_EQ_I64(mr__json_parse(&object, text, text + strlen(text), &where), MR_OK);
    CHECK_EQ_I64(mr__json_write(&object, &f, &where, &to), MR_ERR_FORMAT);
    check_said("here, key 'x': word number 299 does not fit uint8");
    mr__json_free(&object);
    mr__words_free(&known);
}

/* ---- files that become shorter ---- */

static void check_cut(const char *path, mr_dataset *d)
{
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 4 });
    const mr_batch *b;
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK(truncate(path, 0) == 0);
    CHECK(!mr_dataset_get(d, mr_dataset_len(d) - 1));
    check_said("' has become shorter than the ");
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_ERR_STATE);
    check_said("' has become shorter than the ");
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(d);
}

static void test_cut(void)
{
    const char *path = make("cut.csv", "x\n", "12345\n", 9000);
    check_cut(path, mr_csv_new(path, &x, 1, NULL));
    path = make("cut.jsonl", "", "{\"x\": 1}\n", 9000);
    check_cut(path, mr_jsonl_new(path, &key, 1, NULL));
    path = make("cut.bin", "", "12345678", 9000);
    check_cut(path, mr_tokens_new(path, 4, NULL));
    path = make("cut.txt", "", "12345678", 9000);
    check_cut(path, mr_text_new(path, 4, NULL));
    mr_tensor *zeros = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(9000, 2));
    CHECK_EQ_I64(mr_npy_save(zeros, in_folder("cut.npy")), MR_OK);
    mr_tensor_free(zeros);
    const mr_array_file file = { .path = in_folder("cut.npy") };
    check_cut(file.path, mr_arrays_new(&file, 1));

    /* An array that is stored in an NPZ file stays there. */
    char command[900];
    snprintf(command, sizeof command, "cp '%s/npz/savez.npz' '%s'", MR_TEST_DATA, in_folder("cut.npz"));
    CHECK(system(command) == 0);
    mr_dataset *d = mr_npz_new(in_folder("cut.npz"), NULL);
    CHECK(d && truncate(in_folder("cut.npz"), 0) == 0 && !mr_dataset_get(d, 0));
    check_said("/cut.npz' has become shorter than the ");
    mr_dataset_free(d);
}

/* ---- files without a head that look as if they were packed ---- */

static void test_headless(void)
{
    uint16_t tokens[] = { 0x8b1f, 2, 3, 4, 5, 6, 7 };
    file_put(in_folder("tokens.bin"), tokens, sizeof tokens);
    mr_dataset *d = mr_tokens_new(in_folder("tokens.bin"), 2, NULL);
    mr_batch *b = mr_dataset_get(d, 0);
    CHECK(b && *(int64_t *)mr_tensor_data(b->field[0]) == 0x8b1f);
    mr_batch_free(b);
    mr_dataset_free(d);
    const mr_field field = { "n", MR_UINT16, { 0 } };
    for (int i = 0; i < 2; i++) {
        d = i ? mr_tokens_stream_new(in_folder("tokens.bin"), 2, NULL)
              : mr_records_stream_new(in_folder("tokens.bin"), &field, 1, NULL);
        mr_cursor *cursor = mr_stream_open(d);
        const mr_batch *sample;
        if (CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_OK))
            CHECK_EQ_I64(*(uint16_t *)mr_tensor_data(sample->field[0]), 0x8b1f);
        mr_cursor_free(cursor);
        mr_dataset_free(d);
    }
}

/* Of tokens 0 to 9, by index and as a stream: how many windows of 3, and whether each begins with the third number of
 * that before. */
static int64_t count_windows(const char *path)
{
    int64_t count[2] = { 0, 0 };
    for (int i = 0; i < 2; i++) {
        mr_dataset *d = i ? mr_tokens_stream_new(path, 2, NULL) : mr_tokens_new(path, 2, NULL);
        const int64_t n = i ? -1 : mr_dataset_len(d);
        mr_cursor *cursor = i && d ? mr_stream_open(d) : NULL;
        const mr_batch *sample;
        for (int64_t j = 0; !i && j < n; j++, count[i]++) {
            mr_batch *b = mr_dataset_get(d, j);
            CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[0]), 2 * j);
            mr_batch_free(b);
        }
        for (; cursor && mr_cursor_next(cursor, &sample) == MR_OK; count[i]++)
            CHECK_EQ_I64(*(int64_t *)mr_tensor_data(sample->field[0]), 2 * count[i]);
        mr_cursor_free(cursor);
        mr_dataset_free(d);
    }
    CHECK_EQ_I64(count[0], count[1]);
    return count[0];
}

/* Frames of zstd behind frames that are to be passed over, as pzstd writes them. */
static void test_passed_over(void)
{
    static const char skipped[] = "\x5a\x2a\x4d\x18\4\0\0\0what",
                      frame[] = "\x28\xb5\x2f\xfd\x20\x0a\x51\0\0";
    char bytes[200];
    size_t size = 0;
    for (int i = 0; i < 2; i++) {
        memcpy(bytes + size, skipped, sizeof skipped - 1);
        size += sizeof skipped - 1;
        memcpy(bytes + size, frame, sizeof frame - 1);
        size += sizeof frame - 1;
        for (int j = 0; j < 5; j++, size += 2)
            memcpy(bytes + size, &(uint16_t){ (uint16_t)(i * 5 + j) }, 2);
    }
    file_put(in_folder("p.zst"), bytes, size);
    CHECK_EQ_I64(count_windows(in_folder("p.zst")), 4);
    const size_t front = sizeof skipped - 1 + sizeof frame - 1;
    memcpy(bytes + front, "n\n1\n2\n3\n4\n", 10);
    file_put(in_folder("p.csv"), bytes, front + 10); /* whatever its name */
    mr_dataset *d = mr_csv_new(in_folder("p.csv"), NULL, 0, NULL);
    CHECK_EQ_I64(mr_dataset_len(d), 4);
    mr_dataset_free(d);
}

/* Numbers without a head, in a file that is packed by its name: they are unpacked or refused, never taken for numbers. */
static void test_not_packed(void)
{
    static const char *const names[] = { "n.gz", "n.zst" };
    static const uint16_t tokens[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    const mr_field field = { "n", MR_UINT16, { 0 } };
    for (int i = 0; i < 4; i++) {
        const char *path = in_folder(names[i % 2]);
        file_put(path, tokens, i < 2 ? sizeof tokens : (size_t)i - 2); /* of no byte, and of one */
        CHECK(!mr_tokens_new(path, 2, NULL));
        check_said("' is said to be packed, and begins like neither gzip nor zstd");
        CHECK(!mr_tokens_stream_new(path, 2, NULL));
        check_said("' is said to be packed, and begins like neither gzip nor zstd");
        CHECK(!mr_records_stream_new(path, &field, 1, NULL));
        check_said("' is said to be packed, and begins like neither gzip nor zstd");
    }
    file_put(in_folder("n.gz"), "a\n1\n", 4); /* here its first bytes tell */
    mr_dataset *d = mr_csv_new(in_folder("n.gz"), NULL, 0, NULL);
    CHECK_EQ_I64(mr_dataset_len(d), 1);
    mr_dataset_free(d);
}

/* A frame of zstd that says it takes 256 MB. */
static void test_wide_window(void)
{
    static const char frame[] = "\x28\xb5\x2f\xfd\0\x90\x09\0\0x";
    file_put(in_folder("a.zst"), frame, sizeof frame - 1);
    CHECK(!mr_csv_new(in_folder("a.zst"), NULL, 0, NULL));
    check_said("/a.zst': it takes more than 128 MB to unpack it (zstd --long)");
}

/* ---- what is said ---- */

static void test_long_path(void)
{
    static char path[900];
    snprintf(path, sizeof path, "%s", files_folder);
    for (int i = 0; i < 5; i++) {
        snprintf(path + strlen(path), sizeof path - strlen(path), "/%0100d", i);
        CHECK(mkdir(path, 0777) == 0);
    }
    strcat(path, "/a.jsonl");
    file_put(path, "{}\n{\"x\":[]}\n", 12);
    mr_dataset *d = mr_jsonl_new(path, &key, 1, NULL);
    CHECK(!mr_dataset_get(d, 1));
    check_said("/a.jsonl': line 2, key 'x': an array, not a number");
    mr_dataset_free(d);
}

/* A failure that is pending stays the first, whatever is tried. */
static void test_pending(void)
{
    const mr_jsonl_field skip = { .name = "x", .missing = MR_MISSING_SKIP };
    mr_dataset *d[] = { mr_csv_new(make("bad.csv", "x\na\n", "", 0), &x, 1, NULL),
                        mr_jsonl_new(make("bad.jsonl", "{\"x\":[]}\n", "", 0), &skip, 1, NULL) };
    for (int i = 0; i < 2; i++) {
        mr_fail(MR_ERR_STATE, "first");
        CHECK(!mr_dataset_get(d[i], 0));
        check_said("first");
        mr_dataset_free(d[i]);
    }
    mr_fail(MR_ERR_STATE, "first");
    mr_dataset_free(mr_jsonl_new(in_folder("bad.jsonl"), &skip, 1, NULL));
    check_said("first");
}

/* ---- storages ---- */

typedef struct memory {
    const char *text;
    mr_access access;
    int *opened;
} memory;

typedef struct memory_reader {
    const char *text;
    size_t at;
} memory_reader;

static void *memory_open(void *self, const char *name, mr_file_facts *facts)
{
    const memory *m = self;
    if (m->access == MR_ACCESS_ONCE && *m->opened) {
        mr_fail(MR_ERR_STATE, "'%s' has been opened twice", name);
        return NULL;
    }
    memory_reader *reader = calloc(1, sizeof *reader);
    reader->text = m->text;
    facts->size = (int64_t)strlen(m->text);
    facts->access = m->access;
    ++*m->opened;
    return reader;
}

static int64_t memory_read(void *file, void *bytes, size_t size)
{
    memory_reader *reader = file;
    const size_t left = strlen(reader->text + reader->at), some = left < size ? left : size;
    memcpy(bytes, reader->text + reader->at, some);
    reader->at += some;
    return (int64_t)some;
}

static int64_t count_rows(mr_dataset *d)
{
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 4, .shards = 8 });
    const mr_batch *b;
    int64_t rows = 0;
    mr_status s;
    while ((s = mr_loader_next(loader, &b)) == MR_OK)
        rows += b->rows;
    if (!CHECK_EQ_I64(s, MR_END))
        printf("    %s\n", mr_error());
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(d);
    return rows;
}

/* What cannot seek is one shard's, whether its size is known or not. */
static void test_without_seek(void)
{
    static const mr_storage_vtable vtable = { .open = memory_open, .read = memory_read, .close = free };
    static const mr_field byte = { "n", MR_UINT8, { 0 } };
    static const mr_access access[] = { MR_ACCESS_ONCE, MR_ACCESS_AGAIN };
    for (int i = 0; i < 4; i++) {
        int opened = 0;
        const memory m = { "x\n1\n2\n3\n4\n5\n6\n", access[i % 2], &opened };
        mr_storage *storage = mr_storage_new(&vtable, &m, sizeof m);
        if (i < 2)
            CHECK_EQ_I64(count_rows(mr_csv_stream_new("m", &x, 1, &(mr_csv_opts){ .storage = storage })), 6);
        else
            CHECK_EQ_I64(
                count_rows(mr_records_stream_new("m", &byte, 1, &(mr_records_opts){ .storage = storage })),
                14);
        CHECK(opened <=
              (access[i % 2] == MR_ACCESS_ONCE ? 1 : 3)); /* to look at, to read, to go back to the rows */
        mr_storage_free(storage);
    }
}

/* A pipe whose other end goes on: no more is waited for than it takes. */
static void test_live_pipe(void)
{
    for (int i = 0; i < 2; i++) {
        int ends[2];
        CHECK(pipe(ends) == 0);
        CHECK(write(ends[1], "x\n", 2) == 2);
        for (int row = 0; row < (i ? 1 : 100); row++)
            CHECK(write(ends[1], "7\n", 2) == 2);
        mr_storage *storage = mr_storage_from_fd(ends[0]);
        mr_dataset *d = mr_csv_stream_new("sensor", i ? &x : NULL, i, &(mr_csv_opts){ .storage = storage });
        mr_cursor *cursor = mr_stream_open(d);
        const mr_batch *sample;
        if (CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_OK))
            CHECK(*(float *)mr_tensor_data(sample->field[0]) == 7);
        close(ends[1]);
        mr_cursor_free(cursor);
        mr_dataset_free(d);
        mr_storage_free(storage);
        close(ends[0]);
    }
}

int main(void)
{
    if (!files_begin())
        return 1;
    alarm(60); /* what waits for a pipe would wait for ever */
    RUN(test_max_bytes);
    RUN(test_huge);
    RUN(test_array);
    RUN(test_long_json);
    RUN(test_wide);
    RUN(test_scan);
    RUN(test_words);
    RUN(test_json_word);
    RUN(test_cut);
    RUN(test_headless);
    RUN(test_passed_over);
    RUN(test_not_packed);
    RUN(test_wide_window);
    RUN(test_long_path);
    RUN(test_pending);
    RUN(test_without_seek);
    RUN(test_live_pipe);
    return files_report();
}
