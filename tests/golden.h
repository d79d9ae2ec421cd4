/* Reads golden files: cases of an operation with inputs and what PyTorch makes of them. golden/golden.py
 * writes them and describes the format.
 *
 *     golden_file f;
 *     golden_case c;
 *     if (golden_open(&f, "unary")) {
 *         while (golden_next(&f, &c)) …
 *         golden_close(&f);      a mistake in the file, or another number of cases than it promises, is a
 *     }                          failed check
 */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "check.h"

#include <millrace/tensor.h>

#include <stdlib.h>

enum { GOLDEN_NUMBERS = 16, GOLDEN_PARAMETERS = 20, GOLDEN_INPUTS = 8, GOLDEN_OUTPUTS = 2 };

typedef struct golden_tensor {
    mr_dtype dtype;
    mr_shape shape;
    int64_t numel;
    void *values; /* of golden_storage(dtype); row-major */
    bool grad;    /* an input that wants a gradient */
    char layout;  /* t s o e, or 0: contiguous */
    int where[2]; /* the dimensions of the layout */
    int same;     /* an input that is another one once more: its number; else -1 */
    bool view;    /* an output that must lie on the first input, so: */
    mr_shape stride;
    int64_t offset;
} golden_tensor;

typedef struct golden_parameter {
    char key[24];
    int count;
    double value[GOLDEN_NUMBERS];
} golden_parameter;

typedef struct golden_case {
    const char *file;
    int number;
    char op[48];
    int parameters, inputs, outputs;
    golden_parameter parameter[GOLDEN_PARAMETERS];
    golden_tensor in[GOLDEN_INPUTS];
    golden_tensor out[GOLDEN_OUTPUTS];
    golden_tensor grad[GOLDEN_INPUTS]; /* values NULL: none expected */
    golden_tensor up;                  /* values NULL: no backward */
    char *text;                        /* NULL: none; lies in the file's */
    bool fails;
} golden_case;

typedef struct golden_file {
    const char *name;
    char *text, *at; /* `at` stands behind the last word */
    int promised, seen;
    bool bad;
} golden_file;

/* The type in which values of `dtype` are kept and compared: the 16-bit floats are widened. */
static inline mr_dtype golden_storage(mr_dtype dtype)
{
    return dtype == MR_FLOAT16 || dtype == MR_BFLOAT16 ? MR_FLOAT32 : dtype;
}

static inline bool golden_wrong(golden_file *f, const char *what)
{
    if (!f->bad)
        printf("%s.txt: case %d: %s\n", f->name, f->seen, what);
    f->bad = true;
    return false;
}

/* ---- words ---- */

/* The next word, ended by a NUL in place; "" at the end. */
static inline char *golden_word(golden_file *f)
{
    char *p = f->at + strspn(f->at, " \n");
    char *end = p + strcspn(p, " \n");
    f->at = *end ? end + 1 : end;
    *end = 0;
    return p;
}

/* Numbers with commas between them, up to a character that belongs to none. Returns where that is. */
static inline char *golden_numbers(char *text, double *value, int *count)
{
    *count = 0;
    while (*count < GOLDEN_NUMBERS) {
        char *end;
        double v = strtod(text, &end);
        if (end == text)
            return text;
        value[(*count)++] = v;
        if (*end != ',')
            return end;
        text = end + 1;
    }
    return text;
}

static inline bool golden_shape(char *text, mr_shape *shape)
{
    double value[GOLDEN_NUMBERS];
    int count;
    char *end = golden_numbers(text, value, &count);
    if (count > MR_MAX_DIMS)
        return false;
    shape->ndim = count;
    for (int i = 0; i < count; i++)
        shape->dim[i] = (int64_t)value[i];
    return *end == ']' || *end == 0;
}

static inline bool golden_dtype(const char *name, mr_dtype *dtype)
{
    for (int d = MR_FLOAT32; d <= MR_UINT16; d++)
        if (strcmp(mr_dtype_name((mr_dtype)d), name) == 0) {
            *dtype = (mr_dtype)d;
            return true;
        }
    return false;
}

/* ---- values ---- */

static inline bool golden_value(char *word, mr_dtype dtype, void *values, int64_t i)
{
    char *end = word;
    switch (dtype) {
    case MR_FLOAT32:
        ((float *)values)[i] = strtof(word, &end);
        break;
    case MR_FLOAT64:
        ((double *)values)[i] = strtod(word, &end);
        break;
    case MR_INT64:
        ((int64_t *)values)[i] = strtoll(word, &end, 10);
        break;
    case MR_INT32:
        ((int32_t *)values)[i] = (int32_t)strtol(word, &end, 10);
        break;
    case MR_INT16:
        ((int16_t *)values)[i] = (int16_t)strtol(word, &end, 10);
        break;
    case MR_INT8:
        ((int8_t *)values)[i] = (int8_t)strtol(word, &end, 10);
        break;
    case MR_UINT8:
    case MR_BOOL:
        ((uint8_t *)values)[i] = (uint8_t)strtol(word, &end, 10);
        break;
    default:
        break;
    }
    return *word && *end == 0;
}

