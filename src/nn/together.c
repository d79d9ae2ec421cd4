#include "together.h"

#include "tensor/tape.h"

static bool is(const mr__child *child, const mr_module_vtable *vtable)
{
    return child->module->vtable == vtable && !child->module->failed;
}

size_t mr__run_together(const mr__child *children, size_t count, mr_tape *tape, mr_tensor **x)
{
    mr_module *first = children->module;
    const bool linear = is(children, &mr__linear_vtable);
    if (count < 2 || (!linear && !is(children, &mr__conv2d_vtable)) || !is(children + 1, &mr__relu_vtable) ||
        !tape || tape->watching || !*x || (*x)->dtype != MR_FLOAT32) {
        *x = mr_forward(first, tape, *x);
        return 1;
    }
    if (linear) {
        *x = mr__module_gave(first, tape, mr__linear_relu_of(first, tape, *x));
        return 2;
    }
    bool pool = count > 2 && mr__pools_pairs(children[2].module) && !children[2].module->failed;
    *x = mr__module_gave(first, tape, mr__conv2d_relu(first, tape, *x, &pool));
    return pool ? 3 : 2;
}
