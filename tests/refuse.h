/* Runs programs for which memory runs out: at the first allocation, at the second, and so on until the program
 * gets all that it wants. Each time it must end with MR_ERR_MEMORY and a text, or have managed without and give
 * the same result as ever; and it must have freed all that it was given.
 *
 * A program is written as users write them: it checks nothing before a status call, and frees what it has, NULL
 * or not. jansson's memory counts as the library's. */
#ifndef REFUSE_H
#define REFUSE_H

#include "check.h"

#include "base/error.h"

#include <millrace/base.h>

#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Gives a number that depends on everything the program does, and its status. */
typedef double (*refuse_program)(mr_status *status);

static struct {
    bool spare_json; /* refuse nothing to jansson */
    bool
        any_failure; /* of whatever status and text: for jansson's parser, which does not say that memory was out */
    int at;          /* the allocation that is refused, counted from 1; 0: none */
    bool for_good; /* and all those behind it */
    atomic_int asked, refused, live;
    atomic_size_t bytes; /* of the one that was refused first */
} refuse;

static inline bool refuse_now(size_t bytes)
{
    int number = atomic_fetch_add(&refuse.asked, 1) + 1;
    if (!refuse.at || number < refuse.at || (number > refuse.at && !refuse.for_good))
        return false;
    if (atomic_fetch_add(&refuse.refused, 1) == 0)
        atomic_store(&refuse.bytes, bytes);
    return true;
}

static void *refuse_give(size_t bytes, size_t alignment)
{
    void *memory = aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    atomic_fetch_add(&refuse.live, memory != NULL);
    return memory;
}

static void *refuse_allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    return refuse_now(bytes) ? NULL : refuse_give(bytes, alignment);
}

static void refuse_release(void *user, void *memory)
{
    (void)user;
    atomic_fetch_sub(&refuse.live, 1);
    free(memory);
}

static void *refuse_json_malloc(size_t bytes)
{
    return !refuse.spare_json && refuse_now(bytes) ? NULL : refuse_give(bytes, sizeof(max_align_t));
}

static void refuse_json_free(void *memory)
{
    if (memory)
        refuse_release(NULL, memory);
}

static inline double refuse_run(refuse_program program, int at, bool for_good, mr_status *status)
{
    refuse.at = at;
    refuse.for_good = for_good;
    atomic_store(&refuse.live, 0); /* each run answers for itself */
    atomic_store(&refuse.asked, 0);
    atomic_store(&refuse.refused, 0);
    *status = MR_OK;
    return program(status);
}

static inline bool refuse_same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* Checks how a run has ended; false when it is not as it must be. */
static inline bool refuse_check(const char *name, double result, double expected, mr_status status)
{
    const char *text = atomic_load(&refuse.refused) ? "out of memory" : "its limit";
    bool settled = !mr__pending();
    bool all_freed = atomic_load(&refuse.live) == 0;
    bool managed_without = status == MR_OK && refuse_same(result, expected) && settled;
    bool out = status == MR_ERR_MEMORY && strstr(mr_error(), text);
    bool ended_well = (out || (refuse.any_failure && status < 0)) && mr_error_status() == status && settled;
    bool freed_it = CHECK(all_freed), ended = CHECK(managed_without || ended_well);
    if (!freed_it || !ended)
        printf("    %s, allocation %d of %zu bytes%s: status %d, '%s'%s, result %.17g (expected %.17g), %d "
               "blocks live\n",
               name, refuse.at, atomic_load(&refuse.bytes), refuse.for_good ? " and all later ones" : "",
               (int)status, mr_error(), settled ? "" : " pending", result, expected,
               atomic_load(&refuse.live));
    mr_error_clear();
    return freed_it && ended;
}

/* The result of a program that gets all its memory. */
static inline double refuse_nothing(const char *name, refuse_program program)
{
    mr_status status;
    mr_error_clear();
    double result = refuse_run(program, 0, false, &status);
    if (!CHECK_EQ_I64(status, MR_OK) || !CHECK(!mr__pending()) || !CHECK_EQ_I64(atomic_load(&refuse.live), 0))
        printf("    %s: '%s'\n", name, mr_error());
    mr_error_clear();
    return result;
}

/* The whole course of one program. It asks for memory at least `least` times. */
static inline void refuse_each(const char *name, refuse_program program, int least)
{
    double expected = refuse_nothing(name, program);
    int wanted = atomic_load(&refuse.asked), wrong = 0;
    for (int for_good = 0; for_good < 2; for_good++) {
        int at = 1;
        for (; wrong < 5; at++) {
            mr_status status;
            double result = refuse_run(program, at, for_good, &status);
            if (!refuse_check(name, result, expected, status))
                wrong++;
            if (!atomic_load(&refuse.refused))
                break;
        }
        if (!CHECK(at > least))
            printf("    %s asked for memory %d times, %d without refusals\n", name, at - 1, wanted);
    }
}

/* Before the first program, and after the last. */
static inline void refuse_begin(void)
{
    static const mr_allocator allocator = { refuse_allocate, refuse_release, NULL };
    mr_set_allocator(&allocator);
    json_set_alloc_funcs(refuse_json_malloc, refuse_json_free);
}

static inline void refuse_end(void)
{
    json_set_alloc_funcs(malloc, free);
    mr_set_allocator(NULL);
}

#endif
