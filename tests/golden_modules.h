/* Modules, against PyTorch: what is drawn, names and order of parameters, forward and backward. The files are
 * described in golden/golden_modules.py; one program includes this once. */
#ifndef GOLDEN_MODULES_H
#define GOLDEN_MODULES_H

#include "golden_run.h"

#include <millrace/nn.h>

enum { MAX_PARAMS = 40, MAX_OWN = 4 };

/* Sums of up to 48 products of the size of 1, in another order, through up to four layers. */
static golden_op tolerance = { .forward = 16, .gradient = 16, .floor = 1 };
static golden_op exact = { .forward = 0 };

static golden_file file;
static mr_rng *rng;
static mr_tape *tape;
static mr_dtype dtype;

/* ---- a module that multiplies with its own parameters ---- */

typedef struct net {
    mr_tensor *own[MAX_OWN];
    int count;
} net;

static mr_tensor *net_forward(mr_module *m, mr_tape *t, mr_tensor *x)
{
    const net *n = mr_module_self(m);
    mr_module *child;
    for (size_t i = 0; (child = mr_module_child(m, i, NULL)) != NULL; i++)
        x = mr_forward(child, t, x);
    for (int i = 0; i < n->count; i++)
        x = mr_mul(t, x, n->own[i]);
    return x;
}

static const mr_module_vtable net_vtable = { .type = "Net", .forward = net_forward };

/* ---- modules from a SPEC ---- */

static const char *at; /* where its reading stands */

static bool next_is(char c)
{
    if (*at != c)
        return false;
    at++;
    return true;
}

static void read_name(char *name, size_t room)
{
    size_t n = strcspn(at, "(,)=");
    if (CHECK(n < room)) {
        memcpy(name, at, n);
        name[n] = 0;
    }
    at += n;
}

/* The numbers in brackets; a word ends them, and *word tells. */
static mr_shape read_numbers(bool *word)
{
    mr_shape shape = { 0 };
    *word = false;
    if (!next_is('('))
        return shape;
    do {
        char *end;
        int64_t value = strtoll(at, &end, 10);
        *word = end == at;
        if (*word)
            end += strcspn(end, ")");
        else if (shape.ndim < MR_MAX_DIMS)
            shape.dim[shape.ndim++] = value;
        at = end;
    } while (next_is(','));
    CHECK(next_is(')'));
    return shape;
}

static mr_module *read_module(void);

/* What the test program adds: reads what stands behind the type of a module of its own; NULL if it is none. */
static mr_module *other_module(const char *type);

static void read_member(mr_module *module, const char *name)
{
    bool word;
    if (strncmp(at, "Parameter(", 10) == 0) {
        net *n = mr_module_self(module);
        at += 9;
        mr_tensor *own = mr_tensor_rand(rng, dtype, read_numbers(&word));
        if (CHECK(n && n->count < MAX_OWN))
            n->own[n->count++] = mr_module_add_parameter(module, name, own);
        return;
    }
    mr_module_add(module, name, read_module());
}

static void read_members(mr_module *module)
{
    if (!next_is('(') || next_is(')'))
        return;
    do {
        const char *before = at;
        char name[32];
        read_name(name, sizeof name);
        if (next_is('=')) {
            read_member(module, name);
        } else {
            at = before;
            mr_sequential_add(module, read_module());
        }
    } while (next_is(','));
    CHECK(next_is(')'));
}

static mr_module *read_module(void)
{
    char type[32];
    bool no_bias;
    read_name(type, sizeof type);
    if (strcmp(type, "Linear") == 0) {
        mr_shape n = read_numbers(&no_bias);
        return mr_linear_new(n.dim[0], n.dim[1], rng,
                             &(mr_linear_opts){ .no_bias = no_bias, .dtype = dtype });
    }
    mr_module *m = other_module(type);
    if (m)
        return m;
    m = strcmp(type, "Sigmoid") == 0      ? mr_sigmoid_new()
        : strcmp(type, "Tanh") == 0       ? mr_tanh_new()
        : strcmp(type, "ReLU") == 0       ? mr_relu_new()
        : strcmp(type, "Flatten") == 0    ? mr_flatten_new()
        : strcmp(type, "Sequential") == 0 ? mr_sequential_new()
        : strcmp(type, "Net") == 0        ? mr_module_new(&net_vtable, &(net){ .count = 0 }, sizeof(net))
                                          : NULL;
    if (!CHECK(m != NULL))
        return NULL;
    CHECK_EQ_STR(mr_module_type(m), type);
    read_members(m);
    return m;
}

/* ---- a case ---- */

static bool word_is(const char *word)
{
    char *before = file.at;
    char *next = before + strspn(before, " \n");
    size_t n = strlen(word);
    if (strncmp(next, word, n) || (next[n] != ' ' && next[n] != '\n'))
        return false;
    golden_word(&file);
    return true;
}

