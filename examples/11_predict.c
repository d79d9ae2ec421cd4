/*
 * A program that only predicts: no dataset, no optimizer, no trainer. It loads the weights that 10_logging.c left, or
 * those of the file that it is given, which may be a checkpoint:
 *
 *     11_predict lightning_logs/my_lt_module/version_0/checkpoints/epoch=29-step=960.safetensors
 */
#include "my_model.h"
#include "show.h"

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "my_model.safetensors";
    mr_rng *rng = mr_rng_new(0); /* for weights that are replaced at once */
    mr_module *f = my_model_new(rng);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *x = mr_tensor_linspace(MR_FLOAT32, 0, 1, 6);

    mr_status s = mr_module_load(f, path, NULL); /* f.load_state_dict(torch.load(path)) */
    if (s == MR_OK) {
        mr_tape_set_grad(tape, false);
        mr_tensor *y = mr_forward(f, tape, x);
        printf("x = ");
        s = show_tensor(x);
        if (s == MR_OK) {
            printf("y = ");
            s = show_tensor(y);
        }
    }

    mr_tensor_free(x);
    mr_tape_free(tape);
    mr_module_free(f);
    mr_rng_free(rng);
    return finish(s);
}
