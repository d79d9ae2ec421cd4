/* Durations: what is read and what is refused, and when what happens every so often is due. */
#include "check.h"

#include "base/error.h"
#include "train/duration.h"

static void check_read(const char *text, double amount, mr_unit unit)
{
    mr_duration d = { 0 };
    CHECK_EQ_I64(mr_duration_parse(text, &d), MR_OK);
    if (!CHECK(d.amount == amount) || !CHECK_EQ_I64(d.unit, unit))
        printf("    %s\n", text);
}

static void check_refused(const char *text, const char *why)
{
    char wanted[300];
    mr_duration d = { 7, MR_SECONDS };
    CHECK_EQ_I64(mr_duration_parse(text, &d), MR_ERR_ARGUMENT);
    snprintf(wanted, sizeof wanted, "duration_parse: '%s' %s", text, why);
    CHECK_EQ_STR(mr_error(), wanted);
    CHECK(d.amount == 7 && d.unit == MR_SECONDS);
    CHECK_EQ_I64(mr__duration_option("trainer_new", "every", text, &d), MR_ERR_ARGUMENT);
    snprintf(wanted, sizeof wanted, "trainer_new: every '%s' %s", text, why);
    CHECK_EQ_STR(mr_error(), wanted);
}

static void test_reading(void)
{
    check_read("2ep", 2, MR_EPOCHS);
    check_read("0.5ep", 0.5, MR_EPOCHS);
    check_read("500ba", 500, MR_BATCHES);
    check_read("007ba", 7, MR_BATCHES);
    check_read("10000sp", 10000, MR_SAMPLES);
    check_read("90s", 90, MR_SECONDS);
    check_read(".25s", 0.25, MR_SECONDS);
    check_read("1.s", 1, MR_SECONDS);
    check_read("0.3dur", 0.3, MR_SHARE);
    check_read("1dur", 1, MR_SHARE);
    check_read("999999999999999ba", 999999999999999., MR_BATCHES);
    check_read("0.1s", 0.1, MR_SECONDS);
    check_read("123.456s", 123.456, MR_SECONDS);
}

static void test_refusing(void)
{
    static const char number[] = "does not begin with a number";
    static const char unit[] = "does not end with a unit, ep, ba, sp, s or dur";
    check_refused("", number);
    check_refused("ba", number);
    check_refused("-1ba", number);
    check_refused("+1ba", number);
    check_refused(" 1ba", number);
    check_refused(".ba", number);
    check_refused("inf s", number);
    check_refused("7", unit);
    check_refused("7 ba", unit);
    check_refused("7ba ", unit);
    check_refused("7BA", unit);
    check_refused("7bat", unit);
    check_refused("7sec", unit);
    check_refused("1e3ba", unit);
    check_refused("0x7ba", unit);
    check_refused("1.2.3s", unit);
    check_refused("1,5s", unit);
    check_refused("1000000000000000ba", "has too many digits");
    check_refused("0ba", "is nothing");
    check_refused("0.0ep", "is nothing");
    check_refused("0dur", "is nothing");
    check_refused("1.5ba", "is not a whole number of them");
    check_refused("1.0sp", "is not a whole number of them");
    check_refused("1.1dur", "is more than the whole");
    mr_duration d;
    CHECK_EQ_I64(mr_duration_parse(NULL, &d), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "duration_parse: text is NULL");
    CHECK_EQ_I64(mr_duration_parse("1s", NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "duration_parse: duration is NULL");
    CHECK_EQ_I64(mr__duration_option("trainer_new", "every", NULL, &d), MR_OK);
    (void)mr_fail(MR_ERR_STATE, "before");
    CHECK_EQ_I64(mr_duration_parse("1s", &d), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(), "before");
}

/* ---- triggers ---- */

static int64_t batches, samples, steps;
static mr__extent extent = { &batches, &samples, &steps, 32, 1, 10, -1, 0 };

/* At which of the counts from 1 on it is due, as "7 14"; anew: it is set up again at each, as after a resumption. */
static const char *due(const char *text, int64_t *count, int64_t last, bool anew)
{
    static char list[400];
    mr__trigger t;
    mr_duration d = { 0 };
    *list = '\0';
    batches = samples = steps = 0;
    CHECK_EQ_I64(mr_duration_parse(text, &d), MR_OK);
    CHECK_EQ_I64(mr__trigger_set(&t, "x", d, &extent, 0), MR_OK);
    for (*count = 1; *count <= last; ++*count) {
        if (mr__trigger_counted(&t))
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%lld", *list ? " " : "",
                     (long long)*count);
        if (anew)
            CHECK_EQ_I64(mr__trigger_set(&t, "x", d, &extent, 0), MR_OK);
    }
    return list;
}

