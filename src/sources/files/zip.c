/* ZIP as PKWARE's APPNOTE.TXT describes it, with the larger numbers of ZIP64; of one piece, stored or deflated, not encrypted. */
#include "zip.h"

#include <string.h>
#include <zlib.h>

enum {
    END = 22,     /* bytes of the record at the very end */
    END_64 = 56,  /* of the one with larger numbers */
    LOCATOR = 20, /* which says where that is */
    ENTRY = 46,
    LOCAL = 30,
    LONGEST_COMMENT = 0xffff,
    EXTRA_64 = 1,
    BYTES_OF_A_BYTE = 1032 /* that zlib makes, at most */
};

bool mr__is_zip(const mr__bytes *bytes)
{
    return bytes->size >= 4 && (memcmp(bytes->at, "PK\3\4", 4) == 0 || memcmp(bytes->at, "PK\5\6", 4) == 0);
}

static uint64_t number(const char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes; i-- > 0;)
        value = value << 8 | (unsigned char)at[i];
    return value;
}

static mr_status damaged(const mr__zip *zip, const char *what, uint64_t at)
{
    return mr_fail(MR_ERR_FORMAT, "'%s': a ZIP file: %s at byte %llu", zip->path, what,
                   (unsigned long long)at);
}

/* Whether so many bytes are there. */
static bool is_there(const mr__zip *zip, uint64_t at, uint64_t bytes)
{
    return at <= zip->bytes->size && bytes <= zip->bytes->size - at;
}

static bool begins(const mr__zip *zip, uint64_t at, uint64_t bytes, const char *signature)
{
    return is_there(zip, at, bytes) && memcmp(zip->bytes->at + at, signature, 4) == 0;
}

/* ---- the list ---- */

/* The end's record has larger numbers elsewhere where its own are as large as they can be. */
static mr_status read_end_64(mr__zip *zip, uint64_t end)
{
    if (end < LOCATOR || !begins(zip, end - LOCATOR, LOCATOR, "PK\6\7"))
        return damaged(zip, "no place of the large numbers", end);
    const uint64_t at = number(zip->bytes->at + end - LOCATOR + 8, 8);
    if (!begins(zip, at, END_64, "PK\6\6"))
        return damaged(zip, "no large numbers", at);
    zip->left = number(zip->bytes->at + at + 32, 8);
    zip->at = number(zip->bytes->at + at + 48, 8);
    return MR_OK;
}

mr_status mr__zip_open(mr__zip *zip, const mr__bytes *bytes, const char *path)
{
    *zip = (mr__zip){ .path = path, .bytes = bytes };
    const uint64_t size = bytes->size,
                   least = size > END + LONGEST_COMMENT ? size - END - LONGEST_COMMENT : 0;
    uint64_t end = UINT64_MAX;
    for (uint64_t at = size; at-- > least;) {
        if (!begins(zip, at, END, "PK\5\6"))
            continue;
        const uint64_t behind = size - at - END, comment = number(bytes->at + at + 20, 2);
        if (comment == behind || (comment < behind && end == UINT64_MAX))
            end = at; /* a comment may look like the end, and there may be other bytes behind the file's */
        if (comment == behind)
            break;
    }
    if (end == UINT64_MAX)
        return mr_fail(MR_ERR_FORMAT,
                       "'%s': a ZIP file that ends in the middle: its list of members is missing", path);
    zip->left = number(bytes->at + end + 10, 2);
    zip->at = number(bytes->at + end + 16, 4);
    return zip->left == 0xffff || zip->at == 0xffffffff ? read_end_64(zip, end) : MR_OK;
}

/* Larger numbers stand behind the name, those that are needed, in this order. */
static mr_status read_extra(const mr__zip *zip, uint64_t at, uint64_t length, mr__zip_member *m)
{
    uint64_t *const large[] = { &m->size, &m->packed, &m->begin };
    const uint64_t end = at + length;
    while (at + 4 <= end) {
        const uint64_t kind = number(zip->bytes->at + at, 2), bytes = number(zip->bytes->at + at + 2, 2);
        at += 4;
        if (bytes > end - at)
            break;
        if (kind != EXTRA_64) {
            at += bytes;
            continue;
        }
        const uint64_t stop = at + bytes;
        for (int i = 0; i < 3; i++)
            if (*large[i] == 0xffffffff) {
                if (stop - at < 8)
                    return damaged(zip, "large numbers that are missing", at);
                *large[i] = number(zip->bytes->at + at, 8);
                at += 8;
            }
        return MR_OK;
    }
    return MR_OK;
}

mr_status mr__zip_next(mr__zip *zip, mr__zip_member *m)
{
    if (!zip->left)
        return MR_END;
    if (!begins(zip, zip->at, ENTRY, "PK\1\2"))
        return damaged(zip, "no member of the list", zip->at);
    const char *at = zip->bytes->at + zip->at;
    const uint64_t name = number(at + 28, 2), extra = number(at + 30, 2), comment = number(at + 32, 2);
    if (!is_there(zip, zip->at, ENTRY + name + extra + comment))
        return damaged(zip, "the list ends in the member", zip->at);
    *m = (mr__zip_member){ .name = at + ENTRY,
                           .name_length = (size_t)name,
                           .flags = (unsigned)number(at + 8, 2),
                           .method = (unsigned)number(at + 10, 2),
                           .sum = (uint32_t)number(at + 16, 4),
                           .packed = number(at + 20, 4),
                           .size = number(at + 24, 4),
                           .begin = number(at + 42, 4) };
    mr_status s = read_extra(zip, zip->at + ENTRY + name, extra, m);
    zip->at += ENTRY + name + extra + comment;
    zip->left--;
    return s;
}