/* The values behind the colon, as many as the shape has. */
static inline bool golden_values(golden_file *f, golden_tensor *t)
{
    t->numel = 1;
    for (int i = 0; i < t->shape.ndim; i++)
        t->numel *= t->shape.dim[i];
    mr_dtype dtype = golden_storage(t->dtype);
    t->values = malloc((size_t)t->numel * mr_dtype_size(dtype) + 1);
    if (!t->values)
        return golden_wrong(f, "out of memory");
    for (int64_t i = 0; i < t->numel; i++)
        if (!golden_value(golden_word(f), dtype, t->values, i))
            return golden_wrong(f, "a value is missing or is none");
    return true;
}

/* ---- lines ---- */

static inline bool golden_layout(golden_tensor *t, char *word)
{
    if (!strchr("tsoe", word[0]) || word[1] != '=')
        return false;
    t->layout = word[0];
    char *end;
    t->where[0] = (int)strtol(word + 2, &end, 10);
    if (*end == ',')
        t->where[1] = (int)strtol(end + 1, &end, 10);
    return *end == 0;
}

/* DTYPE [SHAPE] and what may follow, up to and with the values. */
static inline bool golden_read_tensor(golden_file *f, golden_tensor *t)
{
    char *word = golden_word(f);
    t->same = -1;
    if (strncmp(word, "same=", 5) == 0) {
        t->same = atoi(word + 5);
        return true;
    }
    if (!golden_dtype(word, &t->dtype))
        return golden_wrong(f, "no dtype");
    word = golden_word(f);
    if (*word != '[' || !golden_shape(word + 1, &t->shape))
        return golden_wrong(f, "no shape");
    for (word = golden_word(f); strcmp(word, ":"); word = golden_word(f)) {
        bool ok = true;
        if (strcmp(word, "grad") == 0)
            t->grad = true;
        else if (strncmp(word, "stride=", 7) == 0)
            ok = golden_shape(word + 7, &t->stride);
        else if (strncmp(word, "offset=", 7) == 0) {
            t->view = true;
            t->offset = atoi(word + 7);
        } else
            ok = golden_layout(t, word);
        if (!ok)
            return golden_wrong(f, word);
    }
    return golden_values(f, t);
}

/* Values alone, of the type and shape of `like`. */
static inline bool golden_read_like(golden_file *f, golden_tensor *t, const golden_tensor *like)
{
    t->dtype = like->dtype;
    t->shape = like->shape;
    if (strcmp(golden_word(f), ":"))
        return golden_wrong(f, "no colon");
    return golden_values(f, t);
}

static inline bool golden_read_parameter(golden_file *f, golden_case *c, char *word)
{
    char *equals = strchr(word, '=');
    if (c->parameters == GOLDEN_PARAMETERS || (size_t)(equals - word) >= sizeof c->parameter[0].key)
        return golden_wrong(f, word);
    golden_parameter *p = &c->parameter[c->parameters++];
    memcpy(p->key, word, (size_t)(equals - word));
    return *golden_numbers(equals + 1, p->value, &p->count) == 0 ? true : golden_wrong(f, word);
}

/* The lines behind `text N`, as they are. */
static inline bool golden_read_text(golden_file *f, golden_case *c)
{
    int lines = atoi(golden_word(f));
    char *end = c->text = f->at;
    for (int i = 0; i < lines; i++) {
        end = strchr(i ? end + 1 : end, '\n');
        if (!end)
            return golden_wrong(f, "a line of the text is missing");
    }
    f->at = end + 1;
    *end = 0;
    return lines > 0 ? true : golden_wrong(f, "a text without lines");
}

static inline bool golden_read_line(golden_file *f, golden_case *c, const char *word)
{
    if (strcmp(word, "in") == 0 && c->inputs < GOLDEN_INPUTS)
        return golden_read_tensor(f, &c->in[c->inputs++]);
    if (strcmp(word, "out") == 0 && c->outputs < GOLDEN_OUTPUTS)
        return golden_read_tensor(f, &c->out[c->outputs++]);
    if (strcmp(word, "up") == 0 && c->outputs)
        return golden_read_like(f, &c->up, &c->out[0]);
    if (strcmp(word, "grad") == 0) {
        int k = atoi(golden_word(f));
        if (k < c->inputs)
            return golden_read_like(f, &c->grad[k], &c->in[k]);
    }
    if (strcmp(word, "text") == 0 && !c->text)
        return golden_read_text(f, c);
    if (strcmp(word, "fails") == 0) {
        c->fails = true;
        return true;
    }
    return golden_wrong(f, "a line that is not understood");
}

