/* Memory runs out in datasets, streams, loaders, modules and optimizers. */
#include "refuse.h"

#include <millrace/data.h>
#include <millrace/nn.h>
#include <millrace/optim.h>

/* ---- datasets and streams of the user's own: row i is i and (i, 2i, 3i) ---- */

enum { ROWS = 7 };

static int64_t rows_len(void *self)
{
    return *(int64_t *)self;
}

static void write_row(const mr_sample *sample, int64_t index)
{
    *(int64_t *)sample->field[0] = index;
    for (int i = 0; i < 3; i++)
        ((float *)sample->field[1])[i] = (float)(index * (i + 1));
}

static mr_status rows_get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    write_row(sample, index);
    return MR_OK;
}

/* A cursor is memory of the user's own, which has a failure of its own. */
static void *rows_open(void *self, int64_t shard, int64_t shards)
{
    (void)shard;
    (void)shards;
    int64_t *left = refuse_allocate(NULL, 2 * sizeof *left, sizeof *left);
    if (left) {
        left[0] = 0;
        left[1] = *(int64_t *)self;
    } else {
        mr_fail(MR_ERR_MEMORY, "rows: out of memory");
    }
    return left;
}

static mr_status rows_next(void *cursor, const mr_sample *sample)
{
    int64_t *left = cursor;
    if (left[0] == left[1])
        return MR_END;
    write_row(sample, left[0]++);
    return MR_OK;
}

static void rows_close(void *cursor)
{
    refuse_release(NULL, cursor);
}

static const mr_dataset_vtable rows_vtable = { .len = rows_len, .get = rows_get };
static const mr_stream_vtable stream_vtable = { .open = rows_open, .next = rows_next, .close = rows_close };
static const mr_field row_fields[] = { { "index", MR_INT64, { 0 } },
                                       { "multiples", MR_FLOAT32, { 1, { 3 } } } };

static mr_dataset *rows_new(int64_t count)
{
    return mr_dataset_new(&rows_vtable, &count, sizeof count, row_fields, 2);
}

static mr_dataset *stream_new(int64_t count)
{
    return mr_stream_new(&stream_vtable, &count, sizeof count, row_fields, 2);
}

/* ---- what loaders give ---- */

static double sum_of(const mr_batch *b)
{
    double sum = (double)b->rows;
    for (int f = 0; f < b->field_count; f++)
        for (int64_t i = 0; i < mr_tensor_numel(b->field[f]); i++)
            sum += (double)(i + 1) * (mr_tensor_dtype(b->field[f]) == MR_INT64
                                          ? (double)((const int64_t *)mr_tensor_data(b->field[f]))[i]
                                          : (double)((const float *)mr_tensor_data(b->field[f]))[i]);
    return sum + (double)strlen(b->name[0]) + (double)strlen(mr_tensor_name(b->field[0]));
}

/* Two epochs. */
static double sum_of_epochs(mr_loader *loader, mr_status *status)
{
    double sum = 0;
    const mr_batch *b;
    for (int epoch = 0; epoch < 2; epoch++) {
        mr_status s;
        while ((s = mr_loader_next(loader, &b)) == MR_OK)
            sum = sum * 1.5 + sum_of(b);
        if (s < 0) {
            *status = s;
            return 0;
        }
    }
    return sum;
}

static double loader_program(mr_status *status)
{
    mr_rng *rng = mr_rng_new(1);
    mr_dataset *data = rows_new(ROWS);
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 3, .shuffle = true });
    double sum = sum_of_epochs(loader, status);
    mr_loader_free(loader);
    mr_dataset_free(data);
    mr_rng_free(rng);
    return sum;
}

static double stream_program(mr_status *status)
{
    mr_rng *rng = mr_rng_new(1);
    mr_dataset *data = stream_new(ROWS);
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 3 });
    double sum = sum_of_epochs(loader, status);
    mr_loader_free(loader);
    mr_dataset_free(data);
    mr_rng_free(rng);
    return sum;
}

static double cursor_program(mr_status *status)
{
    double sum = 0;
    const mr_batch *sample;
    mr_dataset *data = stream_new(ROWS);
    mr_cursor *cursor = mr_stream_open(data);
    mr_status s;
    while ((s = mr_cursor_next(cursor, &sample)) == MR_OK)
        sum = sum * 1.5 + sum_of(sample);
    *status = s == MR_END ? MR_OK : s;
    mr_cursor_free(cursor);
    mr_dataset_free(data);
    return sum;
}

