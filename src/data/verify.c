#include <millrace/verify.h>

#include "loader.h"
#include "ragged.h"

#include "base/error.h"
#include "base/mix.h"

static void add(mr_digest *digest, uint64_t element)
{
    digest->multiset[0] += mr__mix_in(1, element);
    digest->multiset[1] += mr__mix_in(2, element);
    digest->order = mr__mix_in(digest->order, element);
    digest->samples++;
}

static bool is_offsets(const mr_batch *batch, int f)
{
    bool is = false;
    for (int i = 0; i < f && !is; i++)
        is = mr__offsets_of(batch, i) == batch->field[f];
    return is;
}

/* Whether all of the batch belongs to rows: what does not could differ, and the digest would not tell. */
static bool is_of_rows(const mr_batch *batch)
{
    for (int f = 0; f < batch->field_count; f++) {
        const mr_tensor *x = batch->field[f];
        if ((mr_tensor_ndim(x) && mr_tensor_size(x, 0) == batch->rows) || mr__offsets_of(batch, f) ||
            is_offsets(batch, f))
            continue;
        mr__raise(MR_ERR_ARGUMENT, "digest_add: field '%s' of the batch has no row for each sample",
                  batch->name[f]);
        return false;
    }
    return true;
}

/* Takes in what a row's tensors hold. */
static uint64_t hash_of_row(const mr_batch *batch, int64_t row)
{
    uint64_t hash = 0;
    for (int f = 0; f < batch->field_count; f++) {
        const mr_tensor *x = batch->field[f], *offsets = mr__offsets_of(batch, f);
        int64_t all = mr_tensor_ndim(x) ? mr_tensor_size(x, 0) : -1, first = row, items = 1;
        if (offsets) {
            const int64_t *offset = mr_tensor_data(offsets);
            first = offset[row];
            items = offset[row + 1] - first;
        } else if (all != batch->rows) {
            continue;
        }
        size_t bytes = all > 0 ? (size_t)(mr_tensor_numel(x) / all) * mr_dtype_size(mr_tensor_dtype(x)) : 0;
        const unsigned char *data = mr_tensor_data(x);
        hash = mr__mix_bytes(hash, data + (size_t)first * bytes, (size_t)items * bytes);
    }
    return hash;
}

static mr_status no_index(const char *call)
{
    return mr__raise(MR_ERR_ARGUMENT, "%s: samples of a stream have no index; take their contents", call);
}

mr_status mr_digest_add(mr_digest *digest, const mr_batch *batch, bool contents)
{
    if (!digest || !batch)
        return mr__null("digest_add", digest ? "batch" : "digest");
    if (batch->of_stream && !contents)
        return no_index("digest_add");
    if (contents && !is_of_rows(batch))
        return mr_error_status();
    for (int64_t i = 0; i < batch->rows; i++) {
        if (!batch->valid[i]) {
            digest->padding++;
            continue;
        }
        uint64_t element = batch->of_stream ? 0 : (uint64_t)batch->indices[i];
        add(digest, contents ? mr__mix_in(element, hash_of_row(batch, i)) : element);
    }
    digest->batches++;
    return MR_OK;
}

mr_status mr_digest_merge(mr_digest *digest, const mr_digest *other)
{
    if (!digest || !other)
        return mr__null("digest_merge", digest ? "other" : "digest");
    digest->multiset[0] += other->multiset[0];
    digest->multiset[1] += other->multiset[1];
    digest->order = mr__mix_in(digest->order, other->order);
    digest->samples += other->samples;
    digest->padding += other->padding;
    digest->batches += other->batches;
    return MR_OK;
}

mr_digest mr_digest_of_range(int64_t length)
{
    mr_digest digest = { { 0 }, 0, 0, 0, 0 };
    for (int64_t i = 0; i < length; i++)
        add(&digest, (uint64_t)i);
    return digest;
}

bool mr_digest_same_samples(const mr_digest *a, const mr_digest *b)
{
    return a && b && a->samples == b->samples && a->multiset[0] == b->multiset[0] &&
           a->multiset[1] == b->multiset[1];
}

static mr_status verify(mr_loader *loader, bool contents, mr_digest *digest)
{
    const mr_batch *batch;
    mr_status status;
    while ((status = mr_loader_next(loader, &batch)) == MR_OK)
        if (mr_digest_add(digest, batch, contents))
            return mr__settle(mr_error_status());
    return status == MR_END ? MR_OK : status;
}

mr_status mr_loader_verify(mr_loader *loader, bool contents, mr_digest *digest)
{
    if (!digest)
        return mr__settle(mr__null("loader_verify", "digest"));
    *digest = (mr_digest){ { 0 }, 0, 0, 0, 0 };
    if (loader && loader->streams && !contents)
        return mr__settle(no_index("loader_verify"));
    const mr_collate_function collate = loader ? loader->collated.function : NULL;
    if (collate) /* what it makes of samples hangs on which of them are together */
        loader->collated.function = NULL;
    mr_status status = verify(loader, contents, digest);
    if (collate)
        loader->collated.function = collate;
    return status;
}
