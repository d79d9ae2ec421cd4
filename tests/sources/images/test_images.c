/* Pictures out of files: the bytes that PIL gives; parts of them; faults in words. */
#include "sources/images/pictures.h"

#include "files.h"
#include "sources/images/decoder.h"

/* Calls `each` for the lines of expected.txt. */
static int for_each(void (*each)(const char *name, char *rest))
{
    char line[300], name[64];
    int count = 0, at;
    FILE *file = fopen(picture("expected.txt"), "r");
    for (; file && fgets(line, sizeof line, file); count++)
        if (CHECK(sscanf(line, "file %63s%n", name, &at) == 1))
            each(name, line + at);
    if (CHECK(file != NULL))
        fclose(file);
    return count;
}

/* ---- beside PIL ---- */

static void check_file(const char *name, char *rest)
{
    static const mr_image_opts turn = { .orientation = true };
    long long height, width, turned_height, turned_width, h, w;
    char hash[32], turned_hash[32];
    int found = sscanf(rest, "%lld %lld %31s turned %lld %lld %31s", &height, &width, hash, &turned_height,
                       &turned_width, turned_hash);
    mr_image *image = mr_image_load(picture(name), NULL), *turned = mr_image_load(picture(name), &turn);
    check_image(image, name, height, width, hash);
    if (found == 6)
        check_image(turned, name, turned_height, turned_width, turned_hash);
    else
        check_image(turned, name, height, width, hash);
    size_t size;
    uint8_t *bytes = picture_bytes(name, &size);
    CHECK_EQ_I64(mr_image_size(bytes, size, NULL, (int64_t *)&h, (int64_t *)&w), MR_OK);
    CHECK(h == height && w == width);
    CHECK_EQ_I64(mr_image_size(bytes, size, &turn, (int64_t *)&h, (int64_t *)&w), MR_OK);
    CHECK(turned && h == turned->height && w == turned->width);
    free(bytes);
    mr_image_free(image);
    mr_image_free(turned);
}

static void test_beside_pil(void)
{
    CHECK_EQ_I64(for_each(check_file), 63);
}

/* ---- parts ---- */

static bool same_pixels(const mr__view *part, const mr__region *r, const uint8_t *whole, int64_t width)
{
    for (int64_t y = 0; y < r->height; y++)
        if (memcmp(part->at + (size_t)y * part->stride, whole + ((r->top + y) * width + r->left) * 3,
                   (size_t)r->width * 3) != 0)
            return false;
    return true;
}

/* Regions are what the whole picture has there, to the byte. */
static void check_regions_of(const uint8_t *bytes, size_t size, const char *name, int shrink,
                             mr_random *random)
{
    mr__decoder *d = mr__decoder_new();
    mr__room whole = { 0 }, part = { 0 };
    mr__view view;
    int64_t height, width;
    CHECK_EQ_I64(mr__decoder_begin(d, bytes, size, NULL, &height, &width), MR_OK);
    if (!mr__decoder_can_shrink(d))
        shrink = 1;
    height = (height + shrink - 1) / shrink;
    width = (width + shrink - 1) / shrink;
    CHECK_EQ_I64(mr__decoder_read(d, &(mr__region){ 0, 0, height, width }, shrink, &whole, &view), MR_OK);
    CHECK(view.at == whole.at && view.stride == (size_t)width * 3);
    for (int i = 0; i < 60; i++) {
        mr__region r = { .height = 1 + mr_random_below(random, height),
                         .width = 1 + mr_random_below(random, width) };
        r.top = mr_random_below(random, height - r.height + 1);
        r.left = mr_random_below(random, width - r.width + 1);
        int64_t h, w;
        CHECK_EQ_I64(mr__decoder_begin(d, bytes, size, NULL, &h, &w), MR_OK);
        CHECK_EQ_I64(mr__decoder_read(d, &r, shrink, &part, &view), MR_OK);
        if (!CHECK(same_pixels(&view, &r, whole.at, width)))
            printf("    %s: %lld x %lld at %lld, %lld, shrink %d\n", name, (long long)r.height,
                   (long long)r.width, (long long)r.top, (long long)r.left, shrink);
    }
    mr_free(whole.at);
    mr_free(part.at);
    mr__decoder_free(d);
}

