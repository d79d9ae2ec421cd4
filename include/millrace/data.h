/*
 * Millrace, data layer: datasets, streams, and the loader that makes batches of them.
 *
 * Samples are written where they will be read: a dataset's callback gets pointers into the batch and fills
 * in its row, so nothing is copied or allocated on the way.
 *
 * Threads: a loader, a cursor and a sampler belong to one thread at a time, which runs their callbacks; those of the
 * dataset are also run by the workers of a loader that has some. Several loaders may read one dataset at once if its
 * callbacks allow that. Constructors copy the struct at `self`; to share one, give
 * the address of a pointer to it (`&p, sizeof p`).
 */
#ifndef MILLRACE_DATA_H
#define MILLRACE_DATA_H

#include <millrace/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_dataset mr_dataset;
typedef struct mr_loader mr_loader;
typedef struct mr_sampler mr_sampler;
typedef struct mr_cursor mr_cursor;

/* ---- what a sample is made of -------------------------------------------------------------------- */

/* One field of every sample: `{ .name = "x" }` is a float32 number, `{ "image", MR_UINT8, { 2, { 28, 28 } } }` an array
 * (in braces, so that it can be a static const; elsewhere MR_SHAPE(28, 28) will do). */
typedef struct mr_field {
    const char *name;
    mr_dtype dtype;
    /* of one sample; no dimensions: a number; a first one of -1: ragged (<millrace/ragged.h>) */
    mr_shape shape;
} mr_field;

/* Where a callback writes one sample: field[i] points to room for all elements of the i-th field, row-major. */
typedef struct mr_sample {
    void *const *field; /* of a ragged field, to its mr_ragged */
    int64_t epoch;      /* the loader's; 0 where no loader asks */
    void *worker;       /* what the dataset's worker_open gave; NULL without it */
} mr_sample;

/* ---- datasets by index (torch's Dataset) ------------------------------------------------------------ */

typedef struct mr_dataset_vtable {
    /* The number of samples; it must not change. */
    int64_t (*len)(void *self);
    /* Writes the sample at `index`, 0 to len - 1. MR_OK, or mr_fail(…) with what is wrong. */
    mr_status (*get)(void *self, int64_t index, const mr_sample *sample);
    /* Optional: writes `count` samples, one after the other, from first->field[i] on. For data that can be
     * gathered faster than one by one; must give what `get` gives. When it fails, `get` is asked for each of the
     * samples in turn, to name the one that cannot be had. */
    mr_status (*get_many)(void *self, const int64_t *indices, int64_t count, const mr_sample *first);
    /* Optional: frees what `self` holds. */
    void (*destroy)(void *self);
    /* Optional, for readers that need a file, a decoder or a tape for each thread: what `worker_open` makes is given to
     * the callbacks of that thread as sample->worker until `worker_close`. NULL after mr_fail(…). */
    void *(*worker_open)(void *self);
    void (*worker_close)(void *self, void *worker);
    /* Optional: where the sample at `index` comes from, such as "'data.csv': line 17", written as snprintf does; what
     * the field of that number is made of, or with -1 the sample as a whole. 0: that is not known. Asked, by any
     * thread, when a sample that `get` gave is refused by a function that gets it (mr_map_new): what `get` itself fails
     * with names the place. */
    int (*origin)(void *self, int64_t index, int field, char *text, size_t room);
} mr_dataset_vtable;

/* Makes a dataset. `vtable` is borrowed; the `size` bytes at `self` and the fields with their names are
 * copied. */
MR_API mr_dataset *mr_dataset_new(const mr_dataset_vtable *vtable, const void *self, size_t size,
                                  const mr_field *fields, int field_count);

/* Makes a dataset of the rows of tensors whose first dimensions are equal (torch's TensorDataset), its
 * fields named by `names` ("0", "1", … where that is NULL). Borrows the tensors, which are contiguous. */
MR_API mr_dataset *mr_dataset_from_tensors(mr_tensor *const *tensors, const char *const *names, int count);

/* The struct of a dataset made with this vtable, for functions of its kind; NULL of another. A view. */
MR_API void *mr_dataset_self(mr_dataset *dataset, const mr_dataset_vtable *vtable);

/* Frees a dataset. Loaders and cursors over it must not be used afterwards, but may be freed; batches of theirs that were
 * not kept are gone. */
