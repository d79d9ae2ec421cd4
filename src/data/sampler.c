#include "sampler.h"

#include "base/alloc.h"
#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- making and freeing ---- */

mr_sampler *mr_sampler_new(const mr_sampler_vtable *vtable, const void *self, size_t size)
{
    if (!vtable || !vtable->begin || !vtable->next) {
        mr__raise(MR_ERR_ARGUMENT, "sampler_new: the vtable needs begin and next");
        return NULL;
    }
    if (vtable->batches && !vtable->next_many) {
        mr__raise(MR_ERR_ARGUMENT, "sampler_new: a sampler that gives batches needs next_many");
        return NULL;
    }
    void *copy;
    mr_sampler *sampler = mr__alloc_zeroed(sizeof *sampler);
    if (!sampler || !mr__copy_self("sampler_new", self, size, &copy)) {
        mr__free(sampler);
        return NULL;
    }
    sampler->vtable = vtable;
    sampler->self = copy;
    return sampler;
}

mr_sampler *mr__sampler_with_vtable(const void *self, size_t size)
{
    const mr_sampler_vtable *vtable = self; /* a struct's first member is where the struct is */
    mr_sampler *sampler = mr_sampler_new(vtable, self, size);
    if (sampler)
        sampler->vtable = sampler->self;
    else
        vtable->destroy((void *)(uintptr_t)self);
    return sampler;
}

void mr_sampler_free(mr_sampler *sampler)
{
    if (!sampler)
        return;
    if (sampler->vtable->destroy)
        sampler->vtable->destroy(sampler->self);
    mr__free(sampler->self);
    mr__free(sampler);
}

/* ---- asking ---- */

static mr_status failed(const char *call, mr_status status)
{
    if (!mr__has_cause(status))
        mr__raise(status < 0 ? status : MR_ERR_CALLBACK, "%s: the sampler failed without a message", call);
    else
        mr__add_context("%s: sampler", call);
    return mr_error_status();
}

mr_status mr__sampler_begin(const mr_sampler *sampler, const char *call, int64_t epoch)
{
    mr_status status = sampler->vtable->begin(sampler->self, epoch);
    return status < 0 ? failed(call, status) : MR_OK;
}

static int64_t take_one_by_one(const mr_sampler *s, const char *call, int64_t *index, int64_t most)
{
    for (int64_t i = 0; i < most; i++) {
        mr_status status = s->vtable->next(s->self, &index[i]);
        if (status == MR_END)
            return i;
        if (status != MR_OK) {
            failed(call, status);
            return -1;
        }
    }
    return most;
}

int64_t mr__sampler_take(const mr_sampler *s, const char *call, int64_t *index, bool *valid, int64_t most)
{
    if (!s->vtable->next_many)
        return take_one_by_one(s, call, index, most);
    int64_t total = 0;
    do {
        int64_t count = 0, left = most - total;
        memset(valid + total, true, (size_t)left);
        mr_status status = s->vtable->next_many(s->self, index + total, valid + total, left, &count);
        if (status == MR_END)
            break;
        if (status == MR_OK && (count < 1 || count > left)) {
            mr__raise(MR_ERR_CALLBACK, "%s: the sampler gave %lld indices, not 1 to %lld", call,
                      (long long)count, (long long)left);
            return -1;
        }
        if (status != MR_OK) {
            failed(call, status);
            return -1;
        }
        total += count;
    } while (total < most && !s->vtable->batches);
    return total;
}

mr_status mr__sampler_skip(const mr_sampler *s, const char *call, int64_t count)
{
    mr_status status = MR_OK;
    if (s->vtable->skip) {
        status = s->vtable->skip(s->self, count);
    } else {
        int64_t index;
        for (int64_t i = 0; status == MR_OK && i < count; i++)
            status = s->vtable->next(s->self, &index);
    }
    return status < 0 ? failed(call, status) : status;
}

/* ---- by hand ---- */

mr_status mr_sampler_begin(mr_sampler *sampler, int64_t epoch)
{
    if (!sampler)
        return mr__settle(mr__null("sampler_begin", "sampler"));
    if (mr__pending())
        return mr__settle(mr_error_status());
    return mr__settle(mr__sampler_begin(sampler, "sampler_begin", epoch));
}

