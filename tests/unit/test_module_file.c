/* Saving and loading the parameters of a module: every bit comes back, and a load or save that fails says why
 * and changes nothing. */
#include "check.h"
#include "files.h"

#include "base/alloc.h"
#include "formats/safetensors.h"

#include <millrace/millrace.h>

#include <signal.h>
#include <sys/resource.h>

/* ---- modules ---- */

static mr_tensor *first(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    (void)module;
    (void)tape;
    return x;
}

static const mr_module_vtable plain = { .type = "Plain", .forward = first };

/* A module with parameters of these names and sizes, at most four, each filled with its number. */
static mr_module *with_parameters(mr_dtype dtype, const char *const *names, const mr_shape *shapes)
{
    mr_module *m = mr_module_new(&plain, NULL, 0);
    for (int i = 0; names[i]; i++)
        mr_module_add_parameter(m, names[i], mr_tensor_full(dtype, shapes[i], i + 1));
    return m;
}

static mr_module *with_names(const char *a, const char *b, const char *c)
{
    const char *const names[] = { a, b, c, NULL };
    static const mr_shape shapes[] = { { 1, { 2 } }, { 1, { 3 } }, { 1, { 4 } } };
    return with_parameters(MR_FLOAT32, names, shapes);
}

static mr_tensor *parameter(mr_module *module, size_t i)
{
    return mr_module_parameters(module).item[i].tensor;
}

static double value(mr_module *module, size_t i)
{
    mr_tensor *x = parameter(module, i);
    return mr_tensor_dtype(x) == MR_FLOAT32 ? (double)*(float *)mr_tensor_data(x)
                                            : *(double *)mr_tensor_data(x);
}

static mr_module *chapter(uint64_t seed, int64_t hidden, mr_dtype dtype)
{
    mr_rng *rng = mr_rng_new(seed);
    mr_module *m = mr_module_new(&plain, NULL, 0);
    mr_module_add(m, "layer1", mr_linear_new(1, hidden, rng, NULL));
    mr_module_add(m, "layer2", mr_linear_new(hidden, 1, rng, &(mr_linear_opts){ .dtype = dtype }));
    mr_rng_free(rng);
    return m;
}

/* Whether two modules have the same bits in their parameters. */
static bool same(mr_module *a, mr_module *b)
{
    mr_params p = mr_module_parameters(a), q = mr_module_parameters(b);
    bool equal = p.count == q.count;
    for (size_t i = 0; equal && i < p.count; i++) {
        const mr_tensor *x = p.item[i].tensor, *y = q.item[i].tensor;
        size_t bytes = (size_t)mr_tensor_numel(x) * mr_dtype_size(mr_tensor_dtype(x));
        equal = strcmp(p.item[i].name, q.item[i].name) == 0 && mr_tensor_numel(x) == mr_tensor_numel(y) &&
                memcmp(mr_tensor_data(p.item[i].tensor), mr_tensor_data(q.item[i].tensor), bytes) == 0;
    }
    return equal;
}

/* ---- what comes back ---- */

static void test_round_trip(void)
{
    static const uint32_t odd[] = {
        0x80000000, 1, 0x807fffff, 0x7f800000, 0xff800000, 0x7fc00001, 0xffaaaaaa
    };
    static const uint64_t odd64[] = { 1, 0x8000000000000000, 0x7ff0000000000000, 0x7ff8000000000001 };
    mr_module *a = chapter(1, 16, MR_FLOAT64), *b = chapter(2, 16, MR_FLOAT64);
    memcpy(mr_tensor_data(parameter(a, 0)), odd, sizeof odd);
    memcpy(mr_tensor_data(parameter(a, 2)), odd64, sizeof odd64);
    CHECK(!same(a, b));
    CHECK_EQ_I64(mr_module_save(a, in_folder("round")), MR_OK);
    CHECK_EQ_I64(mr_module_load(b, in_folder("round"), NULL), MR_OK);
    CHECK(same(a, b));
    size_t size = 0, again = 0;
    char *before = malloc(1 << 16);
    memcpy(before, file_contents(in_folder("round"), &size), 1 << 16);
    CHECK_EQ_I64(mr_module_save(b, in_folder("round")), MR_OK);
    const char *after = file_contents(in_folder("round"), &again);
    CHECK(size == again && memcmp(before, after, size) == 0);
    CHECK_EQ_I64(count_entries(files_folder), 1); /* no temporary */
    free(before);
    mr_module_free(a);
    mr_module_free(b);
}

