/* A tensor as an NPY file. */
#include "array_file.h"

#include <millrace/sources/arrays.h>

#include "sources/new_file.h"
#include "sources/settle.h"

/* Elements in order, of any strides: a copy of a tensor that is not contiguous. */
static mr_status write_elements(mr__new_file *file, const mr_tensor *tensor)
{
    size_t bytes = (size_t)mr_tensor_numel(tensor) * mr_dtype_size(mr_tensor_dtype(tensor));
    if (mr_tensor_is_contiguous(tensor))
        return mr__new_file_write(file, mr_tensor_data(tensor), bytes);
    mr_tensor *copy = mr_tensor_keep(tensor);
    mr_status s = copy ? mr__new_file_write(file, mr_tensor_data(copy), bytes) : mr_error_status();
    mr_tensor_free(copy);
    return s;
}

static mr_status save(const mr_tensor *tensor, const char *path)
{
    char head[MR__NPY_HEAD];
    if (!tensor || !path)
        return mr_fail(MR_ERR_ARGUMENT, "npy_save: %s is NULL", tensor ? "path" : "tensor");
    const mr_shape shape = mr_tensor_shape(tensor);
    const size_t bytes = mr__npy_head(head, mr_tensor_dtype(tensor), &shape, shape.dim[0]);
    if (!bytes)
        return mr_fail(MR_ERR_DTYPE, "npy_save: NumPy has no %s", mr_dtype_name(mr_tensor_dtype(tensor)));
    mr__new_file file;
    mr_status s = mr__new_file_open(&file, path);
    if (s == MR_OK)
        s = mr__new_file_write(&file, head, bytes);
    if (s == MR_OK)
        s = write_elements(&file, tensor);
    return mr__new_file_close(&file, s);
}

mr_status mr_npy_save(const mr_tensor *tensor, const char *path)
{
    return mr__settled(save(tensor, path));
}
