#include "summary.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "base/strbuf.h"

#include <stdio.h>
#include <string.h>

enum { COLUMNS = 4, CELL_BYTES = 32 };

/* One line of the table: number, name, type, parameters. */
struct row {
    const char *cell[COLUMNS];
    char number[CELL_BYTES], count[CELL_BYTES];
};

struct totals {
    int64_t all, trainable;
    double bytes;
};

/* ---- numbers ---- */

/* A number in fixed notation with commas between thousands, as Python's "{:,.Nf}". */
static void with_commas(char out[CELL_BYTES], double value, int decimals)
{
    char text[CELL_BYTES];
    snprintf(text, sizeof text, "%.*f", decimals, value);
    size_t digits = strspn(text, "0123456789"), to = 0;
    for (size_t i = 0; text[i] && to + 2 < CELL_BYTES; i++) {
        if (i && i < digits && (digits - i) % 3 == 0)
            out[to++] = ',';
        out[to++] = i == digits ? '.' : text[i]; /* whatever the locale's point is */
    }
    out[to] = '\0';
}

/* "48  ", "1.0 K", "132 K", "2.4 M": Lightning's get_human_readable_count. */
static void human_readable(char out[CELL_BYTES], int64_t count)
{
    static const double scale[] = { 1.0, 1e-3, 1e-6, 1e-9, 1e-12 };
    static const char *const unit[] = { "  ", " K", " M", " B", " T" };
    int group = 0;
    for (int64_t rest = count / 1000; rest && group < 4; rest /= 1000)
        group++;
    double value = (double)count * scale[group];
    if (group == 0 || value >= 100.0)
        with_commas(out, (double)(int64_t)value, 0);
    else
        with_commas(out, value, 1);
    snprintf(out + strlen(out), CELL_BYTES - strlen(out), "%s", unit[group]);
}

static struct totals count_parameters(mr_params params)
{
    struct totals totals = { 0, 0, 0.0 };
    for (size_t i = 0; i < params.count; i++) {
        const mr_tensor *x = params.item[i].tensor;
        int64_t count = mr_tensor_numel(x);
        totals.all += count;
        totals.trainable += mr_tensor_requires_grad(x) ? count : 0;
        totals.bytes += (double)count * (double)mr_dtype_size(mr_tensor_dtype(x));
    }
    return totals;
}

/* In megabytes. Of one element first, as Lightning does, so that it rounds as there. */
static double megabytes(const struct totals *totals)
{
    return totals->all ? (double)totals->all * (totals->bytes / (double)totals->all * 1e-6) : 0.0;
}

/* ---- the table ---- */

static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80; /* characters of UTF-8, not bytes */
    return width;
}

static void append_row(mr__strbuf *table, const char *const cell[COLUMNS], const size_t width[COLUMNS])
{
    for (int c = 0; c < COLUMNS; c++) {
        mr__strbuf_append(table, c ? " | " : "");
        mr__strbuf_appendf(table, "%s%*s", cell[c], (int)(width[c] - width_of(cell[c])), "");
    }
    mr__strbuf_append(table, "\n");
}

static void append_divider(mr__strbuf *table, const size_t width[COLUMNS])
{
    size_t dashes = 3 * (COLUMNS + 1);
    for (int c = 0; c < COLUMNS; c++)
        dashes += width[c];
    while (dashes--)
        mr__strbuf_append(table, "-");
    mr__strbuf_append(table, "\n");
}

static void append_rows(mr__strbuf *table, const struct row *rows, size_t count)
{
    static const char *const header[COLUMNS] = { " ", "Name", "Type", "Params" };
    size_t width[COLUMNS];
    for (int c = 0; c < COLUMNS; c++) {
        width[c] = width_of(header[c]);
        for (size_t i = 0; i < count; i++)
            if (width[c] < width_of(rows[i].cell[c]))
                width[c] = width_of(rows[i].cell[c]);
    }
    append_row(table, header, width);
    append_divider(table, width);
    for (size_t i = 0; i < count; i++)
        append_row(table, rows[i].cell, width);
    append_divider(table, width);
}

static void append_totals(mr__strbuf *table, const struct totals *totals)
{
    char trainable[CELL_BYTES], rest[CELL_BYTES], all[CELL_BYTES], size[CELL_BYTES];
    human_readable(trainable, totals->trainable);
    human_readable(rest, totals->all - totals->trainable);
    human_readable(all, totals->all);
    with_commas(size, megabytes(totals), 3);
    mr__strbuf_appendf(table, "%-10sTrainable params\n%-10sNon-trainable params\n%-10sTotal params\n",
                       trainable, rest, all);
    mr__strbuf_appendf(table, "%-10sTotal estimated model params size (MB)", size);
}

/* ---- the rows ---- */

static size_t count_children(const mr_module *module)
{
    size_t count = 0;
    while (mr_module_child(module, count, NULL))
        count++;
    return count;
}

static void set_row(struct row *row, const char *name, const char *type, int64_t count)
{
    human_readable(row->count, count);
    row->cell[0] = row->number;
    row->cell[1] = name;
    row->cell[2] = type;
    row->cell[3] = row->count;
}

/* A row for each child and, if the module has parameters of its own, one for those. */
static bool fill_rows(struct row *rows, size_t *count, mr_module *module, int64_t total)
{
    const char *name = NULL;
    for (mr_module *child; (child = mr_module_child(module, *count, &name)); ++*count) {
        mr_params params = mr_module_parameters(child);
        if (!params.item)
            return false;
        int64_t here = count_parameters(params).all;
        snprintf(rows[*count].number, CELL_BYTES, "%zu", *count);
        set_row(&rows[*count], name, mr_module_type(child), here);
        total -= here;
    }
    if (total > 0) {
        snprintf(rows[*count].number, CELL_BYTES, " ");
        set_row(&rows[(*count)++], "other params", "n/a", total);
    }
    return true;
}

char *mr__summary_text(mr_module *module)
{
    mr_params params = mr_module_parameters(module);
    if (!params.item)
        return NULL;
    struct totals totals = count_parameters(params);
    struct row *rows = mr__alloc_array(count_children(module) + 1, sizeof *rows);
    size_t count = 0;
    mr__strbuf table = { 0 };
    if (rows && fill_rows(rows, &count, module, totals.all)) {
        append_rows(&table, rows, count);
        append_totals(&table, &totals);
    }
    mr__free(rows);
    return table.length ? mr__strbuf_take(&table) : NULL;
}

mr_status mr__summary_log(mr_module *module)
{
    char *text = mr__summary_text(module);
    if (!text)
        return mr_error_status();
    mr__log(MR_LOG_INFO, "%s", "");
    for (char *line = text, *end; line; line = end) {
        end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        mr__log(MR_LOG_INFO, "%s", line);
    }
    mr__free(text);
    return MR_OK;
}
