/* The text of tensors, against PyTorch's. */
#include "golden_run.h"

#include <locale.h>

static mr_rng *rng;
static mr_tape *tape;

/* ---- the cases ---- */

/* start + step*i, with single elements replaced, cast and transposed. */
static mr_tensor *ramp(const golden_case *c, mr_tensor **base)
{
    *base = mr_tensor_zeros(MR_FLOAT64, golden_sizes(c, "shape"));
    double *values = mr_tensor_data(*base), start = golden_number(c, "start", 0),
           step = golden_number(c, "step", 0);
    for (int64_t i = 0; i < mr_tensor_numel(*base); i++)
        values[i] = start + step * (double)i;
    const golden_parameter *at = golden_find(c, "at"), *put = golden_find(c, "put");
    for (int i = 0; at && i < at->count; i++)
        values[(int)at->value[i]] = put->value[i];
    mr_tensor *x = mr_cast(tape, *base, (mr_dtype)golden_number(c, "dtype", 0));
    mr_dims dims = golden_dims(c, "dims");
    return dims.count ? mr_transpose(tape, x, dims.dim[0], dims.dim[1]) : x;
}

static mr_tensor *given(const golden_case *c, mr_tensor **base)
{
    const golden_tensor *in = &c->in[0];
    *base = golden_base(in);
    if (in->grad)
        CHECK(mr_tensor_set_requires_grad(*base, true) == MR_OK);
    mr_tensor *x = golden_view(tape, in, *base);
    return golden_find(c, "dtype") ? mr_cast(tape, x, (mr_dtype)golden_number(c, "dtype", 0)) : x;
}

/* What mr_tensor_print writes; the caller frees it. */
static char *written(const mr_tensor *x)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (!CHECK(file != NULL))
        return NULL;
    CHECK(mr_tensor_print(file, x) == MR_OK);
    fclose(file);
    return text;
}

static void check_case(const golden_case *c)
{
    mr_tensor *base, *x = strcmp(c->op, "ramp") == 0 ? ramp(c, &base) : given(c, &base);
    char *text = mr_tensor_to_string(x), *again = written(x);
    bool same = text && strcmp(text, c->text) == 0;
    check_passed += same;
    if (!same) {
        golden_failed(c, "prints\n");
        printf("%s\nexpected\n%s\n", text ? text : mr_error(), c->text);
    }
    CHECK(text && again && strcmp(text, again) == 0);
    free(text);
    free(again);
    mr_tape_reset(tape);
    mr_tensor_free(base);
}

static void test_golden(void)
{
    golden_file f;
    golden_case c = { 0 };
    if (!golden_open(&f, "print"))
        return;
    while (golden_next(&f, &c))
        if (CHECK(c.text != NULL))
            check_case(&c);
    golden_free_case(&c);
    golden_close(&f);
}

/* ---- what PyTorch does not have ---- */

static void check_text(const mr_tensor *x, const char *expected)
{
    char *text = mr_tensor_to_string(x);
    CHECK_EQ_STR(text, expected);
    free(text);
}

static void test_others(void)
{
    const uint16_t few[] = { 0, 65535 };
    mr_tensor *u = mr_tensor_from(MR_UINT16, MR_SHAPE(2), few);
    check_text(u, "tensor([    0, 65535], dtype=torch.uint16)");
    /* Any value of a bool but zero is true. */
    const uint8_t bytes[] = { 0, 1, 2, 255 };
    mr_tensor *b = mr_tensor_from(MR_BOOL, MR_SHAPE(4), bytes);
    check_text(b, "tensor([False,  True,  True,  True])");
    /* Results show no grad_fn, and a leaf says that it takes a gradient. */
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2));
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    check_text(x, "tensor([1., 1.], requires_grad=True)");
    mr_tensor *y = mr_mul_scalar(tape, x, 2);
    CHECK(mr_tensor_requires_grad(y));
    check_text(y, "tensor([2., 2.])");
    check_text(mr_unsqueeze(tape, x, 0), "tensor([[1., 1.]])");
    check_text(mr_detach(tape, x), "tensor([1., 1.])");
    mr_tape_reset(tape);
    mr_tensor_free(x);
    mr_tensor_free(b);
    mr_tensor_free(u);
}

static void test_locale(void)
{
    const char *names[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE" };
    mr_tensor *x = mr_tensor_full(MR_FLOAT32, MR_SHAPE(2), -1.5);
    for (int i = 0; i < 4 && !setlocale(LC_NUMERIC, names[i]); i++)
        continue;
    check_text(x, "tensor([-1.5000, -1.5000])");
    setlocale(LC_NUMERIC, "C");
    mr_tensor_free(x);
}

static void test_failures(void)
{
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2));
    CHECK(mr_tensor_print(NULL, x) == MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "tensor_print: file is NULL");
    CHECK(mr_tensor_print(stdout, NULL) == MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "tensor_print: tensor is NULL");
    CHECK(mr_tensor_to_string(NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "tensor_to_string: tensor is NULL");
    FILE *full = fopen("/dev/full", "w");
    if (full) { /* there is none outside Linux */
        setvbuf(full, NULL, _IONBF, 0);
        CHECK(mr_tensor_print(full, x) == MR_ERR_IO);
        CHECK_EQ_STR(mr_error(), "tensor_print: cannot write: No space left on device");
        fclose(full);
    }
    mr_tensor_free(x);
}

int main(void)
{
    rng = mr_rng_new(1);
    tape = mr_tape_new(rng);
    RUN(test_golden);
    RUN(test_others);
    RUN(test_locale);
    RUN(test_failures);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}
