/* Folders of classes beside torchvision's ImageFolder in its DataLoader; workers; faults in words. */
#include "sources/images/pictures.h"

#include "files.h"
#include "largest_block.h"
#include "said.h"

#include <millrace/sources/image_folder.h>

#include <millrace/ragged.h>
#include <errno.h>

enum { SIDE = 24, PIXELS = 3 * SIDE * SIDE };

static mr_transform train[5];

static void make_steps(void)
{
    train[0] = mr_transform_random_resized_crop(SIDE, SIDE, NULL);
    train[1] = mr_transform_random_horizontal_flip(0.5);
    train[2] = mr_transform_color_jitter(&(mr_color_jitter_opts){ .brightness = 0.3, .saturation = 0.3 });
    train[3] = mr_transform_to_tensor();
    train[4] = mr_transform_normalize((double[]){ 0.485, 0.456, 0.406 }, (double[]){ 0.229, 0.224, 0.225 });
}

/* ---- the golden folder ---- */

static const char *tree(const char *path)
{
    static char text[8][600];
    static int at;
    at = (at + 1) % 8;
    snprintf(text[at], sizeof text[at], "%s/tree%s%s", files_folder, *path ? "/" : "", path);
    return text[at];
}

/* A file with all folders on the way. */
static void put(const char *path, const char *name)
{
    char folder[600];
    size_t size = 0;
    uint8_t *bytes = *name ? picture_bytes(name, &size) : NULL;
    strcpy(folder, tree(path));
    for (char *p = folder + strlen(files_folder) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = '\0';
        CHECK(mkdir(folder, 0777) == 0 || errno == EEXIST);
    }
    file_put(tree(path), bytes ? (const void *)bytes : "", size);
    free(bytes);
}

/* Two epochs, drawn from one generator as torch draws. */
static void check_batches(unsigned long long seed, int64_t rows, const char *hash, long long next)
{
    mr_rng *rng = mr_rng_new(seed);
    mr_dataset *d = mr_image_folder_new(tree(""), train, 5, &(mr_image_folder_opts){ .rng = rng });
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = rows, .shuffle = true });
    const mr_batch *b;
    uint64_t h = HASH_BEGIN;
    for (int epoch = 0; epoch < 2; epoch++)
        while (mr_loader_next(loader, &b) == MR_OK) {
            h = hash_on(h, mr_tensor_data(b->field[1]), (size_t)b->rows * sizeof(int64_t));
            h = hash_on(h, mr_tensor_data(b->field[0]), (size_t)b->rows * PIXELS * sizeof(float));
        }
    check_hash(h, hash);
    CHECK_EQ_I64(mr_rng_u32(rng) & 0x7fffffff, next);
    mr_loader_free(loader);
    mr_dataset_free(d);
    mr_rng_free(rng);
}

/* One sample of an epoch: a loader is needed to come to a later one. */
static void check_alone(unsigned long long seed, int64_t epoch, int64_t index, const char *hash)
{
    mr_dataset *d = mr_image_folder_new(tree(""), train, 5, &(mr_image_folder_opts){ .seed = seed });
    mr_rng *rng = mr_rng_new(0);
    mr_loader *loader =
        mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 3, .shuffle = true, .workers = 2 });
    const mr_batch *b;
    int found = 0;
    for (int64_t e = 0; e <= epoch; e++)
        while (mr_loader_next(loader, &b) == MR_OK)
            for (int64_t i = 0; i < b->rows; i++)
                if (e == epoch && b->indices[i] == index && ++found)
                    check_hash(hash_on(HASH_BEGIN, (float *)mr_tensor_data(b->field[0]) + i * PIXELS,
                                       PIXELS * sizeof(float)),
                               hash);
    CHECK_EQ_I64(found, 1);
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(d);
}

static mr_dataset *listed;
static int classes, samples;

static void check_class(const char *name)
{
    int count;
    const char *const *names = mr_image_folder_classes(listed, &count);
    CHECK(classes < count && names);
    CHECK_EQ_STR(names[classes++], name);
}