/* Rows of tensors, a sampler that takes every other row, a collate function with a tensor that grows, and batches
 * that are kept. */
static int64_t sampler_len(void *self)
{
    (void)self;
    return (ROWS + 1) / 2;
}

static mr_status sampler_begin(void *self, int64_t epoch)
{
    (void)epoch;
    *(int64_t *)self = 0;
    return MR_OK;
}

static mr_status sampler_next(void *self, int64_t *index)
{
    int64_t *at = self;
    *index = *at;
    *at += 2;
    return *index < ROWS ? MR_OK : MR_END;
}

static const mr_sampler_vtable sampler_vtable = { .begin = sampler_begin,
                                                  .next = sampler_next,
                                                  .len = sampler_len };

static mr_status collate(void *user, const mr_batch *samples, mr_collated *out)
{
    static const char *const names[] = { "a", "b", "c", "d", "e", "f" };
    (void)user;
    for (int i = 0; i < 6; i++) {
        mr_tensor *x =
            mr_collate_field(out, names[i], MR_FLOAT32, MR_SHAPE(samples->rows, samples->position + 2 * i));
        mr_tensor_fill(x, i + 1);
    }
    return MR_OK;
}

static double keeping_program(mr_status *status)
{
    double sum = 0;
    mr_batch *kept[8] = { NULL };
    const mr_batch *b;
    int count = 0;
    mr_rng *rng = mr_rng_new(1), *own = mr_rng_new(2);
    mr_tensor *x = mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(ROWS, 2));
    mr_tensor *y = mr_tensor_randint(rng, MR_INT64, 0, 5, MR_SHAPE(ROWS));
    mr_dataset *data = mr_dataset_from_tensors((mr_tensor *[]){ x, y }, (const char *[]){ "x", NULL }, 2);
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 2 });
    mr_loader_set_generator(loader, own);
    mr_loader_set_sampler(loader, mr_sampler_new(&sampler_vtable, &(int64_t){ 0 }, sizeof(int64_t)));
    mr_loader_set_collate(loader, collate, NULL);
    mr_status s;
    while ((s = mr_loader_next(loader, &b)) == MR_OK)
        kept[count++] = mr_batch_keep(b);
    if (s == MR_END) {
        kept[count++] = mr_dataset_get(data, 3);
        s = mr_loader_next(loader, &b);
    }
    *status = s;
    for (int i = 0; i < count; i++) {
        sum = sum * 1.5 + (kept[i] ? sum_of(kept[i]) : 0);
        mr_batch_free(kept[i]);
    }
    mr_loader_free(loader);
    mr_dataset_free(data);
    mr_tensor_free(x);
    mr_tensor_free(y);
    mr_rng_free(rng);
    mr_rng_free(own);
    return sum;
}

static void test_data(void)
{
    refuse_each("loader", loader_program, 25);
    refuse_each("stream", stream_program, 20);
    refuse_each("cursor", cursor_program, 15);
    refuse_each("keeping", keeping_program, 60);
}

/* ---- modules and optimizers ---- */

typedef struct net {
    mr_module *body;
    mr_tensor *scale;
} net;

static mr_tensor *net_forward(mr_module *m, mr_tape *t, mr_tensor *x)
{
    net *n = mr_module_self(m);
    return mr_mul(t, mr_forward(n->body, t, x), n->scale);
}

static const mr_module_vtable net_vtable = { .type = "Net", .forward = net_forward };

static mr_module *net_new(mr_rng *rng)
{
    net n;
    n.body = mr_sequential_new();
    mr_sequential_add(n.body, mr_flatten_new());
    mr_sequential_add(n.body, mr_linear_new(4, 5, rng, NULL));
    mr_sequential_add(n.body, mr_tanh_new());
    mr_sequential_add(n.body, mr_linear_new(5, 3, rng, &(mr_linear_opts){ .no_bias = true }));
    mr_sequential_add(n.body, mr_relu_new());
    mr_sequential_add(n.body, mr_sigmoid_new());
    mr_module *m = mr_module_new(&net_vtable, &n, sizeof n);
    mr_module_add(m, "body", n.body);
    n.scale = mr_module_add_parameter(m, "scale", mr_tensor_ones(MR_FLOAT32, MR_SHAPE(3)));
    if (m)
        *(net *)mr_module_self(m) = n;
    return m;
}

