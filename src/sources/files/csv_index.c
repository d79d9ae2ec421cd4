#include "csv_index.h"

#include "sources/new_file.h"

#include <stdio.h>
#include <string.h>

enum { LOOKED_AT = 1 << 16 }; /* at either end of the file */

#define MAGIC UINT64_C(0x3378646e6976736d) /* "msvindx3"; another one where the order of bytes is another */

/* Behind it are the places, and then the words of each field of classes: 4 bytes of their number, and each with a byte 0. */
typedef struct header {
    uint64_t magic;
    uint64_t check;                             /* of all behind it */
    uint64_t size, changed, ends, fields, data; /* mr__csv_indexed */
    uint64_t rows, places, step;
    uint64_t words; /* bytes */
} header;

/* ---- hashes ---- */

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static uint64_t hash(uint64_t h, const void *bytes, size_t count)
{
    const char *at = bytes;
    uint64_t eight = 0;
    h = mix(h, count);
    for (; count >= sizeof eight; count -= sizeof eight, at += sizeof eight) {
        memcpy(&eight, at, sizeof eight);
        h = mix(h, eight);
    }
    eight = 0;
    if (count)
        memcpy(&eight, at, count);
    return mix(h, eight);
}

/* What besides the file's bytes decides which rows there are, and which words. */
static uint64_t hash_of_plan(const mr__csv_plan *plan)
{
    const mr__csv_format *f = &plan->format;
    uint64_t h = mix(mix(1, (unsigned char)f->delimiter), (unsigned char)f->quote);
    h = mix(mix(mix(h, (unsigned char)f->comment), f->header), (uint64_t)f->skip_lines);
    for (int64_t i = 0; i < plan->columns; i++)
        h = mix(h, (uint64_t)plan->target[i].field);
    for (int i = 0; i < plan->field_count; i++) {
        h = mix(mix(h, plan->options[i].missing == MR_MISSING_SKIP), plan->options[i].classes);
        if (mr__csv_is_text(plan, i)) /* where other cells are missing */
            h = mix(h, 2);
        for (int64_t k = 0; k < plan->words[i].count; k++)
            h = hash(h, plan->words[i].word[k], strlen(plan->words[i].word[k]));
    }
    return h;
}

static uint64_t hash_of_ends(const mr__bytes *bytes)
{
    const size_t some = bytes->size < LOOKED_AT ? bytes->size : LOOKED_AT;
    return hash(hash(1, bytes->at, some), bytes->at + bytes->size - some, some);
}

mr__csv_indexed mr__csv_index_of(const mr__csv_plan *plan, const mr__bytes *bytes, size_t data)
{
    return (mr__csv_indexed){ .plan = plan,
                              .size = bytes->size,
                              .changed = bytes->changed,
                              .ends = hash_of_ends(bytes),
                              .fields = hash_of_plan(plan),
                              .data = data };
}

static uint64_t check_of(const header *h, const void *places, const void *words)
{
    uint64_t check = hash(1, (const char *)h + 2 * sizeof(uint64_t), sizeof *h - 2 * sizeof(uint64_t));
    return hash(hash(check, places, (size_t)h->places * sizeof(uint64_t)), words, (size_t)h->words);
}

/* ---- reading ---- */

/* The words of each field of classes in turn; false when the bytes are none. Counts them, or adds them to the plan. */
static bool read_words(const mr__csv_plan *plan, const char *at, const char *end, bool add, mr_status *s)
{
    for (int i = 0; i < plan->field_count; i++) {
        uint32_t count;
        if (!plan->options[i].classes)
            continue;
        if ((size_t)(end - at) < sizeof count)
            return false;
        memcpy(&count, at, sizeof count);
        at += sizeof count;
        for (; count; count--) {
            const char *zero = at < end ? memchr(at, 0, (size_t)(end - at)) : NULL;
            if (!zero)
                return false;
            if (add && mr__words_add(&plan->words[i], at, (size_t)(zero - at)) < 0)
                *s = mr_error_status();
            at = zero + 1;
        }
        if (add && mr__words_sort(&plan->words[i]) < 0) /* some may have been there before */
            *s = mr_error_status();
    }
    return at == end;
}

