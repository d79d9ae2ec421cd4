/* Buffers, the state of a module, shared modules and parameters, frozen ones, and modules that only pass on. */
#include "check.h"

#include <millrace/formats.h>
#include <millrace/layers.h>
#include <millrace/optim.h>

#include <stdlib.h>
#include <unistd.h>

static mr_rng *rng;
static mr_tape *tape;

typedef struct counter {
    mr_module *inner;
    mr_tensor *scale, *seen;
} counter;

static mr_tensor *count_forward(mr_module *m, mr_tape *t, mr_tensor *x)
{
    counter *c = mr_module_self(m);
    return mr_mul(t, mr_forward(c->inner, t, x), c->scale);
}

static const mr_module_vtable counter_vtable = { .type = "Counter", .forward = count_forward };

/* Children are added before the tensors, which are listed first all the same. */
static mr_module *counter_new(void)
{
    counter c = { .inner = mr_linear_new(2, 2, rng, NULL) };
    mr_module *m = mr_module_new(&counter_vtable, &c, sizeof c);
    counter *self = mr_module_self(m);
    mr_module_add(m, "inner", c.inner);
    self->seen = mr_module_add_buffer(m, "seen", mr_tensor_zeros(MR_INT64, MR_SCALAR));
    self->scale = mr_module_add_parameter(m, "scale", mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2)));
    return m;
}

static void check_names(mr_params list, const char *const *names, size_t count)
{
    CHECK_EQ_I64(list.count, count);
    for (size_t i = 0; i < list.count && i < count; i++)
        CHECK_EQ_STR(list.item[i].name, names[i]);
}