MR_API void mr_dataset_free(mr_dataset *dataset);

/* Number of samples; -1 for a stream that does not know it. */
MR_API int64_t mr_dataset_len(mr_dataset *dataset);

/* The fields. Views an array of mr_dataset_field_count of them. */
MR_API const mr_field *mr_dataset_fields(const mr_dataset *dataset);
MR_API int mr_dataset_field_count(const mr_dataset *dataset);

/* Where the sample at `index` comes from, as far as the dataset knows: "'data.csv': line 17", "'photos/cat/3.jpg'".
 * What the field of that number is made of, or with -1 the sample as a whole. Writes it to `text`, at most `room` bytes
 * with the '\0'; its length, as snprintf; 0: it is not known; -1 after a failure. */
MR_API int mr_dataset_origin(mr_dataset *dataset, int64_t index, int field, char *text, size_t room);

/* ---- streams (torch's IterableDataset) ----------------------------------------------------------------- */

typedef struct mr_stream_vtable {
    /* A cursor at the beginning of shard `shard` of `shards`; a stream that cannot be split gives all its
     * samples to shard 0. NULL after mr_fail(…). */
    void *(*open)(void *self, int64_t shard, int64_t shards);
    /* Writes the next sample: MR_OK, MR_END when there is none, or mr_fail(…). Where bad samples are left out it is
     * called again after a failure, for the sample behind: a cursor that cannot come to it says MR_END. */
    mr_status (*next)(void *cursor, const mr_sample *sample);
    /* Frees a cursor; the stream may be gone by then. */
    void (*close)(void *cursor);
    /* Optional: the number of samples, when it is known. */
    int64_t (*len)(void *self);
    /* Optional: frees what `self` holds. */
    void (*destroy)(void *self);
    /* Optional: where a cursor stands, `cursor_state_size` bytes, written after a sample was read, and read by a new cursor
     * of the same shard, which goes on behind that sample. Without them a loader's state is restored by reading all
     * samples before, and throwing them away. A state can go to another machine if these bytes can. */
    size_t cursor_state_size;
    void (*tell)(void *cursor, void *state);
    mr_status (*seek)(void *cursor, const void *state);
    /* Optional: how many shards the stream is best read in, say its files; a loader's `shards` goes before it. */
    int64_t (*shards)(void *self);
    /* Optional: where the sample comes from that the cursor gave last, as a dataset's `origin` says it. */
    int (*origin)(void *cursor, int field, char *text, size_t room);
} mr_stream_vtable;

/* Makes a dataset that is a stream; the rules are mr_dataset_new's. */
MR_API mr_dataset *mr_stream_new(const mr_stream_vtable *vtable, const void *self, size_t size,
                                 const mr_field *fields, int field_count);

/* ---- batches -------------------------------------------------------------------------------------------- */

/* Some samples, a tensor for each field with the row as its first dimension; <millrace/ragged.h> says what ragged fields are. */
typedef struct mr_batch {
    int field_count;
    mr_tensor *const *field; /* in the order of the dataset's fields */
    const char *const *name; /* of each field */
    int64_t rows;            /* how many samples */
    int64_t epoch;           /* from 0 */
    int64_t position;        /* of the first row: samples delivered in this epoch before it */
    const int64_t *indices;  /* which sample each row is; in a stream, its number in the epoch */
    const bool *valid;       /* whether each row is a sample, not padding */
    int64_t
        number; /* of this batch in the order of the epoch, from 0; of a stream in several shards with gaps
                                where one has ended */
    bool of_stream; /* then `indices` say nothing of what the samples are */
} mr_batch;

/* The sample at `index` of a dataset by index, as a batch whose tensors have the shape of one sample. Makes
 * it: free it with mr_batch_free. */
MR_API mr_batch *mr_dataset_get(mr_dataset *dataset, int64_t index);

/* An independent copy of a batch, which lives until mr_batch_free. */
MR_API mr_batch *mr_batch_keep(const mr_batch *batch);
MR_API void mr_batch_free(mr_batch *batch);

/* Goes through a stream by hand. mr_cursor_next gives MR_OK and a sample as mr_dataset_get does, which is a
 * view valid until the next call; MR_END when there are no more. */
