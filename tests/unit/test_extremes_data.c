/* Sizes at the ends of what 64 bits hold, in datasets, loaders, optimizers, fits and tables: see test_extremes.c. */
#include "check.h"

#include "base/alloc.h"
#include "base/error.h"

#include <millrace/millrace.h>

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

static const int64_t extremes[] = {
    INT64_MIN,
    INT64_MIN + 1,
    INT32_MIN,
    -2,
    -1,
    0,
    1,
    2,
    3,
    INT32_MAX,
    UINT32_MAX,
    1LL << 32,
    1LL << 33,
    INT64_MAX / 8,
    INT64_MAX / 2,
    INT64_MAX - 63,
    INT64_MAX - 1,
    INT64_MAX,
};
enum { EXTREMES = sizeof extremes / sizeof *extremes };

static void *allocate_little(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    return bytes > 1 << 20 ? NULL : aligned_alloc(alignment, mr__round_up(bytes, alignment));
}

static void release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

static mr_rng *rng;

/* A call has given something, or failed in words; the next one starts anew. */
static bool ends_well(bool gave)
{
    mr_status status = mr_error_status();
    bool ok = gave ? !mr__pending() : status < 0 && *mr_error();
    mr_error_clear();
    return ok;
}

/* ---- a dataset and a stream of any length ---- */

static int64_t any_len(void *self)
{
    return *(int64_t *)self;
}

static mr_status any_get(void *self, int64_t index, const mr_sample *sample)
{
    CHECK(index >= 0 && index < *(int64_t *)self);
    *(int64_t *)sample->field[0] = index;
    return MR_OK;
}

static const mr_dataset_vtable any_vtable = { .len = any_len, .get = any_get };
static const mr_field any_fields[] = { { "index", MR_INT64, { 0 } } };

static mr_dataset *dataset_of(int64_t len)
{
    return mr_dataset_new(&any_vtable, &len, sizeof len, any_fields, 1);
}

static void *any_open(void *self, int64_t shard, int64_t shards)
{
    (void)shard;
    (void)shards;
    return self;
}

static mr_status any_next(void *cursor, const mr_sample *sample)
{
    (void)cursor;
    *(int64_t *)sample->field[0] = 1;
    return MR_OK;
}

static void any_close(void *cursor)
{
    (void)cursor;
}

static const mr_stream_vtable stream_vtable = {
    .open = any_open, .next = any_next, .close = any_close, .len = any_len
};

/* ---- loaders ---- */

/* Three batches, which come or fail in words. */
static void try_loader(mr_dataset *data, const mr_loader_opts *opts, int64_t len)
{
    const mr_batch *b;
    mr_loader *loader = mr_loader_new(data, rng, opts);
    bool ok = ends_well(loader != NULL) && mr_loader_len(loader) >= -1;
    for (int i = 0; loader && i < 3; i++) {
        mr_status s = mr_loader_next(loader, &b);
        ok = ok && (s >= 0 || *mr_error()) &&
             (s != MR_OK || (b->rows > 0 && b->rows <= mr_loader_batch_size(loader)));
    }
    if (!CHECK(ok))
        printf("    with %lld samples in batches of %lld%s: %s\n", (long long)len,
               (long long)opts->batch_size, opts->shuffle ? ", shuffled" : "", mr_error());
    mr_loader_free(loader);
    mr_error_clear();
}

static void test_loaders(void)
{
    for (int i = 0; i < EXTREMES; i++)
        for (int j = 0; j < EXTREMES; j++)
            for (int flags = 0; flags < 5; flags++) {
                mr_loader_opts opts = { .batch_size = extremes[j],
                                        .shuffle = flags & 1,
                                        .drop_last = flags & 2,
                                        .workers = flags / 4 };
                mr_dataset *data = dataset_of(extremes[i]);
                try_loader(data, &opts, extremes[i]);
                mr_dataset_free(data);
                data = mr_stream_new(&stream_vtable, &extremes[i], sizeof *extremes, any_fields, 1);
                if (extremes[j] < 1 << 20) /* a stream without end fills a batch of any size */
                    try_loader(data, &opts, extremes[i]);
                mr_dataset_free(data);
            }
}

