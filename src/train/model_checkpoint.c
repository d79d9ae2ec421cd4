/* ModelCheckpoint. */
#include "file_name.h"
#include "monitor.h"
#include "resume.h"
#include "setup.h"
#include "used_names.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/option.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>

enum { KEPT_NAME = 256, MOST_KEPT = 1000, MOST_USED = 1024, MOST_VERSIONS = 1000000 };

/* One that is kept, without the folder, which is no part of the state. */
typedef struct kept {
    char name[KEPT_NAME];
    double score;
} kept;

typedef struct keeper {
    char *monitor, *dir, *filename; /* monitor, dir: NULL for none */
    mr_model_checkpoint_opts opts;
    mr_duration every;
    mr__trigger trigger;
    mr__monitor seen;
    int64_t batches, samples; /* counted here, for the trigger: a batch that ends is part of them */
    unsigned ticks;
    int64_t room, count; /* of those that are kept; all are kept where room is 0 */
    char (*names)[KEPT_NAME];
    double *scores;
    mr__used_names used; /* where all are kept */
    char best_name[KEPT_NAME];
    double best_score;
    int64_t version; /* that names have at least, where others were there before; -1: it is not known yet */
    char *best_path;
    char *folder; /* of this fit */
    mr__state state;
} keeper;

static const keeper *keeper_of(const mr_callback *callback);

/* ---- names ---- */

static bool value_of(const void *user, const char *name, double *value, bool *whole)
{
    const mr_step *step = user;
    *whole = strcmp(name, "epoch") == 0 || strcmp(name, "step") == 0;
    if (*whole) {
        *value = (double)(strcmp(name, "epoch") == 0 ? step->epoch : step->global_step);
        return true;
    }
    const double *found = mr__monitor_now(step, name);
    if (found)
        *value = *found;
    return found;
}

static bool is_kept(const keeper *k, const char *name)
{
    for (int64_t i = 0; i < k->count; i++)
        if (strcmp(k->names[i], name) == 0)
            return true;
    return false;
}

/* Another one of the trainer's with the same folder; NULL: number `i` is none. */
static const keeper *neighbour(const keeper *k, const mr_trainer *t, size_t i)
{
    const keeper *other = keeper_of(t->callback[i]);
    return other && other != k && other->folder && strcmp(other->folder, k->folder) == 0 ? other : NULL;
}

/* One that is kept in the same folder, but for number `out` of this one's own. */
static bool is_taken(const keeper *k, const mr_trainer *t, const char *text, int version, const char *name,
                     int64_t out)
{
    for (size_t i = 0; i < t->callbacks; i++) {
        const keeper *other = neighbour(k, t, i);
        if (other && (is_kept(other, name) ||
                      (version >= other->version && version < mr__used_names_next(&other->used, text))))
            return true;
    }
    return is_kept(k, name) && (out < 0 || strcmp(k->names[out], name) != 0);
}

/* The name for now, with a version where another that stays has it. `out`: which of those that are kept does not; -1: all do. */
static mr_status make_name(keeper *k, const mr_step *step, int64_t out, char name[KEPT_NAME])
{
    mr__strbuf text = { 0 };
    int64_t epoch, number;
    mr_status status = mr__file_name(&text, k->filename, value_of, step);
    const int first = status ? 0 : (int)mr__used_names_next(&k->used, mr__strbuf_text(&text));
    for (int version = first > k->version ? first : (int)k->version; !status; version++) {
        int length = version
                         ? snprintf(name, KEPT_NAME, "%s-v%d.safetensors", mr__strbuf_text(&text), version)
                         : snprintf(name, KEPT_NAME, "%s.safetensors", mr__strbuf_text(&text));
        if (length < 0 || length >= KEPT_NAME)
            status = mr__raise(MR_ERR_ARGUMENT, "the file name '%.60s…' is too long", mr__strbuf_text(&text));
        else if (version > MOST_VERSIONS)
            status = mr__raise(MR_ERR_ARGUMENT, "the file name '%.100s' has too many versions",
                               mr__strbuf_text(&text));
        else if (mr__checkpoint_step(name, &epoch, &number))
            status = mr__raise(MR_ERR_ARGUMENT,
                               "the file name '%.100s' is that of the trainer's own checkpoints", name);
        else if (!is_taken(k, step->trainer, mr__strbuf_text(&text), version, name, out)) {
            mr__used_names_add(&k->used, mr__strbuf_text(&text), version);
            break;
        }
    }
    mr__strbuf_free(&text);
    return status;
}

