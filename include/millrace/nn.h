/*
 * Millrace, nn layer: modules, each a function with parameters and children.
 *
 * Threads: mr_forward only reads a module, so several threads may run one module at once, each with a tape
 * of its own, as long as no one trains or changes it meanwhile.
 */
#ifndef MILLRACE_NN_H
#define MILLRACE_NN_H

#include <millrace/losses.h>
#include <millrace/ops.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_module mr_module;

/* ---- modules of your own ------------------------------------------------------------------------- */

/* What a kind of module does; one static const table for each kind. */
typedef struct mr_module_vtable {
    const char *type; /* "MyModel"; shown in the summary */
    /* The result for input x, on the tape; NULL after a failure. Use mr_module_self for your own struct. A module that only
     * holds others (a generator and its critic) has none: NULL. */
    mr_tensor *(*forward)(mr_module *module, mr_tape *tape, mr_tensor *x);
    /* Frees what `self` holds besides children and parameters, which go by themselves; may be NULL. */
    void (*destroy)(void *self);
} mr_module_vtable;

/* Makes a module of your own. `vtable` is borrowed; the `size` bytes at `self` are copied and are what
 * mr_module_self gives back. Children and parameters are then added by name:
 *
 *     net n;
 *     n.layer1 = mr_linear_new(1, 16, rng, NULL);
 *     n.layer2 = mr_linear_new(16, 1, rng, NULL);
 *     mr_module *m = mr_module_new(&net_vtable, &n, sizeof n);
 *     mr_module_add(m, "layer1", n.layer1);
 *     mr_module_add(m, "layer2", n.layer2);
 *
 * (Not in one initialiser: C leaves the order of those calls open, and with it the order of draws.) */
MR_API mr_module *mr_module_new(const mr_module_vtable *vtable, const void *self, size_t size);

/* Adopts a child. A NULL child, or a name that is taken, empty or has a dot, makes the whole module fail:
 * every later use of it is a failure with the first cause. */
MR_API void mr_module_add(mr_module *module, const char *name, mr_module *child);

/* Adopts a parameter, which from now on requires a gradient, and returns it (NULL after a failure). The
 * rules are mr_module_add's. */
MR_API mr_tensor *mr_module_add_parameter(mr_module *module, const char *name, mr_tensor *parameter);

/* Adopts a tensor of any type that is saved and loaded with the module but not trained, such as a running mean, and
 * returns it (NULL after a failure). It takes no gradient. The rules are mr_module_add's. */
MR_API mr_tensor *mr_module_add_buffer(mr_module *module, const char *name, mr_tensor *buffer);

/* Makes `child`, which stays its owner's, a child of this module, too. It lives until the last of them is freed, in
 * whatever order; messages name it by its owner. The rules are mr_module_add's. */
MR_API void mr_module_share(mr_module *module, const char *name, mr_module *child);

/* Gives a parameter that `owner` lists as `path` ("encoder.weight") a second name in this module, and returns it (NULL
 * after a failure). A parameter that has this name already, of the same shape and type, goes away, and members of the
 * module's struct that pointed to it point to the shared one: `mr_module_share_parameter(decoder, "weight",
 * embedding, "weight")` ties a Linear's weight to an Embedding's. It is trained once, saved under both names, and
 * lives as long as either. Share before an optimizer is made. The rules are mr_module_add's. */
MR_API mr_tensor *mr_module_share_parameter(mr_module *module, const char *name, mr_module *owner,
                                            const char *path);

/* Frees a module with its children, parameters and buffers. A child that was adopted is freed by its parent alone. */
MR_API void mr_module_free(mr_module *module);

/* The copy of the struct that mr_module_new was given. Views it. */
MR_API void *mr_module_self(const mr_module *module);

/* ---- using modules --------------------------------------------------------------------------------- */

/* Runs the module. A failure inside names the module by its path. */
MR_API mr_tensor *mr_forward(mr_module *module, mr_tape *tape, mr_tensor *x);

/* Training mode (as made) or evaluation mode, for the module and all below it. */
MR_API void mr_module_train(mr_module *module, bool training);
MR_API bool mr_module_is_training(const mr_module *module);

/* A named tensor; the tensor and name are views. */
typedef struct mr_param {
    const char *name; /* "layer1.weight" */
    mr_tensor *tensor;
} mr_param;

/* A list of them. `item` is NULL after a failure. To optimise tensors that belong to no module, fill in a
 * list of your own. */
typedef struct mr_params {
    const mr_param *item;
    size_t count;
} mr_params;

/* All parameters in torch's order (a module's own first, then its children's, in order of adding) with
 * torch's names, a shared one once, by its first name. Views a list that is valid until something is added to
 * the module or it is freed. */
MR_API mr_params mr_module_parameters(mr_module *module);

/* The state: parameters and buffers under all their names, as torch's state_dict has them: a module's own
 * parameters, its buffers, then its children's. Views a list as mr_module_parameters does. */
MR_API mr_params mr_module_state(mr_module *module);

typedef struct mr_state_opts {
    bool not_strict; /* leave what the list lacks, and pass over names the module lacks */
} mr_state_opts;

/* Copies tensors into the module's state by their names, cast to its types (torch's load_state_dict). Strict unless told
 * otherwise: a name that is missing or too many is a failure that names it; so is, always, a shape that differs.
 * Nothing is copied then. */
MR_API MR_CHECKED mr_status mr_module_set_state(mr_module *module, mr_params state,
                                                const mr_state_opts *opts);

/* Whether all parameters require a gradient; false freezes them: an optimizer leaves them alone. */
MR_API void mr_module_set_requires_grad(mr_module *module, bool requires_grad);

/* Children in order of adding; the type, and the name in the parent ("" for a root). NULL past the end. */
MR_API mr_module *mr_module_child(const mr_module *module, size_t index, const char **name);
MR_API const char *mr_module_type(const mr_module *module);

/* Zeroes the gradients of all parameters. */
MR_API void mr_module_zero_grad(mr_module *module);

/* ---- modules that are there ------------------------------------------------------------------------- */

typedef struct mr_linear_opts {
    bool no_bias;
    mr_dtype dtype; /* default float32 */
} mr_linear_opts;

/* y = x weight^T + bias: (*, in_features) to (*, out_features). `weight` (out, in), then `bias` (out) are
 * drawn from U(-1/sqrt(in), 1/sqrt(in)), as torch.nn.Linear draws them. `rng` is used for the call only. */
MR_API mr_module *mr_linear_new(int64_t in_features, int64_t out_features, mr_rng *rng,
                                const mr_linear_opts *opts);

/* The activations as modules, and x with all dimensions but the first joined. */
MR_API mr_module *mr_sigmoid_new(void);
MR_API mr_module *mr_tanh_new(void);
MR_API mr_module *mr_relu_new(void);
MR_API mr_module *mr_flatten_new(void);

/* A chain: each child's result is the next one's input. Children are named "0", "1", …. Add them one
 * statement at a time, in the order in which their parameters are to be drawn. mr_sequential_add adopts
 * `child` and returns the chain. */
MR_API mr_module *mr_sequential_new(void);
MR_API mr_module *mr_sequential_add(mr_module *sequential, mr_module *child);

#ifdef __cplusplus
}
#endif
#endif
