#include "tape.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

size_t mr__tape_default_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages <= 0 || page <= 0)
        return SIZE_MAX / 4;
    return (size_t)pages / 4 * 3 * (size_t)page;
}

static void set_limit(mr_tape *tape)
{
    tape->arena.max_bytes = tape->max_bytes;
    tape->arena.beside = &tape->grads;
    tape->grads.max_bytes = tape->max_bytes;
    tape->grads.beside = &tape->arena;
}

mr_tape *mr_tape_new(mr_rng *rng)
{
    if (!rng) {
        mr__null("tape", "rng");
        return NULL;
    }
    mr_tape *tape = mr__alloc_zeroed(sizeof *tape);
    if (!tape)
        return NULL;
    tape->rng = rng;
    tape->grad_enabled = true;
    tape->max_bytes = mr__tape_default_bytes();
    set_limit(tape);
    return tape;
}

static void give_back_work(mr_tape *tape)
{
    if (tape->work)
        MR__UNPOISON(tape->work, tape->work_bytes);
    mr__free(tape->work);
    tape->work = NULL;
    tape->work_bytes = 0;
}

void *mr__work(mr_tape *tape, mr_dtype dtype, int64_t count)
{
    size_t bytes = mr__mul_size((size_t)count, mr_dtype_size(dtype));
    if (bytes > tape->work_bytes) {
        give_back_work(tape);
        size_t held = mr_tape_bytes(tape);
        if (tape->max_bytes && (held > tape->max_bytes || bytes > tape->max_bytes - held))
            mr__raise(MR_ERR_MEMORY,
                      "tape: over its limit of %zu bytes (%zu held, %zu wanted): is a mr_tape_reset missing?",
                      tape->max_bytes, held, bytes);
        else
            tape->work = mr__alloc(bytes);
        if (!tape->work) {
            mr__stop(tape);
            return NULL;
        }
        tape->work_bytes = bytes;
    }
    if (!tape->work)
        tape->work = mr__alloc(tape->work_bytes = MR__ALIGNMENT);
    if (!tape->work) {
        tape->work_bytes = 0;
        mr__stop(tape);
        return NULL;
    }
    MR__UNPOISON(tape->work, bytes);
    MR__POISON((char *)tape->work + bytes, tape->work_bytes - bytes);
    return tape->work;
}

void mr_tape_free(mr_tape *tape)
{
    if (!tape)
        return;
    mr__arena_free(&tape->arena);
    mr__arena_free(&tape->grads);
    give_back_work(tape);
#ifndef NDEBUG
    for (int i = 0; i < MR__GENERATIONS - 1; i++)
        mr__arena_free(&tape->older[i].arena);
    mr__free(tape->alive);
#endif
    mr__free(tape);
}

#ifndef NDEBUG
/* Debug: the headers of this round are marked and stay readable for two more rounds, so that their later
 * use is seen. A header that cannot be listed for want of memory goes unmarked. */
void mr__remember(mr_tape *tape, mr_tensor *x)
{
    if (tape->alive_count == tape->alive_room) {
        size_t room = tape->alive_room ? 2 * tape->alive_room : 256;
        bool pending = mr__pending();
        void *list = mr__grow(tape->alive, tape->alive_count * sizeof x, room * sizeof x);
        if (!list) {
            if (!pending)
                mr_error_clear();
            return;
        }
        tape->alive = list;
        tape->alive_room = room;
    }
    tape->alive[tape->alive_count++] = x;
}

static void turn_generation(mr_tape *tape)
{
    for (size_t i = 0; i < tape->alive_count; i++)
        tape->alive[i]->mark = MR__STALE;
    tape->alive_count = 0;
    mr__arena oldest = tape->older[MR__GENERATIONS - 2].arena;
    for (int i = MR__GENERATIONS - 2; i > 0; i--)
        tape->older[i] = tape->older[i - 1];
    tape->older[0].arena = tape->arena;
    tape->arena = oldest;
    set_limit(tape);
}
#endif

void mr_tape_reset(mr_tape *tape)
{
    if (!tape)
        return;
    tape->peak_bytes = mr_tape_peak_bytes(tape);
    tape->backward_bytes = 0;
#ifndef NDEBUG
    turn_generation(tape);
#endif
    mr__arena_reset(&tape->arena);
    mr__arena_reset(&tape->grads);
    tape->last = NULL;
    tape->failed = false;
    tape->located = false;
    tape->used_up = false;
}

