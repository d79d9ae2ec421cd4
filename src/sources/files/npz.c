/* NPZ: a ZIP file with an NPY file for each array, which is called after it. */
#include "array_file.h"
#include "zip.h"

#include <millrace/sources/arrays.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Without ".npy". */
static size_t name_length(const mr__zip_member *m)
{
    const size_t n = m->name_length;
    return n >= 4 && memcmp(m->name + n - 4, ".npy", 4) == 0 ? n - 4 : n;
}

static char *name_of(const mr__zip_member *m)
{
    const size_t n = name_length(m);
    char *name = mr_alloc(n + 1);
    if (name) {
        memcpy(name, m->name, n);
        name[n] = '\0';
    }
    return name;
}

/* Whether it is meant to be one: others, such as folders and texts, may lie beside them. */
static bool is_array(const mr__zip *zip, const mr__zip_member *m)
{
    return name_length(m) < m->name_length || mr__zip_begins(zip, m, "\x93NUMPY", 6);
}

/* The next one; MR_END when there is none. */
static mr_status next_array(mr__zip *zip, mr__zip_member *m)
{
    mr_status s;
    do
        s = mr__zip_next(zip, m);
    while (s == MR_OK && !is_array(zip, m));
    return s;
}

/* How well a member is called so: 3: exactly, 2: but for its ".npy", 1: exactly, but it is no array; 0: not. */
static int is_called(const mr__zip *zip, const mr__zip_member *m, const char *name)
{
    const size_t n = strlen(name);
    if (n == m->name_length && memcmp(m->name, name, n) == 0)
        return is_array(zip, m) ? 3 : 1;
    return n == name_length(m) && memcmp(m->name, name, n) == 0 ? 2 : 0;
}

char *mr__member_path(const char *path, const char *member)
{
    const size_t n = strlen(path), m = member ? strlen(member) : 0;
    char *both = mr_alloc(n + m + 2);
    if (both)
        snprintf(both, n + m + 2, "%s%s%s", path, member ? "/" : "", member ? member : "");
    return both;
}

/* ---- one array ---- */

/* "'a.npz' has the arrays 'x', 'y'": what was asked for is none of them, or nothing was. */
static mr_status not_found(mr__zip zip, const char *name)
{
    char list[300] = "";
    size_t used = 0;
    mr__zip_member m;
    while (used < sizeof list - 100 && next_array(&zip, &m) == MR_OK) {
        const size_t n = name_length(&m);
        used += (size_t)snprintf(list + used, sizeof list - used, "%s'%.*s'", used ? ", " : "",
                                 n > 60 ? 60 : (int)n, m.name);
    }
    mr_error_clear();
    if (!name)
        return mr_fail(MR_ERR_ARGUMENT, "'%s' has the arrays %s%s: one is to be named (.member)", zip.path,
                       list, zip.left ? ", …" : "");
    return mr_fail(MR_ERR_ARGUMENT, "'%s' has the arrays %s%s: '%s' is none of them", zip.path, list,
                   zip.left ? ", …" : "", name);
}

/* As numpy: of several with one name the last, and one that is called exactly so before one that is without its ".npy". */
static mr_status find(mr__zip zip, const char *name, mr__zip_member *m)
{
    const mr__zip all = zip;
    int best = 0;
    mr__zip_member next;
    mr_status s;
    while ((s = mr__zip_next(&zip, &next)) == MR_OK) {
        const int how = is_called(&zip, &next, name);
        if (how && how >= best) {
            best = how;
            *m = next;
        }
    }
    return s < 0 ? s : best ? MR_OK : not_found(all, name);
}

static mr_status find_only(mr__zip zip, mr__zip_member *m)
{
    const mr__zip all = zip;
    mr__zip_member next;
    mr_status s = next_array(&zip, m);
    if (s != MR_OK)
        return s < 0 ? s : mr_fail(MR_ERR_FORMAT, "'%s' has no arrays", all.path);
    char *name = name_of(m);
    if (!name)
        return mr_error_status();
    while ((s = next_array(&zip, &next)) == MR_OK && is_called(&zip, &next, name))
        continue;
    s = s < 0 ? s : s == MR_OK ? not_found(all, NULL) : find(all, name, m);
    mr_free(name);
    return s;
}

mr_status mr__npz_open(mr__array_file *a, const char *path, const char *name, int64_t most)
{
    mr__zip zip;
    mr__zip_member m;
    bool owned;
    a->whole = a->bytes;
    a->bytes = (mr__bytes){ 0 };
    if (mr__zip_open(&zip, &a->whole, path) < 0 || (name ? find(zip, name, &m) : find_only(zip, &m)) < 0 ||
        mr__zip_read(&zip, &m, most, &a->bytes, &owned) < 0)
        return mr_error_status();
    if (owned)
        mr__bytes_close(&a->whole);
    return MR_OK;
}

