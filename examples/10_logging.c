/* Training that is logged: the metrics are read back, their head printed, and the loss drawn. Leaves the weights in
 * my_model.safetensors for the next example. */
#include "my_curve.h"
#include "my_task.h"
#include "show.h"

static mr_status look_back(const char *metrics)
{
    mr_frame *df = mr_frame_read_csv(metrics);
    mr_status s = mr_frame_print_head(stdout, df, 5);
    if (s == MR_OK)
        s = mr_plot_metrics(df, "loss", "loss.png");
    if (s == MR_OK)
        puts("picture: loss.png");
    mr_frame_free(df);
    return s;
}

int main(void)
{
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *ds = my_curve_new(1024);
    mr_loader *loader = mr_loader_new(ds, rng, &(mr_loader_opts){ .batch_size = 32, .shuffle = true });
    mr_module *f = my_model_new(rng);
    mr_task *task = mr_task_new(&my_task_vtable, f, NULL, 0);
    mr_trainer *trainer = mr_trainer_new(
        &(mr_trainer_opts){ .max_epochs = 30, .csv = "lightning_logs", .name = "my_lt_module" });
    mr_status s = mr_trainer_fit(trainer, task, loader);
    if (s == MR_OK)
        s = mr_module_save(f, "my_model.safetensors");
    if (s == MR_OK)
        s = look_back(mr_trainer_metrics_path(trainer));
    mr_trainer_free(trainer);
    mr_task_free(task);
    mr_module_free(f);
    mr_loader_free(loader);
    mr_dataset_free(ds);
    mr_rng_free(rng);
    return finish(s);
}
