/*
 * Section 6.3: training that is logged, to lightning_logs/my_lt_module/version_0, version_1 and so on. Afterwards the
 * weights go to my_model.safetensors, for 11_predict.c, the metrics are read back, their head is printed, and the loss
 * is drawn, to loss.png.
 */
#include "my_curve.h"
#include "my_task.h"
#include "show.h"

static mr_status look_back(const char *metrics)
{
    mr_frame *df = mr_frame_read_csv(metrics);        /* df = pd.read_csv(metrics) */
    mr_status s = mr_frame_print_head(stdout, df, 5); /* print(df.head()) */
    if (s == MR_OK)
        s = mr_plot_metrics(df, "loss", "loss.png"); /* df['loss'].plot.line(), over the steps */
    if (s == MR_OK)
        puts("picture: loss.png");
    mr_frame_free(df);
    return s;
}

int main(void)
{
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *ds = my_curve_new(1024);
    mr_loader *dataloader = mr_loader_new(ds, rng, &(mr_loader_opts){ .batch_size = 32, .shuffle = true });
    mr_module *f = my_model_new(rng);
    mr_task *task = my_task_new(f);
    mr_trainer *trainer = mr_trainer_new(
        &(mr_trainer_opts){ .max_epochs = 30, .csv = "lightning_logs", .name = "my_lt_module" });

    /* The first check: this knows of every failure above. */
    mr_status s = mr_trainer_fit(trainer, task, dataloader);
    if (s == MR_OK)
        s = mr_module_save(f, "my_model.safetensors"); /* torch.save(f.state_dict(), …) */
    if (s == MR_OK)
        s = look_back(mr_trainer_metrics_path(trainer));

    mr_trainer_free(trainer);
    mr_task_free(task);
    mr_module_free(f);
    mr_loader_free(dataloader);
    mr_dataset_free(ds);
    mr_rng_free(rng);
    return finish(s);
}
