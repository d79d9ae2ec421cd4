/*
 * A query of a database, as a stream of samples: Kepler's third law, found in the moons and planets of the solar system (NASA's
 * fact sheets).
 *
 *     15_sqlite_query [FILE]
 *
 * Without a file it makes orbits.db. A join of its two tables gives, for each body, its distance from the one it goes
 * around, the mass of that, and the time it takes. A linear model of the logarithms says by which powers the time goes;
 * it is drawn to orbits.png.
 */
#include "show.h"

#include <millrace/plot.h>
#include <millrace/sources/sqlite.h>

#include <math.h>
#include <sqlite3.h>

/* ---- the database ---- */

static const char tables[] =
    "CREATE TABLE centre (id INTEGER PRIMARY KEY, name TEXT, mass REAL);"       /* 10^24 kg */
    "CREATE TABLE orbit (name TEXT, centre INTEGER, distance REAL, days REAL);" /* 10^6 km */
    "INSERT INTO centre VALUES (1, 'Sun', 1988400), (2, 'Earth', 5.9722), (3, 'Jupiter', 1898.13),"
    " (4, 'Saturn', 568.32), (5, 'Uranus', 86.811);"
    "INSERT INTO orbit VALUES ('Mercury', 1, 57.909, 87.969), ('Venus', 1, 108.21, 224.701),"
    " ('Earth', 1, 149.598, 365.256), ('Mars', 1, 227.956, 686.98), ('Jupiter', 1, 778.479, 4332.589),"
    " ('Saturn', 1, 1432.041, 10759.22), ('Uranus', 1, 2867.043, 30685.4), ('Neptune', 1, 4514.953, 60189),"
    " ('Moon', 2, 0.3844, 27.3217), ('Io', 3, 0.4218, 1.769138), ('Europa', 3, 0.6711, 3.551181),"
    " ('Ganymede', 3, 1.0704, 7.154553), ('Callisto', 3, 1.8827, 16.689017), ('Mimas', 4, 0.18552, 0.942422),"
    " ('Enceladus', 4, 0.23802, 1.370218), ('Tethys', 4, 0.29466, 1.887802), ('Dione', 4, 0.3774, 2.736915),"
    " ('Rhea', 4, 0.52704, 4.5175), ('Titan', 4, 1.22183, 15.945421), ('Iapetus', 4, 3.5613, 79.330183),"
    " ('Miranda', 5, 0.1299, 1.413479), ('Ariel', 5, 0.1909, 2.520379), ('Umbriel', 5, 0.266, 4.144177),"
    " ('Titania', 5, 0.4363, 8.705872), ('Oberon', 5, 0.5835, 13.463239);";

static mr_status make_database(const char *path)
{
    sqlite3 *db;
    remove(path);
    mr_status s = MR_OK;
    if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_exec(db, tables, NULL, NULL, NULL) != SQLITE_OK)
        s = mr_fail(MR_ERR_IO, "'%s': %s", path, sqlite3_errmsg(db));
    sqlite3_close(db);
    return s;
}

/* ---- data ---- */

/* Powers become factors: log10(days) = a log10(distance) + b log10(mass) + c. */
static mr_status logarithms(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    const float *x = in[0], *days = in[1];
    float *to = out[0];
    (void)user;
    (void)index;
    (void)random;
    to[0] = log10f(x[0]);
    to[1] = log10f(x[1]);
    *(float *)out[1] = log10f(*days);
    return MR_OK;
}

static mr_dataset *orbits_new(const char *path)
{
    static const char query[] =
        "SELECT distance, mass, days FROM orbit JOIN centre ON centre = centre.id ORDER BY orbit.rowid";
    static const mr_table_field fields[] = { { .name = "x", .columns = "distance,mass" },
                                             { .name = "days" } };
    mr_dataset *rows = mr_sqlite_stream_new(path, query, fields, 2);
    mr_dataset *orbits = mr_map_new(rows, logarithms, NULL, NULL);
    mr_dataset_free(rows); /* what is made of it keeps it */
    return orbits;
}

/* ---- the model ---- */

static mr_tensor *training_step(mr_step *step, const mr_batch *batch)
{
    mr_tensor *y = mr_squeeze(step->tape, mr_forward(step->model, step->tape, batch->field[0]), 1);
    return mr_mse_loss(step->tape, y, batch->field[1], NULL);
}

static mr_optim *configure_optimizers(void *self, mr_module *model)
{
    (void)self;
    return mr_adam_new(mr_module_parameters(model), 0.1, NULL);
}

static mr_schedule *configure_schedule(void *self, mr_optim *optim)
{
    (void)self;
    return mr_exponential_lr_new(optim, 0.998);
}

static mr_status fit(mr_module *model, mr_dataset *orbits, mr_rng *rng)
{
    static const mr_task_vtable vtable = { .training_step = training_step,
                                           .configure_optimizers = configure_optimizers,
                                           .configure_schedule = configure_schedule };
    mr_loader *loader = mr_loader_new(orbits, rng, &(mr_loader_opts){ .batch_size = 5, .shuffle = true });
    mr_task *task = mr_task_new(&vtable, model, NULL, 0);
    mr_trainer *trainer =
        mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 500, .no_progress = true, .no_summary = true });
    mr_status s = mr_trainer_fit(trainer, task, loader);
    mr_trainer_free(trainer);
    mr_task_free(task);
    mr_loader_free(loader);
    return s;
}

/* ---- the picture: the time that was found over the one that is ---- */

static mr_status draw(mr_dataset *orbits, const float *weight, float bias, const char *path)
{
    const double ends[] = { -0.2, 5 };
    mr_plot *plot = mr_plot_new(&(mr_plot_opts){ .x_label = "log10(days), measured",
                                                 .y_label = "log10(days), by the law that was found" });
    mr_plot_line(plot, ends, ends, 2, "--", "equal");
    mr_cursor *cursor = mr_stream_open(orbits);
    const mr_batch *body;
    mr_status s;
    for (int i = 0; (s = mr_cursor_next(cursor, &body)) == MR_OK; i++) {
        const float *x = mr_tensor_data(body->field[0]), *days = mr_tensor_data(body->field[1]);
        mr_plot_mark(plot, (double)*days, (double)(weight[0] * x[0] + weight[1] * x[1] + bias),
                     i ? "" : "a planet or a moon");
    }
    mr_cursor_free(cursor);
    if (s == MR_END)
        s = mr_plot_save(plot, path);
    mr_plot_free(plot);
    return s;
}

int main(int argc, char **argv)
{
    mr_rng *rng = mr_rng_new(42);
    mr_status s = argc > 1 ? MR_OK : make_database("orbits.db");
    mr_dataset *orbits = s == MR_OK ? orbits_new(argc > 1 ? argv[1] : "orbits.db") : NULL;
    mr_module *law = mr_linear_new(2, 1, rng, NULL);

    s = fit(law, orbits, rng);
    if (s == MR_OK) {
        mr_params p = mr_module_parameters(law);
        const float *weight = mr_tensor_data(p.item[0].tensor);
        printf("time ~ distance^%.3f mass^%.3f\n", (double)weight[0], (double)weight[1]);
        s = draw(orbits, weight, (float)mr_item(p.item[1].tensor), "orbits.png");
        if (s == MR_OK)
            printf("picture: orbits.png\n");
        if (s == MR_ERR_MISSING) { /* there is no gnuplot, which the law does not need */
            fprintf(stderr, "%s\n", mr_error());
            s = MR_OK;
        }
    }

    mr_module_free(law);
    mr_dataset_free(orbits);
    mr_rng_free(rng);
    return finish(s);
}
