#include "archive.h"

#include <archive_entry.h>
#include <errno.h>
#include <string.h>

/* Bytes that are read at once: few where reading begins, since often only a head is wanted there. */
enum { FIRST = 1 << 14, BUFFER = 1 << 18 };

/* Contents are read to where they are wanted, if so many of them have not been read yet; and so much behind them. */
enum { LARGE = 1 << 14, BEHIND = 1 << 13 };

/* ---- bytes for libarchive ---- */

static la_ssize_t give(struct archive *archive, void *user, const void **bytes)
{
    mr__tar *tar = user;
    int64_t n = -1;
    if (tar->ahead) /* libarchive passes over contents by skip */
        mr_fail(MR_ERR_FORMAT, "'%s': byte %lld is wanted again", tar->path,
                (long long)(tar->at - tar->ahead));
    else
        n = tar->filled ? (int64_t)tar->filled : mr__input_read(tar->input, tar->buffer, tar->at_once);
    tar->filled = 0;
    tar->at_once = tar->at_once * 2 < BUFFER ? tar->at_once * 2 : BUFFER;
    if (n < 0)
        archive_set_error(archive, EIO, "the file cannot be read"); /* what it was is pending */
    else
        tar->at += n;
    *bytes = tar->buffer;
    return (la_ssize_t)n;
}

/* Passes over contents that have been read or that nobody wants, never beyond the end: there a member is cut off. */
static la_int64_t skip(struct archive *archive, void *user, la_int64_t wanted)
{
    mr__tar *tar = user;
    (void)archive;
    if (tar->ahead) {
        const int64_t read = tar->ahead < wanted ? tar->ahead : wanted;
        tar->ahead -= read;
        return read;
    }
    if (tar->size < 0 || wanted < 2 * FIRST)
        return 0;
    const int64_t left = tar->size - tar->at, passed = wanted < left ? wanted : left;
    if (passed <= 0)
        return 0;
    if (mr__input_seek(tar->input, (uint64_t)(tar->at + passed)) < 0)
        return ARCHIVE_FATAL;
    tar->at += passed;
    tar->at_once = FIRST;
    tar->filled = 0;
    return passed;
}

/* ---- opening ---- */

static mr_status failed(const mr__tar *tar, const char *what, int64_t at)
{
    const char *said = archive_error_string(tar->archive);
    return mr_fail(archive_errno(tar->archive) == ENOMEM ? MR_ERR_MEMORY : MR_ERR_FORMAT,
                   "'%s': %s at byte %lld: %s", tar->path, what, (long long)at,
                   said ? said : "it is damaged");
}

mr_status mr__tar_take(mr__tar *tar, mr__input *input, const char *path)
{
    *tar = (mr__tar){ .path = path, .input = input, .at_once = FIRST };
    tar->buffer = input ? mr_alloc(BUFFER) : NULL;
    if (!tar->buffer)
        return mr_error_status();
    tar->size = mr__input_can_seek(input) ? mr__input_size(input) : -1;
    return MR_OK;
}

mr_status mr__tar_open(mr__tar *tar, mr_storage *storage, const char *path)
{
    return mr__tar_take(tar, mr__input_open(storage, path), path);
}

mr_status mr__tar_start(mr__tar *tar, int64_t at)
{
    tar->begin = tar->at = at;
    if (at && mr__input_seek(tar->input, (uint64_t)at) < 0)
        return mr_error_status();
    if (at && at == tar->size)
        return MR_OK;
    tar->locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!tar->locale)
        return mr_fail(MR_ERR_MEMORY, "out of memory: there is none for the locale C");
    struct archive *a = tar->archive = archive_read_new();
    if (!a)
        return mr_fail(MR_ERR_MEMORY, "out of memory: libarchive has none for '%s'", tar->path);
    archive_read_support_format_tar(a);
    /* behind an end there may be another beginning (cat a.tar b.tar); whoever reads a part of the file finds it as well */
    if (archive_read_set_format_option(a, "tar", "read_concatenated_archives", "1") != ARCHIVE_OK)
        return failed(tar, "no tar file", at);
    archive_read_set_read_callback(a, give);
    archive_read_set_skip_callback(a, skip);
    archive_read_set_callback_data(a, tar);
    return archive_read_open1(a) == ARCHIVE_OK ? MR_OK : failed(tar, "no tar file", at);
}

void mr__tar_close(mr__tar *tar)
{
    archive_read_free(tar->archive);
    if (tar->locale)
        freelocale(tar->locale);
    mr__input_close(tar->input);
    mr_free(tar->buffer);
    *tar = (mr__tar){ 0 };
}

/* ---- members ---- */

/* Takes a name apart: false when it belongs to no sample. */
static bool split(mr__member *m)
{
    const char *slash = strrchr(m->name, '/'), *last = slash ? slash + 1 : m->name,
               *point = strchr(last, '.');
    if (!point || point == last || !point[1])
        return false;
    m->key = (size_t)(point - m->name);
    m->extension = point + 1;
    return true;
}

