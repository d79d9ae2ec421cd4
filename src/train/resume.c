#include "resume.h"

#include "version_dir.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- one file ---- */

/* The file at `path`, if it is a checkpoint of a trainer that is whole; NULL with a failure raised. */
static mr__safetensors *open_checkpoint(const char *path)
{
    mr__safetensors *file = mr__safetensors_read(path);
    if (!file)
        return NULL;
    const char *version = mr__safetensors_text(file, "millrace.checkpoint");
    const long number = version ? strtol(version, NULL, 10) : 0;
    if (!version)
        mr__load_failed(MR_ERR_STATE, path,
                        "it holds weights, but not the rest of a training: nothing can be resumed from it");
    else if (number != MR__CHECKPOINT_VERSION)
        mr__load_failed(MR_ERR_STATE, path, "it is a checkpoint of version %.20s, this Millrace reads %d",
                        version, MR__CHECKPOINT_VERSION);
    else if (!file->checked)
        mr__load_failed(MR_ERR_FORMAT, path, "it is damaged: it has no checksum");
    else
        return file;
    mr__safetensors_free(file);
    return NULL;
}

/* ---- the newest of a folder ---- */

typedef struct name {
    int64_t epoch, step;
} name;

static int newest_first(const void *a, const void *b)
{
    const name *x = a, *y = b;
    if (x->step != y->step)
        return x->step < y->step ? 1 : -1;
    return (x->epoch < y->epoch) - (x->epoch > y->epoch);
}

/* The next entry of a folder that is listed; NULL: there is none, or errno is set. */
static const struct dirent *next_entry(DIR *folder)
{
    errno = 0;
    return folder ? readdir(folder) : NULL;
}

/* The checkpoints in a folder; NULL with a failure raised. One that is not there has none. */
static name *list_names(const char *dir, size_t *count)
{
    size_t room = 8;
    name *list = mr__alloc_array(room, sizeof *list);
    DIR *folder = list ? opendir(dir) : NULL;
    int error = list && !folder && errno != ENOENT && errno != ENOTDIR ? errno : 0;
    name one;
    *count = 0;
    for (const struct dirent *entry; (entry = next_entry(folder));) {
        if (!mr__checkpoint_step(entry->d_name, &one.epoch, &one.step))
            continue;
        name *more = list;
        if (*count == room && (more = mr__grow(list, room * sizeof *list, 2 * room * sizeof *list)))
            room *= 2;
        if (!more) {
            mr__free(list);
            list = NULL;
            break;
        }
        list = more;
        list[(*count)++] = one;
    }
    error = error ? error : errno;
    if (folder)
        closedir(folder);
    if (list && error) {
        mr__io_failed("list folder", dir, error);
        mr__free(list);
        return NULL;
    }
    if (list)
        qsort(list, *count, sizeof *list, newest_first);
    return list;
}

/* Opens the newest that is whole, if there is one. */
static mr_status find_in(const char *dir, mr__resume *found)
{
    size_t count = 0;
    char *folder = mr__path_join(dir, "checkpoints");
    name *list = folder ? list_names(folder, &count) : NULL;
    mr_status status = list ? MR_OK : mr_error_status();
    for (size_t i = 0; i < count && !status && !found->file; i++) {
        char text[80];
        mr__checkpoint_name(text, sizeof text, list[i].epoch, list[i].step);
        char *path = mr__path_join(folder, text);
        found->file = path ? open_checkpoint(path) : NULL;
        if (found->file) {
            found->path = path;
            found->newest = true;
            break;
        }
        mr__free(path);
        status = mr_error_status();
        if (status == MR_ERR_FORMAT) {
            mr__log(MR_LOG_WARNING, "resume: passed over a checkpoint: %s", mr_error());
            mr_error_clear();
            status = MR_OK;
        }
    }
    mr__free(list);
    mr__free(folder);
    return status;
}

/* ---- what .resume says ---- */

static bool is_folder(const char *path)
{
    struct stat there;
    return stat(path, &there) == 0 && S_ISDIR(there.st_mode);
}

/* The folder above, or "."; makes it. */
static char *above(const char *path)
{
    char *copy = mr__strdup(path), *slash = copy ? strrchr(copy, '/') : NULL;
    if (slash && slash != copy)
        *slash = '\0';
    else if (copy)
        snprintf(copy, 2, "%s", slash ? "/" : ".");
    return copy;
}

