/* ModelCheckpoint: which files are kept, what they are called, and that each can be resumed. */
#include "check.h"
#include "fit.h"

#include "train/file_name.h"
#include "train/used_names.h"

#include <stdatomic.h>
#include <time.h>

/* ---- names ---- */

static bool value_of(const void *user, const char *name, double *value, bool *whole)
{
    (void)user;
    *whole = strcmp(name, "epoch") == 0;
    *value = *whole ? 3 : 0.254;
    return strcmp(name, "missing") != 0;
}

static void check_name(const char *format, const char *wanted)
{
    mr__strbuf out = { 0 };
    CHECK_EQ_I64(mr__file_name(&out, format, value_of, NULL), MR_OK);
    CHECK_EQ_STR(mr__strbuf_text(&out), wanted);
    mr__strbuf_free(&out);
}

static void check_refused(const char *format, const char *why)
{
    char wanted[300];
    mr__strbuf out = { 0 };
    CHECK_EQ_I64(mr__file_name(&out, format, value_of, NULL), MR_ERR_ARGUMENT);
    snprintf(wanted, sizeof wanted, "the file name '%s' %s", format, why);
    CHECK_EQ_STR(mr_error(), wanted);
    mr__strbuf_free(&out);
    mr_callback *c = mr_model_checkpoint_new(&(mr_model_checkpoint_opts){ .filename = format });
    CHECK(!c || strstr(why, "wants") || strstr(why, "for a metric")); /* that is only seen in a fit */
    mr_callback_free(c);
    if (!strstr(why, "wants") && !strstr(why, "for a metric")) {
        snprintf(wanted, sizeof wanted, "model_checkpoint: the file name '%s' %s", format, why);
        CHECK_EQ_STR(mr_error(), wanted);
    }
}

static void test_names(void)
{
    CHECK(!mr_model_checkpoint_new(&(mr_model_checkpoint_opts){ .filename = "last", .save_last = true }));
    CHECK_EQ_STR(mr_error(), "model_checkpoint: the file name 'last' is that of save_last");
    check_name("plain", "plain");
    check_name("{epoch}-{val_loss:.2f}", "epoch=3-val_loss=0.25");
    check_name("a{epoch}b", "aepoch=3b");
    check_name("{val_loss}", "val_loss=0.254");
    check_name("{val_loss:.1e}", "val_loss=2.5e-01");
    check_name("{val_loss:.1g}", "val_loss=0.3");
    check_name("{epoch:.1f}", "epoch=3.0");
    check_name("{epoch:02d}", "epoch=03");
    check_name("{epoch:2d}{epoch:03d}", "epoch= 3epoch=003");
    check_name("{epoch:1d}", "epoch=3");
    check_name("{val_loss/dataloader_idx_1:.1f}", "val_loss_dataloader_idx_1=0.3");
    check_refused("{epoch:d}", "has a format that is not one such as .2f or 02d");
    check_refused("{epoch:002d}", "has a format that is not one such as .2f or 02d");
    check_refused("{epoch:02i}", "has a format that is not one such as .2f or 02d");
    check_refused("{val_loss:02d}", "has a format of whole numbers for a metric");
    check_refused("a/b", "has a slash");
    check_refused("a}b", "has a } without a {");
    check_refused("a{b", "has a { without a }");
    check_refused("{}", "has braces without a name");
    check_refused("{:.2f}", "has braces without a name");
    check_refused("{a:2f}", "has a format that is not one such as .2f or 02d");
    check_refused("{a:.2s}", "has a format that is not one such as .2f or 02d");
    check_refused("{a:.22f}", "has a format that is not one such as .2f or 02d");
    check_refused("{a:%n}", "has a format that is not one such as .2f or 02d");
    check_refused("{missing}", "wants missing, which was not logged");
}

/* ---- files ---- */

static const double *curve;

static mr_status validation_step(mr_step *s, const mr_batch *b)
{
    (void)b;
    mr_log(s, "val_loss", mr_scalar(s->tape, MR_FLOAT64, curve[s->epoch]), NULL);
    return MR_OK;
}

static const mr_task_vtable vtable = { .training_step = fit_step,
                                       .configure_optimizers = fit_optimizers,
                                       .validation_step = validation_step };

