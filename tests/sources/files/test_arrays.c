/* Arrays in files: what numpy reads; windows of tokens and of text; faults in words. */
#include <millrace/sources/arrays.h>

#include "check.h"
#include "files.h"

static const char *folder = MR_TEST_DATA "/arrays";

static const char *golden(const char *name)
{
    static char path[4][400];
    static int at;
    at = (at + 1) % 4;
    snprintf(path[at], sizeof path[at], "%s/%s", folder, name);
    return path[at];
}

/* ---- beside numpy ---- */

static void check_elements(const char *name, const mr_tensor *x, int64_t first, char *values)
{
    double got[64];
    int64_t n = mr_tensor_numel(x);
    CHECK_EQ_I64(mr_copy_out(x, MR_FLOAT64, got, n), MR_OK);
    for (int64_t i = 0; i < first; i++)
        strtod(values, &values);
    for (int64_t i = 0; i < n; i++)
        if (!CHECK(got[i] == strtod(values, &values)))
            printf("    %s: element %lld is %g\n", name, (long long)(first + i), got[i]);
}

static void check_shape(const mr_tensor *x, const char *dimensions, int from)
{
    char text[64] = "";
    for (int d = 0; d < from; d++)
        dimensions = strchr(dimensions, ',') ? strchr(dimensions, ',') + 1 : "";
    mr_shape shape = mr_tensor_shape(x);
    for (int d = 0; d < shape.ndim; d++)
        snprintf(text + strlen(text), sizeof text - strlen(text), d ? ",%lld" : "%lld",
                 (long long)shape.dim[d]);
    CHECK_EQ_STR(text, dimensions);
}

static void check_file(const char *name, const char *type, const char *dimensions, char *values)
{
    mr_dataset *d = mr_arrays_new(&(mr_array_file){ .path = golden(name) }, 1);
    if (!CHECK(d != NULL)) {
        printf("    %s: %s\n", name, mr_error());
        return;
    }
    CHECK_EQ_STR(mr_dtype_name(mr_dataset_fields(d)[0].dtype), type);
    CHECK(strlen(mr_dataset_fields(d)[0].name) == strcspn(name, ".") &&
          strncmp(mr_dataset_fields(d)[0].name, name, strcspn(name, ".")) == 0);
    CHECK_EQ_I64(mr_dataset_len(d), atoll(dimensions));
    for (int64_t i = mr_dataset_len(d) - 1; i >= 0; i--) {
        mr_batch *b = mr_dataset_get(d, i);
        if (!CHECK(b != NULL))
            continue;
        check_shape(b->field[0], dimensions, 1);
        check_elements(name, b->field[0], i * mr_tensor_numel(b->field[0]), values);
        mr_batch_free(b);
    }
    mr_dataset_free(d);
    mr_tensor *all = mr_npy_load(golden(name));
    check_shape(all, dimensions, 0);
    check_elements(name, all, 0, values);

    /* What is written is what numpy wrote, and is read again. */
    CHECK_EQ_I64(mr_npy_save(all, in_folder("saved.npy")), MR_OK);
    mr_tensor *again = mr_npy_load(in_folder("saved.npy"));
    check_shape(again, dimensions, 0);
    check_elements(name, again, 0, values);
    if (strstr(name, "little.npy") && strncmp(name, "u4", 2) && strncmp(name, "u8", 2)) {
        char a[512], b[512];
        FILE *file = fopen(golden(name), "rb"), *saved = fopen(in_folder("saved.npy"), "rb");
        size_t n = fread(a, 1, sizeof a, file);
        CHECK(n == fread(b, 1, sizeof b, saved) && memcmp(a, b, n) == 0);
        fclose(file);
        fclose(saved);
    }
    mr_tensor_free(all);
    mr_tensor_free(again);
}

static void test_beside_numpy(void)
{
    char line[200], name[64], type[16], dimensions[32], values[4000];
    FILE *file = fopen(golden("expected.txt"), "r");
    int files = 0;
    while (file && fgets(line, sizeof line, file)) {
        CHECK(sscanf(line, "file %63s %15s %31s", name, type, dimensions) == 3);
        CHECK(fgets(values, sizeof values, file) != NULL);
        check_file(name, type, dimensions, values);
        files++;
    }
    if (CHECK(file != NULL))
        fclose(file);
    CHECK_EQ_I64(files, 32);
}

/* ---- several files ---- */