/* Places lie behind each other in the file, and there are as many as there should be. */
static bool are_places(const header *h, const uint64_t *place)
{
    uint64_t least = h->data;
    for (uint64_t i = 0; i < h->places; i++) {
        if (place[i] < least || place[i] >= h->size)
            return false;
        least = place[i] + 1;
    }
    return true;
}

/* What is in the file is this header, and as much behind it as it says. */
static bool is_of(const header *h, const mr__csv_indexed *wanted, uint64_t size)
{
    return h->magic == MAGIC && h->size == wanted->size && h->changed == wanted->changed &&
           h->ends == wanted->ends && h->fields == wanted->fields && h->data == wanted->data &&
           (h->step == 1 || h->step == MR__INDEX_STEP) && h->rows <= h->size &&
           h->places == (h->rows + h->step - 1) / h->step && h->words <= size &&
           size == sizeof *h + h->places * sizeof(uint64_t) + h->words;
}

static mr_status load(FILE *file, const mr__csv_indexed *of, mr__row_index *index)
{
    header h;
    if (fseeko(file, 0, SEEK_END) != 0)
        return MR_END;
    const off_t size = ftello(file);
    rewind(file);
    if (size < 0 || fread(&h, sizeof h, 1, file) != 1 || !is_of(&h, of, (uint64_t)size))
        return MR_END;
    uint64_t *place = mr_alloc((h.places + 1) * sizeof *place);
    char *words = mr_alloc(h.words + 1);
    mr_status s = place && words ? MR_END : mr_error_status();
    if (s == MR_END && fread(place, sizeof *place, h.places, file) == h.places &&
        fread(words, 1, h.words, file) == h.words && h.check == check_of(&h, place, words) &&
        are_places(&h, place) && read_words(of->plan, words, words + h.words, false, &s)) {
        s = MR_OK;
        read_words(of->plan, words, words + h.words, true, &s);
    }
    mr_free(words);
    if (s == MR_OK)
        *index = (mr__row_index){ .place = place,
                                  .rows = (int64_t)h.rows,
                                  .places = (int64_t)h.places,
                                  .room = (int64_t)h.places,
                                  .step = (int64_t)h.step };
    else
        mr_free(place);
    return s;
}

mr_status mr__csv_index_load(const char *path, const mr__csv_indexed *of, mr__row_index *index)
{
    FILE *file = fopen(path, "rbe");
    if (!file)
        return MR_END;
    mr_status s = load(file, of, index);
    fclose(file);
    return s;
}

/* ---- writing ---- */

/* The words of all fields of classes, one behind the other; NULL after a failure. */
static char *words_of(const mr__csv_plan *plan, size_t *size)
{
    char *words = NULL;
    for (int pass = 0; pass < 2; pass++) {
        *size = 0;
        for (int i = 0; i < plan->field_count; i++) {
            const mr__words *w = &plan->words[i];
            const uint32_t count = (uint32_t)w->count;
            if (!plan->options[i].classes)
                continue;
            if (pass)
                memcpy(words + *size, &count, sizeof count);
            *size += sizeof count;
            for (int64_t k = 0; k < w->count; k++) {
                const size_t length = strlen(w->word[k]) + 1;
                if (pass)
                    memcpy(words + *size, w->word[k], length);
                *size += length;
            }
        }
        if (!pass && !(words = mr_alloc(*size + 1)))
            return NULL;
    }
    return words;
}

mr_status mr__csv_index_save(const char *path, const mr__csv_indexed *of, const mr__row_index *index)
{
    size_t size;
    mr__new_file file;
    char *words = words_of(of->plan, &size);
    if (!words)
        return mr_error_status();
    header h = { .magic = MAGIC,
                 .size = of->size,
                 .changed = of->changed,
                 .ends = of->ends,
                 .fields = of->fields,
                 .data = of->data,
                 .rows = (uint64_t)index->rows,
                 .places = (uint64_t)index->places,
                 .step = (uint64_t)index->step,
                 .words = size };
    h.check = check_of(&h, index->place, words);
    mr_status s = mr__new_file_open(&file, path);
    if (s == MR_OK)
        s = mr__new_file_write(&file, &h, sizeof h);
    if (s == MR_OK)
        s = mr__new_file_write(&file, index->place, (size_t)index->places * sizeof *index->place);
    if (s == MR_OK)
        s = mr__new_file_write(&file, words, size);
    s = mr__new_file_close(&file, s);
    mr_free(words);
    return s;
}