static void check_sample(long long label, const char *path)
{
    char text[600];
    mr_batch *b = mr_dataset_get(listed, samples);
    CHECK_EQ_I64(mr_image_folder_path(listed, samples, text, sizeof text), strlen(tree(path)));
    CHECK_EQ_STR(text, tree(path));
    if (CHECK(b != NULL))
        CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[1]), label);
    mr_batch_free(b);
    samples++;
}

/* Files first, as the lines come; then what torchvision makes of them. */
static void check_line(char *line)
{
    char hash[20];
    unsigned long long seed;
    long long a, b;
    int at = 0;
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "put ", 4) == 0) {
        char *tab = strchr(line, '\t');
        *tab = '\0';
        put(line + 4, tab + 1);
        return;
    }
    if (!listed)
        listed = mr_image_folder_new(tree(""), train, 5, NULL);
    if (strncmp(line, "class ", 6) == 0)
        check_class(line + 6);
    else if (sscanf(line, "sample %lld %n", &a, &at) == 1)
        check_sample(a, line + at);
    else if (sscanf(line, "batches %llu %lld %19s %lld", &seed, &a, hash, &b) == 4)
        check_batches(seed, a, hash, b);
    else if (CHECK(sscanf(line, "alone %llu %lld %lld %19s", &seed, &a, &b, hash) == 4))
        check_alone(seed, a, b, hash);
}

static void test_beside_torchvision(void)
{
    char line[300];
    FILE *file = fopen(MR_TEST_DATA "/image_folder.txt", "r");
    while (CHECK(file != NULL) && fgets(line, sizeof line, file))
        check_line(line);
    fclose(file);
    CHECK_EQ_I64(classes, 4);
    CHECK_EQ_I64(samples, 11);
    CHECK_EQ_I64(mr_dataset_len(listed), samples);
    CHECK_EQ_STR(mr_dataset_fields(listed)[0].name, "image");
    CHECK_EQ_STR(mr_dataset_fields(listed)[1].name, "label");
}

/* ---- options ---- */

static void test_options(void)
{
    static const char *const only_png[] = { ".png" };
    mr_transform small = mr_transform_resize(6, 5, NULL);
    put("../other/a/turned.jpg", "turned_6.jpg");
    put("../other/a/turned.png", "turned.png");
    mr_dataset *all = mr_image_folder_new(in_folder("other"), &small, 1, NULL);
    mr_dataset *d = mr_image_folder_new(in_folder("other"), &small, 1,
                                        &(mr_image_folder_opts){ .extensions = only_png,
                                                                 .extension_count = 1,
                                                                 .image = { .orientation = true } });
    CHECK_EQ_I64(mr_dataset_len(all), 2);
    CHECK_EQ_I64(mr_dataset_len(d), 1);
    CHECK_EQ_I64(mr_dataset_fields(d)[0].dtype, MR_UINT8);
    mr_image *image = mr_image_load(in_folder("other/a/turned.png"), &(mr_image_opts){ .orientation = true });
    mr_tensor *expected = mr_image_transform(image, &small, 1, NULL);
    mr_batch *b = mr_dataset_get(d, 0), *lying = mr_dataset_get(all, 1);
    CHECK(memcmp(mr_tensor_data(b->field[0]), mr_tensor_data(expected), 90) == 0);
    CHECK(memcmp(mr_tensor_data(lying->field[0]), mr_tensor_data(expected), 90) != 0);
    mr_batch_free(b);
    mr_batch_free(lying);
    mr_tensor_free(expected);
    mr_image_free(image);
    mr_dataset_free(d);
    mr_dataset_free(all);
}

