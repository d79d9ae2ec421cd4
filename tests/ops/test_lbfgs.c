/* L-BFGS against PyTorch, evaluation by evaluation; golden/make_lbfgs.py describes the problems and the file.
 *
 * Products of long vectors are summed in another order, which the iterations make larger; in float32 torch also works out
 * steps and interpolations in float. Halfway another optimizer goes on from the state of the first. */
#include "golden_run.h"

#include "kernels/kernels.h"

#include <millrace/nn.h>
#include <millrace/optim.h>

enum { MAX_TENSORS = 5 };

static golden_op tolerance[] = { { .name = "float32", .forward = 1000, .floor = 1 },
                                 { .name = "float64", .forward = 5e5, .floor = 1 } };

typedef struct problem {
    golden_case c;
    golden_tensor read[MAX_TENSORS];
    mr_tensor *x[MAX_TENSORS];
    int count, params; /* tensors; the first of them are parameters */
    mr_param list[MAX_TENSORS];
    mr_optim *optim;
    mr_tape *tape;
    int evaluations;
} problem;

static golden_file file;

static bool word_is(const char *word)
{
    char *next = file.at + strspn(file.at, " \n");
    size_t n = strlen(word);
    if (strncmp(next, word, n) || (next[n] != ' ' && next[n] != '\n'))
        return false;
    golden_word(&file);
    return true;
}

/* ---- the problems ---- */

static mr_tensor *rosenbrock(problem *p)
{
    mr_tensor *x = p->x[0];
    mr_tensor *low = mr_slice(p->tape, x, 0, 0, 5, 1), *high = mr_slice(p->tape, x, 0, 1, 6, 1);
    mr_tensor *valley = mr_square(p->tape, mr_sub(p->tape, high, mr_mul(p->tape, low, low)));
    mr_tensor *rest = mr_square(p->tape, mr_rsub_scalar(p->tape, low, 1));
    return mr_add(p->tape, mr_sum(p->tape, mr_mul_scalar(p->tape, valley, 100), MR_ALL, false),
                  mr_sum(p->tape, rest, MR_ALL, false));
}

static mr_tensor *quadratic(problem *p)
{
    mr_tensor *x = p->x[0];
    return mr_sum(p->tape, mr_mul(p->tape, mr_mul(p->tape, p->x[2], x), x), MR_ALL, false);
}

static mr_tensor *net(problem *p)
{
    mr_tensor *h = mr_tanh(p->tape, mr_add(p->tape, mr_matmul(p->tape, p->x[3], p->x[0]), p->x[1]));
    return mr_mse_loss(p->tape, mr_matmul(p->tape, h, p->x[2]), p->x[4], NULL);
}

static mr_tensor *squares(problem *p)
{
    return mr_mul_scalar(p->tape, mr_mul(p->tape, p->x[0], p->x[0]), 0.1);
}

static mr_tensor *waves(problem *p, double frequency)
{
    mr_tensor *wave = mr_sin(p->tape, mr_mul_scalar(p->tape, p->x[0], frequency));
    return mr_sum(p->tape, mr_add(p->tape, squares(p), wave), MR_ALL, false);
}

static mr_tensor *corners(problem *p)
{
    return mr_sum(p->tape, mr_add(p->tape, mr_abs(p->tape, p->x[0]), squares(p)), MR_ALL, false);
}

static mr_tensor *loss_of(problem *p)
{
    const char *name = p->c.op;
    if (strcmp(name, "rosenbrock") == 0)
        return rosenbrock(p);
    if (strcmp(name, "quadratic") == 0)
        return quadratic(p);
    if (strcmp(name, "waves") == 0 || strcmp(name, "ripples") == 0)
        return waves(p, *name == 'w' ? 5 : 20);
    return strcmp(name, "corners") == 0 ? corners(p) : net(p);
}

static mr_status closure(void *user, double *loss)
{
    problem *p = user;
    p->evaluations++;
    mr_optim_zero_grad(p->optim);
    mr_tensor *y = loss_of(p);
    mr_status status = mr_backward(p->tape, y);
    *loss = status == MR_OK ? mr_item(y) : NAN;
    mr_tape_reset(p->tape);
    return status;
}

static mr_optim *make(problem *p)
{
    return mr_lbfgs_new((mr_params){ p->list, (size_t)p->params }, golden_number(&p->c, "lr", -1),
                        &(mr_lbfgs_opts){ .max_iter = (int64_t)golden_number(&p->c, "max_iter", 0),
                                          .max_eval = (int64_t)golden_number(&p->c, "max_eval", 0),
                                          .tolerance_grad = golden_number(&p->c, "tolerance_grad", 0),
                                          .tolerance_change = golden_number(&p->c, "tolerance_change", 0),
                                          .history_size = (int64_t)golden_number(&p->c, "history_size", 0),
                                          .strong_wolfe = golden_number(&p->c, "strong_wolfe", 0) > 0 });
}