static void test_nothing(void)
{
    mr_module *a = mr_relu_new(), *b = mr_sequential_new();
    CHECK_EQ_I64(mr_module_save(a, in_folder("nothing")), MR_OK);
    CHECK_EQ_I64(mr_module_load(b, in_folder("nothing"), NULL), MR_OK);
    mr_module_free(a);
    mr_module_free(b);
}

/* The state_dict of a torch.nn.Linear, put together byte by byte. */
static void test_from_torch(void)
{
    static const float weight[] = { 1, 2, 3, -4, 5.25f, 1e-3f }, x[] = { 1, 10, 100 };
    static const float y[] = { 321.5f, 47.6f };
    mr_rng *rng = mr_rng_new(1);
    mr_module *linear = mr_linear_new(3, 2, rng, NULL);
    CHECK_EQ_I64(mr_module_load(linear, MR_TEST_DATA "/linear.safetensors", NULL), MR_OK);
    CHECK(memcmp(mr_tensor_data(parameter(linear, 0)), weight, sizeof weight) == 0);
    CHECK(value(linear, 1) == 0.5);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *input = mr_tensor_from(MR_FLOAT32, MR_SHAPE(3), x);
    mr_tensor *output = mr_forward(linear, tape, input);
    if (CHECK(output != NULL))
        for (int i = 0; i < 2; i++)
            CHECK_CLOSE(((float *)mr_tensor_data(output))[i], y[i], 1e-6, 0);
    CHECK_EQ_I64(mr_module_save(linear, in_folder("linear")), MR_OK);
    size_t size = 0, wanted_size = 0;
    char *wanted = malloc(1 << 16);
    memcpy(wanted, file_contents(MR_TEST_DATA "/linear.safetensors", &wanted_size), 1 << 16);
    const char *got = file_contents(in_folder("linear"), &size);
    CHECK(size == wanted_size && memcmp(got, wanted, size) == 0);
    free(wanted);
    mr_tensor_free(input);
    mr_tape_free(tape);
    mr_module_free(linear);
    mr_rng_free(rng);
}

/* Backward does not go on with weights that were loaded since the forward. */
static void test_load_between_forward_and_backward(void)
{
    static const float x[] = { 1, 10, 100 };
    mr_rng *rng = mr_rng_new(1);
    mr_module *chain = mr_sequential_new(), *other = mr_sequential_new();
    mr_sequential_add(chain, mr_linear_new(3, 2, rng, NULL));
    mr_sequential_add(chain, mr_linear_new(2, 1, rng, NULL));
    mr_sequential_add(other, mr_linear_new(3, 2, rng, NULL));
    mr_sequential_add(other, mr_linear_new(2, 1, rng, NULL));
    CHECK_EQ_I64(mr_module_save(other, in_folder("between")), MR_OK);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *input = mr_tensor_from(MR_FLOAT32, MR_SHAPE(3), x);
    mr_tensor *loss = mr_sum(tape, mr_forward(chain, tape, input), MR_ALL, false);
    CHECK_EQ_I64(mr_module_load(chain, in_folder("between"), NULL), MR_OK);
    CHECK_EQ_I64(mr_backward(tape, loss), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(),
                 "backward: linear needs the elements of 1.weight[1,2] as they were, but they have "
                 "been changed since");
    mr_tensor_free(input);
    mr_tape_free(tape);
    mr_module_free(chain);
    mr_module_free(other);
    mr_rng_free(rng);
}

