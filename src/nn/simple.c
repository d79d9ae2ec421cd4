/* Modules without parameters: an operation under a name. */
#include "together.h"

static mr_tensor *sigmoid(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    (void)module;
    return mr_sigmoid(tape, x);
}

static mr_tensor *hyperbolic_tangent(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    (void)module;
    return mr_tanh(tape, x);
}

static mr_tensor *relu(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    (void)module;
    return mr_relu(tape, x);
}

static mr_tensor *flatten(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    (void)module;
    return mr_flatten(tape, x, 1, -1);
}

mr_module *mr_sigmoid_new(void)
{
    static const mr_module_vtable vtable = { .type = "Sigmoid", .forward = sigmoid };
    return mr_module_new(&vtable, NULL, 0);
}

mr_module *mr_tanh_new(void)
{
    static const mr_module_vtable vtable = { .type = "Tanh", .forward = hyperbolic_tangent };
    return mr_module_new(&vtable, NULL, 0);
}

const mr_module_vtable mr__relu_vtable = { .type = "ReLU", .forward = relu };

mr_module *mr_relu_new(void)
{
    return mr_module_new(&mr__relu_vtable, NULL, 0);
}

mr_module *mr_flatten_new(void)
{
    static const mr_module_vtable vtable = { .type = "Flatten", .forward = flatten };
    return mr_module_new(&vtable, NULL, 0);
}