/* Bit for bit. */
static void check_equal(const golden_case *c, const char *what, const golden_tensor *want, mr_tensor *got)
{
    golden_compare(c, &exact, what, want, got, false);
}

static void check_drawn(const golden_case *c, mr_params params)
{
    size_t n = 0;
    bool hashed;
    while ((hashed = word_is("hashed")) || word_is("param")) {
        const char *name = golden_word(&file);
        mr_tensor *p = n < params.count ? params.item[n].tensor : NULL;
        if (!CHECK(p != NULL))
            return;
        CHECK_EQ_STR(params.item[n++].name, name);
        CHECK_EQ_STR(mr_tensor_name(p), name);
        CHECK(mr_tensor_requires_grad(p) && !mr_tensor_has_grad(p));
        if (hashed) {
            CHECK_EQ_I64(mr_tensor_numel(p), strtoll(golden_word(&file), NULL, 10));
            size_t bytes = (size_t)mr_tensor_numel(p) * mr_dtype_size(mr_tensor_dtype(p));
            CHECK_EQ_I64(golden_fnv(mr_tensor_data(p), bytes), strtoull(golden_word(&file), NULL, 16));
        } else {
            golden_tensor want = { 0 };
            if (CHECK(golden_read_tensor(&file, &want)))
                check_equal(c, name, &want, p);
            free(want.values);
        }
    }
    CHECK_EQ_I64(n, params.count);
    golden_tensor next = { 0 };
    if (CHECK(word_is("next") && golden_read_tensor(&file, &next))) {
        mr_tensor *drawn = mr_tensor_rand(rng, dtype, MR_SHAPE(1));
        check_equal(c, "what is drawn next", &next, drawn);
        mr_tensor_free(drawn);
    }
    free(next.values);
}

static void check_gradient(const golden_case *c, const char *word, const char *what, mr_tensor *x)
{
    golden_tensor want = { 0 }, like = { .dtype = mr_tensor_dtype(x), .shape = mr_tensor_shape(x) };
    if (CHECK(word_is(word) && golden_read_like(&file, &want, &like)) &&
        (mr_tensor_has_grad(x) || !golden_all_zero(&want)))
        golden_compare(c, &tolerance, what, &want, mr_tensor_grad(x), true);
    free(want.values);
}

static void check_forward_and_backward(const golden_case *c, mr_module *m, mr_params params)
{
    golden_tensor in = { 0 }, out = { 0 }, up = { 0 };
    if (!CHECK(golden_read_tensor(&file, &in) && word_is("out") && golden_read_tensor(&file, &out) &&
               word_is("up") && golden_read_like(&file, &up, &out)))
        return;
    mr_tensor *x = mr_tensor_from(in.dtype, in.shape, in.values);
    mr_tensor *first = mr_tensor_from(up.dtype, up.shape, up.values);
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    mr_tensor *y = mr_forward(m, tape, x);
    golden_compare(c, &tolerance, "output", &out, y, false);
    if (y != x) { /* a chain of nothing gives its input back, and backward has nowhere to begin */
        CHECK_EQ_I64(mr_backward_from(tape, y, first), MR_OK);
        check_gradient(c, "gradient", "gradient of the input", x);
    } else if (CHECK(word_is("gradient") && word_is(":"))) {
        for (int64_t i = 0; i < in.numel; i++)
            golden_word(&file);
    }
    for (size_t i = 0; i < params.count; i++)
        check_gradient(c, "paramgrad", params.item[i].name, params.item[i].tensor);
    mr_tape_reset(tape);
    mr_tensor_free(x);
    mr_tensor_free(first);
    free(in.values);
    free(out.values);
    free(up.values);
}

static inline bool check_case(void)
{
    golden_case c = { .file = file.name };
    if (!word_is("module"))
        return false;
    c.number = atoi(golden_word(&file));
    CHECK_EQ_I64(c.number, ++file.seen);
    rng = mr_rng_new(strtoull(golden_word(&file), NULL, 10));
    CHECK(golden_dtype(golden_word(&file), &dtype));
    at = golden_word(&file);
    snprintf(c.op, sizeof c.op, "%s", at);
    mr_module *m = read_module();
    mr_params params = mr_module_parameters(m);
    CHECK(params.item != NULL && *at == 0);
    check_drawn(&c, params);
    tape = mr_tape_new(rng);
    if (word_is("in"))
        check_forward_and_backward(&c, m, params);
    mr_tape_free(tape);
    mr_module_free(m);
    mr_rng_free(rng);
    return !file.bad;
}

/* All cases of golden/NAME.txt. */
static inline void golden_run_modules(const char *name)
{
    if (!golden_open(&file, name))
        return;
    while (check_case())
        ;
    CHECK(word_is("end"));
    golden_close(&file);
    if (getenv("MR_GOLDEN_WORST"))
        printf("%s: forward %.3f of %g, gradient %.3f of %g\n", name, tolerance.worst[0], tolerance.forward,
               tolerance.worst[1], tolerance.gradient);
}

#endif