#define CHECK_NAMES(list, ...)                              \
    check_names(list, (const char *const[]){ __VA_ARGS__ }, \
                sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

static void check_broken(mr_module *m, const char *text)
{
    CHECK(mr_module_state(m).item == NULL);
    CHECK_EQ_STR(mr_error(), text);
    mr_module_free(m);
}

static double first(const mr_tensor *x)
{
    const void *data = mr_tensor_data(x);
    if (!CHECK(data != NULL))
        return NAN;
    return mr_tensor_dtype(x) == MR_FLOAT64 ? *(const double *)data
           : mr_tensor_dtype(x) == MR_INT64 ? (double)*(const int64_t *)data
                                            : (double)*(const float *)data;
}

/* ---- buffers and state ---- */

static void test_buffers(void)
{
    mr_module *m = mr_sequential_add(mr_sequential_new(), counter_new());
    CHECK_NAMES(mr_module_parameters(m), "0.scale", "0.inner.weight", "0.inner.bias");
    CHECK_NAMES(mr_module_state(m), "0.scale", "0.seen", "0.inner.weight", "0.inner.bias");
    mr_tensor *seen = mr_module_state(m).item[1].tensor;
    CHECK_EQ_STR(mr_tensor_name(seen), "0.seen");
    CHECK(!mr_tensor_requires_grad(seen));
    mr_module_add_buffer(m, "late", mr_tensor_zeros(MR_FLOAT64, MR_SHAPE(3)));
    CHECK_NAMES(mr_module_state(m), "late", "0.scale", "0.seen", "0.inner.weight", "0.inner.bias");
    CHECK_EQ_I64(mr_module_parameters(m).count, 3);
    mr_module_free(m);

    m = mr_sequential_new();
    mr_tensor *x = mr_module_add_buffer(m, "x", mr_tensor_zeros(MR_FLOAT32, MR_SCALAR));
    mr_module *other = mr_sequential_new();
    CHECK(mr_module_add_buffer(other, "x", x) == NULL);
    check_broken(other, "module_add_buffer: 'x' belongs to a module already");
    CHECK(mr_module_add_parameter(m, "x", mr_tensor_zeros(MR_FLOAT32, MR_SCALAR)) == NULL);
    check_broken(m, "module_add_parameter: Sequential has a 'x' already");
    m = mr_sequential_new();
    CHECK(mr_module_add_buffer(m, "x", NULL) == NULL);
    check_broken(m, "module_add_buffer: x is NULL");
    CHECK(mr_module_add_buffer(NULL, "x", mr_tensor_zeros(MR_FLOAT32, MR_SCALAR)) == NULL);
    CHECK_EQ_STR(mr_error(), "module_add_buffer: module is NULL");
}

static void test_files(void)
{
    char path[] = "/tmp/test_state_XXXXXX";
    int file = mkstemp(path);
    if (!CHECK(file >= 0))
        return;
    close(file);
    mr_module *from = counter_new(), *to = counter_new();
    CHECK_EQ_I64(mr_tensor_fill(((counter *)mr_module_self(from))->seen, 7), MR_OK);
    CHECK_EQ_I64(mr_module_save(from, path), MR_OK);
    CHECK_EQ_I64(mr_module_load(to, path, NULL), MR_OK);
    CHECK_EQ_I64(mr_item_int64(((counter *)mr_module_self(to))->seen), 7);
    mr_module_free(from);
    mr_module_add_buffer(to, "more", mr_tensor_zeros(MR_FLOAT32, MR_SCALAR));
    CHECK_EQ_I64(mr_module_load(to, path, NULL), MR_ERR_FORMAT);
    CHECK(strstr(mr_error(), "not in the file: more") != NULL);
    mr_module_free(to);
    unlink(path);
}

static void test_set_state(void)
{
    mr_module *from = counter_new(), *to = counter_new();
    CHECK_EQ_I64(mr_tensor_fill(((counter *)mr_module_self(from))->seen, 7), MR_OK);
    CHECK_EQ_I64(mr_module_set_state(to, mr_module_state(from), NULL), MR_OK);
    CHECK_EQ_I64(mr_item_int64(((counter *)mr_module_self(to))->seen), 7);
    for (size_t i = 0; i < 4; i++)
        CHECK_NEAR(first(mr_module_state(to).item[i].tensor), first(mr_module_state(from).item[i].tensor), 0);
    mr_tensor *half = mr_tensor_full(MR_FLOAT64, MR_SHAPE(2), 0.5),
              *three = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(3));
    mr_param list[] = { { "scale", half }, { "none", three } };
    CHECK_EQ_I64(mr_module_set_state(to, (mr_params){ list, 1 }, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "module_set_state: 'seen' is not in the state");
    CHECK_EQ_I64(mr_module_set_state(to, (mr_params){ list, 2 }, &(mr_state_opts){ .not_strict = true }),
                 MR_OK);
    CHECK_NEAR(first(mr_module_state(to).item[0].tensor), 0.5, 0);
    mr_module *plain = mr_sequential_new();
    CHECK_EQ_I64(mr_module_set_state(plain, (mr_params){ list, 1 }, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "module_set_state: 'scale' is not in the module");
    list[0].tensor = three;
    CHECK_EQ_I64(mr_module_set_state(to, (mr_params){ list, 1 }, &(mr_state_opts){ .not_strict = true }),
                 MR_ERR_SHAPE);
    CHECK_EQ_STR(mr_error(), "module_set_state: scale is [3] in the state, [2] in the module");
    list[0].tensor = NULL;
    CHECK_EQ_I64(mr_module_set_state(to, (mr_params){ list, 1 }, &(mr_state_opts){ .not_strict = true }),
                 MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "module_set_state: scale is NULL");
    CHECK_NEAR(first(mr_module_state(to).item[0].tensor), 0.5, 0);
    mr_tensor_free(half);
    mr_tensor_free(three);
    mr_module_free(plain);
    mr_module_free(from);
    mr_module_free(to);
}

/* ---- sharing ---- */

static mr_module *chain_of(mr_module *a, mr_module *b)
{
    return mr_sequential_add(mr_sequential_add(mr_sequential_new(), a), b);
}

/* y = w (w x) for a Linear that is there twice: its gradient has both parts. */
static void test_shared_module(void)
{
    mr_module *linear = mr_linear_new(2, 2, rng, &(mr_linear_opts){ .no_bias = true });
    mr_module *chain = mr_sequential_add(mr_sequential_new(), linear);
    mr_module_share(chain, "1", linear);
    CHECK_NAMES(mr_module_parameters(chain), "0.weight");
    CHECK_NAMES(mr_module_state(chain), "0.weight", "1.weight");
    mr_tensor *w = mr_module_parameters(chain).item[0].tensor,
              *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(1, 2));
    CHECK_EQ_I64(mr_tensor_fill(w, 3), MR_OK);
    mr_tensor *y = mr_forward(chain, tape, x);
    CHECK_NEAR(first(y), 36, 0);
    CHECK_EQ_I64(mr_backward(tape, mr_sum(tape, y, MR_ALL, false)), MR_OK);
    CHECK_NEAR(first(mr_tensor_grad(w)), 2 * 6 + 6 * 2 - 12 + 6 - 6, 0); /* d/dw00 of the sum of w w x */
    mr_tape_reset(tape);

    /* Whoever is freed last frees it. */
    mr_module *other = mr_sequential_new();
    mr_module_share(other, "borrowed", linear);
    mr_module_free(chain);
    CHECK_NAMES(mr_module_parameters(other), "borrowed.weight");
    CHECK_NEAR(first(mr_forward(other, tape, x)), 6, 0);
    mr_tape_reset(tape);
    CHECK(mr_forward(other, tape, mr_transpose(tape, x, 0, 1)) == NULL); /* it has no parent to be named by */
    CHECK_EQ_STR(mr_error(),
                 "Linear: linear: the last size of input [2,1] is not the last of weight 0.weight[2,2]");
    mr_tape_reset(tape);
    mr_module_free(linear); /* adopted: nothing happens */
    mr_module_share(other, "again", linear);
    mr_module_add_parameter(linear, "late", mr_tensor_ones(MR_FLOAT32, MR_SCALAR));
    CHECK_NAMES(mr_module_parameters(other), "borrowed.weight", "borrowed.late");
    mr_module_free(other);
    mr_tensor_free(x);
}

static void test_shared_by_an_owner(void)
{
    mr_module *own = mr_tanh_new(), *a = mr_sequential_new(), *b = mr_sequential_new();
    mr_module_share(a, "x", own);
    mr_module_free(own);
    mr_module_share(b, "x", own);
    mr_module_free(a);
    CHECK_EQ_STR(mr_module_type(mr_module_child(b, 0, NULL)), "Tanh");
    mr_module_share(own, "self", b);
    CHECK(mr_module_state(own).item == NULL);
    CHECK_EQ_STR(mr_error(), "module_share: 'self' would lie within itself");
    mr_module_free(b);
}

static void test_sharing_refused(void)
{
    mr_module *m = mr_sequential_new();
    mr_module_share(m, "x", NULL);
    check_broken(m, "module_share: x is NULL");
    m = mr_sequential_add(mr_sequential_new(), mr_tanh_new());
    mr_module_share(m, "0", mr_module_child(m, 0, NULL));
    check_broken(m, "module_share: Sequential has a '0' already");
    m = mr_sequential_new();
    mr_module_share(m, "x", m);
    check_broken(m, "module_share: 'x' would lie within itself");
    mr_module *broken = mr_sequential_new();
    mr_module_add(broken, "x", NULL);
    mr_error_clear();
    m = mr_sequential_new();
    mr_module_share(m, "x", broken);
    mr_error_clear();
    check_broken(m, "module_add: x is NULL");
    mr_module_free(broken);
}

/* Recurrent networks keep their parameters behind what their struct has first. */
static void test_shared_in_rnn(void)
{
    mr_module *a = mr_lstm_new(3, 4, rng, &(mr_rnn_opts){ .layers = 2, .bidirectional = true }),
              *b = mr_lstm_new(3, 4, rng, &(mr_rnn_opts){ .layers = 2, .bidirectional = true });
    mr_tensor *x = mr_tensor_randn(rng, MR_FLOAT32, MR_SHAPE(5, 2, 3));
    mr_params p = mr_module_parameters(a);
    for (size_t i = 0; i < p.count; i++)
        CHECK(mr_module_share_parameter(b, p.item[i].name, a, p.item[i].name) == p.item[i].tensor);
    mr_tensor *ya = mr_forward(a, tape, x), *yb = mr_forward(b, tape, x);
    CHECK(memcmp(mr_tensor_data(ya), mr_tensor_data(yb), 5 * 2 * 8 * sizeof(float)) == 0);
    mr_tape_reset(tape);
    mr_module_free(a);
    CHECK(mr_forward(b, tape, x) != NULL);
    mr_tape_reset(tape);
    mr_module_free(b);
    mr_tensor_free(x);
}

/* A decoder with the weight of the encoder. */
static void test_shared_parameter(void)
{
    mr_module *encoder = mr_linear_new(2, 2, rng, NULL), *decoder = mr_linear_new(2, 2, rng, NULL);
    mr_module *m = chain_of(encoder, decoder);
    mr_tensor *w = mr_module_share_parameter(decoder, "weight", m, "0.weight");
    CHECK(w == mr_module_parameters(encoder).item[0].tensor);
    CHECK_NAMES(mr_module_parameters(m), "0.weight", "0.bias", "1.bias");
    CHECK_NAMES(mr_module_state(m), "0.weight", "0.bias", "1.weight", "1.bias");
    CHECK_EQ_STR(mr_tensor_name(w), "0.weight");
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(1, 2));
    for (size_t i = 0; i < 4; i++)
        CHECK_EQ_I64(mr_tensor_fill(mr_module_state(m).item[i].tensor, i == 0 || i == 2 ? 3 : 0), MR_OK);
    CHECK_NEAR(first(mr_forward(m, tape, x)), 36, 0);
    mr_tape_reset(tape);
    mr_optim *o = mr_sgd_new(mr_module_parameters(m), 0.5, NULL);
    CHECK(o != NULL);
    CHECK_EQ_I64(mr_backward(tape, mr_sum(tape, mr_forward(m, tape, x), MR_ALL, false)), MR_OK);
    CHECK_EQ_I64(mr_optim_step(o), MR_OK);
    CHECK_NEAR(first(w), 3 - 0.5 * 12, 0);
    mr_tape_reset(tape);
    CHECK_NEAR(first(mr_forward(decoder, tape, x)), 2 * (3 - 0.5 * 12) - 0.5, 0);
    mr_tape_reset(tape);

    /* The parameter outlives the module that made it. */
    mr_module *last = mr_sequential_new();
    CHECK(mr_module_share_parameter(last, "w", decoder, "weight") == w);
    mr_module_free(m);
    mr_optim_free(o);
    CHECK_NAMES(mr_module_parameters(last), "w");
    CHECK_NEAR(first(mr_module_parameters(last).item[0].tensor), -3, 0);
    mr_module_free(last);
    mr_tensor_free(x);
}

