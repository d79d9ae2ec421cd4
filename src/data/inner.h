/* Datasets as the datasets that are made of them use them. */
#ifndef MILLRACE_DATA_INNER_H
#define MILLRACE_DATA_INNER_H

#include "dataset.h"

#include <millrace/datasets.h>

enum { MR__MOST_FIELDS = 64 };

/* ---- making: what follows raises failures in the name of `call` ---- */

typedef enum mr__kind { MR__BY_INDEX, MR__STREAM, MR__EITHER } mr__kind;

/* What kind a dataset is; MR__EITHER of NULL. */
mr__kind mr__kind_of(const mr_dataset *dataset);

/* Whether a dataset can be made of `inner`, one of that kind. */
bool mr__inner_acceptable(const char *call, const mr_dataset *inner, mr__kind kind);

/* Whether it can be made of several, which have the same fields. */
bool mr__inners_alike(const char *call, mr_dataset *const *inners, int count, mr__kind kind);

/* An array of the datasets, which are held; and its end. NULL is freed without harm. */
mr_dataset **mr__inners_hold(mr_dataset *const *inners, int count);
void mr__inners_release(mr_dataset **inners, int count);

/* Samples of all together; -1 when that is not known. */
int64_t mr__inners_len(mr_dataset *const *inners, int count);

/* mr_dataset_new and mr_stream_new of a struct that begins with a vtable of its own. On failure `destroy` is called. A
 * stream says of itself what those say that it is made of (dataset->about). */
mr_dataset *mr__dataset_with_vtable(const void *self, size_t size, const mr_field *fields, int field_count);
mr_dataset *mr__stream_with_vtable(const void *self, size_t size, const mr_field *fields, int field_count,
                                   mr_dataset *const *inners, int count);

/* ---- reading ---- */

/* What became of a callback, MR_OK or a failure that has a text. */
mr_status mr__with_text(mr_status status);

/* The sample at `index`, as a dataset's get does. */
mr_status mr__inner_get(const mr_dataset *inner, int64_t index, const mr_sample *sample);

/* `count` samples, one after the other, from first->field[i] on; one by one if there is no other way. */
mr_status mr__inner_get_many(const mr_dataset *inner, const int64_t *indices, int64_t count,
                             const mr_sample *first);

/* Where field f of row `row` behind `first` is. */
static inline void *mr__row(const mr_dataset *dataset, const mr_sample *first, int f, int64_t row)
{
    return (char *)first->field[f] + (size_t)row * dataset->row_bytes[f];
}

/* ---- several by index, as one ---- */

/* What begins the struct of a dataset that is made of several. */
typedef struct mr__several {
    mr_dataset_vtable vtable;
    mr_dataset **inner; /* held */
    int count;
} mr__several;

/* Holds the datasets, and sets the callbacks for what their threads need; false after a failure. */
bool mr__several_begin(mr__several *several, mr_dataset *const *datasets, int count);
void mr__several_end(mr__several *several);

/* What the worker_open of the i-th gave. */
void *mr__several_worker(const mr_sample *sample, int i);

/* ---- streams ---- */

/* A cursor, which can be closed when its stream is gone. */
typedef struct mr__inner_cursor {
    void *at;
    mr_stream_vtable vtable; /* a copy */
} mr__inner_cursor;

mr_status mr__inner_open(mr__inner_cursor *cursor, const mr_dataset *stream, int64_t shard, int64_t shards);
void mr__inner_close(mr__inner_cursor *cursor);

/* MR_OK, MR_END, or a failure that has a text. */
mr_status mr__inner_next(const mr__inner_cursor *cursor, const mr_sample *sample);

/* How many shards a stream has of its own; 1 where it does not say. */
int64_t mr__inner_shards(const mr_dataset *stream);

/* Whether a stream's cursors can tell and seek. */
bool mr__inner_tells(const mr_dataset *stream);

/* Writes a state of a stream's cursor at *state, or reads it from there, which is then moved behind it. */
void mr__inner_tell(const mr__inner_cursor *cursor, unsigned char **state);
mr_status mr__inner_seek(const mr__inner_cursor *cursor, const unsigned char **state);

/* ---- where samples come from ---- */

enum { MR__ORIGIN_ROOM = 4096 + 512 }; /* for a path, and a place in a file */

/* What the dataset's `origin` says of a sample, and that of a cursor of the one that was given last: as snprintf; ""
 * and 0 when that is not known. */
int mr__origin_of(const mr_dataset *dataset, int64_t index, int field, char *text, size_t room);
int mr__origin_of_last(const mr__inner_cursor *cursor, int field, char *text, size_t room);

/* The same of a sample of `dataset`, or if there is a cursor of the last one that it gave, whatever failure is pending,
 * which stays what it is. -1 when there was none, and now there is. */
int mr__ask_origin(const mr_dataset *dataset, const mr__inner_cursor *cursor, int64_t index, int field,
                   char *text, size_t room);

/* A function refused a sample that `inner` gave, by `cursor` if it is a stream: puts where it comes from, and the field
 * that was read (-1: any), before the failure, whose status it gives. */
mr_status mr__refused(mr_status status, const mr_dataset *inner, const mr__inner_cursor *cursor,
                      int64_t index, int field);

/* ---- states ---- */

/* A number in a state. */
enum { MR__STATE_NUMBER = 8 };
void mr__put_number(unsigned char **state, int64_t number);
int64_t mr__get_number(const unsigned char **state);

#endif