mr_status mr_sampler_next(mr_sampler *sampler, int64_t *index)
{
    if (!sampler || !index)
        return mr__settle(mr__null("sampler_next", sampler ? "index" : "sampler"));
    if (mr__pending())
        return mr__settle(mr_error_status());
    mr_status status = sampler->vtable->next(sampler->self, index);
    return status == MR_OK || status == MR_END ? status : mr__settle(failed("sampler_next", status));
}

int64_t mr_sampler_len(mr_sampler *sampler)
{
    if (!sampler) {
        mr__null("sampler_len", "sampler");
        return 0;
    }
    return sampler->vtable->len ? sampler->vtable->len(sampler->self) : -1;
}

/* ---- in words ---- */

static int describe(const mr_sampler *s, char *text, size_t room)
{
    if (s->vtable->describe)
        return s->vtable->describe(s->self, text, room);
    if (room)
        *text = '\0';
    return 0;
}

int mr_sampler_describe(mr_sampler *sampler, char *text, size_t room)
{
    if (sampler && (text || !room))
        return describe(sampler, text, room);
    mr__null("sampler_describe", sampler ? "text" : "sampler");
    if (text && room)
        *text = '\0';
    return 0;
}

const char *mr__remainder_name(mr_remainder remainder)
{
    return remainder == MR_REMAINDER_PAD    ? "padded"
           : remainder == MR_REMAINDER_DROP ? "the remainder dropped"
                                            : "uneven";
}

int mr__describe_inner(char *text, size_t room, const mr_sampler *inner, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(text, room, format, args);
    va_end(args);
    if (length < 0)
        return length;
    const bool cut = (size_t)length >= room;
    const int rest = describe(inner, cut ? NULL : text + length, cut ? 0 : room - (size_t)length);
    return rest < 0 ? rest : length + rest;
}

char *mr__sampler_text(const mr_sampler *sampler)
{
    const int length = describe(sampler, NULL, 0);
    if (length < 0)
        mr__raise(MR_ERR_CALLBACK, "sampler: describe gave %d", length);
    char *text = mr__pending() ? NULL : mr__alloc_zeroed((size_t)length + 1);
    const int again = text ? describe(sampler, text, (size_t)length + 1) : length;
    if (again != length)
        mr__raise(MR_ERR_CALLBACK, "sampler: describe gave %d, and then %d", length, again);
    if (!mr__pending())
        return text;
    mr__free(text);
    return NULL;
}

/* ---- batches, one by one ---- */

mr_status mr__handful_init(mr__handful *h, int64_t capacity)
{
    *h = (mr__handful){ .capacity = capacity };
    h->index = mr__alloc_array((size_t)capacity, sizeof *h->index);
    h->valid = mr__alloc_array((size_t)capacity, sizeof *h->valid);
    return h->index && h->valid ? MR_OK : MR_ERR_MEMORY;
}

void mr__handful_free(mr__handful *h)
{
    mr__free(h->index);
    mr__free(h->valid);
}

mr_status mr__handful_next(mr__handful *h, mr__next_batch *batch, void *self, int64_t *index)
{
    if (h->at == h->count) {
        h->at = h->count = 0;
        memset(h->valid, true, (size_t)h->capacity);
        mr_status status = batch(self, h->index, h->valid, &h->count);
        if (status != MR_OK) {
            h->count = 0;
            return status;
        }
    }
    *index = h->index[h->at++];
    return MR_OK;
}

mr_status mr__handful_next_many(mr__handful *h, mr__next_batch *batch, void *self, int64_t *index,
                                bool *valid, int64_t most, int64_t *count)
{
    assert(most >= h->capacity); /* or the loader would not have taken the sampler */
    (void)most;
    if (h->at == h->count)
        return batch(self, index, valid, count);
    *count = h->count - h->at; /* the rest of one that was begun */
    memcpy(index, h->index + h->at, (size_t)*count * sizeof *index);
    memcpy(valid, h->valid + h->at, (size_t)*count);
    h->at = h->count;
    return MR_OK;
}
