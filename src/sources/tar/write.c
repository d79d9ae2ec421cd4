/* Samples to tar files. */
#include "out.h"

#include "sources/files/part_file.h"
#include "sources/files/writing.h"
#include "sources/settle.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char call[] = "tar_write";

enum { NAME = 512, SAMPLES = 10000 };

/* What is kept of the writing: which file is next. */
enum { FILE_NUMBER, NUMBERS };

typedef struct writer {
    const char *files; /* the pattern */
    mr__out *out;
    int count;
    mr__out key; /* names the samples, if key.field is not NULL */
    int64_t most_samples, most_bytes;
    int level;

    int64_t number; /* of the file */
    mr__part_file file;
    struct archive *archive; /* NULL: none is open */
    struct archive_entry *entry;
    bool broken; /* the file could not be written; why is pending */
    locale_t locale;
    int64_t samples, bytes;        /* in it */
    char name[NAME], before[NAME]; /* of the sample, and of the last one */
    mr__content content;
} writer;

/* ---- files ---- */

static bool ends_in(const char *path, const char *suffix)
{
    const size_t n = strlen(path), m = strlen(suffix);
    return n >= m && strcmp(path + n - m, suffix) == 0;
}

/* A failure is kept for later: libarchive would not free all that it has after one. */
static la_ssize_t take(struct archive *archive, void *user, const void *bytes, size_t size)
{
    writer *w = user;
    (void)archive;
    w->broken = w->broken || mr__part_write(&w->file, bytes, size) < 0;
    return (la_ssize_t)size;
}

static mr_status failed(const writer *w)
{
    if (w->broken)
        return mr_error_status();
    const char *said = w->archive ? archive_error_string(w->archive) : NULL;
    return mr_fail(w->archive && archive_errno(w->archive) != ENOMEM ? MR_ERR_IO : MR_ERR_MEMORY, "'%s': %s",
                   w->file.path, said ? said : "out of memory");
}

/* "train-000017.tar" of "train-######.tar": the file of the writer's number; NULL after a failure. */
static char *part_path(const writer *w)
{
    const char *hash = strchr(w->files, '#');
    const int digits = (int)strspn(hash, "#");
    const size_t room = strlen(w->files) + 32;
    char *path = mr_alloc(room);
    if (path)
        snprintf(path, room, "%.*s%0*lld%s", (int)(hash - w->files), w->files, digits, (long long)w->number,
                 hash + digits);
    return path;
}

static mr_status open_part(writer *w)
{
    char *path = part_path(w);
    if (!path)
        return mr_error_status();
    mr__part_close(&w->file);
    mr_status s = mr__part_open(&w->file, path, 0);
    mr_free(path);
    return s;
}

/* A file behind the last one that was written is of a longer set, whose files may be there up to any number. */
static mr_status look_for_older(const writer *w)
{
    char *path = part_path(w);
    if (!path)
        return mr_error_status();
    if (access(path, F_OK) == 0)
        mr_log_line(
            MR_LOG_WARNING,
            "%s: '%s' is of an earlier writing, and not of the %lld files that were written: a pattern "
            "of their names reads it, too",
            call, path, (long long)w->number);
    mr_free(path);
    return MR_OK;
}

static mr_status open_file(writer *w)
{
    char level[16];
    if (open_part(w) < 0)
        return mr_error_status();
    w->samples = w->bytes = 0;
    *w->before = 0;
    struct archive *a = w->archive = archive_write_new();
    w->entry = w->entry ? w->entry : archive_entry_new();
    if (!a || !w->entry || archive_write_set_format_gnutar(a) != ARCHIVE_OK)
        return failed(w);
    snprintf(level, sizeof level, "%d", w->level);
    int code = ARCHIVE_OK;
    if (ends_in(w->files, ".gz") || ends_in(w->files, ".tgz")) {
        code = archive_write_add_filter_gzip(a);
        archive_write_set_filter_option(a, "gzip", "timestamp", NULL); /* the same bytes at any time */
    } else if (ends_in(w->files, ".zst")) {
        code = archive_write_add_filter_zstd(a);
    }
    if (code == ARCHIVE_OK && w->level && archive_filter_code(a, 0) != ARCHIVE_FILTER_NONE)
        code = archive_write_set_filter_option(a, NULL, "compression-level", level);
    archive_write_set_bytes_per_block(a, 1 << 16);
    archive_write_set_bytes_in_last_block(a, 1);
    if (code == ARCHIVE_OK)
        code = archive_write_open(a, w, NULL, take, NULL);
    return code == ARCHIVE_OK ? MR_OK : failed(w);
}

