/* Modules: names and order of parameters, initial values, adoption, failures, use from several threads. */
#include "check.h"

#include <millrace/nn.h>
#include <millrace/optim.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

typedef struct net {
    mr_module *layer1, *layer2;
} net;

static mr_tensor *net_forward(mr_module *m, mr_tape *t, mr_tensor *x)
{
    net *n = mr_module_self(m);
    x = mr_sigmoid(t, mr_forward(n->layer1, t, mr_unsqueeze(t, x, 1)));
    return mr_squeeze(t, mr_forward(n->layer2, t, x), 1);
}

static const mr_module_vtable net_vtable = { .type = "Net", .forward = net_forward };

/* Linear(1, hidden) and Linear(in2, 1). */
static mr_module *net_new(mr_rng *rng, int64_t hidden, int64_t in2)
{
    net n;
    n.layer1 = mr_linear_new(1, hidden, rng, NULL);
    n.layer2 = mr_linear_new(in2, 1, rng, NULL);
    mr_module *m = mr_module_new(&net_vtable, &n, sizeof n);
    mr_module_add(m, "layer1", n.layer1);
    mr_module_add(m, "layer2", n.layer2);
    return m;
}

static void test_initial_values(void)
{
    /* torch.manual_seed(0); torch.nn.Linear(4, 3) */
    static const double row[] = { -0.003743410110473633, 0.26822179555892944, -0.4115225672721863,
                                  -0.3679695129394531 };
    static const double bias[] = { -0.4776742458343506, -0.33114105463027954, -0.20611155033111572 };
    mr_rng *rng = mr_rng_new(0);
    mr_module *m = mr_linear_new(4, 3, rng, NULL);
    mr_params p = mr_module_parameters(m);
    CHECK_EQ_I64((int64_t)p.count, 2);
    for (int i = 0; i < 4; i++)
        CHECK_NEAR((double)((float *)mr_tensor_data(p.item[0].tensor))[i], row[i], 0);
    for (int i = 0; i < 3; i++)
        CHECK_NEAR((double)((float *)mr_tensor_data(p.item[1].tensor))[i], bias[i], 0);
    mr_module_free(m);

    m = mr_linear_new(4, 3, rng, &(mr_linear_opts){ .no_bias = true, .dtype = MR_FLOAT64 });
    p = mr_module_parameters(m);
    CHECK_EQ_I64((int64_t)p.count, 1);
    CHECK_EQ_I64(mr_tensor_dtype(p.item[0].tensor), MR_FLOAT64);
    mr_module_free(m);
    mr_rng_free(rng);
}

static void test_names(void)
{
    mr_rng *rng = mr_rng_new(0);
    static const char *const names[] = { "net.layer1.weight", "net.layer1.bias", "net.layer2.weight",
                                         "net.layer2.bias",   "1.weight",        "1.bias" };
    mr_module *outer = mr_sequential_new(), *inner = net_new(rng, 16, 16);
    CHECK_EQ_STR(mr_module_parameters(inner).item[0].name, "layer1.weight");
    mr_module_add(outer, "net", inner);
    CHECK_EQ_I64((int64_t)mr_module_parameters(outer).count, 4);
    mr_sequential_add(outer, mr_linear_new(1, 1, rng, NULL));
    mr_params p = mr_module_parameters(outer);
    CHECK_EQ_I64((int64_t)p.count, 6);
    for (size_t i = 0; i < p.count && i < 6; i++)
        CHECK_EQ_STR(p.item[i].name, names[i]);
    CHECK_EQ_STR(mr_tensor_name(p.item[3].tensor), "net.layer2.bias");
    const char *name = "";
    CHECK_EQ_STR(mr_module_type(mr_module_child(outer, 0, &name)), "Net");
    CHECK_EQ_STR(name, "net");
    CHECK(mr_module_child(outer, 2, NULL) == NULL);
    mr_module_add_parameter(inner, "gain",
                            mr_tensor_ones(MR_FLOAT32, MR_SCALAR)); /* when it is placed already */
    p = mr_module_parameters(outer);
    CHECK_EQ_I64((int64_t)p.count, 7);
    CHECK_EQ_STR(p.item[0].name, "net.gain");
    CHECK_EQ_STR(mr_tensor_name(p.item[0].tensor), "net.gain");
    CHECK_EQ_STR(mr_tensor_name(p.item[4].tensor), "net.layer2.bias");
    mr_module_free(inner); /* belongs to its parent: nothing happens */
    mr_module_train(outer, false);
    CHECK(!mr_module_is_training(mr_module_child(inner, 1, NULL)));
    mr_module_free(outer);
    mr_rng_free(rng);
}