static void test_sharing_parameters_refused(void)
{
    mr_module *a = mr_linear_new(2, 3, rng, NULL), *b = mr_linear_new(3, 2, rng, NULL);
    CHECK(mr_module_share_parameter(b, "weight", a, "weight") == NULL);
    check_broken(b, "module_share_parameter: 'weight' is float32 [2,3], what is to be shared float32 [3,2]");
    b = mr_linear_new(2, 3, rng, NULL);
    CHECK(mr_module_share_parameter(b, "weight", a, "gain") == NULL);
    check_broken(b, "module_share_parameter: Linear has no parameter 'gain'");
    b = mr_linear_new(2, 3, rng, NULL);
    mr_optim *o = mr_sgd_new(mr_module_parameters(b), 0.1, NULL);
    CHECK(mr_module_share_parameter(b, "weight", a, "weight") == NULL);
    mr_optim_free(o);
    check_broken(b, "module_share_parameter: 'weight' is an optimizer's already");
    b = mr_sequential_new();
    CHECK(mr_module_share_parameter(b, "x", NULL, "weight") == NULL);
    check_broken(b, "module_share_parameter: module is NULL");
    mr_module_free(a);
}

/* ---- freezing ---- */

static void test_freezing(void)
{
    mr_module *m = chain_of(mr_linear_new(1, 1, rng, NULL), mr_linear_new(1, 1, rng, NULL));
    mr_module_set_requires_grad(mr_module_child(m, 0, NULL), false);
    mr_params p = mr_module_parameters(m);
    double before[4];
    for (size_t i = 0; i < 4; i++)
        before[i] = first(p.item[i].tensor);
    mr_optim *o = mr_adam_new(p, 0.1, NULL);
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(1, 1));
    for (int i = 0; i < 2; i++) {
        mr_optim_zero_grad(o);
        CHECK_EQ_I64(mr_backward(tape, mr_sum(tape, mr_forward(m, tape, x), MR_ALL, false)), MR_OK);
        CHECK_EQ_I64(mr_optim_step(o), MR_OK);
        mr_tape_reset(tape);
        for (size_t k = 0; k < 4; k++)
            CHECK((first(p.item[k].tensor) == before[k]) == (k < 2 && i == 0));
        mr_module_set_requires_grad(m, true);
    }
    mr_optim_free(o);
    mr_module_free(m);
    mr_tensor_free(x);
}

