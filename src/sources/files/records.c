#include "records.h"

#include <stdio.h>
#include <string.h>

/* What is looked at to find where a record begins, or as many times two as it takes: so all who look find the same. */
enum { LOOKED_AT = 1 << 18 };

bool mr__line_end(const void *format, const char *at, const char *end, mr__scan *scan)
{
    (void)format;
    const char *stop = memchr(at + scan->passed, '\n', (size_t)(end - at) - scan->passed);
    scan->passed = (size_t)((stop ? stop + 1 : end) - at);
    return stop != NULL;
}

const char *mr__line_begin(const void *format, const char *at, const char *end, bool last)
{
    mr__scan scan = { 0 };
    (void)last;
    return mr__line_end(format, at, end, &scan) ? at + scan.passed : NULL;
}

void mr__records_init(mr__records *records, mr_storage *storage, const char *path, mr__record_kind kind,
                      mr__window *window, int64_t line)
{
    *records = (mr__records){ .path = path, .kind = kind, .line = line };
    records->storage = mr_storage_hold(storage);
    records->data = window->base + window->at;
    records->size = mr__input_size(window->input);
    records->once = !mr__input_can_seek(window->input);
    if (records->once)
        records->first = *window;
    else
        mr__window_close(window);
    *window = (mr__window){ 0 };
}

void mr__records_free(mr__records *records)
{
    mr__window_close(&records->first);
    mr_storage_free(records->storage);
}

/* ---- parts ---- */

/* Where the part of a shard begins: at a record, found from the byte before its share of the file on. */
static mr_status find_begin(const mr__records *r, int64_t shard, int64_t shards, uint64_t *begin)
{
    const uint64_t all = (uint64_t)r->size - r->data, part = (uint64_t)shard, parts = (uint64_t)shards;
    const uint64_t cut = r->data + all / parts * part + all % parts * part / parts;
    mr__window w;
    if (shard == 0 || cut == r->data || shard == shards) {
        *begin = shard == shards ? UINT64_MAX : r->data;
        return MR_OK;
    }
    if (mr__window_open(&w, r->storage, r->path, cut - 1) < 0)
        return mr_error_status();
    mr__input_expect_end(w.input, cut - 1 + LOOKED_AT);
    const char *at = NULL;
    mr_status s = MR_OK;
    for (size_t wanted = LOOKED_AT; s == MR_OK && !at; wanted *= 2) {
        while (s == MR_OK && !w.end && w.filled < wanted)
            s = mr__window_more(&w);
        const char *end = w.bytes + (w.filled < wanted ? w.filled : wanted);
        if (s == MR_OK)
            at = r->kind.begin(r->kind.format, w.bytes, end, w.end && w.filled <= wanted);
        if (s == MR_OK && !at && w.end && w.filled <= wanted)
            at = end; /* there is none */
    }
    *begin = at ? w.base + (uint64_t)(at - w.bytes) : 0;
    mr__window_close(&w);
    return s;
}

static mr_status cannot_cut(const mr__reader *reader, uint64_t from, uint64_t middle)
{
    return mr_fail(MR_ERR_FORMAT,
                   "'%s': a record from byte %llu on is longer than it seems from its middle, byte %llu: "
                   "the file cannot be cut into that many shards",
                   reader->records->path, (unsigned long long)from, (unsigned long long)middle);
}

mr_status mr__reader_open(mr__reader *reader, mr__records *r, int64_t shard, int64_t shards)
{
    *reader = (mr__reader){ .records = r, .begin = r->data, .end = UINT64_MAX, .line = r->line };
    if (shards > 1 && r->size >= 0) {
        if (find_begin(r, shard, shards, &reader->begin) < 0 ||
            find_begin(r, shard + 1, shards, &reader->end) < 0)
            return mr_error_status();
        if (reader->end < reader->begin) /* the middle of a record was taken for its end */
            return cannot_cut(reader, reader->end, reader->begin);
        reader->line = reader->begin == r->data ? r->line : 1;
    } else if (shard > 0) {
        return MR_OK; /* without an input there are no records */
    }
    if (!r->once) {
        if (mr__window_open(&reader->window, r->storage, r->path, reader->begin) < 0)
            return mr_error_status();
        mr__input_expect_end(reader->window.input, reader->end);
        return MR_OK;
    }
    if (!r->first.input)
        return mr_fail(MR_ERR_STATE, "'%s' can be read once only", r->path);
    reader->window = r->first;
    r->first = (mr__window){ 0 };
    return MR_OK;
}

