#include "check.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/strbuf.h"

#include <stdlib.h>

static void test_append(void)
{
    mr__strbuf buf = { 0 };
    CHECK_EQ_STR(mr__strbuf_text(&buf), "");
    mr__strbuf_append(&buf, "");
    CHECK_EQ_STR(mr__strbuf_text(&buf), "");
    mr__strbuf_append(&buf, "epoch=");
    mr__strbuf_appendf(&buf, "%d, %s", 3, "done");
    CHECK_EQ_STR(mr__strbuf_text(&buf), "epoch=3, done");
    CHECK_EQ_I64(buf.length, 13);
    mr__strbuf_append_bytes(&buf, "a\0b", 3);
    CHECK_EQ_I64(buf.length, 16);
    CHECK(memcmp(buf.text + 13, "a\0b", 4) == 0);
    CHECK(!buf.failed);
    mr__strbuf_free(&buf);
    CHECK_EQ_STR(mr__strbuf_text(&buf), "");
}

/* Every length around the places where it grows, by each way of appending. */
static void test_growth(void)
{
    enum { MOST = 3000 };
    static char want[MOST + 1], piece[MOST + 1];
    for (size_t step = 1; step < MOST; step = step * 3 / 2 + 1) {
        mr__strbuf buf = { 0 };
        size_t length = 0;
        while (length + step <= MOST) {
            for (size_t i = 0; i < step; i++)
                piece[i] = want[length + i] = (char)('a' + (length + i) % 26);
            piece[step] = '\0';
            length += step;
            if (length % 2)
                mr__strbuf_append(&buf, piece);
            else
                mr__strbuf_appendf(&buf, "%s", piece);
            CHECK(buf.capacity > buf.length);
        }
        want[length] = '\0';
        CHECK_EQ_I64(buf.length, length);
        CHECK_EQ_STR(mr__strbuf_text(&buf), want);
        mr__strbuf_free(&buf);
    }
}

static void test_clear_keeps_the_memory(void)
{
    mr__strbuf buf = { 0 };
    mr__strbuf_clear(&buf);
    mr__strbuf_append(&buf, "one");
    const char *memory = buf.text;
    mr__strbuf_clear(&buf);
    CHECK_EQ_STR(mr__strbuf_text(&buf), "");
    mr__strbuf_append(&buf, "two");
    CHECK_EQ_STR(mr__strbuf_text(&buf), "two");
    CHECK(buf.text == memory);
    mr__strbuf_free(&buf);
}

static void test_take(void)
{
    mr__strbuf buf = { 0 };
    char *text = mr__strbuf_take(&buf);
    CHECK_EQ_STR(text, "");
    mr__free(text);
    mr__strbuf_append(&buf, "mine");
    text = mr__strbuf_take(&buf);
    CHECK_EQ_STR(text, "mine");
    CHECK(buf.text == NULL && buf.length == 0 && buf.capacity == 0);
    mr__free(text);
}

/* An allocator that gives `left` blocks, and counts those that are out. */
static int left, out;

static void *few_allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    if (left-- <= 0)
        return NULL;
    out++;
    return aligned_alloc(alignment, mr__round_up(bytes, alignment));
}

static void few_release(void *user, void *memory)
{
    (void)user;
    out--;
    free(memory);
}

static void test_failure_sticks(void)
{
    const mr_allocator few = { few_allocate, few_release, NULL };
    for (int blocks = 0; blocks < 2; blocks++) {
        mr__strbuf buf = { 0 };
        mr_set_allocator(&few);
        left = blocks;
        mr__strbuf_append(&buf, "kept");
        mr__strbuf_appendf(&buf, "%1000d", 1);
        CHECK(buf.failed);
        CHECK_EQ_I64(mr_error_status(), MR_ERR_MEMORY);
        CHECK_EQ_STR(mr__strbuf_text(&buf), blocks ? "kept" : "");
        left = 100; /* memory again: too late */
        mr__strbuf_append(&buf, "more");
        mr__strbuf_append_bytes(&buf, "more", 4);
        mr__strbuf_appendf(&buf, "more");
        CHECK_EQ_STR(mr__strbuf_text(&buf), blocks ? "kept" : "");
        mr__strbuf_clear(&buf);
        CHECK(buf.failed);
        CHECK(mr__strbuf_take(&buf) == NULL);
        CHECK_EQ_I64(left, 100);
        mr__strbuf_free(&buf);
        CHECK_EQ_I64(out, 0);
        CHECK(!buf.failed); /* as new */
        mr_error_clear();
        mr_set_allocator(NULL);
    }
}

static void test_sizes_that_do_not_fit(void)
{
    mr__strbuf buf = { 0 };
    mr__strbuf_append(&buf, "x");
    mr__strbuf_append_bytes(&buf, "y", SIZE_MAX);
    CHECK(buf.failed);
    CHECK_EQ_I64(mr_error_status(), MR_ERR_MEMORY);
    CHECK_EQ_STR(mr__strbuf_text(&buf), "x");
    mr_error_clear();
    mr__strbuf_free(&buf);
}

static void test_integers(void)
{
    static const int64_t values[] = { 0, 7, -1, 10, 1234567890, INT64_MAX, INT64_MIN };
    mr__strbuf buf = { 0 };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "%lld", (long long)values[i]);
        mr__strbuf_clear(&buf);
        mr__strbuf_append_integer(&buf, values[i]);
        CHECK_EQ_STR(mr__strbuf_text(&buf), wanted);
    }
    mr__strbuf_free(&buf);
}

int main(void)
{
    RUN(test_append);
    RUN(test_growth);
    RUN(test_clear_keeps_the_memory);
    RUN(test_integers);
    RUN(test_take);
    RUN(test_failure_sticks);
    RUN(test_sizes_that_do_not_fit);
    return check_report();
}
