#include "initial.h"
#include "module.h"

#include "base/option.h"
#include "tensor/tape.h"

#include <millrace/layers.h>

#include <string.h>

typedef struct embedding {
    mr_tensor *weight;
    mr_embedding_opts opts;
    mr_embedding_bag_opts bag;
} embedding;

static mr_tensor *forward(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    const embedding *e = mr_module_self(module);
    return mr_embedding(tape, x, e->weight, &e->opts);
}

static mr_tensor *forward_bag(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    const embedding *e = mr_module_self(module);
    return mr_embedding_bag(tape, x, e->weight, &e->bag);
}

static const mr_module_vtable vtable = { .type = "Embedding", .forward = forward };
static const mr_module_vtable bag_vtable = { .type = "EmbeddingBag", .forward = forward_bag };

static mr_tensor *drawn(int64_t rows, int64_t size, mr_rng *rng, mr_dtype dtype, bool has_padding,
                        int64_t padding)
{
    mr_tensor *w = mr_tensor_randn(rng, dtype, MR_SHAPE(rows, size));
    size_t bytes = (size_t)size * mr_dtype_size(dtype);
    if (w && has_padding && bytes)
        memset((char *)mr_tensor_data(w) + (size_t)padding * bytes, 0, bytes);
    return w;
}

static mr_module *embedding_new(const char *call, const mr_module_vtable *table, int64_t rows, int64_t size,
                                mr_rng *rng, mr_dtype dtype, bool has_padding, int64_t padding,
                                const embedding *e)
{
    int64_t row = padding < 0 ? padding + rows : padding;
    if (!mr__initial_ready(call, rng, dtype))
        return NULL;
    if (rows < 0 || size < 0) {
        mr__raise(MR_ERR_ARGUMENT, "%s: %lld rows of %lld", call, (long long)rows, (long long)size);
        return NULL;
    }
    if (has_padding && (row < 0 || row >= rows)) {
        mr__raise(MR_ERR_ARGUMENT, "%s: padding_idx %lld is none of %lld rows", call, (long long)padding,
                  (long long)rows);
        return NULL;
    }
    mr_module *module = mr_module_new(table, e, sizeof *e);
    embedding *self = mr_module_self(module);
    if (!self)
        return NULL;
    self->weight = mr_module_add_parameter(module, "weight", drawn(rows, size, rng, dtype, has_padding, row));
    if (module->failed) {
        mr_module_free(module);
        return NULL;
    }
    return module;
}

mr_module *mr_embedding_new(int64_t rows, int64_t size, mr_rng *rng, const mr_embedding_opts *opts)
{
    embedding e = { 0 };
    if (opts)
        e.opts = *opts;
    return embedding_new("embedding_new", &vtable, rows, size, rng, e.opts.dtype,
                         mr__has_index(e.opts.has_padding_idx, e.opts.padding_idx),
                         mr__index(false, e.opts.padding_idx, 0), &e);
}

mr_module *mr_embedding_bag_new(int64_t rows, int64_t size, mr_rng *rng, const mr_embedding_bag_opts *opts)
{
    embedding e = { 0 };
    if (opts)
        e.bag = *opts;
    return embedding_new("embedding_bag_new", &bag_vtable, rows, size, rng, e.bag.dtype,
                         mr__has_index(e.bag.has_padding_idx, e.bag.padding_idx),
                         mr__index(false, e.bag.padding_idx, 0), &e);
}

mr_tensor *mr_embedding_bag_forward(mr_module *bag, mr_tape *tape, mr_tensor *index, mr_tensor *offsets)
{
    static const char call[] = "embedding_bag";
    if (!mr__ready2(tape, call, index, offsets))
        return NULL;
    if (!mr__module_ready(call, bag))
        return mr__stop(tape);
    if (bag->vtable != &bag_vtable)
        return mr__fail(tape, MR_ERR_ARGUMENT, "%s: the module is %s, no EmbeddingBag", call,
                        bag->vtable->type);
    const embedding *e = mr_module_self(bag);
    return mr__module_gave(bag, tape, mr_embedding_bag_offsets(tape, index, offsets, e->weight, &e->bag));
}