MR_API mr_cursor *mr_stream_open(mr_dataset *stream);
MR_API MR_CHECKED mr_status mr_cursor_next(mr_cursor *cursor, const mr_batch **sample);
MR_API void mr_cursor_free(mr_cursor *cursor);

/* Where the sample that mr_cursor_next has just given comes from, as mr_dataset_origin; 0 where it gave none. */
MR_API int mr_cursor_origin(mr_cursor *cursor, int field, char *text, size_t room);

/* ---- the order of samples ----------------------------------------------------------------------------------- */

/* An order of your own (torch's Sampler). */
typedef struct mr_sampler_vtable {
    /* Before the first index of each epoch. */
    mr_status (*begin)(void *self, int64_t epoch);
    /* The next index: MR_OK, MR_END at the end of the epoch, or mr_fail(…). */
    mr_status (*next)(void *self, int64_t *index);
    /* Indices per epoch; -1 when that is not known. */
    int64_t (*len)(void *self);
    /* Optional: frees what `self` holds. */
    void (*destroy)(void *self);
    /* Optional: what besides (epoch, position) the order of an epoch hangs on, `state_size` bytes, saved before `begin`
     * and restored before the `begin` that is to give the same order again. Without them `begin` must give the same
     * order for the same epoch. */
    size_t state_size;
    void (*save)(void *self, void *state);
    mr_status (*restore)(void *self, const void *state);
    /* Optional: passes over `count` indices; without it `next` is called so often. */
    mr_status (*skip)(void *self, int64_t count);
    /* Optional, instead of a call of `next` for each: writes the next indices, 1 to `most`, and how many they are to
     * *count; fewer than `most` only before the end. valid[i] is true before, and may be made false for a row that is
     * padding: the sample is there, but is not to count. */
    mr_status (*next_many)(void *self, int64_t *indices, bool *valid, int64_t most, int64_t *count);
    /* What next_many gives is a batch, however many there are in it (torch's batch_sampler); the loader's batch size is the
     * most. `len` then counts batches; `next` and `skip` still count indices. */
    bool batches;
    /* Optional: what it is, in words, written as snprintf does: its kind, length, seed, rank and whatever else the order
     * hangs on besides (epoch, position) and the state. A loader's state holds it, and is restored by no loader whose sampler
     * says anything else. */
    int (*describe)(void *self, char *text, size_t room);
    /* Optional, of one that gives batches: the most that there can be in one. A loader of a smaller batch size refuses it. */
    int64_t (*most)(void *self);
    /* Optional: the generator of the program's that it draws from when an epoch begins, and that its state does not
     * set; borrowed, NULL: there is none. A trainer's checkpoints hold it. */
    mr_rng *(*generator)(void *self);
} mr_sampler_vtable;

/* Makes a sampler; the `size` bytes at `self` are copied, `vtable` is borrowed. */
MR_API mr_sampler *mr_sampler_new(const mr_sampler_vtable *vtable, const void *self, size_t size);
MR_API void mr_sampler_free(mr_sampler *sampler);

/* ---- the loader (torch's DataLoader) -------------------------------------------------------------------------- */

/* What becomes of a sample that its callback fails for: the epoch ends with the failure; or it is left out. Then its
 * batch is shorter, and all others are what they would have been (a batch of which nothing is left is not delivered); a
 * stream goes on with its next sample, so that its batches are full, but ends the epoch with the failure when it fails
 * a thousand times in a row. A file that is damaged, or a connection that breaks off, is one bad sample of a stream,
 * and what is behind it in the shard is lost. */
typedef enum mr_bad_policy { MR_BAD_STOP = 0, MR_BAD_SKIP = 1 } mr_bad_policy;

typedef struct mr_loader_opts {
    int64_t batch_size; /* default 1 */
    bool shuffle;       /* a new order each epoch, torch.randperm's; of a stream: see below */
    bool drop_last;     /* leave out a last batch that is short */

    int workers;      /* threads that make batches ahead; 0, the default: the calling thread makes them */
    int64_t prefetch; /* batches made ahead, at most; default 2 for each worker, at least 4 */
    int64_t
        prefetch_bytes; /* and bytes, of which one batch is always allowed; ragged fields are taken to be as large as in
                               the largest batch so far. Default: no bound */
    double timeout; /* seconds that a worker may take for one sample; default: no limit */

    mr_bad_policy on_bad_sample; /* default MR_BAD_STOP */
    int64_t max_bad_samples;     /* in an epoch, at most: one more is a failure; default: any number */
    /* batches may come as they are ready; each has its `number`. Without workers that is in order */
    bool unordered;
    int64_t shards;        /* of a stream: how many it is cut into; default: the stream's own number, or 1 */
    int64_t shuffle_block; /* of a stream that is shuffled: samples held in memory for that; default 1024 */
} mr_loader_opts;

