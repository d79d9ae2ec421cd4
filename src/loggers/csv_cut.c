#include "csv_cut.h"

#include "csv_table.h"

#include "base/alloc.h"
#include "base/file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_END MR__CSV_LINE_END

enum { LINE_END_BYTES = 2 };

const char *mr__csv_next_name(const char *at, const char *end, mr__strbuf *name)
{
    const bool quoted = at < end && *at == '"';
    mr__strbuf_clear(name);
    for (at += quoted; at < end; at++) {
        if (quoted && *at == '"') {
            if (at + 1 == end || at[1] != '"')
                break; /* the closing one */
            at++;
        } else if (!quoted && (*at == ',' || *at == '\r')) {
            break;
        }
        mr__strbuf_append_bytes(name, at, 1);
    }
    at += quoted && at < end;
    if (end - at >= 1 && *at == ',')
        return at + 1;
    return end;
}

/* Where the header's line end is; NULL: nowhere. In names, which stand in quotes then, are others. */
static const char *header_end(const char *text, size_t size)
{
    bool quoted = false;
    for (const char *at = text; (size_t)(at - text) + LINE_END_BYTES <= size; at++) {
        quoted ^= *at == '"';
        if (!quoted && memcmp(at, LINE_END, LINE_END_BYTES) == 0)
            return at;
    }
    return NULL;
}

static mr_status not_that_file(const char *path, const mr__csv_mark *mark)
{
    return mr__raise(
        MR_ERR_FORMAT,
        "cannot go on with '%.250s': it does not begin with the %lld rows that the checkpoint was "
        "written behind",
        path, (long long)mark->rows);
}

/* How many columns a header has more than the mark's; -1 when it does not begin with that. */
static long columns_more(const char *text, size_t size, const mr__csv_mark *mark)
{
    const size_t common = mark->header_bytes - LINE_END_BYTES;
    const char *end = header_end(text, size);
    if (!end || (size_t)(end - text) < common || memcmp(text, mark->header, common) != 0)
        return -1;
    const char *at = text + common;
    long more = 0;
    if (at < end && *at != ',')
        return -1;
    mr__strbuf name = { 0 };
    for (at += at < end; at < end; more++)
        at = mr__csv_next_name(at, end, &name);
    mr__strbuf_free(&name);
    return more;
}

/* Copies the mark's rows without the last cells, which are empty. False when they are not. */
static bool narrow(mr__strbuf *to, const char *text, size_t size, const mr__csv_mark *mark, long more)
{
    const char *end = text + size, *line = header_end(text, size);
    mr__strbuf_append_bytes(to, mark->header, mark->header_bytes);
    line += LINE_END_BYTES;
    for (int64_t i = 0; i < mark->rows; i++) {
        const char *next = memmem(line, (size_t)(end - line), LINE_END, LINE_END_BYTES);
        if (!next || next - line < more)
            return false;
        for (long k = 1; k <= more; k++)
            if (next[-k] != ',')
                return false;
        mr__strbuf_append_bytes(to, line, (size_t)(next - line - more));
        mr__strbuf_append(to, LINE_END);
        line = next + LINE_END_BYTES;
    }
    return to->failed || (int64_t)to->length == mark->bytes;
}

static mr_status rewrite(const char *path, const char *text, size_t size, const mr__csv_mark *mark, long more,
                         bool look)
{
    mr__strbuf kept = { 0 };
    mr_status status = MR_OK;
    mr__file_replace file;
    if (!narrow(&kept, text, size, mark, more))
        status = not_that_file(path, mark);
    else if (kept.failed)
        status = MR_ERR_MEMORY;
    if (!status && !look) {
        mr__file_replace_begin(&file, path);
        mr__file_replace_write(&file, kept.text, kept.length);
        status = mr__file_replace_commit(&file);
    }
    mr__strbuf_free(&kept);
    return status;
}

static mr_status cut(const char *path, const char *text, size_t size, const mr__csv_mark *mark, bool look)
{
    const long more = columns_more(text, size, mark);
    if (more < 0)
        return not_that_file(path, mark);
    if (more > 0)
        return rewrite(path, text, size, mark, more, look);
    if (size < (size_t)mark->bytes || text[mark->bytes - 1] != '\n')
        return not_that_file(path, mark);
    if (look && access(path, W_OK) != 0)
        return mr__io_failed("write", path, errno);
    if (!look && size > (size_t)mark->bytes && truncate(path, mark->bytes) != 0)
        return mr__io_failed("write", path, errno);
    return MR_OK;
}

/* Not what is no file: a device, say. */
mr_status mr__csv_remove(const char *path)
{
    struct stat there;
    if (lstat(path, &there) != 0 || !S_ISREG(there.st_mode) || unlink(path) == 0 || errno == ENOENT)
        return MR_OK;
    return mr__io_failed("remove", path, errno);
}

/* `look`: nothing is changed. */
static mr_status cut_file(const char *path, const mr__csv_mark *mark, bool look)
{
    char *text;
    size_t size;
    if (mark->bytes == 0)
        return look ? MR_OK : mr__csv_remove(path);
    if (mr__is_special_file(path))
        return MR_OK;
    if (mark->bytes < 0 || mark->rows < 0 || mark->header_bytes < LINE_END_BYTES)
        return mr__raise(MR_ERR_FORMAT, "what the checkpoint says of '%.300s' makes no sense", path);
    mr_status status = mr__file_read_all(path, &text, &size, 0);
    if (status)
        return status;
    status = cut(path, text, size, mark, look);
    mr__free(text);
    return status;
}

mr_status mr__csv_end(const char *path, char **text, mr__csv_mark *mark)
{
    size_t size;
    *mark = (mr__csv_mark){ 0, 0, "", 0 };
    *text = NULL;
    if (mr__is_special_file(path) || access(path, F_OK) != 0)
        return MR_OK;
    mr_status status = mr__file_read_all(path, text, &size, 0);
    if (status)
        return status;
    const char *end = *text + size, *next = header_end(*text, size);
    if (next)
        mark->header_bytes = (size_t)(next - *text) + LINE_END_BYTES;
    for (; next; mark->rows++) {
        const char *line = next + LINE_END_BYTES;
        mark->bytes = line - *text;
        next = memmem(line, (size_t)(end - line), LINE_END, LINE_END_BYTES);
    }
    mark->rows -= mark->rows > 0; /* the header is none */
    mark->header = *text;
    if (size && !mark->bytes)
        return mr__raise(MR_ERR_FORMAT, "cannot go on with '%.300s': its header makes no sense", path);
    return MR_OK;
}

mr_status mr__csv_cut(const char *path, const mr__csv_mark *mark)
{
    return cut_file(path, mark, false);
}

mr_status mr__csv_check(const char *path, const mr__csv_mark *mark)
{
    return cut_file(path, mark, true);
}
