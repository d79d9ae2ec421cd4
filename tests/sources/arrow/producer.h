/* A producer of Arrow streams for tests: schemas and arrays are put together from pieces, and counted until they are released. */
#ifndef PRODUCER_H
#define PRODUCER_H

#include "check.h"

#include <millrace/sources/arrow.h>

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

enum { MOST_PIECES = 64, MOST_BATCHES = 8 };

/* What is alive: schemas, arrays and streams that nobody has released yet. */
static int pieces_live;

static struct ArrowSchema schemas[MOST_PIECES];
static struct ArrowSchema *schema_children[MOST_PIECES][8];
static struct ArrowArray arrays[MOST_PIECES];
static struct ArrowArray *array_children[MOST_PIECES][8];
static const void *array_buffers[MOST_PIECES][3];
static int schemas_made, arrays_made;

/* ---- schemas ---- */

static void schema_release(struct ArrowSchema *s)
{
    for (int64_t i = 0; s->children && i < s->n_children && i < 8; i++)
        if (s->children[i] && s->children[i]->release)
            s->children[i]->release(s->children[i]);
    if (s->dictionary && s->dictionary->release)
        s->dictionary->release(s->dictionary);
    s->release = NULL;
    pieces_live--;
}

/* With this many children, which follow. */
static struct ArrowSchema *schema(const char *format, const char *name, int children, ...)
{
    const int at = schemas_made++ % MOST_PIECES;
    va_list list;
    va_start(list, children);
    for (int i = 0; i < children; i++)
        schema_children[at][i] = va_arg(list, struct ArrowSchema *);
    va_end(list);
    schemas[at] = (struct ArrowSchema){ .format = format,
                                        .name = name,
                                        .flags = ARROW_FLAG_NULLABLE,
                                        .n_children = children,
                                        .children = children ? schema_children[at] : NULL,
                                        .release = schema_release };
    pieces_live++;
    return &schemas[at];
}

static inline struct ArrowSchema *by_dictionary(struct ArrowSchema *indices, struct ArrowSchema *values)
{
    indices->dictionary = values;
    return indices;
}

/* ---- arrays ---- */

static void array_release(struct ArrowArray *a)
{
    for (int64_t i = 0; a->children && i < a->n_children && i < 8; i++)
        if (a->children[i] && a->children[i]->release)
            a->children[i]->release(a->children[i]);
    if (a->dictionary && a->dictionary->release)
        a->dictionary->release(a->dictionary);
    a->release = NULL;
    pieces_live--;
}

/* With as many buffers as its type has; `nulls` is a bitmap of the values that are there, or NULL. */
static struct ArrowArray *array(int64_t length, int buffers, const void *nulls, const void *first,
                                const void *second, int children, ...)
{
    const int at = arrays_made++ % MOST_PIECES;
    va_list list;
    va_start(list, children);
    for (int i = 0; i < children; i++)
        array_children[at][i] = va_arg(list, struct ArrowArray *);
    va_end(list);
    memcpy(array_buffers[at], (const void *[]){ nulls, first, second }, sizeof array_buffers[at]);
    arrays[at] = (struct ArrowArray){ .length = length,
                                      .null_count = nulls ? -1 : 0,
                                      .n_buffers = buffers,
                                      .n_children = children,
                                      .buffers = array_buffers[at],
                                      .children = children ? array_children[at] : NULL,
                                      .release = array_release };
    pieces_live++;
    return &arrays[at];
}

static inline struct ArrowArray *numbers(int64_t length, const void *nulls, const void *values)
{
    return array(length, 2, nulls, values, NULL, 0);
}

static inline struct ArrowArray *indices(struct ArrowArray *places, struct ArrowArray *values)
{
    places->dictionary = values;
    return places;
}

static inline struct ArrowArray *from_offset(int64_t offset, struct ArrowArray *a)
{
    a->offset = offset;
    a->length -= offset;
    return a;
}

/* ---- streams ---- */

static struct producer {
    struct ArrowSchema *schema;
    struct ArrowArray *batch[MOST_BATCHES];
    int batches, at;
    int schema_code, batch_code; /* failures: of get_schema; of get_next, behind the batches */
    const char *says;
    int failures; /* of get_next */
} producer;

static int producer_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    struct producer *p = stream->private_data;
    if (p->schema_code)
        return p->schema_code;
    *out = p->schema ? *p->schema : (struct ArrowSchema){ 0 };
    p->schema = NULL;
    return 0;
}

static int producer_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    struct producer *p = stream->private_data;
    *out = (struct ArrowArray){ 0 };
    if (p->at == p->batches) {
        p->failures += p->batch_code != 0;
        out->release = p->batch_code ? array_release : NULL; /* a failure says nothing about *out */
        return p->batch_code;
    }
    *out = *p->batch[p->at];
    p->batch[p->at++]->release = NULL;
    return 0;
}

static const char *producer_error(struct ArrowArrayStream *stream)
{
    return ((struct producer *)stream->private_data)->says;
}

static void producer_release(struct ArrowArrayStream *stream)
{
    struct producer *p = stream->private_data;
    if (p->schema)
        p->schema->release(p->schema);
    for (; p->at < p->batches; p->at++)
        p->batch[p->at]->release(p->batch[p->at]);
    stream->release = NULL;
    pieces_live--;
}

/* A stream of these batches, which follow. */
static struct ArrowArrayStream stream_of(struct ArrowSchema *root, int batches, ...)
{
    va_list list;
    producer = (struct producer){ .schema = root, .batches = batches };
    va_start(list, batches);
    for (int i = 0; i < batches; i++)
        producer.batch[i] = va_arg(list, struct ArrowArray *);
    va_end(list);
    pieces_live++;
    return (struct ArrowArrayStream){ producer_schema, producer_next, producer_error, producer_release,
                                      &producer };
}

/* A record batch. */
#define BATCH(length, children, ...) array(length, 1, NULL, NULL, NULL, children, __VA_ARGS__)

#endif
