#include "faults.h"

#include "base/alloc.h"
#include "tensor/tensor.h"

#include <string.h>

/* ---- taking note, on any thread ---- */

bool mr__fault_note(mr__slot_batch *slot, int64_t row, int64_t shard, int64_t sample)
{
    mr__failure failure;
    mr__failure_take(&failure);
    const size_t length = strlen(failure.text) + 1;
    mr_error_clear(); /* if there is no memory, that is what the caller hears of */
    mr__fault *fault = mr__alloc(sizeof *fault + length);
    if (!fault)
        return false;
    fault->row = row;
    fault->shard = shard;
    fault->sample = sample;
    memcpy(fault->text, failure.text, length);
    fault->next = atomic_load_explicit(&slot->faults, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&slot->faults, &fault->next, fault, memory_order_release,
                                                  memory_order_relaxed)) {}
    return true;
}

static void free_all(mr__fault *fault)
{
    while (fault) {
        mr__fault *next = fault->next;
        mr__free(fault);
        fault = next;
    }
}

/* Mostly there is none, and an exchange would wait for all that this thread has stored. */
static mr__fault *take_list(mr__slot_batch *slot)
{
    return atomic_load_explicit(&slot->faults, memory_order_relaxed)
               ? atomic_exchange_explicit(&slot->faults, NULL, memory_order_acquire)
               : NULL;
}

void mr__faults_clear(mr__slot_batch *slot)
{
    free_all(take_list(slot));
}

/* ---- taking down ---- */

/* The first of two lists goes first where rows are equal. */
static mr__fault *merge(mr__fault *a, mr__fault *b)
{
    mr__fault *all = NULL, **end = &all;
    while (a && b) {
        mr__fault **from = b->row < a->row ? &b : &a;
        *end = *from;
        *from = (*from)->next;
        end = &(*end)->next;
    }
    *end = a ? a : b;
    return all;
}

/* By rows, those with the same row, which come from a stream, in the order in which they came: so the last one is at the front
 * of `from`. Runs of 1, 2, 4, … faults wait in `run` until there are two of a length. */
static mr__fault *sorted(mr__fault *from)
{
    mr__fault *run[64] = { NULL }, *all = NULL;
    while (from) {
        mr__fault *some = from;
        from = from->next;
        some->next = NULL;
        int i = 0;
        for (; run[i]; run[i++] = NULL)
            some = merge(some, run[i]);
        run[i] = some;
    }
    for (int i = 0; i < 64; i++)
        all = merge(all, run[i]);
    return all;
}

static mr_status keep(mr__bad *bad, const mr__fault *fault, int64_t epoch)
{
    bad->count++;
    bad->in_epoch++;
    if (bad->listed < MR__BAD_LISTED) {
        if (!bad->list && !(bad->list = mr__alloc_array(MR__BAD_LISTED, sizeof *bad->list)))
            return MR_ERR_MEMORY;
        char *text = mr__strdup(fault->text);
        if (!text)
            return MR_ERR_MEMORY;
        bad->list[bad->listed++] = (mr_bad_sample){ fault->sample, epoch, text, fault->shard };
    }
    if (bad->most && bad->in_epoch > bad->most)
        return mr__raise(MR_ERR_CALLBACK, "%s; bad samples in epoch %lld: %lld, and %lld are allowed",
                         fault->text, (long long)epoch, (long long)bad->in_epoch, (long long)bad->most);
    return MR_OK;
}

static void move_rows(mr__slot_batch *slot, int64_t to, int64_t from, int64_t count)
{
    if (to == from || count == 0)
        return;
    (void)mr__slot_move_rows(slot, to, slot, from, count);
    memmove(slot->index + to, slot->index + from, (size_t)count * sizeof *slot->index);
    memmove(slot->valid + to, slot->valid + from, (size_t)count * sizeof *slot->valid);
}

static int64_t close_gaps(mr__slot_batch *slot, const mr__fault *fault, int64_t rows)
{
    int64_t to = 0, from = 0;
    for (; fault; fault = fault->next) {
        move_rows(slot, to, from, fault->row - from);
        to += fault->row - from;
        from = fault->row + 1;
    }
    move_rows(slot, to, from, rows - from);
    return to + rows - from;
}

int64_t mr__faults_take(mr__bad *bad, mr__slot_batch *slot, int64_t rows, int64_t epoch, bool by_row)
{
    mr__fault *all = sorted(take_list(slot));
    mr_status status = MR_OK;
    for (const mr__fault *fault = all; fault && status == MR_OK; fault = fault->next)
        status = keep(bad, fault, epoch);
    if (all && by_row && rows > 0)
        rows = close_gaps(slot, all, rows);
    free_all(all);
    return status == MR_OK ? rows : -1;
}

/* ---- what is remembered ---- */

void mr__bad_free(mr__bad *bad)
{
    for (int64_t i = 0; i < bad->listed; i++)
        mr__free((char *)(uintptr_t)bad->list[i].message);
    mr__free(bad->list);
    bad->list = NULL;
    bad->listed = 0;
}

void mr__bad_swap(mr__bad *a, mr__bad *b)
{
    const mr__bad held = *a;
    *a = *b;
    *b = held;
    b->skip = a->skip;
    b->most = a->most;
    a->skip = held.skip;
    a->most = held.most;
}

void mr__bad_write(const mr__bad *bad, mr__strbuf *to)
{
    mr__write_i64(to, bad->count);
    mr__write_i64(to, bad->in_epoch);
    mr__write_i64(to, bad->listed);
    for (int64_t i = 0; i < bad->listed; i++) {
        const char *text = bad->list[i].message;
        mr__write_i64(to, bad->list[i].index);
        mr__write_i64(to, bad->list[i].epoch);
        mr__write_i64(to, bad->list[i].shard);
        mr__write_i64(to, (int64_t)strlen(text));
        mr__strbuf_append_bytes(to, text, strlen(text));
    }
}

static bool read_one(mr__reader *from, mr_bad_sample *to)
{
    to->index = mr__read_i64(from);
    to->epoch = mr__read_i64(from);
    to->shard = mr__read_i64(from);
    int64_t length = mr__read_i64(from);
    const unsigned char *text =
        length >= 0 && length < MR__ERROR_BYTES ? mr__read_bytes(from, (size_t)length) : NULL;
    from->failed = from->failed || !text;
    char *copy = text ? mr__alloc((size_t)length + 1) : NULL;
    to->message = copy;
    if (!copy)
        return false;
    memcpy(copy, text, (size_t)length);
    copy[length] = '\0';
    return true;
}

bool mr__bad_read(mr__bad *bad, mr__reader *from)
{
    bad->count = mr__read_count(from);
    bad->in_epoch = mr__read_count(from);
    int64_t listed = mr__read_i64(from);
    if (from->failed || listed < 0 || listed > MR__BAD_LISTED || listed > bad->count ||
        bad->in_epoch > bad->count) {
        from->failed = true;
        return false;
    }
    if (listed && !(bad->list = mr__alloc_array(MR__BAD_LISTED, sizeof *bad->list)))
        return false;
    while (bad->listed < listed && read_one(from, &bad->list[bad->listed]))
        bad->listed++;
    return bad->listed == listed;
}
