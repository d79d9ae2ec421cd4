/* The head of a frame as pandas 1.5 prints it (pandas/io/formats/format.py, FloatArrayFormatter and
 * IntArrayFormatter): right-aligned columns, whose numbers have room for a sign; floats with the decimals that the
 * column needs, at most six, or with exponents where that would not show small values or be wide for large ones. */
#include "frame.h"

#include "base/alloc.h"
#include "base/c_locale.h"
#include "base/error.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum { CELL = 48, DECIMALS = 6, LONG = DECIMALS + 6 };

/* How a column's numbers are written. */
typedef struct layout {
    int width;
    int decimals;
    char letter; /* 'd', 'f' or 'e' */
} layout;

/* Characters, of which UTF-8 writes some in several bytes. */
static int length_of(const char *text)
{
    int length = 0;
    for (; *text; text++)
        length += ((unsigned char)*text & 0xC0) != 0x80;
    return length;
}

/* The decimals, of six, that are left when the zeros that all values end in are cut; at least one. */
static int decimals_of(const double *values, int64_t rows)
{
    int most = 1;
    for (int64_t i = 0; i < rows; i++) {
        char text[400]; /* the largest double has 309 digits */
        if (!isfinite(values[i]))
            continue;
        snprintf(text, sizeof text, "%.*f", DECIMALS, values[i]);
        int used = DECIMALS;
        for (const char *c = text + strlen(text) - 1; used > most && *c == '0'; c--)
            used--;
        most = used;
    }
    return most;
}

/* Writes a cell with pandas' blank or minus in front; gives its length, which may be more than fits. */
static int write_cell(char text[CELL], const layout *how, double value)
{
    if (isnan(value))
        return snprintf(text, CELL, "NaN");
    if (how->letter == 'd')
        return snprintf(text, CELL, "% .0f", value + 0.0); /* -0 is 0 */
    return snprintf(text, CELL, how->letter == 'e' ? "% .*e" : "% .*f", how->decimals, value);
}

static int widest(const double *values, int64_t rows, const layout *how)
{
    char text[CELL];
    int width = 0;
    for (int64_t i = 0; i < rows; i++) {
        int length = write_cell(text, how, values[i]);
        width = length > width ? length : width;
    }
    return width;
}

static layout layout_of(const mr__column *column, int64_t rows)
{
    layout how = { .letter = column->whole ? 'd' : 'f' };
    bool small = false, large = false;
    if (!column->whole) {
        how.decimals = decimals_of(column->values, rows);
        for (int64_t i = 0; i < rows; i++) {
            double size = fabs(column->values[i]);
            small |= size > 0 && size < 1e-6;
            large |= size > 1e6;
        }
    }
    how.width = widest(column->values, rows, &how);
    if (small || (large && how.width > LONG)) {
        how.letter = 'e';
        how.decimals = DECIMALS;
        how.width = widest(column->values, rows, &how);
    }
    int name = 1 + length_of(column->name);
    how.width = name > how.width ? name : how.width;
    return how;
}

/* ---- printing ---- */

static void print_right(FILE *file, int width, const char *text)
{
    fprintf(file, "%*s%s", width - length_of(text), "", text);
}

static void print_empty(FILE *file, const mr_frame *frame)
{
    fprintf(file, "Empty DataFrame\nColumns: [");
    for (int c = 0; c < frame->columns; c++)
        fprintf(file, c ? ", %s" : "%s", frame->column[c].name);
    fprintf(file, "]\nIndex: []\n");
}

static void print_rows(FILE *file, const mr_frame *frame, const layout *how, int64_t rows)
{
    char text[CELL];
    int index = snprintf(text, sizeof text, "%lld", (long long)(rows - 1));
    fprintf(file, "%*s", index, "");
    for (int c = 0; c < frame->columns; c++) {
        putc(' ', file);
        print_right(file, how[c].width, frame->column[c].name);
    }
    for (int64_t r = 0; r < rows; r++) {
        fprintf(file, "\n%-*lld", index, (long long)r);
        for (int c = 0; c < frame->columns; c++) {
            write_cell(text, &how[c], frame->column[c].values[r]);
            putc(' ', file);
            print_right(file, how[c].width, text);
        }
    }
    putc('\n', file);
}

mr_status mr_frame_print_head(FILE *file, const mr_frame *frame, int64_t rows)
{
    if (!file || !frame)
        return mr__null("frame_print_head", file ? "frame" : "file");
    if (rows < 0)
        rows = rows < -frame->rows ? 0 : frame->rows + rows;
    rows = rows < frame->rows ? rows : frame->rows;
    layout *how = mr__alloc_array((size_t)frame->columns, sizeof *how);
    if (!how)
        return MR_ERR_MEMORY;
    mr__c_locale point = mr__c_locale_enter();
    for (int c = 0; c < frame->columns; c++)
        how[c] = layout_of(&frame->column[c], rows);
    if (rows == 0)
        print_empty(file, frame);
    else
        print_rows(file, frame, how, rows);
    mr__c_locale_leave(&point);
    mr__free(how);
    if (ferror(file))
        return mr__raise(MR_ERR_IO, "frame_print_head: cannot write: %s", strerror(errno));
    return MR_OK;
}