static void check_regions(const char *name, int shrink, mr_random *random)
{
    size_t size;
    uint8_t *bytes = picture_bytes(name, &size);
    check_regions_of(bytes, size, name, shrink, random);
    free(bytes);
}

static void check_parts(const char *name, char *rest)
{
    mr_random random = mr_random_at(1, 0, (int64_t)strlen(name));
    (void)rest;
    for (int shrink = 1; shrink <= 8; shrink *= 2)
        check_regions(name, shrink, &random);
}

static void test_parts(void)
{
    for_each(check_parts);
}

/* ---- faults ---- */

static void check_refused(const char *path, const mr_image_opts *opts, mr_status status, const char *text)
{
    mr_error_clear();
    CHECK(mr_image_load(path, opts) == NULL);
    CHECK_EQ_I64(mr_error_status(), status);
    const char *said = mr_error();
    if (!CHECK(strstr(said, text) != NULL))
        printf("    %s\n", said);
}

static void test_faults(void)
{
    int64_t h, w;
    check_refused("/nowhere/a.jpg", NULL, MR_ERR_IO, "cannot open '/nowhere/a.jpg': No such file");
    check_refused("/", NULL, MR_ERR_IO, "cannot read '/': it is no regular file");
    check_refused(picture("expected.txt"), NULL, MR_ERR_FORMAT, "expected.txt': neither a JPEG nor a PNG");
    file_put(in_folder("empty.png"), "", 0);
    check_refused(in_folder("empty.png"), NULL, MR_ERR_FORMAT, "/empty.png': neither a JPEG nor a PNG");
    check_refused(picture("rgb_420.jpg"), &(mr_image_opts){ .max_pixels = 40 * 53 - 1 }, MR_ERR_MEMORY,
                  "rgb_420.jpg': a picture of 40 x 53 pixels, more than 2119 (max_pixels)");
    check_refused(picture("pixel.png"), &(mr_image_opts){ .max_pixels = -1 }, MR_ERR_MEMORY,
                  "a picture of 1 x 1 pixels, more than -1 (max_pixels)");
    CHECK(!mr_image_load(NULL, NULL));
    CHECK_EQ_STR(mr_error(), "image_load: path is NULL");
    CHECK(!mr_image_decode(NULL, 1, NULL));
    CHECK_EQ_STR(mr_error(), "image_decode: bytes are NULL");
    CHECK_EQ_I64(mr_image_size(NULL, 1, NULL, &h, &w), MR_ERR_ARGUMENT);
    CHECK_EQ_I64(mr_image_size("x", 1, NULL, &h, &w), MR_ERR_FORMAT);
    mr_error_clear();
    CHECK(!mr_image_new(1, 1, 2));
    CHECK_EQ_STR(mr_error(), "image_new: 1 x 1 pixels of 2 channels");
    CHECK(!mr_image_new(INT64_C(1) << 40, INT64_C(1) << 40, 3));
    CHECK_EQ_STR(mr_error(), "image_new: no memory has room for 1099511627776 x 1099511627776 pixels");
    mr_image_free(NULL);
}

/* What the bytes of a file that was changed give; "" for a picture. */
static const char *said_of(const uint8_t *bytes, size_t size, const mr_image_opts *opts)
{
    mr_error_clear();
    mr_image *image = mr_image_decode(bytes, size, opts);
    mr_image_free(image);
    return image ? "" : mr_error();
}

/* A file that is cut anywhere is refused, but for the marker of the end of a baseline JPEG, and what is behind the last
 * chunk of a PNG's pixels. */
static void check_cuts(const char *name, size_t spare)
{
    size_t size;
    uint8_t *bytes = picture_bytes(name, &size);
    for (size_t cut = 0; cut < size; cut++) {
        const char *said = said_of(bytes, cut, NULL);
        if (!CHECK(size - cut <= spare ||
                   strstr(said, cut < (mr__is_png(bytes, size) ? 8 : 3) ? "a PNG" : "ends in the middle")))
            printf("    %s cut at %zu of %zu: %s\n", name, cut, size, said);
        said_of(bytes, cut, &(mr_image_opts){ .damaged = true });
    }
    free(bytes);
}

