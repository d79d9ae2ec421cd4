#include "input.h"

#include "name.h"

#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

/* Bytes that are read to see whether a file is packed, and of one that is. */
enum { FIRST = 1 << 12, BUFFER = 1 << 17, ZLIB_WINDOW_OF_GZIP = 15 + 16 };

typedef enum packing { PLAIN, GZIP, ZSTANDARD } packing;

struct mr__input {
    mr_file *file;
    packing packing;
    bool done;       /* the packed bytes are at the end of a member or frame */
    bool end;        /* the file is at its end */
    uint64_t offset; /* among the unpacked bytes */
    uint64_t stamp;  /* 0: not asked for, or not known */
    z_stream gzip;
    ZSTD_DStream *zstandard;
    unsigned char *buffer; /* what has been read and not been given out */
    size_t at, filled, room;
};

/* ---- the file ---- */

static mr_status damaged(const mr__input *input, const char *what)
{
    return mr_fail(MR_ERR_FORMAT, "'%s': the packed bytes %s, after %llu unpacked ones",
                   mr_file_name(input->file), what, (unsigned long long)input->offset);
}

/* Reads on behind what the buffer holds; input->end when there is nothing. */
static mr_status fill(mr__input *input)
{
    if (input->at == input->filled)
        input->at = input->filled = 0;
    int64_t n = mr_file_read(input->file, input->buffer + input->filled, input->room - input->filled);
    if (n < 0)
        return mr_error_status();
    input->filled += (size_t)n;
    input->end = n == 0;
    return MR_OK;
}

/* ---- unpacking: sets *got to the number of bytes made ---- */

static mr_status take_plain(mr__input *input, void *bytes, size_t size, size_t *got)
{
    size_t n = input->filled - input->at;
    if (n) {
        *got = n < size ? n : size;
        memcpy(bytes, input->buffer + input->at, *got);
        input->at += *got;
        return MR_OK;
    }
    int64_t count = mr_file_read(input->file, bytes, size);
    if (count < 0)
        return mr_error_status();
    input->end = count == 0;
    *got = (size_t)count;
    return MR_OK;
}

static mr_status take_gzip(mr__input *input, void *bytes, size_t size, size_t *got)
{
    z_stream *z = &input->gzip;
    if (input->done) { /* another member; zeros behind the last are padding */
        while (input->at < input->filled && !input->buffer[input->at])
            input->at++;
        if (input->at == input->filled)
            return MR_OK;
        inflateReset(z);
        input->done = false;
    }
    z->next_in = input->buffer + input->at;
    z->avail_in = (uInt)(input->filled - input->at);
    z->next_out = bytes;
    z->avail_out = (uInt)(size < 1u << 30 ? size : 1u << 30);
    uInt room = z->avail_out;
    int code = inflate(z, Z_NO_FLUSH);
    *got = room - z->avail_out;
    input->at = input->filled - z->avail_in;
    input->done = code == Z_STREAM_END;
    if (code == Z_MEM_ERROR)
        return mr_fail(MR_ERR_MEMORY, "'%s': no memory to unpack it", mr_file_name(input->file));
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
        return damaged(input, "are damaged");
    return MR_OK;
}

static mr_status take_zstandard(mr__input *input, void *bytes, size_t size, size_t *got)
{
    ZSTD_inBuffer in = { input->buffer, input->filled, input->at };
    ZSTD_outBuffer out = { bytes, size, 0 };
    size_t code = ZSTD_decompressStream(input->zstandard, &out, &in);
    input->at = in.pos;
    *got = out.pos;
    switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_no_error:
        break;
    case ZSTD_error_memory_allocation:
        return mr_fail(MR_ERR_MEMORY, "'%s': no memory to unpack it", mr_file_name(input->file));
    case ZSTD_error_frameParameter_windowTooLarge:
        return mr_fail(MR_ERR_FORMAT, "'%s': it takes more than 128 MB to unpack it (zstd --long)",
                       mr_file_name(input->file));
    default:
        return damaged(input, "are damaged");
    }
    input->done = code == 0;
    return MR_OK;
}

