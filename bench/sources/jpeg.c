/* Reads a folder of photographs into batches of 64, as jpeg_torchvision.py does, with two workers, and throws them
 * away: bench-source_jpeg FOLDER prints the microseconds for an image, over an epoch after one that is not counted.
 * With --draft it decodes in draft. bench-source_jpeg FOLDER --write FILE writes the first samples with their seeds,
 * for the peer to compare. */
#include <millrace/sources/image_folder.h>

#include <millrace/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SIDE = 224, SEED = 7, WRITTEN = 100 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static mr_dataset *open_folder(const char *path, bool draft)
{
    const mr_transform steps[] = {
        mr_transform_random_resized_crop(SIDE, SIDE, NULL),
        mr_transform_random_horizontal_flip(0.5),
        mr_transform_to_tensor(),
        mr_transform_normalize((double[]){ 0.485, 0.456, 0.406 }, (double[]){ 0.229, 0.224, 0.225 }),
    };
    return mr_image_folder_new(path, steps, 4, &(mr_image_folder_opts){ .seed = SEED, .draft = draft });
}

static mr_status epoch(mr_loader *loader)
{
    const mr_batch *batch;
    mr_status s;
    while ((s = mr_loader_next(loader, &batch)) == MR_OK)
        ;
    return s;
}

static mr_status measure(mr_dataset *images, int workers)
{
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(
        images, rng, &(mr_loader_opts){ .batch_size = 64, .shuffle = true, .workers = workers });
    mr_status s = epoch(loader);
    double begin = now();
    if (s == MR_END)
        s = epoch(loader);
    if (s == MR_END)
        printf("%.2f\n", (now() - begin) / (double)mr_dataset_len(images));
    mr_loader_free(loader);
    mr_rng_free(rng);
    return s;
}

static mr_status write_samples(mr_dataset *images, const char *path)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return mr_fail(MR_ERR_IO, "cannot open '%s'", path);
    for (int64_t i = 0; i < WRITTEN && i < mr_dataset_len(images); i++) {
        mr_random random = mr_random_at(SEED, 0, i);
        const uint64_t seed = mr_random_u64(&random);
        mr_batch *sample = mr_dataset_get(images, i);
        if (!sample)
            break;
        fwrite(&i, sizeof i, 1, file);
        fwrite(&seed, sizeof seed, 1, file);
        fwrite(mr_tensor_data(sample->field[1]), sizeof(int64_t), 1, file);
        fwrite(mr_tensor_data(sample->field[0]), sizeof(float), 3 * SIDE * SIDE, file);
        mr_batch_free(sample);
    }
    return fclose(file) == 0 && !mr_error_status() ? MR_END : mr_fail(MR_ERR_IO, "cannot write '%s'", path);
}

int main(int argc, char **argv)
{
    const char *written = NULL;
    bool draft = false;
    int workers = 2;
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], "--draft") == 0)
            draft = true;
        else if (strcmp(argv[i], "--write") == 0 && i + 1 < argc)
            written = argv[++i];
        else if (strcmp(argv[i], "--workers") == 0 && i + 1 < argc)
            workers = atoi(argv[++i]);
        else
            return 2;
    if (argc < 2)
        return 2;
    mr_dataset *images = open_folder(argv[1], draft);
    mr_status s = !images   ? mr_error_status()
                  : written ? write_samples(images, written)
                            : measure(images, workers);
    if (s < 0)
        fprintf(stderr, "%s\n", mr_error());
    mr_dataset_free(images);
    return s < 0;
}