static void test_failures(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(5));
    mr_module *m = net_new(rng, 8, 9);
    CHECK(mr_forward(m, tape, x) == NULL);
    CHECK_EQ_I64(mr_tape_status(tape), MR_ERR_SHAPE);
    CHECK_EQ_STR(mr_error(),
                 "linear: the last size of input [5,8] is not the last of weight layer2.weight[1,9]");
    mr_tape_reset(tape);
    CHECK(mr_forward(m, tape, NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "forward: input is NULL");
    mr_tape_reset(tape);
    mr_module_free(m);

    m = net_new(rng, -1, 4); /* a layer that cannot be made poisons the module, with the first cause */
    CHECK(m != NULL);
    CHECK(mr_module_parameters(m).item == NULL);
    CHECK(mr_adam_new(mr_module_parameters(m), 1e-3, NULL) == NULL);
    CHECK(mr_forward(m, tape, x) == NULL);
    CHECK_EQ_I64(mr_tape_status(tape), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "layer1: linear_new: 1 in and -1 out features");
    mr_tape_reset(tape);
    CHECK(mr_forward(m, tape, x) == NULL); /* still, also when the message was read */
    CHECK_EQ_STR(mr_error(), "layer1: linear_new: 1 in and -1 out features");
    mr_tape_reset(tape);

    mr_module_add(m, "layer3", NULL); /* and what is wrong with it later does not change it */
    CHECK(mr_module_add_parameter(m, "gain", mr_tensor_ones(MR_FLOAT32, MR_SCALAR)) == NULL);
    CHECK_EQ_STR(mr_error(), "layer1: linear_new: 1 in and -1 out features");
    mr_fail(MR_ERR_SHAPE, "of somebody else");
    mr_module_add(m, "layer4", mr_sigmoid_new());
    mr_error_clear();
    mr_module *outer = mr_sequential_add(mr_sequential_new(), m);
    mr_error_clear();
    CHECK(mr_module_parameters(outer).item == NULL);
    CHECK_EQ_STR(mr_error(), "0.layer1: linear_new: 1 in and -1 out features");
    mr_module_free(outer);
    mr_tensor_free(x);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

/* ---- what cannot be made or added ---- */

static void check_null(const void *made, mr_status status, const char *text)
{
    CHECK(made == NULL);
    CHECK_EQ_I64(mr_error_status(), status);
    CHECK_EQ_STR(mr_error(), text);
}

static void test_cannot_be_made(void)
{
    static const mr_module_vtable no_type = { .forward = net_forward };
    mr_rng *rng = mr_rng_new(0);
    check_null(mr_linear_new(1, 1, NULL, NULL), MR_ERR_ARGUMENT, "linear_new: rng is NULL");
    check_null(mr_linear_new(-2, 3, rng, NULL), MR_ERR_ARGUMENT, "linear_new: -2 in and 3 out features");
    check_null(mr_linear_new(2, 3, rng, &(mr_linear_opts){ .dtype = MR_INT64 }), MR_ERR_DTYPE,
               "linear_new: int64 is not a floating type that can be trained");
    check_null(mr_linear_new(INT64_MAX / 2, 3, rng, NULL), MR_ERR_SHAPE,
               "tensor_zeros: shape [3,4611686018427387903] has too many elements");
    static const char *const needs = "module_new: the vtable needs a type";
    check_null(mr_module_new(NULL, NULL, 0), MR_ERR_ARGUMENT, needs);
    check_null(mr_module_new(&no_type, NULL, 0), MR_ERR_ARGUMENT, needs);
    check_null(mr_module_new(&net_vtable, NULL, sizeof(net)), MR_ERR_ARGUMENT, "module_new: self is NULL");
    check_null(mr_module_parameters(NULL).item, MR_ERR_ARGUMENT, "module_parameters: module is NULL");
    mr_rng_free(rng);
}

/* A module that only holds others. */
static void test_without_forward(void)
{
    static const mr_module_vtable no_forward = { .type = "Pair" };
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    mr_module *m = mr_module_new(&no_forward, NULL, 0);
    mr_module_add(m, "first", mr_linear_new(2, 3, rng, NULL));
    mr_module_add(m, "second", mr_linear_new(3, 2, rng, NULL));
    CHECK_EQ_I64(mr_module_parameters(m).count, 4);
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(1, 2));
    CHECK(mr_forward(mr_module_child(m, 0, NULL), tape, x) != NULL);
    check_null(mr_forward(m, tape, x), MR_ERR_STATE, "Pair: forward: the module has no forward function");
    mr_error_clear();
    mr_tensor_free(x);
    mr_module_free(m);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

/* The module fails with the text, each time; it is freed. */
static void check_broken(mr_module *m, const char *text)
{
    for (int i = 0; i < 2; i++) {
        CHECK(mr_module_parameters(m).item == NULL);
        CHECK_EQ_I64(mr_error_status(), MR_ERR_ARGUMENT);
        CHECK_EQ_STR(mr_error(), text);
    }
    mr_module_free(m);
}

static void test_cannot_be_added(void)
{
    static const struct {
        const char *name, *child, *parameter;
    } table[] = {
        { "", "module_add: '' cannot be a name: it is empty or has a dot",
          "module_add_parameter: '' cannot be a name: it is empty or has a dot" },
        { NULL, "module_add: '' cannot be a name: it is empty or has a dot",
          "module_add_parameter: '' cannot be a name: it is empty or has a dot" },
        { "a.b", "module_add: 'a.b' cannot be a name: it is empty or has a dot",
          "module_add_parameter: 'a.b' cannot be a name: it is empty or has a dot" },
        { "weight", "module_add: Linear has a 'weight' already",
          "module_add_parameter: Linear has a 'weight' already" },
        { "act", "module_add: Linear has a 'act' already",
          "module_add_parameter: Linear has a 'act' already" },
    };
    mr_rng *rng = mr_rng_new(0);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        for (int parameter = 0; parameter < 2; parameter++) {
            mr_module *m = mr_linear_new(1, 1, rng, NULL);
            mr_module_add(m, "act", mr_sigmoid_new());
            CHECK_EQ_I64((int64_t)mr_module_parameters(m).count, 2);
            if (parameter)
                CHECK(mr_module_add_parameter(m, table[i].name, mr_tensor_ones(MR_FLOAT32, MR_SCALAR)) ==
                      NULL);
            else
                mr_module_add(m, table[i].name, mr_sigmoid_new());
            check_broken(m, parameter ? table[i].parameter : table[i].child);
        }
    mr_module *m = mr_sequential_new();
    mr_sequential_add(m, NULL);
    check_broken(m, "module_add: 0 is NULL");
    m = mr_sequential_new();
    mr_module_add(m, NULL, NULL);
    check_broken(m, "module_add: child is NULL");
    m = mr_sequential_new();
    CHECK(mr_module_add_parameter(m, "scale", NULL) == NULL);
    check_broken(m, "module_add_parameter: scale is NULL");
    m = mr_sequential_new();
    CHECK(mr_module_add_parameter(m, NULL, NULL) == NULL);
    check_broken(m, "module_add_parameter: parameter is NULL");
    mr_module_add(NULL, "act", mr_sigmoid_new());
    check_null(NULL, MR_ERR_ARGUMENT, "module_add: module is NULL");
    check_null(mr_sequential_add(NULL, mr_sigmoid_new()), MR_ERR_ARGUMENT, "module_add: module is NULL");
    check_null(mr_module_add_parameter(NULL, "w", mr_tensor_ones(MR_FLOAT32, MR_SCALAR)), MR_ERR_ARGUMENT,
               "module_add_parameter: module is NULL");
    mr_rng_free(rng);
}

static void test_wrong_parameters(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *w = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2));
    mr_module *m = mr_sequential_new(), *other = mr_sequential_new();
    CHECK(mr_module_add_parameter(m, "count", mr_tensor_ones(MR_INT64, MR_SHAPE(2))) == NULL);
    CHECK_EQ_I64(mr_error_status(), MR_ERR_DTYPE);
    CHECK_EQ_STR(mr_error(), "set_requires_grad: [2] is int64; only floating types have gradients");
    mr_module_free(m);
    m = mr_sequential_new();
    CHECK(mr_module_add_parameter(m, "w", mr_neg(tape, w)) == NULL);
    check_broken(
        m, "set_requires_grad: only for tensors of your own, not for results on a tape; mr_detach stops a "
           "gradient there");
    /* A parameter belongs to one module, which frees it. */
    m = mr_sequential_new();
    CHECK(mr_module_add_parameter(m, "w", w) == w);
    CHECK(mr_module_add_parameter(other, "w", w) == NULL);
    check_broken(other, "module_add_parameter: 'w' belongs to a module already");
    CHECK(mr_module_add_parameter(m, "again", w) == NULL);
    check_broken(m, "module_add_parameter: 'again' belongs to a module already");
    mr_tape_free(tape);
    mr_rng_free(rng);
}