int64_t mr__input_read(mr__input *input, void *bytes, size_t size)
{
    size_t got = 0;
    while (!got && size) {
        bool empty = input->packing != PLAIN && input->at == input->filled;
        if (empty && fill(input) < 0)
            return -1;
        if (empty && input->at == input->filled) { /* nothing comes */
            if (input->done)
                return 0;
            damaged(input, "end in the middle");
            return -1;
        }
        mr_status s = input->packing == GZIP        ? take_gzip(input, bytes, size, &got)
                      : input->packing == ZSTANDARD ? take_zstandard(input, bytes, size, &got)
                                                    : take_plain(input, bytes, size, &got);
        if (s < 0)
            return -1;
        if (!got && input->packing == PLAIN)
            return 0;
    }
    input->offset += got;
    return (int64_t)got;
}

/* ---- opening ---- */

static packing packing_of(const unsigned char *first, size_t count)
{
    static const unsigned char gzip[] = { 0x1f, 0x8b }, zstandard[] = { 0x28, 0xb5, 0x2f, 0xfd },
                               passed_over[] = { 0x2a, 0x4d, 0x18 }; /* behind 0x50 to 0x5f: pzstd's */
    if (count >= 2 && memcmp(first, gzip, 2) == 0)
        return GZIP;
    if (count >= 4 &&
        (memcmp(first, zstandard, 4) == 0 || (first[0] >> 4 == 5 && memcmp(first + 1, passed_over, 3) == 0)))
        return ZSTANDARD;
    return PLAIN;
}

bool mr__is_packed(const void *first, size_t count)
{
    return packing_of(first, count) != PLAIN;
}

static mr_status make_room(mr__input *input, size_t room)
{
    unsigned char *larger = mr_grow(input->buffer, input->filled, room);
    if (!larger)
        return mr_error_status();
    input->buffer = larger;
    input->room = room;
    return MR_OK;
}

static mr_status begin(mr__input *input, bool headless)
{
    const bool said = mr_file_known(input->file)->packed || mr__is_packed_name(mr_file_name(input->file));
    if (headless && !said)
        return MR_OK;
    if (make_room(input, FIRST) < 0)
        return mr_error_status();
    while (!input->end && input->filled < MR__PACKED_HEAD)
        if (fill(input) < 0)
            return mr_error_status();
    const packing found = packing_of(input->buffer, input->filled);
    if (headless && found == PLAIN)
        return mr_fail(MR_ERR_FORMAT, "'%s' is said to be packed, and begins like neither gzip nor zstd",
                       mr_file_name(input->file));
    if (found == GZIP && inflateInit2(&input->gzip, ZLIB_WINDOW_OF_GZIP) != Z_OK)
        return mr_fail(MR_ERR_MEMORY, "'%s': no memory to unpack it", mr_file_name(input->file));
    if (found == ZSTANDARD && !(input->zstandard = ZSTD_createDStream()))
        return mr_fail(MR_ERR_MEMORY, "'%s': no memory to unpack it", mr_file_name(input->file));
    input->packing = found;
    return found == PLAIN ? MR_OK : make_room(input, BUFFER);
}

static mr__input *make(mr_file *file, bool headless)
{
    mr__input *input = file ? mr_calloc(1, sizeof *input) : NULL;
    if (!input) {
        mr_file_close(file);
        return NULL;
    }
    input->file = file;
    if (begin(input, headless) == MR_OK)
        return input;
    mr__input_close(input);
    return NULL;
}

mr__input *mr__input_of(mr_file *file)
{
    return make(file, false);
}

mr__input *mr__input_of_headless(mr_file *file)
{
    return make(file, true);
}

mr__input *mr__input_open(mr_storage *storage, const char *path)
{
    return make(mr_file_open(storage, path), false);
}

mr__input *mr__input_open_headless(mr_storage *storage, const char *path)
{
    return make(mr_file_open(storage, path), true);
}

void mr__input_close(mr__input *input)
{
    if (!input)
        return;
    if (input->packing == GZIP)
        inflateEnd(&input->gzip);
    ZSTD_freeDStream(input->zstandard);
    mr_file_close(input->file);
    mr_free(input->buffer);
    mr_free(input);
}

