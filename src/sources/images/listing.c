#include "listing.h"

#include "entered.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    DEEPEST = 64,        /* folders inside each other */
    MOST_AGAIN = 1 << 14 /* folders of a class that links lead to and that are there already */
};

/* ---- strings ---- */

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(mr__names *names)
{
    if (names->count)
        qsort(names->at, (size_t)names->count, sizeof *names->at, by_bytes);
}

static mr_status add_name(mr__names *names, char *name)
{
    if (!name)
        return mr_error_status();
    if (names->count == names->room) {
        const int64_t room = names->room ? names->room * 2 : 16;
        char **larger =
            mr_grow(names->at, (size_t)names->count * sizeof *larger, (size_t)room * sizeof *larger);
        if (!larger) {
            mr_free(name);
            return mr_error_status();
        }
        names->at = larger;
        names->room = room;
    }
    names->at[names->count++] = name;
    return MR_OK;
}

static void free_names(mr__names *names)
{
    for (int64_t i = 0; i < names->count; i++)
        mr_free(names->at[i]);
    mr_free(names->at);
    *names = (mr__names){ 0 };
}

static char *joined(const char *folder, const char *name)
{
    const size_t length = strlen(folder), rest = strlen(name) + 1;
    const bool slash = length && folder[length - 1] != '/';
    char *path = mr_alloc(length + slash + rest);
    if (!path)
        return NULL;
    memcpy(path, folder, length);
    if (slash)
        path[length] = '/';
    memcpy(path + length + slash, name, rest);
    return path;
}

/* ---- folders ---- */

static mr_status failed(const char *path)
{
    return mr_fail(MR_ERR_IO, "cannot list '%s': %s", path, strerror(errno));
}

/* A link to a folder is one. */
static mr_status is_folder(const char *folder, const struct dirent *entry, bool *answer)
{
    struct stat about;
    *answer = entry->d_type == DT_DIR;
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
        return MR_OK;
    char *path = joined(folder, entry->d_name);
    if (!path)
        return mr_error_status();
    *answer = stat(path, &about) == 0 && S_ISDIR(about.st_mode);
    mr_free(path);
    return MR_OK;
}

/* Adds the names of the folders in `path`, and of what else there is. */
static mr_status look_into(const char *path, mr__names *folders, mr__names *others)
{
    DIR *entries = opendir(path);
    if (!entries)
        return failed(path);
    mr_status s = MR_OK;
    const struct dirent *entry;
    while (s == MR_OK && (errno = 0, entry = readdir(entries))) {
        bool folder;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        s = is_folder(path, entry, &folder);
        mr__names *to = folder ? folders : others;
        if (s == MR_OK && to)
            s = add_name(to, mr_strdup(entry->d_name));
    }
    if (s == MR_OK && errno)
        s = failed(path);
    closedir(entries);
    return s;
}

/* A folder, and those that it lies in. */
typedef struct within {
    const struct within *outer;
    dev_t device;
    ino_t number;
    int depth;
} within;

static bool lies_in_itself(const within *w)
{
    for (const within *o = w->outer; o; o = o->outer)
        if (o->device == w->device && o->number == w->number)
            return true;
    return false;
}

/* The folders of a class. */
typedef struct walk {
    const char *class_name;
    mr__names all; /* their paths */
    mr__entered entered;
    int64_t again;
} walk;

/* Between a few folders that have links to each other there are more paths than anybody can go. */
static mr_status note_folder(walk *w, const char *path, const within *here)
{
    bool again;
    if (mr__entered_add(&w->entered, here->device, here->number, &again) < 0)
        return mr_error_status();
    w->again += again;
    if (w->again > MOST_AGAIN)
        return mr_fail(
            MR_ERR_FORMAT,
            "class '%s': links lead to folders that are there already more than %d times, at last to '%s'",
            w->class_name, MOST_AGAIN, path);
    return add_name(&w->all, mr_strdup(path));
}

