/* Checks for test programs. A failing check prints where and what, and the test goes on; each check gives
 * back whether it held, so that `if (!CHECK(p)) return;` stops where going on makes no sense.
 *
 *     static void test_sum(void) { CHECK_EQ_I64(1 + 1, 2); }
 *     int main(void) { RUN(test_sum); return check_report(); }
 *
 * One program is one file, and checks are made on its main thread. */
#ifndef CHECK_H
#define CHECK_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define CHECK(cond) check_true(__FILE__, __LINE__, #cond, (cond))
#define CHECK_EQ_I64(a, b) check_i64(__FILE__, __LINE__, #a " == " #b, (int64_t)(a), (int64_t)(b))
#define CHECK_EQ_STR(a, b) check_str(__FILE__, __LINE__, #a " == " #b, (a), (b))

/* |a - b| <= tol, and |a - b| <= atol + rtol * |b|. Equal infinities are near each other, and so are two NaNs. */
#define CHECK_NEAR(a, b, tol) \
    check_near(__FILE__, __LINE__, #a " ~ " #b, (double)(a), (double)(b), 0.0, (tol))
#define CHECK_CLOSE(a, b, rtol, atol) \
    check_near(__FILE__, __LINE__, #a " ~ " #b, (double)(a), (double)(b), (rtol), (atol))

/* Runs one test function, and names it if a check in it failed. */
#define RUN(test) check_run(#test, test)

static int check_passed, check_failed;

static inline bool check_count(bool ok, const char *file, int line, const char *expr)
{
    if (ok) {
        check_passed++;
    } else {
        check_failed++;
        printf("%s:%d: failed: %s\n", file, line, expr);
    }
    return ok;
}

static inline bool check_true(const char *file, int line, const char *expr, bool ok)
{
    return check_count(ok, file, line, expr);
}

static inline bool check_i64(const char *file, int line, const char *expr, int64_t a, int64_t b)
{
    if (!check_count(a == b, file, line, expr))
        printf("    left:  %lld\n    right: %lld\n", (long long)a, (long long)b);
    return a == b;
}

static inline bool check_str(const char *file, int line, const char *expr, const char *a, const char *b)
{
    bool ok = a && b ? strcmp(a, b) == 0 : a == b;
    if (!check_count(ok, file, line, expr))
        printf("    left:  %s\n    right: %s\n", a ? a : "(null)", b ? b : "(null)");
    return ok;
}

static inline bool check_near(const char *file, int line, const char *expr, double a, double b, double rtol,
                              double atol)
{
    bool special = isnan(a) || isnan(b) || isinf(a) || isinf(b);
    bool ok = special ? a == b || (isnan(a) && isnan(b)) : fabs(a - b) <= atol + rtol * fabs(b);
    if (!check_count(ok, file, line, expr))
        printf("    left:  %.17g\n    right: %.17g\n    off by %g, allowed %g\n", a, b, fabs(a - b),
               atol + rtol * fabs(b));
    return ok;
}

static inline void check_run(const char *name, void (*test)(void))
{
    int before = check_failed;
    test();
    if (check_failed > before)
        printf("%s: %d failed\n", name, check_failed - before);
}

/* The last line, and the program's exit status. A program that checked nothing has failed. */
static inline int check_report(void)
{
    printf("%d passed, %d failed\n", check_passed, check_failed);
    return check_failed || !check_passed;
}

#endif