/* ---- the file ---- */

static bool read_problem(problem *p)
{
    static const char *const names[] = { "a", "b", "c", "d", "e" };
    p->c.file = file.name;
    p->c.number = atoi(golden_word(&file));
    CHECK_EQ_I64(p->c.number, ++file.seen);
    snprintf(p->c.op, sizeof p->c.op, "%s", golden_word(&file));
    while (!word_is("in"))
        if (!CHECK(golden_read_parameter(&file, &p->c, golden_word(&file))))
            return false;
    do {
        golden_tensor *t = &p->read[p->count];
        if (!CHECK(p->count < MAX_TENSORS && golden_read_tensor(&file, t)))
            return false;
        p->x[p->count] = mr_tensor_from(t->dtype, t->shape, t->values);
        p->list[p->count] = (mr_param){ names[p->count], p->x[p->count] };
        if (t->grad)
            CHECK_EQ_I64(mr_tensor_set_requires_grad(p->x[p->count], true), MR_OK);
        p->params += t->grad;
        p->count++;
    } while (word_is("in"));
    return true;
}

static void free_problem(problem *p)
{
    mr_optim_free(p->optim);
    for (int i = 0; i < p->count; i++) {
        free(p->read[i].values);
        mr_tensor_free(p->x[i]);
    }
}

static int64_t number_of(mr_optim *optim, const char *name)
{
    mr_params state = mr_optim_state(optim);
    for (size_t i = 0; i < state.count; i++)
        if (strcmp(state.item[i].name, name) == 0)
            return mr_item_int64(state.item[i].tensor);
    return -1;
}

/* Compares what a step has made with the file. */
static bool check_step(problem *p, double loss)
{
    golden_op *op = &tolerance[p->read[0].dtype == MR_FLOAT64];
    double want_loss = strtod(golden_word(&file), NULL);
    bool ok = CHECK_CLOSE(loss, want_loss, p->read[0].dtype == MR_FLOAT64 ? 1e-9 : 1e-3, 1e-12);
    ok = CHECK_EQ_I64(number_of(p->optim, "a.n_iter"), atoi(golden_word(&file))) && ok;
    ok = CHECK_EQ_I64(number_of(p->optim, "a.func_evals"), atoi(golden_word(&file))) && ok;
    while (word_is("value")) {
        int k = atoi(golden_word(&file));
        golden_tensor want = { 0 };
        if (!CHECK(golden_read_like(&file, &want, &p->read[k])))
            return false;
        ok = golden_compare(&p->c, op, "a parameter", &want, p->x[k], false) && ok;
        free(want.values);
    }
    return ok;
}

/* Another optimizer takes the place of the present one. */
static void change_optimizer(problem *p)
{
    mr_optim *other = make(p);
    if (!CHECK(other != NULL))
        return;
    CHECK_EQ_I64(mr_optim_load_state(other, mr_optim_state(p->optim)), MR_OK);
    mr_optim_free(p->optim);
    p->optim = other;
}

static void check_problem(mr_tape *tape)
{
    problem p = { .tape = tape };
    if (!read_problem(&p))
        return;
    p.optim = make(&p);
    int step = 0;
    while (CHECK(p.optim != NULL) && word_is("after")) {
        double loss = -1;
        CHECK_EQ_I64(atoi(golden_word(&file)), ++step);
        if (step == 5)
            change_optimizer(&p);
        CHECK_EQ_I64(mr_optim_step_closure(p.optim, closure, &p, &loss), MR_OK);
        CHECK_EQ_I64(mr_optim_steps(p.optim), step);
        if (!check_step(&p, loss))
            printf("    in step %d of case %d\n", step, p.c.number);
    }
    CHECK_EQ_I64(p.evaluations, number_of(p.optim, "a.func_evals"));
    free_problem(&p);
}

static void test_golden(void)
{
    if (!golden_open(&file, "lbfgs"))
        return;
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    while (!file.bad && word_is("case"))
        check_problem(tape);
    CHECK(word_is("end"));
    golden_close(&file);
    mr_tape_free(tape);
    mr_rng_free(rng);
    for (int i = 0; getenv("MR_GOLDEN_WORST") && i < 2; i++)
        printf("%s: %.3f of %g\n", tolerance[i].name, tolerance[i].worst[0], tolerance[i].forward);
}

int main(void)
{
    RUN(test_golden);
    return check_report();
}