static void test_cuts(void)
{
    check_cuts("rgb_420.jpg", 3);
    check_cuts("progressive.jpg", 0);
    check_cuts("cmyk.jpg", 3);
    check_cuts("kind2_8bit.png", 12 + 8);
    check_cuts("kind3_4bit_interlaced.png", 12 + 8);
}

/* Every bit changed: a picture or a text, never a crash; and a text for most bytes that are looked after by a sum. */
static void check_bits(const char *name)
{
    size_t size;
    uint8_t *bytes = picture_bytes(name, &size);
    int refused = 0;
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= (uint8_t)(1 << i % 8);
        refused += *said_of(bytes, size, &(mr_image_opts){ .max_pixels = 100000 }) != 0;
        said_of(bytes, size, &(mr_image_opts){ .max_pixels = 100000, .damaged = true, .orientation = true });
        bytes[i] ^= (uint8_t)(1 << i % 8);
    }
    CHECK(refused > (mr__is_png(bytes, size) ? (int)size * 3 / 4 : (int)size / 50));
    free(bytes);
}

static void test_bits(void)
{
    static const char *const names[] = { "optimized.jpg",   "progressive.jpg",          "ycck.jpg",
                                         "turned_6.jpg",    "kind3_2bit.png",           "turned.png",
                                         "kind0_16bit.png", "kind6_8bit_interlaced.png" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_bits(names[i]);
}

static void check_said(const char *said, const char *text)
{
    if (!CHECK(strstr(said, text) != NULL))
        printf("    %s\n", said);
}

/* Bytes in the middle of a picture's data that are none: refused, or grey if that is asked for. */
static void test_damage(void)
{
    size_t size;
    uint8_t *bytes = picture_bytes("rgb_444.jpg", &size);
    memset(bytes + size - 400, 0xaa, 200);
    memcpy(bytes + size - 300, "\xff\xd9", 2);
    check_said(said_of(bytes, size, NULL), "a JPEG, near byte ");
    CHECK_EQ_STR(said_of(bytes, size, &(mr_image_opts){ .damaged = true }), "");
    free(bytes);

    bytes = picture_bytes("kind2_8bit.png", &size);
    bytes[size - 13] ^= 1; /* of the sum of the last chunk of pixels */
    check_said(said_of(bytes, size, NULL), "a PNG, before byte ");
    check_said(said_of(bytes, size, NULL), "CRC");
    CHECK_EQ_STR(said_of(bytes, size, &(mr_image_opts){ .damaged = true }), "");
    free(bytes);
}

/* Files that are cut off: what is there of the rows, and zeros behind. */
static void check_cut_png(const char *name, int64_t least_rows)
{
    static const mr_image_opts damaged = { .damaged = true };
    size_t size, begin = 0;
    uint8_t *bytes = picture_bytes(name, &size);
    mr_image *whole = mr_image_decode(bytes, size, NULL), *none = NULL;
    int64_t intact = 0;
    for (size_t i = 0; !begin; i++)
        begin = memcmp(bytes + i, "IDAT", 4) == 0 ? i + 4 : 0;
    const size_t row = (size_t)whole->width * 3;
    for (size_t cut = begin; cut < size; cut++) {
        mr_image *image = mr_image_decode(bytes, cut, &damaged);
        if (!CHECK(image != NULL))
            printf("    %s cut at %zu of %zu: %s\n", name, cut, size, mr_error());
        int64_t rows = 0;
        while (image && rows < whole->height &&
               !memcmp(image->pixels + (size_t)rows * row, whole->pixels + (size_t)rows * row, row))
            rows++;
        CHECK(!none || rows >= intact);
        intact = rows;
        for (int64_t y = rows + 1; none && image && y < whole->height && least_rows; y++)
            CHECK(!memcmp(image->pixels + (size_t)y * row, none->pixels + (size_t)y * row, row));
        if (cut == begin)
            none = image;
        else
            mr_image_free(image);
        if (cut == begin + (size - begin) / 2)
            CHECK(rows >= least_rows);
    }
    CHECK_EQ_I64(intact, whole->height);
    mr_image_free(none);
    mr_image_free(whole);
    free(bytes);
}

static void test_cut_pngs(void)
{
    check_cut_png("kind2_8bit.png", 5);
    check_cut_png("kind3_4bit.png", 5);
    check_cut_png("kind3_4bit_interlaced.png", 0);
    check_cut_png("kind0_16bit.png", 5);
}

/* Of a JPEG whose last scans are not there a part is what the whole picture has, too. */
static void test_missing_scans(void)
{
    mr_random random = mr_random_at(1, 0, 0);
    size_t size;
    uint8_t *bytes = picture_bytes("progressive.jpg", &size);
    int scans = 0;
    for (size_t i = 0; i + 1 < size; i++) {
        if (bytes[i] != 0xff || bytes[i + 1] != 0xda || scans++ == 0)
            continue;
        char name[32];
        uint8_t *cut = malloc(i + 2);
        memcpy(cut, bytes, i);
        memcpy(cut + i, "\xff\xd9", 2);
        snprintf(name, sizeof name, "scans%d.jpg", scans);
        for (int shrink = 1; shrink <= 8; shrink *= 2)
            check_regions_of(cut, i + 2, name, shrink, &random);
        free(cut);
    }
    CHECK(scans > 3);
    free(bytes);
}

/* A header that promises more than the file can hold takes no memory. */
static void test_promises(void)
{
    size_t size;
    uint8_t *bytes = picture_bytes("rgb_444.jpg", &size);
    for (size_t i = 0; i + 1 < size; i++)
        if (bytes[i] == 0xff && bytes[i + 1] == 0xc0)
            memcpy(bytes + i + 5, "\x20\x00\x20\x00", 4);
    check_said(said_of(bytes, size, NULL), "a JPEG of 8192 x 8192 pixels in ");
    CHECK(strstr(mr_error(), " bytes: it ends in the middle") != NULL);
    free(bytes);
    bytes = picture_bytes("pixel.png", &size);
    memcpy(bytes + 16, "\0\0\x20\0\0\0\x20\0", 8);
    memcpy(bytes + 29, "\xfd\xc8\x5d\x0e", 4);
    check_said(said_of(bytes, size, NULL), "a PNG of 8192 x 8192 pixels in ");
    memcpy(bytes + 16, "\0\0\0\1\0\x10\0\1",
           8); /* a row that is too long: its weights would take gigabytes */
    memcpy(bytes + 29, "\xff\xff\xff\xff", 4);
    for (int turned = 0; turned < 2; turned++) {
        check_said(said_of(bytes, size, &(mr_image_opts){ .damaged = true }),
                   turned ? "a picture of 1 x 1048577 pixels, with a side of more than 1048576"
                          : "a picture of 1048577 x 1 pixels, with a side of more than 1048576");
        memcpy(bytes + 16, "\0\x10\0\1\0\0\0\1", 8);
    }
    free(bytes);
}

/* ---- the decoder for several files ---- */

/* After a failure, and after a picture that was only begun, the next one is what it always is. */
static void test_one_after_the_other(void)
{
    mr__decoder *d = mr__decoder_new();
    mr__room room = { 0 };
    mr__view view;
    size_t size;
    int64_t h, w;
    static const char *const names[] = { "rgb_420.jpg", "kind2_8bit.png", "cmyk.jpg", "progressive.jpg" };
    for (int i = 0; i < 16; i++) {
        uint8_t *bytes = picture_bytes(names[i * 7 % 4], &size);
        if (i % 3 == 0) {
            CHECK(mr__decoder_begin(d, bytes, size - 300, NULL, &h, &w) < 0 ||
                  mr__decoder_read(d, &(mr__region){ 0, 0, h, w }, 1, &room, &view) < 0);
            mr_error_clear();
        }
        CHECK_EQ_I64(mr__decoder_begin(d, bytes, size, NULL, &h, &w), MR_OK);
        if (i % 4 == 1) {
            free(bytes);
            continue;
        }
        CHECK_EQ_I64(mr__decoder_read(d, &(mr__region){ 0, 0, h, w }, 1, &room, &view), MR_OK);
        mr_image *image = mr_image_load(picture(names[i * 7 % 4]), NULL);
        CHECK(same_pixels(&view, &(mr__region){ 0, 0, h, w }, image->pixels, w));
        mr_image_free(image);
        free(bytes);
    }
    mr_free(room.at);
    mr__decoder_free(d);
}

/* ---- pictures to look at ---- */

static void test_save(void)
{
    for (int channels = 1; channels <= 3; channels += 2) {
        mr_image *image = mr_image_new(3, 70, channels);
        for (int i = 0; i < 3 * 70 * channels; i++)
            image->pixels[i] = (uint8_t)(i * 7);
        CHECK_EQ_I64(mr_image_save(image, in_folder("saved.png")), MR_OK);
        mr_image *again = mr_image_load(in_folder("saved.png"), NULL);
        CHECK(again && again->height == 3 && again->width == 70);
        for (int i = 0; i < 3 * 70 * 3; i++)
            CHECK(again->pixels[i] == image->pixels[channels == 3 ? i : i / 3]);
        mr_image_free(again);
        CHECK_EQ_I64(mr_image_save(image, "/nowhere/x.png"), MR_ERR_IO);
        mr_fail(MR_ERR_FORMAT, "another"); /* the first one has been dealt with by its status */
        CHECK_EQ_STR(mr_error(), "another");
        image->height = image->width = 0;
        CHECK_EQ_I64(mr_image_save(image, in_folder("saved.png")), MR_ERR_ARGUMENT);
        CHECK_EQ_STR(mr_error(), channels == 1 ? "image_save: 0 x 0 pixels of 1 channels make no PNG"
                                               : "image_save: 0 x 0 pixels of 3 channels make no PNG");
        mr_image_free(image);
    }
    CHECK_EQ_I64(mr_image_save(NULL, "x"), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "image_save: image is NULL");
    CHECK(count_entries(files_folder) == 2); /* and nothing half written */
    mr_image *image = mr_image_new(300, 300, 1);
    CHECK_EQ_I64(mr_image_save(image, "/dev/full/x.png"), MR_ERR_IO);
    CHECK(strstr(mr_error(), "cannot create '/dev/full/x.png.") != NULL);
    mr_image_free(image);
}

static void check_grid(const mr_tensor *batch, const mr_image_grid_opts *opts, int64_t height, int64_t width,
                       const char *hash)
{
    mr_image *grid = mr_image_grid(batch, opts);
    check_image(grid, "grid", height, width, hash);
    mr_image_free(grid);
}

static void test_grid(void)
{
    static const double mean[3] = { 0.5, 0.25, 0 }, stddev[3] = { 0.5, 0.25, 1 };
    mr_tensor *x = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(3, 3, 2, 2)),
              *y = mr_tensor_zeros(MR_UINT8, MR_SHAPE(3, 2, 2, 3));
    float *v = mr_tensor_data(x);
    uint8_t *b = mr_tensor_data(y);
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < 4; i++) {
                const int byte = r * 40 + c * 11 + i * 3;
                b[(r * 4 + i) * 3 + c] = (uint8_t)byte;
                v[(r * 3 + c) * 4 + i] = (float)((byte / 255.0 - mean[c]) / stddev[c]);
            }
    mr_image *grid = mr_image_grid(y, &(mr_image_grid_opts){ .columns = 2 });
    CHECK(grid && grid->height == 10 && grid->width == 10 && grid->channels == 3);
    CHECK_EQ_I64(grid->pixels[(2 * 10 + 2) * 3 + 1], 11);
    CHECK_EQ_I64(grid->pixels[(3 * 10 + 7) * 3 + 2], 40 + 22 + 9);
    CHECK_EQ_I64(grid->pixels[(6 * 10 + 3) * 3], 80 + 3);
    CHECK_EQ_I64(grid->pixels[(6 * 10 + 6) * 3], 0);
    CHECK_EQ_I64(grid->pixels[(4 * 10 + 4) * 3], 0);
    char hash[17];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)hash_on(HASH_BEGIN, grid->pixels, 300));
    check_grid(x, &(mr_image_grid_opts){ 2, mean, stddev }, 10, 10, hash);
    mr_image_free(grid);
    v[0] = NAN;
    v[1] = 1e9F;
    grid = mr_image_grid(x, NULL);
    CHECK(grid && grid->height == 6 && grid->width == 14);
    CHECK(grid->pixels[(2 * 14 + 2) * 3] == 0 && grid->pixels[(2 * 14 + 3) * 3] == 255);
    mr_image_free(grid);
    CHECK(!mr_image_grid(x, &(mr_image_grid_opts){ .columns = -1 }));
    CHECK_EQ_STR(mr_error(), "image_grid: -1 columns");
    CHECK(!mr_image_grid(NULL, NULL));
    CHECK_EQ_STR(mr_error(), "image_grid: batch is NULL");
    mr_tensor_free(x);
    x = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(3, 2, 2, 3));
    CHECK(!mr_image_grid(x, NULL));
    CHECK_EQ_STR(mr_error(), "image_grid: float32 [3,2,2,3] is no batch of pictures");
    mr_tensor_free(x);
    mr_tensor_free(y);
}

