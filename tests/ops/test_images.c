/* Modules for images, against PyTorch; the specs are described in golden/make_images.py. */
#include "golden_modules.h"

#include <millrace/layers.h>

/* What stands in a spec's brackets: numbers without a name, then options. */
typedef struct arguments {
    int64_t number[3];
    mr_conv_opts conv;
    mr_pool_opts pool;
} arguments;

static void set_option(arguments *a, const char *name, int64_t value)
{
    if (strcmp(name, "stride") == 0)
        a->conv.stride = a->pool.stride = value;
    else if (strcmp(name, "padding") == 0)
        a->conv.padding = a->pool.padding = value;
    else if (strcmp(name, "dilation") == 0)
        a->conv.dilation = value;
    else if (strcmp(name, "groups") == 0)
        a->conv.groups = value;
    else if (strcmp(name, "output_padding") == 0)
        a->conv.output_padding = value;
    else if (strcmp(name, "kernel_w") == 0)
        a->conv.kernel_w = value;
    else if (strcmp(name, "bias") == 0)
        a->conv.no_bias = !value;
    else if (strcmp(name, "ceil_mode") == 0)
        a->pool.ceil = value;
    else
        CHECK(false);
}

static arguments read_arguments(void)
{
    arguments a = { .conv.dtype = dtype };
    int count = 0;
    CHECK(next_is('('));
    do {
        char name[32], *end;
        bool named = *at < '0' || *at > '9';
        if (named) {
            read_name(name, sizeof name);
            CHECK(next_is('='));
        }
        int64_t value = strtoll(at, &end, 10);
        at = end;
        if (named)
            set_option(&a, name, value);
        else if (count < 3)
            a.number[count++] = value;
    } while (next_is(','));
    CHECK(next_is(')'));
    return a;
}

static mr_module *other_module(const char *type)
{
    static const struct {
        const char *type;
        mr_module *(*conv)(int64_t in, int64_t out, int64_t kernel, mr_rng *rng, const mr_conv_opts *opts);
        mr_module *(*pool)(int64_t kernel, const mr_pool_opts *opts);
    } kinds[] = {
        { "Conv1d", mr_conv1d_new, NULL },
        { "Conv2d", mr_conv2d_new, NULL },
        { "MaxPool1d", NULL, mr_max_pool1d_new },
        { "MaxPool2d", NULL, mr_max_pool2d_new },
        { "AvgPool1d", NULL, mr_avg_pool1d_new },
        { "AvgPool2d", NULL, mr_avg_pool2d_new },
        { "ConvTranspose2d", mr_conv_transpose2d_new, NULL },
    };
    if (strcmp(type, "AdaptiveAvgPool2d") == 0) {
        arguments a = read_arguments();
        return mr_adaptive_avg_pool2d_new(a.number[0], a.number[1]);
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(type, kinds[i].type) != 0)
            continue;
        arguments a = read_arguments();
        mr_module *m = kinds[i].conv ? kinds[i].conv(a.number[0], a.number[1], a.number[2], rng, &a.conv)
                                     : kinds[i].pool(a.number[0], &a.pool);
        CHECK_EQ_STR(mr_module_type(m), type);
        return m;
    }
    return NULL;
}

/* ---- what constructors refuse ---- */

static void test_refused(void)
{
    mr_rng *r = mr_rng_new(1);
    CHECK(!mr_conv2d_new(3, 4, 3, NULL, NULL));
    CHECK_EQ_STR(mr_error(), "conv2d_new: rng is NULL");
    CHECK(!mr_conv1d_new(3, 4, 0, r, NULL));
    CHECK_EQ_STR(mr_error(),
                 "conv1d_new: 3 and 4 channels in 1 groups with a kernel of 0: all are at least 1, and the "
                 "channels multiples of the groups");
    CHECK(!mr_conv_transpose2d_new(3, 4, 3, r, &(mr_conv_opts){ .groups = 2 }));
    CHECK_EQ_STR(mr_error(),
                 "conv_transpose2d_new: 3 and 4 channels in 2 groups with a kernel of 3: all are at least "
                 "1, and the channels multiples of the groups");
    CHECK(!mr_conv2d_new(3, 4, 3, r, &(mr_conv_opts){ .dtype = MR_INT32 }));
    CHECK_EQ_STR(mr_error(), "conv2d_new: int32 is not a floating type that can be trained");
    mr_rng_free(r);
}

static void test_images(void)
{
    golden_run_modules("images");
}

int main(void)
{
    RUN(test_refused);
    RUN(test_images);
    return check_report();
}