static mr_status keep_name(mr__member *m, const char *name)
{
    size_t bytes = strlen(name) + 1;
    if (bytes > m->room) {
        char *larger = mr_grow(m->name, 0, bytes * 2);
        if (!larger)
            return mr_error_status();
        m->name = larger;
        m->room = bytes * 2;
    }
    memcpy(m->name, name, bytes);
    return MR_OK;
}

/* In the locale C, in which libarchive leaves names as they are. */
static int next_head(const mr__tar *tar, struct archive_entry **entry)
{
    if (!tar->archive)
        return ARCHIVE_EOF;
    const locale_t before = uselocale(tar->locale);
    const int code = archive_read_next_header(tar->archive, entry);
    uselocale(before);
    return code;
}

mr_status mr__tar_next(mr__tar *tar, mr__member *m)
{
    struct archive_entry *entry;
    for (;;) {
        int code = next_head(tar, &entry);
        if (code == ARCHIVE_EOF)
            return MR_END;
        if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
            return failed(tar, "no next member", tar->begin + archive_filter_bytes(tar->archive, 0));
        m->at = tar->begin + archive_read_header_position(tar->archive);
        if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry))
            continue;
        const char *name = archive_entry_pathname(entry);
        if (!name)
            return mr_fail(MR_ERR_FORMAT, "'%s': a member at byte %lld: its name cannot be read", tar->path,
                           (long long)m->at);
        if (keep_name(m, name) < 0)
            return mr_error_status();
        m->size = archive_entry_size(entry);
        if (m->size < 0)
            return mr_fail(MR_ERR_FORMAT, "'%s': member '%.200s' at byte %lld: a size of %lld bytes",
                           tar->path, m->name, (long long)m->at, (long long)m->size);
        tar->next = tar->begin + archive_filter_bytes(tar->archive, 0);
        tar->left = archive_entry_sparse_reset(entry) ? -1 : m->size;
        if (split(m))
            return MR_OK;
    }
}

static int64_t read_held(mr__tar *tar, void *bytes, size_t size)
{
    const size_t n = size < tar->held_bytes ? size : tar->held_bytes;
    memcpy(bytes, tar->held, n);
    tar->held += n;
    tar->held_bytes -= n;
    return (int64_t)n;
}

static int64_t read_archive(mr__tar *tar, const mr__member *m, void *bytes, size_t size)
{
    la_ssize_t n = archive_read_data(tar->archive, bytes, size);
    if (n < 0) {
        const char *said = archive_error_string(tar->archive);
        mr_fail(MR_ERR_FORMAT, "'%s': member '%.200s' at byte %lld: %s", tar->path, m->name, (long long)m->at,
                said ? said : "it is damaged");
        return -1;
    }
    return n;
}

/* Without libarchive and its copy. */
static int64_t read_input(mr__tar *tar, const mr__member *m, char *bytes, size_t size, size_t spare)
{
    const size_t behind = (int64_t)size < tar->left ? 0 : spare < BEHIND ? spare : BEHIND;
    const int64_t got = size ? mr__input_read(tar->input, bytes, size + behind) : 0;
    const int64_t n = got < (int64_t)size ? got : (int64_t)size;
    if (!n && size) {
        mr_fail(MR_ERR_FORMAT,
                "'%s': member '%.200s' at byte %lld: the file ends, and %lld bytes of it are missing",
                tar->path, m->name, (long long)m->at, (long long)tar->left);
        return -1;
    }
    if (n < 0)
        return -1;
    tar->at += n;
    tar->ahead += n;
    tar->at_once = FIRST;
    tar->filled = (size_t)(got - n);
    memcpy(tar->buffer, bytes + n, tar->filled);
    return n;
}

int64_t mr__tar_read(mr__tar *tar, const mr__member *m, void *bytes, size_t size, size_t spare)
{
    if (tar->held)
        return read_held(tar, bytes, size);
    if (tar->left < 0)
        return read_archive(tar, m, bytes, size);
    size = (int64_t)size < tar->left ? size : (size_t)tar->left;
    const int64_t buffered = tar->at - tar->next;
    const bool past = tar->ahead || (int64_t)size - buffered >= LARGE;
    const int64_t n = past && !buffered ? read_input(tar, m, bytes, size, spare)
                                        : read_archive(tar, m, bytes, past ? (size_t)buffered : size);
    if (n > 0) {
        tar->next += n;
        tar->left -= n;
    }
    return n;
}

bool mr__member_same_key(const mr__member *a, const mr__member *b)
{
    return a->key == b->key && memcmp(a->name, b->name, a->key) == 0;
}

void mr__member_free(mr__member *m)
{
    mr_free(m->name);
    *m = (mr__member){ 0 };
}
