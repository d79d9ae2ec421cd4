/*
 * metrics.csv as Lightning 2.0's CSVLogger writes it, and its merged sister.
 *
 * Columns are in the order in which they first appear: a row's metrics, then epoch, then step, so that the first row
 * usually gives `loss,epoch,step`; merged rows begin with epoch and step. A metric that appears later gets a column
 * behind those, and the file is rewritten (under a temporary name that is then renamed).
 *
 * A merged row is complete when one with another number comes. Until then flush writes it as it is, to be taken off again.
 */
#include "csv_cut.h"
#include "csv_table.h"
#include "log_file.h"
#include "logger.h"

#include "base/alloc.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

typedef struct csv {
    bool merged;
    char *given; /* path; NULL: that in the version folder */
    mr__log_file file;
    mr__csv_table table;
    mr__strbuf header;   /* the file's first line */
    int64_t bytes, rows; /* of the file, with what is not yet written, but for a row that is not complete */
    bool pending;        /* the table's row is not complete */
    bool shown;          /* … and in the file */
    mr__strbuf position;
} csv;

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
static mr_status rewrite(csv *c, const mr__strbuf *header, size_t more)
{
    char *old = NULL;
    size_t size = 0, skip = c->header.length;
    mr__strbuf text = { 0 };
    mr_status status = mr__log_file_flush(&c->file);
    if (status == MR_OK)
        status = mr__file_read_all(c->file.path, &old, &size, 0);
    if (status == MR_OK && (size < skip || memcmp(old, c->header.text, skip) != 0))
        status = mr__raise(MR_ERR_STATE, "cannot add a column to '%.300s': somebody else has changed it",
                           c->file.path);
    if (status == MR_OK) {
        mr__strbuf_append_bytes(&text, header->text, header->length);
        mr__csv_append_widened(&text, old + skip, size - skip, more);
        status = replace_file(c->file.path, &text);
    }
    if (status == MR_OK) {
        (void)mr__log_file_let_go(
            &c->file); /* of the file that is no more; the next flush opens the new one */
        mr_error_clear();
        c->bytes = (int64_t)text.length;
    }
    mr__strbuf_free(&text);
    mr__free(old);
    return status;
}

/* Makes the file fit columns that were `known` until now; makes it, if there is none yet. */
static mr_status update_header(csv *c, size_t known)
{
    mr__strbuf header = { 0 };
    const bool first = c->header.length == 0;
    mr_status status = MR_OK;
    mr__csv_append_header(&c->table, &header);
    if (header.failed)
        status = MR_ERR_MEMORY;
    else if (first)
        status = mr__log_file_open(&c->file, O_CREAT | O_TRUNC);
    else
        status = rewrite(c, &header, c->table.count - known);
    if (status) {
        mr__strbuf_free(&header);
        return status;
    }
    mr__strbuf_free(&c->header);
    c->header = header;
    if (!first)
        return MR_OK;
    mr__strbuf_append_bytes(&c->file.rest, header.text, header.length);
    c->bytes = (int64_t)header.length;
    return mr__log_file_added(&c->file);
}

/* ---- rows ---- */

static mr_status append_row(csv *c)
{
    const size_t before = c->file.rest.length;
    mr__csv_append_row(&c->table, &c->file.rest);
    const int64_t bytes = (int64_t)(c->file.rest.length - before);
    mr_status status = mr__log_file_added(&c->file);
    c->bytes += bytes;
    c->rows++;
    return status;
}

/* Takes a row that is not complete off the file. */
static mr_status hide(csv *c)
{
    if (!c->shown)
        return MR_OK;
    c->shown = false;
    c->file.rest.length = c->file.whole = 0;
    return ftruncate(c->file.fd, c->bytes) ? mr__io_failed("write", c->file.path, errno) : MR_OK;
}

static mr_status show(csv *c)
{
    if (!c->pending || c->shown)
        return MR_OK;
    c->shown = true;
    mr__csv_append_row(&c->table, &c->file.rest);
    mr_status status = mr__log_file_added(&c->file);
    return status ? status : mr__log_file_flush(&c->file);
}

static double number_of(const mr_log_row *row)
{
    const double *own = mr__row_value(row, "step");
    return own ? *own : (double)row->step;
}

static double number_of_pending(csv *c)
{
    const mr__csv_column *step = mr__csv_column_of(&c->table, "step"); /* which there is */
    return step->cell.kind == MR__CSV_REAL ? step->cell.real : (double)step->cell.integer;
}

/* The row before is complete, if this one is another. */
static mr_status begin_merged(csv *c, const mr_log_row *row)
{
    mr_status status = hide(c);
    if (!status && c->pending && number_of(row) != number_of_pending(c)) {
        c->pending = false;
        status = append_row(c);
    }
    if (!c->pending)
        mr__csv_clear_row(&c->table);
    return status;
}

