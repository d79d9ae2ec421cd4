/* Summaries with an example: sizes, operations and bytes beside those that are worked out here; depths; what is left as it was. */
#include "check.h"
#include "fit.h"

static mr_rng *rng;

static const mr_summary_row *row(const mr_summary *s, const char *name)
{
    size_t count, i = 0;
    const mr_summary_row *rows = mr_summary_rows(s, &count);
    while (i < count && strcmp(rows[i].name, name) != 0)
        i++;
    if (CHECK(i < count))
        return &rows[i];
    printf("    %s: %s\n", name, s ? "no such row" : mr_error());
    return mr_summary_total(s);
}

static void check_row(const mr_summary *s, const char *name, int64_t parameters, double flops, double bytes)
{
    const mr_summary_row *r = row(s, name);
    CHECK_EQ_I64(r->parameters, parameters);
    CHECK(r->ran);
    CHECK_NEAR(r->flops, flops, 0);
    if (!CHECK_NEAR(r->activation_bytes, bytes, 0))
        printf("    %s\n", name);
}

static mr_summary *summary_of(mr_module *model, int depth, mr_tensor *example)
{
    mr_summary *s = mr_summary_new(model, &(mr_summary_opts){ .max_depth = depth, .example = example });
    if (!CHECK(s != NULL))
        printf("    %s\n", mr_error());
    mr_tensor_free(example);
    return s;
}

static mr_tensor *floats(mr_shape shape)
{
    return mr_tensor_ones(MR_FLOAT32, shape);
}

/* ---- a perceptron in a sequence ---- */

static mr_module *mlp_new(void)
{
    mr_module *inner = mr_sequential_new();
    inner = mr_sequential_add(inner, mr_linear_new(12, 5, rng, NULL));
    inner = mr_sequential_add(inner, mr_relu_new());
    mr_module *m = mr_sequential_new();
    m = mr_sequential_add(m, mr_flatten_new());
    m = mr_sequential_add(m, inner);
    m = mr_sequential_add(m, mr_linear_new(5, 2, rng, NULL));
    return m;
}

static void test_mlp(void)
{
    mr_module *m = mlp_new();
    mr_summary *s = summary_of(m, -1, floats(MR_SHAPE(8, 3, 4)));
    check_row(s, "0", 0, 0, 0); /* a view */
    check_row(s, "1", 65, 2 * 8 * 12 * 5, 2 * 8 * 5 * 4);
    check_row(s, "1.0", 65, 2 * 8 * 12 * 5, 8 * 5 * 4);
    check_row(s, "1.1", 0, 0, 8 * 5 * 4);
    check_row(s, "2", 12, 2 * 8 * 5 * 2, 8 * 2 * 4);
    const mr_summary_row *all = mr_summary_total(s);
    CHECK(all->ran && all->parameters == 77 && all->trainable == 77);
    CHECK_NEAR(all->flops, 2 * 8 * (12 * 5 + 5 * 2), 0);
    CHECK_NEAR(all->activation_bytes, 4 * (2 * 8 * 5 + 8 * 2), 0);
    CHECK_EQ_STR(mr_summary_text(s),
                 "  | Name | Type       | Params | FLOPs | In sizes  | Out sizes | Act. bytes\n"
                 "---------------------------------------------------------------------------------\n"
                 "0 | 0    | Flatten    | 0      | 0     | [8, 3, 4] | [8, 12]   | 0         \n"
                 "1 | 1    | Sequential | 65     | 960   | [8, 12]   | [8, 5]    | 320       \n"
                 "2 | 1.0  | Linear     | 65     | 960   | [8, 12]   | [8, 5]    | 160       \n"
                 "3 | 1.1  | ReLU       | 0      | 0     | [8, 5]    | [8, 5]    | 160       \n"
                 "4 | 2    | Linear     | 12     | 160   | [8, 5]    | [8, 2]    | 64        \n"
                 "---------------------------------------------------------------------------------\n"
                 "77        Trainable params\n"
                 "0         Non-trainable params\n"
                 "77        Total params\n"
                 "0.000     Total estimated model params size (MB)\n"
                 "1.1 K     Total FLOPs of the example\n"
                 "0.000     Activations of the example (MB)");
    mr_summary_free(s);
    s = summary_of(m, 1, floats(MR_SHAPE(8, 3, 4)));
    size_t count;
    CHECK(mr_summary_rows(s, &count) && count == 3);
    mr_summary_free(s);
    s = summary_of(m, 0, NULL); /* as Lightning's default; nothing was run */
    CHECK(!mr_summary_total(s)->ran && strstr(mr_summary_text(s), "FLOPs") == NULL);
    CHECK(mr_summary_rows(s, &count) && count == 3);
    mr_summary_free(s);
    mr_module_free(m);
}

