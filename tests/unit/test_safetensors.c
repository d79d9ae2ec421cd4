/* Reading and writing safetensors: files of golden/make_safetensors.py, which were put together byte by byte,
 * and what the writer refuses. Damaged files have a test of their own. */
#include "check.h"
#include "files.h"

#include "base/alloc.h"
#include "formats/safetensors.h"

#include <jansson.h>

/* ---- what golden/make_safetensors.py writes ---- */

static const struct content {
    const char *name;
    mr_dtype dtype;
    mr_shape shape;
} contents[] = {
    { "bool", MR_BOOL, { 2, { 2, 3 } } },
    { "u8", MR_UINT8, { 2, { 2, 3 } } },
    { "i8", MR_INT8, { 2, { 2, 3 } } },
    { "i16", MR_INT16, { 2, { 2, 3 } } },
    { "u16", MR_UINT16, { 2, { 2, 3 } } },
    { "f16", MR_FLOAT16, { 2, { 2, 3 } } },
    { "bf16", MR_BFLOAT16, { 2, { 2, 3 } } },
    { "i32", MR_INT32, { 2, { 2, 3 } } },
    { "f32", MR_FLOAT32, { 2, { 2, 3 } } },
    { "f64", MR_FLOAT64, { 2, { 2, 3 } } },
    { "i64", MR_INT64, { 2, { 2, 3 } } },
    { "scalar", MR_FLOAT32, { 0, { 0 } } },
    { "empty", MR_FLOAT64, { 3, { 3, 0, 2 } } },
    { "eight dimensions", MR_UINT8, { 8, { 1, 2, 1, 1, 3, 1, 1, 2 } } },
    { "größe.重み", MR_FLOAT32, { 1, { 1 } } },
    { "quote \" backslash \\ slash / newline \n tab \t", MR_INT16, { 1, { 2 } } },
    { "\xf0\x9f\x98\x80", MR_FLOAT32, { 1, { 2 } } },
    { "", MR_INT64, { 1, { 1 } } },
};

static const mr__metadata metadata[] = {
    { "format", "pt" },
    { "größe", "zwölf \xf0\x9f\x98\x80" },
    { "a \"quoted\" key", "line 1\nline 2" },
    { "empty", "" },
};

enum {
    TENSORS = sizeof contents / sizeof *contents,
    TEXTS = sizeof metadata / sizeof *metadata,
    MOST_BYTES = 64
};

static size_t bytes_of(size_t k)
{
    size_t bytes = mr_dtype_size(contents[k].dtype);
    for (int i = 0; i < contents[k].shape.ndim; i++)
        bytes *= (size_t)contents[k].shape.dim[i];
    return bytes;
}

static unsigned char byte_of(size_t k, size_t j)
{
    return (unsigned char)(contents[k].dtype == MR_BOOL ? j % 2 : 7 * j + 31 * k + 1);
}

/* ---- reading ---- */

static void check_tensor(const mr__safetensors *file, size_t k)
{
    const mr__safetensor *tensor = mr__safetensors_find(file, contents[k].name);
    if (!CHECK(tensor != NULL)) {
        printf("    %s\n", contents[k].name);
        return;
    }
    CHECK_EQ_I64(tensor->dtype, contents[k].dtype);
    CHECK_EQ_I64(tensor->shape.ndim, contents[k].shape.ndim);
    for (int i = 0; i < tensor->shape.ndim; i++)
        CHECK_EQ_I64(tensor->shape.dim[i], contents[k].shape.dim[i]);
    CHECK_EQ_I64(tensor->bytes, bytes_of(k));
    bool same = true;
    for (size_t j = 0; j < tensor->bytes; j++)
        same &= ((const unsigned char *)tensor->data)[j] == byte_of(k, j);
    CHECK(same);
}

