/*
 * Millrace, formats layer: files that other programs read.
 *
 * Threads: saving reads a module, loading writes it; neither while another thread changes it.
 */
#ifndef MILLRACE_FORMATS_H
#define MILLRACE_FORMATS_H

#include <millrace/nn.h>
#include <millrace/schedules.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the parameters and buffers of a module, under torch's names, to a safetensors file. The file is written under
 * a temporary name, synced and renamed: there is the old file or the new one, never half of one. */
MR_API MR_CHECKED mr_status mr_module_save(mr_module *module, const char *path);

typedef struct mr_load_opts {
    bool not_strict; /* leave tensors that the file lacks, and pass over tensors the module lacks */
    /* Of a trainer's checkpoint: in place of the weights their average, by the name of the callback that makes it,
     * "EMA" or "StochasticWeightAveraging"; of several by one name with the number that it has in the file, "1.EMA".
     * What is not averaged, such as running means, is the model's own. Default: none. */
    const char *average;
} mr_load_opts;

/* Reads them back into a module of the same architecture. Strict unless told otherwise: a name that is missing or too
 * many is a failure that names it; a shape or dtype that differs always is one, naming the key and both shapes. When it
 * fails, the module is unchanged. What a trainer's checkpoint holds besides, under "optimizer." and "trainer.", is
 * passed over; an average of the weights among it is what `average` asks for. A file with a checksum, as those have, is
 * refused if it does not hold. */
MR_API MR_CHECKED mr_status mr_module_load(mr_module *module, const char *path, const mr_load_opts *opts);

/* The state of an optimizer or a schedule (mr_optim_state, mr_schedule_state: readable names) as a safetensors file with a
 * checksum, written as mr_module_save writes. Loaded into one that was made alike; what does not fit is a failure, and
 * changes nothing. To go on where a run ended: module, optimizer and schedule, made in this order, then all three loaded;
 * the generators and the loader have states of their own (mr_rng_get_state, mr_loader_save). */
MR_API MR_CHECKED mr_status mr_optim_save(mr_optim *optim, const char *path);
MR_API MR_CHECKED mr_status mr_optim_load(mr_optim *optim, const char *path);
MR_API MR_CHECKED mr_status mr_schedule_save(mr_schedule *schedule, const char *path);
MR_API MR_CHECKED mr_status mr_schedule_load(mr_schedule *schedule, const char *path);

#ifdef __cplusplus
}
#endif
#endif