/* The table's row, with columns that are new. */
static mr_status set_row(csv *c, const mr_log_row *row)
{
    const size_t known = c->table.count;
    mr_status status = mr__csv_set_row(&c->table, row) ? MR_OK : MR_ERR_MEMORY;
    if (!status && (c->table.count > known || !c->header.length))
        status = update_header(c, known);
    if (status)
        mr__csv_drop_columns(&c->table, known);
    return status;
}

/* A row of another count than the steps' is complete at once, and comes before that which is not. */
static mr_status append_apart(csv *c, const mr_log_row *row)
{
    mr_status status = hide(c);
    if (status)
        return status;
    mr__csv_hold_row(&c->table);
    status = set_row(c, row);
    if (!status)
        status = append_row(c);
    mr__csv_release_row(&c->table);
    return status;
}

static mr_status row(void *self, const mr_log_row *row)
{
    csv *c = self;
    if (c->merged && (row->kind == MR_ROW_VALIDATION_STEP || row->kind == MR_ROW_TEST_STEP))
        return append_apart(c, row);
    mr_status status = MR_OK;
    if (c->merged)
        status = begin_merged(c, row);
    else
        mr__csv_clear_row(&c->table);
    if (!status)
        status = set_row(c, row);
    if (status)
        return status;
    c->pending = c->merged;
    return c->merged ? MR_OK : append_row(c);
}

static mr_status flush(void *self)
{
    csv *c = self;
    mr_status status = mr__log_file_flush(&c->file);
    return status ? status : show(c);
}

static mr_status sync_file(void *self)
{
    mr_status status = flush(self);
    return status ? status : mr__log_file_sync(&((csv *)self)->file);
}

/* ---- positions: csv_cut.h has the beginning; behind that come the cells of a row that is not complete ---- */

static mr_status tell(void *self, const void **position, size_t *bytes)
{
    csv *c = self;
    const int64_t numbers[] = { c->bytes, c->rows, (int64_t)c->header.length };
    mr__strbuf_clear(&c->position);
    mr__strbuf_append_bytes(&c->position, numbers, sizeof numbers);
    mr__strbuf_append_bytes(&c->position, c->header.text, c->header.length);
    for (size_t i = 0; c->pending && i < c->table.count; i++) {
        const mr__csv_cell *cell = &c->table.column[i].cell;
        const int64_t kind = cell->kind;
        mr__strbuf_append_bytes(&c->position, &kind, sizeof kind);
        mr__strbuf_append_bytes(&c->position, &cell->integer, sizeof cell->integer);
        mr__strbuf_append_bytes(&c->position, &cell->real, sizeof cell->real);
    }
    *position = c->position.text;
    *bytes = c->position.length;
    return c->position.failed ? MR_ERR_MEMORY : MR_OK;
}

static mr_status makes_no_sense(const csv *c)
{
    return mr__raise(MR_ERR_FORMAT, "what the checkpoint says of '%.300s' makes no sense", c->file.path);
}

static mr_status read_mark(const csv *c, const mr_log_run *run, mr__csv_mark *mark)
{
    int64_t numbers[3];
    if (run->position_bytes < sizeof numbers)
        return makes_no_sense(c);
    memcpy(numbers, run->position, sizeof numbers);
    if (numbers[2] < 0 || (uint64_t)numbers[2] > run->position_bytes - sizeof numbers)
        return makes_no_sense(c);
    *mark = (mr__csv_mark){ numbers[0], numbers[1], (const char *)run->position + sizeof numbers,
                            (size_t)numbers[2] };
    return MR_OK;
}

/* Makes columns of the names in a header. */
static mr_status take_header(csv *c, const mr__csv_mark *mark)
{
    mr__strbuf name = { 0 };
    mr_status status = MR_OK;
    for (const char *at = mark->header, *end = at + mark->header_bytes; at < end && !status;) {
        at = mr__csv_next_name(at, end, &name);
        if (name.failed || !mr__csv_column_of(&c->table, mr__strbuf_text(&name)))
            status = MR_ERR_MEMORY;
    }
    mr__strbuf_free(&name);
    if (mark->header_bytes)
        mr__csv_append_header(&c->table, &c->header);
    if (!status && c->header.failed)
        status = MR_ERR_MEMORY;
    if (!status && (c->header.length != mark->header_bytes ||
                    memcmp(mr__strbuf_text(&c->header), mark->header, mark->header_bytes) != 0))
        status =
            mr__raise(MR_ERR_FORMAT, "cannot go on with '%.300s': its header makes no sense", c->file.path);
    return status;
}