static void test_counts(void)
{
    for (int anew = 0; anew < 2; anew++) {
        CHECK_EQ_STR(due("1ba", &batches, 4, anew), "1 2 3 4");
        CHECK_EQ_STR(due("7ba", &batches, 30, anew), "7 14 21 28");
        CHECK_EQ_STR(due("7sp", &samples, 30, anew), "7 14 21 28");
        CHECK_EQ_STR(due("7sp", &batches, 30, anew), "");
        CHECK_EQ_STR(due("0.25ep", &batches, 33, anew), "8 16 24 32");
        CHECK_EQ_STR(due("0.3ep", &batches, 33, anew), "10 20 29");
        CHECK_EQ_STR(due("1.5ep", &batches, 100, anew), "48 96");
        CHECK_EQ_STR(due("0.25dur", &batches, 330, anew), "80 160 240 320");
        CHECK_EQ_STR(due("0.1dur", &batches, 100, anew), ""); /* at the end of epochs */
    }
    extent.max_epochs = -1;
    extent.max_steps = 10;
    CHECK_EQ_STR(due("0.3dur", &steps, 11, true), "3 6 9");
    extent.max_epochs =
        10; /* of both the one that comes first: 10 epochs are 320 steps, or with two batches each 160 */
    CHECK_EQ_STR(due("0.3dur", &steps, 11, true), "3 6 9");
    extent.max_steps = 200;
    CHECK_EQ_STR(due("0.5dur", &steps, 201, true), "100 200");
    CHECK_EQ_STR(due("0.25dur", &batches, 330, true), "");
    extent.accumulate = 2;
    CHECK_EQ_STR(due("0.5dur", &steps, 201, true), "");
    CHECK_EQ_STR(due("0.25dur", &batches, 330, true), "80 160 240 320");
    extent.accumulate = 1;
    extent.max_steps = 330;
    CHECK_EQ_STR(due("0.25dur", &batches, 330, true), "80 160 240 320");
    extent.max_steps = -1;
}

/* Hundredths, of which few are exact in binary, are due where whole numbers say. `batches_of` an epoch, of `epochs` (0: the
 * hundredths are of one epoch). */
static void check_hundredths(int64_t hundredths, int64_t epochs, int64_t batches_of)
{
    mr__trigger t;
    const int64_t each = hundredths * (epochs ? epochs : 1), all = batches_of * (epochs ? epochs : 3);
    mr_duration d = { 0, MR_NO_UNIT };
    mr__extent e = { &batches, &samples, &steps, batches_of, 1, epochs ? epochs : -1, -1, 0 };
    char text[60];
    int wrong = 0;
    snprintf(text, sizeof text, "%lld.%02lld%s", (long long)hundredths / 100, (long long)hundredths % 100,
             epochs ? "dur" : "ep");
    batches = 0;
    CHECK_EQ_I64(mr_duration_parse(text, &d), MR_OK);
    CHECK_EQ_I64(mr__trigger_set(&t, "x", d, &e, 0), MR_OK);
    if (each % 100 == 0) {
        for (int64_t ended = 1; ended <= 100; ended++)
            wrong += mr__trigger_epoch(&t, ended) != (ended % (each / 100) == 0) || mr__trigger_counted(&t);
    } else {
        for (batches = 1; batches <= all; batches++) {
            const int64_t times = batches * 100 / (each * batches_of); /* that have come by now, and before */
            const int64_t before = (batches - 1) * 100 / (each * batches_of);
            wrong += mr__trigger_counted(&t) != (times > before);
            wrong += mr__trigger_reached(&t, 0) != (times > 0);
        }
    }
    if (!CHECK_EQ_I64(wrong, 0))
        printf("    %s of %lld epochs of %lld batches\n", text, (long long)epochs, (long long)batches_of);
}

static void test_hundredths(void)
{
    for (int64_t hundredths = 1; hundredths <= 100; hundredths++)
        for (int64_t batches_of = 1; batches_of <= 100; batches_of += 11) {
            check_hundredths(hundredths, 0, batches_of);
            for (int64_t epochs = 5; epochs <= 105; epochs += 20)
                check_hundredths(hundredths, epochs, batches_of);
        }
}