static void test_a_child_has_one_parent(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_module *a = mr_sequential_new(), *b = mr_sequential_new(), *child = mr_linear_new(1, 1, rng, NULL);
    mr_sequential_add(a, child);
    mr_sequential_add(b, child);
    CHECK(mr_module_parameters(b).item == NULL);
    CHECK_EQ_STR(mr_error(), "module_add: '0' has a parent already");
    CHECK_EQ_I64((int64_t)mr_module_parameters(a).count, 2);
    mr_module *inner = mr_module_child(a, 0, NULL);
    mr_sequential_add(inner, a); /* is not adopted: it would free itself */
    CHECK(mr_module_parameters(inner).item == NULL);
    CHECK_EQ_STR(mr_error(), "module_add: '0' would lie within itself");
    mr_sequential_add(a, a);
    CHECK(mr_module_parameters(a).item == NULL);
    CHECK_EQ_STR(mr_error(), "module_add: '1' would lie within itself");
    mr_module_free(a);
    mr_module_free(b);
    mr_rng_free(rng);
}

static void test_frozen_parameters(void)
{
    mr_rng *rng = mr_rng_new(3);
    mr_tape *tape = mr_tape_new(rng);
    mr_module *m = mr_linear_new(3, 2, rng, NULL);
    mr_params p = mr_module_parameters(m);
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(4, 3));
    CHECK_EQ_I64(mr_tensor_set_requires_grad(p.item[0].tensor, false), MR_OK);
    CHECK_EQ_I64(mr_backward(tape, mr_sum(tape, mr_forward(m, tape, x), MR_ALL, false)), MR_OK);
    CHECK(!mr_tensor_has_grad(p.item[0].tensor));
    CHECK_NEAR((double)((float *)mr_tensor_data(mr_tensor_grad(p.item[1].tensor)))[1], 4, 0);
    mr_tensor_free(x);
    mr_module_free(m);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