/* ---- state ---- */

static void drop_state(keeper *k)
{
    mr__state_drop(&k->state);
    mr__free(k->folder);
    mr__free(k->best_path);
    k->folder = k->best_path = NULL;
}

static mr_status begin(void *self, mr_step *step)
{
    keeper *k = self;
    drop_state(k);
    k->count = k->batches = k->samples = k->seen.count = 0;
    memset(k->names, 0, (size_t)k->room * sizeof *k->names);
    memset(k->scores, 0, (size_t)k->room * sizeof *k->scores);
    memset(k->best_name, 0, sizeof k->best_name);
    mr__used_names_clear(&k->used);
    k->best_score = NAN;
    k->version = -1;
    mr__fit *fit = (mr__fit *)step;
    mr__extent extent = mr__extent_of(fit);
    extent.batches = &k->batches;
    extent.samples = &k->samples;
    fit->reporter->clock |= k->opts.within_epochs && k->every.unit == MR_SECONDS;
    return mr__trigger_set(&k->trigger, "every", k->every, &extent, mr__now());
}

static mr_params state(void *self)
{
    keeper *k = self;
    mr__state *s = &k->state;
    const bool listed = mr__state_add(s, "", "kept", MR_INT64, MR_SCALAR, &k->count) &&
                        mr__state_add(s, "", "names", MR_UINT8, MR_SHAPE(k->room, KEPT_NAME), k->names) &&
                        mr__state_add(s, "", "scores", MR_FLOAT64, MR_SHAPE(k->room), k->scores) &&
                        mr__state_add(s, "", "used", MR_INT64, MR_SHAPE(k->used.room), k->used.item) &&
                        mr__state_add(s, "", "used_names", MR_INT64, MR_SCALAR, &k->used.count) &&
                        mr__state_add(s, "", "best_name", MR_UINT8, MR_SHAPE(KEPT_NAME), k->best_name) &&
                        mr__state_add(s, "", "best_score", MR_FLOAT64, MR_SCALAR, &k->best_score) &&
                        mr__state_add(s, "", "checks", MR_INT64, MR_SCALAR, &k->seen.count) &&
                        mr__state_add(s, "", "version", MR_INT64, MR_SCALAR, &k->version) &&
                        mr__state_add(s, "", "next", MR_INT64, MR_SCALAR, &k->trigger.next);
    return listed ? (mr_params){ s->item, s->count } : (mr_params){ NULL, 0 };
}

/* The folder is known when the logs are open. */
static mr_status open_folder(keeper *k, const mr_trainer *t)
{
    if (k->folder)
        return MR_OK;
    if (!k->dir && !*mr_trainer_log_dir(t))
        return mr__raise(MR_ERR_ARGUMENT, "there is neither a dir nor a csv folder to write to");
    k->folder = k->dir ? mr__strdup(k->dir) : mr__path_join(t->log_dir, "checkpoints");
    mr_status status = k->folder ? mr__mkdirs(k->folder) : MR_ERR_MEMORY;
    if (!status && k->dir && t->resume)
        mr__resume_clean_shared(k->dir);
    return status;
}

static mr_status find_best_path(keeper *k)
{
    mr__free(k->best_path);
    k->best_path = k->folder && *k->best_name ? mr__path_join(k->folder, k->best_name) : NULL;
    return k->folder && *k->best_name && !k->best_path ? MR_ERR_MEMORY : MR_OK;
}

static mr_status restored(void *self, mr_step *step)
{
    keeper *k = self;
    (void)step;
    if (k->count < 0 || k->count > k->room || k->used.count < 0 || k->used.count > k->used.room ||
        k->version < -1 || k->version > MOST_VERSIONS)
        return mr__raise(MR_ERR_FORMAT, "its state makes no sense");
    for (int64_t i = 0; i < k->room; i++)
        k->names[i][KEPT_NAME - 1] = '\0';
    k->best_name[KEPT_NAME - 1] = '\0';
    return MR_OK;
}

