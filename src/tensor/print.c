/* Laying a tensor out as torch prints it: brackets, lines of 80 columns, and "..." in long ones. */
#include "print_format.h"
#include "tape.h"

#include "base/alloc.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { LINE_WIDTH = 80, EDGE_ITEMS = 3, SHOWN_IN_FULL = 1000 };

#define PREFIX "tensor("

typedef struct printer {
    const mr_tensor *x;
    mr__print_format format;
    bool summarise;
    mr__strbuf *out;
} printer;

/* Of the `size` positions along a dimension, the next one shown after `i`. */
static int64_t next_shown(const printer *p, int64_t size, int64_t i)
{
    bool gap = p->summarise && size > 2 * EDGE_ITEMS && i == EDGE_ITEMS - 1;
    return gap ? size - EDGE_ITEMS : i + 1;
}

/* ---- the common format ----------------------------------------------------------------------- */

typedef void (*visitor)(mr__print_format *format, mr__print_value value);

/* Calls `visit` for each element that is shown. */
static void visit_shown(printer *p, visitor visit, int dim, int64_t offset)
{
    const mr_tensor *x = p->x;
    if (dim == x->ndim) {
        visit(&p->format, mr__print_value_at(x, offset));
        return;
    }
    for (int64_t i = 0; i < x->shape[dim]; i = next_shown(p, x->shape[dim], i))
        visit_shown(p, visit, dim + 1, offset + i * x->stride[dim]);
}

static void find_format(printer *p)
{
    p->format = (mr__print_format){ .min = INFINITY };
    visit_shown(p, mr__print_survey, 0, 0);
    mr__print_survey_end(&p->format, (mr_dtype)p->x->dtype);
    visit_shown(p, mr__print_measure, 0, 0);
}

/* ---- layout ---------------------------------------------------------------------------------- */

static void break_line(mr__strbuf *out, int newlines, int indent)
{
    mr__strbuf_append(out, ",");
    for (int i = 0; i < newlines; i++)
        mr__strbuf_append(out, "\n");
    mr__strbuf_appendf(out, "%*s", indent, "");
}

/* The innermost dimension. The dots count as one of the elements of their line. */
static void print_row(const printer *p, int dim, int64_t offset, int indent)
{
    int64_t size = p->x->shape[dim];
    int per_line = (LINE_WIDTH - indent) / (p->format.width + 2), on_line = 0;
    if (per_line < 1)
        per_line = 1;
    mr__strbuf_append(p->out, "[");
    for (int64_t i = 0, next = 0; i < size; i = next) {
        mr__print_value_append(p->out, &p->format, mr__print_value_at(p->x, offset + i * p->x->stride[dim]));
        next = next_shown(p, size, i);
        for (int items = next > i + 1 ? 2 : 1; items > 0 && next < size; items--) {
            if (++on_line == per_line) {
                break_line(p->out, 1, indent + 1);
                on_line = 0;
            } else {
                mr__strbuf_append(p->out, ", ");
            }
            if (items == 2)
                mr__strbuf_append(p->out, " ...");
        }
    }
    mr__strbuf_append(p->out, "]");
}

static void print_block(const printer *p, int dim, int64_t offset, int indent)
{
    const mr_tensor *x = p->x;
    int below = x->ndim - 1 - dim; /* dimensions, and so empty lines, between the blocks of this one */
    if (below == 0) {
        print_row(p, dim, offset, indent);
        return;
    }
    mr__strbuf_append(p->out, "[");
    for (int64_t i = 0, next = 0; i < x->shape[dim]; i = next) {
        print_block(p, dim + 1, offset + i * x->stride[dim], indent + 1);
        next = next_shown(p, x->shape[dim], i);
        if (next > i + 1) {
            break_line(p->out, below, indent + 1);
            mr__strbuf_append(p->out, "...");
        }
        if (next < x->shape[dim])
            break_line(p->out, below, indent + 1);
    }
    mr__strbuf_append(p->out, "]");
}