static void test_fields(void)
{
    const mr_array_file files[] = { { .path = golden("i2_little.npy"), .name = "x" },
                                    { .path = golden("type_0c.idx.gz"), .name = NULL } };
    mr_dataset *d = mr_arrays_new(files, 2);
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader =
        mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 2, .shuffle = true, .workers = 2 });
    const mr_batch *b;
    int64_t rows = 0;
    while (mr_loader_next(loader, &b) == MR_OK)
        for (int64_t i = 0; i < b->rows; i++, rows++) {
            mr_batch *one = mr_dataset_get(d, b->indices[i]);
            CHECK(memcmp((int16_t *)mr_tensor_data(b->field[0]) + 2 * i, mr_tensor_data(one->field[0]), 4) ==
                  0);
            CHECK(memcmp((int32_t *)mr_tensor_data(b->field[1]) + 4 * i, mr_tensor_data(one->field[1]), 16) ==
                  0);
            mr_batch_free(one);
        }
    CHECK_EQ_I64(rows, 3);
    CHECK_EQ_STR(mr_dataset_fields(d)[1].name, "type_0c");
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(d);

    const mr_array_file uneven[] = { { .path = golden("i2_little.npy"), .name = "x" },
                                     { .path = golden("scalars.npy"), .name = NULL } };
    CHECK(!mr_arrays_new(uneven, 2));
    CHECK(strstr(mr_error(), "i2_little.npy' has 3 rows, '") && strstr(mr_error(), "scalars.npy' 5"));
    CHECK(!mr_arrays_new(NULL, 0));
    CHECK_EQ_STR(mr_error(), "arrays_new: there is at least one file");
    CHECK(!mr_arrays_new(&(mr_array_file){ 0 }, 1));
    CHECK_EQ_STR(mr_error(), "arrays_new: file 0 has no path");
}

/* ---- faults ---- */

static void check_refused(const char *path, const char *text)
{
    mr_error_clear();
    CHECK(mr_npy_load(path) == NULL);
    const char *said = mr_error();
    if (!CHECK(strstr(said, text) != NULL))
        printf("    %s\n", said);
}

static void put(const char *bytes, size_t size)
{
    file_put(in_folder("a"), bytes, size);
}

#define PUT(text) put(text, sizeof text - 1)

static void test_faults(void)
{
    check_refused("/nowhere/a.npy", "cannot open '/nowhere/a.npy': No such file");
    check_refused(golden("fortran.npy"),
                  "fortran.npy' is in Fortran's order: numpy.ascontiguousarray makes one in C's");
    check_refused(golden("complex.npy"), "elements of type '<c8', which Millrace has not");
    check_refused(golden("records.npy"), "its elements are records; there is one array in a file");
    check_refused(golden("too_large.npy"),
                  "too_large.npy': element 1 is 9223372036854775808, more than an int64 holds");
    PUT("hello");
    check_refused(in_folder("a"), "/a' is neither an NPY nor an IDX file");
    PUT("\0\0\x08");
    check_refused(in_folder("a"), "/a' is neither an NPY nor an IDX file");
    PUT("\0\0\x07\1\0\0\0\1x");
    check_refused(in_folder("a"), "/a': an IDX file of type 0x07, which is none of 0x08, 0x09, 0x0b to 0x0e");
    PUT("\0\0\x08\x09");
    check_refused(in_folder("a"), "9 dimensions, more than 8");
    PUT("\0\0\x08\2\0\0\0\1");
    check_refused(in_folder("a"), "/a': an IDX file ends in its header: 8 bytes of 12");
    PUT("\0\0\x08\1\0\0\0\3xy");
    check_refused(in_folder("a"), "/a' should have 3 bytes of elements, 2 are there");
    PUT("\0\0\x0e\3\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
    check_refused(in_folder("a"), "an array that is too large for any file");
    PUT("\0\0\x0b\3\0\0\0\0\xfe\xff\xff\xe0\xff\xce\0\x1c"); /* none of them, but of rows that are */
    check_refused(in_folder("a"), "an array that is too large for any file");
    PUT("\x93NUMPY\4\0\0\0\0\0\0\0");
    check_refused(in_folder("a"), "version 4 of NPY, which is none of 1 to 3");
    PUT("\x93NUMPY\1\0\x40\0{}");
    check_refused(in_folder("a"), "an NPY file's header: the file ends in it");
    PUT("\x93NUMPY\1\0\2\0{}");
    check_refused(in_folder("a"),
                  "/a': an NPY file's header, at byte 12: it is not of descr, fortran_order and shape");
    PUT("\x93NUMPY\1\0\2\0()");
    check_refused(in_folder("a"), "/a': an NPY file's header, at byte 10: it does not begin with {");
    PUT("\x93NUMPY\1\0\x24\0{'shape':(1,1,1,1,1,1,1,1,1),'x':1,}");
    check_refused(in_folder("a"), "more than 8 dimensions");
    CHECK(!mr_npy_load(NULL));
    CHECK_EQ_STR(mr_error(), "npy_load: path is NULL");

    mr_tensor *x = mr_tensor_ones(MR_BFLOAT16, MR_SHAPE(2)), *y = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2));
    CHECK_EQ_I64(mr_npy_save(x, in_folder("b.npy")), MR_ERR_DTYPE);
    CHECK_EQ_STR(mr_error(), "npy_save: NumPy has no bfloat16");
    CHECK_EQ_I64(mr_npy_save(NULL, "x"), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "npy_save: tensor is NULL");
    CHECK_EQ_I64(mr_npy_save(y, "/nowhere/y.npy"), MR_ERR_IO);
    CHECK_EQ_I64(mr_npy_save(y, "/nowhere/x.npy"),
                 MR_ERR_IO); /* the first failure has been dealt with by its status */
    CHECK(strstr(mr_error(), "cannot create '/nowhere/x.npy.") != NULL);
    mr_error_clear();
    mr_tensor_free(x);
    mr_tensor_free(y);
}