/* ---- modules that pass on ---- */

static void check_shape(const mr_tensor *x, mr_shape want)
{
    mr_shape shape = mr_tensor_shape(x);
    CHECK_EQ_I64(shape.ndim, want.ndim);
    for (int i = 0; i < want.ndim; i++)
        CHECK_EQ_I64(shape.dim[i], want.dim[i]);
}

static mr_tensor *run(mr_module *m, mr_tensor *x)
{
    mr_tensor *y = mr_forward(m, tape, x);
    mr_module_free(m);
    return y;
}

static void test_shapes(void)
{
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2, 3, 4, 5));
    CHECK(run(mr_identity_new(), x) == x);
    check_shape(run(mr_flatten_new(), x), MR_SHAPE(2, 60));
    check_shape(run(mr_flatten_dims_new(0, -1), x), MR_SHAPE(120));
    check_shape(run(mr_flatten_dims_new(1, 2), x), MR_SHAPE(2, 12, 5));
    check_shape(run(mr_unflatten_new(2, MR_SHAPE(2, 2)), x), MR_SHAPE(2, 3, 2, 2, 5));
    check_shape(run(mr_unflatten_new(-2, MR_SHAPE(-1, 1, 2)), x), MR_SHAPE(2, 3, 2, 1, 2, 5));
    mr_tape_reset(tape);
    CHECK(run(mr_unflatten_new(1, MR_SHAPE(2, 2)), x) == NULL);
    CHECK_EQ_STR(mr_error(), "Unflatten: unflatten: dimension 1 of [2,3,4,5] cannot be split into [2,2]");
    mr_tape_reset(tape);
    CHECK(run(mr_unflatten_new(1, MR_SHAPE(-1, -1)), x) == NULL);
    CHECK(strstr(mr_error(), "cannot be split into [-1,-1]") != NULL);
    mr_tape_reset(tape);
    CHECK(run(mr_unflatten_new(9, MR_SHAPE(3)), x) == NULL);
    CHECK_EQ_STR(mr_error(), "Unflatten: unflatten: dimension 9 of [2,3,4,5] is out of range (-4 to 3)");
    mr_tape_reset(tape);
    mr_tensor_free(x);
}