static void check_file(const char *path)
{
    mr__safetensors *file = mr__safetensors_read(path);
    if (!CHECK(file != NULL)) {
        printf("    %s\n", mr_error());
        return;
    }
    CHECK_EQ_I64(file->count, TENSORS);
    for (size_t k = 0; k < TENSORS; k++)
        check_tensor(file, k);
    for (size_t i = 1; i < file->count; i++) /* in the order of their data */
        CHECK((const char *)file->tensors[i].data ==
              (const char *)file->tensors[i - 1].data + file->tensors[i - 1].bytes);
    CHECK_EQ_I64(file->metadata_count, TEXTS);
    for (size_t i = 0; i < TEXTS; i++)
        CHECK_EQ_STR(mr__safetensors_text(file, metadata[i].key), metadata[i].text);
    CHECK(mr__safetensors_find(file, "f33") == NULL);
    CHECK(mr__safetensors_find(file, "__metadata__") == NULL);
    CHECK(mr__safetensors_text(file, "f32") == NULL);
    mr__safetensors_free(file);
}

static void test_read(void)
{
    check_file(MR_TEST_DATA "/by_hand.safetensors");
    check_file(MR_TEST_DATA "/canonical.safetensors");
    mr__safetensors_free(NULL);
}

/* The smallest ones, as the format's own library writes them. */
static void test_read_nothing(void)
{
    static const char none[] = "\x8\0\0\0\0\0\0\0{}      ";
    static const char text[] = "\x28\0\0\0\0\0\0\0{\"__metadata__\":{\"framework\":\"pt\"}}     ";
    file_put(in_folder("none"), none, sizeof none - 1);
    mr__safetensors *file = mr__safetensors_read(in_folder("none"));
    CHECK(file && file->count == 0 && file->metadata_count == 0);
    mr__safetensors_free(file);
    file_put(in_folder("text"), text, sizeof text - 1);
    file = mr__safetensors_read(in_folder("text"));
    CHECK(file && file->count == 0 && file->metadata_count == 1);
    if (file)
        CHECK_EQ_STR(mr__safetensors_text(file, "framework"), "pt");
    mr__safetensors_free(file);
}

static void test_types(void)
{
    for (int dtype = MR_FLOAT32; dtype <= MR_UINT16; dtype++)
        CHECK_EQ_I64(mr__safetensors_dtype(mr__safetensors_dtype_name((mr_dtype)dtype)), dtype);
    CHECK_EQ_I64(mr__safetensors_dtype("U64"), -1);
    CHECK_EQ_I64(mr__safetensors_dtype("f32"), -1);
    CHECK_EQ_STR(mr__safetensors_dtype_name((mr_dtype)99), "?");
}

/* ---- writing ---- */

static void fill(mr__safetensor *tensors, unsigned char (*data)[MOST_BYTES])
{
    for (size_t k = 0; k < TENSORS; k++) {
        for (size_t j = 0; j < bytes_of(k); j++)
            data[k][j] = byte_of(k, j);
        tensors[k] = (mr__safetensor){ contents[k].name, contents[k].dtype, contents[k].shape, data[k], 0 };
    }
}

static void check_same(const char *path, const char *golden)
{
    static char wanted[1 << 16];
    size_t size = 0, wanted_size = 0;
    memcpy(wanted, file_contents(golden, &wanted_size), sizeof wanted);
    const char *got = file_contents(path, &size);
    if (CHECK_EQ_I64(size, wanted_size))
        CHECK(memcmp(got, wanted, size) == 0);
}

static void test_write(void)
{
    static unsigned char data[TENSORS][MOST_BYTES];
    mr__safetensor tensors[TENSORS], reversed[TENSORS];
    fill(tensors, data);
    CHECK_EQ_I64(mr__safetensors_write(in_folder("a"), tensors, TENSORS, metadata, TEXTS), MR_OK);
    check_same(in_folder("a"), MR_TEST_DATA "/canonical.safetensors");
    for (size_t k = 0; k < TENSORS; k++)
        reversed[k] = tensors[TENSORS - 1 - k];
    CHECK_EQ_I64(mr__safetensors_write(in_folder("a"), reversed, TENSORS, metadata, TEXTS), MR_OK);
    check_same(in_folder("a"), MR_TEST_DATA "/canonical.safetensors");
}

