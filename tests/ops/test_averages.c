/* Averages of weights in a fit, beside torch.optim.swa_utils, to the bit: golden/make_averages.py. Each epoch has one batch,
 * after which the weights are those of the file. */
#include "golden_run.h"

#include <millrace/callbacks.h>

static const golden_case *now;
static mr_callback *averaging;
static int64_t epochs, validated;

static int64_t one(void *self)
{
    (void)self;
    return 1;
}

static mr_status get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    *(float *)sample->field[0] = (float)index;
    return MR_OK;
}

/* A row of the file, that many bytes. */
static const void *row_of(const golden_tensor *t, int64_t row, size_t *bytes)
{
    *bytes = (size_t)t->shape.dim[1] * mr_dtype_size(t->dtype);
    return (const char *)t->values + (size_t)row * *bytes;
}

static bool is_row(const mr_tensor *x, const golden_tensor *t, int64_t row)
{
    size_t bytes;
    const void *wanted = row_of(t, row, &bytes);
    return CHECK(x && mr_tensor_dtype(x) == t->dtype && mr_tensor_numel(x) == t->shape.dim[1]) &&
           memcmp(mr_tensor_data(x), wanted, bytes) == 0;
}

static mr_tensor *find(mr_params list, const char *name)
{
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.item[i].name, name) == 0)
            return list.item[i].tensor;
    return NULL;
}

/* ---- the task ---- */

static mr_tensor *training_step(mr_step *s, const mr_batch *b)
{
    (void)b;
    return mr_sum(s->tape, mr_module_parameters(s->model).item[0].tensor, MR_ALL, false);
}

static mr_status optimizer_step(mr_step *s)
{
    mr_params state = mr_module_state(s->model);
    for (int i = 0; i < 2; i++) {
        size_t bytes;
        const void *values = row_of(&now->in[i], s->epoch, &bytes);
        memcpy(mr_tensor_data(state.item[i].tensor), values, bytes);
    }
    return MR_OK;
}

static mr_optim *optimizers(void *self, mr_module *model)
{
    (void)self;
    return mr_sgd_new(mr_module_parameters(model), 0.1, NULL);
}

/* The model has the average; its buffer is its own unless that is averaged. */
static mr_status validation_step(mr_step *s, const mr_batch *b)
{
    (void)b;
    const bool average = strcmp(now->op, "ema") == 0;
    mr_params state = mr_module_state(s->model);
    CHECK(is_row(state.item[0].tensor, average ? &now->out[0] : &now->in[0], s->epoch));
    CHECK(is_row(state.item[1].tensor, &now->out[1], s->epoch));
    validated++;
    return MR_OK;
}

static const mr_task_vtable task_vtable = { .training_step = training_step,
                                            .configure_optimizers = optimizers,
                                            .validation_step = validation_step,
                                            .optimizer_step = optimizer_step };

/* Behind the other callback. */
static mr_status epoch_ends(void *self, mr_step *s)
{
    (void)self;
    const bool swa = strcmp(now->op, "swa") == 0;
    mr_params state = mr_module_state(s->model),
              averages = swa ? mr_swa_params(averaging) : mr_ema_params(averaging);
    epochs++;
    CHECK(is_row(state.item[0].tensor, &now->in[0], s->epoch));
    CHECK(is_row(state.item[1].tensor, &now->in[1], s->epoch));
    CHECK(is_row(find(averages, "weight"), &now->out[0], s->epoch));
    if (golden_find(now, "use_buffers"))
        CHECK(is_row(find(averages, "buffer"), &now->out[1], s->epoch));
    CHECK_EQ_I64(averages.count, golden_find(now, "use_buffers") ? 2 : 1);
    return MR_OK;
}

static mr_callback *make(const golden_case *c)
{
    const double decay = golden_number(c, "decay", 0);
    if (strcmp(c->op, "swa") == 0)
        return mr_swa_new(0.1, &(mr_swa_opts){ .start = "0.1dur" }); /* of six: at once */
    return mr_ema_new(&(mr_ema_opts){ .decay = decay == 0 ? MR_ZERO : decay,
                                      .use_buffers = golden_find(c, "use_buffers") != NULL });
}

static mr_tensor *forward(mr_module *m, mr_tape *t, mr_tensor *x)
{
    (void)m;
    (void)t;
    return x;
}

static void check_case(const golden_case *c)
{
    static const mr_module_vtable vtable = { .type = "Weights", .forward = forward };
    static const mr_dataset_vtable data_vtable = { .len = one, .get = get };
    static const mr_field field = { .name = "x" };
    static const mr_callback_vtable watching = { .name = "Watching", .on_train_epoch_end = epoch_ends };
    now = c;
    mr_rng *rng = mr_rng_new(1);
    mr_dataset *data = mr_dataset_new(&data_vtable, NULL, 0, &field, 1);
    mr_loader *train = mr_loader_new(data, rng, NULL), *val = mr_loader_new(data, rng, NULL);
    mr_module *model = mr_module_new(&vtable, NULL, 0);
    mr_module_add_parameter(model, "weight",
                            mr_tensor_zeros(c->in[0].dtype, MR_SHAPE(c->in[0].shape.dim[1])));
    mr_module_add_buffer(model, "buffer", mr_tensor_zeros(c->in[1].dtype, MR_SHAPE(c->in[1].shape.dim[1])));
    mr_task *task = mr_task_new(&task_vtable, model, NULL, 0);
    mr_trainer *t = mr_trainer_new(
        &(mr_trainer_opts){ .max_epochs = c->in[0].shape.dim[0], .no_progress = true, .no_summary = true });
    averaging = make(c);
    epochs = validated = 0;
    CHECK_EQ_I64(mr_trainer_add_callback(t, averaging), MR_OK);
    CHECK_EQ_I64(mr_trainer_add_callback(t, mr_callback_new(&watching, NULL, 0)), MR_OK);
    CHECK_EQ_I64(mr_trainer_set_val_loader(t, val), MR_OK);
    if (!CHECK_EQ_I64(mr_trainer_fit(t, task, train), MR_OK))
        printf("    %s\n", mr_error());
    CHECK(epochs == c->in[0].shape.dim[0] && validated == epochs);
    CHECK(is_row(mr_module_parameters(model).item[0].tensor, &c->out[0], epochs - 1)); /* in the end */
    mr_trainer_free(t);
    mr_task_free(task);
    mr_module_free(model);
    mr_loader_free(train);
    mr_loader_free(val);
    mr_dataset_free(data);
    mr_rng_free(rng);
}

static void test_averages(void)
{
    golden_file f;
    golden_case c = { 0 };
    if (!golden_open(&f, "averages"))
        return;
    while (golden_next(&f, &c))
        check_case(&c);
    golden_free_case(&c);
    golden_close(&f);
}

int main(void)
{
    RUN(test_averages);
    return check_report();
}