static char best[600], best_of_second[600];
static const mr_model_checkpoint_opts *another; /* for a second one; NULL: none */
static double score;

static mr_status train(const char *name, const mr_model_checkpoint_opts *opts, int64_t epochs,
                       const char *resume)
{
    fit f = fit_new(10);
    mr_task *task = mr_task_new(&vtable, f.model, NULL, 0);
    mr_loader *val = mr_loader_new(f.data, f.rng, &(mr_loader_opts){ .batch_size = 10 });
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = epochs,
                                                       .csv = files_folder,
                                                       .name = name,
                                                       .resume = resume,
                                                       .no_progress = true,
                                                       .no_summary = true });
    mr_callback *c = mr_model_checkpoint_new(opts),
                *second = another ? mr_model_checkpoint_new(another) : NULL;
    CHECK_EQ_I64(mr_trainer_set_val_loader(t, val), MR_OK);
    CHECK_EQ_I64(mr_trainer_add_callback(t, c), MR_OK);
    if (second)
        CHECK_EQ_I64(mr_trainer_add_callback(t, second), MR_OK);
    mr_status status = mr_trainer_fit(t, task, f.loader);
    snprintf(best, sizeof best, "%s", mr_model_checkpoint_best_path(c));
    snprintf(best_of_second, sizeof best_of_second, "%s", mr_model_checkpoint_best_path(second));
    score = mr_model_checkpoint_best_score(c);
    mr_trainer_free(t);
    mr_loader_free(val);
    mr_task_free(task);
    fit_free(&f);
    return status;
}

/* The names in a folder, sorted, with spaces between. */
static const char *listing(const char *folder)
{
    static char list[2000];
    char command[700];
    snprintf(command, sizeof command, "ls '%s' | tr '\\n' ' '", in_folder(folder));
    FILE *ls = popen(command, "r");
    size_t got = ls ? fread(list, 1, sizeof list - 1, ls) : 0;
    list[got] = '\0';
    if (ls)
        pclose(ls);
    return list;
}

static void check_files(mr_model_checkpoint_opts opts, const char *wanted, const char *wanted_best)
{
    static int number;
    char name[40], folder[80];
    snprintf(name, sizeof name, "files%d", number++);
    CHECK_EQ_I64(train(name, &opts, 6, NULL), MR_OK);
    snprintf(folder, sizeof folder, "%s/version_0/checkpoints", name);
    CHECK_EQ_STR(listing(folder), wanted);
    const char *slash = strrchr(best, '/');
    CHECK_EQ_STR(slash ? slash + 1 : best, wanted_best);
}

#define OWN "epoch=5-step=18.safetensors "

static void test_files(void)
{
    static const double values[] = { 5, 3, 4, 2, 6, 2.5 };
    curve = values;
    check_files((mr_model_checkpoint_opts){ 0 }, "best-epoch=5-step=18.safetensors " OWN,
                "best-epoch=5-step=18.safetensors");
    check_files((mr_model_checkpoint_opts){ .monitor = "val_loss" }, "best-epoch=3-step=12.safetensors " OWN,
                "best-epoch=3-step=12.safetensors");
    CHECK(score == 2);
    check_files((mr_model_checkpoint_opts){ .monitor = "val_loss", .mode = MR_MORE_IS_BETTER },
                "best-epoch=4-step=15.safetensors " OWN, "best-epoch=4-step=15.safetensors");
    check_files(
        (mr_model_checkpoint_opts){
            .monitor = "val_loss", .save_top_k = 3, .filename = "{val_loss:.1f}", .save_last = true },
        OWN "last.safetensors val_loss=2.0.safetensors val_loss=2.5.safetensors val_loss=3.0.safetensors ",
        "val_loss=2.0.safetensors");
    check_files((mr_model_checkpoint_opts){ .monitor = "val_loss", .save_top_k = -1, .filename = "{epoch}" },
                "epoch=0.safetensors epoch=1.safetensors epoch=2.safetensors epoch=3.safetensors "
                "epoch=4.safetensors " OWN "epoch=5.safetensors ",
                "epoch=3.safetensors");
}