/* The version of a file in the folder that could be one of these, 0 without; -1: of another. */
static int64_t version_of(const keeper *k, const char *file)
{
    static const char end[] = ".safetensors";
    const size_t length = strlen(file);
    const bool one_of_these = strncmp(file, k->filename, strcspn(k->filename, "{")) == 0 ||
                              (k->opts.save_last && strncmp(file, "last", 4) == 0);
    if (length < sizeof end || strcmp(file + length - (sizeof end - 1), end) != 0 || !one_of_these)
        return -1;
    const char *first = file + length - (sizeof end - 1);
    int64_t version = 0, place = 1;
    for (; first > file && first[-1] >= '0' && first[-1] <= '9' && version < MOST_VERSIONS; place *= 10)
        version += place * (*--first - '0');
    return place > 1 && first - file > 2 && first[-1] == 'v' && first[-2] == '-' ? version : 0;
}

/* What was in a dir before the fit is not this one's to replace: its names have a version that none has there. A fit that is
 * resumed has the one that it had, and so the same names. */
static mr_status look_into_dir(keeper *k)
{
    DIR *dir = opendir(k->folder);
    if (!dir)
        return mr__io_failed("open folder", k->folder, errno);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        const int64_t version = version_of(k, entry->d_name);
        k->version = version >= k->version ? version + 1 : k->version;
    }
    closedir(dir);
    return k->version <= MOST_VERSIONS
               ? MR_OK
               : mr__raise(MR_ERR_ARGUMENT, "the files in '%.200s' have too many versions", k->folder);
}

static mr_status find_version(keeper *k)
{
    k->version = 0;
    return k->dir ? look_into_dir(k) : MR_OK;
}

static mr_status train_begins(void *self, mr_step *step)
{
    keeper *k = self;
    const bool writes = k->opts.save_top_k || k->opts.save_last || k->opts.save_on_exception;
    mr_status status = open_folder(k, step->trainer);
    if (!status && writes && !((const mr__fit *)step)->reporter->snapshot)
        status = mr__raise(MR_ERR_ARGUMENT, "the trainer makes no checkpoints, %s",
                           step->trainer->no_checkpoint ? "with no_checkpoint" : "without csv or save_dir");
    if (!status && k->version < 0)
        status = find_version(k);
    return status ? status : find_best_path(k);
}

/* Where nothing is left to be done no training begins. */
static mr_status fit_ends(void *self, mr_step *step)
{
    keeper *k = self;
    const char *dir = mr_trainer_log_dir(step->trainer);
    if (!k->folder && (k->dir || *dir))
        k->folder = k->dir ? mr__strdup(k->dir) : mr__path_join(dir, "checkpoints");
    return mr__pending() ? mr_error_status() : find_best_path(k);
}

/* ---- keeping ---- */

static bool is_better(const keeper *k, double a, double b)
{
    if (isnan(a) || isnan(b))
        return !isnan(a) && isnan(b);
    return k->opts.mode == MR_LESS_IS_BETTER ? a < b : a > b;
}

/* Which of those that are kept has to go for one more; -1: none, there is room. */
static int64_t worst(const keeper *k)
{
    int64_t at = 0;
    if (k->opts.save_top_k < 0 || k->count < k->room)
        return -1;
    for (int64_t i = 1; k->monitor && i < k->count; i++)
        if (is_better(k, k->scores[at], k->scores[i]))
            at = i;
    return at; /* without a monitor the oldest, which is the first */
}

static mr_status save(keeper *k, mr_step *step, const char *name, const char *instead)
{
    if (((const mr__fit *)step)->again)
        return MR_OK;
    char *path = mr__path_join(k->folder, name), *old = instead ? mr__path_join(k->folder, instead) : NULL;
    mr_status status = path && (!instead || old) ? mr_trainer_save(step->trainer, path, old) : MR_ERR_MEMORY;
    mr__free(path);
    mr__free(old);
    return status;
}

