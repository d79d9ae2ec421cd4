/* NPZ files: what numpy reads; faults in words; damage. */
#include <millrace/sources/arrays.h>

#include "check.h"
#include "files.h"

static const char *golden(const char *name)
{
    static char path[4][400];
    static int at;
    at = (at + 1) % 4;
    snprintf(path[at], sizeof path[at], "%s/npz/%s", MR_TEST_DATA, name);
    return path[at];
}

/* ---- beside numpy ---- */

static void check_elements(const char *what, const mr_tensor *x, char **values)
{
    double got[700];
    const int64_t n = mr_tensor_numel(x);
    CHECK_EQ_I64(mr_copy_out(x, MR_FLOAT64, got, n), MR_OK);
    for (int64_t i = 0; i < n; i++)
        if (!CHECK(got[i] == strtod(*values, values)))
            printf("    %s: element %lld is %g\n", what, (long long)i, got[i]);
}

static void check_shape(const mr_tensor *x, const char *dimensions)
{
    char text[64] = "";
    const mr_shape shape = mr_tensor_shape(x);
    for (int d = 0; d < shape.ndim; d++)
        snprintf(text + strlen(text), sizeof text - strlen(text), d ? ",%lld" : "%lld",
                 (long long)shape.dim[d]);
    CHECK_EQ_STR(text, dimensions);
}

/* As a tensor, as a field of its own, and as one of all fields. */
static void check_array(const char *file, const char *name, const char *type, const char *dimensions,
                        char *values)
{
    char *at = values;
    mr_tensor *all = mr_npz_load(golden(file), name);
    if (!CHECK(all != NULL)) {
        printf("    %s: %s\n", file, mr_error());
        return;
    }
    CHECK_EQ_STR(mr_dtype_name(mr_tensor_dtype(all)), type);
    check_shape(all, dimensions);
    check_elements(name, all, &at);
    mr_tensor_free(all);

    mr_dataset *one = mr_arrays_new(&(mr_array_file){ .path = golden(file), .member = name }, 1);
    mr_dataset *whole = mr_npz_new(golden(file), NULL);
    CHECK_EQ_STR(mr_dataset_fields(one)[0].name, name);
    int field = 0;
    while (field < mr_dataset_field_count(whole) && strcmp(mr_dataset_fields(whole)[field].name, name) != 0)
        field++;
    CHECK(field < mr_dataset_field_count(whole));
    CHECK_EQ_I64(mr_dataset_len(whole), atoll(dimensions));
    at = values;
    for (int64_t i = 0; i < mr_dataset_len(one); i++) {
        char *again = at;
        mr_batch *a = mr_dataset_get(one, i), *b = mr_dataset_get(whole, i);
        if (CHECK(a && b)) {
            check_elements(name, a->field[0], &at);
            check_elements(name, b->field[field], &again);
        }
        mr_batch_free(a);
        mr_batch_free(b);
    }
    mr_dataset_free(one);
    mr_dataset_free(whole);
}

static void test_beside_numpy(void)
{
    char line[200], file[64], name[64], type[16], dimensions[32], values[20000];
    FILE *expected = fopen(golden("expected.txt"), "r");
    int arrays = 0;
    while (expected && fgets(line, sizeof line, expected)) {
        CHECK(sscanf(line, "array %63s %63s %15s %31s", file, name, type, dimensions) == 4);
        CHECK(fgets(values, sizeof values, expected) != NULL);
        check_array(file, name, type, dimensions, values);
        arrays++;
    }
    if (CHECK(expected != NULL))
        fclose(expected);
    CHECK_EQ_I64(arrays, 21);
}