static void test_more_files(void)
{
    static const double values[] = { 5, 3, 4, 2, 6, 2.5 };
    curve = values;
    check_files((mr_model_checkpoint_opts){ .save_top_k = 2 },
                "best-epoch=4-step=15.safetensors best-epoch=5-step=18.safetensors " OWN,
                "best-epoch=5-step=18.safetensors");
    check_files((mr_model_checkpoint_opts){ .save_top_k = MR_ZERO_INT }, OWN, "");
    check_files((mr_model_checkpoint_opts){ .save_top_k = -1, .filename = "e{epoch}", .every = "2ep" },
                "eepoch=1.safetensors eepoch=3.safetensors eepoch=5.safetensors " OWN,
                "eepoch=5.safetensors");
    check_files((mr_model_checkpoint_opts){ .monitor = "val_loss", .save_top_k = 3, .filename = "same" },
                OWN "same-v1.safetensors same-v2.safetensors same.safetensors ", "same.safetensors");
    check_files((mr_model_checkpoint_opts){ .monitor = "val_loss", .filename = "same" },
                OWN "same.safetensors ", "same.safetensors");
}

/* Where all are kept, those of the same name have versions: a name without braces, one that comes again later. */
static void test_all(void)
{
    static const double values[] = { 5, 3, 4, 2, 3, 3 };
    curve = values;
    check_files((mr_model_checkpoint_opts){ .save_top_k = -1, .filename = "same" },
                OWN "same-v1.safetensors same-v2.safetensors same-v3.safetensors same-v4.safetensors "
                    "same-v5.safetensors same.safetensors ",
                "same-v5.safetensors");
    check_files(
        (mr_model_checkpoint_opts){ .monitor = "val_loss", .save_top_k = -1, .filename = "{val_loss:.0f}" },
        OWN "val_loss=2.safetensors val_loss=3-v1.safetensors val_loss=3-v2.safetensors "
            "val_loss=3.safetensors val_loss=4.safetensors val_loss=5.safetensors ",
        "val_loss=2.safetensors");
}

/* A training that is resumed gives them the names that it had given them: those that came behind the checkpoint are written again. */
static void test_all_resumed(void)
{
    static const double values[] = { 5, 3, 4, 2, 3, 3 };
    char command[1500], from[700];
    curve = values;
    const mr_model_checkpoint_opts opts = {
        .save_top_k = -1, .filename = "same", .every = "2ba", .within_epochs = true
    };
    CHECK_EQ_I64(train("all_whole", &opts, 6, NULL), MR_OK);
    CHECK_EQ_I64(train("all_part", &opts, 4, NULL), MR_OK);
    snprintf(from, sizeof from, "%s/same-v2.safetensors", in_folder("all_part/version_0/checkpoints"));
    CHECK_EQ_I64(train("all_part", &opts, 6, from), MR_OK);
    CHECK_EQ_STR(
        listing("all_part/version_0/checkpoints"), OWN
        "same-v1.safetensors same-v2.safetensors same-v3.safetensors same-v4.safetensors "
        "same-v5.safetensors same-v6.safetensors same-v7.safetensors same-v8.safetensors same.safetensors ");
    snprintf(command, sizeof command, "diff -rq '%s' '%s'", in_folder("all_whole"), in_folder("all_part"));
    CHECK(system(command) == 0);
}

/* Of many names it knows the latest. */
static void test_used_names(void)
{
    mr__used_names used;
    char name[20];
    CHECK(mr__used_names_init(&used, 100));
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 100; i++) {
            snprintf(name, sizeof name, "name%d", i);
            CHECK_EQ_I64(mr__used_names_next(&used, name), round);
            mr__used_names_add(&used, name, round);
        }
    mr__used_names_add(&used, "name0", 999999);
    mr__used_names_add(&used, "another", 0);
    CHECK_EQ_I64(mr__used_names_next(&used, "name0"), 1000000);
    CHECK_EQ_I64(mr__used_names_next(&used, "another"), 1);
    CHECK_EQ_I64(mr__used_names_next(&used, "name1"), 0); /* it had to go */
    CHECK_EQ_I64(mr__used_names_next(&used, "name2"), 3);
    mr__used_names_clear(&used);
    CHECK_EQ_I64(mr__used_names_next(&used, "name2"), 0);
    mr__used_names_free(&used);
}