/* ---- files ---- */

static inline void golden_free_case(golden_case *c)
{
    for (int i = 0; i < GOLDEN_INPUTS; i++) {
        free(c->in[i].values);
        free(c->grad[i].values);
    }
    for (int i = 0; i < GOLDEN_OUTPUTS; i++)
        free(c->out[i].values);
    free(c->up.values);
    memset(c, 0, sizeof *c);
}

/* The whole of a text file, ended by a NUL; the caller frees it. */
static inline char *golden_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    char *text = NULL;
    size_t size = 0, room = 0, got = 0;
    do {
        size += got;
        if (room - size < 2) {
            char *more = realloc(text, room = room ? 2 * room : 1 << 16);
            if (!more)
                break;
            text = more;
        }
        got = fread(text + size, 1, room - size - 1, file);
    } while (got);
    fclose(file);
    if (text)
        text[size] = 0;
    return text;
}

/* Opens NAME.txt among the golden files; false, with a failed check, when it cannot be read. */
static inline bool golden_open(golden_file *f, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.txt", MR_TEST_DATA, name);
    memset(f, 0, sizeof *f);
    f->name = name;
    f->text = f->at = golden_text(path);
    if (!f->text)
        printf("%s cannot be read\n", path);
    if (!CHECK(f->text != NULL))
        return false;
    while (*f->at == '#')
        f->at = strchr(f->at, '\n') + 1;
    if (strcmp(golden_word(f), "cases") == 0)
        f->promised = atoi(golden_word(f));
    return CHECK(f->promised > 0);
}

/* Reads the next case into *c, which it frees first (so begin with a zeroed one); false at the end. */
static inline bool golden_next(golden_file *f, golden_case *c)
{
    golden_free_case(c);
    if (f->bad)
        return false;
    char *word = golden_word(f);
    if (strcmp(word, "end") == 0)
        return false;
    if (strcmp(word, "case"))
        return golden_wrong(f, "no case where one should begin");
    c->file = f->name;
    c->number = atoi(golden_word(f));
    if (c->number != ++f->seen)
        return golden_wrong(f, "a number is skipped");
    snprintf(c->op, sizeof c->op, "%s", golden_word(f));
    for (;;) {
        char *before = f->at + strspn(f->at, " \n");
        if (strncmp(before, "case ", 5) == 0 || strncmp(before, "end\n", 4) == 0 || !*before)
            return true;
        word = golden_word(f);
        if (strchr(word, '=') ? !golden_read_parameter(f, c, word) : !golden_read_line(f, c, word)) {
            golden_free_case(c);
            return false;
        }
    }
}

static inline void golden_close(golden_file *f)
{
    CHECK(!f->bad);
    CHECK_EQ_I64(f->seen, f->promised);
    free(f->text);
}

/* The 64-bit FNV-1a hash, as golden_modules.py has it. */
static inline uint64_t golden_fnv(const void *bytes, size_t count)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < count; i++)
        value = (value ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
    return value;
}

/* ---- parameters ---- */

static inline const golden_parameter *golden_find(const golden_case *c, const char *key)
{
    for (int i = 0; i < c->parameters; i++)
        if (strcmp(c->parameter[i].key, key) == 0)
            return &c->parameter[i];
    return NULL;
}

static inline double golden_number(const golden_case *c, const char *key, double otherwise)
{
    const golden_parameter *p = golden_find(c, key);
    return p && p->count ? p->value[0] : otherwise;
}

static inline mr_dims golden_dims(const golden_case *c, const char *key)
{
    const golden_parameter *p = golden_find(c, key);
    mr_dims dims = { 0, { 0 } };
    for (int i = 0; p && i < p->count && i < MR_MAX_DIMS; i++)
        dims.dim[dims.count++] = (int)p->value[i];
    return dims;
}

static inline mr_shape golden_sizes(const golden_case *c, const char *key)
{
    const golden_parameter *p = golden_find(c, key);
    mr_shape shape = { 0, { 0 } };
    for (int i = 0; p && i < p->count && i < MR_MAX_DIMS; i++)
        shape.dim[shape.ndim++] = (int64_t)p->value[i];
    return shape;
}

#endif