static void test_no_length(void)
{
    mr_dataset *data = dataset_of(-3);
    CHECK(mr_loader_new(data, rng, NULL) == NULL);
    CHECK_EQ_I64(mr_error_status(), MR_ERR_CALLBACK);
    CHECK_EQ_STR(mr_error(), "loader: the dataset's len gave -3");
    CHECK(mr_dataset_get(data, 0) == NULL);
    CHECK_EQ_STR(mr_error(), "dataset_get: index 0 is out of range for -3 samples");
    mr_dataset_free(data);
}

static void test_indices(void)
{
    mr_dataset *data = dataset_of(INT64_MAX);
    for (int i = 0; i < EXTREMES; i++) {
        mr_batch *b = mr_dataset_get(data, extremes[i]);
        bool there = extremes[i] >= 0 && extremes[i] < INT64_MAX;
        CHECK(ends_well(b != NULL) && there == (b != NULL));
        mr_batch_free(b);
    }
    mr_dataset_free(data);
}

/* What a sampler may give, and say of itself. */
static mr_status sampler_begin(void *self, int64_t epoch)
{
    (void)self;
    (void)epoch;
    return MR_OK;
}

static mr_status sampler_next(void *self, int64_t *index)
{
    *index = *(int64_t *)self;
    return MR_OK;
}

static const mr_sampler_vtable sampler_vtable = { .begin = sampler_begin,
                                                  .next = sampler_next,
                                                  .len = any_len };

static void test_samplers(void)
{
    const mr_batch *b;
    mr_dataset *data = dataset_of(5);
    for (int i = 0; i < EXTREMES; i++)
        for (int j = 0; j < EXTREMES; j++) {
            mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = extremes[j] });
            mr_status s = mr_loader_set_sampler(
                loader, mr_sampler_new(&sampler_vtable, &extremes[i], sizeof *extremes));
            CHECK(mr_loader_len(loader) >= -1);
            if (s == MR_OK)
                s = mr_loader_next(loader, &b);
            bool failed_in_words = s < 0 && *mr_error(),
                 delivered = s == MR_OK && b->indices[0] == extremes[i];
            CHECK(failed_in_words || delivered);
            mr_loader_free(loader);
            mr_error_clear();
        }
    mr_dataset_free(data);
}

static void test_fields(void)
{
    for (int i = 0; i < EXTREMES; i++)
        for (int j = 0; j < EXTREMES; j++) {
            const mr_field fields[] = { { "x", MR_FLOAT64, MR_SHAPE(extremes[i], extremes[j]) } };
            int64_t len = INT64_MAX;
            mr_dataset *data = mr_dataset_new(&any_vtable, &len, sizeof len, fields, 1);
            CHECK(ends_well(data != NULL));
            mr_loader *loader =
                data ? mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = extremes[i] }) : NULL;
            CHECK(!data || ends_well(loader != NULL));
            mr_loader_free(loader);
            mr_dataset_free(data);
        }
    static const int counts[] = { INT_MIN, -1, 0, INT_MAX };
    for (int i = 0; i < 4; i++) {
        int64_t len = 1;
        mr_tensor *none = NULL;
        CHECK(counts[i] > 0 || !mr_dataset_new(&any_vtable, &len, sizeof len, any_fields, counts[i]));
        CHECK(!mr_dataset_from_tensors(&none, NULL, counts[i]));
        CHECK(*mr_error());
        mr_error_clear();
    }
}

/* Samples without elements, and batches of them. */
static void test_empty_samples(void)
{
    mr_tensor *x = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(4, 0, 3)),
              *none = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(0, 3));
    mr_dataset *data = mr_dataset_from_tensors(&x, NULL, 1),
               *nobody = mr_dataset_from_tensors(&none, NULL, 1);
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 3, .shuffle = true });
    mr_loader *idle = mr_loader_new(nobody, rng, &(mr_loader_opts){ .batch_size = INT64_MAX });
    const mr_batch *b;
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    mr_batch *kept = mr_batch_keep(b), *one = mr_dataset_get(data, 3);
    CHECK_EQ_I64(mr_tensor_numel(kept->field[0]), 0);
    CHECK_EQ_I64(mr_tensor_size(one->field[0], 0), 0);
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(b->rows, 1);
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_END);
    CHECK_EQ_I64(mr_loader_next(idle, &b), MR_END);
    CHECK_EQ_I64(mr_loader_len(idle), 0);
    mr_batch_free(kept);
    mr_batch_free(one);
    mr_loader_free(loader);
    mr_loader_free(idle);
    mr_dataset_free(data);
    mr_dataset_free(nobody);
    mr_tensor_free(x);
    mr_tensor_free(none);
}