/* Two that keep all, under one name without braces. */
static void test_two_that_keep_all(void)
{
    static const double values[] = { 5, 3 };
    const mr_model_checkpoint_opts opts = { .save_top_k = -1, .filename = "same" };
    curve = values;
    another = &opts;
    CHECK_EQ_I64(train("two_all", &opts, 2, NULL), MR_OK);
    CHECK_EQ_STR(listing("two_all/version_0/checkpoints"),
                 "epoch=1-step=6.safetensors same-v1.safetensors same-v2.safetensors same-v3.safetensors "
                 "same.safetensors ");
    another = NULL;
}

/* Two in one folder leave each other's files alone, whether they know their names or keep all. */
static void test_two(void)
{
    static const double values[] = { 7, 3, 4, 2, 6, 2.5 };
    static const int64_t kept[3][2] = { { 1, 1 }, { -1, 1 }, { 1, -1 } };
    curve = values;
    for (int i = 0; i < 3; i++) {
        const mr_model_checkpoint_opts first = { .monitor = "val_loss", .save_top_k = kept[i][0] }, second = {
            .monitor = "val_loss", .save_top_k = kept[i][1], .mode = MR_MORE_IS_BETTER
        };
        char name[20];
        snprintf(name, sizeof name, "two%d", i);
        another = &second;
        CHECK_EQ_I64(train(name, &first, 6, NULL), MR_OK);
        CHECK(strstr(best, "/best-epoch=3-step=12.safetensors") && file_exists(best));
        CHECK(strstr(best_of_second, "/best-epoch=0-step=3-v1.safetensors") && file_exists(best_of_second));
    }
    CHECK_EQ_STR(listing("two0/version_0/checkpoints"),
                 "best-epoch=0-step=3-v1.safetensors best-epoch=3-step=12.safetensors " OWN);
    another = NULL;
}

/* Nor are those of an earlier fit in the same dir replaced; and a fit that goes on has the names that it had. */
static void test_dir(void)
{
    static const double values[] = { 5, 3, 4, 2, 6, 2.5 };
    char dir[600], command[2000];
    curve = values;
    snprintf(dir, sizeof dir, "%s", in_folder("shared"));
    const mr_model_checkpoint_opts opts = {
        .monitor = "val_loss", .dir = dir, .filename = "{epoch}", .save_last = true
    };
    CHECK_EQ_I64(train("run0", &opts, 2, NULL), MR_OK);
    CHECK_EQ_STR(listing("shared"), "epoch=1.safetensors last.safetensors ");
    snprintf(command, sizeof command, "cp -r '%s' '%s/before'; touch '%s/epoch=10-v12.txt'", dir,
             files_folder, dir);
    CHECK(system(command) == 0);
    CHECK_EQ_I64(train("run1", &opts, 2, NULL), MR_OK);
    CHECK_EQ_I64(train("run1", &opts, 6, "last"), MR_OK);
    CHECK(strstr(best, "/epoch=3-v1.safetensors") && file_exists(best));
    CHECK_EQ_I64(train("run2", &opts, 2, NULL), MR_OK);
    CHECK_EQ_STR(listing("shared"),
                 "epoch=1-v2.safetensors epoch=1.safetensors epoch=10-v12.txt epoch=3-v1.safetensors "
                 "last-v1.safetensors last-v2.safetensors last.safetensors ");
    snprintf(command, sizeof command, "cd '%s' && for i in *; do cmp $i '%s'/$i || exit 1; done",
             in_folder("before"), dir);
    CHECK(system(command) == 0);
}