/* ---- a failure inside names the module ---- */

static mr_tensor *no_result(mr_module *m, mr_tape *t, mr_tensor *x)
{
    (void)m, (void)t, (void)x;
    return NULL;
}

static mr_tensor *named_failure(mr_module *m, mr_tape *t, mr_tensor *x)
{
    (void)t, (void)x;
    mr_fail(MR_ERR_ARGUMENT, "%s", (const char *)mr_module_self(m));
    return NULL;
}

static const mr_module_vtable no_result_vtable = { .type = "NoResult", .forward = no_result };
static const mr_module_vtable failure_vtable = { .type = "Failing", .forward = named_failure };

static void check_forward_fails(mr_module *m, mr_tape *tape, mr_tensor *x, const char *text)
{
    CHECK(mr_forward(m, tape, x) == NULL);
    CHECK(mr_tape_status(tape) < 0);
    CHECK_EQ_STR(mr_error(), text);
    mr_tape_reset(tape);
}

static mr_module *failing(const char *text)
{
    return mr_module_new(&failure_vtable, text, strlen(text) + 1);
}

/* A module named NAME in one named "net" in a root. */
static mr_module *wrapped(const char *name, mr_module *inner)
{
    mr_module *outer = mr_sequential_new(), *root = mr_sequential_new();
    mr_module_add(outer, name, inner);
    mr_module_add(root, "net", outer);
    return root;
}

