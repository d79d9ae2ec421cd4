#include "csv_logger.h"

#include "csv_cut.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/float_text.h"
#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FULL_BYTES = 64 * 1024 };

#define LINE_END "\r\n"

/* A column, and what the row that is being written has in it. */
struct column {
    char *name;
    enum { EMPTY, INTEGER, REAL } kind;
    int64_t integer;
    double real;
};

struct mr__csv_logger {
    char *path;
    int fd; /* -1: to be opened, before the first row and after the file was replaced */
    struct column *columns;
    size_t count, room;
    mr__strbuf header;         /* the file's first line */
    mr__strbuf rows;           /* not yet written; begins with the header if that is not yet either */
    int64_t bytes, count_rows; /* of the file, with what is not yet written */
};

/* ---- files ---- */

/* Writes `count` bytes; what has been written when it fails is taken off `*from`. */
static mr_status write_bytes(int fd, const char *path, const char **from, size_t *count)
{
    while (*count) {
        ssize_t done = write(fd, *from, *count);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return mr__io_failed("write", path, errno);
        *from += done;
        *count -= (size_t)done;
    }
    return MR_OK;
}

static mr_status close_file(int fd, const char *path)
{
    if (fd >= 0 && close(fd) != 0 && errno != EINTR) /* network file systems report late */
        return mr__io_failed("write", path, errno);
    return MR_OK;
}

/* Lightning writes the hyperparameters of a model there; there are none yet. */
static mr_status write_hparams(const char *dir)
{
    const char *text = "{}\n";
    size_t count = strlen(text);
    char *path = mr__path_join(dir, "hparams.yaml");
    if (!path)
        return MR_ERR_MEMORY;
    mr_status status = MR_OK;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        status = mr__io_failed("write", path, errno);
    else
        status = write_bytes(fd, path, &text, &count);
    mr_status closed = close_file(fd, path);
    mr__free(path);
    return status ? status : closed;
}

static mr_status open_metrics(mr__csv_logger *logger, int flags)
{
    logger->fd = open(logger->path, O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0666);
    return logger->fd < 0 ? mr__io_failed("write", logger->path, errno) : MR_OK;
}

/* Whether what is written goes to a file that nobody will find. */
static bool is_removed(int fd)
{
    struct stat there;
    return fstat(fd, &there) == 0 && there.st_nlink == 0;
}

/* ---- columns ---- */

static struct column *find_column(mr__csv_logger *logger, const char *name)
{
    for (size_t i = 0; i < logger->count; i++)
        if (strcmp(logger->columns[i].name, name) == 0)
            return &logger->columns[i];
    return NULL;
}

/* The column of that name, made if there is none; NULL when memory is out. */
static struct column *column_of(mr__csv_logger *logger, const char *name)
{
    struct column *column = find_column(logger, name);
    if (column)
        return column;
    if (logger->count == logger->room) {
        size_t room = 2 * logger->room + 8, size = sizeof *logger->columns;
        struct column *larger = mr__grow(logger->columns, logger->count * size, mr__mul_size(room, size));
        if (!larger)
            return NULL;
        logger->columns = larger;
        logger->room = room;
    }
    char *copy = mr__strdup(name);
    if (!copy)
        return NULL;
    column = &logger->columns[logger->count++];
    *column = (struct column){ .name = copy };
    return column;
}

static void drop_columns(mr__csv_logger *logger, size_t count)
{
    while (logger->count > count)
        mr__free(logger->columns[--logger->count].name);
}

static bool set_real(mr__csv_logger *logger, const char *name, double value)
{
    struct column *column = column_of(logger, name);
    if (column) {
        column->kind = REAL;
        column->real = value;
    }
    return column;
}

static bool set_integer(mr__csv_logger *logger, const char *name, int64_t value)
{
    struct column *column = column_of(logger, name);
    if (column) {
        column->kind = INTEGER;
        column->integer = value;
    }
    return column;
}

/* Puts a row into the columns, and makes those that are missing. */
static bool set_row(mr__csv_logger *logger, const mr__csv_row *row)
{
    const double *own_step = NULL;
    bool own_epoch = false;
    for (size_t i = 0; i < logger->count; i++)
        logger->columns[i].kind = EMPTY;
    for (size_t i = 0; i < row->count; i++) {
        if (row->present && !row->present[i])
            continue;
        if (strcmp(row->names[i], "step") == 0) {
            own_step = &row->values[i];
            continue;
        }
        own_epoch |= strcmp(row->names[i], "epoch") == 0;
        if (!set_real(logger, row->names[i], row->values[i]))
            return false;
    }
    if (!own_epoch && !own_step && row->epoch >= 0 && !set_integer(logger, "epoch", row->epoch))
        return false;
    return own_step ? set_real(logger, "step", *own_step) : set_integer(logger, "step", row->step);
}