/* Every byte of a header changed, and every cut: an array or a text, never a crash. */
static void test_damage(void)
{
    static const char *const names[] = { "cube.npy", "type_0d.idx" };
    for (int k = 0; k < 2; k++) {
        char bytes[1000];
        FILE *file = fopen(golden(names[k]), "rb");
        size_t size = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        for (size_t i = 0; i < size; i++) {
            put(bytes, i);
            CHECK(mr_npy_load(in_folder("a")) == NULL);
            mr_error_clear();
            for (int bit = 0; bit < 8; bit++) {
                bytes[i] ^= (char)(1 << bit);
                put(bytes, size);
                mr_tensor_free(mr_npy_load(in_folder("a")));
                mr_error_clear();
                bytes[i] ^= (char)(1 << bit);
            }
        }
    }
}

/* ---- windows ---- */

static void check_window(mr_dataset *d, int64_t i, const int64_t *x, const int64_t *y, size_t n)
{
    mr_batch *b = mr_dataset_get(d, i);
    if (!CHECK(b != NULL))
        return;
    CHECK(memcmp(mr_tensor_data(b->field[0]), x, n * sizeof *x) == 0);
    CHECK(memcmp(mr_tensor_data(b->field[1]), y, n * sizeof *y) == 0);
    mr_batch_free(b);
}

static void test_tokens(void)
{
    const uint16_t tokens[] = { 9, 10, 11, 50000, 13, 14, 15 };
    put((const char *)tokens, sizeof tokens);
    mr_dataset *d = mr_tokens_new(in_folder("a"), 3, NULL);
    CHECK_EQ_I64(mr_dataset_len(d), 2);
    check_window(d, 1, (int64_t[]){ 50000, 13, 14 }, (int64_t[]){ 13, 14, 15 }, 3);
    mr_dataset_free(d);
    d = mr_tokens_new(in_folder("a"), 4, &(mr_tokens_opts){ .stride = 1, .skip = 2 });
    CHECK_EQ_I64(mr_dataset_len(d), 2);
    check_window(d, 0, (int64_t[]){ 10, 11, 50000, 13 }, (int64_t[]){ 11, 50000, 13, 14 }, 4);
    mr_dataset_free(d);
    d = mr_tokens_new(in_folder("a"), 1, &(mr_tokens_opts){ .dtype = MR_INT32, .skip = 2 });
    CHECK_EQ_I64(mr_dataset_len(d), 2);
    check_window(d, 0, (int64_t[]){ 10 | 11 << 16 }, (int64_t[]){ 50000 | 13 << 16 }, 1);
    mr_dataset_free(d);
    const uint32_t wide[] = { 2147483648u, 4294967295u, 7 };
    put((const char *)wide, sizeof wide);
    d = mr_tokens_new(in_folder("a"), 1, &(mr_tokens_opts){ .dtype = MR_INT32 });
    check_window(d, 0, (int64_t[]){ 2147483648 }, (int64_t[]){ 4294967295 }, 1);
    mr_dataset_free(d);
    put((const char *)tokens, sizeof tokens);
    CHECK(!mr_tokens_new(in_folder("a"), 7, NULL));
    CHECK(strstr(mr_error(), "/a' has 7 tokens, too few for a window of 7 and the one after it") != NULL);
    CHECK(!mr_tokens_new(in_folder("a"), 0, NULL));
    CHECK_EQ_STR(mr_error(), "tokens_new: length 0, stride 0: both are at least 1");
    CHECK(!mr_tokens_new(in_folder("a"), 1, &(mr_tokens_opts){ .skip = 1 }));
    CHECK(strstr(mr_error(), "14 bytes, 1 of them skipped, are no whole number of uint16 tokens") != NULL);
    CHECK(!mr_tokens_new(in_folder("a"), 1, &(mr_tokens_opts){ .dtype = MR_FLOAT64 }));
    CHECK_EQ_STR(mr_error(), "tokens_new: tokens of type float64, not uint8, uint16, int32 or int64");
    CHECK(!mr_tokens_new(NULL, 1, NULL));
    CHECK_EQ_STR(mr_error(), "tokens_new: path is NULL");
}

