/* What the peers that train the chapter's curve model in C have in common: torch's generator, the tabulated
 * dataset, the flags, the CSV rows and the loop over epochs and batches. A peer brings its model, its shuffle
 * and its training step; its main is one call of run_peer.
 *
 *   PEER [--seed 42] [--points 1024] [--batch-size 32] [--epochs 30] [--hidden 16] [--csv FILE] [--time]
 *
 * --csv writes the rows that Lightning's CSVLogger would write, --time prints the nanoseconds of one step.
 */
#ifndef CURVE_PEER_H
#define CURVE_PEER_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LOG_EVERY = 50, MAX_HIDDEN = 64, PADDING = 16 }; /* PADDING: floats, a multiple of every vector's */

/* n rounded up to full vectors. */
static inline int padded(int n)
{
    return (n + PADDING - 1) / PADDING * PADDING;
}

/* Zeroed, aligned for vectors, and longer than asked for, so that the last vector can be read whole. */
static inline void *zeroed(size_t bytes)
{
    const size_t size = (bytes + 127) / 64 * 64;
    void *p = aligned_alloc(64, size);
    if (!p) {
        fputs("peer: out of memory\n", stderr);
        exit(1);
    }
    return memset(p, 0, size);
}

/* ---- torch's generator --------------------------------------------------------------------------------- */

enum { WORDS = 624, SHIFT = 397 };

typedef struct {
    uint32_t state[WORDS], out[WORDS];
    int next;
} generator;

static inline void seed_generator(generator *g, uint32_t seed)
{
    for (uint32_t i = 0; i < WORDS; i++) {
        g->state[i] = seed;
        seed = 1812433253u * (seed ^ (seed >> 30)) + i + 1;
    }
    g->next = WORDS;
}

static inline uint32_t twist(uint32_t a, uint32_t b)
{
    return ((a & 0x80000000u) | (b & 0x7fffffffu)) >> 1 ^ (-(b & 1u) & 0x9908b0dfu);
}

static inline void refill(generator *g)
{
    uint32_t *s = g->state;
    for (int i = 0; i < WORDS - SHIFT; i++)
        s[i] = s[i + SHIFT] ^ twist(s[i], s[i + 1]);
    for (int i = WORDS - SHIFT; i < WORDS - 1; i++)
        s[i] = s[i - (WORDS - SHIFT)] ^ twist(s[i], s[i + 1]);
    s[WORDS - 1] = s[SHIFT - 1] ^ twist(s[WORDS - 1], s[0]);
    for (int i = 0; i < WORDS; i++) {
        uint32_t y = s[i];
        y ^= y >> 11;
        y ^= y << 7 & 0x9d2c5680u;
        y ^= y << 15 & 0xefc60000u;
        g->out[i] = y ^ y >> 18;
    }
    g->next = 0;
}

static inline uint32_t draw(generator *g)
{
    if (g->next == WORDS)
        refill(g);
    return g->out[g->next++];
}

/* uniform_(-bound, bound): 24 bits, then one rounding. */
static inline void uniform(generator *g, float *out, int n, double bound)
{
    const float low = (float)-bound, width = (float)bound - low;
    for (int i = 0; i < n; i++)
        out[i] = fmaf((float)(draw(g) & 0xffffffu) * 0x1p-24f, width, low);
}

/* ---- data ---------------------------------------------------------------------------------------------- */

typedef struct {
    float x, t;
} point;

typedef struct {
    int n;
    point *table, *order; /* as the dataset has them; as this epoch visits them */
    float *x, *t;         /* this epoch's, apart, and PADDING more of which the values do not matter */
} dataset;

/* y = 3x + sin(6x) + 1 on linspace(0, 1, n), which torch counts from both ends. */
static inline dataset make_dataset(int n)
{
    const float step = n > 1 ? 1.0f / (float)(n - 1) : 0.0f;
    const size_t size = (size_t)n, columns = (size + PADDING) * sizeof(float);
    dataset d = { n, zeroed(size * sizeof(point)), zeroed(size * sizeof(point)), zeroed(columns),
                  zeroed(columns) };
    for (int i = 0; i < n; i++) {
        const float x = i < n / 2 ? step * (float)i : fmaf(-step, (float)(n - 1 - i), n > 1 ? 1.0f : 0.0f);
        d.table[i] = (point){ x, 3 * x + sinf(6 * x) + 1 };
    }
    return d;
}

