/* Arrays in a storage that gives no descriptor: large ones stay there, and rows are those of the file that is mapped;
 * packed ones, NPZ files and small ones are read. */
#include <millrace/millrace.h>
#include <millrace/sources/arrays.h>

#include "check.h"
#include "files.h"
#include "largest_block.h"
#include "refuse.h"
#include "row_checks.h"

#include "sources/files/array_file.h"

enum { BYTES = 17500000, ROW = 250, HEAD = 128 }; /* of an array, of its rows, of what is in front */

/* ---- a storage of one's own: files of the disk, without a descriptor ---- */

static void *open_file(void *self, const char *name, mr_file_facts *facts)
{
    (void)self;
    FILE *file = fopen(name, "rb");
    if (!file) {
        mr_fail(MR_ERR_IO, "cannot open '%s'", name);
        return NULL;
    }
    fseeko(file, 0, SEEK_END);
    facts->size = ftello(file);
    rewind(file);
    return file;
}

static int64_t read_file(void *file, void *bytes, size_t size)
{
    return (int64_t)fread(bytes, 1, size, file);
}

static mr_status seek_in_file(void *file, int64_t offset)
{
    return fseeko(file, offset, SEEK_SET) == 0 ? MR_OK : mr_fail(MR_ERR_IO, "cannot seek");
}

static void close_file(void *file)
{
    fclose(file);
}

static const mr_storage_vtable vtable = {
    .open = open_file, .read = read_file, .close = close_file, .seek = seek_in_file
};

/* ---- files ---- */

/* An array of bytes that look random, with this type in its head. */
static void make_array(const char *path, const char *descr, int bytes)
{
    static char text[1 << 16];
    const mr_shape shape = { 2, { BYTES / ROW / bytes, ROW } };
    char head[MR__NPY_HEAD];
    uint32_t state = 1;
    FILE *file = fopen(path, "wb");
    CHECK_EQ_I64(mr__npy_head(head, MR_INT32, &shape, BYTES), HEAD);
    memcpy(strstr(head + 10, "<i4"), descr, 3);
    fwrite(head, 1, HEAD, file);
    for (int64_t left = BYTES; left > 0; left -= (int64_t)sizeof text) {
        for (size_t i = 0; i < sizeof text; i++) {
            state = state * 1664525 + 1013904223;
            text[i] = (char)(state >> 25 & (i % 2 ? 0x3f : 0x7f)); /* no number without a sign is too large */
        }
        fwrite(text, 1, left < (int64_t)sizeof text ? (size_t)left : sizeof text, file);
    }
    fclose(file);
}

/* Batches of random rows by several workers, beside the same of the mapped file. */
static void check_rows(const char *descr, int bytes)
{
    make_array(in_folder("a.npy"), descr, bytes);
    mr_storage *storage = mr_storage_new(&vtable, NULL, 0);
    const mr_array_file here = { .path = in_folder("a.npy") },
                        there = { .path = here.path, .storage = storage };
    mr_dataset *mapped = mr_arrays_new(&here, 1), *read = mr_arrays_new(&there, 1);
    mr_storage_free(storage);
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(read, rng, &(mr_loader_opts){ .batch_size = 50, .workers = 2 });
    mr_loader_set_sampler(loader, mr_permutation_sampler_new(mr_dataset_len(read), 1));
    const mr_batch *b;
    CHECK_EQ_I64(mr_dataset_fields(read)[0].dtype, mr_dataset_fields(mapped)[0].dtype);
    for (int i = 0; i < 20 && CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK); i++)
        for (int64_t row = 0; row < b->rows; row++) {
            mr_batch *one = mr_dataset_get(mapped, b->indices[row]);
            const size_t size = ROW * mr_dtype_size(mr_tensor_dtype(one->field[0]));
            CHECK(memcmp((const char *)mr_tensor_data(b->field[0]) + (size_t)row * size,
                         mr_tensor_data(one->field[0]), size) == 0);
            mr_batch_free(one);
        }
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(mapped);
    mr_dataset_free(read);
}

static void test_types(void)
{
    largest_block_begin();
    check_rows("<f4", 4);
    check_rows(">f8", 8);
    check_rows("<u4", 4);
    check_rows(">u8", 8);
    check_rows("<i2", 2);
    check_rows("|b1", 1);
    CHECK(largest_block_end() < 3 << 20);
}

/* ---- what is read all the same ---- */

static void put_number(FILE *file, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        fputc((int)(value >> 8 * i & 0xff), file);
}

