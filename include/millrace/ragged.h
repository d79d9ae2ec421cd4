/*
 * Millrace, data layer: fields whose samples differ in length, and what makes dense tensors of them.
 *
 * A field whose first dimension is -1 is *ragged*: `{ "tokens", MR_INT32, { 1, { -1 } } }`, or `{ "frames", MR_FLOAT32,
 * { 2, { -1, 80 } } }`, whose items are rows of 80. A callback finds an mr_ragged at sample->field[i], calls
 * mr_ragged_resize on it, and writes the items; get_many finds one for each sample, in a row. A batch has the items of
 * all its samples in the tensor of the field, one sample behind the other, and behind all fields, for each ragged one,
 * an int64 tensor called "tokens.offsets": the items of row r are those from offsets[r] up to offsets[r + 1]. A sample
 * by itself (mr_dataset_get, a cursor) has its items, and no offsets.
 *
 * Memory for the items belongs to the slots of the loader, and grows until it is enough.
 */
#ifndef MILLRACE_RAGGED_H
#define MILLRACE_RAGGED_H

#include <millrace/data.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The items of one sample; only mr_ragged_resize changes it. */
typedef struct mr_ragged {
    void *data;        /* `count` items, one behind the other */
    int64_t count;     /* 0 until mr_ragged_resize is called for a sample */
    size_t item_bytes; /* of one item */
    size_t room;       /* bytes at `data` */
    bool lent;         /* they are the batch's own */
} mr_ragged;

/* Makes it `count` items long. Views where they go; what was written before stays, as far as it goes. Never NULL but after a
 * failure. By the thread that writes the sample. */
MR_API void *mr_ragged_resize(mr_ragged *ragged, int64_t count);

/* Makes a dataset of items that lie in memory: sample i has the rows of `values` from offsets[i] up to offsets[i + 1],
 * in a field called `name`. `offsets` is int64, with one more element than there are samples, and does not decrease.
 * Borrows the tensors, which are contiguous. mr_zip_new puts labels beside it. */
MR_API mr_dataset *mr_dataset_from_ragged(mr_tensor *values, mr_tensor *offsets, const char *name);

/* ---- dense tensors of ragged fields: functions for mr_loader_set_collate --------------------------------------- */

typedef struct mr_collate_pad_opts {
    double value; /* of what is padded; default 0 */
    /* of each padded sample; a longer one is a failure. Default: that of the batch's longest */
    int64_t length;
    int64_t multiple_of; /* rounds that up to a multiple; default 1 */
} mr_collate_pad_opts;

/* Pads: "tokens" becomes a tensor [rows, length, …], with the items of each row first. Behind all fields come, for each
 * ragged one, "tokens.padding" (bool [rows, length], true where there is no item: what mr_attention's masks of padded
 * keys are) and "tokens.lengths" (int64 [rows]). Other fields stay as they are. `user`: an mr_collate_pad_opts, which
 * is borrowed, or NULL. */
MR_API mr_status mr_collate_pad(void *user, const mr_batch *samples, mr_collated *out);

typedef struct mr_collate_pack_opts {
    int64_t length; /* items of a packed row; a sample that is longer is a failure. Must be set */
    double value;   /* of what is left free; default 0 */
    bool best_fit; /* less is left free: the longest samples first, each into the row that it fills up most */
} mr_collate_pack_opts;

/* Packs several samples into a row: "tokens" becomes [packed, length, …], each sample where it first fits, in the order
 * of the batch. All ragged fields have the same lengths. Behind all fields come, int64: "segments" [packed, length],
 * which sample of the row an item is of, from 1 on, 0 where there is none; "positions" [packed, length], which item of
 * its sample; "packed_row" and "packed_start" [rows], where the items of each sample are. Other fields stay as they
 * are, a row for each sample. `user`: an mr_collate_pack_opts, which is borrowed. */
MR_API mr_status mr_collate_pack(void *user, const mr_batch *samples, mr_collated *out);

#ifdef __cplusplus
}
#endif
#endif
