/* Tensors off the tape: making, freeing, asking. */
#include "tensor.h"

#include <math.h>

static mr_tensor *new_header(mr_dtype dtype, const mr_shape *shape)
{
    mr_tensor *x = mr__alloc_zeroed(sizeof *x);
    if (!x)
        return NULL;
    x->dtype = (uint8_t)dtype;
    x->mark = MR__ALIVE;
    x->version = &x->own_version;
    mr__set_shape(x, shape->ndim, shape->dim);
    return x;
}

/* Gives a header its elements; frees it when there is no memory. */
static mr_tensor *with_memory(mr_tensor *x, mr__memory *memory, void *data)
{
    if (!memory) {
        mr__free(x);
        return NULL;
    }
    x->memory = memory;
    x->data = data;
    return x;
}

mr_tensor *mr__tensor_alloc(const char *call, mr_dtype dtype, const mr_shape *shape)
{
    const int64_t n = mr__numel(call, shape, dtype);
    mr_tensor *x = n < 0 ? NULL : new_header(dtype, shape);
    if (!x)
        return NULL;
    mr__memory *memory = mr__memory_new((size_t)n * mr_dtype_size(dtype));
    return with_memory(x, memory, memory ? mr__memory_data(memory) : NULL);
}

mr_tensor *mr__tensor_untouched(const char *call, mr_dtype dtype, const mr_shape *shape)
{
    const int64_t n = mr__numel(call, shape, dtype);
    mr_tensor *x = n < 0 ? NULL : new_header(dtype, shape);
    if (!x)
        return NULL;
    void *data;
    mr__memory *memory = mr__memory_untouched((size_t)n * mr_dtype_size(dtype), &data);
    return with_memory(x, memory, data);
}

mr_tensor *mr_tensor_wrap(mr_dtype dtype, mr_shape shape, void *data)
{
    int64_t n = mr__numel("tensor_wrap", &shape, dtype);
    if (n < 0)
        return NULL;
    if (!data && n) {
        mr__null("tensor_wrap", "data");
        return NULL;
    }
    mr_tensor *x = new_header(dtype, &shape);
    if (x)
        x->data = mr__address(data);
    return x;
}

void mr_tensor_free(mr_tensor *x)
{
    if (x && !x->tape && !x->adopted)
        mr__tensor_free(x);
}

void mr__tensor_free(mr_tensor *x)
{
    if (!x)
        return;
    mr__tensor_free(x->own_grad.view);
    mr__memory_drop(x->memory);
    mr__memory_drop(x->grad_memory);
    mr__free(x->name);
    mr__free(x);
}

void mr__tensor_move(mr_tensor *x, mr__memory *memory, void *data, mr__memory *grad_memory, void *grad)
{
    size_t bytes = (size_t)x->numel * mr_dtype_size((mr_dtype)x->dtype);
    memcpy(data, x->data, bytes);
    if (x->own_grad.state == MR__GRAD_WRITTEN)
        memcpy(grad, x->own_grad.data, bytes);
    mr__memory_hold(memory);
    mr__memory_drop(x->memory);
    x->memory = memory;
    x->data = data;
    mr__memory_hold(grad_memory);
    mr__memory_drop(x->grad_memory);
    x->grad_memory = grad_memory;
    x->own_grad.data = grad;
    if (x->own_grad.view)
        x->own_grad.view->data = grad;
    mr__bump(x);
}

bool mr__live(const char *call, const mr_tensor *x, const char *name)
{
    if (!x)
        mr__null(call, name);
    else if (!mr__usable(x))
        mr__raise(MR_ERR_STATE, "%s: %s is a tensor from before its tape's reset", call, name);
    return mr__usable(x);
}

mr_tensor *mr_tensor_keep(const mr_tensor *x)
{
    if (!mr__live("tensor_keep", x, "tensor"))
        return NULL;
    mr_shape shape = mr__shape_of(x);
    mr_tensor *copy = mr__tensor_alloc("tensor_keep", (mr_dtype)x->dtype, &shape);
    if (copy)
        mr__gather_elements((mr_dtype)x->dtype, copy->data, x);
    return copy;
}

/* ---- looking ---- */

mr_dtype mr_tensor_dtype(const mr_tensor *x)
{
    return x ? (mr_dtype)x->dtype : MR_FLOAT32;
}

mr_shape mr_tensor_shape(const mr_tensor *x)
{
    return x ? mr__shape_of(x) : (mr_shape){ 0 };
}

int mr_tensor_ndim(const mr_tensor *x)
{
    return x ? x->ndim : 0;
}

int64_t mr_tensor_numel(const mr_tensor *x)
{
    return x ? x->numel : 0;
}

int64_t mr_tensor_size(const mr_tensor *x, int dim)
{
    if (!x || dim < -x->ndim || dim >= x->ndim)
        return -1;
    return x->shape[dim < 0 ? dim + x->ndim : dim];
}

int64_t mr_tensor_stride(const mr_tensor *x, int dim)
{
    if (!x || dim < -x->ndim || dim >= x->ndim)
        return -1;
    return x->stride[dim < 0 ? dim + x->ndim : dim];
}

bool mr_tensor_is_contiguous(const mr_tensor *x)
{
    return x && x->contiguous;
}

void *mr_tensor_data(const mr_tensor *x)
{
    return x ? x->data : NULL;
}

void mr_tensor_touch(mr_tensor *x)
{
    if (x)
        mr__bump(x);
}

static bool has_one_element(const mr_tensor *x)
{
    if (!mr__live("item", x, "tensor"))
        return false;
    if (x->numel != 1) {
        mr__raise(MR_ERR_SHAPE, "item: %s has %lld elements, not one", mr__tensor_text(x).text,
                  (long long)x->numel);
        return false;
    }
    return true;
}

double mr_item(const mr_tensor *x)
{
    double value = NAN;
    if (has_one_element(x))
        mr__cast_elements(MR_FLOAT64, &value, (mr_dtype)x->dtype, x->data, 1, 1);
    return value;
}

int64_t mr_item_int64(const mr_tensor *x)
{
    int64_t value = 0;
    if (has_one_element(x))
        mr__cast_elements(MR_INT64, &value, (mr_dtype)x->dtype, x->data, 1, 1);
    return value;
}

mr_status mr_copy_out(const mr_tensor *x, mr_dtype dtype, void *out, int64_t count)
{
    if (!mr__live("copy_out", x, "tensor"))
        return mr__settle(mr_error_status());
    if (!out && x->numel)
        return mr__settle(mr__null("copy_out", "out"));
    if (mr__pending())
        return mr__settle(mr__pending_status());
    if (mr_dtype_size(dtype) == 0)
        return mr__settle(mr__raise(MR_ERR_DTYPE, "copy_out: %d is no dtype", (int)dtype));
    if (count != x->numel)
        return mr__settle(mr__raise(MR_ERR_ARGUMENT, "copy_out: %s has %lld elements, the buffer %lld",
                                    mr__tensor_text(x).text, (long long)x->numel, (long long)count));
    mr__gather_elements(dtype, out, x);
    return MR_OK;
}

/* ---- names ---- */

void mr_tensor_set_name(mr_tensor *x, const char *name)
{
    if (!x || x->tape)
        return;
    char *copy = mr__strdup(name);
    if (name && !copy)
        return;
    mr__free(x->name);
    x->name = copy;
}

const char *mr_tensor_name(const mr_tensor *x)
{
    return x && !x->tape && x->name ? x->name : "";
}
