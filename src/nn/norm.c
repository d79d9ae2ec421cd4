/* The normalisations as modules. */
#include "module.h"

#include "base/option.h"
#include "tensor/norm.h"

#include <millrace/layers.h>

typedef struct norm {
    mr_tensor *weight, *bias;     /* NULL: none */
    mr_tensor *mean, *var, *seen; /* the running values; NULL: none */
    double eps, momentum;
    bool cumulative;
    bool anew, was_cumulative; /* between mr__batch_norms_begin and mr__batch_norms_end; what it was before */
    int64_t groups, channels;
    mr_shape sizes;
} norm;

static double or_default(double value, double fallback)
{
    return mr__option(value, fallback);
}

/* ---- making ---- */

static bool type_is_right(const char *call, mr_dtype dtype)
{
    if (dtype == MR_FLOAT32 || dtype == MR_FLOAT64)
        return true;
    mr__raise(MR_ERR_DTYPE, "%s: %s is not a floating type that can be trained", call, mr_dtype_name(dtype));
    return false;
}

static bool channels_are_right(const char *call, int64_t channels)
{
    if (channels >= 0)
        return true;
    mr__raise(MR_ERR_ARGUMENT, "%s: %lld channels", call, (long long)channels);
    return false;
}

static mr_module *norm_new(const char *call, const mr_module_vtable *vtable, const norm *n, mr_dtype dtype,
                           bool affine, bool running)
{
    mr_module *module = type_is_right(call, dtype) ? mr_module_new(vtable, n, sizeof *n) : NULL;
    norm *self = mr_module_self(module);
    if (!self)
        return NULL;
    if (affine) {
        self->weight = mr_module_add_parameter(module, "weight", mr_tensor_ones(dtype, n->sizes));
        self->bias = mr_module_add_parameter(module, "bias", mr_tensor_zeros(dtype, n->sizes));
    }
    if (running) {
        self->mean = mr_module_add_buffer(module, "running_mean", mr_tensor_zeros(dtype, n->sizes));
        self->var = mr_module_add_buffer(module, "running_var", mr_tensor_ones(dtype, n->sizes));
        self->seen =
            mr_module_add_buffer(module, "num_batches_tracked", mr_tensor_zeros(MR_INT64, MR_SCALAR));
    }
    if (module->failed) {
        mr_module_free(module);
        return NULL;
    }
    return module;
}

/* ---- LayerNorm, GroupNorm ---- */

static mr_tensor *layer_norm(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    const norm *n = mr_module_self(module);
    mr_norm_opts opts = { .eps = n->eps };
    return n->weight ? mr_layer_norm(tape, x, n->weight, n->bias, &opts)
                     : mr_layer_norm_plain(tape, x, n->sizes, &opts);
}

mr_module *mr_layer_norm_new(mr_shape sizes, const mr_norm_opts *opts)
{
    static const mr_module_vtable vtable = { .type = "LayerNorm", .forward = layer_norm };
    norm n = { .sizes = sizes, .eps = opts ? opts->eps : 0 };
    if (sizes.ndim < 1) {
        mr__raise(MR_ERR_ARGUMENT, "layer_norm_new: no sizes to normalise over");
        return NULL;
    }
    return norm_new("layer_norm_new", &vtable, &n, opts ? opts->dtype : MR_FLOAT32, !opts || !opts->no_affine,
                    false);
}

static mr_tensor *group_norm(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    const norm *n = mr_module_self(module);
    mr_norm_opts opts = { .eps = n->eps };
    if (n->weight)
        return mr_group_norm(tape, x, n->groups, n->weight, n->bias, &opts);
    return mr_group_norm_plain(tape, x, n->groups, &opts);
}

mr_module *mr_group_norm_new(int64_t groups, int64_t channels, const mr_norm_opts *opts)
{
    static const mr_module_vtable vtable = { .type = "GroupNorm", .forward = group_norm };
    norm n = { .groups = groups, .sizes = MR_SHAPE(channels), .eps = opts ? opts->eps : 0 };
    if (groups < 1 || channels < 0 || channels % groups) {
        mr__raise(MR_ERR_ARGUMENT, "group_norm_new: %lld channels cannot be divided into %lld groups",
                  (long long)channels, (long long)groups);
        return NULL;
    }
    return norm_new("group_norm_new", &vtable, &n, opts ? opts->dtype : MR_FLOAT32, !opts || !opts->no_affine,
                    false);
}

/* ---- BatchNorm ---- */

static mr_tensor *batch_norm(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    norm *n = mr_module_self(module);
    bool training = module->training || !n->mean;
    double momentum = n->momentum;
    if (!mr__ready1(tape, "batch_norm", x))
        return NULL;
    if (x->ndim >= 2 && x->shape[1] != n->channels)
        return mr__fail(tape, MR_ERR_SHAPE, "batch_norm: input %s has not %lld channels, dimension 1",
                        mr__tensor_text(x).text, (long long)n->channels);
    if (n->seen && n->cumulative)
        momentum = 1 / (double)(*(const int64_t *)mr_tensor_data(n->seen) + 1);
    mr_tensor *y = mr__batch_norm(tape, "batch_norm", x, n->weight, n->bias, n->mean, n->var, training,
                                  n->eps, momentum);
    if (y && n->seen && training) {
        ++*(int64_t *)mr_tensor_data(n->seen);
        mr_tensor_touch(n->seen);
    }
    return y;
}