static mr_status close_file(writer *w)
{
    mr_status s = archive_write_close(w->archive) == ARCHIVE_OK && !w->broken ? MR_OK : failed(w);
    archive_write_free(w->archive);
    w->archive = NULL;
    if (s == MR_OK)
        s = mr__part_sync(&w->file);
    if (s == MR_OK)
        s = mr__part_finish(&w->file);
    w->number++;
    return s;
}

/* ---- samples ---- */

static mr_status add_member(writer *w, const char *extension, const void *bytes, size_t size)
{
    char name[NAME + 128];
    if ((size_t)snprintf(name, sizeof name, "%s.%s", w->name, extension) >= sizeof name)
        return mr_fail(MR_ERR_ARGUMENT, "extension '%s' is too long", extension);
    archive_entry_clear(w->entry);
    archive_entry_set_pathname(w->entry, name);
    archive_entry_set_size(w->entry, (la_int64_t)size);
    archive_entry_set_filetype(w->entry, AE_IFREG);
    archive_entry_set_perm(w->entry, 0644);
    archive_entry_set_mtime(w->entry, 0, 0);
    const locale_t before = uselocale(w->locale); /* in which names are left as they are */
    const bool written = archive_write_header(w->archive, w->entry) == ARCHIVE_OK &&
                         archive_write_data(w->archive, bytes, size) == (la_ssize_t)size;
    uselocale(before);
    w->bytes += (int64_t)size;
    return written && !w->broken ? MR_OK : failed(w);
}

static mr_status name_sample(writer *w, const mr__writing *in)
{
    if (!w->key.field) {
        snprintf(w->name, sizeof w->name, "%09lld", (long long)in->rows);
        return MR_OK;
    }
    int64_t items;
    const char *at = mr__out_row(&w->key, in->batch, in->row, &items);
    const size_t length = (size_t)items * w->key.item;
    if (length >= NAME || memchr(at, 0, length))
        return mr_fail(MR_ERR_FORMAT, "its name has %s", length >= NAME ? "too many bytes" : "a byte 0");
    memcpy(w->name, at, length);
    w->name[length] = 0;
    const char *slash = strrchr(w->name, '/'), *last = slash ? slash + 1 : w->name;
    if (!*last || strchr(last, '.'))
        return mr_fail(MR_ERR_FORMAT, "its name '%s' %s", w->name, *last ? "has a point" : "is empty");
    if (w->samples && strcmp(w->name, w->before) == 0)
        return mr_fail(MR_ERR_FORMAT, "its name '%s' is that of the sample before", w->name);
    return MR_OK;
}

/* The member of field `i`, and of all that share its JSON. */
static mr_status write_member(writer *w, const mr__writing *in, int i)
{
    const mr__out *o = &w->out[i];
    mr_status s = MR_OK;
    int64_t items;
    if (o->content < MR_MEMBER_TEXT) {
        const char *at = mr__out_row(o, in->batch, in->row, &items);
        return add_member(w, o->extension, at, (size_t)items * o->item);
    }
    w->content.used = 0;
    for (int j = i; s == MR_OK && j < w->count; j++) {
        if (strcmp(w->out[j].extension, o->extension) != 0)
            continue;
        if (o->content == MR_MEMBER_JSON)
            s = mr__content_add(&w->content, j == i ? "{" : ", ", j == i ? 1 : 2);
        s = s == MR_OK ? mr__out_add(&w->out[j], in->batch, in->row, &w->content) : s;
    }
    if (s == MR_OK && o->content == MR_MEMBER_JSON)
        s = mr__content_add(&w->content, "}\n", 2);
    return s == MR_OK ? add_member(w, o->extension, w->content.bytes, w->content.used) : s;
}

/* Whether an earlier field has the same member. */
static bool shares(const writer *w, int i)
{
    for (int j = 0; j < i; j++)
        if (strcmp(w->out[j].extension, w->out[i].extension) == 0)
            return true;
    return false;
}

static mr_status write_sample(writer *w, const mr__writing *in)
{
    mr_status s = name_sample(w, in);
    for (int i = 0; s == MR_OK && i < w->count; i++)
        if (!shares(w, i))
            s = write_member(w, in, i);
    if (s < 0)
        mr_fail_context("%s: sample %lld", call, (long long)mr__writing_sample(in));
    strcpy(w->before, w->name);
    w->samples++;
    return s;
}