/* Parameters that an optimizer has moved are loaded where they are by now. */
static void test_load_under_optimizer(void)
{
    mr_module *a = with_names("x", NULL, NULL), *b = with_names("x", NULL, NULL);
    mr_optim *sgd = mr_sgd_new(mr_module_parameters(b), 0.5, NULL);
    mr_rng *rng = mr_rng_new(1);
    mr_tape *tape = mr_tape_new(rng);
    CHECK_EQ_I64(mr_tensor_fill(parameter(a, 0), 7), MR_OK);
    CHECK_EQ_I64(mr_module_save(a, in_folder("moved")), MR_OK);
    CHECK_EQ_I64(mr_module_load(b, in_folder("moved"), NULL), MR_OK);
    CHECK_EQ_I64(mr_backward(tape, mr_sum(tape, parameter(b, 0), MR_ALL, false)), MR_OK);
    CHECK_EQ_I64(mr_optim_step(sgd), MR_OK);
    CHECK(value(b, 0) == 6.5);
    mr_optim_free(sgd);
    mr_tape_free(tape);
    mr_rng_free(rng);
    mr_module_free(a);
    mr_module_free(b);
}

/* ---- what does not fit ---- */

/* Loading fails with "load 'path': <text>", and the module stays as it is. */
static void check_load(mr_module *module, const char *file, bool not_strict, mr_status status,
                       const char *text)
{
    char wanted[700];
    double before[4];
    size_t count = mr_module_parameters(module).count;
    for (size_t i = 0; i < count; i++)
        before[i] = value(module, i);
    CHECK_EQ_I64(mr_module_load(module, in_folder(file), &(mr_load_opts){ .not_strict = not_strict }),
                 status);
    CHECK_EQ_I64(mr_error_status(), status);
    snprintf(wanted, sizeof wanted, "load '%s': %s", in_folder(file), text);
    CHECK_EQ_STR(mr_error(), wanted);
    for (size_t i = 0; i < count; i++)
        CHECK(value(module, i) == before[i]);
}

static void test_names(void)
{
    static const mr_load_opts lax = { .not_strict = true };
    mr_module *file = with_names("one", "two", NULL), *more = with_names("one", "two", "three"),
              *other = with_names("zero", "two", NULL), *less = with_names("one", NULL, NULL);
    CHECK_EQ_I64(mr_tensor_fill(parameter(file, 0), 11), MR_OK);
    CHECK_EQ_I64(mr_tensor_fill(parameter(file, 1), 12), MR_OK);
    CHECK_EQ_I64(mr_module_save(file, in_folder("names")), MR_OK);
    check_load(more, "names", false, MR_ERR_FORMAT, "not in the file: three");
    check_load(less, "names", false, MR_ERR_FORMAT, "not in the module: two");
    check_load(other, "names", false, MR_ERR_FORMAT, "not in the file: zero; not in the module: one");
    CHECK_EQ_I64(mr_module_load(more, in_folder("names"), &(mr_load_opts){ 0 }), MR_ERR_FORMAT);
    CHECK_EQ_I64(mr_module_load(more, in_folder("names"), &lax), MR_OK);
    CHECK(value(more, 0) == 11 && value(more, 1) == 12 && value(more, 2) == 3);
    CHECK_EQ_I64(mr_module_load(less, in_folder("names"), &lax), MR_OK);
    CHECK(value(less, 0) == 11);
    CHECK_EQ_I64(mr_module_load(other, in_folder("names"), &lax), MR_OK);
    CHECK(value(other, 0) == 1 && value(other, 1) == 12);
    mr_module_free(file);
    mr_module_free(more);
    mr_module_free(other);
    mr_module_free(less);
}