/* A copy without those at its end. */
static char *without_slashes(const char *path)
{
    char *copy = mr__strdup(path);
    for (size_t end = copy ? strlen(copy) : 0; end > 1 && copy[end - 1] == '/'; end--)
        copy[end - 1] = '\0';
    return copy;
}

static mr_status find_path(const char *path, mr__resume *found)
{
    if (is_folder(path)) {
        found->dir = without_slashes(path);
        mr_status status = found->dir ? find_in(path, found) : MR_ERR_MEMORY;
        if (!status && !found->file)
            status = mr__raise(MR_ERR_IO, "resume: there is no checkpoint in '%.300s'", path);
        return status;
    }
    found->path = mr__strdup(path);
    found->file = found->path ? open_checkpoint(path) : NULL;
    if (!found->file) {
        if (mr_error_status() == MR_ERR_IO)
            mr__add_context("resume");
        return mr_error_status();
    }
    char *folder = above(path);
    const char *slash = folder ? strrchr(folder, '/') : NULL;
    if (folder && strcmp(slash ? slash + 1 : folder, "checkpoints") == 0)
        found->dir = above(folder);
    const bool failed = mr__pending();
    mr__free(folder);
    return failed ? mr_error_status() : MR_OK;
}

mr_status mr__resume_find(const mr_trainer *t, mr__resume *found)
{
    *found = (mr__resume){ .version = -1 };
    if (strcmp(t->resume, "last") != 0) {
        mr_status status = find_path(t->resume, found);
        found->version = found->dir ? mr__version_number(found->dir) : -1;
        return status;
    }
    if (!t->save_dir)
        return mr__raise(MR_ERR_ARGUMENT, "fit: resume 'last' needs the folder that csv or save_dir names");
    found->dir = mr__version_dir_last(t->save_dir, t->name, &found->version);
    if (!found->dir)
        return mr__pending() ? mr_error_status() : MR_OK;
    return find_in(found->dir, found);
}

void mr__resume_free(mr__resume *found)
{
    mr__free(found->dir);
    mr__free(found->path);
    mr__safetensors_free(found->file);
}

/* ---- going back ---- */

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static mr_status copy_file(const char *from, const char *to)
{
    char *bytes;
    size_t size;
    mr__file_replace file;
    mr_status status = mr__file_read_all(from, &bytes, &size, 0);
    if (status)
        return status;
    mr__file_replace_begin(&file, to);
    mr__file_replace_write(&file, bytes, size);
    status = mr__file_replace_commit(&file);
    mr__free(bytes);
    return status;
}

mr_status mr__resume_go_back(const mr__resume *found)
{
    const char *epoch = mr__safetensors_text(found->file, "epoch"),
               *step = mr__safetensors_text(found->file, "global_step");
    char text[80];
    mr__checkpoint_name(text, sizeof text, epoch ? strtoll(epoch, NULL, 10) : 0,
                        step ? strtoll(step, NULL, 10) : 0);
    char *folder = mr__path_join(found->dir, "checkpoints"),
         *path = folder ? mr__path_join(folder, text) : NULL;
    mr_status status = path ? MR_OK : MR_ERR_MEMORY;
    if (!status && !is_same_file(found->path, path))
        status = copy_file(found->path, path);
    if (!status)
        mr__checkpoint_remove_others(path);
    mr__free(path);
    mr__free(folder);
    return status;
}

/* ---- cleaning ---- */

/* Of one that a process writes; *process. */
static bool is_temporary(const char *text, long *process)
{
    unsigned number;
    int used = 0;
    return sscanf(text, ".mr-%ld-%u.tmp%n", process, &number, &used) == 2 && used && !text[used];
}

static bool is_over(long process)
{
    return process > 0 && kill((pid_t)process, 0) != 0 && errno == ESRCH;
}

static void clean(const char *dir, bool shared)
{
    long process;
    DIR *folder = opendir(dir);
    if (!folder)
        return;
    for (const struct dirent *entry; (entry = readdir(folder));)
        if (is_temporary(entry->d_name, &process) && (!shared || is_over(process)))
            unlinkat(dirfd(folder), entry->d_name, 0); /* one that stays does no harm */
    closedir(folder);
}

void mr__resume_clean(const char *dir)
{
    char *checkpoints = mr__path_join(dir, "checkpoints");
    clean(dir, false);
    if (checkpoints)
        clean(checkpoints, false);
    mr__free(checkpoints);
}

void mr__resume_clean_shared(const char *dir)
{
    clean(dir, true);
}