/* Looked at after each of eighteen batches. */
static void test_within_epochs(void)
{
    static const double values[] = { 5, 3, 4, 2, 6, 2.5 };
    curve = values;
    check_files(
        (mr_model_checkpoint_opts){
            .save_top_k = -1, .filename = "b{step}", .every = "4ba", .within_epochs = true },
        "bstep=12.safetensors bstep=16.safetensors bstep=4.safetensors bstep=8.safetensors " OWN,
        "bstep=16.safetensors");
    check_files((mr_model_checkpoint_opts){ .monitor = "val_loss",
                                            .save_top_k = -1,
                                            .filename = "{step}-{val_loss:.0f}",
                                            .every = "2ba",
                                            .within_epochs = true },
                OWN "step=10-val_loss=4.safetensors step=12-val_loss=4.safetensors "
                    "step=14-val_loss=2.safetensors step=16-val_loss=6.safetensors "
                    "step=18-val_loss=6.safetensors step=4-val_loss=5.safetensors "
                    "step=6-val_loss=5.safetensors step=8-val_loss=3.safetensors ",
                "step=14-val_loss=2.safetensors"); /* not at the second, where there is no value yet */
    check_files((mr_model_checkpoint_opts){ .save_top_k = -1,
                                            .filename = "p{step}",
                                            .every = "10sp", /* as many as an epoch has */
                                            .within_epochs = true },
                OWN "pstep=12.safetensors pstep=15.safetensors pstep=18.safetensors pstep=3.safetensors "
                    "pstep=6.safetensors pstep=9.safetensors ",
                "pstep=18.safetensors");
    check_files(
        (mr_model_checkpoint_opts){
            .save_top_k = -1, .filename = "h{step}", .every = "0.5dur", .within_epochs = true },
        OWN "hstep=18.safetensors hstep=9.safetensors ", "hstep=18.safetensors");
    check_files(
        (mr_model_checkpoint_opts){
            .save_top_k = -1, .filename = "s{step}", .every = "1000s", .within_epochs = true },
        OWN, "");
}

/* Any of them can be resumed, and then gives what the training gave. */
static void test_resuming(void)
{
    static const double values[] = { 5, 3, 4, 2, 6, 2.5 };
    char command[1500], from[700];
    curve = values;
    const mr_model_checkpoint_opts opts = { .monitor = "val_loss",
                                            .save_top_k = 2,
                                            .filename = "{val_loss:.1f}" };
    CHECK_EQ_I64(train("whole", &opts, 6, NULL), MR_OK);
    CHECK_EQ_I64(train("part", &opts, 4, NULL), MR_OK);
    snprintf(from, sizeof from, "%s/val_loss=3.0.safetensors", in_folder("part/version_0/checkpoints"));
    CHECK_EQ_I64(train("part", &opts, 6, from), MR_OK); /* from epoch 1 */
    snprintf(command, sizeof command, "diff -rq '%s' '%s'", in_folder("whole"), in_folder("part"));
    CHECK(system(command) == 0);
}

/* ---- failures ---- */

static mr_tensor *fail_later(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    return s->global_step == 7 ? mr_mul_scalar(s->tape, loss, NAN) : loss;
}

static void test_exception(void)
{
    const mr_model_checkpoint_opts opts = { .save_on_exception = true };
    static const double values[] = { 5, 3, 4, 2, 6, 2.5 };
    curve = values;
    fit f = fit_new(10);
    hook.step = fail_later;
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){
        .max_epochs = 6, .csv = files_folder, .name = "fails", .no_progress = true, .no_summary = true });
    CHECK_EQ_I64(mr_trainer_add_callback(t, mr_model_checkpoint_new(&opts)), MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_ERR_NONFINITE);
    CHECK_EQ_STR(mr_error(), "fit: the loss is nan at epoch 2, step 7");
    CHECK(file_exists(in_folder("fails/version_0/checkpoints/exception.safetensors")));
    CHECK_EQ_I64(
        mr_module_load(f.model, in_folder("fails/version_0/checkpoints/exception.safetensors"), NULL), MR_OK);
    mr_trainer_free(t);
    fit_free(&f);
}

static mr_status fail_there(void *self, mr_step *s)
{
    (void)self;
    (void)s;
    return mr_fail(MR_ERR_FORMAT, "no more");
}