/* ---- other layers ---- */

static void test_convolutions(void)
{
    mr_module *m = mr_sequential_new();
    m = mr_sequential_add(m, mr_conv2d_new(4, 6, 3, rng, &(mr_conv_opts){ .groups = 2, .padding = 1 }));
    m = mr_sequential_add(m, mr_relu_new());
    m = mr_sequential_add(m, mr_max_pool2d_new(2, NULL));
    m = mr_sequential_add(m, mr_conv_transpose2d_new(6, 3, 2, rng, NULL));
    mr_summary *s = summary_of(m, 1, floats(MR_SHAPE(2, 4, 8, 8)));
    check_row(s, "0", 6 * 2 * 9 + 6, 2. * 2 * 6 * 64 * 2 * 9, 4 * 2 * 6 * 64);
    check_row(s, "1", 0, 0, 4 * 2 * 6 * 64);
    check_row(s, "2", 0, 0, 4 * 2 * 6 * 16);
    check_row(s, "3", 6 * 3 * 4 + 3, 2. * 2 * 6 * 16 * 3 * 4, 4 * 2 * 3 * 25);
    mr_summary_free(s);
    mr_module_free(m);
}

static mr_tensor *attend(mr_module *m, mr_tape *t, mr_tensor *x)
{
    return mr_multihead_attention_forward(mr_module_child(m, 0, NULL), t, x, x, x, NULL);
}

static mr_tensor *recur(mr_module *m, mr_tape *t, mr_tensor *x)
{
    return mr_rnn_forward(mr_module_child(m, 0, NULL), t, x, NULL);
}

static mr_tensor *multiply(mr_module *m, mr_tape *t, mr_tensor *x)
{
    (void)m;
    return mr_matmul(t, x, mr_transpose(t, x, 0, 1));
}

static mr_module *around(const mr_module_vtable *vtable, mr_module *child)
{
    mr_module *m = mr_module_new(vtable, NULL, 0);
    if (child)
        mr_module_add(m, "inner", child);
    return m;
}

static void test_others(void)
{
    static const mr_module_vtable attention = { .type = "Attends", .forward = attend },
                                  recurrent = { .type = "Recurs", .forward = recur },
                                  product = { .type = "Multiplies", .forward = multiply };
    mr_module *m = around(&recurrent, mr_lstm_new(3, 5, rng, NULL));
    mr_summary *s = summary_of(m, 1, floats(MR_SHAPE(7, 2, 3)));
    CHECK(!row(s, "inner")->ran && row(s, "inner")->flops == 0); /* it did not come through mr_forward */
    CHECK_NEAR(mr_summary_total(s)->flops, 2. * 7 * 2 * 20 * (3 + 5), 0);
    CHECK(strstr(mr_summary_text(s), "| ?        | ?") != NULL);
    mr_summary_free(s);
    mr_module_free(m);
    m = around(&attention, mr_multihead_attention_new(6, 2, rng, NULL));
    s = summary_of(m, 1, floats(MR_SHAPE(4, 3, 6))); /* steps, rows, features */
    /* Three projections and the last, and the products of queries with keys, and of weights with values. */
    CHECK_NEAR(mr_summary_total(s)->flops, 4 * 2. * 12 * 6 * 6 + 2 * 2. * 3 * 2 * 4 * 4 * 3, 0);
    mr_summary_free(s);
    mr_module_free(m);
    m = around(&product, NULL);
    s = summary_of(m, 1, floats(MR_SHAPE(4, 9)));
    CHECK_NEAR(mr_summary_total(s)->flops, 2 * 4 * 4 * 9, 0);
    CHECK_NEAR(mr_summary_total(s)->activation_bytes, 4 * 4 * 4, 0); /* the transposed one is a view */
    mr_summary_free(s);
    mr_module_free(m);
}

/* ---- a module that is run twice, and has two names ---- */

