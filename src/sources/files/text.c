/* Text as a sequence of bytes, or of characters numbered in their order. */
#include "windows.h"

#include <millrace/sources/arrays.h>

#include <stdlib.h>
#include <string.h>

enum { CODE_POINTS = 0x110000 };

/* The character at `at`, and how many bytes it has; 0 bytes when it is none of UTF-8 (RFC 3629). */
static int decode(const unsigned char *at, size_t left, uint32_t *code)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (at[0] < 0x80) {
        *code = at[0];
        return 1;
    }
    int bytes = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || (size_t)bytes > left)
        return 0;
    *code = at[0] & (0x7fu >> bytes);
    for (int i = 1; i < bytes; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (at[i] & 0x3f);
    }
    return *code >= least[bytes] && *code < CODE_POINTS && (*code < 0xd800 || *code > 0xdfff) ? bytes : 0;
}

/* All characters of the file to w->numbers. */
static mr_status read_characters(mr__windows *w, const char *path)
{
    const unsigned char *at = (const unsigned char *)w->bytes.at;
    if (w->bytes.size > SIZE_MAX / sizeof *w->numbers)
        return mr_fail(MR_ERR_MEMORY, "'%s' is too long", path);
    int64_t count = 0;
    for (size_t i = 0; i < w->bytes.size; i++)
        count += (at[i] & 0xc0) != 0x80;
    w->numbers = mr_alloc((size_t)count * sizeof *w->numbers);
    if (!w->numbers)
        return mr_error_status();
    for (size_t i = 0; i < w->bytes.size;) {
        uint32_t code;
        int bytes = decode(at + i, w->bytes.size - i, &code);
        if (!bytes)
            return mr_fail(MR_ERR_FORMAT, "'%s': byte %zu is none of UTF-8", path, i);
        w->numbers[w->count++] = code;
        i += (size_t)bytes;
    }
    return MR_OK;
}

/* Numbers for the characters that are there, in the order of their code points. */
static mr_status number_characters(mr__windows *w)
{
    uint32_t *number = mr_calloc(CODE_POINTS, sizeof *number);
    if (!number)
        return mr_error_status();
    for (int64_t i = 0; i < w->count; i++)
        number[w->numbers[i]] = 1;
    for (uint32_t c = 0; c < CODE_POINTS; c++)
        w->characters += number[c];
    w->code_points = mr_alloc((size_t)w->characters * sizeof *w->code_points);
    uint32_t next = 0;
    for (uint32_t c = 0; w->code_points && c < CODE_POINTS; c++)
        if (number[c]) {
            w->code_points[next] = c;
            number[c] = next++;
        }
    for (int64_t i = 0; w->code_points && i < w->count; i++)
        w->numbers[i] = number[w->numbers[i]];
    mr_free(number);
    return w->code_points ? MR_OK : mr_error_status();
}

mr_dataset *mr_text_new(const char *path, int64_t length, const mr_text_opts *opts)
{
    mr__windows w = { .dtype = MR_UINT8, .characters = 256 };
    if (!path) {
        mr_fail(MR_ERR_ARGUMENT, "text_new: path is NULL");
        return NULL;
    }
    const mr__bytes_wanted wanted = { .most = opts ? opts->max_bytes : 0 };
    if (mr__bytes_open(&w.bytes, opts ? opts->storage : NULL, path, &wanted) < 0)
        return NULL;
    w.data = w.bytes.at;
    w.count = (int64_t)w.bytes.size;
    if (opts && opts->characters) {
        w.count = w.characters = 0;
        w.dtype = MR_INT32;
        if (read_characters(&w, path) < 0 || number_characters(&w) < 0) {
            mr__windows_close(&w);
            return NULL;
        }
        mr__bytes_close(&w.bytes);
        w.data = (const char *)w.numbers;
    }
    return mr__windows_new("text_new", path, &w, length, opts ? opts->stride : 0);
}

int64_t mr_text_characters(mr_dataset *text, const uint32_t **code_points)
{
    const mr__windows *w = mr__windows_of(text);
    if (code_points)
        *code_points = w ? w->code_points : NULL;
    if (!w || !w->characters)
        return mr_fail(MR_ERR_ARGUMENT, "text_characters: this is no dataset of mr_text_new"), -1;
    return w->characters;
}
