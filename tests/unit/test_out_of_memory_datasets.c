/* Memory runs out in samplers and in datasets that are made of others. */
#include "ragged_fixture.h"
#include "refuse.h"

#include <millrace/datasets.h>
#include <millrace/samplers.h>

enum { ROWS = 9 };

static int64_t rows_len(void *self)
{
    return *(int64_t *)self;
}

static mr_status rows_get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    *(int64_t *)sample->field[0] = index;
    return MR_OK;
}

/* What a thread needs, and a cursor, is memory of the user's own, which has a failure of its own. */
static void *allocate(void)
{
    int64_t *own = refuse_allocate(NULL, sizeof *own, sizeof *own);
    if (own)
        *own = 0;
    else
        mr_fail(MR_ERR_MEMORY, "rows: out of memory");
    return own;
}

static void *rows_worker_open(void *self)
{
    (void)self;
    return allocate();
}

static void rows_worker_close(void *self, void *worker)
{
    (void)self;
    refuse_release(NULL, worker);
}

static void *rows_open(void *self, int64_t shard, int64_t shards)
{
    (void)self;
    (void)shard;
    (void)shards;
    return allocate();
}

static mr_status rows_next(void *cursor, const mr_sample *sample)
{
    int64_t *at = cursor;
    *(int64_t *)sample->field[0] = *at;
    return (*at)++ < ROWS ? MR_OK : MR_END;
}

static void rows_close(void *cursor)
{
    refuse_release(NULL, cursor);
}

static const mr_dataset_vtable rows_vtable = {
    .len = rows_len, .get = rows_get, .worker_open = rows_worker_open, .worker_close = rows_worker_close
};
static const mr_stream_vtable stream_vtable = { .open = rows_open, .next = rows_next, .close = rows_close };
static const mr_field row_field = { "index", MR_INT64, { 0 } };
static const mr_field other_field = { "twice", MR_FLOAT64, { 0 } };

static mr_dataset *rows_new(void)
{
    return mr_dataset_new(&rows_vtable, &(int64_t){ ROWS }, sizeof(int64_t), &row_field, 1);
}

static double read_all(mr_dataset *data, bool sampled, mr_sampler *sampler, mr_status *status)
{
    double sum = 0;
    const mr_batch *b;
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 4 });
    if (sampled)
        mr_loader_set_sampler(loader, sampler);
    for (int epoch = 0; epoch < 2 && *status >= 0; epoch++)
        while ((*status = mr_loader_next(loader, &b)) == MR_OK)
            for (int64_t i = 0; i < b->rows; i++)
                sum = sum * 1.5 + (mr_tensor_dtype(b->field[0]) == MR_INT64
                                       ? (double)((const int64_t *)mr_tensor_data(b->field[0]))[i]
                                       : ((const double *)mr_tensor_data(b->field[0]))[i]);
    *status = *status > 0 ? MR_OK : *status;
    mr_loader_free(loader);
    mr_rng_free(rng);
    return *status ? 0 : sum;
}

/* ---- samplers ---- */

static int64_t length_of(void *user, int64_t index)
{
    (void)user;
    return index % 4;
}

static int sampler_kind;

static mr_sampler *sampler_of(mr_rng *rng)
{
    static const double weights[ROWS] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    static const int64_t indices[] = { 1, 3, 5 }, sizes[] = { 2, 1 };
    switch (sampler_kind) {
    case 0:
        return mr_permutation_sampler_new(ROWS, 1);
    case 1:
        return mr_random_sampler_new(ROWS, rng, NULL);
    case 2:
        return mr_random_sampler_new(ROWS, rng, &(mr_random_sampler_opts){ .replacement = true });
    case 3:
        return mr_subset_random_sampler_new(indices, 3, rng, NULL);
    case 4:
        return mr_weighted_sampler_new(weights, ROWS, 5, rng, NULL);
    case 5:
        return mr_weighted_sampler_new(weights, ROWS, 5, rng, &(mr_weighted_sampler_opts){ true, NULL });
    case 6:
        return mr_distributed_sampler_new(ROWS, 0, 2, NULL);
    case 7:
        return mr_batch_sampler_new(mr_random_sampler_new(ROWS, rng, NULL), 4, false);
    case 8:
        return mr_batch_list_sampler_new(indices, sizes, 2);
    case 9:
        return mr_replica_sampler_new(mr_random_sampler_new(ROWS, rng, NULL), 1, 2, MR_REMAINDER_UNEVEN);
    default:
        return mr_bucket_sampler_new(ROWS, 4, 1, length_of, NULL, NULL);
    }
}

static double sampler_program(mr_status *status)
{
    mr_rng *rng = mr_rng_new(1);
    mr_dataset *data = rows_new();
    mr_sampler *sampler = sampler_of(rng);
    double sum = read_all(data, true, sampler, status);
    mr_dataset_free(data);
    mr_rng_free(rng);
    return sum;
}

/* ---- datasets ---- */

static mr_status twice(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    (void)user;
    (void)index;
    (void)random;
    *(double *)out[0] = 2.0 * (double)*(const int64_t *)in[0];
    return MR_OK;
}

