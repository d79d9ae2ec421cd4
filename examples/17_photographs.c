/*
 * A folder of photographs, with a folder inside for each class, and one batch of them as a training sees it: a random part of
 * each, turned over at random, its colours changed a little, 224 x 224 pixels, normalised.
 *
 *     17_photographs FOLDER
 *
 * It draws the batch to photographs.png, with the names of the classes.
 *
 *     transform = transforms.Compose([RandomResizedCrop(224), RandomHorizontalFlip(), ColorJitter(0.2, 0.2, 0.2),
 *                                     ToTensor(), Normalize(mean, std)])
 *     dataset = datasets.ImageFolder(folder, transform)
 */
#include "show.h"

#include <millrace/plot.h>
#include <millrace/sources/image_folder.h>

enum { BATCH = 16, SIDE = 224 };

static const double mean[] = { 0.485, 0.456, 0.406 }, std[] = { 0.229, 0.224, 0.225 };

static mr_dataset *photographs_new(const char *folder)
{
    const mr_transform steps[] = {
        mr_transform_random_resized_crop(SIDE, SIDE, NULL),
        mr_transform_random_horizontal_flip(0.5),
        mr_transform_color_jitter(
            &(mr_color_jitter_opts){ .brightness = 0.2, .contrast = 0.2, .saturation = 0.2 }),
        mr_transform_to_tensor(),
        mr_transform_normalize(mean, std),
    };
    return mr_image_folder_new(folder, steps, sizeof steps / sizeof *steps,
                               &(mr_image_folder_opts){ .seed = 42 });
}

static mr_status draw(const mr_batch *batch, const char *const *classes, const char *path)
{
    const char *captions[BATCH];
    const int64_t *labels = mr_tensor_data(batch->field[1]);
    for (int64_t i = 0; i < batch->rows; i++)
        captions[i] = classes[labels[i]];
    return mr_plot_images(batch->field[0],
                          &(mr_plot_images_opts){ .captions = captions, .mean = mean, .std = std }, path);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: 17_photographs FOLDER\n");
        return 2;
    }
    int class_count;
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *photographs = photographs_new(argv[1]);
    const char *const *classes = mr_image_folder_classes(photographs, &class_count);
    mr_loader *loader = mr_loader_new(
        photographs, rng, &(mr_loader_opts){ .batch_size = BATCH, .shuffle = true, .workers = 2 });

    const mr_batch *batch;
    mr_status s = mr_loader_next(loader, &batch); /* whatever went wrong before is this call's status, too */
    if (s == MR_OK) {
        printf("%lld photographs in %d classes\n", (long long)mr_dataset_len(photographs), class_count);
        s = draw(batch, classes, "photographs.png");
    }
    if (s == MR_OK)
        printf("picture: photographs.png\n");

    mr_loader_free(loader);
    mr_dataset_free(photographs);
    mr_rng_free(rng);
    return finish(s);
}
