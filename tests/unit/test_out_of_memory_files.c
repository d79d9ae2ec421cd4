/* Memory runs out while files are written and read, and while pictures are
 * drawn. */
#include "refuse.h"

#include <millrace/millrace.h>

#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/millrace-refused-files-XXXXXX";
static char weights[64], table[64], picture[64], lines[64];

static double sum_of(mr_module *model, mr_status *status)
{
    double sum = 0;
    mr_params params = mr_module_parameters(model);
    if (!params.item)
        *status = mr__settle(mr_error_status());
    for (size_t i = 0; i < params.count; i++)
        for (int64_t j = 0; j < mr_tensor_numel(params.item[i].tensor); j++)
            sum += (double)(i + 1) * (double)((const float *)mr_tensor_data(params.item[i].tensor))[j];
    return sum;
}

/* One matrix is more than what is gathered into one write. */
static mr_module *model_new(mr_rng *rng)
{
    mr_module *model = mr_sequential_new();
    mr_sequential_add(model, mr_linear_new(200, 100, rng, NULL));
    mr_sequential_add(model, mr_linear_new(100, 2, rng, NULL));
    return model;
}

static double save_program(mr_status *status)
{
    mr_rng *rng = mr_rng_new(1);
    mr_module *model = model_new(rng);
    *status = mr_module_save(model, weights);
    mr_module_free(model);
    mr_rng_free(rng);
    return 0;
}

static double load_program(mr_status *status)
{
    mr_rng *rng = mr_rng_new(2);
    mr_module *model = model_new(rng);
    double sum = 0;
    *status = mr_module_load(model, weights, NULL);
    if (*status == MR_OK)
        sum = sum_of(model, status);
    mr_module_free(model);
    mr_rng_free(rng);
    return sum;
}

/* A module that the file fits in part only. */
static double partial_program(mr_status *status)
{
    mr_rng *rng = mr_rng_new(1);
    mr_module *model = mr_sequential_new();
    for (int i = 0; i < 3; i++)
        mr_sequential_add(model, mr_linear_new(i == 0 ? 200 : 100, i == 0 ? 100 : 2, rng, NULL));
    double sum = 0;
    *status = mr_module_load(model, weights, &(mr_load_opts){ .not_strict = true });
    if (*status == MR_OK)
        sum = sum_of(model, status);
    mr_module_free(model);
    mr_rng_free(rng);
    return sum;
}

/* A strict load of it fails for another reason, with a text that needs memory.
 */
static double strict_program(mr_status *status)
{
    mr_rng *rng = mr_rng_new(1);
    mr_module *model = mr_linear_new(200, 100, rng, NULL);
    *status = mr_module_load(model, weights, NULL);
    double as_expected = *status == MR_ERR_FORMAT;
    if (*status == MR_ERR_FORMAT)
        *status = MR_OK;
    mr_module_free(model);
    mr_rng_free(rng);
    return as_expected;
}

static void test_weights(void)
{
    refuse_each("save", save_program, 80);
    refuse.spare_json = true;
    refuse_each("load", load_program, 40);
    refuse_each("partial", partial_program, 40);
    refuse_each("strict", strict_program, 15);
    refuse.spare_json = false;
    refuse.any_failure = true;
    refuse_each("parsing", load_program, 80);
    refuse.any_failure = false;
}

/* ---- tables and pictures ---- */

static void write_table(void)
{
    FILE *file = fopen(table, "w");
    fprintf(file, "loss,epoch,step\r\n");
    for (int i = 0; i < 30; i++)
        fprintf(file, "%g,%d,%d\r\n", 1.0 / (i + 1), i / 10, i);
    fclose(file);
    file = fopen(lines, "w");
    for (int i = 0; i < 3; i++)
        fprintf(file, "{\"loss\":%d,\"kind\":\"step\"}\n", i);
    fclose(file);
}

static double frame_program(mr_status *status)
{
    double sum = 0;
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    mr_frame *frame = mr_frame_read_csv(table);
    const double *loss = mr_frame_column(frame, "loss");
    mr_status printed = mr_frame_print_head(file, frame, 12);
    fclose(file);
    *status = mr_error_status();
    for (int64_t i = 0; *status == MR_OK && i < mr_frame_rows(frame); i++)
        sum += loss[i] + (double)printed;
    mr__settle(*status); /* as a user does who reads the text */
    mr_frame_free(frame);
    free(text);
    return sum + (double)size;
}

static double plot_program(mr_status *status)
{
    static const double x[] = { 0, 1, NAN, 3, 4 }, y[] = { 1, 0.5, 0.4, 0.3, 0.1 };
    mr_plot *plot =
        mr_plot_new(&(mr_plot_opts){ .title = "title", .x_label = "x", .y_label = "y", .log_y = true });
    mr_plot_line(plot, x, y, 5, "--", "one");
    for (int i = 0; i < 20; i++)
        mr_plot_line(plot, x, y, 5, "-.", "");
    *status = mr_plot_save(plot, picture);
    mr_plot_free(plot);
    return 0;
}

static double metrics_program(mr_status *status)
{
    mr_frame *frame = mr_frame_read_csv(table);
    *status = mr_plot_metrics(frame, "loss", picture);
    mr_frame_free(frame);
    return 0;
}

/* A table of JSON lines; jansson's parser does not say that memory was out. */
static double jsonl_program(mr_status *status)
{
    mr_frame *frame = mr_frame_read_jsonl(lines);
    const double *loss = mr_frame_column(frame, "loss");
    *status = mr_error_status();
    const double sum = *status == MR_OK ? loss[0] + (double)mr_frame_rows(frame) : 0;
    mr__settle(*status);
    mr_frame_free(frame);
    return sum;
}

static double training_program(mr_status *status)
{
    *status = mr_plot_training(table, picture,
                               &(mr_plot_training_opts){ .val = "epoch", .lr = "step", .title = "title" });
    return 0;
}

static bool has_gnuplot(void)
{
    mr_status status = MR_OK;
    plot_program(&status);
    mr_error_clear();
    return status != MR_ERR_MISSING;
}

static void test_tables(void)
{
    refuse_each("frame", frame_program, 7);
    refuse.any_failure = true;
    refuse_each("JSON lines", jsonl_program, 20);
    refuse.any_failure = false;
}

static void test_pictures(void)
{
    if (!has_gnuplot()) {
        printf("no gnuplot here: not tested\n");
        return;
    }
    refuse_each("plot", plot_program, 10);
    refuse_each("metrics", metrics_program, 12);
    refuse_each("training", training_program, 20);
}

int main(void)
{
    if (!mkdtemp(dir))
        return 1;
    snprintf(weights, sizeof weights, "%s/weights.safetensors", dir);
    snprintf(table, sizeof table, "%s/metrics.csv", dir);
    snprintf(picture, sizeof picture, "%s/picture.svg", dir);
    snprintf(lines, sizeof lines, "%s/metrics.jsonl", dir);
    write_table();
    refuse_begin();
    RUN(test_weights);
    RUN(test_tables);
    RUN(test_pictures);
    refuse_end();
    unlink(weights);
    unlink(table);
    unlink(lines);
    unlink(picture);
    bool left_nothing = rmdir(dir) == 0; /* temporary files least of all */
    CHECK(left_nothing);
    return check_report();
}
