/* The table of a model's parameters. The first one is what Lightning 2.0.9 printed. */
#include "check.h"

#include "base/alloc.h"
#include "train/summary.h"

static mr_tensor *pass(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    (void)module;
    (void)tape;
    return x;
}

static const mr_module_vtable net_vtable = { .type = "Net", .forward = pass };

static mr_module *net_new(void)
{
    return mr_module_new(&net_vtable, NULL, 0);
}

static mr_module *add_linear(mr_module *net, const char *name, int64_t in, int64_t out)
{
    mr_rng *rng = mr_rng_new(1);
    mr_module *linear = mr_linear_new(in, out, rng, NULL);
    mr_module_add(net, name, linear);
    mr_rng_free(rng);
    return linear;
}

static mr_module *chapter_new(void)
{
    mr_module *net = net_new();
    add_linear(net, "layer1", 1, 16);
    add_linear(net, "layer2", 16, 1);
    return net;
}

static void check_table(mr_module *net, const char *wanted)
{
    mr_summary *s = mr_summary_new(net, NULL);
    if (!CHECK_EQ_STR(mr_summary_text(s), wanted) && !s)
        printf("    %s\n", mr_error());
    mr_summary_free(s);
}

#define CHAPTER_TABLE                      \
    "  | Name   | Type   | Params\n"       \
    "----------------------------------\n" \
    "0 | layer1 | Linear | 32    \n"       \
    "1 | layer2 | Linear | 17    \n"       \
    "----------------------------------\n" \
    "49        Trainable params\n"         \
    "0         Non-trainable params\n"     \
    "49        Total params\n"             \
    "0.000     Total estimated model params size (MB)"

static void test_chapter(void)
{
    mr_module *net = chapter_new();
    check_table(net, CHAPTER_TABLE);
    mr_module_free(net);
}

/* Large numbers, a module in a module, one without parameters, own and frozen parameters, a wide name. */
static void test_large(void)
{
    mr_module *net = net_new(), *inner = mr_sequential_new();
    mr_rng *rng = mr_rng_new(1);
    inner = mr_sequential_add(inner, mr_linear_new(256, 512, rng, NULL));
    inner = mr_sequential_add(inner, mr_relu_new());
    mr_module_add(net, "encoder", inner);
    mr_module_add(net, "activation", mr_tanh_new());
    add_linear(net, "größe", 1, 512);
    mr_tensor *table = mr_module_add_parameter(net, "table", mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(999, 2)));
    CHECK_EQ_I64(mr_tensor_set_requires_grad(table, false), MR_OK);
    check_table(net, "  | Name         | Type       | Params\n"
                     "--------------------------------------------\n"
                     "0 | encoder      | Sequential | 131 K \n"
                     "1 | activation   | Tanh       | 0     \n"
                     "2 | größe        | Linear     | 1.0 K \n"
                     "  | other params | n/a        | 2.0 K \n"
                     "--------------------------------------------\n"
                     "132 K     Trainable params\n"
                     "2.0 K     Non-trainable params\n"
                     "134 K     Total params\n"
                     "0.538     Total estimated model params size (MB)");
    mr_module_free(net);
    mr_rng_free(rng);
}

static void test_no_children(void)
{
    mr_rng *rng = mr_rng_new(1);
    mr_module *linear = mr_linear_new(3, 4, rng, &(mr_linear_opts){ .dtype = MR_FLOAT64 });
    mr_module *relu = mr_relu_new();
    check_table(linear, "  | Name         | Type | Params\n"
                        "--------------------------------------\n"
                        "  | other params | n/a  | 16    \n"
                        "--------------------------------------\n"
                        "16        Trainable params\n"
                        "0         Non-trainable params\n"
                        "16        Total params\n"
                        "0.000     Total estimated model params size (MB)");
    check_table(relu, "  | Name | Type | Params\n"
                      "------------------------------\n"
                      "------------------------------\n"
                      "0         Trainable params\n"
                      "0         Non-trainable params\n"
                      "0         Total params\n"
                      "0.000     Total estimated model params size (MB)");
    mr_module_free(linear);
    mr_module_free(relu);
    mr_rng_free(rng);
}

/* As Lightning's get_human_readable_count. The parameters are borrowed, of size 1 and expanded: no memory. */
static void check_counts(int64_t a, int64_t b, const char *count, const char *megabytes)
{
    static float one;
    char wanted[600];
    mr_module *net = net_new();
    mr_module_add_parameter(net, "p", mr_tensor_wrap(MR_FLOAT32, MR_SHAPE(a, b), &one));
    snprintf(wanted, sizeof wanted, "\n%-10sTotal params\n%-10sTotal estimated model params size (MB)", count,
             megabytes);
    mr_summary *s = mr_summary_new(net, NULL);
    const char *text = mr_summary_text(s);
    if (!CHECK(strstr(text, wanted)))
        printf("    %s", *text ? text : mr_error());
    mr_summary_free(s);
    mr_module_free(net);
}

static void test_counts(void)
{
    check_counts(999, 1, "999  ", "0.004");
    check_counts(1000, 1, "1.0 K", "0.004");
    check_counts(1250, 1, "1.2 K", "0.005");
    check_counts(99949, 1, "99.9 K", "0.400");
    check_counts(99999, 1, "100.0 K", "0.400");
    check_counts(100000, 1, "100 K", "0.400");
    check_counts(999999, 1, "999 K", "4.000");
    check_counts(2000, 1000, "2.0 M", "8.000");
    check_counts(12345678, 100, "1.2 B", "4,938.271");
    check_counts(400000000, 1000000, "400 T", "1,600,000,000.000");
    check_counts(5000000000, 1000000, "5,000 T", "20,000,000,000.000");
}

static char logged[2000];

static void collect(void *user, mr_log_level level, const char *line)
{
    (void)user;
    CHECK_EQ_I64(level, MR_LOG_INFO);
    CHECK(strchr(line, '\n') == NULL);
    size_t used = strlen(logged);
    snprintf(logged + used, sizeof logged - used, "%s\n", line);
}

static void test_log(void)
{
    mr_module *net = chapter_new();
    mr_set_log_hook(collect, NULL);
    CHECK_EQ_I64(mr__summary_log(net, NULL), MR_OK);
    CHECK_EQ_STR(logged, "\n" CHAPTER_TABLE "\n");
    mr_error_clear();
    CHECK(mr__summary_log(NULL, NULL) < 0);
    CHECK(mr_error()[0] != '\0');
    mr_set_log_hook(NULL, NULL);
    mr_module_free(net);
}

int main(void)
{
    RUN(test_chapter);
    RUN(test_large);
    RUN(test_no_children);
    RUN(test_counts);
    RUN(test_log);
    return check_report();
}