/* ---- fits ---- */

static mr_tensor *training_step(mr_step *s, const mr_batch *b)
{
    mr_tensor *x = mr_cast(s->tape, mr_unsqueeze(s->tape, b->field[0], 1), MR_FLOAT32);
    mr_tensor *loss = mr_mean(s->tape, mr_square(s->tape, mr_forward(s->model, s->tape, x)), MR_ALL, false);
    mr_log(s, "loss", loss, NULL);
    return s->global_step < 3 ? loss : NULL;
}

static mr_optim *optimizers(void *self, mr_module *model)
{
    (void)self;
    return mr_sgd_new(mr_module_parameters(model), 1e-3, NULL);
}

static const mr_task_vtable task_vtable = { .training_step = training_step,
                                            .configure_optimizers = optimizers };

static void test_fits(void)
{
    mr_dataset *data = dataset_of(2);
    mr_loader *loader = mr_loader_new(data, rng, NULL);
    mr_module *model = mr_linear_new(1, 1, rng, NULL);
    mr_task *task = mr_task_new(&task_vtable, model, NULL, 0);
    for (int i = 0; i < EXTREMES; i++)
        for (int j = 0; j < EXTREMES; j++) {
            mr_trainer *trainer = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = extremes[i],
                                                                     .max_steps = extremes[j],
                                                                     .log_every_n_steps = extremes[i],
                                                                     .no_progress = true,
                                                                     .no_summary = true });
            CHECK(ends_well(trainer != NULL));
            bool fitted =
                trainer && mr_trainer_fit(trainer, task, loader) == MR_OK; /* the fourth step fails */
            CHECK(!trainer || ends_well(fitted));
            mr_trainer_free(trainer);
        }
    mr_task_free(task);
    mr_module_free(model);
    mr_loader_free(loader);
    mr_dataset_free(data);
}

/* ---- tables and pictures ---- */

static void test_tables(void)
{
    char path[64], *text = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "/tmp/millrace-extremes-%ld.csv", (long)getpid());
    FILE *file = fopen(path, "w");
    fprintf(file, "a,b\n1,1e308\n-9223372036854775808,-1e-320\nnan,inf\n99999999999999999999,5\n");
    fclose(file);
    mr_frame *frame = mr_frame_read_csv(path);
    mr_plot *plot = mr_plot_new(NULL);
    const double point = 1;
    CHECK(frame != NULL);
    file = open_memstream(&text, &size);
    for (int i = 0; i < EXTREMES; i++) {
        CHECK_EQ_I64(mr_frame_print_head(file, frame, extremes[i]), MR_OK);
        if (extremes[i] <= 1)
            CHECK(ends_well(mr_plot_line(plot, &point, &point, extremes[i], "-", "") == MR_OK));
    }
    CHECK(mr_frame_name(frame, INT_MAX) == NULL && mr_frame_name(frame, INT_MIN) == NULL);
    fclose(file);
    free(text);
    mr_plot_free(plot);
    mr_frame_free(frame);
    unlink(path);
}

int main(void)
{
    const mr_allocator little = { allocate_little, release, NULL };
    mr_set_allocator(&little);
    rng = mr_rng_new(1);
    RUN(test_loaders);
    RUN(test_no_length);
    RUN(test_indices);
    RUN(test_samplers);
    RUN(test_fields);
    RUN(test_empty_samples);
    RUN(test_fits);
    RUN(test_tables);
    mr_rng_free(rng);
    mr_set_allocator(NULL);
    return check_report();
}
