/* Memory runs out while pictures are decoded, changed, listed, read and saved. */
#include "sources/images/pictures.h"

#include "files.h"
#include "refuse.h"

#include <millrace/ragged.h>
#include <millrace/sources/image_folder.h>

static mr_transform steps[7];

static void make_steps(void)
{
    steps[0] = mr_transform_random_resized_crop(20, 20, NULL);
    steps[1] = mr_transform_random_horizontal_flip(0.5);
    steps[2] = mr_transform_color_jitter(&(mr_color_jitter_opts){ .brightness = 0.3 });
    steps[3] = mr_transform_random_crop(24, 24, &(mr_random_crop_opts){ .padding = { 3, 3, 3, 3 } });
    steps[4] = mr_transform_grayscale(3);
    steps[5] = mr_transform_to_tensor();
    steps[6] = mr_transform_normalize((double[]){ 0.5, 0.5, 0.5 }, (double[]){ 0.2, 0.2, 0.2 });
}

/* What went wrong before, if something did; it has been dealt with then. */
static mr_status settle(void)
{
    mr_status s = mr_error_status();
    mr_error();
    return s;
}

static double sum_of_image(const mr_image *image)
{
    double sum = (double)(image->height * 1000 + image->width);
    for (int64_t i = 0; i < image->height * image->width * image->channels; i++)
        sum += image->pixels[i];
    return sum;
}

/* ---- one picture ---- */

static const char *picture_now;

static double load(mr_status *status)
{
    mr_image *image = mr_image_load(picture(picture_now), &(mr_image_opts){ .orientation = true });
    const double sum = image ? sum_of_image(image) : 0;
    *status = image ? MR_OK : settle();
    mr_image_free(image);
    return sum;
}

static double transform(mr_status *status)
{
    mr_image *image = mr_image_load(picture("wide_422.jpg"), NULL);
    mr_rng *rng = mr_rng_new(3);
    mr_tensor *x = image && rng ? mr_image_transform(image, steps, 7, rng) : NULL;
    const double value = x ? (double)((float *)mr_tensor_data(x))[100] : 0;
    *status = x ? MR_OK : settle();
    mr_tensor_free(x);
    mr_rng_free(rng);
    mr_image_free(image);
    return value;
}

static double save(mr_status *status)
{
    mr_tensor *x = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(3, 3, 4, 4));
    mr_image *grid = x ? mr_image_grid(x, NULL) : NULL;
    *status = grid ? mr_image_save(grid, in_folder("saved.png")) : settle();
    mr_image_free(grid);
    mr_tensor_free(x);
    return 0;
}

/* ---- datasets ---- */

static double sum_of(mr_dataset *dataset, mr_status *status)
{
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(dataset, rng, &(mr_loader_opts){ .batch_size = 2 });
    const mr_batch *b;
    double sum = 0;
    while ((*status = mr_loader_next(loader, &b)) == MR_OK)
        for (int64_t i = 0; i < mr_tensor_numel(b->field[0]); i++)
            sum += (double)((float *)mr_tensor_data(b->field[0]))[i];
    if (*status == MR_END)
        *status = MR_OK;
    mr_loader_free(loader);
    mr_dataset_free(dataset);
    mr_rng_free(rng);
    return sum;
}

static double folder(mr_status *status)
{
    return sum_of(mr_image_folder_new(in_folder("tree"), steps, 7, &(mr_image_folder_opts){ .draft = true }),
                  status);
}

static int64_t one(void *self)
{
    (void)self;
    return 1;
}

static mr_status get_bytes(void *self, int64_t index, const mr_sample *sample)
{
    size_t size;
    uint8_t *bytes = picture_bytes("kind2_8bit.png", &size);
    void *to = mr_ragged_resize(sample->field[0], (int64_t)size);
    (void)self;
    (void)index;
    if (to)
        memcpy(to, bytes, size);
    free(bytes);
    return to ? MR_OK : mr_error_status();
}

static double field_of_bytes(mr_status *status)
{
    static const mr_dataset_vtable vtable = { .len = one, .get = get_bytes };
    static const mr_field field = { "bytes", MR_UINT8, { 1, { -1 } } };
    mr_dataset *bytes = mr_dataset_new(&vtable, NULL, 0, &field, 1);
    mr_dataset *decoded = mr_decode_images_new(bytes, "bytes", steps, 7, NULL);
    mr_dataset_free(bytes);
    return sum_of(decoded, status);
}

static void put(const char *path, const char *name)
{
    size_t size;
    uint8_t *bytes = picture_bytes(name, &size);
    file_put(in_folder(path), bytes, size);
    free(bytes);
}

int main(void)
{
    static const char *const names[] = { "rgb_420.jpg",  "progressive.jpg", "cmyk.jpg",
                                         "turned_6.jpg", "kind3_4bit.png",  "kind6_16bit_interlaced.png" };
    if (!files_begin())
        return 1;
    make_steps();
    CHECK(mkdir(in_folder("tree"), 0777) == 0 && mkdir(in_folder("tree/a"), 0777) == 0 &&
          mkdir(in_folder("tree/b"), 0777) == 0);
    put("tree/a/1.jpg", "wide_420.jpg");
    put("tree/a/2.png", "kind2_8bit.png");
    put("tree/b/3.jpg", "wide_progressive.jpg");
    refuse_begin();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        picture_now = names[i];
        refuse_each(picture_now, load, 3);
    }
    refuse_each("transform", transform, 15);
    refuse_each("save", save, 3);
    refuse_each("folder", folder, 60);
    refuse_each("field of bytes", field_of_bytes, 20);
    refuse_end();
    return files_report();
}
