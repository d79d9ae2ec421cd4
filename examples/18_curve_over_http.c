/*
 * The chapter's curve as a stream that comes over the network and has no end: "What if we are downloading the dataset over the
 * network?" The training takes as many batches as it wants.
 *
 *     18_curve_over_http [URL]
 *
 * Without the URL of a CSV file with the columns x and y it starts a server of its own (endless_server.h). What the model has
 * learned is drawn beside the curve, to curve_over_http.png.
 */
#define _GNU_SOURCE
#include "endless_server.h"
#include "my_task.h"
#include "show.h"

#include <millrace/plot.h>
#include <millrace/sources/csv.h>
#include <millrace/sources/http.h>

enum { POINTS = 101 };

/* A stream of the rows at a URL: it is read as it comes, and nothing of it is kept. */
static mr_dataset *curve_from(const char *url)
{
    static const mr_csv_field fields[] = { { .name = "x" }, { .name = "y" } };
    mr_storage *web = mr_storage_from_http(NULL);
    mr_dataset *curve = mr_csv_stream_new(url, fields, 2, &(mr_csv_opts){ .storage = web });
    mr_storage_free(web); /* the dataset holds it */
    return curve;
}

static mr_status draw(mr_module *model, mr_tape *tape, const char *path)
{
    double at[POINTS], curve[POINTS], learned[POINTS];
    mr_tensor *x = mr_tensor_linspace(MR_FLOAT32, 0, 1, POINTS);
    mr_tape_set_grad(tape, false);
    mr_status s = mr_copy_out(mr_forward(model, tape, x), MR_FLOAT64, learned, POINTS);
    for (int i = 0; i < POINTS; i++) {
        at[i] = i / (POINTS - 1.0);
        curve[i] = 3 * at[i] + sin(6 * at[i]) + 1;
    }
    mr_plot *plot = mr_plot_new(&(mr_plot_opts){ .x_label = "x", .y_label = "y" });
    if (s == MR_OK) {
        mr_plot_line(plot, at, curve, POINTS, "-", "the curve");
        mr_plot_line(plot, at, learned, POINTS, "--", "learned");
        s = mr_plot_save(plot, path);
    }
    mr_plot_free(plot);
    mr_tensor_free(x);
    return s;
}

static mr_status train_on(const char *url)
{
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *curve = curve_from(url);
    mr_loader *loader = mr_loader_new(curve, rng, &(mr_loader_opts){ .batch_size = 32, .workers = 1 });
    mr_module *model = my_model_new(rng);
    mr_task *task = my_task_new(model);
    mr_trainer *trainer =
        mr_trainer_new(&(mr_trainer_opts){ .max_steps = 50000, .no_progress = true, .no_summary = true });
    mr_tape *tape = mr_tape_new(rng);

    mr_status s = mr_trainer_fit(trainer, task, loader);
    if (s == MR_OK) {
        printf("%lld batches of 32 points from %s\n", (long long)mr_trainer_global_step(trainer), url);
        s = draw(model, tape, "curve_over_http.png");
        if (s == MR_OK)
            printf("picture: curve_over_http.png\n");
        if (s == MR_ERR_MISSING) { /* there is no gnuplot, which training does not need */
            fprintf(stderr, "%s\n", mr_error());
            s = MR_OK;
        }
    }

    mr_tape_free(tape);
    mr_trainer_free(trainer);
    mr_task_free(task);
    mr_module_free(model);
    mr_loader_free(loader);
    mr_dataset_free(curve);
    mr_rng_free(rng);
    return s;
}

int main(int argc, char **argv)
{
    endless_server server;
    if (argc > 1)
        return finish(train_on(argv[1]));
    if (!endless_server_start(&server)) {
        perror("the server does not start");
        return 1;
    }
    mr_status s = train_on(server.url);
    endless_server_stop(&server);
    return finish(s);
}
