/* Objects are freed in every order there is. Run under AddressSanitizer, which sees what is used after it was freed,
 * freed twice, or never. */
#include "check.h"

#include <millrace/millrace.h>

#include <stdlib.h>

/* ---- every order ---- */

typedef struct object {
    void *it;
    void (*free)(void *it);
} object;

enum { MOST = 8 };

/* Makes the objects of a scene and uses them; gives their number. */
typedef int (*scene)(object *objects);

static void free_in_order(scene make, const int *order, int count)
{
    object objects[MOST];
    int made = make(objects);
    if (made != count)
        CHECK_EQ_I64(made, count);
    for (int i = 0; i < count; i++)
        objects[order[i]].free(objects[order[i]].it);
}

/* Heap's algorithm. */
static int permute(scene make, int *order, int count, int fixed)
{
    int orders = 0;
    if (fixed == 1) {
        free_in_order(make, order, count);
        return 1;
    }
    for (int i = 0; i < fixed; i++) {
        orders += permute(make, order, count, fixed - 1);
        int other = fixed % 2 ? 0 : i, last = order[fixed - 1];
        order[fixed - 1] = order[other];
        order[other] = last;
    }
    return orders;
}

static int free_in_every_order(scene make)
{
    object objects[MOST];
    int order[MOST], count = make(objects);
    for (int i = 0; i < count; i++) {
        order[i] = i;
        objects[i].free(objects[i].it);
    }
    return permute(make, order, count, count);
}

#define FREES(type)                        \
    static void free_##type(void *it)      \
    {                                      \
        mr_##type##_free((mr_##type *)it); \
    }
FREES(rng)
FREES(tensor)
FREES(tape)
FREES(module)
FREES(optim)
FREES(dataset)
FREES(loader)
FREES(cursor)
FREES(batch)
FREES(task)
FREES(trainer)

/* ---- tensors, batches, the loader in the middle of an epoch ---- */

static int batches(object *o)
{
    const mr_batch *b = NULL;
    mr_rng *rng = mr_rng_new(1);
    mr_tensor *x = mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(8, 2));
    mr_dataset *data = mr_dataset_from_tensors(&x, NULL, 1);
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 3, .shuffle = true });
    mr_status s = mr_loader_next(loader, &b);
    CHECK_EQ_I64(s, MR_OK);
    o[0] = (object){ rng, free_rng };
    o[1] = (object){ x, free_tensor };
    o[2] = (object){ data, free_dataset };
    o[3] = (object){ loader, free_loader };
    o[4] = (object){ mr_batch_keep(b), free_batch };
    o[5] = (object){ mr_dataset_get(data, 2), free_batch };
    return 6;
}

/* ---- streams with open cursors, whose memory is the stream's own business ---- */

static int open_cursors;

static void *count_open(void *self, int64_t shard, int64_t shards)
{
    (void)shard;
    (void)shards;
    int64_t *at = malloc(sizeof *at);
    *at = *(int64_t *)self;
    open_cursors++;
    return at;
}

static mr_status count_next(void *cursor, const mr_sample *sample)
{
    *(int64_t *)sample->field[0] = ++*(int64_t *)cursor;
    return MR_OK;
}

static void count_close(void *cursor)
{
    open_cursors--;
    free(cursor);
}

static const mr_stream_vtable count_vtable = { .open = count_open, .next = count_next, .close = count_close };
static const mr_field count_fields[] = { { "n", MR_INT64, { 0 } } };

static int streams(object *o)
{
    const mr_batch *b = NULL;
    mr_rng *rng = mr_rng_new(1);
    mr_dataset *stream = mr_stream_new(&count_vtable, &(int64_t){ 5 }, sizeof(int64_t), count_fields, 1);
    mr_loader *loader = mr_loader_new(stream, rng, &(mr_loader_opts){ .batch_size = 2 });
    mr_cursor *cursor = mr_stream_open(stream);
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK);
    o[0] = (object){ rng, free_rng };
    o[1] = (object){ stream, free_dataset };
    o[2] = (object){ loader, free_loader };
    o[3] = (object){ cursor, free_cursor };
    return 4;
}

/* ---- parameters that two optimizers have moved, gradients, a tape that has recorded ---- */

static int training(object *o)
{
    mr_rng *rng = mr_rng_new(1);
    mr_module *model = mr_sequential_new();
    mr_sequential_add(model, mr_linear_new(2, 3, rng, NULL));
    mr_sequential_add(model, mr_linear_new(3, 1, rng, NULL));
    mr_optim *first = mr_sgd_new(mr_module_parameters(model), 0.1, NULL);
    mr_optim *second = mr_adam_new(mr_module_parameters(model), 0.1, NULL);
    mr_tensor *x = mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(4, 2)), *kept = NULL;
    mr_tape *tape = mr_tape_new(rng);
    for (int step = 0; step < 2; step++) {
        mr_tape_reset(tape);
        mr_tensor *y = mr_forward(model, tape, x);
        CHECK_EQ_I64(mr_backward(tape, mr_mean(tape, mr_square(tape, y), MR_ALL, false)), MR_OK);
        CHECK_EQ_I64(mr_optim_step(second), MR_OK);
    }
    kept = mr_tensor_keep(mr_tensor_grad(mr_module_parameters(model).item[0].tensor));
    mr_forward(model, tape, x);
    o[0] = (object){ rng, free_rng };
    o[1] = (object){ model, free_module };
    o[2] = (object){ first, free_optim };
    o[3] = (object){ second, free_optim };
    o[4] = (object){ x, free_tensor };
    o[5] = (object){ kept, free_tensor };
    o[6] = (object){ tape, free_tape };
    return 7;
}

