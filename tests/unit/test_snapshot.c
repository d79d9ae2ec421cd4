/* The copies that checkpoints are written from: no step waits until the system has found the memory of a large model. */
#include "check.h"
#include "fit.h"

#include <sys/mman.h>
#include <time.h>

enum { WIDTH = 2048, LARGE = WIDTH * WIDTH * 4, MOST = 16 };

/* ---- large blocks, of which can be told how much the system has found ---- */

static struct {
    void *memory;
    size_t bytes;
} block[MOST];

static void *allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    if (bytes < LARGE)
        return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < MOST && memory != MAP_FAILED; i++)
        if (!block[i].memory) {
            block[i].memory = memory;
            block[i].bytes = bytes;
            return memory;
        }
    CHECK(false);
    return NULL;
}

static void release(void *user, void *memory)
{
    (void)user;
    for (int i = 0; i < MOST && memory; i++)
        if (block[i].memory == memory) {
            munmap(memory, block[i].bytes);
            block[i].memory = NULL;
            return;
        }
    free(memory);
}

static bool is_there(int i)
{
    static unsigned char page[LARGE / 1024];
    const size_t size = (size_t)sysconf(_SC_PAGESIZE), pages = (block[i].bytes + size - 1) / size;
    if (!block[i].memory || !CHECK(pages <= sizeof page) ||
        !CHECK(mincore(block[i].memory, block[i].bytes, page) == 0))
        return false;
    for (size_t k = 0; k < pages; k++)
        if (!(page[k] & 1))
            return false;
    return true;
}

/* Waits until so many are; false when they do not come. */
static bool come(int wanted)
{
    for (int tries = 0; tries < 1000; tries++) {
        int count = 0;
        for (int i = 0; i < MOST; i++)
            count += is_there(i);
        if (count >= wanted)
            return true;
        nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    }
    return false;
}

/* ---- a large model of which the bias is trained ---- */

static mr_tensor *step(mr_step *s, const mr_batch *b)
{
    (void)b;
    CHECK(come(s->global_step == 0 ? 2 : 3)); /* the weight, and one copy, or both */
    return mr_sum(s->tape, mr_module_parameters(s->model).item[1].tensor, MR_ALL, false);
}

static mr_optim *optimizer(void *self, mr_module *model)
{
    (void)self;
    const mr_params all = mr_module_parameters(model);
    return mr_sgd_new((mr_params){ all.item + 1, 1 }, 0.1, NULL);
}

static void test_touched(void)
{
    static const mr_task_vtable vtable = { .training_step = step, .configure_optimizers = optimizer };
    fit f = fit_new(12);
    mr_module *model = mr_linear_new(WIDTH, WIDTH, f.rng, NULL);
    mr_task *task = mr_task_new(&vtable, model, NULL, 0);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 1,
                                                       .csv = files_folder,
                                                       .checkpoint_every = "1ba",
                                                       .no_progress = true,
                                                       .no_summary = true });
    CHECK_EQ_I64(mr_trainer_fit(t, task, f.loader), MR_OK);
    mr_module *saved = mr_linear_new(WIDTH, WIDTH, f.rng, NULL);
    CHECK_EQ_I64(mr_module_load(saved, mr_trainer_checkpoint_path(t), NULL), MR_OK);
    CHECK(memcmp(mr_tensor_data(mr_module_parameters(saved).item[0].tensor),
                 mr_tensor_data(mr_module_parameters(model).item[0].tensor), LARGE) == 0);
    mr_module_free(saved);
    mr_trainer_free(t);
    mr_task_free(task);
    mr_module_free(model);
    fit_free(&f);
}

int main(void)
{
    static const mr_allocator watched = { allocate, release, NULL };
    if (!files_begin_in_memory())
        return 1;
    mr_set_allocator(&watched);
    RUN(test_touched);
    mr_set_allocator(NULL);
    return files_report();
}
