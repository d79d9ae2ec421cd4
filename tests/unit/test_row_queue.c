/* The queue of rows: order and contents across blocks, one thread or two; a reader that is held up; without memory. */
#include "check.h"

#include "train/row_queue.h"

#include <millrace/base.h>

#include <pthread.h>
#include <sched.h>

static mr__row_queue queue;

/* Row i has 1 to 500 words, all of them i. */
static size_t words_of(size_t i)
{
    return 1 + i * 7919 % 500;
}

/* False when there is no block for it. */
static bool put(size_t i)
{
    const size_t words = words_of(i);
    uint64_t *row = mr__row_queue_room(&queue, words);
    if (!row && !mr__row_queue_extend(&queue))
        return false;
    row = mr__row_queue_room(&queue, words);
    for (size_t k = 0; k < words; k++)
        row[k] = i;
    mr__row_queue_push(&queue, words);
    return true;
}

static bool get(size_t i, size_t end)
{
    const uint64_t *row = mr__row_queue_next(&queue, end);
    if (!row)
        return false;
    bool right = true;
    for (size_t k = 0; k < words_of(i); k++)
        right = right && row[k] == i;
    CHECK(right);
    mr__row_queue_pop(&queue, words_of(i));
    return right;
}

static void test_in_turn(void)
{
    size_t in = 0, out = 0;
    CHECK(mr__row_queue_init(&queue));
    CHECK(!mr__row_queue_next(&queue, 0));
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 40 * round % 700; i++)
            CHECK(put(in++));
        CHECK_EQ_I64(mr__row_queue_written(&queue), in);
        const size_t end = in - in % 3; /* not always all of them */
        while (out < end && get(out, end))
            out++;
        CHECK_EQ_I64(out, end);
        CHECK(!mr__row_queue_next(&queue, end));
    }
    mr__row_queue_free(&queue);
}

enum { ROWS = 40000 };

static void *write_all(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < ROWS;)
        if (put(i))
            i++;
        else
            sched_yield();
    return NULL;
}

static void test_two_threads(void)
{
    pthread_t writer;
    CHECK(mr__row_queue_init(&queue));
    CHECK(pthread_create(&writer, NULL, write_all, NULL) == 0);
    for (size_t i = 0; i < ROWS;) {
        const size_t end = mr__row_queue_written(&queue);
        if (i == end)
            sched_yield();
        while (i < end && get(i, end))
            i++;
    }
    pthread_join(writer, NULL);
    mr__row_queue_free(&queue);
}

/* Its memory has a limit; what is read makes room again. */
static void test_held_up(void)
{
    size_t in = 0, out = 0;
    CHECK(mr__row_queue_init(&queue));
    while (put(in))
        in++;
    CHECK_EQ_I64(queue.begun, MR__QUEUE_BLOCKS);
    CHECK(!put(in));
    while (queue.tail_read < MR__BLOCK_WORDS - 500 && get(out, in))
        out++;
    CHECK(!put(in)); /* the first block has rows still */
    while (!put(in) && get(out, in))
        out++;
    CHECK(out < in);
    for (in++; out < in && get(out, in);)
        out++;
    CHECK_EQ_I64(out, in);
    mr__row_queue_free(&queue);
}

/* A reader that keeps up leaves most of the memory alone. */
static void test_keeping_up(void)
{
    CHECK(mr__row_queue_init(&queue));
    for (size_t i = 0; i < 10000; i++)
        CHECK(put(i) && get(i, i + 1));
    CHECK_EQ_I64(queue.begun, 2);
    mr__row_queue_free(&queue);
}

static void *none(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    (void)bytes;
    (void)alignment;
    return NULL;
}

static void test_without_memory(void)
{
    mr_set_allocator(&(mr_allocator){ .allocate = none });
    CHECK(!mr__row_queue_init(&queue));
    CHECK_EQ_I64(mr_error_status(), MR_ERR_MEMORY);
    mr_error_clear();
    mr_set_allocator(NULL);
    mr__row_queue_free(&queue);
}

int main(void)
{
    RUN(test_in_turn);
    RUN(test_two_threads);
    RUN(test_held_up);
    RUN(test_keeping_up);
    RUN(test_without_memory);
    return check_report();
}