/* One damaged file among others: it is named, with the byte, and the others come. */
static void check_planted(const char *name, size_t at, const char *bad, size_t count, const char *text)
{
    char path[600], wanted[900];
    size_t size;
    uint8_t *bytes = picture_bytes(name, &size);
    memcpy(bytes + at, bad, count);
    snprintf(path, sizeof path, "%s/planted/a/2%s", files_folder, strrchr(name, '.'));
    file_put(path, bytes, size);
    free(bytes);
    mr_transform small = mr_transform_resize(6, 5, NULL);
    mr_dataset *d = mr_image_folder_new(in_folder("planted"), &small, 1, NULL);
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 1 });
    const mr_batch *b;
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK(mr_loader_next(loader, &b) < 0);
    snprintf(wanted, sizeof wanted, "loader: sample 1: '%s': %s", path, text);
    CHECK_EQ_STR(mr_error(), wanted);
    mr_error_clear();
    mr_loader_free(loader);
    loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 3, .on_bad_sample = MR_BAD_SKIP });
    CHECK(mr_loader_next(loader, &b) == MR_OK && b->rows == 2);
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(d);
    unlink(path);
}

static void test_planted(void)
{
    put("../planted/a/1.jpg", "rgb_444.jpg");
    put("../planted/a/3.png", "kind2_8bit.png");
    check_planted("rgb_444.jpg", 1500, "\xaa\xaa\xff\xd9\xaa", 5,
                  "a JPEG, near byte 1487: corrupt JPEG data: premature end of data segment");
    check_planted("rgb_444.jpg", 20, "\xff\xff", 2,
                  "a JPEG, near byte 623: quantization table 0x00 was not defined");
    check_planted("kind2_8bit.png", 200, "\xff\xff", 2, "a PNG, before byte 554: IDAT: incorrect data check");
    check_planted("kind2_8bit.png", 20, "\xff\xff", 2, "a PNG, before byte 33: IHDR: CRC error");
}

/* The same samples with any number of workers. */
static void test_workers(void)
{
    uint64_t sum[3];
    for (int workers = 0; workers < 3; workers++) {
        mr_rng *rng = mr_rng_new(4);
        mr_dataset *d = mr_image_folder_new(tree(""), train, 5, &(mr_image_folder_opts){ .seed = 8 });
        mr_loader *loader =
            mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 2, .shuffle = true, .workers = workers });
        const mr_batch *b;
        sum[workers] = 1;
        for (int epoch = 0; epoch < 3; epoch++)
            while (mr_loader_next(loader, &b) == MR_OK)
                sum[workers] = hash_on(sum[workers], mr_tensor_data(b->field[0]),
                                       (size_t)b->rows * PIXELS * sizeof(float));
        mr_loader_free(loader);
        mr_dataset_free(d);
        mr_rng_free(rng);
    }
    CHECK(sum[0] == sum[1] && sum[1] == sum[2]);
}

/* Links that lead back are passed over; however many, nothing is listed twice. Links to elsewhere are folders. */
static void test_loops(void)
{
    char path[600];
    put("../loop/a/b/x.jpg", "rgb_420.jpg");
    put("../loop/a/c/y.jpg", "rgb_420.jpg");
    CHECK(symlink("..", in_folder("loop/a/b/up")) == 0);
    CHECK(symlink(".", in_folder("loop/a/b/here")) == 0);
    CHECK(symlink("../c", in_folder("loop/a/b/other")) == 0);
    mr_dataset *d = mr_image_folder_new(in_folder("loop"), train, 5, NULL);
    CHECK_EQ_I64(mr_dataset_len(d), 3);
    CHECK(mr_image_folder_path(d, 1, path, sizeof path) > 0 && strstr(path, "/loop/a/b/other/y.jpg"));
    mr_dataset_free(d);
}