static mr_tensor *batch_norm1d(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    if (mr__ready1(tape, "batch_norm1d", x) && (x->ndim == 2 || x->ndim == 3))
        return batch_norm(module, tape, x);
    return tape && !tape->failed
               ? mr__fail(tape, MR_ERR_SHAPE, "batch_norm1d: input %s has not 2 or 3 dimensions",
                          mr__tensor_text(x).text)
               : NULL;
}

static mr_tensor *batch_norm2d(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    if (mr__ready1(tape, "batch_norm2d", x) && x->ndim == 4)
        return batch_norm(module, tape, x);
    return tape && !tape->failed ? mr__fail(tape, MR_ERR_SHAPE, "batch_norm2d: input %s has not 4 dimensions",
                                            mr__tensor_text(x).text)
                                 : NULL;
}

static mr_module *batch_norm_new(const char *call, const mr_module_vtable *vtable, int64_t channels,
                                 const mr_batch_norm_opts *opts)
{
    static const mr_batch_norm_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    norm n = { .channels = channels,
               .sizes = MR_SHAPE(channels),
               .eps = mr__norm_eps(opts->eps),
               .momentum = or_default(opts->momentum, 0.1),
               .cumulative = opts->cumulative };
    if (!channels_are_right(call, channels))
        return NULL;
    return norm_new(call, vtable, &n, opts->dtype, !opts->no_affine, !opts->no_running_stats);
}

mr_module *mr_batch_norm1d_new(int64_t channels, const mr_batch_norm_opts *opts)
{
    static const mr_module_vtable vtable = { .type = "BatchNorm1d", .forward = batch_norm1d };
    return batch_norm_new("batch_norm1d_new", &vtable, channels, opts);
}

mr_module *mr_batch_norm2d_new(int64_t channels, const mr_batch_norm_opts *opts)
{
    static const mr_module_vtable vtable = { .type = "BatchNorm2d", .forward = batch_norm2d };
    return batch_norm_new("batch_norm2d_new", &vtable, channels, opts);
}

/* ---- running values of a whole pass ---- */

static norm *running_batch_norm(const mr_module *module)
{
    norm *n = mr_module_self(module);
    const bool is_one = module->vtable->forward == batch_norm1d || module->vtable->forward == batch_norm2d;
    return is_one && n->mean ? n : NULL;
}

size_t mr__batch_norms_begin(mr_module *module)
{
    norm *n = running_batch_norm(module);
    size_t begun = n && !n->anew;
    if (begun) {
        n->anew = true;
        n->was_cumulative = n->cumulative;
        n->cumulative = true;
        (void)mr_tensor_fill(n->mean, 0);
        (void)mr_tensor_fill(n->var, 1);
        (void)mr_tensor_fill(n->seen, 0);
    }
    for (size_t i = 0; i < module->child_count; i++)
        begun += mr__batch_norms_begin(module->children[i].module);
    return begun;
}

void mr__batch_norms_end(mr_module *module)
{
    norm *n = running_batch_norm(module);
    if (n && n->anew) {
        n->anew = false;
        n->cumulative = n->was_cumulative;
    }
    for (size_t i = 0; i < module->child_count; i++)
        mr__batch_norms_end(module->children[i].module);
}

/* ---- InstanceNorm2d ---- */

static mr_tensor *instance_norm2d(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    static const char op[] = "instance_norm2d";
    norm *n = mr_module_self(module);
    if (!mr__ready1(tape, op, x))
        return NULL;
    if (x->ndim != 3 && x->ndim != 4)
        return mr__fail(tape, MR_ERR_SHAPE, "%s: input %s has not 3 or 4 dimensions", op,
                        mr__tensor_text(x).text);
    if (x->shape[x->ndim - 3] != n->channels)
        return mr__fail(tape, MR_ERR_SHAPE, "%s: input %s has not %lld channels", op, mr__tensor_text(x).text,
                        (long long)n->channels);
    mr_tensor *images = x->ndim == 3 ? mr_unsqueeze(tape, x, 0) : x;
    mr_tensor *y = images ? mr__instance_norm(tape, op, images, n->weight, n->bias, n->mean, n->var,
                                              module->training || !n->mean, n->eps, n->momentum)
                          : NULL;
    return y && x->ndim == 3 ? mr_squeeze(tape, y, 0) : y;
}

mr_module *mr_instance_norm2d_new(int64_t channels, const mr_instance_norm_opts *opts)
{
    static const mr_module_vtable vtable = { .type = "InstanceNorm2d", .forward = instance_norm2d };
    static const mr_instance_norm_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    norm n = { .channels = channels,
               .sizes = MR_SHAPE(channels),
               .eps = mr__norm_eps(opts->eps),
               .momentum = or_default(opts->momentum, 0.1) };
    if (!channels_are_right("instance_norm2d_new", channels))
        return NULL;
    return norm_new("instance_norm2d_new", &vtable, &n, opts->dtype, opts->affine, opts->running_stats);
}