mr_tensor *mr_tape_wrap(mr_tape *tape, mr_dtype dtype, mr_shape shape, const void *data)
{
    if (!tape) {
        mr__null("tape_wrap", "tape");
        return NULL;
    }
    if (tape->failed)
        return NULL;
    int64_t n = mr__numel("tape_wrap", &shape, dtype);
    if (n < 0)
        return mr__stop(tape);
    if (!data && n) {
        mr__null("tape_wrap", "data");
        return mr__stop(tape);
    }
    mr_tensor *x = mr__header(tape, dtype);
    if (!x)
        return NULL;
    mr__set_shape(x, shape.ndim, shape.dim);
    x->data = mr__address(data); /* nothing writes to a tensor on a tape */
    return x;
}

mr_tensor *mr_tape_empty(mr_tape *tape, mr_dtype dtype, mr_shape shape)
{
    if (!tape) {
        mr__null("tape_empty", "tape");
        return NULL;
    }
    if (tape->failed)
        return NULL;
    if (mr__numel("tape_empty", &shape, dtype) < 0)
        return mr__stop(tape);
    return mr__result(tape, dtype, shape.ndim, shape.dim);
}

void *mr_tape_memory(mr_tape *tape, size_t bytes)
{
    if (!tape) {
        mr__null("tape_memory", "tape");
        return NULL;
    }
    if (tape->failed)
        return NULL;
    void *memory = mr__arena_alloc(&tape->arena, bytes);
    return memory ? memory : mr__stop(tape);
}

bool mr_tape_set_grad(mr_tape *tape, bool enabled)
{
    if (!tape)
        return false;
    bool was = tape->grad_enabled;
    tape->grad_enabled = enabled;
    return was;
}

mr_status mr_tape_status(mr_tape *tape)
{
    if (!tape)
        return mr__settle(mr__null("tape status", "tape"));
    if (!tape->failed)
        return mr__settle(mr__pending_status());
    mr__failure_raise(&tape->failure);
    return mr__settle(tape->failure.status);
}

void mr_tape_set_max_bytes(mr_tape *tape, size_t bytes)
{
    if (!tape)
        return;
    tape->max_bytes = bytes ? bytes : mr__tape_default_bytes();
    set_limit(tape);
}

size_t mr_tape_bytes(const mr_tape *tape)
{
    return tape ? mr__arena_bytes(&tape->arena) + mr__arena_bytes(&tape->grads) + tape->work_bytes : 0;
}

size_t mr_tape_peak_bytes(const mr_tape *tape)
{
    if (!tape)
        return 0;
    size_t now = mr__arena_used(&tape->arena) + tape->backward_bytes + tape->work_bytes;
    return now > tape->peak_bytes ? now : tape->peak_bytes;
}

mr_rng *mr_tape_rng(const mr_tape *tape)
{
    return tape ? tape->rng : NULL;
}

/* ---- failures ---- */

mr_tensor *mr__stop(mr_tape *tape)
{
    if (!tape->failed) {
        tape->failed = true;
        mr__failure_take(&tape->failure);
    }
    return NULL;
}

mr_tensor *mr__fail(mr_tape *tape, mr_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    mr__raise_va(status, format, args);
    va_end(args);
    return mr__stop(tape);
}

mr_tensor *mr__not_ready(mr_tape *tape, const char *op, const mr_tensor *x, const char *name)
{
    if (!tape) {
        mr__null(op, "tape");
        return NULL;
    }
    if (tape->failed)
        return NULL;
    mr__live(op, x, name);
    return mr__stop(tape);
}

void mr__other_tape(mr__node *node, const mr_tensor *x)
{
    mr__fail(node->out->tape, MR_ERR_STATE,
             "%s: %s is recorded on another tape, where no gradient gets to from here; mr_detach or "
             "mr_tensor_keep "
             "gives its values alone",
             node->op, mr__tensor_text(x).text);
}

/* ---- results ---- */

mr_tensor *mr__view_header(mr_tape *tape, const mr_tensor *x)
{
    mr_tensor *v = mr__header(tape, (mr_dtype)x->dtype);
    if (!v)
        return NULL;
    v->data = x->data;
    v->version = x->version;
    return v;
}

mr_tensor *mr__dense(mr_tape *tape, mr_tensor *x)
{
    return mr__dense_as(tape, x, (mr_dtype)x->dtype);
}

mr_tensor *mr__dense_as(mr_tape *tape, mr_tensor *x, mr_dtype dtype)
{
    if (x->contiguous && x->dtype == dtype)
        return x;
    mr_tensor *copy = mr__result_like(tape, dtype, x);
    if (copy)
        mr__gather_elements(dtype, copy->data, x);
    return copy;
}
