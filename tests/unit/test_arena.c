#include "check.h"

#include "base/arena.h"

#include <stdlib.h>

/* ---- an allocator that counts ---------------------------------------------------------------- */

static int given, taken, refuse_from; /* refuse_from: the first request that gets nothing, counted from 1 */

static void *counting_allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    if (refuse_from && given + 1 >= refuse_from)
        return NULL;
    given++;
    return aligned_alloc(alignment, mr__round_up(bytes, alignment));
}

static void counting_release(void *user, void *memory)
{
    (void)user;
    taken++;
    free(memory);
}

static void count_from_here(void)
{
    static const mr_allocator counting = { counting_allocate, counting_release, NULL };
    mr_set_allocator(&counting);
    mr_error_clear();
    given = taken = refuse_from = 0;
}

static void expect_all_returned(void)
{
    CHECK_EQ_I64(given, taken);
    mr_set_allocator(NULL);
}

/* ---- a round of allocations ------------------------------------------------------------------ */

enum { MOST = 2000 };

static unsigned char *piece[MOST];
static size_t piece_bytes[MOST];
static int pieces;

static uint32_t random_number(uint32_t below)
{
    static uint32_t state = 2463534242u;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % below;
}

static void choose_sizes(int count, uint32_t most_bytes)
{
    pieces = count;
    for (int i = 0; i < count; i++)
        piece_bytes[i] = random_number(most_bytes);
}

static void allocate_round(mr__arena *arena)
{
    for (int i = 0; i < pieces; i++) {
        piece[i] = mr__arena_alloc(arena, piece_bytes[i]);
        if (!CHECK(piece[i]) || !CHECK((uintptr_t)piece[i] % MR__ALIGNMENT == 0))
            exit(1);
        memset(piece[i], i % 251, piece_bytes[i]);
    }
}

/* Nobody has written over anybody else. */
static void check_round(void)
{
    for (int i = 0; i < pieces; i++)
        for (size_t j = 0; j < piece_bytes[i]; j++)
            if (piece[i][j] != i % 251) {
                CHECK(piece[i][j] == i % 251);
                return;
            }
    CHECK(pieces > 0);
}

static void test_pieces_do_not_overlap(void)
{
    mr__arena arena = { 0 };
    count_from_here();
    for (int round = 0; round < 4; round++) {
        choose_sizes(300 + 500 * round, 1000);
        allocate_round(&arena);
        check_round();
        mr__arena_reset(&arena);
    }
    mr__arena_free(&arena);
    expect_all_returned();
}

/* From the second round on nothing is allocated, and the memory is the same. */
static void test_a_round_fits_after_the_first(void)
{
    mr__arena arena = { 0 };
    count_from_here();
    choose_sizes(1500, 3000);
    allocate_round(&arena);
    CHECK(given > 1); /* it took several blocks */
    mr__arena_reset(&arena);
    CHECK_EQ_I64(given - taken, 1);
    allocate_round(&arena);
    const unsigned char *first = piece[0];
    int before = given;
    size_t held = mr__arena_bytes(&arena);
    for (int round = 0; round < 5; round++) {
        mr__arena_reset(&arena);
        allocate_round(&arena);
        check_round();
        CHECK(piece[0] == first);
    }
    CHECK_EQ_I64(given, before);
    CHECK_EQ_I64(mr__arena_bytes(&arena), held);
    mr__arena_free(&arena);
    expect_all_returned();
}

static void test_large_pieces(void)
{
    mr__arena arena = { 0 };
    count_from_here();
    pieces = 4;
    piece_bytes[0] = 10;
    piece_bytes[1] = 1000000;
    piece_bytes[2] = 3;
    piece_bytes[3] = 5000001;
    allocate_round(&arena);
    check_round();
    CHECK(mr__arena_bytes(&arena) >= 6000014);
    mr__arena_reset(&arena);
    allocate_round(&arena);
    check_round();
    mr__arena_free(&arena);
    CHECK_EQ_I64(mr__arena_bytes(&arena), 0);
    expect_all_returned();
}

static void test_empty(void)
{
    mr__arena arena = { 0 };
    CHECK_EQ_I64(mr__arena_bytes(&arena), 0);
    mr__arena_reset(&arena);
    mr__arena_free(&arena);
    mr__arena_free(&arena);
    CHECK(mr__arena_alloc(&arena, 1) != NULL); /* a freed one can be used again */
    mr__arena_free(&arena);
}

