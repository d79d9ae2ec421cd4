/*
 * order: prints the indices of the batches that a loader makes, epoch by epoch, so that they can be compared with
 * those of torch's DataLoader or kept to be compared later.
 */
#include "args.h"

#include <millrace/millrace.h>

static const char usage[] =
    "usage: order --seed S --length N --batch-size B --epochs E [flags]\n"
    "Prints the order of samples: a line \"epoch K\" before each epoch, then the indices of one batch a "
    "line.\n"
    "It is the order of torch's DataLoader after torch.manual_seed(S).\n"
    "\n"
    "  --seed S            of the default generator, 0 to 18446744073709551615; torch uses the low 32 bits\n"
    "  --length N          samples of the dataset, 0 to 4294967295\n"
    "  --batch-size B      1 to 4294967295\n"
    "  --epochs E          0 to 1000000000\n"
    "  --no-shuffle        in order\n"
    "  --drop-last         leave out a last batch that is short\n"
    "  --generator         the loader gets a generator of its own, seeded by S (DataLoader's generator=)\n"
    "  --workers W         threads that make batches, 0 to 256 (0); the order does not depend on them\n"
    "  --help              this text\n"
    "\n"
    "The status is 0; 1 if anything failed; 2 for a wrong flag or value.\n";

typedef struct options {
    uint64_t seed;
    int64_t length, batch_size, epochs, workers;
    bool no_shuffle, drop_last, generator;
} options;

/* ---- a dataset of nothing: the order is all that is asked of it ---- */

static int64_t nothing_len(void *self)
{
    return *(const int64_t *)self;
}

static mr_status nothing_get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    (void)index;
    *(uint8_t *)sample->field[0] = 0;
    return MR_OK;
}

static const mr_dataset_vtable nothing_vtable = { .len = nothing_len, .get = nothing_get };
static const mr_field nothing_fields[] = { { "nothing", MR_UINT8, { 0 } } };

/* ---- the order ---- */

/* Digits by hand: there may be many millions of them. */
static void print_number(int64_t value, char end)
{
    char text[24], *at = text + sizeof text;
    *--at = end;
    do
        *--at = (char)('0' + value % 10);
    while (value /= 10);
    fwrite(at, 1, (size_t)(text + sizeof text - at), stdout);
}

static mr_status print_epoch(mr_loader *loader, int64_t epoch)
{
    const mr_batch *b;
    mr_status s;
    printf("epoch %lld\n", (long long)epoch);
    while ((s = mr_loader_next(loader, &b)) == MR_OK && !ferror(stdout))
        for (int64_t i = 0; i < b->rows; i++)
            print_number(b->indices[i], i + 1 < b->rows ? ' ' : '\n');
    return s;
}

static mr_status run(const options *o)
{
    mr_rng *rng = mr_rng_new(o->seed), *own = mr_rng_new(o->seed);
    mr_dataset *data = mr_dataset_new(&nothing_vtable, &o->length, sizeof o->length, nothing_fields, 1);
    mr_loader *loader = mr_loader_new(data, rng,
                                      &(mr_loader_opts){ .batch_size = o->batch_size,
                                                         .shuffle = !o->no_shuffle,
                                                         .drop_last = o->drop_last,
                                                         .workers = (int)o->workers });
    mr_status s = mr_error_status();
    if (s == MR_OK && o->generator)
        s = mr_loader_set_generator(loader, own);
    for (int64_t epoch = 0; s >= MR_OK && epoch < o->epochs && !ferror(stdout); epoch++)
        s = print_epoch(loader, epoch);
    mr_loader_free(loader);
    mr_dataset_free(data);
    mr_rng_free(own);
    mr_rng_free(rng);
    return s;
}

/* ---- the command line ---- */

static options parse(int argc, char **argv)
{
    options o = { 0 };
    const args_flag flags[] = {
        { .name = "seed", .needed = true, .bits = &o.seed },
        { .name = "length", .needed = true, .integer = &o.length, .low = 0, .high = UINT32_MAX },
        { .name = "batch-size", .needed = true, .integer = &o.batch_size, .low = 1, .high = UINT32_MAX },
        { .name = "epochs", .needed = true, .integer = &o.epochs, .low = 0, .high = 1000000000 },
        { .name = "workers", .integer = &o.workers, .low = 0, .high = 256 },
        { .name = "no-shuffle", .on = &o.no_shuffle },
        { .name = "drop-last", .on = &o.drop_last },
        { .name = "generator", .on = &o.generator },
        { .name = NULL },
    };
    const args_program program = { "order", usage, flags };
    args_parse(&program, argc, argv);
    if (o.length == 0 && !o.no_shuffle)
        args_wrong(&program, "--length 0 leaves nothing to shuffle; it takes --no-shuffle");
    return o;
}

int main(int argc, char **argv)
{
    options o = parse(argc, argv);
    mr_status s = run(&o);
    if (fflush(stdout) || ferror(stdout))
        s = mr_fail(MR_ERR_IO, "cannot write to standard output: %s", strerror(errno));
    if (s >= MR_OK)
        return 0;
    fprintf(stderr, "order: %s\n", mr_error());
    return 1;
}