const char *mr__input_path(const mr__input *input)
{
    return mr_file_name(input->file);
}

mr_file *mr__input_file(mr__input *input)
{
    return input->file;
}

/* ---- going elsewhere ---- */

void mr__input_expect_end(mr__input *input, uint64_t end)
{
    if (input->packing == PLAIN && end <= INT64_MAX)
        mr_file_expect_end(input->file, (int64_t)end);
}

bool mr__input_can_seek(const mr__input *input)
{
    return mr_file_known(input->file)->access != MR_ACCESS_ONCE;
}

int64_t mr__input_size(const mr__input *input)
{
    const mr_file_facts *known = mr_file_known(input->file);
    return input->packing == PLAIN && known->access == MR_ACCESS_SEEK ? known->size : -1;
}

int64_t mr__input_file_size(const mr__input *input)
{
    return mr__input_can_seek(input) ? mr_file_known(input->file)->size : -1;
}

/* Of files of up to BLOCKS * BLOCK bytes all are looked at. 0 when they cannot be. */
static uint64_t stamp_of(int fd, int64_t size)
{
    enum { BLOCKS = 16, BLOCK = 4096 };
    const int64_t last = size > BLOCK ? size - BLOCK : 0;
    unsigned char bytes[BLOCK];
    uLong sum = crc32(0, NULL, 0);
    for (int64_t i = 0; i < BLOCKS; i++) {
        const int64_t at = size > BLOCKS * BLOCK
                               ? last / (BLOCKS - 1) * i + last % (BLOCKS - 1) * i / (BLOCKS - 1)
                               : i * BLOCK;
        const ssize_t n = pread(fd, bytes, sizeof bytes, (off_t)at);
        if (n < 0)
            return 0;
        sum = crc32(sum, bytes, (uInt)n);
    }
    const uint64_t stamp = (uint64_t)sum << 32 ^ (uint64_t)size;
    return stamp ? stamp : 1;
}

uint64_t mr__input_stamp(mr__input *input)
{
    const mr_file_facts *known = mr_file_known(input->file);
    if (!input->stamp)
        input->stamp =
            known->stamp || known->descriptor < 0 ? known->stamp : stamp_of(known->descriptor, known->size);
    return input->stamp;
}

static mr_status rewind_input(mr__input *input)
{
    if (mr_file_seek(input->file, 0) < 0)
        return mr_error_status();
    if (input->packing == GZIP)
        inflateReset(&input->gzip);
    if (input->packing == ZSTANDARD)
        ZSTD_DCtx_reset(input->zstandard, ZSTD_reset_session_only);
    input->end = input->done = false;
    input->at = input->filled = 0;
    input->offset = 0;
    return MR_OK;
}

/* Unpacks up to this place. */
static mr_status pass_over(mr__input *input, uint64_t offset)
{
    char *passed = mr_alloc(BUFFER);
    int64_t n = 1;
    while (passed && n > 0 && input->offset < offset) {
        uint64_t left = offset - input->offset;
        n = mr__input_read(input, passed, left < BUFFER ? (size_t)left : BUFFER);
    }
    mr_free(passed);
    if (!passed || n < 0)
        return mr_error_status();
    if (n == 0)
        return mr_fail(MR_ERR_STATE,
                       "'%s' has %llu bytes, and there was something at byte %llu: it has changed",
                       mr__input_path(input), (unsigned long long)input->offset, (unsigned long long)offset);
    return MR_OK;
}

mr_status mr__input_seek(mr__input *input, uint64_t offset)
{
    if (offset == input->offset)
        return MR_OK;
    if (input->packing == PLAIN) {
        if (mr_file_seek(input->file, (int64_t)offset) < 0)
            return mr_error_status();
        input->at = input->filled = 0;
        input->end = false;
        input->offset = offset;
        return MR_OK;
    }
    if (offset < input->offset && rewind_input(input) < 0)
        return mr_error_status();
    return input->offset < offset ? pass_over(input, offset) : MR_OK;
}