/* Folders that have links to each other: more paths than can be gone, which is told. A folder with two links counts for each. */
static void test_many_paths(void)
{
    char path[64], to[64];
    for (int i = 0; i < 9; i++) {
        snprintf(path, sizeof path, "../woven/a/%d/x.jpg", i);
        put(path, "rgb_420.jpg");
        for (int k = 0; k < 9; k++) {
            snprintf(path, sizeof path, "woven/a/%d/to%d", i, k);
            snprintf(to, sizeof to, "../%d", k);
            CHECK(symlink(to, in_folder(path)) == 0);
        }
    }
    CHECK(!mr_image_folder_new(in_folder("woven"), train, 5, NULL));
    check_said("class 'a': links lead to folders that are there already more than 16384 times, at last to '");
    put("../twice/a/x/1.jpg", "rgb_420.jpg");
    CHECK(symlink("x", in_folder("twice/a/y")) == 0 && symlink("x", in_folder("twice/a/z")) == 0);
    mr_dataset *d = mr_image_folder_new(in_folder("twice"), train, 5, NULL);
    CHECK_EQ_I64(mr_dataset_len(d), 3);
    mr_dataset_free(d);
}

/* ---- files that are large and no pictures ---- */

static void test_large_files(void)
{
    static const char *const names[] = { "zeros.jpg", "begins_like_one.jpg" };
    static const char *const wanted[] = { "zeros.jpg': neither a JPEG nor a PNG",
                                          "begins_like_one.jpg': 5000000000 bytes, more than 1073741824" };
    for (int i = 0; i < 2; i++) {
        file_put(in_folder(names[i]), "\xff\xd8\xff", i ? 3 : 0);
        if (!CHECK(truncate(in_folder(names[i]), 5000000000) == 0))
            return;
        mr_error_clear();
        largest_block_begin();
        CHECK(!mr_image_load(in_folder(names[i]), NULL));
        CHECK(largest_block_end() < 1 << 20);
        if (!CHECK(strstr(mr_error(), wanted[i]) != NULL))
            printf("    %s\n", mr_error());
        unlink(in_folder(names[i]));
    }
}

/* ---- bytes of files ---- */

static void check_bytes(mr_dataset *d, int64_t index, const char *bytes, size_t size, const char *key)
{
    mr_batch *b = mr_dataset_get(d, index);
    if (!CHECK(b != NULL)) {
        printf("    %s\n", mr_error());
        return;
    }
    CHECK_EQ_I64(mr_tensor_numel(b->field[0]), (int64_t)size);
    CHECK(!size || memcmp(mr_tensor_data(b->field[0]), bytes, size) == 0);
    CHECK_EQ_I64(mr_tensor_numel(b->field[2]), (int64_t)strlen(key));
    CHECK(memcmp(mr_tensor_data(b->field[2]), key, strlen(key)) == 0);
    mr_batch_free(b);
}

/* Files are what they are, pictures or not. */
static void test_bytes(void)
{
    static const char *const text = "this is no picture, but here it need not be one";
    static const char *const files[] = { "bytes/a/.jpg", "bytes/a/.x.jpg", "bytes/a/empty.png",
                                         "bytes/a/one.two.jpg" };
    static const char *const keys[] = { "a/_jpg", "a/_x", "a/empty", "a/one_two" };
    CHECK(mkdir(in_folder("bytes"), 0777) == 0 && mkdir(in_folder("bytes/a"), 0777) == 0);
    for (int i = 0; i < 4; i++)
        file_put(in_folder(files[i]), text, i == 2 ? 0 : strlen(text));
    for (int slash = 0; slash < 2; slash++) {
        mr_dataset *d = mr_image_folder_new(in_folder(slash ? "bytes/" : "bytes"), NULL, 0,
                                            &(mr_image_folder_opts){ .bytes = true });
        CHECK_EQ_I64(mr_dataset_len(d), 4);
        for (int i = 0; i < 4; i++)
            check_bytes(d, i, text, i == 2 ? 0 : strlen(text), keys[i]);
        mr_dataset_free(d);
    }
    CHECK(!mr_image_folder_new(in_folder("bytes"), train, 5, &(mr_image_folder_opts){ .bytes = true }));
    CHECK_EQ_STR(mr_error(), "image_folder_new: 5 steps, and bytes are as they are in the files");
    mr_dataset *d =
        mr_image_folder_new(in_folder("bytes"), NULL, 0, &(mr_image_folder_opts){ .bytes = true });
    unlink(in_folder(files[0]));
    CHECK(truncate(in_folder(files[1]), 5000000000) == 0);
    CHECK(!mr_dataset_get(d, 0));
    CHECK(strstr(mr_error(), "/bytes/a/.jpg': No such file or directory") != NULL);
    CHECK(!mr_dataset_get(d, 1));
    CHECK(strstr(mr_error(), "/bytes/a/.x.jpg': 5000000000 bytes, more than 1073741824") != NULL);
    mr_error_clear();
    unlink(in_folder(files[1]));
    mr_dataset_free(d);
}

