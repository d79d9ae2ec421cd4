/* Tar files of samples: what Python's tarfile reads, plain and packed; shards, going on, what fields are made of. */
#include <millrace/sources/tar.h>

#include "check.h"
#include "files.h"

#include <locale.h>
#include <stdlib.h>

static mr_rng *rng;

/* ---- beside tarfile ---- */

enum { FIELDS = 4, SAMPLES = 20 };

static const char *const extensions[FIELDS] = { "cls", "bin", "seg.bin", "json" };

typedef struct expected {
    char name[64];
    int samples;
    struct {
        char key[512];
        bool there[FIELDS];
        int64_t size[FIELDS];
        uint64_t hash[FIELDS];
    } sample[SAMPLES];
} expected;

static void read_key(const char *hex, char *key)
{
    size_t n = 0;
    for (unsigned byte; sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
        key[n] = (char)byte;
    key[n] = 0;
}

static bool read_expected(FILE *file, expected *e)
{
    static char hex[1024], extension[16];
    memset(e, 0, sizeof *e);
    if (fscanf(file, " file %63s %d", e->name, &e->samples) != 2)
        return false;
    CHECK(e->samples <= SAMPLES);
    for (int i = 0; i < e->samples; i++) {
        int members = 0;
        CHECK(fscanf(file, " sample %1000s %d", hex, &members) == 2);
        read_key(hex, e->sample[i].key);
        for (int m = 0; m < members; m++) {
            long long size;
            unsigned long long hash;
            CHECK(fscanf(file, " %15s %lld %llx", extension, &size, &hash) == 3);
            for (int f = 0; f < FIELDS; f++)
                if (strcmp(extension, extensions[f]) == 0) {
                    e->sample[i].there[f] = true;
                    e->sample[i].size[f] = size;
                    e->sample[i].hash[f] = hash;
                }
        }
    }
    return true;
}

static uint64_t hash_of(const unsigned char *at, int64_t size)
{
    uint64_t h = 14695981039346656037u;
    for (int64_t i = 0; i < size; i++)
        h = (h ^ at[i]) * 1099511628211u;
    return h;
}

static mr_dataset *all_bytes(const char *files)
{
    mr_tar_field fields[FIELDS + 1] = { { .name = "key", .extension = "__key__" } };
    for (int f = 0; f < FIELDS; f++)
        fields[f + 1] = (mr_tar_field){ .name = extensions[f], .missing = MR_MISSING_FILL };
    return mr_tar_stream_new(files, fields, FIELDS + 1, NULL);
}

static void check_file(const expected *e, const char *path)
{
    mr_dataset *d = all_bytes(path);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    CHECK_EQ_I64(mr_dataset_len(d), -1);
    for (int i = 0; i < e->samples; i++) {
        if (!CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK)) {
            printf("    %s, sample %d: %s\n", e->name, i, mr_error());
            break;
        }
        const size_t length = strlen(e->sample[i].key);
        CHECK_EQ_I64(mr_tensor_numel(b->field[0]), length);
        CHECK(memcmp(mr_tensor_data(b->field[0]), e->sample[i].key, length) == 0);
        for (int f = 0; f < FIELDS; f++) {
            const int64_t size = mr_tensor_numel(b->field[f + 1]);
            CHECK_EQ_I64(size, e->sample[i].size[f]);
            if (e->sample[i].there[f] &&
                !CHECK(hash_of(mr_tensor_data(b->field[f + 1]), size) == e->sample[i].hash[f]))
                printf("    %s, sample %d, %s\n", e->name, i, extensions[f]);
        }
    }
    if (!CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_END))
        printf("    %s: %s\n", e->name, mr_error());
    mr_error_clear();
    mr_cursor_free(cursor);
    mr_dataset_free(d);
}

/* Puts a plain file into the folder. */
static const char *unpack(const char *name)
{
    char command[1200];
    snprintf(command, sizeof command, "gzip -dc '%s/tar/%s.gz' >'%s'", MR_TEST_DATA, name, in_folder(name));
    CHECK(system(command) == 0);
    return in_folder(name);
}

static void test_beside_tarfile(void)
{
    static expected e;
    char path[600];
    FILE *file = fopen(MR_TEST_DATA "/tar/expected.txt", "r");
    int files = 0;
    if (!CHECK(file != NULL))
        return;
    for (; read_expected(file, &e); files++) {
        check_file(&e, unpack(e.name));
        snprintf(path, sizeof path, "%s/tar/%s.gz", MR_TEST_DATA, e.name);
        check_file(&e, path);
        if (strcmp(e.name, "ustar.tar") == 0)
            check_file(&e, MR_TEST_DATA "/tar/ustar.tar.zst");
    }
    fclose(file);
    CHECK_EQ_I64(files, 13);
}

/* Names are bytes, in whatever locale the program is. */
static void test_locale(void)
{
    if (!setlocale(LC_ALL, "C.UTF-8"))
        return;
    test_beside_tarfile();
    setlocale(LC_ALL, "C");
}