/* ---- what a fit takes ---- */

static mr_tensor *training_step(mr_step *s, const mr_batch *b)
{
    return mr_mean(s->tape, mr_square(s->tape, mr_forward(s->model, s->tape, b->field[0])), MR_ALL, false);
}

static mr_optim *optimizers(void *self, mr_module *model)
{
    (void)self;
    return mr_adam_new(mr_module_parameters(model), 0.1, NULL);
}

static const mr_task_vtable task_vtable = { .training_step = training_step,
                                            .configure_optimizers = optimizers };

static int fit(object *o)
{
    mr_rng *rng = mr_rng_new(1);
    mr_tensor *x = mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(4, 2));
    mr_dataset *data = mr_dataset_from_tensors(&x, NULL, 1);
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 3 });
    mr_module *model = mr_linear_new(2, 1, rng, NULL);
    mr_task *task = mr_task_new(&task_vtable, model, NULL, 0);
    mr_trainer *trainer =
        mr_trainer_new(&(mr_trainer_opts){ .max_steps = 3, .no_progress = true, .no_summary = true });
    CHECK_EQ_I64(mr_trainer_fit(trainer, task, loader), MR_OK);
    o[0] = (object){ rng, free_rng };
    o[1] = (object){ x, free_tensor };
    o[2] = (object){ data, free_dataset };
    o[3] = (object){ loader, free_loader };
    o[4] = (object){ model, free_module };
    o[5] = (object){ task, free_task };
    o[6] = (object){ trainer, free_trainer };
    return 7;
}

/* ---- tests ---- */

static void test_batches(void)
{
    CHECK_EQ_I64(free_in_every_order(batches), 720);
}

static void test_streams(void)
{
    CHECK_EQ_I64(free_in_every_order(streams), 24);
    CHECK_EQ_I64(open_cursors, 0);
}

static void test_training(void)
{
    CHECK_EQ_I64(free_in_every_order(training), 5040);
}

static void test_fit(void)
{
    CHECK_EQ_I64(free_in_every_order(fit), 5040);
}

/* What an optimizer moved stays usable without it; what it keeps, without the module. */
static void test_use_without_the_other(void)
{
    mr_rng *rng = mr_rng_new(1);
    mr_module *model = mr_linear_new(1, 1, rng, NULL);
    mr_optim *sgd = mr_sgd_new(mr_module_parameters(model), 0.1, &(mr_sgd_opts){ .momentum = 0.9 });
    mr_tensor *weight = mr_module_parameters(model).item[0].tensor,
              *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(1, 1));
    mr_tape *tape = mr_tape_new(rng);
    double before = mr_item(weight);
    mr_optim_free(sgd);
    CHECK_NEAR(mr_item(weight), before, 0);
    CHECK_EQ_I64(mr_backward(tape, mr_sum(tape, mr_forward(model, tape, x), MR_ALL, false)), MR_OK);
    CHECK_NEAR(mr_item(mr_tensor_grad(weight)), 1, 0);
    CHECK_EQ_I64(mr_tensor_add_scaled(weight, -0.5, mr_tensor_grad(weight)), MR_OK);
    CHECK_NEAR(mr_item(weight), (float)before - 0.5F, 0);
    sgd = mr_sgd_new(mr_module_parameters(model), 0.1, NULL);
    mr_module_free(model);
    CHECK_NEAR(mr_optim_lr(sgd), 0.1, 0);
    mr_optim_set_lr(sgd, 0.2);
    CHECK_EQ_I64(mr_optim_steps(sgd), 0);
    mr_optim_free(sgd);
    mr_tensor_free(x);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

/* Freeing NULL does nothing, and so does freeing what belongs to somebody else. */
static void test_nothing_to_free(void)
{
    static void (*const frees[])(void *) = { free_rng,   free_tensor,  free_tape,   free_module,
                                             free_optim, free_dataset, free_loader, free_cursor,
                                             free_batch, free_task,    free_trainer };
    for (size_t i = 0; i < sizeof frees / sizeof *frees; i++)
        frees[i](NULL);
    mr_sampler_free(NULL);
    mr_frame_free(NULL);
    mr_plot_free(NULL);
    mr_rng *rng = mr_rng_new(1);
    mr_tape *tape = mr_tape_new(rng);
    mr_module *model = mr_sequential_add(mr_sequential_new(), mr_tanh_new());
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SCALAR), *y = mr_exp(tape, x);
    mr_tensor_free(y);
    mr_module_free(mr_module_child(model, 0, NULL));
    CHECK_NEAR(mr_item(y), exp(1), 1e-6);
    CHECK_EQ_STR(mr_module_type(mr_module_child(model, 0, NULL)), "Tanh");
    mr_module_free(model);
    mr_tensor_free(x);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_batches);
    RUN(test_streams);
    RUN(test_training);
    RUN(test_fit);
    RUN(test_use_without_the_other);
    RUN(test_nothing_to_free);
    return check_report();
}
