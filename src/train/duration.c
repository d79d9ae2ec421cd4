#include "duration.h"

#include "base/error.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- reading ---- */

static const struct {
    const char *suffix;
    mr_unit unit;
    bool whole;
} units[] = { { "ep", MR_EPOCHS, false },
              { "ba", MR_BATCHES, true },
              { "sp", MR_SAMPLES, true },
              { "s", MR_SECONDS, false },
              { "dur", MR_SHARE, false } };

enum { UNITS = sizeof units / sizeof *units, MOST_DIGITS = 15 /* that a double holds */ };

/* The number that a text begins with, and where it ends; false if there is none. Not strtod, which asks the locale. */
static bool read_number(const char **text, double *number, bool *point, size_t *digits)
{
    double value = 0, scale = 1;
    const char *c = *text;
    *point = false;
    *digits = 0;
    for (; (*c >= '0' && *c <= '9') || (*c == '.' && !*point); c++) {
        if (*c == '.') {
            *point = true;
            continue;
        }
        value = 10 * value + (*c - '0');
        scale *= *point ? 10 : 1;
        ++*digits;
    }
    *text = c;
    *number = value / scale;
    return *digits > 0;
}

static const char no_unit[] = "does not end with a unit, ep, ba, sp, s or dur";

/* What is wrong; NULL if nothing is. */
static const char *read(const char *text, mr_duration *duration)
{
    double amount;
    bool point;
    size_t digits;
    int i = 0;
    if (!read_number(&text, &amount, &point, &digits))
        return "does not begin with a number";
    while (i < UNITS && strcmp(text, units[i].suffix) != 0)
        i++;
    if (i == UNITS)
        return no_unit;
    if (digits > MOST_DIGITS)
        return "has too many digits";
    if (amount == 0)
        return "is nothing";
    if (units[i].whole && point)
        return "is not a whole number of them";
    if (units[i].unit == MR_SHARE && amount > 1)
        return "is more than the whole";
    *duration = (mr_duration){ amount, units[i].unit };
    return NULL;
}

mr_status mr_duration_parse(const char *text, mr_duration *duration)
{
    if (!text || !duration)
        return mr__settle(mr__null("duration_parse", text ? "duration" : "text"));
    if (mr__pending())
        return mr__settle(mr_error_status());
    const char *wrong = read(text, duration);
    return wrong ? mr__settle(mr__raise(MR_ERR_ARGUMENT, "duration_parse: '%.60s' %s", text, wrong)) : MR_OK;
}

mr_status mr__duration_option(const char *call, const char *name, const char *text, mr_duration *duration)
{
    const char *wrong = text ? read(text, duration) : NULL;
    return wrong ? mr__raise(MR_ERR_ARGUMENT, "%s: %s '%.60s' %s", call, name, text, wrong) : MR_OK;
}

mr_status mr__duration_seconds(const char *call, const char *name, const char *text, mr_duration *duration)
{
    const char *wrong = text ? read(text, duration) : NULL;
    if (text && (wrong == no_unit || (!wrong && duration->unit != MR_SECONDS)))
        wrong = "is not a number of seconds, such as 3600s";
    return wrong ? mr__raise(MR_ERR_ARGUMENT, "%s: %s '%.60s' %s", call, name, text, wrong) : MR_OK;
}

/* ---- triggers ---- */

/* A product that is a whole number in decimal digits: those of 0.07 times 100 make 7, not quite so in binary. What 15
 * digits tell apart stays apart. */
static double mend(double product)
{
    const double whole = round(product);
    return fabs(product - whole) <= 4 * DBL_EPSILON * product ? whole : product;
}

/* The smallest multiple of the period, rounded up, that is greater than the count. */
void mr__trigger_advance(mr__trigger *trigger)
{
    double times = floor((double)*trigger->count / trigger->period);
    while (ceil(mend(times * trigger->period)) <= (double)*trigger->count)
        times++;
    double next = ceil(mend(times * trigger->period));
    trigger->next = next < 9e18 ? (int64_t)next : INT64_MAX;
}

static void count_by(mr__trigger *trigger, const int64_t *count, double period)
{
    trigger->by = MR__BY_COUNT;
    trigger->count = count;
    trigger->period = period;
    mr__trigger_advance(trigger);
}

static mr_status by_epochs(mr__trigger *trigger, const char *what, double epochs, const mr__extent *extent)
{
    if (epochs == floor(epochs)) {
        trigger->by = MR__BY_EPOCH;
        trigger->period = epochs;
        return MR_OK;
    }
    if (extent->epoch_batches <= 0)
        return mr__raise(MR_ERR_ARGUMENT,
                         "%s: %g epochs end within one, and how many batches that has is not known", what,
                         epochs);
    count_by(trigger, extent->batches, mend(epochs * (double)extent->epoch_batches));
    return MR_OK;
}

static void by_clock(mr__trigger *trigger, double seconds, double now)
{
    trigger->by = MR__BY_CLOCK;
    trigger->period = seconds;
    trigger->at = now + seconds;
}

/* Whether the limit of steps comes before that of epochs. */
static bool steps_end_first(const mr__extent *extent)
{
    const int64_t epoch_steps = (extent->epoch_batches + extent->accumulate - 1) / extent->accumulate;
    return extent->max_steps > 0 && extent->epoch_batches > 0 &&
           (double)extent->max_steps < (double)epoch_steps * (double)extent->max_epochs;
}

/* A share of the limit that comes first, as far as that can be told: the clock's is the last. */
static mr_status by_share(mr__trigger *trigger, const char *what, double share, const mr__extent *extent,
                          double now)
{
    if (extent->max_epochs > 0 && !steps_end_first(extent))
        return by_epochs(trigger, what, mend(share * (double)extent->max_epochs), extent);
    if (extent->max_steps > 0)
        count_by(trigger, extent->steps, mend(share * (double)extent->max_steps));
    else if (extent->max_seconds > 0)
        by_clock(trigger, share * extent->max_seconds, now);
    else if (extent->max_epochs && extent->max_steps)
        return mr__raise(MR_ERR_ARGUMENT, "%s: there is no limit of which %g could be a share", what, share);
    return MR_OK;
}

mr_status mr__trigger_set(mr__trigger *trigger, const char *what, mr_duration every, const mr__extent *extent,
                          double now)
{
    *trigger = (mr__trigger){ .by = MR__NEVER };
    switch (every.unit) {
    case MR_NO_UNIT:
        break;
    case MR_EPOCHS:
        return by_epochs(trigger, what, every.amount, extent);
    case MR_BATCHES:
        count_by(trigger, extent->batches, every.amount);
        break;
    case MR_SAMPLES:
        count_by(trigger, extent->samples, every.amount);
        break;
    case MR_SECONDS:
        by_clock(trigger, every.amount, now);
        break;
    case MR_SHARE:
        return by_share(trigger, what, every.amount, extent, now);
    }
    return MR_OK;
}

bool mr__trigger_clock(mr__trigger *trigger, double now)
{
    if (trigger->by != MR__BY_CLOCK || now < trigger->at)
        return false;
    trigger->at = now + trigger->period;
    return true;
}

bool mr__trigger_epoch(const mr__trigger *trigger, int64_t ended)
{
    return trigger->by == MR__BY_EPOCH && fmod((double)ended, trigger->period) == 0;
}