/* One array needs no name; names may have their ".npy"; the .npz file is a file like others. */
static void test_names(void)
{
    mr_tensor *x = mr_npy_load(golden("one.npz")), *y = mr_npz_load(golden("savez.npz"), "y.npy");
    CHECK(x && mr_tensor_numel(x) == 15);
    CHECK(y && mr_tensor_numel(y) == 5);
    mr_tensor_free(x);
    mr_tensor_free(y);
    const mr_array_file two[] = { { .path = golden("savez.npz"), .member = "y", .name = "label" },
                                  { .path = golden("one.npz") } };
    mr_dataset *d = mr_arrays_new(two, 2);
    CHECK_EQ_STR(mr_dataset_fields(d)[0].name, "label");
    CHECK_EQ_STR(mr_dataset_fields(d)[1].name, "one");
    mr_dataset_free(d);

    d = mr_npz_new(golden("twice.npz"), NULL); /* each name is one field */
    CHECK_EQ_I64(mr_dataset_field_count(d), 2);
    mr_dataset_free(d);
    d = mr_npz_new(golden("others.npz"), NULL); /* what is no array is none of them */
    CHECK_EQ_I64(mr_dataset_field_count(d), 2);
    mr_dataset_free(d);
    x = mr_npy_load(golden("one_of_others.npz"));
    CHECK(x && mr_tensor_numel(x) == 15);
    mr_tensor_free(x);
}

/* ---- faults ---- */

static void check_said(const void *made, const char *text)
{
    CHECK(made == NULL);
    const char *said = mr_error();
    if (!CHECK(strstr(said, text) != NULL))
        printf("    %s\n", said);
}

static void test_faults(void)
{
    check_said(mr_npz_load(NULL, "x"), "npz_load: path is NULL");
    check_said(mr_npz_new(NULL, NULL), "npz_new: path is NULL");
    check_said(mr_array_stream_new(&(mr_array_file){ .path = golden("one.npz"), .member = "only" }),
               "array_stream_new: an array of an NPZ file is read by mr_arrays_new");
    check_said(mr_npz_load("/nowhere/a.npz", "x"), "cannot open '/nowhere/a.npz'");
    check_said(mr_npz_load(golden("savez.npz"), "z"),
               "savez.npz' has the arrays 'x', 'y': 'z' is none of them");
    check_said(mr_npz_load(golden("others.npz"), "a"),
               "others.npz' has the arrays 'x', 'y': 'a' is none of them");
    check_said(mr_npz_load(golden("bad_nothing.npz"), NULL), "bad_nothing.npz' has no arrays");
    check_said(mr_npz_load(golden("savez.npz"), NULL),
               "savez.npz' has the arrays 'x', 'y': one is to be named (.member)");
    check_said(mr_npz_load(golden("expected.txt"), "x"),
               "expected.txt' is no NPZ file, and has no array 'x'");
    check_said(mr_npz_new(golden("expected.txt"), NULL), "expected.txt' is no NPZ file");
    check_said(mr_npz_new(golden("bad_nothing.npz"), NULL), "bad_nothing.npz' has no arrays");
    check_said(mr_npz_new(golden("bad_uneven.npz"), NULL), "bad_uneven.npz/x' has 5 rows, '");
    check_said(mr_npz_load(golden("bad_object.npz"), "o"),
               "bad_object.npz/o': elements of type '|O', which Millrace has not");
    check_said(mr_npz_load(golden("bad_packing.npz"), "x"),
               "bad_packing.npz': member 'x.npy' is neither stored nor deflated");
    check_said(mr_npz_load(golden("bad_text.npz"), "readme.txt"),
               "bad_text.npz/readme.txt' is neither an NPY nor an IDX file");
}

static char bytes[1 << 14];
static size_t size;

static void read_golden(const char *name)
{
    FILE *file = fopen(golden(name), "rb");
    size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    CHECK(size > 0 && size < sizeof bytes);
    if (file)
        fclose(file);
}

/* What one changed number of a file leads to; `from`: bytes in front of the end, or from the front. */
static void check_changed(const char *name, int64_t from, const char *put, size_t count, const char *text)
{
    read_golden(name);
    memcpy(bytes + (from < 0 ? (int64_t)size + from : from), put, count);
    file_put(in_folder("a.npz"), bytes, size);
    check_said(mr_npz_load(in_folder("a.npz"), "x"), text);
}

static int64_t place_of(const char *name, const char *signature)
{
    read_golden(name);
    for (size_t i = 0; i + 4 <= size; i++)
        if (memcmp(bytes + i, signature, 4) == 0)
            return (int64_t)i;
    CHECK(false);
    return 0;
}