/* Fails at a hook, with or without an end within an epoch; the folder "kept" is for the checkpoint. */
static void fail_at(mr_callback_vtable hooks, const char *name, int64_t max_steps)
{
    const mr_model_checkpoint_opts opts = { .save_on_exception = true, .save_top_k = MR_ZERO_INT };
    const char *dir = in_folder("kept");
    fit f = fit_new(10);
    if (file_exists(dir))
        folder_remove(dir);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 2,
                                                       .max_steps = max_steps,
                                                       .csv = files_folder,
                                                       .name = name,
                                                       .no_progress = true,
                                                       .no_summary = true });
    mr_model_checkpoint_opts there = opts;
    there.dir = dir;
    CHECK_EQ_I64(mr_trainer_add_callback(t, mr_lambda_callback_new(&hooks, NULL)), MR_OK);
    CHECK_EQ_I64(mr_trainer_add_callback(t, mr_model_checkpoint_new(&there)), MR_OK);
    CHECK_EQ_I64(mr_trainer_add_callback(t, mr_ema_new(NULL)), MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), "fit: LambdaCallback: no more");
    mr_trainer_free(t);
    fit_free(&f);
}

/* At the end of a training it is that end, as the trainer's own last one is; before and behind the training there is none. */
static void test_exception_at_ends(void)
{
    char command[700];
    for (int within = 0; within < 2; within++) {
        const char *name = within ? "ends_within" : "ends";
        fail_at((mr_callback_vtable){ .on_train_end = fail_there }, name, within ? 5 : -1);
        CHECK(file_exists(in_folder("kept/exception.safetensors")));
        snprintf(command, sizeof command, "cmp '%s' %s/%s/version_0/checkpoints/epoch=1-step=%d.safetensors",
                 in_folder("kept/exception.safetensors"), files_folder, name, within ? 5 : 6);
        CHECK(system(command) == 0);
    }
    fail_at((mr_callback_vtable){ .setup = fail_there }, "early", -1);
    CHECK(!file_exists(in_folder("kept")));
    fail_at((mr_callback_vtable){ .on_fit_start = fail_there }, "early", -1);
    CHECK(!file_exists(in_folder("kept")));
    fail_at((mr_callback_vtable){ .on_fit_end = fail_there }, "late", -1);
    CHECK(!file_exists(in_folder("kept/exception.safetensors")));
}

static void refuse(mr_model_checkpoint_opts opts, const char *text)
{
    CHECK(!mr_model_checkpoint_new(&opts));
    CHECK_EQ_STR(mr_error(), text);
}

