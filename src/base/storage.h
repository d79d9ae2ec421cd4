/* Storages that are there. */
#ifndef MILLRACE_BASE_STORAGE_H
#define MILLRACE_BASE_STORAGE_H

#include <millrace/storage.h>

/* The disk's: needs no `self`. */
extern const mr_storage_vtable mr__disk;

/* Access and size of an open descriptor. */
void mr__descriptor_facts(int fd, mr_file_facts *facts);

/* read(2), tried again when a signal came in between. */
int64_t mr__read_descriptor(int fd, const char *name, void *bytes, size_t size);

#endif