static void test_numbers(void)
{
    const int64_t entry = place_of("savez.npz", "PK\1\2"),
                  packed = place_of("savez_compressed.npz", "PK\1\2");
    check_changed("savez.npz", -22, "x", 1,
                  "a.npz': a ZIP file that ends in the middle: its list of members is missing");
    check_changed("savez.npz", -6, "\xf0\xff\xff\0", 4, "a ZIP file: no member of the list at byte 16777200");
    check_changed("savez.npz", -12, "\xff\xff", 2, "a ZIP file: no place of the large numbers at byte");
    check_changed("savez.npz", entry + 28, "\xff\xff", 2, "a ZIP file: the list ends in the member at byte");
    check_changed("savez.npz", entry + 8, "\1", 1, "member 'x.npy' is encrypted");
    check_changed("savez.npz", entry + 42, "\1", 1, "member 'x.npy' is not where the list says");
    check_changed("savez.npz", entry + 20, "\xff\xff\xff\x7f", 4,
                  "member 'x.npy' goes beyond the end of the file");
    check_changed("savez.npz", entry + 24, "\1", 1, "member 'x.npy' is stored, and has two sizes");
    check_changed("savez_compressed.npz", packed + 24, "\xff\xff\xff\x7f", 4,
                  "member 'x.npy' promises more bytes than its packed ones can hold");
    check_changed("savez_compressed.npz", packed + 24, "\1", 1, "member 'x.npy' is damaged");
    check_changed("savez_compressed.npz", packed + 16, "\1", 1, "member 'x.npy' is damaged");
    check_changed("savez_compressed.npz", 100, "\1\2\3\4", 4, "member 'x.npy' is damaged");
}

/* One of several arrays that has strings: the others are there for the asking. */
static void test_strings(void)
{
    const int64_t type = place_of("savez.npz", "<i8'");
    memcpy(bytes + type, "<U1", 3);
    file_put(in_folder("a.npz"), bytes, size);
    check_said(mr_npz_new(in_folder("a.npz"), NULL),
               "a.npz/y': elements of type '<U1', which Millrace has not; mr_arrays_new takes the others, "
               "each by its .member");
    mr_dataset *d = mr_arrays_new(&(mr_array_file){ .path = in_folder("a.npz"), .member = "x" }, 1);
    CHECK_EQ_I64(mr_dataset_len(d), 5);
    mr_dataset_free(d);
}

/* Every byte changed, and every cut: arrays or a text, never a crash. */
static void test_damage(void)
{
    static const char *const names[] = { "savez.npz", "savez_compressed.npz", "large_numbers.npz",
                                         "comment.npz" };
    for (int k = 0; k < 4; k++) {
        read_golden(names[k]);
        char *copy = malloc(size);
        memcpy(copy, bytes, size);
        const size_t all = size;
        for (size_t i = 0; i < all; i++) {
            file_put(in_folder("a.npz"), copy, i);
            CHECK(mr_npz_new(in_folder("a.npz"), NULL) == NULL);
            mr_error_clear();
            copy[i] ^= (char)(1 << i % 8);
            file_put(in_folder("a.npz"), copy, all);
            mr_dataset_free(mr_npz_new(in_folder("a.npz"), NULL));
            mr_error_clear();
            copy[i] ^= (char)(1 << i % 8);
        }
        free(copy);
    }
}

/* More members than anybody has. */
static void test_many(void)
{
    enum { COUNT = 1001, EACH = 51 };
    char *list = calloc(COUNT, EACH), end[22] = "PK\5\6", *file = calloc(1, COUNT * EACH + 26);
    for (int i = 0; i < COUNT; i++) {
        memcpy(list + i * EACH, "PK\1\2", 4);
        list[i * EACH + 28] = 5;
        memcpy(list + i * EACH + 46, "x.npy", 5);
    }
    memcpy(file, "PK\3\4", 4);
    memcpy(file + 4, list, COUNT * EACH);
    end[10] = (char)(COUNT & 0xff);
    end[11] = (char)(COUNT >> 8);
    end[16] = 4;
    memcpy(file + 4 + COUNT * EACH, end, 22);
    file_put(in_folder("a.npz"), file, COUNT * EACH + 26);
    check_said(mr_npz_new(in_folder("a.npz"), NULL), "/a.npz' has more than 1000 arrays");
    free(list);
    free(file);
}

/* ---- small files that would be large ---- */