/* ---- what fields are made of ---- */

static void test_fields(void)
{
    static const char *const names[] = { "b", "a" };
    const mr_tar_field fields[] = {
        { .name = "label", .extension = "txt,cls", .content = MR_MEMBER_TEXT, .dtype = MR_INT64 },
        { .name = "n", .extension = "json", .content = MR_MEMBER_JSON, .dtype = MR_INT32 },
        { .name = "at", .extension = "json", .content = MR_MEMBER_JSON, .shape = { 1, { 2 } } },
        { .name = "who",
          .extension = "json",
          .content = MR_MEMBER_JSON,
          .key = "who.name",
          .words = names,
          .word_count = 2 },
        { .name = "json" },
    };
    mr_dataset *d = mr_tar_stream_new(unpack("ustar.tar"), fields, 5, NULL);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    for (int i = 0; i < 20; i++) {
        char text[80];
        if (!CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK)) {
            printf("    %s\n", mr_error());
            return;
        }
        CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[0]), i % 10);
        CHECK_EQ_I64(*(int32_t *)mr_tensor_data(b->field[1]), i);
        CHECK(((float *)mr_tensor_data(b->field[2]))[0] == (float)i &&
              ((float *)mr_tensor_data(b->field[2]))[1] == 0.5f);
        CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[3]), 1 - i % 2);
        int length = snprintf(text, sizeof text, "{\"n\": %d, ", i);
        CHECK(memcmp(mr_tensor_data(b->field[4]), text, (size_t)length) == 0);
    }
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_END);
    mr_cursor_free(cursor);
    mr_dataset_free(d);
}

/* One sample, made by hand: two fields that are raw, one that is a text of numbers, one that is a word, and three that
 * are missing. */
static void test_more_fields(void)
{
    char command[1500];
    static const char *const kinds[] = { "cat", "dog" };
    snprintf(command, sizeof command,
             "cd '%s' && printf '\\000\\000\\200\\077\\000\\000\\000\\300' >x.raw && printf ' 1,2.5\\n-3e2 "
             "nan,' >x.txt && printf 'dog\\n' "
             ">x.kind && tar -cf more.tar x.raw x.txt x.kind",
             in_folder(""));
    CHECK(system(command) == 0);
    const mr_tar_field fields[] = {
        { .name = "raw", .content = MR_MEMBER_RAW, .shape = { 1, { 2 } } },
        { .name = "bytes",
          .extension = "raw",
          .content = MR_MEMBER_RAW,
          .dtype = MR_UINT8,
          .shape = { 2, { 4, 2 } } },
        { .name = "txt", .content = MR_MEMBER_TEXT, .dtype = MR_FLOAT64, .shape = { 2, { 2, 2 } } },
        { .name = "kind", .content = MR_MEMBER_TEXT, .words = kinds, .word_count = 2 },
        { .name = "none", .content = MR_MEMBER_TEXT, .missing = MR_MISSING_NAN, .shape = { 1, { 2 } } },
        { .name = "fill",
          .content = MR_MEMBER_RAW,
          .missing = MR_MISSING_FILL,
          .dtype = MR_UINT8,
          .fill = 7 },
        { .name = "empty", .missing = MR_MISSING_FILL },
    };
    mr_dataset *d = mr_tar_stream_new(in_folder("more.tar"), fields, 7, NULL);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    if (!CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK)) {
        printf("    %s\n", mr_error());
        return;
    }
    const float *raw = mr_tensor_data(b->field[0]), *none = mr_tensor_data(b->field[4]);
    const double *txt = mr_tensor_data(b->field[2]);
    CHECK(raw[0] == 1 && raw[1] == -2);
    CHECK_EQ_I64(((uint8_t *)mr_tensor_data(b->field[1]))[7], 0xc0);
    CHECK(txt[0] == 1 && txt[1] == 2.5 && txt[2] == -300 && isnan(txt[3]));
    CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[3]), 1);
    CHECK(isnan(none[0]) && isnan(none[1]));
    CHECK_EQ_I64(*(uint8_t *)mr_tensor_data(b->field[5]), 7);
    CHECK_EQ_I64(mr_tensor_numel(b->field[6]), 0);
    mr_cursor_free(cursor);
    mr_dataset_free(d);

    /* A sample that has not all, and is left out. */
    d = mr_tar_stream_new(in_folder("more.tar"),
                          (mr_tar_field[]){ fields[0], { .name = "none", .missing = MR_MISSING_SKIP } }, 2,
                          NULL);
    cursor = mr_stream_open(d);
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_END);
    mr_cursor_free(cursor);
    mr_dataset_free(d);
}

int main(void)
{
    if (!files_begin())
        return 1;
    rng = mr_rng_new(1);
    RUN(test_beside_tarfile);
    RUN(test_locale);
    RUN(test_fields);
    RUN(test_more_fields);
    mr_rng_free(rng);
    return files_report();
}