/* Of many names, the first. */
static void test_many_names(void)
{
    mr_module *many = mr_module_new(&plain, NULL, 0), *none = mr_module_new(&plain, NULL, 0);
    for (int i = 0; i < 40; i++) {
        char name[40];
        snprintf(name, sizeof name, "parameter_%02d", i);
        mr_module_add_parameter(many, name, mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(1)));
    }
    static const char names[] = "parameter_00, parameter_01, parameter_02, parameter_03, parameter_04, "
                                "parameter_05, parameter_06, parameter_07 and 32 more";
    char wanted[300];
    CHECK_EQ_I64(mr_module_save(many, in_folder("many")), MR_OK);
    snprintf(wanted, sizeof wanted, "not in the module: %s", names);
    check_load(none, "many", false, MR_ERR_FORMAT, wanted);
    CHECK_EQ_I64(mr_module_save(none, in_folder("many")), MR_OK);
    char path[300], text[700];
    CHECK_EQ_I64(mr_module_load(many, in_folder("many"), NULL), MR_ERR_FORMAT);
    snprintf(path, sizeof path, "%s", in_folder("many"));
    snprintf(text, sizeof text, "load '%s': not in the file: %s", path, names);
    CHECK_EQ_STR(mr_error(), text);
    mr_module_free(many);
    mr_module_free(none);
}

/* A checkpoint's optimizer state is passed over, unless the module has parameters that are called so. */
static void test_optimizer_state(void)
{
    static const float value_in_file[] = { 5, 6 };
    const mr_shape two = MR_SHAPE(2);
    const mr__safetensor tensors[] = { { "x", MR_FLOAT32, two, value_in_file, 0 },
                                       { "optimizer.x.momentum_buffer", MR_FLOAT32, two, value_in_file, 0 },
                                       { "optimizer.y", MR_FLOAT32, two, value_in_file, 0 },
                                       { "optimizers.x", MR_FLOAT32, two, value_in_file, 0 } };
    mr_module *m = with_names("x", NULL, NULL), *outer = with_names("x", NULL, NULL);
    mr_module_add(outer, "optimizer", with_names("y", NULL, NULL));
    CHECK_EQ_I64(mr__safetensors_write(in_folder("state"), tensors, 3, NULL, 0), MR_OK);
    CHECK_EQ_I64(mr_module_load(m, in_folder("state"), NULL), MR_OK);
    CHECK(value(m, 0) == 5);
    CHECK_EQ_I64(mr_module_load(outer, in_folder("state"), NULL), MR_OK);
    CHECK(value(outer, 0) == 5 && value(outer, 1) == 5);
    CHECK_EQ_I64(mr__safetensors_write(in_folder("state"), tensors, 4, NULL, 0), MR_OK);
    check_load(m, "state", false, MR_ERR_FORMAT, "not in the module: optimizers.x");
    mr_module_free(m);
    mr_module_free(outer);
}

static void test_shapes_and_types(void)
{
    static const char *const names[] = { "a", "b", "c", NULL };
    static const mr_shape shapes[] = { { 1, { 2 } }, { 2, { 3, 4 } }, { 0, { 0 } } };
    static const mr_shape turned[] = { { 1, { 2 } }, { 2, { 4, 3 } }, { 0, { 0 } } };
    static const mr_shape flat[] = { { 1, { 2 } }, { 1, { 12 } }, { 0, { 0 } } };
    static const mr_shape less[] = { { 1, { 2 } }, { 1, { 3 } }, { 0, { 0 } } };
    static const mr_shape last[] = { { 1, { 2 } }, { 2, { 3, 4 } }, { 1, { 1 } } };
    mr_module *file = with_parameters(MR_FLOAT32, names, shapes), *m;
    for (size_t i = 0; i < 3; i++)
        CHECK_EQ_I64(mr_tensor_fill(parameter(file, i), 99), MR_OK);
    CHECK_EQ_I64(mr_module_save(file, in_folder("shapes")), MR_OK);
    for (int not_strict = 0; not_strict < 2; not_strict++) {
        check_load(m = with_parameters(MR_FLOAT32, names, turned), "shapes", not_strict, MR_ERR_SHAPE,
                   "b is [3,4] in the file, [4,3] in the module");
        mr_module_free(m);
        check_load(m = with_parameters(MR_FLOAT32, names, flat), "shapes", not_strict, MR_ERR_SHAPE,
                   "b is [3,4] in the file, [12] in the module");
        mr_module_free(m);
        check_load(m = with_parameters(MR_FLOAT32, names, less), "shapes", not_strict, MR_ERR_SHAPE,
                   "b is [3,4] in the file, [3] in the module");
        mr_module_free(m);
        check_load(m = with_parameters(MR_FLOAT32, names, last), "shapes", not_strict, MR_ERR_SHAPE,
                   "c is [] in the file, [1] in the module");
        mr_module_free(m);
        check_load(m = with_parameters(MR_FLOAT64, names, shapes), "shapes", not_strict, MR_ERR_DTYPE,
                   "a is float32 in the file, float64 in the module");
        mr_module_free(m);
    }
    mr_module *small = chapter(1, 16, MR_FLOAT32), *large = chapter(1, 17, MR_FLOAT32);
    CHECK_EQ_I64(mr_module_save(small, in_folder("shapes")), MR_OK);
    check_load(large, "shapes", false, MR_ERR_SHAPE,
               "layer1.weight is [16,1] in the file, [17,1] in the module");
    mr_module_free(small);
    mr_module_free(large);
    mr_module_free(file);
}