/* ---- members ---- */

/* Of a name, for "%.*s". */
#define SHOWN(m) (m)->name_length > 80 ? 80 : (int)(m)->name_length, (m)->name

static mr_status wrong(const mr__zip *zip, const mr__zip_member *m, const char *what)
{
    return mr_fail(MR_ERR_FORMAT, "'%s': member '%.*s' %s", zip->path, SHOWN(m), what);
}

static bool inflate_all(const char *from, uint64_t packed, char *to, uint64_t size, uint32_t *sum)
{
    const uint64_t most = 1 << 30; /* zlib counts in 32 bits */
    z_stream z = { 0 };
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return false;
    z.next_in = (unsigned char *)(uintptr_t)from;
    z.next_out = (unsigned char *)to;
    int code = Z_OK;
    while (code == Z_OK) {
        if (!z.avail_in)
            z.avail_in = (uInt)(packed < most ? packed : most), packed -= z.avail_in;
        if (!z.avail_out)
            z.avail_out = (uInt)(size < most ? size : most), size -= z.avail_out;
        const unsigned char *before = z.next_out;
        code = inflate(&z, Z_NO_FLUSH);
        *sum = (uint32_t)crc32(*sum, before, (uInt)(z.next_out - before));
    }
    const bool all = code == Z_STREAM_END && !size && !z.avail_out;
    inflateEnd(&z);
    return all;
}

/* Memory is taken only for what the packed bytes can hold. */
static mr_status unpack(const mr__zip *zip, const mr__zip_member *m, int64_t most, const char *from,
                        mr__bytes *bytes)
{
    uint32_t sum = 0;
    if (m->size / BYTES_OF_A_BYTE > m->packed)
        return wrong(zip, m, "promises more bytes than its packed ones can hold");
    if (m->size > (uint64_t)most)
        return mr_fail(
            MR_ERR_MEMORY,
            "'%s': member '%.*s' has more than %lld bytes to keep in memory: max_bytes is the limit",
            zip->path, SHOWN(m), (long long)most);
    char *to = mr_alloc((size_t)m->size + 1);
    if (!to)
        return mr_error_status();
    *bytes = (mr__bytes){ .at = to, .size = (size_t)m->size };
    if (inflate_all(from, m->packed, to, m->size, &sum) && sum == m->sum)
        return MR_OK;
    mr_free(to);
    *bytes = (mr__bytes){ 0 };
    return wrong(zip, m, "is damaged");
}

/* Where its packed bytes begin; 0 where there is no header. */
static uint64_t begin_of(const mr__zip *zip, const mr__zip_member *m)
{
    if (!begins(zip, m->begin, LOCAL, "PK\3\4"))
        return 0;
    const char *local = zip->bytes->at + m->begin;
    return m->begin + LOCAL + number(local + 26, 2) + number(local + 28, 2);
}

bool mr__zip_begins(const mr__zip *zip, const mr__zip_member *m, const char *bytes, size_t size)
{
    const uint64_t data = begin_of(zip, m);
    char first[16];
    if (!data || !is_there(zip, data, m->packed) || m->flags & 1 || m->size < size)
        return false;
    const char *from = zip->bytes->at + data;
    if (!m->method)
        return m->packed >= size && memcmp(from, bytes, size) == 0;
    z_stream z = { .next_in = (unsigned char *)(uintptr_t)from,
                   .avail_in = (uInt)(m->packed < 1 << 16 ? m->packed : 1 << 16),
                   .next_out = (unsigned char *)first,
                   .avail_out = (uInt)size };
    if (m->method != Z_DEFLATED || inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return false;
    inflate(&z, Z_SYNC_FLUSH);
    inflateEnd(&z);
    return !z.avail_out && memcmp(first, bytes, size) == 0;
}

uint64_t mr__zip_end(const mr__zip *zip, const mr__zip_member *m)
{
    const uint64_t data = begin_of(zip, m);
    return data && is_there(zip, data, m->packed) ? data + m->packed : m->begin;
}

mr_status mr__zip_read(const mr__zip *zip, const mr__zip_member *m, int64_t most, mr__bytes *bytes,
                       bool *owned)
{
    const uint64_t data = begin_of(zip, m);
    *owned = false;
    if (m->flags & 1)
        return wrong(zip, m, "is encrypted");
    if (!data)
        return wrong(zip, m, "is not where the list says");
    if (!is_there(zip, data, m->packed))
        return wrong(zip, m, "goes beyond the end of the file");
    if (m->method == Z_DEFLATED) {
        *owned = true;
        return unpack(zip, m, most, zip->bytes->at + data, bytes);
    }
    if (m->method)
        return wrong(zip, m, "is neither stored nor deflated");
    if (m->size != m->packed)
        return wrong(zip, m, "is stored, and has two sizes");
    *bytes = (mr__bytes){ .at = zip->bytes->at + data, .size = (size_t)m->size };
    return MR_OK;
}