/* ---- pictures out of bytes ---- */

typedef struct files {
    uint8_t *bytes[3];
    size_t size[3];
} files;

static int64_t files_len(void *self)
{
    (void)self;
    return 3;
}

/* A number, the bytes, and something else of any length. */
static mr_status files_get(void *self, int64_t index, const mr_sample *sample)
{
    const files *f = *(files **)self;
    uint8_t *bytes = mr_ragged_resize(sample->field[1], (int64_t)f->size[index]);
    float *more = mr_ragged_resize(sample->field[2], index);
    if (!bytes || !more)
        return MR_ERR_MEMORY;
    *(int32_t *)sample->field[0] = (int32_t)index * 10;
    memcpy(bytes, f->bytes[index], f->size[index]);
    for (int64_t i = 0; i < index; i++)
        more[i] = (float)i;
    return MR_OK;
}

static const mr_dataset_vtable files_vtable = { .len = files_len, .get = files_get };
static const mr_field file_fields[] = { { "number", MR_INT32, { 0 } },
                                        { "jpg", MR_UINT8, { 1, { -1 } } },
                                        { "more", MR_FLOAT32, { 1, { -1 } } } };

/* The same as a stream. */
typedef struct files_cursor {
    files *of;
    int64_t at;
} files_cursor;

static void *files_open(void *self, int64_t shard, int64_t shards)
{
    files_cursor *c = calloc(1, sizeof *c);
    *c = (files_cursor){ *(files **)self, shard ? 3 : 0 };
    (void)shards;
    return c;
}

static mr_status files_next(void *cursor, const mr_sample *sample)
{
    files_cursor *c = cursor;
    return c->at == 3 ? MR_END : files_get(&c->of, c->at++, sample);
}

static const mr_stream_vtable files_stream_vtable = { .open = files_open, .next = files_next, .close = free };

