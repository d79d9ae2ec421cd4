/* Models trained beside PyTorch, as follow.h says, on images of Fashion-MNIST, Debian's dataset-fashion-mnist;
 * golden/make_follow_fashion.py is the other side. Where the images or gzip are missing, this is left out. */
#include "follow.h"

#define FOLDER "/usr/share/datasets/fashion-mnist"

enum { IMAGES = 6400, PIXELS = 784, LEFT_OUT = 77 };

static unsigned char data[IMAGES * (PIXELS + 1)]; /* the pixels of all, then their classes */

/* ---- the models ---- */

static mr_module *flat_mlp(void)
{
    return mr_sequential_add(mr_sequential_add(mr_sequential_new(), mr_flatten_new()), mlp(784, 128, 10, 0));
}

/* As small as the state of PyTorch's is to be; the second convolution is still one for Winograd's way. */
static mr_module *cnn(int64_t second, bool small)
{
    mr_module *m = mr_sequential_add(mr_sequential_new(), conv(1, 8, 1, 1, false));
    mr_sequential_add(m, mr_relu_new());
    mr_sequential_add(m, mr_max_pool2d_new(2, NULL));
    mr_sequential_add(m, conv(8, second, 1, 1, false));
    mr_sequential_add(m, mr_relu_new());
    mr_sequential_add(m, mr_max_pool2d_new(2, NULL));
    if (small)
        mr_sequential_add(m, mr_max_pool2d_new(2, NULL));
    mr_sequential_add(m, mr_flatten_new());
    return mr_sequential_add(m, linear(second * (small ? 9 : 49), 10));
}

static void follow_make(follow_run *r, const char *name)
{
    dtype = MR_FLOAT32;
    bool plain = strcmp(name, "mlp") == 0, small = strcmp(name, "small_cnn") == 0;
    r->model = plain ? flat_mlp() : cnn(small ? 8 : 16, small);
    r->batch = 64;
    r->allowed = plain || small ? 1e-5 : 1e-4;
    r->x = mr_tensor_zeros(dtype, MR_SHAPE(IMAGES, 1, 28, 28));
    r->target = mr_tensor_zeros(MR_INT64, MR_SHAPE(IMAGES));
    float *x = mr_tensor_data(r->x);
    int64_t *class = mr_tensor_data(r->target);
    for (int i = 0; i < IMAGES * PIXELS; i++)
        x[i] = (float)data[i] / 255;
    for (int i = 0; i < IMAGES; i++)
        class[i] = data[IMAGES * PIXELS + i];
}

/* ---- the images ---- */

/* The first `count` bytes behind an IDX file's header; false when they cannot be had. */
static bool unpacked(const char *name, size_t header, unsigned char *to, size_t count)
{
    char command[256], head[16];
    snprintf(command, sizeof command, "gzip -dc " FOLDER "/train-%s-ubyte.gz 2>/dev/null", name);
    FILE *pipe = popen(command, "r");
    if (!pipe)
        return false;
    bool ok = fread(head, 1, header, pipe) == header && fread(to, 1, count, pipe) == count;
    pclose(pipe); /* gzip may have more to say, so how it ends tells nothing */
    return ok;
}

static bool left_out;

static void test_fashion(void)
{
    if (!golden_open(&file, "follow_fashion"))
        return;
    bool read = unpacked("images-idx3", 16, data, IMAGES * PIXELS) &&
                unpacked("labels-idx1", 8, data + IMAGES * PIXELS, IMAGES);
    left_out = !follow_source_is(data, read ? sizeof data : 0);
    if (left_out) {
        printf("note: the images in %s are %s: left out\n", FOLDER, read ? "others" : "missing, or gzip is");
        free(file.text);
    } else {
        follow_cases();
    }
}

int main(void)
{
    CHECK(mr_set_num_threads(1) == MR_OK); /* changes no bit, and beside other tests is many times faster */
    RUN(test_fashion);
    int failed = check_report();
    return left_out && !failed ? LEFT_OUT : failed;
}
