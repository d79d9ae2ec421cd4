/* Pictures through tar files: written by mr_tar_write, read in parts by workers, decoded. */
#include <millrace/millrace.h>
#include <millrace/sources/image_folder.h>
#include <millrace/sources/tar.h>

#include "check.h"
#include "files.h"

enum { PICTURES = 40, SIDE = 9 };

static void picture_path(int64_t i, char path[128])
{
    snprintf(path, 128, "%s/%02lld.png", files_folder, (long long)i);
}

static unsigned char pixel(int64_t picture, int64_t at)
{
    return (unsigned char)(picture * 5 + at * 7);
}

static void make_pictures(void)
{
    char path[128];
    mr_image *image = mr_image_new(SIDE, SIDE, 3);
    for (int i = 0; i < PICTURES; i++) {
        for (int j = 0; j < 3 * SIDE * SIDE; j++)
            image->pixels[j] = pixel(i, j);
        picture_path(i, path);
        CHECK_EQ_I64(mr_image_save(image, path), MR_OK);
    }
    mr_image_free(image);
}

static int64_t len(void *self)
{
    (void)self;
    return PICTURES;
}

/* The bytes of a file, and its number. */
static mr_status get(void *self, int64_t index, const mr_sample *sample)
{
    char bytes[4000], path[128];
    (void)self;
    picture_path(index, path);
    FILE *file = fopen(path, "rb");
    const size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    fclose(file);
    void *to = mr_ragged_resize(sample->field[0], (int64_t)size);
    if (!to)
        return mr_error_status();
    memcpy(to, bytes, size);
    *(int64_t *)sample->field[1] = index;
    return MR_OK;
}

static void write_pictures(void)
{
    static const mr_dataset_vtable vtable = { .len = len, .get = get };
    static const mr_field fields[] = { { "file", MR_UINT8, { 1, { -1 } } }, { "label", MR_INT64, { 0 } } };
    const mr_tar_out members[] = { { .field = "file", .extension = "png" },
                                   { .field = "label", .extension = "cls", .content = MR_MEMBER_TEXT } };
    mr_dataset *files = mr_dataset_new(&vtable, NULL, 0, fields, 2);
    CHECK_EQ_I64(
        mr_tar_write(files, in_folder("pictures-#.tar"), members, 2, &(mr_tar_write_opts){ .samples = 30 }),
        MR_OK);
    mr_dataset_free(files);
}

static void test_pictures(void)
{
    const mr_tar_field fields[] = {
        { .name = "picture", .extension = "jpg,png" },
        { .name = "label", .extension = "cls", .content = MR_MEMBER_TEXT, .dtype = MR_INT64 }
    };
    const mr_transform steps[] = { mr_transform_center_crop(SIDE, SIDE) };
    mr_dataset *bytes = mr_tar_stream_new(in_folder("pictures-*.tar"), fields, 2, NULL),
               *pictures = mr_decode_images_new(bytes, "picture", steps, 1, NULL);
    mr_dataset_free(bytes);
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader =
        mr_loader_new(pictures, rng, &(mr_loader_opts){ .batch_size = 8, .shards = 5, .workers = 2 });
    const mr_batch *b;
    bool seen[PICTURES] = { false };
    int rows = 0;
    mr_status s;
    while ((s = mr_loader_next(loader, &b)) == MR_OK)
        for (int64_t i = 0; i < b->rows; i++, rows++) {
            const int64_t label = ((int64_t *)mr_tensor_data(b->field[1]))[i];
            const unsigned char *got = (unsigned char *)mr_tensor_data(b->field[0]) + i * 3 * SIDE * SIDE;
            CHECK(label >= 0 && label < PICTURES && !seen[label]);
            seen[label] = true;
            for (int j = 0; j < 3 * SIDE * SIDE; j++)
                CHECK_EQ_I64(got[j], pixel(label, j));
        }
    if (!CHECK_EQ_I64(s, MR_END))
        printf("    %s\n", mr_error());
    CHECK_EQ_I64(rows, PICTURES);
    mr_loader_free(loader);
    mr_dataset_free(pictures);
    mr_rng_free(rng);
}

int main(void)
{
    if (!files_begin_in_memory())
        return 1;
    make_pictures();
    write_pictures();
    RUN(test_pictures);
    return files_report();
}