static mr_tensor *twice(mr_module *m, mr_tape *t, mr_tensor *x)
{
    x = mr_forward(mr_module_child(m, 0, NULL), t, x);
    return mr_forward(mr_module_child(m, 1, NULL), t, x);
}

static void test_shared(void)
{
    static const mr_module_vtable vtable = { .type = "Twice", .forward = twice };
    mr_module *m = mr_module_new(&vtable, NULL, 0), *linear = mr_linear_new(4, 4, rng, NULL);
    mr_module_add(m, "a", linear);
    mr_module_share(m, "b", linear);
    mr_summary *s = summary_of(m, 1, floats(MR_SHAPE(2, 4)));
    size_t count;
    CHECK(mr_summary_rows(s, &count) && count == 1);
    check_row(s, "a", 20, 2 * 2. * 2 * 4 * 4, 2 * 4 * 2 * 4);
    mr_summary_free(s);
    mr_module_free(m);
}

/* ---- what it leaves alone ---- */

static void test_unchanged(void)
{
    mr_module *m = mr_sequential_new();
    m = mr_sequential_add(m, mr_linear_new(3, 4, rng, NULL));
    m = mr_sequential_add(m, mr_batch_norm1d_new(4, NULL));
    m = mr_sequential_add(m, mr_dropout_new(0.5));
    mr_params p = mr_module_parameters(m), state = mr_module_state(m);
    CHECK_EQ_I64(mr_tensor_set_requires_grad(p.item[0].tensor, false), MR_OK);
    mr_summary *s = summary_of(m, 1, floats(MR_SHAPE(5, 3)));
    check_row(s, "0", 16, 2 * 5 * 3 * 4, 5 * 4 * 4); /* also where a parameter is frozen */
    CHECK_EQ_I64(mr_summary_total(s)->trainable, 4 + 8);
    CHECK(!mr_tensor_requires_grad(p.item[0].tensor) && mr_tensor_requires_grad(p.item[1].tensor));
    CHECK(mr_module_is_training(m));
    CHECK_EQ_I64(mr_item_int64(state.item[6].tensor), 0); /* no batch was tracked */
    for (size_t i = 0; i < p.count; i++)
        CHECK(!mr_tensor_has_grad(p.item[i].tensor));
    mr_summary_free(s);
    mr_module_free(m);
}

static void test_refuses(void)
{
    mr_module *m = mlp_new();
    mr_tensor *x = floats(MR_SHAPE(8, 5));
    CHECK(!mr_summary_new(m, &(mr_summary_opts){ .example = x }));
    CHECK_EQ_STR(mr_error(),
                 "summary: linear: the last size of input [8,5] is not the last of weight 1.0.weight[5,12]");
    CHECK(!mr_summary_new(m, &(mr_summary_opts){ .max_depth = -2 }));
    CHECK_EQ_STR(mr_error(), "summary: max_depth -2 is neither a number nor -1, all");
    CHECK(!mr_summary_new(NULL, NULL));
    CHECK_EQ_STR(mr_error(), "summary: module is NULL");
    CHECK_EQ_STR(mr_summary_text(NULL), "");
    CHECK(!mr_summary_rows(NULL, NULL) && !mr_summary_total(NULL));
    mr_summary_free(NULL);
    mr_tensor_free(x);
    mr_module_free(m);
}

/* ---- the trainer's ---- */

static void test_trainer(void)
{
    fit f = fit_new(10);
    mr_tensor *x = floats(MR_SHAPE(4, 1));
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){
        .max_epochs = 1, .no_progress = true, .summary_depth = -1, .summary_example = x });
    mr_set_log_hook(hear, NULL);
    *heard = '\0';
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    mr_set_log_hook(NULL, NULL);
    CHECK(strstr(heard, "8         Total FLOPs of the example\n") != NULL);
    mr_trainer_free(t);
    mr_tensor_free(x);
    CHECK(!mr_trainer_new(&(mr_trainer_opts){ .summary_depth = -3 }));
    CHECK_EQ_STR(mr_error(), "trainer_new: summary_depth -3 is neither a number nor -1, all");
    fit_free(&f);
}

int main(void)
{
    rng = mr_rng_new(1);
    RUN(test_mlp);
    RUN(test_convolutions);
    RUN(test_others);
    RUN(test_shared);
    RUN(test_unchanged);
    RUN(test_refuses);
    RUN(test_trainer);
    mr_rng_free(rng);
    return check_report();
}