/* ---- the program --------------------------------------------------------------------------------------- */

typedef struct {
    /* With torch's draws: weight 1, bias 1, weight 2, bias 2. */
    void (*make_model)(generator *g, int hidden, int batch_size);
    /* As randperm with a generator of its own; the samples are shuffled instead of their indices. */
    void (*shuffle)(point *samples, int n, uint32_t seed);
    /* Returns the batch's mean loss. x and t can be read up to padded(rows). */
    float (*train_step)(const float *x, const float *t, int rows);
} peer;

/* What torch's loader does at the start of an epoch: it draws a base seed that nobody uses here, then a seed
 * for the sampler, of which the generator takes the lower word. */
static inline void begin_epoch(const peer *p, dataset *d, generator *global)
{
    draw(global), draw(global), draw(global);
    memcpy(d->order, d->table, (size_t)d->n * sizeof(point));
    p->shuffle(d->order, d->n, draw(global));
    for (int i = 0; i < d->n; i++) {
        d->x[i] = d->order[i].x;
        d->t[i] = d->order[i].t;
    }
}

/* A float32 as Python prints it once it is a double: the shortest digits that read back (for 1e-4 <= value <
 * 1e15). */
static inline void write_row(FILE *csv, float loss, int epoch, long step)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)loss);
        if (strtod(text, NULL) == (double)loss)
            break;
    }
    fprintf(csv, "%s%s,%d,%ld\r\n", text, strpbrk(text, ".en") ? "" : ".0", epoch, step);
}

static inline double nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

typedef struct {
    uint32_t seed;
    int points, batch_size, epochs, hidden, timed;
    FILE *csv;
} flags;

static inline long number(const char *flag, const char *text, long low, long high)
{
    char *end;
    const long value = text ? strtol(text, &end, 10) : 0;
    if (!text || end == text || *end || value < low || value > high) {
        fprintf(stderr, "peer: %s wants a whole number from %ld to %ld\n", flag, low, high);
        exit(2);
    }
    return value;
}

static inline flags read_flags(int argc, char **argv)
{
    flags f = { .seed = 42, .points = 1024, .batch_size = 32, .epochs = 30, .hidden = 16 };
    for (int i = 1; i < argc; i++) {
        const char *flag = argv[i];
        if (!strcmp(flag, "--time")) {
            f.timed = 1;
            continue;
        }
        const char *value = argv[++i <= argc ? i : argc];
        if (!strcmp(flag, "--seed"))
            f.seed = (uint32_t)number(flag, value, 0, 4294967295);
        else if (!strcmp(flag, "--points"))
            f.points = (int)number(flag, value, 1, 1 << 24);
        else if (!strcmp(flag, "--batch-size"))
            f.batch_size = (int)number(flag, value, 1, 1 << 24);
        else if (!strcmp(flag, "--epochs"))
            f.epochs = (int)number(flag, value, 0, 1 << 30);
        else if (!strcmp(flag, "--hidden"))
            f.hidden = (int)number(flag, value, 1, MAX_HIDDEN);
        else if (!strcmp(flag, "--csv") && value && (f.csv = fopen(value, "wb")))
            fputs("loss,epoch,step\r\n", f.csv);
        else {
            fprintf(stderr, "peer: cannot use %s %s\n", flag, value ? value : "");
            exit(2);
        }
    }
    return f;
}

/* The whole program; returns main's status. */
static inline int run_peer(const peer *p, int argc, char **argv)
{
    static generator global; /* static only because it is large */
    const flags f = read_flags(argc, argv);
    seed_generator(&global, f.seed);
    dataset d = make_dataset(f.points);
    p->make_model(&global, f.hidden, f.batch_size);

    volatile float last = 0; /* so that every step has to have its loss */
    long step = 0;
    const double begin = nanoseconds();
    for (int epoch = 0; epoch < f.epochs; epoch++) {
        begin_epoch(p, &d, &global);
        for (int at = 0; at < f.points; at += f.batch_size, step++) {
            const int rows = f.points - at < f.batch_size ? f.points - at : f.batch_size;
            last = p->train_step(d.x + at, d.t + at, rows);
            if (f.csv && (step + 1) % LOG_EVERY == 0)
                write_row(f.csv, last, epoch, step);
        }
    }
    const double end = nanoseconds();
    if (f.timed && step)
        printf("%.1f\n", (end - begin) / (double)step);
    return f.csv && fclose(f.csv) ? 1 : 0;
}

#endif
