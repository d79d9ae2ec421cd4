/* The texts in the table are what Python 3.11 prints for repr(x). */
#include "check.h"

#include "base/float_text.h"

#include <locale.h>
#include <stdlib.h>

static const struct {
    double x;
    const char *text;
} table[] = {
    { 0.0, "0.0" },
    { -0.0, "-0.0" },
    { 1.0, "1.0" },
    { -1.0, "-1.0" },
    { 0.1, "0.1" },
    { -2.5, "-2.5" },
    { 100.0, "100.0" },
    { 123456.789, "123456.789" },
    { 1234567.0, "1234567.0" },
    { 0.30000000000000004, "0.30000000000000004" },
    { 1.0 / 3, "0.3333333333333333" },
    { 2.0 / 3, "0.6666666666666666" },
    { 4.35, "4.35" },
    { (double)INFINITY, "inf" },
    { -(double)INFINITY, "-inf" },
    { (double)NAN, "nan" },
    { -(double)NAN, "nan" },
    /* where the exponent begins and ends */
    { 1e15, "1000000000000000.0" },
    { 9999999999999998.0, "9999999999999998.0" },
    { 1e16, "1e+16" },
    { 123456789012345678.0, "1.2345678901234568e+17" },
    { 1e21, "1e+21" },
    { 1e22, "1e+22" },
    { 1e23, "1e+23" },
    { 1e100, "1e+100" },
    { 1.5e300, "1.5e+300" },
    { 1e-4, "0.0001" },
    { 0.00012345, "0.00012345" },
    { 9.999999999999999e-05, "9.999999999999999e-05" },
    { 1e-5, "1e-05" },
    { 1.5e-5, "1.5e-05" },
    { 1e-10, "1e-10" },
    { 1e-100, "1e-100" },
    /* the ends of the range, and numbers of less precision there */
    { 1.7976931348623157e308, "1.7976931348623157e+308" },
    { -1.7976931348623157e308, "-1.7976931348623157e+308" },
    { 2.2250738585072014e-308, "2.2250738585072014e-308" },
    { -2.2250738585072014e-308, "-2.2250738585072014e-308" },
    { 2.225073858507201e-308, "2.225073858507201e-308" },
    { 1e-323, "1e-323" },
    { 5e-324, "5e-324" },
    /* float values, as a log of losses has them */
    { 0.1f, "0.10000000149011612" },
    { 0.22474488615989685, "0.22474488615989685" },
    { 0.00931884627789259, "0.00931884627789259" },
    { 1e-5f, "9.999999747378752e-06" },
    { 16777216.0f, "16777216.0" },
    { 3.4028234663852886e38f, "3.4028234663852886e+38" },
    { 1.401298464324817e-45f, "1.401298464324817e-45" },
    /* powers of two, whose neighbour below is nearer; of the first four the nearest text of 16 digits is
     * another number, and the text here is the next one up */
    { 0x1p-1017, "7.120236347223045e-307" },
    { -0x1p-1017, "-7.120236347223045e-307" },
    { 0x1p-957, "8.209073602596753e-289" },
    { 0x1p-791, "7.678447687145631e-239" },
    { 0x1p-44, "5.684341886080802e-14" },
    { 0x1p53, "9007199254740992.0" },
    { 0x1p54, "1.8014398509481984e+16" },
    { 0x1p63, "9.223372036854776e+18" },
    { 0x1p89, "6.189700196426902e+26" },
    { 0x1p122, "5.316911983139664e+36" },
    { 0x1p1023, "8.98846567431158e+307" },
};

static void check_table(void)
{
    char text[MR__FLOAT_TEXT_BYTES];
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        memset(text, '#', sizeof text);
        CHECK(mr__format_double(text, table[i].x) == text);
        CHECK_EQ_STR(text, table[i].text);
    }
}

static void test_table(void)
{
    check_table();
}

/* With a comma for a point, where such a locale is installed. */
static void test_locale(void)
{
    const char *names[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8", "fr_FR.utf8", "de_DE", "fr_FR" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (setlocale(LC_NUMERIC, names[i])) {
            check_table();
            setlocale(LC_NUMERIC, "C");
            return;
        }
}

static uint64_t random_bits(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static int count_digits(const char *text)
{
    int digits = 0, zeros = 0;
    for (; *text && *text != 'e'; text++) {
        bool zero = *text == '0', digit = *text >= '0' && *text <= '9';
        zeros = digit ? zero ? zeros + 1 : 0 : zeros;
        digits += digit && (digits || !zero);
    }
    return digits > zeros ? digits - zeros : digits;
}

/* What is printed reads back, and the nearest text of one digit fewer does not. */
static bool is_shortest(double x)
{
    char text[MR__FLOAT_TEXT_BYTES], fewer[40];
    mr__format_double(text, x);
    int digits = count_digits(text);
    if (digits > 1) {
        snprintf(fewer, sizeof fewer, "%.*e", digits - 2, x);
        if (strtod(fewer, NULL) == x)
            return false;
    }
    return strlen(text) < 26 && strtod(text, NULL) == x;
}

static void test_random(void)
{
    int wrong = 0;
    for (int i = 0; i < 30000; i++) {
        uint64_t bits = random_bits();
        uint32_t half = (uint32_t)bits;
        double x;
        float f;
        memcpy(&x, &bits, sizeof x);
        memcpy(&f, &half, sizeof f);
        wrong += isfinite(x) && !is_shortest(x);
        wrong += isfinite(f) && !is_shortest((double)f);
        wrong += !is_shortest((double)(bits >> 40) * 0x1p-24);           /* between 0 and 1 */
        wrong += !is_shortest((double)(int64_t)(bits % 2000000) / 1000); /* few digits */
    }
    CHECK_EQ_I64(wrong, 0);
}

/* What is worked out by integers is what the C library gives. */
static void test_both_ways(void)
{
    uint64_t state = 88172645463325252u;
    char fast[MR__FLOAT_TEXT_BYTES], slow[MR__FLOAT_TEXT_BYTES];
    int different = 0;
    for (int i = 0; i < 400000; i++) {
        double x;
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        switch (i % 5) {
        case 0: /* a float32 */
            x = (double)(float)((double)(state >> 11) * 0x1p-53);
            break;
        case 1: /* of any size that is likely */
            x = (double)(float)ldexp((double)(state >> 11) * 0x1p-53, (int)(state % 60) - 25);
            break;
        case 2: /* a double */
            x = ldexp((double)(state >> 11) * 0x1p-53, (int)(state % 80) - 30);
            break;
        case 3: /* few digits */
            x = (double)(state % 100000) / (double)(state % 7 ? 1000 : 1024);
            break;
        default: /* near a power of ten or two */
            x = nextafter(state % 2 ? pow(10, (double)(state % 20) - 5) : ldexp(1, (int)(state % 40) - 20),
                          state % 3 ? 1e300 : 0);
        }
        mr__format_double(fast, x);
        mr__format_double_slowly(slow, x);
        if (strcmp(fast, slow) != 0 && different++ < 5)
            printf("    %s is not %s\n", fast, slow);
    }
    CHECK_EQ_I64(different, 0);
}

int main(void)
{
    RUN(test_table);
    RUN(test_locale);
    RUN(test_random);
    RUN(test_both_ways);
    return check_report();
}