static void put_number(char *at, uint64_t number, int count)
{
    for (int i = 0; i < count; i++)
        at[i] = (char)(number >> 8 * i);
}

/* "a.npz" whose list has `count` times the first member of another one, by other names, each of which says that it has
 * `larger` bytes if that is not 0. */
static const char *make_repeated(const char *name, int count, uint64_t larger)
{
    const int64_t entry = place_of(name, "PK\1\2");
    char list[46 + 5], *end;
    memcpy(list, bytes + entry, sizeof list); /* "x.npy" */
    put_number(list + 30, 0, 2);
    if (larger)
        put_number(list + 24, larger, 4);
    size = (size_t)entry;
    for (int i = 0; i < count; i++, size += sizeof list) {
        memcpy(bytes + size, list, sizeof list);
        bytes[size + 46] = (char)('a' + i);
    }
    end = bytes + size;
    memcpy(end, "PK\5\6\0\0\0\0", 8);
    put_number(end + 8, (uint64_t)count, 2);
    put_number(end + 10, (uint64_t)count, 2);
    put_number(end + 12, size - (size_t)entry, 4);
    put_number(end + 16, (uint64_t)entry, 4);
    put_number(end + 20, 0, 2);
    file_put(in_folder("a.npz"), bytes, size + 22);
    return in_folder("a.npz");
}

/* Members that are made of the same bytes, and sizes that no file of this size has. */
static void test_bombs(void)
{
    static const char *const names[] = { "savez.npz", "savez_compressed.npz" };
    for (int i = 0; i < 2; i++) {
        mr_dataset *d = mr_npz_new(make_repeated(names[i], 1, 0), NULL);
        CHECK(d != NULL);
        mr_dataset_free(d);
        check_said(mr_npz_new(make_repeated(names[i], 2, 0), NULL),
                   "/a.npz': a ZIP file: a member at byte 0 that is within the one at byte 0");
        check_said(mr_npz_new(make_repeated(names[i], 26, 0), NULL), "that is within the one at byte 0");
    }
    check_said(
        mr_npz_new(make_repeated("savez_compressed.npz", 2, 0x80000001), NULL),
        "/a.npz': its arrays have more than 4294967296 bytes to keep in memory: mr_arrays_new takes some");
}

/* What is kept of a deflated array, and of a packed file whatever its head says. */
static void test_max_bytes(void)
{
    char command[700];
    mr_array_file file = { .path = golden("savez_compressed.npz"), .member = "x", .max_bytes = 100 };
    check_said(mr_arrays_new(&file, 1),
               "savez_compressed.npz': member 'x.npy' has more than 100 bytes to keep in "
               "memory: max_bytes is the limit");
    file.max_bytes = 100000;
    mr_dataset *d = mr_arrays_new(&file, 1);
    CHECK(d != NULL);
    mr_dataset_free(d);
    file.max_bytes = -1;
    check_said(mr_arrays_new(&file, 1), "arrays_new: '");
    file = (mr_array_file){ .path = golden("savez.npz"), .member = "x", .max_bytes = 1 }; /* it is mapped */
    d = mr_arrays_new(&file, 1);
    CHECK(d != NULL);
    mr_dataset_free(d);

    mr_tensor *large = mr_tensor_zeros(MR_UINT8, MR_SHAPE(1 << 20));
    CHECK_EQ_I64(mr_npy_save(large, in_folder("large.npy")), MR_OK);
    mr_tensor_free(large);
    snprintf(command, sizeof command, "gzip -f '%s'", in_folder("large.npy"));
    CHECK(system(command) == 0);
    file = (mr_array_file){ .path = in_folder("large.npy.gz"), .max_bytes = 1 << 20 };
    check_said(mr_arrays_new(&file, 1),
               "/large.npy.gz' has more than 1048576 bytes to keep in memory: max_bytes is the limit");
    file.max_bytes = (1 << 20) + 128;
    d = mr_arrays_new(&file, 1);
    CHECK(mr_dataset_len(d) == 1 << 20);
    mr_dataset_free(d);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_beside_numpy);
    RUN(test_names);
    RUN(test_faults);
    RUN(test_numbers);
    RUN(test_strings);
    RUN(test_damage);
    RUN(test_many);
    RUN(test_bombs);
    RUN(test_max_bytes);
    return files_report();
}