static mr_optim *(*optim_now)(mr_params params);

static mr_optim *sgd(mr_params params)
{
    return mr_sgd_new(params, 0.1, &(mr_sgd_opts){ .momentum = 0.9, .weight_decay = 0.01 });
}

static mr_optim *adam(mr_params params)
{
    return mr_adam_new(params, 0.1, &(mr_adam_opts){ .amsgrad = true });
}

static mr_optim *adamw(mr_params params)
{
    return mr_adamw_new(params, 0.1, NULL);
}

/* The names are a part of the result: one that could not be copied must not go unnoticed. */
static double sum_of_parameters(mr_module *model, mr_status *status)
{
    double sum = 0, elements[24];
    mr_params params = mr_module_parameters(model);
    for (size_t i = 0; i < params.count && *status == MR_OK; i++) {
        int64_t n = mr_tensor_numel(params.item[i].tensor);
        *status = mr_copy_out(params.item[i].tensor, MR_FLOAT64, elements, n);
        for (int64_t j = 0; *status == MR_OK && j < n; j++)
            sum += elements[j] * (double)(i + 1);
        sum +=
            (double)strlen(params.item[i].name) + 100 * (double)strlen(mr_tensor_name(params.item[i].tensor));
    }
    return sum;
}

static double training_program(mr_status *status)
{
    mr_rng *rng = mr_rng_new(1);
    mr_module *model = net_new(rng);
    mr_optim *optim = optim_now(mr_module_parameters(model));
    mr_tensor *x = mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(6, 2, 2));
    mr_tensor *y = mr_tensor_randint(rng, MR_INT64, 0, 3, MR_SHAPE(6));
    mr_tape *tape = mr_tape_new(rng);
    mr_status s = MR_OK;
    for (int step = 0; step < 3 && s == MR_OK; step++) {
        mr_optim_zero_grad(optim);
        mr_module_zero_grad(model);
        mr_tensor *loss = mr_cross_entropy(tape, mr_forward(model, tape, x), y, NULL);
        s = mr_backward(tape, loss);
        if (s == MR_OK)
            s = mr_optim_step(optim);
        mr_tape_reset(tape);
    }
    *status = s;
    double sum = s == MR_OK ? sum_of_parameters(model, status) : 0;
    mr_tape_free(tape);
    mr_tensor_free(x);
    mr_tensor_free(y);
    mr_module_free(model);
    mr_optim_free(optim);
    mr_rng_free(rng);
    return sum;
}

/* The update by hand, of parameters that belong to no module. */
static double by_hand_program(mr_status *status)
{
    mr_rng *rng = mr_rng_new(1);
    mr_tensor *w = mr_tensor_rand(rng, MR_FLOAT64, MR_SHAPE(3)),
              *x = mr_tensor_rand(rng, MR_FLOAT64, MR_SHAPE(4, 3));
    mr_tape *tape = mr_tape_new(rng);
    double elements[3] = { 0 };
    mr_tensor_set_requires_grad(w, true);
    mr_tensor_set_name(w, "w");
    for (int step = 0; step < 3 && *status == MR_OK; step++) {
        mr_tensor_zero_grad(w);
        *status = mr_backward(tape, mr_mean(tape, mr_square(tape, mr_matmul(tape, x, w)), MR_ALL, false));
        mr_tape_reset(tape);
        if (*status == MR_OK)
            mr_tensor_add_scaled(w, -0.1, mr_tensor_grad(w));
    }
    if (*status == MR_OK)
        *status = mr_copy_out(w, MR_FLOAT64, elements, 3);
    mr_tensor_free(w);
    mr_tensor_free(x);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return elements[0] + 2 * elements[1] + 3 * elements[2];
}

static void test_training(void)
{
    optim_now = sgd;
    refuse_each("sgd", training_program, 70);
    optim_now = adam;
    refuse_each("adam", training_program, 70);
    optim_now = adamw;
    refuse_each("adamw", training_program, 70);
    refuse_each("by hand", by_hand_program, 10);
}

int main(void)
{
    refuse_begin();
    RUN(test_data);
    RUN(test_training);
    refuse_end();
    return check_report();
}