/* Adds the paths of a folder and of all that are inside of it. A link that leads back to where it lies is passed over. */
static mr_status add_folders(walk *w, const char *path, const within *outer)
{
    mr__names inside = { 0 };
    struct stat about;
    if (stat(path, &about) < 0)
        return failed(path);
    const within here = { outer, about.st_dev, about.st_ino, outer ? outer->depth + 1 : 1 };
    if (lies_in_itself(&here))
        return MR_OK;
    if (here.depth > DEEPEST)
        return mr_fail(MR_ERR_FORMAT, "'%s' is more than %d folders deep", path, DEEPEST);
    mr_status s = note_folder(w, path, &here);
    if (s == MR_OK)
        s = look_into(path, &inside, NULL);
    for (int64_t i = 0; s == MR_OK && i < inside.count; i++) {
        char *deeper = joined(path, inside.at[i]);
        s = deeper ? add_folders(w, deeper, &here) : mr_error_status();
        mr_free(deeper);
    }
    free_names(&inside);
    return s;
}

/* ---- files ---- */

static bool ends_in(const char *name, const char *extension)
{
    const size_t n = strlen(name), m = strlen(extension);
    if (n < m)
        return false;
    for (size_t i = 0; i < m; i++)
        if (tolower((unsigned char)name[n - m + i]) != extension[i])
            return false;
    return true;
}

static bool counts(const char *name, const char *const *extensions, int count)
{
    for (int i = 0; i < count; i++)
        if (ends_in(name, extensions[i]))
            return true;
    return false;
}

/* Takes the name over. */
static mr_status add_file(mr__listing *l, int64_t folder, int64_t label, char **name)
{
    if (l->count == l->room) {
        const int64_t room = l->room ? l->room * 2 : 256;
        mr__listed *larger =
            mr_grow(l->file, (size_t)l->count * sizeof *larger, (size_t)room * sizeof *larger);
        if (!larger)
            return mr_error_status();
        l->file = larger;
        l->room = room;
    }
    l->file[l->count++] = (mr__listed){ (int32_t)folder, (int32_t)label, *name };
    *name = NULL;
    return MR_OK;
}

static mr_status add_files(mr__listing *l, int64_t folder, int64_t label, const char *const *extensions,
                           int extension_count)
{
    mr__names names = { 0 }, folders = { 0 };
    mr_status s = look_into(l->folders.at[folder], &folders, &names);
    sort(&names);
    for (int64_t i = 0; s == MR_OK && i < names.count; i++)
        if (counts(names.at[i], extensions, extension_count))
            s = add_file(l, folder, label, &names.at[i]);
    free_names(&folders);
    free_names(&names);
    return s;
}

/* A class's folders are sorted by their whole paths, which is not the order of a walk: "a-b" comes before "a/b". */
static mr_status add_class(mr__listing *l, const char *path, int64_t label, const char *const *extensions,
                           int extension_count)
{
    walk w = { .class_name = l->classes.at[label] };
    const int64_t before = l->count;
    char *of_class = joined(path, l->classes.at[label]);
    mr_status s = of_class ? add_folders(&w, of_class, NULL) : mr_error_status();
    mr_free(w.entered.at);
    sort(&w.all);
    for (int64_t i = 0; s == MR_OK && i < w.all.count; i++) {
        s = add_name(&l->folders, w.all.at[i]);
        w.all.at[i] = NULL; /* taken over, or freed */
        if (s == MR_OK)
            s = add_files(l, l->folders.count - 1, label, extensions, extension_count);
    }
    if (s == MR_OK && l->count == before)
        s = mr_fail(MR_ERR_FORMAT, "class '%s': '%s' has no file that ends in %s%s", l->classes.at[label],
                    of_class, extensions[0], extension_count > 1 ? " or what else counts" : "");
    free_names(&w.all);
    mr_free(of_class);
    return s;
}

mr_status mr__listing_make(mr__listing *l, const char *path, const char *const *extensions,
                           int extension_count)
{
    *l = (mr__listing){ 0 };
    mr_status s = look_into(path, &l->classes, NULL);
    sort(&l->classes);
    if (s == MR_OK && !l->classes.count)
        s = mr_fail(MR_ERR_FORMAT, "'%s' has no folders, one for each class", path);
    for (int64_t i = 0; s == MR_OK && i < l->classes.count; i++)
        s = add_class(l, path, i, extensions, extension_count);
    return s;
}

void mr__listing_free(mr__listing *l)
{
    free_names(&l->classes);
    free_names(&l->folders);
    for (int64_t i = 0; i < l->count; i++)
        mr_free(l->file[i].name);
    mr_free(l->file);
    *l = (mr__listing){ 0 };
}