static void test_write_nothing(void)
{
    size_t size = 0;
    CHECK_EQ_I64(mr__safetensors_write(in_folder("b"), NULL, 0, NULL, 0), MR_OK);
    const char *bytes = file_contents(in_folder("b"), &size);
    CHECK_EQ_I64(size, 16);
    CHECK(memcmp(bytes, "\x8\0\0\0\0\0\0\0{}      ", 16) == 0);
}

/* Tensors that are gathered, and tensors that are written by themselves, in turns. */
static void test_large(void)
{
    enum { COUNT = 12, LARGE = 100000, SMALL = 9000 };
    static unsigned char data[LARGE];
    mr__safetensor tensors[COUNT];
    char names[COUNT][16];
    for (size_t j = 0; j < LARGE; j++)
        data[j] = (unsigned char)(j * 2654435761u >> 13);
    for (int k = 0; k < COUNT; k++) {
        int64_t size = k % 3 == 1 ? LARGE : SMALL;
        snprintf(names[k], sizeof *names, "t%02d", k);
        tensors[k] = (mr__safetensor){ names[k], MR_UINT8, MR_SHAPE(size - k), data + k, 0 };
    }
    CHECK_EQ_I64(mr__safetensors_write(in_folder("large"), tensors, COUNT, NULL, 0), MR_OK);
    mr__safetensors *file = mr__safetensors_read(in_folder("large"));
    if (!CHECK(file && file->count == COUNT))
        return;
    for (int k = 0; k < COUNT; k++) {
        const mr__safetensor *tensor = &file->tensors[k];
        CHECK_EQ_STR(tensor->name, names[k]);
        if (CHECK_EQ_I64(tensor->bytes, tensors[k].shape.dim[0]))
            CHECK(memcmp(tensor->data, data + k, tensor->bytes) == 0);
    }
    mr__safetensors_free(file);
}

/* ---- what the writer refuses ---- */

static void check_refused(const mr__safetensor *tensors, size_t count, const mr__metadata *texts,
                          size_t text_count, mr_status status, const char *text)
{
    char wanted[600];
    mr_error_clear();
    CHECK_EQ_I64(mr__safetensors_write(in_folder("refused"), tensors, count, texts, text_count), status);
    CHECK_EQ_I64(mr_error_status(), status);
    snprintf(wanted, sizeof wanted, text, in_folder("refused"));
    CHECK_EQ_STR(mr_error(), wanted);
    CHECK(!file_exists(in_folder("refused")));
    mr_error_clear();
}

static void test_refused(void)
{
    static const float one = 1;
    const mr_shape shape = MR_SHAPE(1);
    const mr__safetensor twice[] = { { "x", MR_FLOAT32, shape, &one, 0 },
                                     { "x", MR_FLOAT32, shape, &one, 0 } };
    const mr__safetensor reserved = { "__metadata__", MR_FLOAT32, shape, &one, 0 };
    const mr__safetensor no_text = { "a\xff", MR_FLOAT32, shape, &one, 0 };
    const mr__safetensor negative = { "x", MR_FLOAT32, { 2, { 3, -1 } }, &one, 0 };
    const mr__metadata keys_twice[] = { { "k", "a" }, { "k", "b" } };
    const mr__metadata bad_key = { "\xc3(", "a" }, bad_text = { "k", "\xed\xa0\x80" };
    check_refused(twice, 2, NULL, 0, MR_ERR_ARGUMENT, "save '%s': 'x' is there twice");
    check_refused(&reserved, 1, NULL, 0, MR_ERR_ARGUMENT,
                  "save '%s': '__metadata__' is no name for a tensor");
    check_refused(&no_text, 1, NULL, 0, MR_ERR_ARGUMENT, "save '%s': 'a\xff' is not UTF-8");
    check_refused(&negative, 1, NULL, 0, MR_ERR_SHAPE, "save: negative size in shape [3,-1]");
    check_refused(twice, 1, keys_twice, 2, MR_ERR_ARGUMENT, "save '%s': 'k' is there twice");
    check_refused(twice, 1, &bad_key, 1, MR_ERR_ARGUMENT, "save '%s': '\xc3(' is not UTF-8");
    check_refused(twice, 1, &bad_text, 1, MR_ERR_ARGUMENT, "save '%s': 'k' has a text that is not UTF-8");
}

