/* The area under the receiver operating characteristic, from all scores. */
#include "metrics.h"

#include <math.h>
#include <stdlib.h>

typedef struct scored {
    double score;
    bool positive;
} scored;

static int by_score(const void *a, const void *b)
{
    const double x = ((const scored *)a)->score, y = ((const scored *)b)->score;
    return (x > y) - (x < y);
}

/* ---- keeping ---- */

static bool make_room(mr_metric *m, size_t samples, int64_t width)
{
    if (samples <= m->room)
        return true;
    size_t room = samples > 2 * m->room ? samples : 2 * m->room;
    const size_t used = (size_t)m->count, row = (size_t)width * sizeof *m->score;
    double *score = mr__grow(m->score, used * row, mr__mul_size(room, row));
    if (!score)
        return false;
    m->score = score;
    int64_t *label = mr__grow(m->label, used * sizeof *label, mr__mul_size(room, sizeof *label));
    if (!label)
        return false;
    m->label = label;
    m->room = room;
    return true;
}

static bool update(mr_metric *m, const mr__batch *b)
{
    const int64_t width = m->score_width;
    for (int64_t i = 0; i < b->samples; i++)
        for (int64_t c = 0; c < b->width; c++)
            if (!mr__metric_ignores(m, b->targets[i]) && isnan(mr__batch_score(b, i, c))) {
                mr__raise(MR_ERR_NONFINITE, "%s: a score of sample %lld is nan", m->kind->name, (long long)i);
                return false;
            }
    if (width > 1 && b->width == 1) {
        mr__raise(MR_ERR_SHAPE, "%s: one score a sample, needs those of %lld classes", m->kind->name,
                  (long long)width);
        return false;
    }
    if (!make_room(m, (size_t)(m->count + b->samples), width))
        return false;
    for (int64_t i = 0; i < b->samples; i++) {
        if (mr__metric_ignores(m, b->targets[i]))
            continue;
        for (int64_t c = 0; c < width; c++) /* of two scores the last is class 1's */
            m->score[m->count * width + c] = mr__batch_score(b, i, width == 1 ? b->width - 1 : c);
        m->label[m->count++] = (int64_t)b->targets[i];
    }
    return true;
}

static bool merge(mr_metric *m, const mr_metric *from)
{
    const size_t width = (size_t)m->score_width, count = (size_t)m->count, more = (size_t)from->count;
    if (!more)
        return true;
    if (!make_room(m, count + more, m->score_width))
        return false;
    memcpy(m->score + count * width, from->score, more * width * sizeof *m->score);
    memcpy(m->label + count, from->label, more * sizeof *m->label);
    return true;
}

/* ---- the area ---- */

/* Of all pairs of a positive sample and another, twice the number of those in which it has the larger score, equal
 * scores counted once. */
static uint64_t count_pairs(const scored *list, int64_t n)
{
    uint64_t pairs = 0, below = 0;
    for (int64_t i = 0; i < n;) {
        uint64_t here[2] = { 0, 0 };
        const double score = list[i].score;
        for (; i < n && list[i].score == score; i++)
            here[list[i].positive]++;
        pairs += here[true] * (2 * below + here[false]);
        below += here[false];
    }
    return pairs;
}

/* That of a class against the rest; `positives` becomes its number of samples. */
static bool area(const mr_metric *m, scored *list, int64_t class, int64_t column, double *value,
                 double *positives)
{
    uint64_t own = 0;
    for (int64_t i = 0; i < m->count; i++) {
        list[i] = (scored){ m->score[i * m->score_width + column], m->label[i] == class };
        own += list[i].positive;
    }
    const uint64_t rest = (uint64_t)m->count - own;
    if (!own || !rest) {
        mr__raise(MR_ERR_STATE, "%s: %s sample is of class %lld", m->kind->name, own ? "every" : "no",
                  (long long)class);
        return false;
    }
    qsort(list, (size_t)m->count, sizeof *list, by_score);
    *value = (double)count_pairs(list, m->count) / 2 / ((double)own * (double)rest);
    *positives = (double)own;
    return true;
}

static bool values(const mr_metric *m, double *out)
{
    scored *list = mr__alloc_array((size_t)m->count, sizeof *list);
    double value, positives, sum = 0, weighted = 0;
    bool ok = list != NULL;
    if (ok && m->average == MR_AVERAGE_BINARY)
        ok = area(m, list, 1, 0, out, &positives);
    for (int64_t c = 0; ok && m->average != MR_AVERAGE_BINARY && c < m->classes; c++) {
        ok = area(m, list, c, c, &value, &positives);
        if (ok && m->average == MR_AVERAGE_NONE)
            out[c] = value;
        sum += ok ? value : 0;
        weighted += ok ? value * positives : 0;
    }
    if (ok && m->average == MR_AVERAGE_MACRO)
        *out = sum / (double)m->classes;
    else if (ok && m->average == MR_AVERAGE_WEIGHTED)
        *out = weighted / (double)m->count;
    mr__free(list);
    return ok;
}

mr_metric *mr_auroc_new(int64_t classes, mr_average average, const mr_class_metric_opts *opts)
{
    static const mr__metric_kind kind = {
        .name = "auroc", .scores = true, .needs = 1, .update = update, .merge = merge, .values = values
    };
    mr_metric given = { 0 };
    if (!mr__metric_classes(kind.name, &given, classes, average, opts))
        return NULL;
    if (average == MR_AVERAGE_MICRO) {
        mr__raise(MR_ERR_ARGUMENT, "%s: there is no micro average of it", kind.name);
        return NULL;
    }
    mr_metric *m = mr__metric_new(&kind, 0);
    if (m) {
        mr__metric_classes(kind.name, m, classes, average, opts);
        m->score_width = average == MR_AVERAGE_BINARY ? 1 : classes;
    }
    return m;
}