/* What the folder's dataset makes of the same file with the same index. */
static void test_decode_images(void)
{
    files f, *self = &f;
    static const char *const names[] = { "wide_422.jpg", "cmyk.jpg", "kind6_8bit.png" };
    for (int i = 0; i < 3; i++) {
        char path[40];
        snprintf(path, sizeof path, "../same/a/%d.jpg", i);
        put(path, names[i]);
        f.bytes[i] = picture_bytes(names[i], &f.size[i]);
    }
    mr_dataset *folder =
        mr_image_folder_new(in_folder("same"), train, 5, &(mr_image_folder_opts){ .seed = 3 });
    mr_dataset *bytes = mr_dataset_new(&files_vtable, &self, sizeof self, file_fields, 3);
    mr_dataset *d =
        mr_decode_images_new(bytes, "jpg", train, 5, &(mr_decode_images_opts){ .seed = 3, .name = "image" });
    mr_dataset_free(bytes);
    CHECK_EQ_STR(mr_dataset_fields(d)[1].name, "image");
    for (int i = 0; i < 6; i++) {
        mr_batch *a = mr_dataset_get(folder, i % 3), *b = mr_dataset_get(d, i % 3);
        if (CHECK(a && b)) {
            CHECK(memcmp(mr_tensor_data(a->field[0]), mr_tensor_data(b->field[1]), PIXELS * sizeof(float)) ==
                  0);
            CHECK_EQ_I64(*(int32_t *)mr_tensor_data(b->field[0]), i % 3 * 10);
            CHECK_EQ_I64(mr_tensor_numel(b->field[2]), i % 3);
            CHECK(i % 3 < 2 || ((float *)mr_tensor_data(b->field[2]))[1] == 1);
        }
        mr_batch_free(a);
        mr_batch_free(b);
    }
    mr_dataset *stream = mr_stream_new(&files_stream_vtable, &self, sizeof self, file_fields, 3);
    mr_dataset *decoded =
        mr_decode_images_new(stream, "jpg", train, 5, &(mr_decode_images_opts){ .seed = 3 });
    mr_dataset_free(stream);
    mr_cursor *cursor = mr_stream_open(decoded);
    const mr_batch *sample;
    int seen = 0;
    for (; mr_cursor_next(cursor, &sample) == MR_OK; seen++) {
        mr_batch *a = mr_dataset_get(folder, seen);
        CHECK(memcmp(mr_tensor_data(a->field[0]), mr_tensor_data(sample->field[1]), PIXELS * sizeof(float)) ==
              0);
        mr_batch_free(a);
    }
    CHECK_EQ_I64(seen, 3);
    mr_cursor_free(cursor);
    mr_dataset_free(decoded);

    f.size[1] = 9;
    CHECK(!mr_dataset_get(d, 1));
    CHECK_EQ_STR(
        mr_error(),
        "dataset_get: sample 1: map: sample 1: field 'jpg': a JPEG that ends in the middle, after 9 bytes");
    CHECK(!mr_decode_images_new(d, "jpg", train, 5, NULL));
    CHECK_EQ_STR(mr_error(), "decode_images_new: there is no field 'jpg'");
    CHECK(!mr_decode_images_new(d, "more", train, 5, NULL));
    CHECK_EQ_STR(mr_error(), "decode_images_new: field 'more' is none of bytes of any number, uint8 (-1)");
    CHECK(!mr_decode_images_new(NULL, "more", train, 5, NULL));
    CHECK_EQ_STR(mr_error(), "decode_images_new: dataset is NULL");
    CHECK(!mr_decode_images_new(d, NULL, train, 5, NULL));
    CHECK_EQ_STR(mr_error(), "decode_images_new: field is NULL");
    mr_dataset_free(folder);
    mr_dataset_free(d);
    for (int i = 0; i < 3; i++)
        free(f.bytes[i]);
}

/* ---- faults ---- */

static void check_refused(const char *path, const mr_transform *steps, int count,
                          const mr_image_folder_opts *opts, const char *text)
{
    mr_error_clear();
    CHECK(mr_image_folder_new(path, steps, count, opts) == NULL);
    const char *said = mr_error();
    if (!CHECK(strncmp(said, "image_folder_new: ", 18) == 0 && strstr(said, text)))
        printf("    %s\n", said);
}