static mr_status take_cells(csv *c, const char *from, size_t bytes)
{
    enum { CELL_BYTES = 24 };
    if (!bytes)
        return MR_OK;
    if (!c->merged || bytes != c->table.count * CELL_BYTES)
        return makes_no_sense(c);
    for (size_t i = 0; i < c->table.count; i++, from += CELL_BYTES) {
        mr__csv_cell *cell = &c->table.column[i].cell;
        int64_t kind;
        memcpy(&kind, from, sizeof kind);
        memcpy(&cell->integer, from + 8, sizeof cell->integer);
        memcpy(&cell->real, from + 16, sizeof cell->real);
        cell->kind = kind == MR__CSV_REAL      ? MR__CSV_REAL
                     : kind == MR__CSV_INTEGER ? MR__CSV_INTEGER
                                               : MR__CSV_EMPTY;
    }
    c->pending = true;
    return MR_OK;
}

typedef mr_status cutting(const char *path, const mr__csv_mark *mark);

static mr_status go_on_behind(csv *c, const mr__csv_mark *mark, cutting *cut)
{
    mr_status status = cut(c->file.path, mark);
    if (!status)
        status = take_header(c, mark);
    c->bytes = mark->bytes;
    c->rows = mark->rows;
    return status;
}

/* Behind all that there is. */
static mr_status go_on_at_end(csv *c)
{
    mr__csv_mark mark;
    char *text;
    mr_status status = mr__csv_end(c->file.path, &text, &mark);
    if (!status)
        status = go_on_behind(c, &mark, mr__csv_cut);
    mr__free(text);
    return status;
}

static mr_status go_on(csv *c, const mr_log_run *run, cutting *cut)
{
    mr__csv_mark mark;
    mr_status status = read_mark(c, run, &mark);
    if (!status)
        status = go_on_behind(c, &mark, cut);
    if (status)
        return status;
    const char *cells = mark.header + mark.header_bytes;
    return take_cells(c, cells, run->position_bytes - (size_t)(cells - (const char *)run->position));
}

/* ---- opening and closing ---- */

/* Merged rows begin with epoch and step. */
static bool add_first_columns(csv *c)
{
    return !c->merged || (mr__csv_column_of(&c->table, "epoch") && mr__csv_column_of(&c->table, "step"));
}

static mr_status close_all(void *self)
{
    csv *c = self;
    mr_status status = c->pending && !c->shown ? append_row(c) : MR_OK; /* one that is shown may stay */
    mr_status closed = mr__log_file_close(&c->file);
    mr__csv_table_free(&c->table);
    mr__strbuf_free(&c->header);
    mr__strbuf_free(&c->position);
    *c = (csv){ .merged = c->merged, .given = c->given };
    return status ? status : closed;
}

static mr_status init_file(csv *c, const mr_log_run *run)
{
    return mr__log_file_init(&c->file, c->merged ? "csv_merged" : "csv", c->given, run->dir,
                             c->merged ? "merged.csv" : "metrics.csv");
}

static mr_status check_log(void *self, const mr_log_run *run)
{
    csv *c = self;
    mr_status status = init_file(c, run);
    if (!status)
        status = go_on(c, run, mr__csv_check);
    c->pending = false;
    (void)close_all(c);
    return status;
}

static mr_status open_log(void *self, const mr_log_run *run)
{
    csv *c = self;
    mr_status status = init_file(c, run);
    if (!status)
        status = run->position     ? go_on(c, run, mr__csv_cut)
                 : run->evaluation ? go_on_at_end(c)
                                   : mr__csv_remove(c->file.path);
    if (!status && !add_first_columns(c))
        status = MR_ERR_MEMORY;
    if (!status && run->evaluation && c->pending) { /* nothing more of the training comes */
        c->pending = false;
        status = append_row(c);
    }
    if (status) {
        c->pending = false;
        (void)close_all(c);
    }
    return status;
}

static void destroy(void *self)
{
    mr__free(((csv *)self)->given);
}

#define VTABLE(called)                                                                                   \
    {                                                                                                    \
        .name = (called), .open = open_log, .row = row, .flush = flush, .sync = sync_file, .tell = tell, \
        .close = close_all, .destroy = destroy, .check = check_log                                       \
    }
static const mr_logger_vtable long_vtable = VTABLE("csv"), merged_vtable = VTABLE("csv_merged");
#undef VTABLE

mr_logger *mr_csv_logger_new(const mr_csv_logger_opts *opts)
{
    csv c = { .merged = opts && opts->merged };
    if (opts && opts->path && !(c.given = mr__strdup(opts->path)))
        return NULL;
    mr_logger *logger = mr_logger_new(c.merged ? &merged_vtable : &long_vtable, &c, sizeof c);
    if (!logger)
        mr__free(c.given);
    return logger;
}