static void test_located_failures(void)
{
    static const struct {
        const char *name, *said, *text;
    } table[] = {
        { "act", "out of luck", "net.act: out of luck" },
        { "act", "net.act: out of luck", "net.act: out of luck" },
        { "act", "bad net.act.weight[3]", "bad net.act.weight[3]" },
        { "act", "subnet.act.weight[3]", "net.act: subnet.act.weight[3]" },
        { "act", "net.activation is off", "net.act: net.activation is off" },
        { "act", "net.act", "net.act: net.act" },
    };
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(11));
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        mr_module *m = wrapped(table[i].name, failing(table[i].said));
        check_forward_fails(m, tape, x, table[i].text);
        mr_module_free(m);
    }
    mr_module *m = mr_sequential_new();
    mr_sequential_add(m, mr_sigmoid_new());
    mr_sequential_add(m, mr_flatten_new()); /* a path that is a number: those in the text are none */
    check_forward_fails(m, tape, x, "1: flatten: dimension 1 of [11] is out of range (-1 to 0)");
    mr_module_free(m);
    m = mr_sequential_add(mr_sequential_new(), failing("0.5 is too much"));
    check_forward_fails(m, tape, x, "0: 0.5 is too much");
    mr_module_free(m);
    m = mr_flatten_new();
    check_forward_fails(m, tape, x, "Flatten: flatten: dimension 1 of [11] is out of range (-1 to 0)");
    mr_module_free(m);
    m = wrapped("0", mr_module_new(&no_result_vtable, NULL, 0));
    check_forward_fails(m, tape, x, "net.0: forward: no result");
    CHECK_EQ_I64(mr_error_status(), MR_ERR_CALLBACK);
    CHECK(mr_forward(m, NULL, x) == NULL);
    CHECK_EQ_STR(mr_error(), "forward: tape is NULL");
    check_forward_fails(m, tape, NULL, "forward: input is NULL");
    check_forward_fails(NULL, tape, x, "forward: module is NULL");
    mr_module_free(m);
    /* The first failure on a tape stays its failure, whatever is then called. */
    CHECK(mr_squeeze(tape, x, 5) == NULL);
    CHECK(mr_forward(NULL, tape, x) == NULL);
    CHECK_EQ_STR(mr_error(), "squeeze: dimension 5 of [11] is out of range (-1 to 0)");
    CHECK(mr_forward(NULL, tape, x) == NULL);
    CHECK_EQ_I64(mr_tape_status(tape), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "squeeze: dimension 5 of [11] is out of range (-1 to 0)");
    mr_tensor_free(x);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

/* ---- one module, several threads, a tape for each ---- */

/* (batch,) as a column for the module inside. */
static mr_tensor *column_forward(mr_module *m, mr_tape *t, mr_tensor *x)
{
    mr_module *const *inner = mr_module_self(m);
    return mr_forward(*inner, t, mr_unsqueeze(t, x, 1));
}

static const mr_module_vtable column_vtable = { .type = "Column", .forward = column_forward };

