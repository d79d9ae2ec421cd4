/* Schemas that anybody may write, and arrays of schemas that are sound. What lies behind an array's pointers is
 * believed, so buffers are as large as lengths can be here. */
#include "fuzz.h"

#include <millrace/sources/arrow.h>

#include <string.h>

enum { DEEP = 4, MOST_CHILDREN = 4, FORMAT = 16, BUFFER = 2048, LONGEST = 40, BATCHES = 3 };

typedef struct input {
    const uint8_t *at, *end;
} input;

static uint8_t take(input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

/* ---- memory, which all goes at the end ---- */

static void *blocks[4096];
static int block_count;

static void *room(size_t bytes)
{
    if (block_count == sizeof blocks / sizeof *blocks)
        abort();
    return blocks[block_count++] = calloc(1, bytes);
}

static void free_blocks(void)
{
    while (block_count)
        free(blocks[--block_count]);
}

/* ---- schemas ---- */

static void release_schema(struct ArrowSchema *s)
{
    s->release = NULL;
}

static const char *const formats[] = { "n",   "b",  "c",  "C",    "s",    "S",   "i",    "I",   "l",
                                       "L",   "e",  "f",  "g",    "u",    "U",   "z",    "Z",   "w:3",
                                       "w:0", "+l", "+L", "+w:2", "+w:0", "tdD", "tsu:", "tin", "+s" };

static struct ArrowSchema *schema_of(input *in, int depth, bool sound)
{
    struct ArrowSchema *s = room(sizeof *s);
    char *format = room(FORMAT), *name = room(2);
    const uint8_t choice = take(in);
    int children = depth < DEEP ? choice >> 5 & 3 : 0;
    if (sound) {
        strcpy(format, formats[choice % (sizeof formats / sizeof *formats)]);
        children = depth == DEEP ? 0 : strcmp(format, "+s") == 0 ? 1 + choice % 2 : *format == '+';
    } else {
        for (int i = 0; i < choice % FORMAT; i++)
            format[i] = (char)take(in);
    }
    if (depth == 0 && choice % 8) {
        strcpy(format, "+s");
        children = 1 + choice % MOST_CHILDREN;
    }
    *name = (char)('a' + depth);
    *s = (struct ArrowSchema){ .format = !sound && choice == 255 ? NULL : format,
                               .name = choice == 254 ? NULL : name,
                               .n_children = children,
                               .children = room(MOST_CHILDREN * sizeof *s->children),
                               .release = release_schema };
    for (int i = 0; i < children; i++)
        s->children[i] = schema_of(in, depth + 1, sound);
    if (depth && depth < DEEP && take(in) % 8 == 1)
        s->dictionary = schema_of(in, depth + 1, sound);
    if (!sound && choice == 253)
        s->n_children = (int8_t)take(in) % (MOST_CHILDREN + 1);
    for (int i = children; i < MOST_CHILDREN; i++) /* those that it has not are not there */
        s->children[i] = NULL;
    return s;
}

/* ---- arrays ---- */

static void release_array(struct ArrowArray *a)
{
    a->release = NULL;
}

/* Numbers of this width, each of a byte with its sign. */
static void *offsets_of(input *in, int width)
{
    char *bytes = room(BUFFER);
    for (int i = 0, at = 0; i < 2 * LONGEST; i++) {
        const uint8_t step = take(in);
        at = step > 250 ? -1 : at + step % 4;
        const int64_t wide = at < LONGEST ? at : LONGEST;
        const int32_t narrow = (int32_t)wide;
        memcpy(bytes + i * width, width == 4 ? (const void *)&narrow : (const void *)&wide, (size_t)width);
    }
    return bytes;
}

static void *bytes_of(input *in)
{
    uint8_t *bytes = room(BUFFER);
    const uint8_t pattern = take(in);
    for (int i = 0; i < BUFFER; i++)
        bytes[i] = i < 32 ? take(in) : (uint8_t)(pattern * i);
    return bytes;
}

static struct ArrowArray *array_of(input *in, const struct ArrowSchema *s, int64_t least)
{
    struct ArrowArray *a = room(sizeof *a);
    const uint8_t choice = take(in), more = take(in);
    const char *f = s->format;
    const bool is_text = strchr("uUzZ", *f) != NULL, is_list = *f == '+' && (f[1] == 'l' || f[1] == 'L');
    const int buffers = *f == 'n' ? 0 : *f == '+' && !is_list ? 1 : is_text ? 3 : 2;
    *a = (struct ArrowArray){ .length = least ? least : choice % 16,
                              .offset = choice >> 6,
                              .null_count = more % 3 - 1,
                              .n_buffers = more == 255 ? 1 : buffers,
                              .n_children = s->n_children,
                              .buffers = room(4 * sizeof *a->buffers),
                              .children = room(MOST_CHILDREN * sizeof *a->children),
                              .release = more == 254 ? NULL : release_array };
    if (more % 2)
        a->buffers[0] = bytes_of(in);
    if (more != 253)
        a->buffers[1] =
            is_text || is_list ? offsets_of(in, *f == 'U' || *f == 'Z' || f[1] == 'L' ? 8 : 4) : bytes_of(in);
    if (more != 252)
        a->buffers[2] = bytes_of(in);
    for (int64_t i = 0; i < a->n_children; i++)
        a->children[i] = array_of(in, s->children[i], strcmp(f, "+s") == 0 ? a->length + a->offset : LONGEST);
    if (s->dictionary && more != 251)
        a->dictionary = array_of(in, s->dictionary, 0);
    if (choice == 255)
        a->length = (int8_t)more;
    return a;
}

/* ---- streams ---- */

typedef struct producer {
    input in;
    struct ArrowSchema *schema;
    bool sound;
    int batches;
} producer;

static int give_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    *out = *((producer *)stream->private_data)->schema;
    return 0;
}

static int give_batch(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    producer *p = stream->private_data;
    *out = (struct ArrowArray){ 0 };
    if (p->sound && p->batches++ < BATCHES)
        *out = *array_of(&p->in, p->schema, 0);
    return p->batches == BATCHES && take(&p->in) == 1 ? 5 : 0;
}

static void release_stream(struct ArrowArrayStream *stream)
{
    stream->release = NULL;
}

static void read_as(const uint8_t *bytes, size_t size, const mr_table_field *fields, int count)
{
    producer p = { .in = { bytes, bytes + size } };
    p.sound = take(&p.in) % 4;
    p.schema = schema_of(&p.in, 0, p.sound);
    struct ArrowArrayStream stream = {
        .get_schema = give_schema, .get_next = give_batch, .release = release_stream, .private_data = &p
    };
    fuzz_read_stream(mr_arrow_stream_new(&stream, fields, count));
    mr_error_clear();
    free_blocks();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const words[] = { "a", "b" };
    const mr_table_field number = { .name = "b", .dtype = MR_FLOAT64, .missing = MR_MISSING_NAN },
                         list = { .name = "b", .shape = MR_SHAPE(-1), .missing = MR_MISSING_FILL },
                         grid = { .name = "b",
                                  .dtype = MR_INT16,
                                  .shape = MR_SHAPE(2, 2),
                                  .missing = MR_MISSING_SKIP },
                         word = { .name = "b", .words = words, .word_count = 2 };
    read_as(bytes, size, NULL, 0);
    read_as(bytes, size, &number, 1);
    read_as(bytes, size, &list, 1);
    read_as(bytes, size, &grid, 1);
    read_as(bytes, size, &word, 1);
    return 0;
}