static mr_status write_all(writer *w, mr__writing *in)
{
    mr_status s;
    while ((s = mr__writing_next(in)) == MR_OK) {
        if (!w->archive && open_file(w) < 0)
            return mr_error_status();
        s = write_sample(w, in);
        in->row++;
        in->rows++;
        if (s == MR_OK && (w->samples == w->most_samples || w->bytes >= w->most_bytes)) {
            s = close_file(w);
            if (s == MR_OK)
                s = mr__writing_save(in, &w->number, NUMBERS);
        }
        if (s < 0)
            return s;
    }
    return s == MR_END && w->archive ? close_file(w) : s == MR_END ? MR_OK : s;
}

/* ---- the plan ---- */

static mr_status plan_files(writer *w, const char *files, const mr_tar_write_opts *opts)
{
    const char *hash = files ? strchr(files, '#') : NULL;
    if (!hash || strchr(hash + strspn(hash, "#"), '#'))
        return mr_fail(MR_ERR_ARGUMENT, "%s: '%s' has no place, or several, for a number: train-######.tar",
                       call, files ? files : "");
    if (opts->samples < 0 || opts->bytes < 0)
        return mr_fail(MR_ERR_ARGUMENT, "%s: %s is negative", call, opts->samples < 0 ? "samples" : "bytes");
    w->files = files;
    w->most_samples = opts->samples ? opts->samples : SAMPLES;
    w->most_bytes = opts->bytes ? opts->bytes : (int64_t)1 << 30;
    w->level = opts->level;
    return MR_OK;
}

static mr_status plan_members(writer *w, mr_dataset *dataset, const mr_tar_out *members, int count)
{
    if (!members || count < 1)
        return mr_fail(MR_ERR_ARGUMENT, "%s: there is at least one member", call);
    w->out = mr_calloc((size_t)count, sizeof *w->out);
    if (!w->out)
        return mr_error_status();
    w->count = count;
    for (int i = 0; i < count; i++) {
        if (mr__out_plan(&w->out[i], dataset, &members[i]) < 0)
            return mr_error_status();
        for (int j = 0; j < i; j++) {
            const bool same = strcmp(w->out[i].extension, w->out[j].extension) == 0;
            if (same && (w->out[i].content != MR_MEMBER_JSON || w->out[j].content != MR_MEMBER_JSON))
                return mr_fail(MR_ERR_ARGUMENT,
                               "%s: fields '%s' and '%s' have the same extension '%s', and are no JSON", call,
                               w->out[j].field->name, w->out[i].field->name, w->out[i].extension);
        }
    }
    return MR_OK;
}

static uint64_t hash_plan(const writer *w, const mr_tar_write_opts *opts)
{
    const int64_t numbers[] = { w->most_samples, w->most_bytes, w->level };
    uint64_t plan = mr__writing_plan_text(mr__writing_plan(0, numbers, sizeof numbers), opts->key);
    for (int i = 0; i < w->count; i++) {
        plan = mr__writing_plan_text(plan, w->out[i].field->name);
        plan = mr__writing_plan_text(plan, w->out[i].extension);
        plan = mr__writing_plan_text(plan, w->out[i].key);
        plan = mr__writing_plan(plan, &w->out[i].content, sizeof w->out[i].content);
    }
    return plan;
}

static mr_status run(writer *w, mr__writing *in, mr_dataset *dataset, const char *files,
                     const mr_tar_out *members, int count, const mr_tar_write_opts *opts)
{
    const mr_tar_out key = { .field = opts->key, .extension = "key" };
    if (plan_files(w, files, opts) < 0 || plan_members(w, dataset, members, count) < 0 ||
        (opts->key && mr__out_plan(&w->key, dataset, &key) < 0) ||
        mr__writing_open(in, call, dataset, files, hash_plan(w, opts), &opts->write, &w->number, NUMBERS) < 0)
        return mr_error_status();
    w->locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return w->locale ? write_all(w, in)
                     : mr_fail(MR_ERR_MEMORY, "out of memory: there is none for the locale C");
}

mr_status mr_tar_write(mr_dataset *dataset, const char *files, const mr_tar_out *members, int count,
                       const mr_tar_write_opts *opts)
{
    static const mr_tar_write_opts defaults = { 0 };
    writer w = { .file.fd = -1 };
    mr__writing in = { 0 };
    mr_status s = run(&w, &in, dataset, files, members, count, opts ? opts : &defaults);
    if (s == MR_OK)
        s = look_for_older(&w);
    w.broken = true; /* what is not complete stays as it is */
    archive_write_free(w.archive);
    if (w.locale)
        freelocale(w.locale);
    archive_entry_free(w.entry);
    mr__part_close(&w.file);
    mr__writing_close(&in, s == MR_OK);
    mr_free(w.out);
    mr_free(w.content.bytes);
    return mr__settled(s);
}