typedef struct job {
    mr_module *module, *broken;
    int64_t rows; /* each thread has a batch of its own, and another size of it */
    double loss[2];
    bool same; /* the numbers of every round were those of the first */
    char failure[80];
} job;

static void *evaluate(void *user)
{
    job *j = user;
    mr_rng *rng = mr_rng_new((uint64_t)j->rows);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *x = mr_tensor_randn(rng, MR_FLOAT32, MR_SHAPE(j->rows));
    mr_tensor *y = mr_tensor_randn(rng, MR_FLOAT32, MR_SHAPE(j->rows, 3));
    mr_tensor *c = mr_tensor_randint(rng, MR_INT64, 0, 3, MR_SHAPE(j->rows));
    j->same = mr_module_is_training(mr_module_child(j->module, 1, NULL)) == false;
    for (int i = 0; i < 200; i++) {
        mr_tape_set_grad(tape, i % 2 == 0);
        mr_tensor *out = mr_forward(j->module, tape, x);
        double mse = mr_item(mr_mse_loss(tape, out, y, NULL));
        double entropy = mr_item(mr_cross_entropy(tape, out, c, NULL));
        j->same = j->same && (i == 0 || (mse == j->loss[0] && entropy == j->loss[1]));
        j->loss[0] = mse;
        j->loss[1] = entropy;
        mr_tape_reset(tape);
    }
    if (!mr_forward(j->broken, tape, x) && mr_tape_status(tape) == MR_ERR_ARGUMENT)
        snprintf(j->failure, sizeof j->failure, "%s", mr_error());
    mr_tensor_free(x);
    mr_tensor_free(y);
    mr_tensor_free(c);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return NULL;
}

/* A net of one input inside a chain, in evaluation mode, its parameters in an optimizer's ranges. */
static mr_module *chain_new(mr_rng *rng)
{
    mr_module *chain = mr_sequential_new(), *tail = mr_sequential_new(), *first = net_new(rng, 16, 16);
    mr_module_add(chain, "net", first);
    mr_sequential_add(tail, mr_linear_new(1, 17, rng, NULL));
    mr_sequential_add(tail, mr_tanh_new());
    mr_sequential_add(tail, mr_linear_new(17, 3, rng, NULL));
    mr_module_add(chain, "tail", mr_module_new(&column_vtable, &tail, sizeof tail));
    mr_module_add(mr_module_child(chain, 1, NULL), "inner", tail);
    mr_module_train(chain, false);
    return chain;
}

static void test_threads(void)
{
    enum { THREADS = 4 };
    mr_rng *rng = mr_rng_new(42);
    job jobs[THREADS], alone;
    pthread_t threads[THREADS];
    mr_module *m = chain_new(rng), *broken = net_new(rng, -1, 16);
    mr_optim *optim = mr_sgd_new(mr_module_parameters(m), 0.1, NULL);
    CHECK_EQ_I64((int64_t)mr_module_parameters(m).count, 8);
    mr_error_clear();
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (job){ .module = m, .broken = broken, .rows = 37 + i };
        CHECK(pthread_create(&threads[i], NULL, evaluate, &jobs[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        alone = (job){ .module = m, .broken = broken, .rows = 37 + i };
        evaluate(&alone);
        CHECK(jobs[i].same && alone.same && isfinite(alone.loss[0]) && isfinite(alone.loss[1]));
        CHECK_NEAR(jobs[i].loss[0], alone.loss[0], 0);
        CHECK_NEAR(jobs[i].loss[1], alone.loss[1], 0);
        CHECK_EQ_STR(jobs[i].failure, "layer1: linear_new: 1 in and -1 out features");
    }
    mr_optim_free(optim);
    mr_module_free(m);
    mr_module_free(broken);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_initial_values);
    RUN(test_names);
    RUN(test_failures);
    RUN(test_cannot_be_made);
    RUN(test_without_forward);
    RUN(test_cannot_be_added);
    RUN(test_wrong_parameters);
    RUN(test_located_failures);
    RUN(test_a_child_has_one_parent);
    RUN(test_frozen_parameters);
    RUN(test_threads);
    return check_report();
}
