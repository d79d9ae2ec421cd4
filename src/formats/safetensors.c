/* What reading and writing safetensors share: the names of types, looking things up, messages. */
#include "safetensors.h"

#include <stdio.h>

/* In the format's own order. */
static const struct {
    mr_dtype dtype;
    const char *name;
} dtypes[] = {
    { MR_BOOL, "BOOL" },   { MR_UINT8, "U8" },    { MR_INT8, "I8" },       { MR_INT16, "I16" },
    { MR_UINT16, "U16" },  { MR_FLOAT16, "F16" }, { MR_BFLOAT16, "BF16" }, { MR_INT32, "I32" },
    { MR_FLOAT32, "F32" }, { MR_FLOAT64, "F64" }, { MR_INT64, "I64" },
};

enum { DTYPES = sizeof dtypes / sizeof *dtypes };

int mr__safetensors_rank(mr_dtype dtype)
{
    for (int i = 0; i < DTYPES; i++)
        if (dtypes[i].dtype == dtype)
            return i;
    return -1;
}

const char *mr__safetensors_dtype_name(mr_dtype dtype)
{
    int rank = mr__safetensors_rank(dtype);
    return rank < 0 ? "?" : dtypes[rank].name;
}

int mr__safetensors_dtype(const char *name)
{
    for (int i = 0; i < DTYPES; i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return (int)dtypes[i].dtype;
    return -1;
}

const mr__safetensor *mr__safetensors_find(const mr__safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    return NULL;
}

const char *mr__safetensors_text(const mr__safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->metadata_count; i++)
        if (strcmp(file->metadata[i].key, key) == 0)
            return file->metadata[i].text;
    return NULL;
}

/* Within a text of JSON a quotation mark has a backslash before it, so that this is nowhere but at the key. */
char *mr__safetensors_checksum(char *header, size_t bytes)
{
    static const char key[] = "\"" MR__SAFETENSORS_CHECKSUM "\":\"crc32c:";
    char *at = memmem(header, bytes, key, sizeof key - 1), *digits = at ? at + sizeof key - 1 : NULL;
    if (!digits || bytes - (size_t)(digits - header) <= MR__CHECKSUM_DIGITS ||
        strspn(digits, "0123456789abcdef") != MR__CHECKSUM_DIGITS || digits[MR__CHECKSUM_DIGITS] != '"')
        return NULL;
    return digits;
}

mr_status mr__load_failed(mr_status status, const char *path, const char *format, ...)
{
    enum { SHOWN = 200 }; /* so that the reason, behind the path, has room */
    char text[MR__ERROR_BYTES];
    size_t length = strlen(path);
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (length <= SHOWN)
        return mr__raise(status, "load '%s': %s", path, text);
    return mr__raise(status, "load '...%s': %s", path + (length - SHOWN), text);
}

mr__text mr__shown_name(const char *name)
{
    enum { SHOWN = 80 };
    mr__text shown;
    size_t length = strlen(name), count = length < SHOWN ? length : SHOWN;
    while (length > SHOWN && count && ((unsigned char)name[count] & 0xc0) == 0x80)
        count--; /* not in the middle of a character */
    for (size_t i = 0; i < count; i++) {
        unsigned char c = (unsigned char)name[i];
        shown.text[i] = c < ' ' || c == 0x7f ? '?' : name[i];
    }
    memcpy(shown.text + count, length > SHOWN ? "..." : "", length > SHOWN ? 4 : 1);
    return shown;
}