/* Workers are threads that live from the first batch until the loader is freed. Then several of them, and the one that
 * asks for batches, call the dataset's get or get_many at once, and parts of a batch may be written by several. What is
 * delivered, in which order, and what is drawn from generators does not depend on the number of workers. A failure is
 * returned when its batch is due. Batches are made ahead beyond the end of an epoch where its order is known: not with a
 * sampler that has a state, and with shuffle until somebody else draws from the generator between two epochs. So what a
 * sampler without state is asked, and streams, may begin an epoch that nobody asks for. A batch of a stream is written by
 * one thread. Batches that take a few
 * microseconds are made by the calling thread, which costs less. No callback calls the loader that calls it: that is
 * MR_ERR_STATE.
 *
 * With a timeout a sample that takes longer ends the epoch with MR_ERR_STATE, and names it, its shard and the worker. A
 * worker that does not come back from a callback is left behind, with the memory that it writes to; a new one takes its
 * place. Freeing and rewinding a loader wait for callbacks that are under way, for the time of `timeout`, or else ten
 * seconds.
 *
 * Unordered, the batches of an epoch are those that they are otherwise, with the same numbers, and all of them come before the
 * next epoch's, but in the order in which they are ready; those of one shard of a stream keep theirs. A state knows which of
 * them came.
 *
 * A stream in several shards is read by as many workers at once, never by two of them in one shard. Up to 32 are open at
 * a time; they take turns in giving whole batches, and what is left at their ends is put together, so only the last
 * batch of an epoch is short. With `shuffle` the shards come in another order each epoch, and so do the samples of what is
 * read one after the other, `shuffle_block` of them at a time, of which each open shard has its part. The seed of both is
 * drawn as torch's RandomSampler draws its own. Which samples are in a batch hangs on the stream, the options and the seed
 * alone. A stream that promises a length (`len`) must keep to it: too few samples, or too many, are a failure. */

/* Makes a loader. Borrows the dataset and `rng`, which is not NULL, without shuffle either, and stands for torch's
 * default generator: each epoch draws from it what DataLoader draws (two words when the epoch begins, and with shuffle
 * two more at its first batch), so that order and later draws are torch's. Nothing is drawn here. */
MR_API mr_loader *mr_loader_new(mr_dataset *dataset, mr_rng *rng, const mr_loader_opts *opts);
MR_API void mr_loader_free(mr_loader *loader);

/* Draws from a generator of the loader's own instead (`generator=` in torch), which is borrowed: shuffling
 * then draws the permutation from it directly. Before the first epoch. */
MR_API mr_status mr_loader_set_generator(mr_loader *loader, mr_rng *generator);

/* Takes the order from a sampler, which is adopted; excludes shuffle and streams. One that gives batches of its own also
 * excludes drop_last. Before the first epoch. <millrace/samplers.h> has some. */
MR_API mr_status mr_loader_set_sampler(mr_loader *loader, mr_sampler *sampler);

/* A collate function gets the stacked samples and makes the batch that is delivered: it calls
 * mr_collate_field for each field of its own, and fills in the tensor that it gets. */
typedef struct mr_collated mr_collated;
typedef mr_status (*mr_collate_function)(void *user, const mr_batch *samples, mr_collated *out);

/* The next field of the batch in the making: room for a tensor of this shape, zeroed. Views it, valid as
 * the batch is. NULL after a failure. `name` is borrowed. */
MR_API mr_tensor *mr_collate_field(mr_collated *out, const char *name, mr_dtype dtype, mr_shape shape);

/* Delivers what `collate` makes of the stacked samples. `user` is borrowed. Before the first epoch. */
MR_API mr_status mr_loader_set_collate(mr_loader *loader, mr_collate_function collate, void *user);