static void test_text(void)
{
    const uint32_t *points;
    PUT("b\xc3\xa4"
        "a\xe2\x82\xac"
        "b\xf0\x9f\x98\x80"
        "a");
    mr_dataset *d = mr_text_new(in_folder("a"), 3, &(mr_text_opts){ .characters = true });
    CHECK_EQ_I64(mr_text_characters(d, &points), 5);
    CHECK(points[0] == 'a' && points[1] == 'b' && points[2] == 0xe4 && points[3] == 0x20ac &&
          points[4] == 0x1f600);
    CHECK_EQ_I64(mr_dataset_len(d), 2);
    check_window(d, 0, (int64_t[]){ 1, 2, 0 }, (int64_t[]){ 2, 0, 3 }, 3);
    check_window(d, 1, (int64_t[]){ 3, 1, 4 }, (int64_t[]){ 1, 4, 0 }, 3);
    mr_dataset_free(d);
    d = mr_text_new(in_folder("a"), 2, NULL);
    CHECK_EQ_I64(mr_text_characters(d, &points), 256);
    CHECK(points == NULL);
    check_window(d, 0, (int64_t[]){ 'b', 0xc3 }, (int64_t[]){ 0xc3, 0xa4 }, 2);
    mr_dataset_free(d);

    static const char *const wrong[] = { "a\x80",     "a\xc0\x80", "a\xed\xa0\x80", "a\xf4\x90\x80\x80",
                                         "a\xe2\x82", "a\xff" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        put(wrong[i], strlen(wrong[i]));
        CHECK(!mr_text_new(in_folder("a"), 1, &(mr_text_opts){ .characters = true }));
        if (!CHECK(strstr(mr_error(), "/a': byte 1 is none of UTF-8") != NULL))
            printf("    %s\n", mr_error());
    }
    CHECK(!mr_text_new(NULL, 1, NULL));
    CHECK_EQ_STR(mr_error(), "text_new: path is NULL");
    CHECK_EQ_I64(mr_text_characters(NULL, &points), -1);
    CHECK_EQ_STR(mr_error(), "text_characters: this is no dataset of mr_text_new");
}

/* Opening is instant, whatever the size: 100 GB of which nothing is on the disk. */
static void test_sparse(void)
{
    static const char header[] =
        "\x93NUMPY\1\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (25000000, 1000), }";
    char bytes[128];
    memset(bytes, ' ', sizeof bytes);
    memcpy(bytes, header, sizeof header - 1);
    bytes[127] = '\n';
    put(bytes, sizeof bytes);
    if (truncate(in_folder("a"), 128 + 100000000000) != 0)
        return; /* no room for it in this file system */
    mr_dataset *d = mr_arrays_new(&(mr_array_file){ .path = in_folder("a") }, 1);
    CHECK_EQ_I64(mr_dataset_len(d), 25000000);
    mr_batch *b = mr_dataset_get(d, 24999999);
    CHECK(b && ((float *)mr_tensor_data(b->field[0]))[999] == 0);
    mr_batch_free(b);
    mr_dataset_free(d);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_beside_numpy);
    RUN(test_fields);
    RUN(test_faults);
    RUN(test_damage);
    RUN(test_tokens);
    RUN(test_text);
    RUN(test_sparse);
    return files_report();
}
