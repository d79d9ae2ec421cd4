#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { BUFFER = 1 << 17, ZLIB_WINDOW_OF_GZIP = 15 + 16 };

typedef enum packing { PLAIN, GZIP, ZSTANDARD } packing;

struct mr__input {
    char *path;
    int fd;
    packing packing;
    bool done;       /* the packed bytes are at the end of a member or frame */
    bool end;        /* the file is at its end */
    uint64_t offset; /* among the unpacked bytes */
    z_stream gzip;
    ZSTD_DStream *zstandard;
    unsigned char *buffer; /* what has been read and not been given out */
    size_t at, filled;
};

/* ---- the file ---- */

static mr_status failed(const mr__input *input, const char *verb, int code)
{
    return mr_fail(MR_ERR_IO, "cannot %s '%s': %s", verb, input->path, strerror(code));
}

static mr_status damaged(const mr__input *input, const char *what)
{
    return mr_fail(MR_ERR_FORMAT, "'%s': the packed bytes %s, after %llu unpacked ones", input->path, what,
                   (unsigned long long)input->offset);
}

/* Reads on behind what the buffer holds; *input->end when there is nothing. */
static mr_status fill(mr__input *input)
{
    if (input->at == input->filled)
        input->at = input->filled = 0;
    while (!input->end) {
        ssize_t n = read(input->fd, input->buffer + input->filled, BUFFER - input->filled);
        if (n > 0) {
            input->filled += (size_t)n;
            return MR_OK;
        }
        if (n == 0)
            input->end = true;
        else if (errno != EINTR)
            return failed(input, "read", errno);
    }
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
    while (!input->end) {
        ssize_t count = read(input->fd, bytes, size);
        if (count >= 0) {
            input->end = count == 0;
            *got = (size_t)count;
            return MR_OK;
        }
        if (errno != EINTR)
            return failed(input, "read", errno);
    }
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
        return mr_fail(MR_ERR_MEMORY, "'%s': no memory to unpack it", input->path);
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
    if (ZSTD_isError(code))
        return damaged(input, "are damaged");
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

static mr_status begin(mr__input *input)
{
    static const unsigned char gzip[] = { 0x1f, 0x8b }, zstandard[] = { 0x28, 0xb5, 0x2f, 0xfd };
    while (!input->end && input->filled < sizeof zstandard)
        if (fill(input) < 0)
            return mr_error_status();
    if (input->filled >= sizeof gzip && memcmp(input->buffer, gzip, sizeof gzip) == 0) {
        input->packing = GZIP;
        if (inflateInit2(&input->gzip, ZLIB_WINDOW_OF_GZIP) != Z_OK) {
            input->packing = PLAIN;
            return mr_fail(MR_ERR_MEMORY, "'%s': no memory to unpack it", input->path);
        }
    } else if (input->filled >= sizeof zstandard && memcmp(input->buffer, zstandard, sizeof zstandard) == 0) {
        input->zstandard = ZSTD_createDStream();
        if (!input->zstandard)
            return mr_fail(MR_ERR_MEMORY, "'%s': no memory to unpack it", input->path);
        input->packing = ZSTANDARD;
    }
    return MR_OK;
}

mr__input *mr__input_open(const char *path)
{
    mr__input *input = mr_calloc(1, sizeof *input);
    if (!input)
        return NULL;
    input->fd = -1;
    input->path = mr_strdup(path);
    input->buffer = mr_alloc(BUFFER);
    if (input->path && input->buffer) {
        input->fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
        if (input->fd < 0)
            failed(input, "open", errno);
        else if (begin(input) == MR_OK)
            return input;
    }
    mr__input_close(input);
    return NULL;
}

void mr__input_close(mr__input *input)
{
    if (!input)
        return;
    if (input->packing == GZIP)
        inflateEnd(&input->gzip);
    ZSTD_freeDStream(input->zstandard);
    if (input->fd >= 0)
        close(input->fd);
    mr_free(input->buffer);
    mr_free(input->path);
    mr_free(input);
}

const char *mr__input_path(const mr__input *input)
{
    return input->path;
}

/* ---- going elsewhere ---- */

bool mr__input_can_seek(const mr__input *input)
{
    return lseek(input->fd, 0, SEEK_CUR) >= 0 && strcmp(input->path, "-") != 0;
}

static mr_status rewind_input(mr__input *input)
{
    if (lseek(input->fd, 0, SEEK_SET) < 0)
        return failed(input, "go back in", errno);
    if (input->packing == GZIP)
        inflateReset(&input->gzip);
    if (input->packing == ZSTANDARD)
        ZSTD_DCtx_reset(input->zstandard, ZSTD_reset_session_only);
    input->end = input->done = false;
    input->at = input->filled = 0;
    input->offset = 0;
    return MR_OK;
}

mr_status mr__input_seek(mr__input *input, uint64_t offset)
{
    if (input->packing == PLAIN && lseek(input->fd, (off_t)offset, SEEK_SET) >= 0) {
        input->at = input->filled = 0;
        input->end = false;
        input->offset = offset;
        return MR_OK;
    }
    if (offset < input->offset && rewind_input(input) < 0)
        return mr_error_status();
    char *skipped = input->offset < offset ? mr_alloc(BUFFER) : NULL;
    if (input->offset < offset && !skipped)
        return mr_error_status();
    int64_t n = 1;
    while (n > 0 && input->offset < offset) {
        uint64_t left = offset - input->offset;
        n = mr__input_read(input, skipped, left < BUFFER ? (size_t)left : BUFFER);
    }
    mr_free(skipped);
    if (n < 0)
        return mr_error_status();
    if (n == 0)
        return mr_fail(MR_ERR_FORMAT,
                       "'%s' has %llu bytes, and there was something at byte %llu: it has changed",
                       input->path, (unsigned long long)input->offset, (unsigned long long)offset);
    return MR_OK;
}