/* ---- all of them ---- */

enum { MOST = 1000 }; /* arrays */

/* Where a member is in the file. */
typedef struct span {
    uint64_t begin, end;
} span;

typedef struct list {
    mr_array_file file[MOST];
    int count;
    span span[MOST]; /* of the members, of which several may have one name */
    int members;
    uint64_t unpacked; /* bytes of those that are deflated */
} list;

static void list_free(list *l)
{
    for (int i = 0; l && i < l->count; i++)
        mr_free((void *)(uintptr_t)l->file[i].member);
    mr_free(l);
}

static bool is_listed(const list *l, const char *name, size_t length)
{
    for (int i = 0; i < l->count; i++)
        if (strlen(l->file[i].name) == length && memcmp(l->file[i].name, name, length) == 0)
            return true;
    return false;
}

static mr_status add(list *l, const mr__zip *zip, mr_storage *storage, const mr__zip_member *m)
{
    if (l->members == MOST)
        return mr_fail(MR_ERR_FORMAT, "'%s' has more than %d arrays", zip->path, MOST);
    l->span[l->members++] = (span){ m->begin, mr__zip_end(zip, m) };
    if (m->method && __builtin_add_overflow(l->unpacked, m->size, &l->unpacked))
        l->unpacked = UINT64_MAX;
    if (is_listed(l, m->name, name_length(m))) /* `find` says which is meant */
        return MR_OK;
    char *name = name_of(m);
    if (!name)
        return mr_error_status();
    l->file[l->count++] =
        (mr_array_file){ .path = zip->path, .name = name, .member = name, .storage = storage };
    return MR_OK;
}

static int by_begin(const void *a, const void *b)
{
    const span *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* A small file is not to become as large as one likes: so all are not to be made of the same packed bytes. */
static mr_status check_sizes(list *l, const char *path)
{
    if (l->unpacked > (uint64_t)MR__MOST_BYTES)
        return mr_fail(
            MR_ERR_MEMORY,
            "'%s': its arrays have more than %lld bytes to keep in memory: mr_arrays_new takes some", path,
            (long long)MR__MOST_BYTES);
    qsort(l->span, (size_t)l->members, sizeof *l->span, by_begin);
    for (int i = 1; i < l->members; i++)
        if (l->span[i].begin < l->span[i - 1].end)
            return mr_fail(
                MR_ERR_FORMAT, "'%s': a ZIP file: a member at byte %llu that is within the one at byte %llu",
                path, (unsigned long long)l->span[i].begin, (unsigned long long)l->span[i - 1].begin);
    return MR_OK;
}

static mr_status list_arrays(list *l, const char *path, mr_storage *storage)
{
    mr__bytes bytes;
    mr__zip zip;
    mr__zip_member m;
    if (mr__bytes_open(&bytes, storage, path, NULL) < 0)
        return mr_error_status();
    mr_status s = mr__is_zip(&bytes) ? mr__zip_open(&zip, &bytes, path)
                                     : mr_fail(MR_ERR_FORMAT, "'%s' is no NPZ file", path);
    while (s == MR_OK && (s = next_array(&zip, &m)) == MR_OK)
        s = add(l, &zip, storage, &m);
    mr__bytes_close(&bytes);
    if (s == MR_END && !l->count)
        s = mr_fail(MR_ERR_FORMAT, "'%s' has no arrays", path);
    return s == MR_END ? check_sizes(l, path) : s;
}

/* Behind a failure that one of several arrays has a type that is none of ours. */
static void say_how_to_leave_out(void)
{
    char text[512];
    snprintf(text, sizeof text, "%s", mr_error());
    mr_error_clear();
    mr_fail(MR_ERR_DTYPE, "%s; mr_arrays_new takes the others, each by its .member", text);
}

mr_dataset *mr_npz_new(const char *path, mr_storage *storage)
{
    if (!path) {
        mr_fail(MR_ERR_ARGUMENT, "npz_new: path is NULL");
        return NULL;
    }
    list *l = mr_calloc(1, sizeof *l);
    const bool listed = l && list_arrays(l, path, storage) == MR_OK;
    mr_dataset *dataset = listed ? mr_arrays_new(l->file, l->count) : NULL;
    if (listed && !dataset && l->count > 1 && mr_error_status() == MR_ERR_DTYPE)
        say_how_to_leave_out();
    list_free(l);
    return dataset;
}

mr_tensor *mr_npz_load(const char *path, const char *name)
{
    if (path)
        return mr__array_load(path, name);
    mr_fail(MR_ERR_ARGUMENT, "npz_load: path is NULL");
    return NULL;
}
