/* The table of a summary, as Lightning 2.0's ModelSummary prints it, with more columns where an example was run. */
#include "summary.h"

#include "base/strbuf.h"

#include <stdio.h>

enum { MOST_COLUMNS = 8, CELL_BYTES = 200 };

/* One line of the table: number, name, type, parameters, and with an example FLOPs, sizes, bytes. */
typedef struct line {
    const char *cell[MOST_COLUMNS];
    char number[32], count[32], flops[32], in[CELL_BYTES], out[CELL_BYTES], bytes[32];
} line;

/* ---- numbers ---- */

enum { NUMBER_BYTES = 32 };

/* A number in fixed notation with commas between thousands, as Python's "{:,.Nf}". */
static void with_commas(char out[NUMBER_BYTES], double value, int decimals)
{
    char text[NUMBER_BYTES];
    snprintf(text, sizeof text, "%.*f", decimals, value);
    size_t digits = strspn(text, "0123456789"), to = 0;
    for (size_t i = 0; text[i] && to + 2 < NUMBER_BYTES; i++) {
        if (i && i < digits && (digits - i) % 3 == 0)
            out[to++] = ',';
        out[to++] = i == digits ? '.' : text[i]; /* whatever the locale's point is */
    }
    out[to] = '\0';
}

/* "48  ", "1.0 K", "132 K", "2.4 M": Lightning's get_human_readable_count. */
static void human_readable(char out[NUMBER_BYTES], double count)
{
    static const double scale[] = { 1.0, 1e-3, 1e-6, 1e-9, 1e-12 };
    static const char *const unit[] = { "  ", " K", " M", " B", " T" };
    int group = 0;
    for (double rest = count; rest >= 1000 && group < 4; rest /= 1000)
        group++;
    double value = count * scale[group];
    if (group == 0 || value >= 100.0)
        with_commas(out, trunc(value), 0);
    else
        with_commas(out, value, 1);
    snprintf(out + strlen(out), NUMBER_BYTES - strlen(out), "%s", unit[group]);
}

/* As Python prints a list. */
static void write_shape(char out[CELL_BYTES], const mr_shape *shape)
{
    int length = snprintf(out, CELL_BYTES, "[");
    for (int i = 0; i < shape->ndim; i++)
        length += snprintf(out + length, (size_t)(CELL_BYTES - length), "%s%lld", i ? ", " : "",
                           (long long)shape->dim[i]);
    snprintf(out + length, (size_t)(CELL_BYTES - length), "]");
}

/* In megabytes. Of one element first, as Lightning does, so that it rounds as there. */
static double megabytes(const mr_summary *s)
{
    const double all = (double)s->total.parameters;
    return all > 0 ? all * (s->parameter_bytes / all * 1e-6) : 0.0;
}

/* ---- the table ---- */

static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80; /* characters of UTF-8, not bytes */
    return width;
}

static void append_row(mr__strbuf *table, const char *const *cell, const size_t *width, int columns)
{
    for (int c = 0; c < columns; c++) {
        mr__strbuf_append(table, c ? " | " : "");
        mr__strbuf_appendf(table, "%s%*s", cell[c], (int)(width[c] - width_of(cell[c])), "");
    }
    mr__strbuf_append(table, "\n");
}

static void append_divider(mr__strbuf *table, const size_t *width, int columns)
{
    size_t dashes = 3 * (size_t)(columns + 1);
    for (int c = 0; c < columns; c++)
        dashes += width[c];
    while (dashes--)
        mr__strbuf_append(table, "-");
    mr__strbuf_append(table, "\n");
}

static void append_rows(mr__strbuf *table, const line *lines, size_t count, int columns)
{
    static const char *const header[MOST_COLUMNS] = { " ",     "Name",     "Type",      "Params",
                                                      "FLOPs", "In sizes", "Out sizes", "Act. bytes" };
    size_t width[MOST_COLUMNS];
    for (int c = 0; c < columns; c++) {
        width[c] = width_of(header[c]);
        for (size_t i = 0; i < count; i++)
            if (width[c] < width_of(lines[i].cell[c]))
                width[c] = width_of(lines[i].cell[c]);
    }
    append_row(table, header, width, columns);
    append_divider(table, width, columns);
    for (size_t i = 0; i < count; i++)
        append_row(table, lines[i].cell, width, columns);
    append_divider(table, width, columns);
}

static void append_total(mr__strbuf *table, double count, const char *what)
{
    char number[NUMBER_BYTES];
    human_readable(number, count);
    mr__strbuf_appendf(table, "%-10s%s", number, what);
}

static void append_totals(mr__strbuf *table, const mr_summary *s)
{
    char size[NUMBER_BYTES];
    append_total(table, (double)s->total.trainable, "Trainable params\n");
    append_total(table, (double)(s->total.parameters - s->total.trainable), "Non-trainable params\n");
    append_total(table, (double)s->total.parameters, "Total params\n");
    with_commas(size, megabytes(s), 3);
    mr__strbuf_appendf(table, "%-10sTotal estimated model params size (MB)", size);
    if (!s->total.ran)
        return;
    mr__strbuf_append(table, "\n");
    append_total(table, s->total.flops, "Total FLOPs of the example\n");
    with_commas(size, s->total.activation_bytes * 1e-6, 3);
    mr__strbuf_appendf(table, "%-10sActivations of the example (MB)", size);
}

/* ---- the lines ---- */

static void set_line(line *l, const mr_summary_row *row)
{
    human_readable(l->count, (double)row->parameters);
    human_readable(l->flops, row->flops);
    human_readable(l->bytes, row->activation_bytes);
    snprintf(l->in, sizeof l->in, "?");
    snprintf(l->out, sizeof l->out, "?");
    if (row->ran) {
        write_shape(l->in, &row->in);
        write_shape(l->out, &row->out);
    }
    const char *const cells[MOST_COLUMNS] = { l->number, row->name, row->type, l->count,
                                              l->flops,  l->in,     l->out,    l->bytes };
    memcpy(l->cell, cells, sizeof cells);
}

char *mr__summary_table(const mr_summary *s)
{
    static const char *const nothing = "n/a";
    const int columns = s->total.ran ? MOST_COLUMNS : 4;
    const mr_summary_row rest = { .name = "other params", .type = nothing, .parameters = s->other };
    line *lines = mr__alloc_array(s->count + 1, sizeof *lines);
    mr__strbuf table = { 0 };
    size_t count = 0;
    if (!lines)
        return NULL;
    for (; count < s->count; count++) {
        snprintf(lines[count].number, sizeof lines->number, "%zu", count);
        set_line(&lines[count], &s->row[count]);
    }
    if (s->other > 0) { /* parameters of the model's own */
        snprintf(lines[count].number, sizeof lines->number, " ");
        set_line(&lines[count], &rest);
        for (int c = 4; c < MOST_COLUMNS; c++)
            lines[count].cell[c] = nothing;
        count++;
    }
    append_rows(&table, lines, count, columns);
    append_totals(&table, s);
    mr__free(lines);
    char *text = mr__strbuf_take(&table);
    mr__strbuf_free(&table);
    return text;
}