static void remember(keeper *k, int64_t at, const char *name, double score)
{
    if (at >= 0) {
        memmove(k->names[at], k->names[at + 1], (size_t)(k->count - at - 1) * sizeof *k->names);
        memmove(k->scores + at, k->scores + at + 1, (size_t)(k->count - at - 1) * sizeof *k->scores);
        k->count--;
    }
    if (k->opts.save_top_k > 0) {
        memset(k->names[k->count], 0, KEPT_NAME);
        memcpy(k->names[k->count], name, strlen(name));
        k->scores[k->count++] = score;
    }
}

static mr_status keep(keeper *k, mr_step *step, double score)
{
    char name[KEPT_NAME];
    const int64_t out = worst(k);
    if (k->opts.save_top_k == 0 || (out >= 0 && k->monitor && !is_better(k, score, k->scores[out])))
        return MR_OK;
    mr_status status = make_name(k, step, out, name);
    if (!status)
        status = save(k, step, name, out >= 0 && strcmp(k->names[out], name) != 0 ? k->names[out] : NULL);
    if (status)
        return status;
    remember(k, out, name, score);
    if (!k->monitor || !*k->best_name || is_better(k, score, k->best_score)) {
        memset(k->best_name, 0, KEPT_NAME);
        memcpy(k->best_name, name, strlen(name));
        k->best_score = score;
    }
    if (k->opts.verbose && k->monitor)
        mr__log(MR_LOG_INFO,
                "Epoch %lld, global step %lld: '%s' reached %.5f (best %.5f), saving model to '%s/%s'",
                (long long)step->epoch, (long long)step->global_step, k->monitor, score, k->best_score,
                k->folder, name);
    return find_best_path(k);
}

/* Behind an epoch or validation. */
static bool is_due(keeper *k, const mr_step *step)
{
    const mr__fit *fit = (const mr__fit *)step;
    k->batches = fit->batches;
    k->samples = fit->samples;
    if (k->every.unit == MR_NO_UNIT || mr__trigger_epoch(&k->trigger, step->epoch + 1))
        return true;
    return !k->opts.within_epochs &&
           (mr__trigger_counted(&k->trigger) || mr__trigger_clock(&k->trigger, mr__now()));
}

/* Of several that save the last one to the same folder each has its own: one behind the version of those before. */
static int64_t last_version(const keeper *k, const mr_trainer *t)
{
    int64_t next = 0;
    for (size_t i = 0; i < t->callbacks && keeper_of(t->callback[i]) != k; i++) {
        const keeper *other = neighbour(k, t, i);
        if (other && other->opts.save_last)
            next = (other->version > next ? other->version : next) + 1;
    }
    return k->version > next ? k->version : next;
}

static mr_status keep_and_last(keeper *k, mr_step *step, double score)
{
    char last[48] = "last.safetensors";
    mr_status status = keep(k, step, score);
    if (status || !k->opts.save_last)
        return status;
    const int64_t version = last_version(k, step->trainer);
    if (version > 0)
        snprintf(last, sizeof last, "last-v%lld.safetensors", (long long)version);
    return save(k, step, last, NULL);
}

static mr_status check(void *self, mr_step *step)
{
    keeper *k = self;
    double score = NAN;
    mr_status status = MR_OK;
    if (k->monitor)
        status = mr__monitor_look(&k->seen, step, k->monitor, true, &score);
    else if (((mr__fit *)step)->log.validating)
        return MR_OK; /* behind the epoch, not also behind its validation */
    if (status || !is_due(k, step))
        return status == MR_END ? MR_OK : status;
    return keep_and_last(k, step, score);
}

/* Within a window of accumulated batches it waits for the update. */
static mr_status batch_ends(void *self, mr_step *step)
{
    keeper *k = self;
    const mr__fit *fit = (const mr__fit *)step;
    if (!k->opts.within_epochs || fit->window)
        return MR_OK;
    k->batches = fit->batches + 1;
    k->samples = fit->samples + step->batch->rows;
    const bool due =
        mr__trigger_counted(&k->trigger) || (k->trigger.by == MR__BY_CLOCK && mr__ticked(step, &k->ticks) &&
                                             mr__trigger_clock(&k->trigger, mr__now()));
    if (!due)
        return MR_OK;
    const double *score = k->monitor ? mr__monitor_now(step, k->monitor) : NULL;
    if (k->monitor && !score)
        return MR_OK; /* there was none yet */
    return keep_and_last(k, step, score ? *score : (double)NAN);
}

