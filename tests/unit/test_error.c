#include "check.h"

#include "base/error.h"

#include <pthread.h>

static void test_nothing_yet(void)
{
    CHECK_EQ_STR(mr_error(), "");
    CHECK_EQ_I64(mr_error_status(), MR_OK);
    CHECK(!mr__pending());
}

static void test_first_cause_wins(void)
{
    mr_error_clear();
    CHECK_EQ_I64(mr__raise(MR_ERR_SHAPE, "matmul: %d x %d", 2, 3), MR_ERR_SHAPE);
    CHECK(mr__pending());
    CHECK_EQ_I64(mr__raise(MR_ERR_IO, "later"), MR_ERR_IO);
    CHECK_EQ_I64(mr_fail(MR_ERR_CALLBACK, "later still"), MR_ERR_CALLBACK);
    CHECK_EQ_I64(mr_error_status(), MR_ERR_SHAPE);
    CHECK(mr__pending()); /* asking for the status settles nothing */
    CHECK_EQ_STR(mr_error(), "matmul: 2 x 3");
    CHECK(!mr__pending()); /* reading the text does */
    CHECK_EQ_STR(mr_error(), "matmul: 2 x 3");
    CHECK_EQ_I64(mr_fail(MR_ERR_IO, "next"), MR_ERR_IO);
    CHECK_EQ_STR(mr_error(), "next");
    CHECK_EQ_I64(mr_error_status(), MR_ERR_IO);
}

static void test_settle(void)
{
    mr_error_clear();
    mr__raise(MR_ERR_IO, "a");
    CHECK_EQ_I64(mr__settle(MR_OK), MR_OK);
    CHECK_EQ_I64(mr__settle(MR_END), MR_END);
    CHECK(mr__pending()); /* only a failure that is returned has been dealt with */
    CHECK_EQ_I64(mr__settle(MR_ERR_IO), MR_ERR_IO);
    CHECK(!mr__pending());
    CHECK_EQ_I64(mr_error_status(), MR_ERR_IO);
    CHECK_EQ_STR(mr_error(), "a"); /* and can still be read */
}

static void test_clear(void)
{
    mr__raise(MR_ERR_IO, "a");
    mr_error_clear();
    CHECK(!mr__pending());
    CHECK_EQ_I64(mr_error_status(), MR_OK);
    CHECK_EQ_STR(mr_error(), "");
}

static void test_null(void)
{
    mr_error_clear();
    CHECK_EQ_I64(mr__null("linear", "input"), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "linear: input is NULL");
    mr__raise(MR_ERR_MEMORY, "first");
    CHECK_EQ_I64(mr__null("linear", "input"), MR_ERR_MEMORY); /* silent: passes the first cause on */
    CHECK_EQ_STR(mr_error(), "first");
}

static void test_one_line(void)
{
    mr_error_clear();
    mr_fail(MR_ERR_FORMAT, "two\nlines\r\nand a half");
    CHECK_EQ_STR(mr_error(), "two lines  and a half");
}

static void fill(char *text, size_t length, char with)
{
    memset(text, with, length);
    text[length] = '\0';
}

static void test_long_texts_are_cut(void)
{
    char text[2 * MR__ERROR_BYTES];
    fill(text, sizeof text - 1, 'x');
    mr_error_clear();
    mr__raise(MR_ERR_FORMAT, "%s", text);
    CHECK_EQ_I64(strlen(mr_error()), MR__ERROR_BYTES - 1);
}

static void test_context(void)
{
    mr_error_clear();
    mr__add_context("nothing to add to");
    CHECK_EQ_STR(mr_error(), "");
    mr__raise(MR_ERR_SHAPE, "inner sizes differ");
    mr__add_context("layer%d", 2);
    mr__add_context("step %d", 7);
    CHECK(mr__pending());
    CHECK_EQ_I64(mr_error_status(), MR_ERR_SHAPE);
    CHECK_EQ_STR(mr_error(), "step 7: layer2: inner sizes differ");
    mr__add_context("too late");
    CHECK_EQ_STR(mr_error(), "step 7: layer2: inner sizes differ");
}

/* Contexts and texts of all lengths around what fits: always a string, cut at its end. */
static void test_context_is_cut(void)
{
    char context[MR__ERROR_BYTES], text[MR__ERROR_BYTES], want[3 * MR__ERROR_BYTES];
    for (size_t c = 490; c < sizeof context; c++)
        for (size_t t = 0; t < sizeof text; t += 73) {
            fill(context, c, 'c');
            fill(text, t, 't');
            mr_error_clear();
            mr__raise(MR_ERR_IO, "%s", text);
            mr__add_context("%s", context);
            snprintf(want, sizeof want, "%.509s: %s", context, text);
            want[MR__ERROR_BYTES - 1] = '\0';
            CHECK_EQ_STR(mr_error(), want);
        }
}

/* A failure that was read is often a part of the next one's text. */
static void test_text_of_the_last_failure(void)
{
    mr_error_clear();
    mr_fail(MR_ERR_IO, "cannot read 'a'");
    CHECK_EQ_I64(mr_fail(MR_ERR_CALLBACK, "sample 7: %s", mr_error()), MR_ERR_CALLBACK);
    CHECK_EQ_STR(mr_error(), "sample 7: cannot read 'a'");
    mr_fail(MR_ERR_CALLBACK, "%s", mr_error());
    CHECK_EQ_STR(mr_error(), "sample 7: cannot read 'a'");
}

static void *on_thread(void *failure)
{
    CHECK_EQ_STR(mr_error(), "");
    CHECK(!mr__pending());
    mr__raise(MR_ERR_FORMAT, "row 12: not a number");
    mr__failure_take(failure);
    return NULL;
}

static void test_threads(void)
{
    pthread_t thread;
    mr__failure failure;
    mr_error_clear();
    mr__raise(MR_ERR_IO, "ours");
    int error = pthread_create(&thread, NULL, on_thread, &failure);
    if (!error)
        pthread_join(thread, NULL); /* no check is made beside those of the thread */
    if (!CHECK(error == 0))
        return;
    CHECK_EQ_STR(mr_error(), "ours");
    CHECK_EQ_I64(failure.status, MR_ERR_FORMAT);
    CHECK_EQ_I64(mr__failure_raise(&failure), MR_ERR_FORMAT);
    CHECK(mr__pending());
    CHECK_EQ_I64(mr_error_status(), MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), "row 12: not a number");
}

/* A taken failure is text, not a format. */
static void test_percent_signs(void)
{
    mr__failure failure;
    mr_error_clear();
    mr__raise(MR_ERR_IO, "%s", "100%s %n");
    mr__failure_take(&failure);
    mr_error_clear();
    mr__failure_raise(&failure);
    mr__add_context("%s", "5%d");
    CHECK_EQ_STR(mr_error(), "5%d: 100%s %n");
}

int main(void)
{
    RUN(test_nothing_yet);
    RUN(test_first_cause_wins);
    RUN(test_settle);
    RUN(test_clear);
    RUN(test_null);
    RUN(test_one_line);
    RUN(test_long_texts_are_cut);
    RUN(test_context);
    RUN(test_context_is_cut);
    RUN(test_text_of_the_last_failure);
    RUN(test_threads);
    RUN(test_percent_signs);
    return check_report();
}