/* ---- files that cannot be read or written ---- */

static void test_arguments(void)
{
    mr_module *m = with_names("x", NULL, NULL), *broken = with_names("x", "x", NULL);
    mr_error_clear();
    CHECK_EQ_I64(mr_module_save(m, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "module_save: path is NULL");
    CHECK_EQ_I64(mr_module_load(m, NULL, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "module_load: path is NULL");
    CHECK_EQ_I64(mr_module_save(NULL, in_folder("x")), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "module_save: module is NULL");
    CHECK_EQ_I64(mr_module_load(NULL, in_folder("x"), NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "module_load: module is NULL");
    CHECK_EQ_I64(mr_module_save(broken, in_folder("x")), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "module_add_parameter: Plain has a 'x' already");
    CHECK_EQ_I64(mr_module_load(broken, in_folder("x"), NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "module_add_parameter: Plain has a 'x' already");
    CHECK(!file_exists(in_folder("x")));
    mr_module_free(m);
    mr_module_free(broken);
}

/* A save that fails with "cannot write 'path': <reason>". */
static void check_save(mr_module *module, const char *path, const char *reason)
{
    char wanted[700];
    CHECK_EQ_I64(mr_module_save(module, path), MR_ERR_IO);
    CHECK_EQ_I64(mr_error_status(), MR_ERR_IO);
    snprintf(wanted, sizeof wanted, "cannot write '%s': %s", path, reason);
    CHECK_EQ_STR(mr_error(), wanted);
}

static void test_unwritable(void)
{
    char wanted[700];
    mr_module *m = with_names("x", NULL, NULL);
    CHECK_EQ_I64(mkdir(in_folder("closed"), 0755), 0);
    CHECK_EQ_I64(mr_module_save(m, in_folder("closed/model")), MR_OK);
    CHECK_EQ_I64(chmod(in_folder("closed"), 0555), 0);
    check_save(m, in_folder("no/model"), "No such file or directory");
    check_save(m, files_folder, "Is a directory");
    check_save(m, "", "No such file or directory");
    if (file_exists("/dev/full"))
        check_save(m, "/dev/full", "it is not a regular file");
    files_be_nobody(true);
    check_save(m, in_folder("closed/model"), "Permission denied");
    files_be_nobody(false);
    CHECK_EQ_I64(mr_module_load(m, in_folder("closed/model"), NULL), MR_OK);
    CHECK_EQ_I64(count_entries(in_folder("closed")), 1);
    CHECK_EQ_I64(mr_module_load(m, in_folder("no/model"), NULL), MR_ERR_IO);
    snprintf(wanted, sizeof wanted, "cannot read '%s': No such file or directory", in_folder("no/model"));
    CHECK_EQ_STR(mr_error(), wanted);
    mr_module_free(m);
}

/* The disk is full: files may not grow beyond a limit. The old file stays, and nothing else. */
static void test_disk_full(void)
{
    struct rlimit old, small;
    mr_module *a = chapter(1, 16, MR_FLOAT32), *b = chapter(2, 16, MR_FLOAT32),
              *large = chapter(3, 40000, MR_FLOAT32);
    CHECK_EQ_I64(mkdir(in_folder("full"), 0777), 0);
    CHECK_EQ_I64(mr_module_save(a, in_folder("full/model")), MR_OK);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    for (rlim_t limit = 0; limit < 600; limit += 100) { /* the header alone has more than 300 bytes */
        small = (struct rlimit){ limit, old.rlim_max };
        setrlimit(RLIMIT_FSIZE, &small);
        check_save(b, in_folder("full/model"), "File too large");
        check_save(large, in_folder("full/new"), "File too large");
    }
    small.rlim_cur = 300000; /* in the middle of a tensor that is written by itself */
    setrlimit(RLIMIT_FSIZE, &small);
    check_save(large, in_folder("full/model"), "File too large");
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    CHECK_EQ_I64(count_entries(in_folder("full")), 1);
    CHECK_EQ_I64(mr_module_load(b, in_folder("full/model"), NULL), MR_OK);
    CHECK(same(a, b));
    CHECK_EQ_I64(mr_module_save(large, in_folder("full/model")), MR_OK);
    CHECK_EQ_I64(mr_module_load(large, in_folder("full/model"), NULL), MR_OK);
    mr_module_free(a);
    mr_module_free(b);
    mr_module_free(large);
}

/* ---- without memory ---- */

static int left, out;

static void *few_allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    if (left-- <= 0)
        return NULL;
    out++;
    return aligned_alloc(alignment, mr__round_up(bytes, alignment));
}

static void few_release(void *user, void *memory)
{
    (void)user;
    out--;
    free(memory);
}

/* Each allocation fails once. What is loaded is loaded whole. */
static void test_without_memory(void)
{
    static const mr_allocator few = { few_allocate, few_release, NULL };
    mr_set_allocator(&few);
    left = 1000;
    mr_module *a = chapter(1, 16, MR_FLOAT32), *b = chapter(2, 16, MR_FLOAT32),
              *old = chapter(2, 16, MR_FLOAT32);
    CHECK(mr_module_state(a).count == 4 && mr_module_state(b).count == 4); /* which the modules keep */
    CHECK(same(a, a) && same(b, old));
    int before = out, failures = -1;
    mr_status status;
    do {
        left = ++failures;
        status = mr_module_save(a, in_folder("memory"));
        CHECK(status == MR_OK || status == MR_ERR_MEMORY);
        CHECK_EQ_I64(out, before);
    } while (status && failures < 100);
    CHECK(failures > 5 && failures < 100);
    failures = -1;
    do {
        CHECK(same(b, old));
        left = ++failures;
        status = mr_module_load(b, in_folder("memory"), NULL);
        CHECK(status == MR_OK || status == MR_ERR_MEMORY);
        CHECK_EQ_I64(out, before);
    } while (status && failures < 100);
    CHECK(failures >= 5 && failures < 100);
    CHECK(same(a, b));
    mr_module_free(a);
    mr_module_free(b);
    mr_module_free(old);
    CHECK_EQ_I64(out, 0);
    mr_set_allocator(NULL);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_round_trip);
    RUN(test_nothing);
    RUN(test_from_torch);
    RUN(test_load_between_forward_and_backward);
    RUN(test_load_under_optimizer);
    RUN(test_names);
    RUN(test_many_names);
    RUN(test_optimizer_state);
    RUN(test_shapes_and_types);
    RUN(test_arguments);
    RUN(test_unwritable);
    RUN(test_disk_full);
    RUN(test_without_memory);
    return files_report();
}
