/*
 * A regression on a CSV file: how far cars of the 1920s went before they stood still, in feet, after braking at some
 * speed, in miles an hour (50 measurements, M. Ezekiel, Methods of Correlation Analysis, 1930).
 *
 *     14_csv_regression [FILE]
 *
 * Without a file it writes these to cars.csv. A straight line and a small network are fitted to the rows of the columns
 * "speed" and "distance", and drawn with the measurements to braking.png.
 */
#include "show.h"

#include <millrace/plot.h>
#include <millrace/sources/csv.h>

#include <stdlib.h>
#include <string.h>

enum { POINTS = 101 };

/* Distances by speeds, from 4 to 25 miles an hour. */
static const char *const measured[] = {
    [4] = "2 10",         [7] = "4 22",         [8] = "16",
    [9] = "10",           [10] = "18 26 34",    [11] = "17 28",
    [12] = "14 20 24 28", [13] = "26 34 34 46", [14] = "26 36 60 80",
    [15] = "20 26 54",    [16] = "32 40",       [17] = "32 40 50",
    [18] = "42 56 76 84", [19] = "36 46 68",    [20] = "32 48 52 56 64",
    [22] = "66",          [23] = "54",          [24] = "70 92 93 120",
    [25] = "85",
};

static mr_status write_csv(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return mr_fail(MR_ERR_IO, "cannot write '%s'", path);
    fputs("speed,distance\n", file);
    for (int speed = 0; speed < (int)(sizeof measured / sizeof *measured); speed++)
        for (const char *at = measured[speed]; at; at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL)
            fprintf(file, "%d,%d\n", speed, atoi(at));
    return fclose(file) == 0 ? MR_OK : mr_fail(MR_ERR_IO, "cannot write '%s'", path);
}

/* ---- data: columns to fields, in units in which their numbers are about 1 ---- */

typedef struct units {
    float speed, distance;
} units;

static mr_status to_units(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    const units *u = user;
    (void)index;
    (void)random;
    *(float *)out[0] = *(float *)in[0] / u->speed;
    *(float *)out[1] = *(float *)in[1] / u->distance;
    return MR_OK;
}

static mr_dataset *cars_new(const char *path, units *u)
{
    static const mr_csv_field fields[] = { { .name = "speed" },
                                           { .name = "distance", .missing = MR_MISSING_SKIP } };
    mr_dataset *rows = mr_csv_new(path, fields, 2, NULL);
    mr_dataset *cars = mr_map_new(rows, to_units, u, NULL);
    mr_dataset_free(rows); /* what is made of it keeps it */
    return cars;
}

/* ---- two models ---- */

static mr_tensor *training_step(mr_step *step, const mr_batch *batch)
{
    mr_tensor *x = mr_unsqueeze(step->tape, batch->field[0], 1); /* (batch, 1) */
    mr_tensor *y = mr_squeeze(step->tape, mr_forward(step->model, step->tape, x), 1);
    return mr_mse_loss(step->tape, y, batch->field[1], NULL);
}

static mr_optim *configure_optimizers(void *self, mr_module *model)
{
    (void)self;
    return mr_adam_new(mr_module_parameters(model), 0.01, NULL);
}

static mr_status fit(mr_module *model, mr_dataset *cars, mr_rng *rng)
{
    static const mr_task_vtable vtable = { .training_step = training_step,
                                           .configure_optimizers = configure_optimizers };
    mr_loader *loader = mr_loader_new(cars, rng, &(mr_loader_opts){ .batch_size = mr_dataset_len(cars) });
    mr_task *task = mr_task_new(&vtable, model, NULL, 0);
    mr_trainer *trainer =
        mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 2000, .no_progress = true, .no_summary = true });
    mr_status s = mr_trainer_fit(trainer, task, loader);
    mr_trainer_free(trainer);
    mr_task_free(task);
    mr_loader_free(loader);
    return s;
}

static mr_module *network_new(mr_rng *rng)
{
    mr_module *m = mr_sequential_new();
    mr_sequential_add(m, mr_linear_new(1, 8, rng, NULL));
    mr_sequential_add(m, mr_tanh_new());
    return mr_sequential_add(m, mr_linear_new(8, 1, rng, NULL));
}

/* ---- the picture ---- */

/* The distances that a model expects at speeds from 0 on. */
static mr_status draw_model(mr_plot *plot, mr_module *model, const units *u, const char *style,
                            const char *label)
{
    double speed[POINTS], distance[POINTS];
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    mr_tape_set_grad(tape, false);
    mr_tensor *x = mr_tensor_linspace(MR_FLOAT32, 0, 1.6, POINTS);
    mr_tensor *y = mr_forward(model, tape, mr_unsqueeze(tape, x, 1));
    const float *from = mr_tensor_data(x), *to = mr_tensor_data(y);
    for (int i = 0; to && i < POINTS; i++) {
        speed[i] = (double)(from[i] * u->speed);
        distance[i] = (double)(to[i] * u->distance);
    }
    mr_status s = to ? mr_plot_line(plot, speed, distance, POINTS, style, label) : mr_error_status();
    mr_tensor_free(x);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return s;
}

static mr_status draw(mr_dataset *cars, mr_module *line, mr_module *network, const units *u, const char *path)
{
    mr_plot *plot = mr_plot_new(&(mr_plot_opts){ .x_label = "speed (mph)", .y_label = "distance (ft)" });
    draw_model(plot, line, u, "--", "a line");
    draw_model(plot, network, u, "-", "a network");
    for (int64_t i = 0; i < mr_dataset_len(cars); i++) {
        mr_batch *car = mr_dataset_get(cars, i);
        if (car)
            mr_plot_mark(plot, (double)(*(float *)mr_tensor_data(car->field[0]) * u->speed),
                         (double)(*(float *)mr_tensor_data(car->field[1]) * u->distance),
                         i ? "" : "measured");
        mr_batch_free(car);
    }
    mr_status s = mr_plot_save(plot, path);
    mr_plot_free(plot);
    return s;
}

int main(int argc, char **argv)
{
    units u = { .speed = 16, .distance = 50 };
    mr_rng *rng = mr_rng_new(42);
    mr_status s = argc > 1 ? MR_OK : write_csv("cars.csv");
    mr_dataset *cars = s == MR_OK ? cars_new(argc > 1 ? argv[1] : "cars.csv", &u) : NULL;
    mr_module *line = mr_linear_new(1, 1, rng, NULL), *network = network_new(rng);

    s = fit(line, cars, rng);
    if (s == MR_OK)
        s = fit(network, cars, rng);
    if (s == MR_OK) {
        mr_params p = mr_module_parameters(line);
        printf("%lld cars: distance = %.2f ft + %.2f ft for each mph\n", (long long)mr_dataset_len(cars),
               mr_item(p.item[1].tensor) * u.distance, mr_item(p.item[0].tensor) * u.distance / u.speed);
        s = draw(cars, line, network, &u, "braking.png");
        if (s == MR_OK)
            printf("picture: braking.png\n");
        if (s == MR_ERR_MISSING) { /* there is no gnuplot, which fitting does not need */
            fprintf(stderr, "%s\n", mr_error());
            s = MR_OK;
        }
    }

    mr_module_free(network);
    mr_module_free(line);
    mr_dataset_free(cars);
    mr_rng_free(rng);
    return finish(s);
}
