/* A program that only predicts: loads the weights that 10_logging left (or the file it is given), and no trainer. */
#include "my_model.h"
#include "show.h"

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "my_model.safetensors";
    mr_rng *rng = mr_rng_new(0);
    mr_module *f = my_model_new(rng);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *x = mr_tensor_linspace(MR_FLOAT32, 0, 1, 6);
    mr_status s = mr_module_load(f, path, NULL);
    if (s == MR_OK) {
        mr_tape_set_grad(tape, false);
        mr_tensor *y = mr_forward(f, tape, x);
        if ((s = mr_tape_status(tape)) == MR_OK) {
            printf("x = ");
            mr_tensor_print(stdout, x);
            printf("\ny = ");
            mr_tensor_print(stdout, y);
            putchar('\n');
        }
    }
    mr_tensor_free(x);
    mr_tape_free(tape);
    mr_module_free(f);
    mr_rng_free(rng);
    return finish(s);
}
