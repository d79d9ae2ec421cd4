/* The head of a frame as pandas prints it: right-aligned columns two spaces apart, floats with the digits that
 * six significant decimals of the column need. */
#include "frame.h"

#include "base/error.h"

#include <math.h>
#include <string.h>

enum { CELL = 48, DECIMALS = 6 };

/* Decimals that the column's values need, at most six: pandas cuts the zeros that all of them end in. */
static int decimals_of(const double *values, int64_t rows)
{
    int most = 1;
    for (int64_t i = 0; i < rows; i++) {
        char text[400];
        if (!isfinite(values[i]))
            continue;
        snprintf(text, sizeof text, "%.*f", DECIMALS, values[i]);
        int used = DECIMALS;
        for (char *c = text + strlen(text) - 1; used > 1 && *c == '0'; c--)
            used--;
        most = used > most ? used : most;
    }
    return most;
}

static void cell_text(char text[CELL], const mr_frame *frame, int column, int64_t row, int decimals)
{
    double value = frame->values[column][row];
    if (isnan(value))
        snprintf(text, CELL, "NaN");
    else if (frame->whole[column])
        snprintf(text, CELL, "%.0f", value);
    else
        snprintf(text, CELL, fabs(value) < 1e12 ? "%.*f" : "%.*e", decimals, value);
}

mr_status mr_frame_print_head(FILE *file, const mr_frame *frame, int64_t rows)
{
    enum { MOST = 64 };
    int width[MOST], decimals[MOST], index_width = 1;
    char text[CELL];
    if (!file || !frame)
        return mr__null("frame_print_head", file ? "frame" : "file");
    if (frame->columns > MOST)
        return mr__raise(MR_ERR_ARGUMENT, "frame_print_head: %d columns; at most %d are printed",
                         frame->columns, MOST);
    rows = rows < frame->rows ? rows : frame->rows;
    for (int64_t last = rows - 1; last >= 10; last /= 10)
        index_width++;
    for (int c = 0; c < frame->columns; c++) {
        width[c] = (int)strlen(frame->names[c]);
        decimals[c] = decimals_of(frame->values[c], rows);
        for (int64_t r = 0; r < rows; r++) {
            cell_text(text, frame, c, r, decimals[c]);
            width[c] = (int)strlen(text) > width[c] ? (int)strlen(text) : width[c];
        }
    }
    fprintf(file, "%*s", index_width, "");
    for (int c = 0; c < frame->columns; c++)
        fprintf(file, "  %*s", width[c], frame->names[c]);
    for (int64_t r = 0; r < rows; r++) {
        fprintf(file, "\n%-*lld", index_width, (long long)r);
        for (int c = 0; c < frame->columns; c++) {
            cell_text(text, frame, c, r, decimals[c]);
            fprintf(file, "  %*s", width[c], text);
        }
    }
    return putc('\n', file) == EOF ? mr__raise(MR_ERR_IO, "frame_print_head: cannot write to the file")
                                   : MR_OK;
}