static void print_elements(printer *p)
{
    if (p->x->numel == 0) {
        mr__strbuf_append(p->out, "[]");
        return;
    }
    find_format(p);
    if (p->x->ndim == 0)
        mr__print_value_append(p->out, &p->format, mr__print_value_at(p->x, 0));
    else
        print_block(p, 0, 0, (int)strlen(PREFIX));
}

/* ---- what stands behind the elements --------------------------------------------------------- */

/* The length of the last line so far, and one or two more: torch counts a newline that is not there as well. */
static size_t last_line_length(const mr__strbuf *out)
{
    const char *text = mr__strbuf_text(out), *newline = strrchr(text, '\n');
    return newline ? strlen(newline) + 1 : strlen(text) + 2;
}

static void add_suffix(mr__strbuf *out, size_t *line, const char *suffix)
{
    size_t length = strlen(suffix), indent = strlen(PREFIX);
    bool fits = *line + length + 2 <= LINE_WIDTH;
    if (fits)
        mr__strbuf_append(out, ", ");
    else
        break_line(out, 1, (int)indent);
    mr__strbuf_append(out, suffix);
    *line = fits ? *line + length + 2 : indent + length;
}

static void add_size(mr__strbuf *out, size_t *line, const mr_tensor *x)
{
    char text[32 + 24 * MR_MAX_DIMS];
    int used = snprintf(text, sizeof text, "size=(");
    for (int d = 0; d < x->ndim; d++)
        used += snprintf(text + used, sizeof text - (size_t)used, "%s%lld", d ? ", " : "",
                         (long long)x->shape[d]);
    snprintf(text + used, sizeof text - (size_t)used, ")");
    add_suffix(out, line, text);
}

static void add_suffixes(mr__strbuf *out, const mr_tensor *x)
{
    size_t line = last_line_length(out);
    bool obvious = x->dtype == MR_FLOAT32 || (x->numel && (x->dtype == MR_INT64 || x->dtype == MR_BOOL));
    if (x->numel == 0 && x->ndim != 1)
        add_size(out, &line, x);
    if (!obvious) {
        char text[48];
        snprintf(text, sizeof text, "dtype=torch.%s", mr_dtype_name((mr_dtype)x->dtype));
        add_suffix(out, &line, text);
    }
    if (x->grad && !x->tape)
        add_suffix(out, &line, "requires_grad=True");
}

static mr_status print_to(mr__strbuf *out, const mr_tensor *x)
{
    printer p = { .x = x, .summarise = x->numel > SHOWN_IN_FULL, .out = out };
    mr__strbuf_append(out, PREFIX);
    print_elements(&p);
    add_suffixes(out, x);
    mr__strbuf_append(out, ")");
    return out->failed ? MR_ERR_MEMORY : MR_OK;
}

/* ---- public ---------------------------------------------------------------------------------- */

mr_status mr_tensor_print(FILE *file, const mr_tensor *x)
{
    if (!mr__live("tensor_print", x, "tensor"))
        return mr_error_status();
    if (!file)
        return mr__null("tensor_print", "file");
    mr__strbuf out = { 0 };
    mr_status status = print_to(&out, x);
    if (status == MR_OK && fwrite(out.text, 1, out.length, file) != out.length)
        status = mr__raise(MR_ERR_IO, "tensor_print: cannot write: %s", strerror(errno));
    mr__strbuf_free(&out);
    return status;
}

char *mr_tensor_to_string(const mr_tensor *x)
{
    if (!mr__live("tensor_to_string", x, "tensor"))
        return NULL;
    mr__strbuf out = { 0 };
    char *text = NULL;
    if (print_to(&out, x) == MR_OK) {
        text = malloc(out.length + 1); /* not the library's allocator: the caller frees it by free() */
        if (text)
            memcpy(text, out.text, out.length + 1);
        else
            mr__raise(MR_ERR_MEMORY, "tensor_to_string: out of memory");
    }
    mr__strbuf_free(&out);
    return text;
}
