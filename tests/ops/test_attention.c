/* Attention as a function, against PyTorch. */
#include "golden_run.h"

#include <millrace/functions.h>

static mr_attention_opts opts_of(const golden_case *c)
{
    mr_attention_opts o = { .causal = golden_number(c, "causal", 0) != 0,
                            .scale = golden_number(c, "scale", 0) };
    return o;
}

static mr_tensor *run_attention(mr_tape *tape, const golden_case *c, mr_tensor **in, mr_tensor **second)
{
    mr_attention_opts o = opts_of(c);
    (void)second;
    return mr_attention(tape, in[0], in[1], in[2], &o);
}

static mr_tensor *run_attention_masked(mr_tape *tape, const golden_case *c, mr_tensor **in,
                                       mr_tensor **second)
{
    mr_attention_opts o = opts_of(c);
    (void)second;
    return mr_attention_masked(tape, in[0], in[1], in[2], in[3], &o);
}

#define WHY "sums and exponentials"
static golden_op ops[] = {
    { "attention", run_attention, 60, 120, 0.1, WHY, { 0, 0 } },
    { "attention_same", run_attention, 60, 120, 0.1, WHY, { 0, 0 } },
    { "attention_masked", run_attention_masked, 60, 120, 0.1, WHY, { 0, 0 } },
};

static void test_attention(void)
{
    GOLDEN_RUN("attention", ops);
}

int main(void)
{
    RUN(test_attention);
    return check_report();
}
