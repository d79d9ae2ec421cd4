/* Pictures through tar files: written by mr_tar_write, read in parts by workers, decoded. */
#include <millrace/millrace.h>
#include <millrace/sources/image_folder.h>
#include <millrace/sources/tar.h>

#include "files.h"
#include "sources/images/pictures.h"

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

/* ---- a folder of classes ---- */

enum { CLASSES = 2, FILES = 5 };

static const char *const class_files[CLASSES][FILES] = {
    { "grey.jpg", "kind2_8bit.png", "more/cmyk.jpg", "more/optimized.jpg", "pixel.jpg" },
    { "comment.jpg", "gamma.png", "grey.jpg", "kind3_8bit.png", "kind6_16bit_interlaced.png" },
};
/* One name has several points. */
static const char *const keys[] = {
    "cat/grey",      "cat/kind2_8bit", "cat/pixel",  "cat/more/a_cmyk",  "cat/more/optimized",
    "dog.s/comment", "dog.s/gamma",    "dog.s/grey", "dog.s/kind3_8bit", "dog.s/kind6_16bit_interlaced"
};

static void make_folder(void)
{
    static const char *const folders[] = { "photos", "photos/cat", "photos/cat/more", "photos/dog.s" };
    for (int i = 0; i < 4; i++)
        CHECK(mkdir(in_folder(folders[i]), 0777) == 0);
    for (int c = 0; c < CLASSES; c++)
        for (int i = 0; i < FILES; i++) {
            const char *file = class_files[c][i];
            const bool more = strncmp(file, "more/", 5) == 0, named = more && strstr(file, "cmyk");
            char path[200];
            size_t size;
            uint8_t *bytes = picture_bytes(more ? file + 5 : file, &size);
            snprintf(path, sizeof path, "photos/%s/%s", c ? "dog.s" : "cat",
                     named ? "more/a.cmyk.jpg" : file);
            file_put(in_folder(path), bytes, size);
            free(bytes);
        }
}

static void check_keys(const mr_batch *b)
{
    const int64_t *ends = mr_tensor_data(b->field[3]); /* the key's offsets: behind the fields */
    const char *letters = mr_tensor_data(b->field[2]);
    CHECK_EQ_STR(b->name[3], "key.offsets");
    for (int i = 0; i < CLASSES * FILES; i++) {
        char key[100] = "";
        memcpy(key, letters + ends[i], (size_t)(ends[i + 1] - ends[i]));
        CHECK_EQ_STR(key, keys[i]);
    }
}

/* What the folder gives by itself comes out of tar files, too: the same pixels, draws and labels, in the same order. */
static void test_folder(void)
{
    const mr_transform steps[] = { mr_transform_resize(30, 30, NULL),
                                   mr_transform_random_crop(SIDE, SIDE, NULL),
                                   mr_transform_random_horizontal_flip(0.5), mr_transform_to_tensor() };
    const mr_tar_out members[] = { { .field = "image", .extension = "jpg" },
                                   { .field = "label", .extension = "cls", .content = MR_MEMBER_TEXT } };
    const mr_tar_field fields[] = {
        { .name = "image", .extension = "jpg" },
        { .name = "label", .extension = "cls", .content = MR_MEMBER_TEXT, .dtype = MR_INT64 },
        { .name = "key", .extension = "__key__" }
    };
    make_folder();
    mr_dataset *files =
        mr_image_folder_new(in_folder("photos"), NULL, 0, &(mr_image_folder_opts){ .bytes = true });
    CHECK_EQ_I64(mr_dataset_len(files), CLASSES * FILES);
    CHECK_EQ_I64(mr_tar_write(files, in_folder("photos-#.tar"), members, 2,
                              &(mr_tar_write_opts){ .key = "key", .write.workers = 2 }),
                 MR_OK);
    mr_dataset_free(files);

    mr_dataset *direct =
                   mr_image_folder_new(in_folder("photos"), steps, 4, &(mr_image_folder_opts){ .seed = 7 }),
               *members_of = mr_tar_stream_new(in_folder("photos-0.tar"), fields, 3, NULL),
               *decoded =
                   mr_decode_images_new(members_of, "image", steps, 4, &(mr_decode_images_opts){ .seed = 7 });
    mr_dataset_free(members_of);
    mr_rng *rng = mr_rng_new(1);
    mr_loader *one = mr_loader_new(direct, rng, &(mr_loader_opts){ .batch_size = 16 }),
              *other = mr_loader_new(decoded, rng, &(mr_loader_opts){ .batch_size = 16, .shards = 1 });
    const mr_batch *a = NULL, *b = NULL;
    if (CHECK_EQ_I64(mr_loader_next(one, &a), MR_OK) && CHECK_EQ_I64(mr_loader_next(other, &b), MR_OK)) {
        CHECK_EQ_I64(a->rows, CLASSES * FILES);
        CHECK_EQ_I64(b->rows, CLASSES * FILES);
        CHECK(memcmp(mr_tensor_data(a->field[0]), mr_tensor_data(b->field[0]),
                     (size_t)a->rows * 3 * SIDE * SIDE * sizeof(float)) == 0);
        CHECK(memcmp(mr_tensor_data(a->field[1]), mr_tensor_data(b->field[1]), (size_t)a->rows * 8) == 0);
        check_keys(b);
    } else {
        printf("    %s\n", mr_error());
    }
    mr_loader_free(one);
    mr_loader_free(other);
    mr_dataset_free(direct);
    mr_dataset_free(decoded);
    mr_rng_free(rng);
}

int main(void)
{
    if (!files_begin_in_memory())
        return 1;
    make_pictures();
    write_pictures();
    RUN(test_pictures);
    RUN(test_folder);
    return files_report();
}
