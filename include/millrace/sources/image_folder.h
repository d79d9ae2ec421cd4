/*
 * Millrace, sources: datasets of pictures. Link with millrace-images.
 *
 * Threads: the datasets' callbacks may run on several at once, but for those with a generator of the user's.
 */
#ifndef MILLRACE_SOURCES_IMAGE_FOLDER_H
#define MILLRACE_SOURCES_IMAGE_FOLDER_H

#include <millrace/sources/transforms.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_image_folder_opts {
    mr_image_opts image;
    /* Draws of the sample `index` in `epoch` come from a generator of torch's with the seed mr_random_u64 of
     * mr_random_at(seed, epoch, index): the same with any number of workers, and those that torchvision's transforms make
     * after torch.manual_seed of that number. */
    uint64_t seed;
    /* Or from this one, borrowed, sample after sample as they are asked for: those of torchvision's ImageFolder in a DataLoader
     * without workers, whose default generator it is. Give it to the loader as well; such a dataset is read by one thread. */
    mr_rng *rng;
    /* Decode JPEGs at a half, a quarter or an eighth of their size where a resize makes them smaller, as long as that is two
     * thirds of what comes out on each side: draws are the same, pixels nearly so (docs/data.md says how nearly). */
    bool draft;
    const char *const
        *extensions; /* of files that count, in small letters with the point; default: torchvision's */
    int extension_count;
    bool bytes; /* give the files as they are, without steps: see below */
} mr_image_folder_opts;

/* Makes a dataset of a folder with a folder of pictures for each class (torchvision's ImageFolder), up to 64 folders
 * deep inside of that. Links to folders are folders, but for those that lead back to where they lie, which are passed
 * over. Folders that links lead to once more have their pictures once more; a class with more than 16,384 of them is
 * refused. Classes are numbered in the order of their names; samples are class after class, folders and then files in
 * the order of the bytes of their names. Fields: "image", as the steps make it (all pictures have one size, so there is
 * a crop or a resize to height x width among them), and "label", int64. A picture that cannot be had is a bad sample,
 * and named. MR_ERR_FORMAT for a folder without classes and for a class without files.
 *
 * With `bytes` there are no steps, and "image" is a file's bytes, whatever they are: uint8 (-1), for
 * mr_decode_images_new, and for mr_tar_write, which names samples by a third field then: "key", uint8 (-1), the file's
 * path from its class on, without what is behind the last point of its name; other points of the name become
 * underlines: "cat/more/0001_front" of "cat/more/0001.front.jpg". Two files of a folder that differ in their extensions
 * only have the same key. */
MR_API mr_dataset *mr_image_folder_new(const char *path, const mr_transform *steps, int step_count,
                                       const mr_image_folder_opts *opts);

/* The names of the classes, and how many: views, valid as the dataset is. NULL after a failure. */
MR_API const char *const *mr_image_folder_classes(mr_dataset *dataset, int *count);

/* The file of a sample. Writes at most `room` bytes with the '\0' to `path`; its length, as snprintf; -1 after a failure. */
MR_API int mr_image_folder_path(mr_dataset *dataset, int64_t index, char *path, size_t room);

typedef struct mr_decode_images_opts {
    mr_image_opts image;
    uint64_t seed;    /* as above; of a stream the index is the sample's number */
    bool draft;       /* as above */
    const char *name; /* of the new field; default: the old one's */
} mr_decode_images_opts;

/* Makes the dataset, or stream, whose `field` is a picture out of the bytes that it has in another one, which is uint8
 * (-1): files in the members of tar files, blobs of a database. Other fields stay as they are. A picture that cannot be
 * had is a bad sample, named by where its bytes come from: "'a.tar': member '0017.jpg' at byte 512, field 'picture':
 * neither a JPEG nor a PNG". */
MR_API mr_dataset *mr_decode_images_new(mr_dataset *dataset, const char *field, const mr_transform *steps,
                                        int step_count, const mr_decode_images_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