static void test_faults(void)
{
    int count;
    char text[10];
    mr_transform shorter = mr_transform_resize(24, 0, NULL), none = { 0 };
    check_refused(NULL, train, 5, NULL, "path is NULL");
    check_refused("/nowhere", train, 5, NULL, "cannot list '/nowhere': No such file or directory");
    check_refused(tree(""), &shorter, 1, NULL,
                  "pictures of many sizes make no batch: a crop, or a resize to height x width, is missing");
    check_refused(tree(""), NULL, 0, NULL, "pictures of many sizes make no batch");
    check_refused(tree(""), &none, 1, NULL, "step 0: it was made by none");
    check_refused(tree(""), train, 5,
                  &(mr_image_folder_opts){ .extensions = (const char *const[]){ "" }, .extension_count = 0 },
                  "0 extensions");
    check_refused(
        tree(""), train, 5,
        &(mr_image_folder_opts){ .extensions = (const char *const[]){ ".tif" }, .extension_count = 1 },
        "class '.hidden': '");
    CHECK(strstr(mr_error(), "/tree/.hidden' has no file that ends in .tif") != NULL);
    CHECK(mkdir(in_folder("empty"), 0777) == 0);
    check_refused(in_folder("empty"), train, 5, NULL, "/empty' has no folders, one for each class");
    char deep[300] = "../deep/a/";
    for (int i = 0; i < 64; i++)
        strcat(deep, "b/");
    put(strcat(deep, "x.jpg"), "rgb_420.jpg");
    check_refused(in_folder("deep"), train, 5, NULL, "' is more than 64 folders deep");

    CHECK_EQ_I64(mr_image_folder_path(listed, 11, text, sizeof text), -1);
    CHECK_EQ_STR(mr_error(), "image_folder_path: sample 11 of 11");
    CHECK_EQ_I64(mr_image_folder_path(NULL, 0, text, sizeof text), -1);
    CHECK_EQ_STR(mr_error(), "image_folder_path: this is no dataset of mr_image_folder_new");
    CHECK(mr_image_folder_classes(NULL, &count) == NULL && count == 0);
    CHECK_EQ_STR(mr_error(), "image_folder_classes: this is no dataset of mr_image_folder_new");
}

/* A picture that is none is a bad sample, and named; a generator in order is for one thread. */
static void test_bad_samples(void)
{
    put("../bad/a/1.jpg", "rgb_420.jpg");
    file_put(in_folder("bad/a/2.jpg"), "\xff\xd8\xff", 3);
    put("../bad/a/3.jpg", "rgb_422.jpg");
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *d = mr_image_folder_new(in_folder("bad"), train, 5, NULL);
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 3 });
    const mr_batch *b;
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_ERR_FORMAT);
    CHECK(strstr(mr_error(), "loader: sample 1: '") &&
          strstr(mr_error(), "/bad/a/2.jpg': a JPEG that ends in the middle, after 3 bytes"));
    mr_loader_free(loader);
    loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 3, .on_bad_sample = MR_BAD_SKIP });
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(b->rows, 2);
    mr_loader_free(loader);
    mr_dataset_free(d);

    /* the same behind the folder */
    char wanted[400];
    mr_dataset *bytes =
        mr_image_folder_new(in_folder("bad"), NULL, 0, &(mr_image_folder_opts){ .bytes = true });
    d = mr_decode_images_new(bytes, "image", train, 5, NULL);
    mr_dataset_free(bytes);
    CHECK(!mr_dataset_get(d, 1));
    snprintf(
        wanted, sizeof wanted,
        "dataset_get: sample 1: map: sample 1: '%s/a/2.jpg', field 'image': a JPEG that ends in the middle, "
        "after 3 bytes",
        in_folder("bad"));
    CHECK_EQ_STR(mr_error(), wanted);
    mr_dataset_free(d);

    d = mr_image_folder_new(tree(""), train, 5, &(mr_image_folder_opts){ .rng = rng });
    mr_loader *two[2];
    mr_status s[2];
    for (int i = 0; i < 2; i++) {
        two[i] = mr_loader_new(d, rng, NULL);
        s[i] = mr_loader_next(two[i], &b);
    }
    CHECK(s[0] == MR_OK && s[1] == MR_ERR_STATE);
    CHECK(strstr(mr_error(),
                 "image_folder: draws from one generator in order are made by one thread, not by workers") !=
          NULL);
    mr_loader_free(two[0]);
    mr_loader_free(two[1]);
    mr_dataset_free(d);
    mr_rng_free(rng);
}

int main(void)
{
    if (!files_begin())
        return 1;
    make_steps();
    RUN(test_beside_torchvision);
    RUN(test_options);
    RUN(test_planted);
    RUN(test_workers);
    RUN(test_loops);
    RUN(test_many_paths);
    RUN(test_large_files);
    RUN(test_bytes);
    RUN(test_decode_images);
    RUN(test_faults);
    RUN(test_bad_samples);
    mr_dataset_free(listed);
    return files_report();
}