static void test_module_list(void)
{
    mr_module *list = mr_module_list_new();
    for (int i = 0; i < 3; i++)
        CHECK(mr_module_list_add(list, mr_linear_new(1, 1, rng, NULL)) == list);
    CHECK_EQ_STR(mr_module_type(list), "ModuleList");
    CHECK_EQ_STR(mr_module_parameters(list).item[5].name, "2.bias");
    mr_module *m = mr_sequential_add(mr_sequential_new(), list);
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(1, 1));
    CHECK(mr_forward(mr_module_child(list, 1, NULL), tape, x) != NULL);
    CHECK(mr_forward(m, tape, x) == NULL);
    CHECK_EQ_STR(mr_error(), "0: module_list: a list of modules has no forward; run its children");
    mr_tape_reset(tape);
    mr_tensor_free(x);
    mr_module_free(m);
}

int main(void)
{
    rng = mr_rng_new(1);
    tape = mr_tape_new(rng);
    RUN(test_buffers);
    RUN(test_files);
    RUN(test_set_state);
    RUN(test_shared_module);
    RUN(test_shared_by_an_owner);
    RUN(test_sharing_refused);
    RUN(test_shared_parameter);
    RUN(test_shared_in_rnn);
    RUN(test_sharing_parameters_refused);
    RUN(test_freezing);
    RUN(test_shapes);
    RUN(test_module_list);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}