/* a.npz, with a.npy in it as it is. */
static void make_npz(void)
{
    enum { SIZE = HEAD + BYTES, LOCAL = 30, ENTRY = 46, NAME = 5 };
    FILE *from = fopen(in_folder("a.npy"), "rb"), *file = fopen(in_folder("a.npz"), "wb");
    char *bytes = malloc(SIZE);
    CHECK(fread(bytes, 1, SIZE, from) == SIZE);
    fwrite("PK\3\4\x0a\0\0\0\0\0\0\0\0\0", 1, 14, file);
    put_number(file, 0, 4); /* nobody looks at the sum of what is stored */
    put_number(file, SIZE, 4);
    put_number(file, SIZE, 4);
    put_number(file, NAME, 4);
    fputs("x.npy", file);
    fwrite(bytes, 1, SIZE, file);
    fwrite("PK\1\2\x0a\0\x0a\0\0\0\0\0\0\0\0\0", 1, 16, file);
    put_number(file, 0, 4);
    put_number(file, SIZE, 4);
    put_number(file, SIZE, 4);
    put_number(file, NAME, 4);
    for (int i = 0; i < 14; i++)
        fputc(0, file);
    fputs("x.npy", file);
    fwrite("PK\5\6\0\0\0\0\1\0\1\0", 1, 12, file);
    put_number(file, ENTRY + NAME, 4);
    put_number(file, LOCAL + NAME + SIZE, 4);
    put_number(file, 0, 2);
    free(bytes);
    fclose(from);
    fclose(file);
}

static void check_same(const char *name, const char *member)
{
    mr_storage *storage = mr_storage_new(&vtable, NULL, 0);
    mr_dataset *mapped = mr_arrays_new(&(mr_array_file){ .path = in_folder("a.npy") }, 1),
               *read = mr_arrays_new(
                   &(mr_array_file){ .path = in_folder(name), .member = member, .storage = storage }, 1);
    if (!CHECK(read != NULL))
        printf("    %s: %s\n", name, mr_error());
    for (int64_t i = 0; i < BYTES / ROW; i += 9999) {
        mr_batch *a = mr_dataset_get(mapped, i), *b = mr_dataset_get(read, i);
        CHECK(a && b && memcmp(mr_tensor_data(a->field[0]), mr_tensor_data(b->field[0]), ROW) == 0);
        mr_batch_free(a);
        mr_batch_free(b);
    }
    mr_dataset_free(mapped);
    mr_dataset_free(read);
    mr_storage_free(storage);
}

static void test_read(void)
{
    char command[700];
    make_array(in_folder("a.npy"), "|u1", 1);
    snprintf(command, sizeof command, "gzip -1 -k '%s'", in_folder("a.npy"));
    CHECK(system(command) == 0);
    make_npz();
    check_same("a.npy", NULL);
    check_same("a.npy.gz", NULL);
    check_same("a.npz", NULL);
    check_same("a.npz", "x");
}

/* ---- faults ---- */

static void test_faults(void)
{
    mr_storage *storage = mr_storage_new(&vtable, NULL, 0);
    const mr_array_file there = { .path = in_folder("a.npy"), .storage = storage };
    make_array(there.path, "<u8", 8);
    mr_dataset *read = mr_arrays_new(&there, 1);
    FILE *file = fopen(there.path, "rb+");
    CHECK(fseeko(file, HEAD + (300 * ROW + 7) * 8, SEEK_SET) == 0 &&
          fwrite("\377\377\377\377\377\377\377\377", 1, 8, file) == 8);
    fclose(file);
    CHECK(!mr_dataset_get(read, 300));
    check_said("/a.npy': element 75007 is 18446744073709551615, more than an int64 holds");
    CHECK(truncate(there.path, 1000000) == 0);
    CHECK(!mr_dataset_get(read, 3000));
    check_said("/a.npy' ends before byte 6002127, and there was something: it has changed");
    mr_dataset_free(read);
    CHECK(truncate(there.path, 17000000) == 0);
    CHECK(!mr_arrays_new(&there, 1));
    check_said("/a.npy' should have 17500000 bytes of elements, 16999872 are there");
    mr_storage_free(storage);
}

/* ---- memory runs out ---- */

static double some_rows(mr_status *status)
{
    mr_storage *storage = mr_storage_new(&vtable, NULL, 0);
    mr_dataset *read =
        storage ? mr_arrays_new(&(mr_array_file){ .path = in_folder("a.npy"), .storage = storage }, 1) : NULL;
    mr_batch *b = mr_dataset_get(read, 17);
    const double first = b ? (double)((const int64_t *)mr_tensor_data(b->field[0]))[3] : 0;
    *status = b ? MR_OK : mr_error_status();
    mr_error();
    mr_batch_free(b);
    mr_dataset_free(read);
    mr_storage_free(storage);
    return first;
}

static void test_out_of_memory(void)
{
    make_array(in_folder("a.npy"), "<u4", 4);
    refuse_begin();
    refuse_each("rows of a file elsewhere", some_rows, 15);
    refuse_end();
}

int main(void)
{
    if (!files_begin_in_memory())
        return 1;
    RUN(test_types);
    RUN(test_read);
    RUN(test_faults);
    RUN(test_out_of_memory);
    return files_report();
}