/* ---- text ---- */

/* Quoted where Python's csv module quotes. */
static void append_name(mr__strbuf *line, const char *name)
{
    if (!name[strcspn(name, ",\"\r\n")]) {
        mr__strbuf_append(line, name);
        return;
    }
    mr__strbuf_append(line, "\"");
    for (; *name; name++) {
        mr__strbuf_append_bytes(line, name, 1);
        if (*name == '"')
            mr__strbuf_append(line, "\"");
    }
    mr__strbuf_append(line, "\"");
}

static void make_header(const mr__csv_logger *logger, mr__strbuf *line)
{
    for (size_t i = 0; i < logger->count; i++) {
        mr__strbuf_append(line, i ? "," : "");
        append_name(line, logger->columns[i].name);
    }
    mr__strbuf_append(line, LINE_END);
}

static void append_integer(mr__strbuf *line, int64_t value)
{
    char text[24], *at = text + sizeof text;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        *--at = '-';
    mr__strbuf_append_bytes(line, at, (size_t)(text + sizeof text - at));
}

static void append_row(mr__csv_logger *logger)
{
    char text[MR__FLOAT_TEXT_BYTES];
    const size_t before = logger->rows.length;
    for (size_t i = 0; i < logger->count; i++) {
        const struct column *column = &logger->columns[i];
        if (i)
            mr__strbuf_append(&logger->rows, ",");
        if (column->kind == REAL)
            mr__strbuf_append(&logger->rows, mr__format_double(text, column->real));
        else if (column->kind == INTEGER)
            append_integer(&logger->rows, column->integer);
    }
    mr__strbuf_append(&logger->rows, LINE_END);
    logger->bytes += (int64_t)(logger->rows.length - before);
    logger->count_rows++;
}

/* Copies lines, each with `commas` empty cells more. */
static void append_widened(mr__strbuf *to, const char *lines, size_t bytes, size_t commas)
{
    const char *end = lines + bytes;
    while (lines < end) {
        const char *next = memmem(lines, (size_t)(end - lines), LINE_END, strlen(LINE_END));
        if (!next)
            next = end;
        mr__strbuf_append_bytes(to, lines, (size_t)(next - lines));
        for (size_t i = 0; i < commas; i++)
            mr__strbuf_append(to, ",");
        mr__strbuf_append(to, LINE_END);
        lines = next < end ? next + strlen(LINE_END) : end;
    }
}

/* ---- new columns ---- */

static mr_status replace_file(const char *path, const mr__strbuf *text)
{
    mr__file_replace file;
    if (text->failed)
        return MR_ERR_MEMORY;
    mr__file_replace_begin(&file, path);
    mr__file_replace_write(&file, text->text, text->length);
    return mr__file_replace_commit(&file);
}

/* Rewrites the file under a header with `more` new columns at its end. */
static mr_status rewrite(mr__csv_logger *logger, const mr__strbuf *header, size_t more)
{
    char *old = NULL;
    size_t size = 0, skip = logger->header.length;
    mr__strbuf text = { 0 };
    mr_status status = mr__csv_logger_flush(logger);
    if (status == MR_OK)
        status = mr__file_read_all(logger->path, &old, &size, 0);
    if (status == MR_OK && (size < skip || memcmp(old, logger->header.text, skip) != 0))
        status = mr__raise(MR_ERR_STATE, "cannot add a column to '%.300s': somebody else has changed it",
                           logger->path);
    if (status == MR_OK) {
        mr__strbuf_append_bytes(&text, header->text, header->length);
        append_widened(&text, old + skip, size - skip, more);
        status = replace_file(logger->path, &text);
    }
    if (status == MR_OK) {
        close(logger->fd); /* of the file that is no more; the next flush opens the new one */
        logger->fd = -1;
        logger->bytes = (int64_t)text.length;
    }
    mr__strbuf_free(&text);
    mr__free(old);
    return status;
}

/* Makes the file fit columns that were `known` until now. */
static mr_status update_header(mr__csv_logger *logger, size_t known)
{
    mr__strbuf header = { 0 };
    mr_status status = MR_OK;
    make_header(logger, &header);
    if (header.failed)
        status = MR_ERR_MEMORY;
    else if (known)
        status = rewrite(logger, &header, logger->count - known);
    else
        status = open_metrics(logger, O_CREAT | O_TRUNC);
    if (status) {
        mr__strbuf_free(&header);
        return status;
    }
    mr__strbuf_free(&logger->header);
    logger->header = header;
    if (!known) {
        mr__strbuf_append_bytes(&logger->rows, header.text, header.length);
        logger->bytes = (int64_t)header.length;
    }
    return MR_OK;
}