/* A tensor without elements is a tensor: NULL would mean a failure, and there is none. */
static void test_no_bytes(void)
{
    mr__arena arena = { 0 };
    mr_error_clear();
    CHECK(mr__arena_alloc(&arena, 0) != NULL);
    CHECK(!mr__pending());
    CHECK(mr__arena_alloc(&arena, 10) != NULL);
    CHECK(mr__arena_alloc(&arena, 0) != NULL);
    mr__arena_free(&arena);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void test_limit(void)
{
    mr__arena arena = { .max_bytes = 300000 };
    char text[200];
    mr_error_clear();
    CHECK(mr__arena_alloc(&arena, 1000) != NULL);
    CHECK(mr__arena_alloc(&arena, 200000) != NULL); /* not rounded up to more than the limit */
    size_t held = mr__arena_bytes(&arena);
    CHECK(held <= 300000);
    CHECK(mr__arena_alloc(&arena, 150000) == NULL);
    CHECK_EQ_I64(mr_error_status(), MR_ERR_MEMORY);
    snprintf(text, sizeof text,
             "tape: over its limit of 300000 bytes (%zu held, 150000 wanted): is a mr_tape_reset missing?",
             held);
    CHECK_EQ_STR(mr_error(), text);
    CHECK_EQ_I64(mr__arena_bytes(&arena), held);
    mr__arena_reset(&arena);
    CHECK(mr__arena_alloc(&arena, 150000) != NULL); /* goes on after a reset */
    mr__arena_free(&arena);
}

static void test_sizes_that_do_not_fit(void)
{
    const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 63, SIZE_MAX / 2, SIZE_MAX / 4 + 1 };
    mr__arena arena = { 0 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        mr_error_clear();
        CHECK(mr__arena_alloc(&arena, sizes[i]) == NULL);
        CHECK_EQ_I64(mr_error_status(), MR_ERR_MEMORY);
    }
    mr_error_clear();
    CHECK(mr__arena_alloc(&arena, 64) != NULL);
    mr__arena_free(&arena);
}

static void test_out_of_memory(void)
{
    mr__arena arena = { 0 };
    count_from_here();
    CHECK(mr__arena_alloc(&arena, 100) != NULL);
    refuse_from = 2;
    CHECK(mr__arena_alloc(&arena, 1000000) == NULL);
    CHECK_EQ_I64(mr_error_status(), MR_ERR_MEMORY);
    mr_error_clear();
    CHECK(mr__arena_alloc(&arena, 100) != NULL); /* what it has is still good */
    mr__arena_free(&arena);
    expect_all_returned();
}

/* Joining the blocks may fail; nobody asked for memory then, so nobody is told, and the first cause stays. */
static void test_reset_without_memory(void)
{
    for (int earlier = 0; earlier < 2; earlier++) {
        mr__arena arena = { 0 };
        count_from_here();
        choose_sizes(500, 2000);
        allocate_round(&arena);
        CHECK(given > 1);
        if (earlier)
            mr__raise(MR_ERR_SHAPE, "first");
        refuse_from = given + 1;
        mr__arena_reset(&arena);
        CHECK(mr__pending() == (earlier == 1));
        CHECK_EQ_STR(mr_error(), earlier ? "first" : "");
        CHECK_EQ_I64(mr__arena_bytes(&arena), 0);
        refuse_from = 0;
        allocate_round(&arena);
        check_round();
        mr__arena_free(&arena);
        expect_all_returned();
    }
}

/* A failure that was dealt with can be read until the next one, also across a reset that finds no memory. */
static void test_reset_keeps_the_last_message(void)
{
    mr__arena arena = { 0 };
    count_from_here();
    choose_sizes(500, 2000);
    allocate_round(&arena);
    mr__settle(mr__raise(MR_ERR_NONFINITE, "the loss is nan"));
    refuse_from = given + 1;
    mr__arena_reset(&arena);
    CHECK_EQ_STR(mr_error(), "the loss is nan");
    mr__arena_free(&arena);
    expect_all_returned();
}

/* Under AddressSanitizer what was taken back, and what lies behind a piece, may not be touched. */
static void test_poison(void)
{
#ifdef MR__ASAN
    mr__arena arena = { 0 };
    char *a = mr__arena_alloc(&arena, 40), *b = mr__arena_alloc(&arena, 64),
         *c = mr__arena_alloc(&arena, 100000);
    CHECK(!__asan_address_is_poisoned(a) && !__asan_address_is_poisoned(a + 39));
    CHECK(__asan_address_is_poisoned(a + 40));
    CHECK(!__asan_address_is_poisoned(b + 63) && __asan_address_is_poisoned(b + 64));
    CHECK(!__asan_address_is_poisoned(c + 99999) && __asan_address_is_poisoned(c + 100000));
    mr__arena_reset(&arena);
    a = mr__arena_alloc(&arena, 40);
    b = mr__arena_alloc(&arena, 64);
    CHECK(!__asan_address_is_poisoned(a) && __asan_address_is_poisoned(a + 40));
    mr__arena_reset(&arena);
    CHECK(__asan_address_is_poisoned(a) && __asan_address_is_poisoned(b));
    mr__arena_free(&arena);
#endif
}

int main(void)
{
    RUN(test_pieces_do_not_overlap);
    RUN(test_a_round_fits_after_the_first);
    RUN(test_large_pieces);
    RUN(test_empty);
    RUN(test_no_bytes);
    RUN(test_limit);
    RUN(test_sizes_that_do_not_fit);
    RUN(test_out_of_memory);
    RUN(test_reset_without_memory);
    RUN(test_reset_keeps_the_last_message);
    RUN(test_poison);
    return check_report();
}
