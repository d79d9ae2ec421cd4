/* Lists of loaders, and what a loader says of where it stands, kept. */
#ifndef MILLRACE_TRAIN_LOADERS_H
#define MILLRACE_TRAIN_LOADERS_H

#include <millrace/train.h>

enum { MR__MAX_LOADERS = 16 };

typedef struct mr__loaders {
    mr_loader *item[MR__MAX_LOADERS]; /* borrowed */
    int count;
} mr__loaders;

/* Copies a caller's list, of one at least; raises what is wrong with it, in the name of `call`. */
mr_status mr__loaders_of(const char *call, mr_loader *const *loaders, int count, mr__loaders *list);

void mr__loaders_rewind(const mr__loaders *list);

/* mr_loader_save, in memory of one's own. */
typedef struct mr__loader_bytes {
    char *data;
    size_t size, room;
} mr__loader_bytes;

mr_status mr__loader_bytes_take(mr__loader_bytes *to, mr_loader *loader);

/* Room for so many bytes, and some more; and a copy of some. */
mr_status mr__loader_bytes_room(mr__loader_bytes *to, size_t size);
mr_status mr__loader_bytes_keep(mr__loader_bytes *to, const void *from, size_t size);

#endif
