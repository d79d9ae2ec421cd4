/* Tensors of the user's own: constants, ranges and draws, against PyTorch bit for bit, and what the draws leave
 * behind in the generator. */
#include "golden_run.h"

/* ---- the cases ---- */

static mr_dtype dtype(const golden_case *c)
{
    return (mr_dtype)golden_number(c, "dtype", 0);
}

static int64_t whole(const golden_case *c, const char *key)
{
    return (int64_t)golden_number(c, key, 0);
}

static mr_tensor *ranged(const golden_case *c)
{
    double start = golden_number(c, "start", 0), end = golden_number(c, "end", 0);
    return strcmp(c->op, "arange") == 0 ? mr_tensor_arange(dtype(c), start, end, golden_number(c, "step", 0))
                                        : mr_tensor_linspace(dtype(c), start, end, whole(c, "steps"));
}

static mr_tensor *drawn(const golden_case *c, mr_rng *rng)
{
    mr_shape shape = golden_sizes(c, "shape");
    if (strcmp(c->op, "rand") == 0)
        return mr_tensor_rand(rng, dtype(c), shape);
    if (strcmp(c->op, "randn") == 0)
        return mr_tensor_randn(rng, dtype(c), shape);
    if (strcmp(c->op, "randint") == 0)
        return mr_tensor_randint(rng, dtype(c), whole(c, "low"), whole(c, "high"), shape);
    return mr_tensor_randperm(rng, whole(c, "count"));
}

static mr_tensor *filled(const golden_case *c)
{
    mr_shape shape = golden_sizes(c, "shape");
    double value = golden_number(c, "value", 0);
    if (strcmp(c->op, "zeros") == 0)
        return mr_tensor_zeros(dtype(c), shape);
    if (strcmp(c->op, "ones") == 0)
        return mr_tensor_ones(dtype(c), shape);
    return strcmp(c->op, "scalar") == 0 ? mr_tensor_scalar(dtype(c), value)
                                        : mr_tensor_full(dtype(c), shape, value);
}

static uint64_t fnv_of_state(const mr_rng *rng)
{
    unsigned char bytes[MR_RNG_STATE_BYTES];
    mr_rng_get_state(rng, bytes);
    uint64_t value = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < sizeof bytes; i++)
        value = (value ^ bytes[i]) * UINT64_C(0x100000001b3);
    return value;
}

static void check_bits(const golden_case *c, const mr_tensor *x)
{
    const golden_tensor *want = &c->out[0];
    golden_op exact = { .name = c->op };
    if (!golden_compare(c, &exact, "output", want, x, false))
        return;
    if (want->dtype != MR_FLOAT16 && want->dtype != MR_BFLOAT16 && /* those are kept widened */
        memcmp(mr_tensor_data(x), want->values, (size_t)want->numel * mr_dtype_size(want->dtype)))
        golden_failed(c, "has other bits\n");
    if (!mr_tensor_is_contiguous(x) || mr_tensor_requires_grad(x))
        golden_failed(c, "is not contiguous, or requires a gradient\n");
}

static void check_state(const golden_case *c, const mr_rng *rng)
{
    const golden_parameter *state = golden_find(c, "state");
    if (!state)
        return;
    bool same = fnv_of_state(rng) == ((uint64_t)state->value[0] << 32 | (uint64_t)state->value[1]);
    check_passed += same;
    if (!same)
        golden_failed(c, "leaves the generator elsewhere\n");
}

static void check_failure(const golden_case *c, mr_rng *rng, uint64_t before)
{
    const char *text = mr_error();
    bool ok = *text && !strchr(text, '\n') && text[strlen(text) - 1] != '.';
    check_passed += ok;
    if (!ok)
        golden_failed(c, "has no proper message\n");
    if (rng && fnv_of_state(rng) != before)
        golden_failed(c, "fails, and has drawn\n");
}

static void check_case(const golden_case *c)
{
    mr_rng *rng = golden_find(c, "seed") ? mr_rng_new((uint64_t)golden_number(c, "seed", 0)) : NULL;
    if (golden_find(c, "before")) {
        mr_tensor *before = mr_tensor_randn(rng, MR_FLOAT32, MR_SHAPE(whole(c, "before")));
        mr_tensor_free(before);
    }
    uint64_t before = rng ? fnv_of_state(rng) : 0;
    bool range = golden_find(c, "end") != NULL, draw = rng && !golden_find(c, "value");
    mr_tensor *x = range ? ranged(c) : draw ? drawn(c, rng) : filled(c);
    if (c->fails && x)
        golden_failed(c, "does not fail\n");
    else if (c->fails)
        check_failure(c, rng, before);
    else {
        check_bits(c, x);
        check_state(c, rng);
    }
    mr_error_clear();
    mr_tensor_free(x);
    mr_rng_free(rng);
}

static void test_golden(void)
{
    golden_file f;
    golden_case c = { 0 };
    if (!golden_open(&f, "create"))
        return;
    while (golden_next(&f, &c))
        check_case(&c);
    golden_close(&f);
}

int main(void)
{
    RUN(test_golden);
    return check_report();
}
