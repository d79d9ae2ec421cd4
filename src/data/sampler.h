/* Samplers as loaders and other samplers use them. */
#ifndef MILLRACE_DATA_SAMPLER_H
#define MILLRACE_DATA_SAMPLER_H

#include <millrace/samplers.h>

struct mr_sampler {
    const mr_sampler_vtable *vtable;
    void *self;
};

/* Bytes of state that it saves and restores; 0 for one that lacks a callback for it. */
static inline size_t mr__sampler_state_size(const mr_sampler *sampler)
{
    const mr_sampler_vtable *v = sampler->vtable;
    return v->save && v->restore ? v->state_size : 0;
}

/* The generator that it draws from besides its state; NULL: none. */
static inline mr_rng *mr__sampler_generator(const mr_sampler *sampler)
{
    return sampler->vtable->generator ? sampler->vtable->generator(sampler->self) : NULL;
}

/* The calls raise failures, also of callbacks that did not, in the name of `call`. */
mr_status mr__sampler_begin(const mr_sampler *sampler, const char *call, int64_t epoch);
mr_status mr__sampler_skip(const mr_sampler *sampler, const char *call, int64_t count); /* or MR_END */

/* Writes the next indices, at most `most`: how many there are; fewer only before the end, or when the sampler gives
 * batches. 0 at the end, -1 after a failure. valid[] is made true, but for padding. */
int64_t mr__sampler_take(const mr_sampler *sampler, const char *call, int64_t *index, bool *valid,
                         int64_t most);

/* What it says of itself, to be freed; "" if it says nothing. NULL after a failure. */
char *mr__sampler_text(const mr_sampler *sampler);

/* ---- for samplers of the library's ---- */

/* In words. */
const char *mr__remainder_name(mr_remainder remainder);

/* What describe gives, of a sampler that is made of another one. */
int mr__describe_inner(char *text, size_t room, const mr_sampler *inner, const char *format, ...)
    MR_PRINTF(4, 5);

/* The indices of one batch, for those who ask for them one by one. */
typedef struct mr__handful {
    int64_t *index;
    bool *valid;
    int64_t capacity, count, at;
} mr__handful;

mr_status mr__handful_init(mr__handful *handful, int64_t capacity);
void mr__handful_free(mr__handful *handful);

/* MR_OK, *count being how many rows there are; MR_END; or a failure. */
typedef mr_status mr__next_batch(void *self, int64_t *index, bool *valid, int64_t *count);

/* What next and next_many are, of samplers that give batches. */
mr_status mr__handful_next(mr__handful *handful, mr__next_batch *batch, void *self, int64_t *index);
mr_status mr__handful_next_many(mr__handful *handful, mr__next_batch *batch, void *self, int64_t *index,
                                bool *valid, int64_t most, int64_t *count);

/* mr_sampler_new of a struct that begins with a vtable of its own, filled in there. Calls its `destroy` when that fails. */
mr_sampler *mr__sampler_with_vtable(const void *self, size_t size);

#endif