/* ---- the interface ---- */

static mr__csv_logger *make(const char *dir)
{
    mr__csv_logger *logger = mr__alloc_zeroed(sizeof *logger);
    if (!logger)
        return NULL;
    logger->fd = -1;
    logger->path = mr__path_join(dir, "metrics.csv");
    if (logger->path)
        return logger;
    mr__csv_logger_close(logger);
    return NULL;
}

mr__csv_logger *mr__csv_logger_open(const char *dir)
{
    mr__csv_logger *logger = make(dir);
    if (logger && write_hparams(dir)) {
        mr__csv_logger_close(logger);
        return NULL;
    }
    return logger;
}

/* Makes columns of the names in a header. */
static mr_status take_header(mr__csv_logger *logger, const char *header, size_t bytes)
{
    mr__strbuf name = { 0 }, again = { 0 };
    mr_status status = MR_OK;
    for (const char *at = header, *end = header + bytes; at < end && !status;) {
        at = mr__csv_next_name(at, end, &name);
        if (name.failed || !column_of(logger, mr__strbuf_text(&name)))
            status = MR_ERR_MEMORY;
    }
    make_header(logger, &again);
    if (!status && again.failed)
        status = MR_ERR_MEMORY;
    if (!status && (again.length != bytes || memcmp(again.text, header, bytes) != 0))
        status =
            mr__raise(MR_ERR_FORMAT, "cannot go on with '%.300s': its header makes no sense", logger->path);
    mr__strbuf_free(&name);
    mr__strbuf_free(&logger->header);
    logger->header = again;
    return status;
}

mr__csv_logger *mr__csv_logger_resume(const char *dir, const mr__csv_mark *mark)
{
    mr__csv_logger *logger = make(dir);
    if (!logger)
        return NULL;
    mr_status status = mr__csv_cut(logger->path, mark);
    if (!status && mark->header_bytes)
        status = take_header(logger, mark->header, mark->header_bytes);
    logger->bytes = mark->bytes;
    logger->count_rows = mark->rows;
    if (!status)
        return logger;
    mr__csv_logger_close(logger);
    return NULL;
}

mr__csv_mark mr__csv_logger_mark(const mr__csv_logger *logger)
{
    return (mr__csv_mark){ logger->bytes, logger->count_rows, mr__strbuf_text(&logger->header),
                           logger->header.length };
}

mr_status mr__csv_logger_sync(mr__csv_logger *logger)
{
    mr_status status = mr__csv_logger_flush(logger);
    if (!status && logger->fd >= 0 && fdatasync(logger->fd) != 0 && errno != EINVAL && errno != EINTR)
        status = mr__io_failed("write", logger->path, errno);
    return status;
}

mr_status mr__csv_logger_write_row(mr__csv_logger *logger, const mr__csv_row *row)
{
    size_t known = logger->count;
    mr_status status = set_row(logger, row) ? MR_OK : MR_ERR_MEMORY;
    if (status == MR_OK && logger->count > known)
        status = update_header(logger, known);
    if (status) {
        drop_columns(logger, known);
        return status;
    }
    append_row(logger);
    if (logger->rows.failed)
        return mr__raise(MR_ERR_MEMORY, "out of memory: a row for '%.300s' wanted", logger->path);
    return logger->rows.length < FULL_BYTES ? MR_OK : mr__csv_logger_flush(logger);
}

mr_status mr__csv_logger_flush(mr__csv_logger *logger)
{
    mr__strbuf *rows = &logger->rows;
    if (rows->length == 0)
        return MR_OK;
    const char *rest = rows->text;
    size_t count = rows->length;
    mr_status status = logger->fd < 0 ? open_metrics(logger, 0) : MR_OK;
    if (status == MR_OK && is_removed(logger->fd))
        status = mr__io_failed("write", logger->path, ENOENT);
    if (status == MR_OK)
        status = write_bytes(logger->fd, logger->path, &rest, &count);
    memmove(rows->text, rest, count); /* for the next try */
    rows->length = count;
    return status;
}

mr_status mr__csv_logger_close(mr__csv_logger *logger)
{
    if (!logger)
        return MR_OK;
    mr_status status = mr__csv_logger_flush(logger), closed = close_file(logger->fd, logger->path);
    drop_columns(logger, 0);
    mr__free(logger->columns);
    mr__strbuf_free(&logger->header);
    mr__strbuf_free(&logger->rows);
    mr__free(logger->path);
    mr__free(logger);
    return status ? status : closed;
}

const char *mr__csv_logger_path(const mr__csv_logger *logger)
{
    return logger->path;
}