static void test_refusing(void)
{
    static const double values[] = { 5, 3, 4, 2, 6, 2.5 };
    curve = values;
    refuse((mr_model_checkpoint_opts){ .save_top_k = -2 },
           "model_checkpoint: save_top_k -2 is not -1 to 1000");
    refuse((mr_model_checkpoint_opts){ .save_top_k = 1001 },
           "model_checkpoint: save_top_k 1001 is not -1 to 1000");
    refuse((mr_model_checkpoint_opts){ .mode = (mr_better)7 }, "model_checkpoint: there is no mode 7");
    refuse((mr_model_checkpoint_opts){ .every = "x" },
           "model_checkpoint: every 'x' does not begin with a number");
    mr_model_checkpoint_opts opts = { .monitor = "x" };
    CHECK_EQ_I64(train("missing", &opts, 3, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(),
                 "fit: ModelCheckpoint: there is no metric 'x' of an epoch or a validation, but val_loss");
    opts = (mr_model_checkpoint_opts){ .filename = "{epoch}-{step}" };
    CHECK_EQ_I64(train("taken", &opts, 3, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(),
                 "fit: ModelCheckpoint: the file name 'epoch=0-step=3.safetensors' is that of the trainer's "
                 "own checkpoints");
    opts = (mr_model_checkpoint_opts){ .filename = "{x}" };
    CHECK_EQ_I64(train("unknown", &opts, 3, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: ModelCheckpoint: the file name '{x}' wants x, which was not logged");
    CHECK_EQ_STR(mr_model_checkpoint_best_path(NULL), "");
    CHECK(isnan(mr_model_checkpoint_best_score(NULL)));
    fit f = fit_new(10);
    mr_trainer *t =
        mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 1, .no_progress = true, .no_summary = true });
    CHECK_EQ_I64(mr_trainer_add_callback(t, mr_model_checkpoint_new(NULL)), MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: ModelCheckpoint: there is neither a dir nor a csv folder to write to");
    mr_trainer_free(t);
    fit_free(&f);
}

/* ---- a slow disk ---- */

/* The library's calls of fsync come here: the first waits until the training is in its second epoch, or for long. */
static atomic_bool disk_waits, is_on;
static atomic_int waited_in_vain;

int fsync(int fd)
{
    if (atomic_exchange(&disk_waits, false)) {
        int left = 500;
        for (; left && !atomic_load(&is_on); left--)
            nanosleep(&(struct timespec){ 0, 10 * 1000 * 1000 }, NULL);
        waited_in_vain += !left;
    }
    return fdatasync(fd);
}

static mr_status go_slow(void *self, mr_step *s)
{
    (void)self;
    atomic_store(s->epoch ? &is_on : &disk_waits, true);
    return MR_OK;
}

/* The best one, the last one and the trainer's own are one snapshot, so that the next epoch need not wait for the disk. */
static void test_slow_disk(void)
{
    const mr_callback_vtable slow = { .on_train_epoch_start = go_slow };
    fit f = fit_new(10);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 2,
                                                       .csv = files_folder,
                                                       .name = "slow",
                                                       .checkpoint_every = "1ep",
                                                       .no_progress = true,
                                                       .no_summary = true });
    mr_callback *c = mr_model_checkpoint_new(&(mr_model_checkpoint_opts){ .save_last = true });
    CHECK_EQ_I64(mr_trainer_add_callback(t, c), MR_OK);
    CHECK_EQ_I64(mr_trainer_add_callback(t, mr_lambda_callback_new(&slow, NULL)), MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    CHECK(!atomic_load(&disk_waits) && atomic_load(&is_on));
    CHECK_EQ_I64(waited_in_vain, 0);
    CHECK(file_exists(mr_model_checkpoint_best_path(c)));
    CHECK_EQ_I64(count_entries(in_folder("slow/version_0/checkpoints")), 3);
    mr_trainer_free(t);
    fit_free(&f);
}

/* That nothing could be written is seen before the training. */
static void test_refusing_early(void)
{
    for (int i = 0; i < 2; i++) {
        fit f = fit_new(10);
        mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 1,
                                                           .csv = i ? files_folder : NULL,
                                                           .no_checkpoint = i,
                                                           .no_progress = true,
                                                           .no_summary = true });
        const mr_model_checkpoint_opts opts = { .dir = files_folder };
        CHECK_EQ_I64(mr_trainer_add_callback(t, mr_model_checkpoint_new(&opts)), MR_OK);
        CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_ERR_ARGUMENT);
        CHECK_EQ_STR(mr_error() + strlen("fit: ModelCheckpoint: the trainer makes no checkpoints, "),
                     i ? "with no_checkpoint" : "without csv or save_dir");
        CHECK_EQ_I64(mr_trainer_global_step(t), 0);
        mr_trainer_free(t);
        fit_free(&f);
    }
}

/* As many as a trainer takes, each of which writes two files at once. */
static void test_many(void)
{
    fit f = fit_new(10);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){
        .max_epochs = 1, .csv = files_folder, .name = "many", .no_progress = true, .no_summary = true });
    for (int i = 0; i < 32; i++) {
        char name[20];
        snprintf(name, sizeof name, "c%02d", i);
        const mr_model_checkpoint_opts opts = { .filename = name, .save_last = true };
        CHECK_EQ_I64(mr_trainer_add_callback(t, mr_model_checkpoint_new(&opts)), MR_OK);
    }
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    const char *list = listing("many/version_0/checkpoints");
    CHECK(strstr(list, "c00.safetensors") && strstr(list, "c31.safetensors") &&
          strstr(list, "last.safetensors") && strstr(list, "last-v1.safetensors") &&
          strstr(list, "last-v31.safetensors") && !strstr(list, "last-v32.safetensors"));
    mr_trainer_free(t);
    fit_free(&f);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_names);
    RUN(test_files);
    RUN(test_more_files);
    RUN(test_all);
    RUN(test_all_resumed);
    RUN(test_used_names);
    RUN(test_two_that_keep_all);
    RUN(test_two);
    RUN(test_dir);
    RUN(test_within_epochs);
    RUN(test_resuming);
    RUN(test_exception);
    RUN(test_exception_at_ends);
    RUN(test_refusing);
    RUN(test_slow_disk);
    RUN(test_refusing_early);
    RUN(test_many);
    return files_report();
}