static mr_status failed(void *self, mr_step *step)
{
    keeper *k = self;
    if (!k->opts.save_on_exception || !((const mr__fit *)step)->in_training || open_folder(k, step->trainer))
        return MR_OK;
    char *path = mr__path_join(k->folder, "exception.safetensors");
    mr_status status = path ? mr_trainer_save(step->trainer, path, NULL) : MR_ERR_MEMORY;
    mr__free(path);
    return status;
}

/* ---- making ---- */

static void destroy(void *self)
{
    keeper *k = self;
    drop_state(k);
    mr__free(k->monitor);
    mr__free(k->dir);
    mr__free(k->filename);
    mr__free(k->names);
    mr__free(k->scores);
    mr__used_names_free(&k->used);
}

static const mr_callback_vtable vtable = { .name = "ModelCheckpoint",
                                           .on_fit_start = begin,
                                           .on_train_start = train_begins,
                                           .on_train_batch_end = batch_ends,
                                           .on_metrics = check,
                                           .on_fit_end = fit_ends,
                                           .on_exception = failed,
                                           .state = state,
                                           .on_restored = restored,
                                           .destroy = destroy };

static mr_status acceptable(keeper *k)
{
    static const char call[] = "model_checkpoint";
    const mr_model_checkpoint_opts *o = &k->opts;
    mr__strbuf ignored = { 0 };
    if ((unsigned)o->mode > MR_MORE_IS_BETTER)
        return mr__raise(MR_ERR_ARGUMENT, "%s: there is no mode %d", call, (int)o->mode);
    if (o->save_top_k < -1 || o->save_top_k > MOST_KEPT)
        return mr__raise(MR_ERR_ARGUMENT, "%s: save_top_k %lld is not -1 to %d", call,
                         (long long)o->save_top_k, MOST_KEPT);
    mr_status status = mr__duration_option(call, "every", o->every, &k->every);
    if (!status && (status = mr__file_name(&ignored, o->filename, NULL, NULL)))
        mr__add_context("%s", call);
    mr__strbuf_free(&ignored);
    if (!status && o->save_last && strcmp(o->filename, "last") == 0)
        status = mr__raise(MR_ERR_ARGUMENT, "%s: the file name 'last' is that of save_last", call);
    return status;
}

mr_callback *mr_model_checkpoint_new(const mr_model_checkpoint_opts *opts)
{
    keeper k = { .opts = opts ? *opts : (mr_model_checkpoint_opts){ 0 } };
    mr_callback *callback = NULL;
    k.opts.save_top_k = mr__option_int(k.opts.save_top_k, 1);
    if (!k.opts.filename)
        k.opts.filename = "best-{epoch}-{step}";
    if (acceptable(&k))
        return NULL;
    k.room = k.opts.save_top_k > 0 ? k.opts.save_top_k : 0;
    k.best_score = NAN;
    k.monitor = mr__strdup(k.opts.monitor);
    k.dir = mr__strdup(k.opts.dir);
    k.filename = mr__strdup(k.opts.filename);
    k.names = mr__alloc_zeroed((size_t)(k.room + 1) * sizeof *k.names);
    k.scores = mr__alloc_zeroed((size_t)(k.room + 1) * sizeof *k.scores);
    if ((!k.opts.monitor || k.monitor) && (!k.opts.dir || k.dir) && k.filename && k.names && k.scores &&
        mr__used_names_init(&k.used, k.opts.save_top_k < 0 ? MOST_USED : 0))
        callback = mr_callback_new(&vtable, &k, sizeof k);
    if (!callback)
        destroy(&k);
    return callback;
}

static const keeper *keeper_of(const mr_callback *callback)
{
    return callback && callback->vtable == &vtable ? callback->self : NULL;
}

const char *mr_model_checkpoint_best_path(const mr_callback *callback)
{
    const keeper *k = keeper_of(callback);
    return k && k->best_path ? k->best_path : "";
}

double mr_model_checkpoint_best_score(const mr_callback *callback)
{
    const keeper *k = keeper_of(callback);
    return k ? k->best_score : NAN;
}