void mr__reader_close(mr__reader *reader)
{
    mr__window_close(&reader->window);
}

/* ---- reading ---- */

/* The next record, and its line: MR_OK, MR_END, or a failure. It stays until the next call. */
static mr_status next_record(mr__reader *reader, const char **at, const char **end, int64_t *line)
{
    mr__window *w = &reader->window;
    const mr__record_kind *kind = &reader->records->kind;
    if (w->base + w->at >= reader->end)
        return MR_END;
    mr_status s = mr__window_record(w, kind->end, kind->format, end);
    if (s != MR_OK)
        return s;
    *at = w->bytes + w->at;
    *line = reader->line;
    for (const char *p = *at; (p = memchr(p, '\n', (size_t)(*end - p))); p++)
        reader->line++;
    w->at = (size_t)(*end - w->bytes);
    if (w->base + w->at > reader->end)
        return cannot_cut(reader, w->base + (size_t)(*at - w->bytes), reader->end);
    return MR_OK;
}

mr_status mr__reader_next(mr__reader *reader, const mr_sample *sample)
{
    const mr__record_kind *kind = &reader->records->kind;
    for (;;) {
        const char *at, *end;
        int64_t line;
        mr_status s = reader->broken ? MR_END : next_record(reader, &at, &end, &line);
        reader->broken = reader->broken || s < 0;
        if (s != MR_OK)
            return s;
        s = kind->read(kind->format, at, end, line, sample);
        if (s < 0 && reader->begin != reader->records->data)
            mr_fail_context("counted from byte %llu on", (unsigned long long)reader->begin);
        reader->given = line;
        if (s != MR_END)
            return s;
    }
}

/* ---- places ---- */

static uint64_t stamp_of(const mr__reader *reader)
{
    return reader->window.input ? mr__input_stamp(reader->window.input) : 0;
}

void mr__reader_tell(const mr__reader *reader, void *place)
{
    const mr__place here = { reader->window.base + reader->window.at, reader->line, stamp_of(reader) };
    memcpy(place, &here, sizeof here);
}

mr_status mr__reader_seek(mr__reader *reader, const void *place)
{
    mr__place to;
    memcpy(&to, place, sizeof to);
    const uint64_t stamp = stamp_of(reader);
    if (to.stamp && stamp && to.stamp != stamp)
        return mr_fail(MR_ERR_STATE, "'%s' has changed since it was read up to byte %llu",
                       reader->records->path, (unsigned long long)to.offset);
    if (reader->window.input && (to.offset < reader->begin || to.offset > reader->end))
        return mr_fail(MR_ERR_STATE, "'%s' has nothing at byte %llu for this shard: it has changed",
                       reader->records->path, (unsigned long long)to.offset);
    reader->line = to.line;
    return mr__window_seek(&reader->window, to.offset);
}

/* ---- streams ---- */

void *mr__records_open(void *self, int64_t shard, int64_t shards)
{
    mr__reader *reader = mr_calloc(1, sizeof *reader);
    if (!reader || mr__reader_open(reader, *(mr__records **)self, shard, shards) == MR_OK)
        return reader;
    mr__records_close(reader);
    return NULL;
}

mr_status mr__records_next(void *cursor, const mr_sample *sample)
{
    return mr__reader_next(cursor, sample);
}

void mr__records_close(void *cursor)
{
    mr__reader_close(cursor);
    mr_free(cursor);
}

void mr__records_tell(void *cursor, void *state)
{
    mr__reader_tell(cursor, state);
}

mr_status mr__records_seek(void *cursor, const void *state)
{
    return mr__reader_seek(cursor, state);
}

int mr__records_origin(void *cursor, int field, char *text, size_t room)
{
    const mr__reader *reader = cursor;
    const char *path = reader->records->path;
    const long long line = (long long)reader->given;
    (void)field;
    if (reader->begin == reader->records->data)
        return snprintf(text, room, "'%s': line %lld", path, line);
    return snprintf(text, room, "counted from byte %llu on: '%s': line %lld",
                    (unsigned long long)reader->begin, path, line);
}
