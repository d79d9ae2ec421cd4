/* After the first epochs a loader asks for no more memory, whatever it does, and whoever does it. */
#include "loader_fixture.h"

#include <string.h>
#include <unistd.h>

enum { LENGTH = 203 };

static atomic_int_least64_t asked;

static void *counting_allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    atomic_fetch_add(&asked, 1);
    return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

static void counting_release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

/* ---- a stream that can tell ---- */

static void tell(void *cursor, void *state)
{
    memcpy(state, &((fixture_cursor *)cursor)->next, sizeof(int64_t));
}

static mr_status seek(void *cursor, const void *state)
{
    memcpy(&((fixture_cursor *)cursor)->next, state, sizeof(int64_t));
    return MR_OK;
}

static const mr_stream_vtable telling_vtable = { .open = fixture_open,
                                                 .next = fixture_next,
                                                 .close = fixture_close,
                                                 .cursor_state_size = sizeof(int64_t),
                                                 .tell = tell,
                                                 .seek = seek };

static mr_status stack(void *user, const mr_batch *samples, mr_collated *out)
{
    (void)user;
    return mr_collate_field(out, "twice", MR_INT64, MR_SHAPE(samples->rows, 2)) ? MR_OK : MR_ERR_MEMORY;
}

/* An epoch, in the middle of which its state is asked for. */
static void epoch(mr_loader *loader, bool save)
{
    const mr_batch *b;
    const void *bytes;
    size_t size;
    int64_t rows = 0;
    while (mr_loader_next(loader, &b) == MR_OK) {
        rows += b->rows;
        if (save)
            CHECK_EQ_I64(mr_loader_save(loader, &bytes, &size), MR_OK);
    }
    CHECK_EQ_I64(rows, LENGTH);
}

static void test_no_more_memory(void)
{
    static const mr_allocator counting = { counting_allocate, counting_release, NULL };
    mr_set_allocator(&counting);
    for (int kind = 0; kind < 64; kind++) {
        const bool stream = kind & 1, shuffle = kind & 2, own = kind & 8;
        const fixture f = { .length = LENGTH, .bad = -1, .bad2 = -1, .delay = kind % 3 ? 0 : 20 };
        mr_loader_opts opts = { .batch_size = 7, .shuffle = shuffle, .workers = kind & 4 ? 3 : 0 };
        opts.unordered = kind & 16;
        opts.shards = stream ? 1 + kind % 5 : 0;
        opts.shuffle_block = stream && shuffle ? 40 : 0;
        opts.on_bad_sample = kind % 7 ? MR_BAD_SKIP : MR_BAD_STOP;
        mr_rng *rng = mr_rng_new(1), *generator = mr_rng_new(2);
        mr_dataset *d =
            stream ? mr_stream_new(&telling_vtable, &f, sizeof f, fixture_fields, 2) : fixture_new(f);
        mr_loader *l = mr_loader_new(d, rng, &opts);
        if (own)
            CHECK_EQ_I64(mr_loader_set_generator(l, generator), MR_OK);
        if (kind & 32)
            CHECK_EQ_I64(mr_loader_set_collate(l, stack, NULL), MR_OK);
        const bool save = !opts.unordered; /* whose length hangs on what came early */
        for (int i = 0; i < 3; i++)
            epoch(l, save);
        CHECK(atomic_load(&asked) > 10);
        /* A worker that slept through the first epochs has its room made later, once. */
        int64_t before = 0;
        for (int round = 0; round < 4 && before != atomic_load(&asked); round++) {
            before = atomic_load(&asked);
            for (int i = 0; i < 4; i++)
                epoch(l, save);
        }
        if (!CHECK_EQ_I64(atomic_load(&asked), before))
            printf("    kind %d\n", kind);
        mr_loader_free(l);
        mr_dataset_free(d);
        mr_rng_free(generator);
        mr_rng_free(rng);
    }
    mr_set_allocator(NULL);
}

/* ---- memory that is in use does not grow, whoever asks for it ---- */

static int64_t resident(void)
{
    long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %lld", &pages) != 1)
        CHECK(false);
    if (file)
        fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static void take(mr_loader *loader, int64_t batches)
{
    const mr_batch *b;
    while (batches > 0) {
        mr_status status = mr_loader_next(loader, &b);
        if (status < 0 && CHECK_EQ_I64(status, MR_OK))
            return;
        batches -= status == MR_OK;
    }
}

/* A hundred thousand batches: sixty-four bytes lost with each would be six megabytes. */
static void test_resident_memory(void)
{
    for (int kind = 0; kind < 6; kind++) {
        const bool stream = kind & 1;
        const fixture f = { .length = 10 * LENGTH, .bad = 3, .bad2 = -1, .many = true };
        mr_loader_opts opts = { .batch_size = 2, .shuffle = kind & 2, .workers = kind < 4 ? 0 : 2 };
        opts.shards = stream ? 3 : 0;
        opts.on_bad_sample = MR_BAD_SKIP;
        opts.timeout = opts.workers ? 1000 : 0; /* or the caller would make batches as small as these */
        mr_rng *rng = mr_rng_new(1);
        mr_dataset *d =
            stream ? mr_stream_new(&telling_vtable, &f, sizeof f, fixture_fields, 2) : fixture_new(f);
        mr_loader *l = mr_loader_new(d, rng, &opts);
        take(l, 20000);
        const int64_t before = resident();
        take(l, 100000);
        const int64_t grown = resident() - before;
        if (!CHECK(grown < 3 << 20))
            printf("    kind %d: %lld bytes\n", kind, (long long)grown);
        mr_loader_free(l);
        mr_dataset_free(d);
        mr_rng_free(rng);
    }
}

int main(void)
{
    RUN(test_no_more_memory);
    RUN(test_resident_memory);
    return check_report();
}