static double dataset_program(mr_status *status)
{
    static const char *const names[] = { "a", "b" };
    mr_rng *rng = mr_rng_new(1);
    mr_dataset *part[2] = { NULL, NULL }, *rows = rows_new();
    mr_random_split(rows, (const int64_t[]){ 4, 5 }, 2, rng, part);
    mr_dataset *joined = mr_concat_new((mr_dataset *[]){ part[1], part[0], rows }, 3);
    mr_dataset *mixed =
        mr_interleave_new((mr_dataset *[]){ joined, rows }, (const double[]){ 1, 2 }, 2, NULL);
    mr_dataset *cache = mr_cache_new(mixed, NULL);
    mr_dataset *map =
        mr_map_new(cache, twice, NULL, &(mr_map_opts){ .fields = &other_field, .field_count = 1 });
    mr_dataset *both = mr_zip_new((mr_dataset *[]){ map, cache }, names, 2);
    double sum = read_all(both, false, NULL, status);
    mr_dataset *all[] = { rows, part[0], part[1], joined, mixed, cache, map, both };
    for (int i = 0; i < 8; i++)
        mr_dataset_free(all[i]);
    mr_rng_free(rng);
    return sum;
}

static double fractions_program(mr_status *status)
{
    mr_rng *rng = mr_rng_new(1);
    mr_dataset *part[3] = { NULL }, *rows = rows_new();
    mr_random_split_fractions(rows, (const double[]){ 0.5, 0.25, 0.25 }, 3, rng, part);
    double sum = read_all(part[2], false, NULL, status);
    for (int i = 0; i < 3; i++)
        mr_dataset_free(part[i]);
    mr_dataset_free(rows);
    mr_rng_free(rng);
    return sum;
}

/* ---- streams ---- */

static bool not_three(void *user, void *const *field)
{
    (void)user;
    return *(const int64_t *)field[0] != 3;
}

static double stream_program(mr_status *status)
{
    mr_dataset *rows = mr_stream_new(&stream_vtable, NULL, 0, &row_field, 1);
    mr_dataset *chain = mr_chain_new((mr_dataset *[]){ rows, rows }, 2);
    mr_dataset *part = mr_replica_stream_new(chain, 0, 1);
    mr_dataset *some = mr_filter_new(part, not_three, NULL);
    mr_dataset *mixed = mr_interleave_new((mr_dataset *[]){ some, rows }, (const double[]){ 1, 2 }, 2, NULL);
    mr_dataset *map =
        mr_map_new(mixed, twice, NULL, &(mr_map_opts){ .fields = &other_field, .field_count = 1 });
    mr_dataset *both = mr_zip_new((mr_dataset *[]){ map, mixed }, (const char *const[]){ "a", "b" }, 2);
    double sum = read_all(both, false, NULL, status);
    mr_dataset *all[] = { rows, chain, part, some, mixed, map, both };
    for (int i = 0; i < 7; i++)
        mr_dataset_free(all[i]);
    return sum;
}

/* ---- ragged fields ---- */

static mr_status lengthen(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    const mr_ragged *from = in[0];
    int32_t *token = mr_ragged_resize(out[0], 30 * from->count + 1);
    (void)user;
    (void)random;
    for (int64_t i = 0; token && i <= 30 * from->count; i++)
        token[i] = (int32_t)(index + i);
    return token ? MR_OK : MR_ERR_MEMORY;
}

static mr_collate_function collate_kind;

static double ragged_program(mr_status *status)
{
    static mr_collate_pack_opts pack = { .length = 200 };
    double sum = 0;
    const mr_batch *b;
    mr_rng *rng = mr_rng_new(1);
    mr_dataset *rows = ragged_new(9, -1, -1), *cache = mr_cache_new(rows, NULL);
    mr_dataset *map =
        mr_map_new(cache, lengthen, NULL, &(mr_map_opts){ .fields = ragged_fields, .field_count = 1 });
    mr_loader *loader = mr_loader_new(map, rng, &(mr_loader_opts){ .batch_size = 4 });
    if (collate_kind)
        mr_loader_set_collate(loader, collate_kind, collate_kind == mr_collate_pack ? &pack : NULL);
    for (int epoch = 0; epoch < 2 && *status >= 0; epoch++)
        while ((*status = mr_loader_next(loader, &b)) == MR_OK)
            for (int f = 0; f < b->field_count; f++)
                for (int64_t i = 0; i < mr_tensor_numel(b->field[f]); i++)
                    sum = sum * 1.0001 + (double)((const unsigned char *)mr_tensor_data(b->field[f]))[i];
    *status = *status > 0 ? MR_OK : *status;
    mr_loader_free(loader);
    mr_batch_free(*status ? NULL : mr_dataset_get(map, 2));
    *status = *status ? *status : mr_error_status();
    if (*status < 0)
        mr_error();
    mr_dataset *all[] = { rows, cache, map };
    for (int i = 0; i < 3; i++)
        mr_dataset_free(all[i]);
    mr_rng_free(rng);
    return *status ? 0 : sum;
}

int main(void)
{
    refuse_begin();
    for (sampler_kind = 0; sampler_kind < 11; sampler_kind++)
        refuse_each("a sampler", sampler_program, 10);
    refuse_each("datasets by index", dataset_program, 40);
    refuse_each("a random split by fractions", fractions_program, 20);
    refuse_each("streams", stream_program, 30);
    refuse_each("ragged fields", ragged_program, 60);
    collate_kind = mr_collate_pad;
    refuse_each("padded", ragged_program, 60);
    collate_kind = mr_collate_pack;
    refuse_each("packed", ragged_program, 60);
    refuse_end();
    return check_report();
}
