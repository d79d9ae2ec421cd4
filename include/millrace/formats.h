/*
 * Millrace, formats layer: files that other programs read.
 *
 * Threads: saving reads a module, loading writes it; neither while another thread changes it.
 */
#ifndef MILLRACE_FORMATS_H
#define MILLRACE_FORMATS_H

#include <millrace/nn.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the parameters and buffers of a module, under torch's names, to a safetensors file. The file is written under
 * a temporary name, synced and renamed: there is the old file or the new one, never half of one. */
MR_API MR_CHECKED mr_status mr_module_save(mr_module *module, const char *path);

typedef struct mr_load_opts {
    bool not_strict; /* leave tensors that the file lacks, and pass over tensors the module lacks */
} mr_load_opts;

/* Reads them back into a module of the same architecture. Strict unless told otherwise: a name that is
 * missing or too many is a failure that names it; a shape or dtype that differs always is one, naming the
 * key and both shapes. When it fails, the module is unchanged. What a trainer's checkpoint holds besides, under
 * "optimizer." and "trainer.", is passed over. A file with a checksum, as those have, is refused if it does not hold. */
MR_API MR_CHECKED mr_status mr_module_load(mr_module *module, const char *path, const mr_load_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
