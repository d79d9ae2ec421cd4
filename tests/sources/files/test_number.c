/* Numbers out of text: the double nearest to it, to the bit, where the number ends, and nothing behind the text is read. */
#include "check.h"

#include "sources/files/number.h"
#include "sources/files/number_plain.h"

#include <stdlib.h>

static uint64_t state = 1;

static unsigned draw(unsigned below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % below;
}

static int digits(char *to, int count)
{
    for (int i = 0; i < count; i++)
        to[i] = (char)('0' + draw(draw(4) ? 10 : 1));
    return count;
}

/* In memory of its own, so that a reader who goes too far is found. */
static void check_number(const char *text, size_t length, size_t behind, bool must)
{
    char *copy = malloc(length + behind);
    memcpy(copy, text, length);
    memset(copy + length, behind % 2 ? ',' : '.', behind);
    if (behind)
        copy[length] = ',';
    const char *end = copy + length + behind;
    char whole[64];
    snprintf(whole, sizeof whole, "%.*s", (int)length, text);
    double value = 0.5, again = 0.5, wanted = strtod(whole, NULL);
    const char *at = mr__read_plain(copy, end, &value);
    if (!CHECK(at ? at == copy + length && memcmp(&value, &wanted, sizeof value) == 0 : !must))
        printf("    '%s', %zu behind: %.17g, not %.17g\n", whole, behind, value, wanted);
    if (!CHECK(mr__read_double(copy, copy + length, &again) && memcmp(&again, &wanted, sizeof again) == 0))
        printf("    '%s': %.17g, not %.17g\n", whole, again, wanted);
    free(copy);
}

static void test_plain(void)
{
    for (int i = 0; i < 40000; i++) {
        char text[64];
        int n = 0;
        const int before = (int)draw(i % 2 ? 4 : 12) + 1, behind = (int)draw(i % 2 ? 6 : 14);
        if (draw(2))
            text[n++] = '-';
        n += digits(text + n, before);
        if (behind || draw(2)) {
            text[n++] = '.';
            n += digits(text + n, behind);
        }
        check_number(text, (size_t)n, draw(3) ? draw(20) : 0, before + behind <= 15);
    }
}

static void test_others(void)
{
    static const char *const none[] = { "",   "-",  ".",   "-.",  "abc",      "-a1",
                                        "+1", " 1", "nan", "--1", "\xb0\xb9", "/:" };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        for (int behind = 0; behind < 32; behind += 31) {
            char text[40] = "";
            double value;
            memset(text, ',', sizeof text);
            memcpy(text, none[i], strlen(none[i]));
            CHECK(!mr__read_plain(text, text + strlen(none[i]) + behind, &value));
        }
    static const char *const ends[] = { "1e5", "1.5.2", "12-3", "7 ", "1..2" };
    static const int stops[] = { 1, 3, 2, 1, 2 };
    for (int i = 0; i < 5; i++)
        for (int behind = 0; behind < 32; behind += 31) {
            char text[40] = "";
            double value;
            memset(text, ',', sizeof text);
            memcpy(text, ends[i], strlen(ends[i]));
            const char *at = mr__read_plain(text, text + strlen(ends[i]) + behind, &value);
            CHECK_EQ_I64(at ? at - text : -1, stops[i]);
        }
    check_number(".5", 2, 0, true);
    check_number("-.5", 3, 20, true);
    check_number("-0.000", 6, 20, true);
    check_number("5.", 2, 20, true);
    check_number("99999999", 8, 20, true);
    check_number("0.12345678901234567", 19, 20, false);
}

int main(void)
{
    RUN(test_plain);
    RUN(test_others);
    return check_report();
}
