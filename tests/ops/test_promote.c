/* The types that operations give their results, against PyTorch. */
#include "golden_run.h"

static mr_rng *rng;
static mr_tape *tape;

static mr_dtype type_of(const golden_case *c, int which)
{
    return (mr_dtype)golden_find(c, "types")->value[which];
}

static mr_tensor *one(const golden_case *c, int which)
{
    mr_shape shape = { golden_dims(c, "dims").dim[which], { 1, 1 } };
    return mr_full(tape, type_of(c, which), shape, 1);
}

typedef mr_tensor *(*binary)(mr_tape *tape, mr_tensor *a, mr_tensor *b);
typedef mr_tensor *(*with_number)(mr_tape *tape, mr_tensor *x, double value);

static mr_tensor *where(mr_tape *t, mr_tensor *a, mr_tensor *b)
{
    return mr_where(t, mr_full(t, MR_BOOL, MR_SHAPE(1), 1), a, b);
}

static mr_tensor *cat(mr_tape *t, mr_tensor *a, mr_tensor *b)
{
    return mr_cat(t, (mr_tensor *[]){ a, b }, 2, 0);
}

static mr_tensor *stack(mr_tape *t, mr_tensor *a, mr_tensor *b)
{
    return mr_stack(t, (mr_tensor *[]){ a, b }, 2, 0);
}

static mr_tensor *run(const golden_case *c)
{
    static const struct {
        const char *name;
        binary call;
    } pairs[] = { { "add", mr_add },         { "sub", mr_sub }, { "mul", mr_mul },
                  { "div", mr_div },         { "pow", mr_pow }, { "minimum", mr_minimum },
                  { "maximum", mr_maximum }, { "eq", mr_eq },   { "lt", mr_lt },
                  { "where", where },        { "cat", cat },    { "stack", stack } };
    static const struct {
        const char *name;
        with_number call;
    } numbers[] = { { "add_scalar", mr_add_scalar },   { "sub_scalar", mr_sub_scalar },
                    { "rsub_scalar", mr_rsub_scalar }, { "mul_scalar", mr_mul_scalar },
                    { "div_scalar", mr_div_scalar },   { "pow_scalar", mr_pow_scalar } };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (strcmp(pairs[i].name, c->op) == 0)
            return pairs[i].call(tape, one(c, 0), one(c, 1));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(numbers[i].name, c->op) == 0)
            return numbers[i].call(tape, one(c, 0), 2);
    golden_failed(c, "is in no table\n");
    return NULL;
}

static void check_case(const golden_case *c)
{
    mr_dtype want = (mr_dtype)(int)golden_number(c, "result", -1);
    bool ok;
    if (strcmp(c->op, "promote") == 0)
        ok = mr_dtype_promote(type_of(c, 0), type_of(c, 1)) == want;
    else {
        const mr_tensor *y = run(c);
        ok = c->fails ? !y && mr_tape_status(tape) == MR_ERR_DTYPE : y && mr_tensor_dtype(y) == want;
    }
    check_passed += ok;
    if (!ok)
        golden_failed(c, "has another type\n");
    mr_tape_reset(tape);
    mr_error_clear();
}

static void test_golden(void)
{
    golden_file f;
    golden_case c = { 0 };
    if (!golden_open(&f, "promote"))
        return;
    while (golden_next(&f, &c))
        check_case(&c);
    golden_close(&f);
}

/* torch 1.13 has no uint16: it lies between uint8 and int32. */
static void test_uint16(void)
{
    static const struct {
        mr_dtype other, result;
    } table[] = { { MR_BOOL, MR_UINT16 },     { MR_UINT8, MR_UINT16 },    { MR_INT8, MR_INT32 },
                  { MR_INT16, MR_INT32 },     { MR_UINT16, MR_UINT16 },   { MR_INT32, MR_INT32 },
                  { MR_INT64, MR_INT64 },     { MR_FLOAT16, MR_FLOAT16 }, { MR_BFLOAT16, MR_BFLOAT16 },
                  { MR_FLOAT32, MR_FLOAT32 }, { MR_FLOAT64, MR_FLOAT64 } };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        CHECK_EQ_I64(mr_dtype_promote(MR_UINT16, table[i].other), table[i].result);
        CHECK_EQ_I64(mr_dtype_promote(table[i].other, MR_UINT16), table[i].result);
    }
}

static void test_names_and_sizes(void)
{
    static const struct {
        mr_dtype dtype;
        const char *name;
        size_t size;
    } table[] = { { MR_FLOAT32, "float32", 4 }, { MR_FLOAT64, "float64", 8 },   { MR_INT64, "int64", 8 },
                  { MR_INT32, "int32", 4 },     { MR_UINT8, "uint8", 1 },       { MR_BOOL, "bool", 1 },
                  { MR_FLOAT16, "float16", 2 }, { MR_BFLOAT16, "bfloat16", 2 }, { MR_INT8, "int8", 1 },
                  { MR_INT16, "int16", 2 },     { MR_UINT16, "uint16", 2 },     { (mr_dtype)11, "?", 0 },
                  { (mr_dtype)-1, "?", 0 } };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        CHECK_EQ_STR(mr_dtype_name(table[i].dtype), table[i].name);
        CHECK_EQ_I64(mr_dtype_size(table[i].dtype), table[i].size);
    }
}

int main(void)
{
    rng = mr_rng_new(1);
    tape = mr_tape_new(rng);
    RUN(test_golden);
    RUN(test_uint16);
    RUN(test_names_and_sizes);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}
