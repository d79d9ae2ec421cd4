/* Modules, losses and optimizers when memory runs out: each allocation fails once, the first cause comes out of the
 * next call with a status, and nothing stays behind. */
#include "check.h"

#include <millrace/layers.h>
#include <millrace/optim.h>

#include <stdlib.h>

static long allowed, alive; /* allocations before the one that fails; blocks that are not released */

static void *allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    if (allowed-- == 0)
        return NULL;
    alive++;
    return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

static void release(void *user, void *memory)
{
    (void)user;
    alive -= memory != NULL;
    free(memory);
}

static mr_tensor *scaled_forward(mr_module *m, mr_tape *t, mr_tensor *x)
{
    mr_tensor *const *scale = mr_module_self(m);
    return mr_mul(t, mr_forward(mr_module_child(m, 0, NULL), t, x), *scale);
}

static const mr_module_vtable scaled_vtable = { .type = "Scaled", .forward = scaled_forward };

static mr_module *net_new(mr_rng *rng)
{
    mr_module *chain = mr_sequential_new();
    for (int i = 0; i < 5; i++) { /* more than a list of children has room for at first */
        mr_sequential_add(chain, mr_linear_new(3, 3, rng, NULL));
        mr_sequential_add(chain, mr_tanh_new());
    }
    mr_sequential_add(chain, mr_batch_norm1d_new(3, NULL));
    mr_sequential_add(chain, mr_layer_norm_new(MR_SHAPE(3), NULL));
    mr_sequential_add(chain, mr_dropout_new(0.5));
    mr_sequential_add(
        chain, mr_transformer_encoder_new(3, 3, 2, rng,
                                          &(mr_transformer_opts){ .feedforward = 4, .final_norm = true }));
    mr_module *first = mr_module_child(chain, 0, NULL);
    mr_module_share(chain, "again", first);
    mr_module_share_parameter(mr_module_child(chain, 2, NULL), "weight", chain, "0.weight");
    mr_tensor *scale = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(3));
    mr_module *m = mr_module_new(&scaled_vtable, &scale, sizeof(scale));
    mr_module_add_parameter(m, "scale", scale);
    mr_module_add(m, "chain", chain);
    return m;
}

/* A step; the status of the first call that tells. */
static mr_status step(mr_module *m, mr_optim *optim, mr_tape *tape, mr_tensor *x, mr_tensor *y, mr_tensor *c)
{
    mr_optim_zero_grad(optim);
    mr_tensor *out = mr_forward(m, tape, x);
    mr_tensor *loss = mr_add(tape, mr_mse_loss(tape, out, y, NULL), mr_cross_entropy(tape, out, c, NULL));
    loss = mr_add(tape, loss, mr_l1_loss(tape, out, y, NULL));
    mr_status status = mr_backward(tape, loss);
    if (status == MR_OK)
        status = mr_optim_step(optim);
    mr_tape_reset(tape);
    return status;
}

static mr_status train(int kind)
{
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    mr_module *m = net_new(rng);
    mr_params p = mr_module_parameters(m);
    mr_optim *optim = kind == 0   ? mr_sgd_new(p, 0.1, &(mr_sgd_opts){ .momentum = 0.9 })
                      : kind == 1 ? mr_adam_new(p, 0.1, &(mr_adam_opts){ .amsgrad = true })
                                  : mr_adamw_new(p, 0.1, NULL);
    mr_tensor *x = mr_tensor_randn(rng, MR_FLOAT32, MR_SHAPE(5, 3));
    mr_tensor *y = mr_tensor_randn(rng, MR_FLOAT32, MR_SHAPE(5, 3));
    mr_tensor *c = mr_tensor_randint(rng, MR_INT64, 0, 3, MR_SHAPE(5));
    mr_status status = step(m, optim, tape, x, y, c);
    if (status == MR_OK)
        status = step(m, optim, tape, x, y, c);
    mr_tensor_free(x);
    mr_tensor_free(y);
    mr_tensor_free(c);
    mr_optim_free(optim);
    mr_module_free(m);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return status;
}

/* Whether the run with one allocation failing went as it should. */
static bool check_status(mr_status status, bool failed)
{
#ifndef NDEBUG
    if (failed && status == MR_OK && !*mr_error())
        return true; /* the list of headers that Debug keeps has done without */
#endif
    return CHECK_EQ_I64(status, failed ? MR_ERR_MEMORY : MR_OK) &&
           CHECK(!failed || strstr(mr_error(), "out of memory: ") != NULL);
}

static void test_each_allocation_fails(void)
{
    const mr_allocator counting = { allocate, release, NULL };
    mr_set_allocator(&counting);
    for (int kind = 0; kind < 3; kind++) {
        long n = 0;
        for (bool failed = true; failed; n++) {
            allowed = n;
            mr_error_clear();
            mr_status status = train(kind);
            failed = allowed < 0;
            if (!CHECK_EQ_I64(alive, 0) || !check_status(status, failed)) {
                printf("    allocation %ld of optimizer %d: %s\n", n, kind, mr_error());
                break;
            }
        }
        CHECK(n > 100);
    }
    mr_set_allocator(NULL);
}

int main(void)
{
    RUN(test_each_allocation_fails);
    return check_report();
}