/* The next batch: MR_OK and a view, valid until the next call on this loader; MR_END at the end of the
 * epoch, after which the next call begins the next epoch. A failing sample is named: "loader: sample 17:
 * …"; the loader then starts a new epoch at the next call. */
MR_API MR_CHECKED mr_status mr_loader_next(mr_loader *loader, const mr_batch **batch);

/* A sample that was left out: its index (in a stream, its number in its shard, from 0) and what its callback said. */
typedef struct mr_bad_sample {
    int64_t index, epoch;
    const char *message; /* "loader: sample 17: …", "loader: shard 3: sample 17: …" */
    int64_t shard;       /* of a stream, the number that it was opened with; -1 for a dataset by index */
} mr_bad_sample;

/* How many samples were left out of the batches up to now, in all epochs. `*list`, if not NULL, views the first
 * `*listed` of them, at most a thousand, until the next call on the loader. They are part of the loader's state.
 * Without a loader there are none, which is no failure. */
MR_API int64_t mr_loader_bad_samples(const mr_loader *loader, const mr_bad_sample **list, int64_t *listed);

/* Leaves the epoch early: the next mr_loader_next begins the next one (Python's break, and a new iter). */
MR_API void mr_loader_rewind(mr_loader *loader);

/* ---- where the time goes ---- */

/* Seconds, and what went by in one: samples, and bytes of their fields. */
typedef struct mr_loader_stage {
    double seconds, samples, bytes;
} mr_loader_stage;

/* Since the loader was made. Calls that follow quickly on each other are timed now and then, and the rest is reckoned. */
typedef struct mr_loader_stats {
    int64_t batches, samples, bytes; /* delivered */
    mr_loader_stage fill;            /* in the dataset, added up over all threads */
    mr_loader_stage collate;         /* in the collate function */
    mr_loader_stage wait;            /* in mr_loader_next */
    mr_loader_stage caller;          /* between a batch and the next one of the same epoch */
    mr_loader_stage all;             /* of the last two */
    double ready;                    /* batches that were ready when one was asked for, on average */
    int64_t prefetch;                /* of at most so many; 0 without workers */
    bool loader_bound;               /* more time in mr_loader_next than with the caller */
} mr_loader_stats;

/* Writes them to `stats`; zeros without a loader, which is no failure. */
MR_API void mr_loader_get_stats(const mr_loader *loader, mr_loader_stats *stats);

/* Writes them as a line of words that begins with "loader-bound: " or "model-bound: " to `text`, at most `room` bytes with
 * the '\0'. Its length, as snprintf. */
MR_API int mr_loader_explain(const mr_loader *loader, char *text, size_t room);

/* ---- state: stopping anywhere, and going on ---- */

/* Where the caller stands: behind the last batch that it got, inside an epoch or between two, however far batches were
 * made ahead. Views `*size` bytes, valid until the next call on the loader; they are the same on every machine, but for
 * what samplers and cursors write of their own. Any number of times. */
MR_API MR_CHECKED mr_status mr_loader_save(mr_loader *loader, const void **bytes, size_t *size);

/* Goes to where a loader stood that gave these bytes; the next mr_loader_next gives the batch that would have been its
 * next. This loader, new or used, has an equal dataset (its length is compared), the same batch size, drop_last and
 * shuffle, a sampler that says the same of itself (`describe`), of a stream the same replica's part
 * (mr_replica_stream_new), and a generator of its own if the other had one; workers and prefetch may differ. Nothing is
 * drawn from the default generator (`rng`), and it is not part of the state: whoever owns it puts it where it stood at
 * the save, by mr_rng_set_state, and does so after this call, since a sampler's `begin` and the dataset may draw. A
 * generator of the loader's own is put there by this call. MR_ERR_ARGUMENT, with what differs; MR_ERR_FORMAT for bytes
 * that are damaged or of another version. Then the loader is as it was; if a sampler, a generator's state or
 * worker_open fails, it stands between epochs. */
MR_API MR_CHECKED mr_status mr_loader_restore(mr_loader *loader, const void *bytes, size_t size);

/* Batches per epoch; -1 when the length is not known. */
MR_API int64_t mr_loader_len(mr_loader *loader);
MR_API int64_t mr_loader_batch_size(const mr_loader *loader);

#ifdef __cplusplus
}
#endif
#endif
