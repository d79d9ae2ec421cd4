/* Modules: names and order of parameters, initial values, adoption, failures, use from several threads. */
#include "check.h"

#include <millrace/nn.h>
#include <millrace/optim.h>

#include <pthread.h>
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
    CHECK_EQ_STR(mr_error(), "linear_new: 1 in and -1 out features");
    mr_tape_reset(tape);
    CHECK(mr_forward(m, tape, x) == NULL); /* still, also when the message was read */
    CHECK_EQ_STR(mr_error(), "linear_new: 1 in and -1 out features");
    mr_tape_reset(tape);
    mr_module_free(m);

    static const char *const bad[] = { "", "a.b", "weight" };
    static const char *const texts[] = { "module_add: '' cannot be a name: it is empty or has a dot",
                                         "module_add: 'a.b' cannot be a name: it is empty or has a dot",
                                         "module_add: Linear has a 'weight' already" };
    for (int i = 0; i < 3; i++) {
        m = mr_linear_new(1, 1, rng, NULL);
        mr_module_add(m, bad[i], mr_sigmoid_new());
        CHECK(mr_module_parameters(m).item == NULL);
        CHECK_EQ_STR(mr_error(), texts[i]);
        mr_module_free(m);
    }
    m = mr_sequential_new();
    mr_sequential_add(m, NULL);
    CHECK_EQ_STR(mr_error(), "module_add: 0 is NULL");
    mr_module_free(m);
    mr_tensor_free(x);
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
    mr_sequential_add(a, a);
    CHECK(mr_module_parameters(a).item == NULL);
    mr_error_clear();
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

/* ---- one module, several threads, a tape for each ---- */

typedef struct job {
    mr_module *module;
    double sum;
} job;

static void *evaluate(void *user)
{
    job *j = user;
    mr_rng *rng = mr_rng_new(1);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *x = mr_tensor_linspace(MR_FLOAT32, 0, 1, 37);
    for (int i = 0; i < 200; i++) {
        mr_tape_set_grad(tape, i % 2 == 0);
        mr_tensor *y = mr_forward(j->module, tape, x);
        j->sum = mr_item(mr_sum(tape, y, MR_ALL, false));
        mr_tape_reset(tape);
    }
    mr_tensor_free(x);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return NULL;
}

static void test_threads(void)
{
    enum { THREADS = 4 };
    mr_rng *rng = mr_rng_new(42);
    job jobs[THREADS];
    pthread_t threads[THREADS];
    mr_module *m = net_new(rng, 16, 16);
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (job){ m, 0 };
        CHECK(pthread_create(&threads[i], NULL, evaluate, &jobs[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_NEAR(jobs[i].sum, jobs[0].sum, 0);
    }
    mr_module_free(m);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_initial_values);
    RUN(test_names);
    RUN(test_failures);
    RUN(test_a_child_has_one_parent);
    RUN(test_frozen_parameters);
    RUN(test_threads);
    return check_report();
}