/* The same of steps, and of epochs of a length that is not known. */
static void test_hundredths_of_steps(void)
{
    mr__trigger t;
    mr__extent e = { &batches, &samples, &steps, -1, 1, -1, 100, 0 };
    steps = 0;
    CHECK_EQ_I64(mr__trigger_set(&t, "x", (mr_duration){ 0.07, MR_SHARE }, &e, 0), MR_OK);
    for (steps = 1; steps <= 100; steps++)
        CHECK_EQ_I64(mr__trigger_counted(&t), steps % 7 == 0);
    e.max_steps = -1;
    e.max_epochs = 25;
    CHECK_EQ_I64(mr__trigger_set(&t, "x", (mr_duration){ 0.28, MR_SHARE }, &e, 0), MR_OK);
    CHECK(mr__trigger_epoch(&t, 7) && mr__trigger_epoch(&t, 14) && !mr__trigger_epoch(&t, 8));
}

/* Samples come several at once: what was passed is due once. */
static void test_leaps(void)
{
    mr__trigger t;
    samples = 0;
    CHECK_EQ_I64(mr__trigger_set(&t, "x", (mr_duration){ 10, MR_SAMPLES }, &extent, 0), MR_OK);
    const int64_t at[] = { 4, 8, 12, 16, 20, 55, 59, 60 };
    const bool wanted[] = { false, false, true, false, true, true, false, true };
    for (int i = 0; i < 8; i++) {
        samples = at[i];
        CHECK_EQ_I64(mr__trigger_counted(&t), wanted[i]);
    }
}

static void test_epochs_and_clock(void)
{
    mr__trigger t;
    batches = 0;
    CHECK_EQ_I64(mr__trigger_set(&t, "x", (mr_duration){ 2, MR_EPOCHS }, &extent, 0), MR_OK);
    CHECK(!mr__trigger_counted(&t) && !mr__trigger_clock(&t, 1e9));
    CHECK(!mr__trigger_epoch(&t, 1) && mr__trigger_epoch(&t, 2) && !mr__trigger_epoch(&t, 3) &&
          mr__trigger_epoch(&t, 4));
    CHECK_EQ_I64(mr__trigger_set(&t, "x", (mr_duration){ 1.5, MR_SECONDS }, &extent, 100), MR_OK);
    CHECK(!mr__trigger_clock(&t, 101) && mr__trigger_clock(&t, 101.5) && !mr__trigger_clock(&t, 102.9) &&
          mr__trigger_clock(&t, 200) && !mr__trigger_clock(&t, 201));
    CHECK(!mr__trigger_epoch(&t, 1) && !mr__trigger_counted(&t));
    CHECK_EQ_I64(mr__trigger_set(&t, "x", (mr_duration){ 0, MR_NO_UNIT }, &extent, 0), MR_OK);
    CHECK(!mr__trigger_epoch(&t, 1) && !mr__trigger_counted(&t) && !mr__trigger_clock(&t, 1e9));
    mr__extent timed = { &batches, &samples, &steps, -1, 1, -1, -1, 60 };
    CHECK_EQ_I64(mr__trigger_set(&t, "x", (mr_duration){ 0.5, MR_SHARE }, &timed, 0), MR_OK);
    CHECK(!mr__trigger_clock(&t, 29) && mr__trigger_clock(&t, 30));
}

static void test_without_meaning(void)
{
    mr__trigger t;
    mr__extent unknown = { &batches, &samples, &steps, -1, 1, -1, -1, 0 };
    CHECK_EQ_I64(mr__trigger_set(&t, "fit: x", (mr_duration){ 0.5, MR_EPOCHS }, &unknown, 0),
                 MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: x: 0.5 epochs end within one, and how many batches that has is not known");
    CHECK_EQ_I64(mr__trigger_set(&t, "fit: x", (mr_duration){ 0.5, MR_SHARE }, &unknown, 0), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: x: there is no limit of which 0.5 could be a share");
    unknown.max_epochs = 0; /* nothing will happen, and never is anything due */
    CHECK_EQ_I64(mr__trigger_set(&t, "fit: x", (mr_duration){ 0.5, MR_SHARE }, &unknown, 0), MR_OK);
    CHECK(!mr__trigger_epoch(&t, 1) && !mr__trigger_counted(&t));
}

int main(void)
{
    RUN(test_reading);
    RUN(test_refusing);
    RUN(test_counts);
    RUN(test_hundredths);
    RUN(test_hundredths_of_steps);
    RUN(test_leaps);
    RUN(test_epochs_and_clock);
    RUN(test_without_meaning);
    return check_report();
}