static void test_header_too_large(void)
{
    enum { LENGTH = MR__SAFETENSORS_MAX_HEADER };
    char *name = malloc(LENGTH + 1);
    if (!CHECK(name != NULL))
        return;
    memset(name, 'n', LENGTH);
    name[LENGTH] = '\0';
    const mr__safetensor tensor = { name, MR_FLOAT32, MR_SHAPE(0), NULL, 0 };
    check_refused(&tensor, 1, NULL, 0, MR_ERR_ARGUMENT,
                  "save '%s': a header of 100000056 bytes, more than the format's 100000000");
    free(name);
}

/* ---- without memory ---- */

static int left, out;

static void *few_allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    if (left-- <= 0)
        return NULL;
    out++;
    return aligned_alloc(alignment, mr__round_up(bytes, alignment));
}

static void few_release(void *user, void *memory)
{
    (void)user;
    out--;
    free(memory);
}

static void *json_allocate(size_t bytes)
{
    if (left-- <= 0)
        return NULL;
    out++;
    return malloc(bytes);
}

static void json_release(void *memory)
{
    out -= memory != NULL;
    free(memory);
}

static bool reads(void)
{
    mr__safetensors *file = mr__safetensors_read(MR_TEST_DATA "/by_hand.safetensors");
    mr__safetensors_free(file);
    return file != NULL;
}

static bool writes(void)
{
    static unsigned char data[TENSORS][MOST_BYTES];
    mr__safetensor tensors[TENSORS];
    fill(tensors, data);
    return mr__safetensors_write(in_folder("m"), tensors, TENSORS, metadata, TEXTS) == MR_OK;
}

/* One allocation after the other fails: each time there is a message, nothing is lost, and no half of a file
 * is left. The number of failures; how many of them were called something else than want of memory. */
static int fail_each(bool (*succeeds)(void), const char *text, int *misnamed)
{
    int failures = 0;
    *misnamed = 0;
    for (bool done = false; !done && failures < 2000; failures += !done) {
        mr_error_clear();
        left = failures;
        done = succeeds();
        CHECK_EQ_I64(out, 0);
        if (file_exists(in_folder("m"))) /* a failure to sync the folder comes when the file is complete */
            check_same(in_folder("m"), MR_TEST_DATA "/canonical.safetensors");
        *misnamed +=
            !done && (mr_error_status() != MR_ERR_MEMORY || strncmp(mr_error(), text, strlen(text)) != 0);
        CHECK(done || mr_error()[0]);
    }
    unlink(in_folder("m"));
    return failures;
}

static void test_without_memory(void)
{
    static const mr_allocator few = { few_allocate, few_release, NULL };
    int misnamed = 0;
    mr_set_allocator(&few);
    CHECK_EQ_I64(fail_each(reads, "out of memory: ", &misnamed), 5);
    CHECK_EQ_I64(misnamed, 0);
    CHECK(fail_each(writes, "out of memory: ", &misnamed) > 5);
    CHECK_EQ_I64(misnamed, 0);
    mr_set_allocator(NULL);
}

/* When parsing, the JSON library does not tell in all cases that it was memory that it wanted. */
static void test_without_memory_for_json(void)
{
    int misnamed = 0;
    static const char header[] = "out of memory: a header of safetensors wanted";
    json_set_alloc_funcs(json_allocate, json_release);
    int failures = fail_each(reads, header, &misnamed);
    CHECK(failures > 100 && misnamed < failures / 2);
    CHECK(fail_each(writes, header, &misnamed) > 100);
    CHECK_EQ_I64(misnamed, 0);
    json_set_alloc_funcs(malloc, free);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_read);
    RUN(test_read_nothing);
    RUN(test_types);
    RUN(test_write);
    RUN(test_write_nothing);
    RUN(test_large);
    RUN(test_refused);
    RUN(test_header_too_large);
    RUN(test_without_memory);
    RUN(test_without_memory_for_json);
    return files_report();
}