/* One picture has no border, and grey is repeated: as make_grid has it. */
static void test_small_grids(void)
{
    static const double mean[3] = { 0.5, 9, 9 }, stddev[3] = { 0.5, 9, 9 };
    mr_tensor *color = mr_tensor_zeros(MR_UINT8, MR_SHAPE(1, 3, 2, 4)),
              *grey = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2, 1, 2, 4)),
              *one = mr_tensor_zeros(MR_UINT8, MR_SHAPE(1, 2, 4, 1));
    for (int i = 0; i < 24; i++)
        ((uint8_t *)mr_tensor_data(color))[i] = (uint8_t)(i * 10);
    for (int i = 0; i < 16; i++)
        ((float *)mr_tensor_data(grey))[i] = (float)i / 16;
    for (int i = 0; i < 8; i++)
        ((uint8_t *)mr_tensor_data(one))[i] = (uint8_t)(i * 20);
    mr_image *grid = mr_image_grid(color, NULL);
    if (CHECK(grid && grid->height == 2 && grid->width == 4 && grid->channels == 3))
        for (int i = 0; i < 24; i++)
            CHECK_EQ_I64(grid->pixels[i], (i % 3 * 8 + i / 3) * 10);
    mr_image_free(grid);
    grid = mr_image_grid(one, NULL);
    if (CHECK(grid && grid->height == 2 && grid->width == 4 && grid->channels == 3))
        for (int i = 0; i < 24; i++)
            CHECK_EQ_I64(grid->pixels[i], i / 3 * 20);
    mr_image_free(grid);
    grid = mr_image_grid(grey, &(mr_image_grid_opts){ .mean = mean, .stddev = stddev });
    if (CHECK(grid && grid->height == 6 && grid->width == 14 && grid->channels == 3))
        for (int c = 0; c < 3; c++) {
            CHECK_EQ_I64(grid->pixels[c], 0);
            CHECK_EQ_I64(grid->pixels[(2 * 14 + 2) * 3 + c], 128);
            CHECK_EQ_I64(grid->pixels[(3 * 14 + 11) * 3 + c], 247);
        }
    mr_image_free(grid);
    mr_tensor_free(color);
    mr_tensor_free(grey);
    mr_tensor_free(one);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_beside_pil);
    RUN(test_parts);
    RUN(test_faults);
    RUN(test_cuts);
    RUN(test_bits);
    RUN(test_damage);
    RUN(test_cut_pngs);
    RUN(test_missing_scans);
    RUN(test_promises);
    RUN(test_one_after_the_other);
    RUN(test_save);
    RUN(test_grid);
    RUN(test_small_grids);
    return files_report();
}
