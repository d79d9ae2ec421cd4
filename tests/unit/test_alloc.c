#include "check.h"

#include "base/alloc.h"
#include "base/error.h"

#include <stdlib.h>

static bool aligned(const void *memory)
{
    return (uintptr_t)memory % MR__ALIGNMENT == 0;
}

static void test_alignment(void)
{
    for (size_t bytes = 0; bytes < 5000; bytes = bytes * 5 / 4 + 1) {
        unsigned char *memory = mr__alloc(bytes), *zeroed = mr__alloc_zeroed(bytes);
        CHECK(memory && aligned(memory));
        CHECK(zeroed && aligned(zeroed));
        memset(memory, 0xff, bytes);
        for (size_t i = 0; i < bytes; i++)
            if (zeroed[i]) {
                CHECK(zeroed[i] == 0);
                break;
            }
        mr__free(memory);
        mr__free(zeroed);
    }
    mr__free(NULL);
}

static void test_grow(void)
{
    char *memory = mr__alloc(8);
    if (!CHECK(memory))
        return;
    memcpy(memory, "abcdefg", 8);
    memory = mr__grow(memory, 3, 4096);
    CHECK(memory && aligned(memory) && memcmp(memory, "abc", 3) == 0);
    mr__free(memory);
    memory = mr__grow(NULL, 0, 10); /* from nothing */
    CHECK(memory != NULL);
    mr__free(memory);
}

static void test_strdup(void)
{
    char *copy = mr__strdup("text");
    CHECK_EQ_STR(copy, "text");
    mr__free(copy);
    CHECK(mr__strdup(NULL) == NULL);
    CHECK(!mr__pending());
}

static void test_sizes(void)
{
    CHECK(mr__mul_size(0, SIZE_MAX) == 0);
    CHECK(mr__mul_size(3, 5) == 15);
    CHECK(mr__mul_size(SIZE_MAX / 2, 2) == SIZE_MAX - 1);
    CHECK(mr__mul_size(SIZE_MAX / 2 + 1, 2) == SIZE_MAX);
    CHECK(mr__mul_size(SIZE_MAX, SIZE_MAX) == SIZE_MAX);
    CHECK(mr__round_up(0, 64) == 0);
    CHECK(mr__round_up(1, 64) == 64);
    CHECK(mr__round_up(64, 64) == 64);
    CHECK(mr__round_up(65, 64) == 128);
}

/* A sanitizer's malloc ends the program when it is asked for too much, unless it is told not to. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void test_too_much(void)
{
    const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 63, SIZE_MAX / 2 + 1, SIZE_MAX / 2 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        mr_error_clear();
        CHECK(mr__alloc(sizes[i]) == NULL);
        CHECK_EQ_I64(mr_error_status(), MR_ERR_MEMORY);
    }
    mr_error_clear();
    CHECK(mr__alloc_array((size_t)1 << 40, (size_t)1 << 40) == NULL);
    CHECK_EQ_STR(mr_error(), "out of memory: a size does not fit the address space");
}

/* ---- the hook -------------------------------------------------------------------------------- */

struct counts {
    int given, taken;
    size_t bytes, alignment;
    bool refuse;
};

static void *counting_allocate(void *user, size_t bytes, size_t alignment)
{
    struct counts *counts = user;
    counts->bytes = bytes;
    counts->alignment = alignment;
    if (counts->refuse)
        return NULL;
    counts->given++;
    return aligned_alloc(alignment, mr__round_up(bytes, alignment));
}

static void counting_release(void *user, void *memory)
{
    struct counts *counts = user;
    counts->taken++;
    free(memory);
}

static void test_hook(void)
{
    struct counts counts = { 0 };
    mr_allocator allocator = { counting_allocate, counting_release, &counts };
    mr_set_allocator(&allocator);
    allocator.allocate = NULL; /* it was copied */
    void *memory = mr__alloc(100);
    CHECK_EQ_I64(counts.bytes, 100);
    CHECK_EQ_I64(counts.alignment, MR__ALIGNMENT);
    memory = mr__grow(memory, 100, 1000);
    CHECK(counts.given == 2 && counts.taken == 1);
    mr__free(memory);
    mr__free(NULL);
    CHECK(counts.given == 2 && counts.taken == 2);
    CHECK(mr__alloc(SIZE_MAX) == NULL); /* does not get as far as the hook */
    CHECK_EQ_I64(counts.bytes, 1000);
    mr_error_clear();
    mr_set_allocator(NULL);
    mr__free(mr__alloc(1));
    CHECK(counts.given == 2 && counts.taken == 2);
}

static void test_hook_refuses(void)
{
    struct counts counts = { 0 };
    const mr_allocator allocator = { counting_allocate, counting_release, &counts };
    mr_set_allocator(&allocator);
    char *memory = mr__strdup("stays");
    counts.refuse = true;
    mr_error_clear();
    CHECK(mr__alloc(123) == NULL);
    CHECK_EQ_I64(mr_error_status(), MR_ERR_MEMORY);
    CHECK_EQ_STR(mr_error(), "out of memory: 123 bytes wanted");
    CHECK(mr__alloc_zeroed(7) == NULL);
    CHECK_EQ_STR(mr_error(), "out of memory: 7 bytes wanted");
    CHECK(mr__alloc_array(3, 5) == NULL);
    CHECK_EQ_STR(mr_error(), "out of memory: 15 bytes wanted");
    CHECK(mr__strdup("abc") == NULL);
    CHECK_EQ_STR(mr_error(), "out of memory: 4 bytes wanted");
    CHECK(mr__grow(memory, 6, 99) == NULL);
    CHECK_EQ_STR(mr_error(), "out of memory: 99 bytes wanted");
    CHECK_EQ_STR(memory, "stays");
    mr__free(memory);
    CHECK_EQ_I64(counts.given, counts.taken);
    mr_set_allocator(NULL);
    mr_error_clear();
}

/* What programs call. */
static void test_for_users(void)
{
    char *text = mr_strdup("ab"), *larger = mr_grow(text, 3, 100);
    CHECK_EQ_STR(larger, "ab");
    CHECK((uintptr_t)larger % 64 == 0);
    mr_free(larger);
    CHECK(mr_strdup(NULL) == NULL);
    char *zeros = mr_calloc(3, 5);
    for (int i = 0; i < 15; i++)
        CHECK(zeros[i] == 0);
    mr_free(zeros);
    mr_free(NULL);
    mr_free(mr_alloc(0));
    CHECK(mr_calloc(SIZE_MAX / 2, 4) == NULL);
    CHECK_EQ_I64(mr_error_status(), MR_ERR_MEMORY);
    mr_error_clear();
    mr_fail_context("nothing is pending");
    CHECK_EQ_I64(mr_fail(MR_ERR_FORMAT, "torn"), MR_ERR_FORMAT);
    mr_fail_context("line %d", 3);
    CHECK_EQ_STR(mr_error(), "line 3: torn");
}

int main(void)
{
    RUN(test_alignment);
    RUN(test_grow);
    RUN(test_strdup);
    RUN(test_sizes);
    RUN(test_too_much);
    RUN(test_hook);
    RUN(test_hook_refuses);
    RUN(test_for_users);
    return check_report();
}
