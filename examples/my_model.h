/* The chapter's model: Linear(1, 16), sigmoid, Linear(16, 1). */
#ifndef EXAMPLES_MY_MODEL_H
#define EXAMPLES_MY_MODEL_H

#include <millrace/millrace.h>

typedef struct net {
    mr_module *layer1, *layer2;
} net;

static mr_tensor *net_forward(mr_module *m, mr_tape *t, mr_tensor *x) /* x: (batch,) */
{
    net *n = mr_module_self(m);
    x = mr_unsqueeze(t, x, 1);                            /* (batch, 1)  */
    x = mr_sigmoid(t, mr_forward(n->layer1, t, x));       /* (batch, 16) */
    return mr_squeeze(t, mr_forward(n->layer2, t, x), 1); /* (batch,)    */
}

static inline mr_module *my_model_new(mr_rng *rng)
{
    static const mr_module_vtable vtable = { .type = "MyModel", .forward = net_forward };
    net n;
    n.layer1 = mr_linear_new(1, 16, rng, NULL);
    n.layer2 = mr_linear_new(16, 1, rng, NULL);
    mr_module *m = mr_module_new(&vtable, &n, sizeof n);
    mr_module_add(m, "layer1", n.layer1);
    mr_module_add(m, "layer2", n.layer2);
    return m;
}

#endif
