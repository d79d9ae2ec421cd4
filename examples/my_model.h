/*
 * The chapter's model: Linear(1, 16), sigmoid, Linear(16, 1).
 *
 *     class MyModel(nn.Module):
 */
#ifndef EXAMPLES_MY_MODEL_H
#define EXAMPLES_MY_MODEL_H

#include <millrace/millrace.h>

typedef struct my_model {
    mr_module *layer1, *layer2;
} my_model;

/* def forward(self, x):
 *
 * The tape is where results live until it is reset, and what backward follows. Nothing is checked here: an operation
 * that fails gives NULL, which later ones pass on, and backward says what the first failure was. */
static mr_tensor *my_model_forward(mr_module *module, mr_tape *tape, mr_tensor *x) /* (batch,) */
{
    my_model *self = mr_module_self(module);
    x = mr_unsqueeze(tape, x, 1);          /* (batch, 1)  */
    x = mr_forward(self->layer1, tape, x); /* (batch, 16) */
    x = mr_sigmoid(tape, x);               /* (batch, 16) */
    x = mr_forward(self->layer2, tape, x); /* (batch, 1)  */
    return mr_squeeze(tape, x, 1);         /* (batch,)    */
}

/* def __init__(self): The weights are drawn from `rng`, in the order in which the layers are made. */
static inline mr_module *my_model_new(mr_rng *rng)
{
    static const mr_module_vtable vtable = { .type = "MyModel", .forward = my_model_forward };
    my_model self;
    self.layer1 = mr_linear_new(1, 16, rng, NULL);
    self.layer2 = mr_linear_new(16, 1, rng, NULL);
    mr_module *module = mr_module_new(&vtable, &self, sizeof self);
    mr_module_add(module, "layer1", self.layer1); /* the model owns its layers now */
    mr_module_add(module, "layer2", self.layer2);
    return module;
}

#endif
