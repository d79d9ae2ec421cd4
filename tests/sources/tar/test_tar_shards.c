/* Tar files read by several: files shared out, one file cut into parts, packed ones; going on with other workers; patterns. */
#include <millrace/sources/tar.h>

#include "check.h"
#include "data/dataset.h"
#include "files.h"
#include "said.h"
#include "sources/tar/cut.h"
#include "tar_fixture.h"

#include <stdlib.h>

enum { MOST = 1000 };

static mr_rng *rng;
static const mr_tar_field fields[] = { { .name = "n", .content = MR_MEMBER_TEXT, .dtype = MR_INT64 },
                                       { .name = "bin" } };

/* ---- making tar files ---- */

/* Samples first to last - 1, with a name so long that it has a head of its own where `long_names`. */
static const char *make(const char *name, int first, int last, bool long_names)
{
    static char filler[5000], member[300];
    FILE *file = fopen(in_folder(name), "w");
    CHECK(file != NULL);
    for (int i = 0; i < (int)sizeof filler; i++)
        filler[i] = (char)(i * 7);
    for (int n = first; n < last; n++) {
        char text[16];
        const char *extension[] = { "n", "bin", "unwanted" };
        snprintf(text, sizeof text, "%d", n);
        for (int m = 0; m < 3; m++) {
            snprintf(member, sizeof member, long_names ? "%0*d/s.%s" : "s/%0*d.%s", long_names ? 150 : 6, n,
                     extension[m]);
            if (long_names) {
                put_head(file, "././@LongLink", 'L', (int64_t)strlen(member) + 1);
                char block[512] = "";
                snprintf(block, sizeof block, "%s", member);
                fwrite(block, 1, sizeof block, file);
            }
            put_member(file, member, m ? filler : text,
                       m == 0   ? strlen(text)
                       : m == 1 ? (size_t)(n * 37 % 5000)
                                : 900);
        }
    }
    put_end(file);
    return in_folder(name);
}

static int64_t value(const mr_batch *b, int64_t i)
{
    return ((const int64_t *)mr_tensor_data(b->field[0]))[i];
}

static void check_contents(const mr_batch *b, int64_t i)
{
    const int64_t *offset = mr_tensor_data(b->field[2]), size = value(b, i) * 37 % 5000;
    CHECK_EQ_I64(offset[i + 1] - offset[i], size);
    CHECK(size == 0 ||
          ((const char *)mr_tensor_data(b->field[1]))[offset[i + 1] - 1] == (char)((size - 1) * 7));
}

/* Each sample once, whatever the shards and workers; a loader that goes on in the middle gives what the first one would have. */
static void check_each_once(mr_dataset *d, int samples, int64_t shards, int workers, bool shuffle)
{
    static int64_t order[MOST];
    bool seen[MOST] = { false };
    const mr_loader_opts
        opts = { .batch_size = 16, .workers = workers, .shards = shards, .shuffle = shuffle },
        other = { .batch_size = 16, .workers = (workers + 1) % 3, .shards = shards, .shuffle = shuffle };
    mr_loader *loader = mr_loader_new(d, rng, &opts), *second = mr_loader_new(d, rng, &other);
    const mr_batch *b;
    const void *bytes;
    size_t size;
    int64_t rows = 0;
    const int64_t at = samples / 16 / 2;
    mr_status s;
    for (int batch = 0; (s = mr_loader_next(loader, &b)) == MR_OK; batch++) {
        for (int64_t i = 0; i < b->rows && rows < samples; i++, rows++) {
            order[rows] = value(b, i);
            if (CHECK(order[rows] >= 0 && order[rows] < samples && !seen[order[rows]]))
                seen[order[rows]] = true;
            check_contents(b, i);
        }
        if (batch == at) {
            CHECK_EQ_I64(mr_loader_save(loader, &bytes, &size), MR_OK);
            CHECK_EQ_I64(mr_loader_restore(second, bytes, size), MR_OK);
        }
    }
    if (!CHECK_EQ_I64(s, MR_END) || !CHECK_EQ_I64(rows, samples))
        printf("    %lld shards: %s\n", (long long)shards, mr_error());
    rows = (at + 1) * 16 < samples ? (at + 1) * 16 : samples;
    while ((s = mr_loader_next(second, &b)) == MR_OK)
        for (int64_t i = 0; i < b->rows && rows < samples; i++, rows++)
            CHECK_EQ_I64(value(b, i), order[rows]);
    if (!CHECK_EQ_I64(s, MR_END) || !CHECK_EQ_I64(rows, samples))
        printf("    resumed, %lld shards: %s\n", (long long)shards, mr_error());
    mr_error_clear();
    mr_loader_free(loader);
    mr_loader_free(second);
}

static void check_shards(const char *files, int samples)
{
    static const int64_t shards[] = { 1, 2, 3, 5, 16, 100 };
    mr_dataset *d = mr_tar_stream_new(files, fields, 2, NULL);
    if (!CHECK(d != NULL))
        printf("    %s\n", mr_error());
    for (int i = 0; i < 6; i++)
        check_each_once(d, samples, shards[i], i % 3, i == 3);
    check_each_once(d, samples, 0, 2, false);
    mr_dataset_free(d);
}

static void pack(const char *name, const char *program)
{
    char command[600];
    snprintf(command, sizeof command, "%s -kf '%s'", program, in_folder(name));
    CHECK(system(command) == 0);
}

static void test_one_file(void)
{
    check_shards(make("one.tar", 0, 120, false), 120);
    check_shards(make("long.tar", 0, 70, true), 70);
}

static void test_packed_file(void)
{
    pack("one.tar", "gzip");
    check_shards(in_folder("one.tar.gz"), 120);
}

/* Several tar files one behind the other in one, with their ends in between; as they are and packed. */
static void test_joined_file(void)
{
    char command[900];
    make("first.tar", 0, 40, false);
    make("second.tar", 40, 41, true);
    make("third.tar", 41, 120, false);
    snprintf(command, sizeof command, "cd '%s' && cat first.tar second.tar third.tar > joined.tar",
             files_folder);
    CHECK(system(command) == 0);
    check_shards(in_folder("joined.tar"), 120);
    pack("joined.tar", "gzip");
    check_shards(in_folder("joined.tar.gz"), 120);
}

static void test_several_files(void)
{
    make("a-08.tar", 0, 50, false);
    make("a-09.tar", 50, 51, false);
    make("a-10.tar", 51, 51, false);
    make("a-11.tar", 51, 140, true);
    pack("a-09.tar", "gzip");
    unlink(in_folder("a-09.tar"));
    char pattern[600];
    snprintf(pattern, sizeof pattern, "%s/a-{08.tar,09.tar.gz,{10..11}.tar}", files_folder);
    check_shards(pattern, 140);
}

/* Files that are large enough are cut without being asked. */
static void test_default(void)
{
    FILE *file = fopen(in_folder("large.tar"), "w");
    static char filler[1 << 20];
    for (int n = 0; n < 20; n++) {
        char text[16], name[32];
        snprintf(text, sizeof text, "%d", n);
        snprintf(name, sizeof name, "%d.n", n);
        put_member(file, name, text, strlen(text));
        snprintf(name, sizeof name, "%d.bin", n);
        put_member(file, name, filler, sizeof filler);
    }
    fclose(file);
    mr_dataset *d = mr_tar_stream_new(in_folder("large.tar"), fields, 1, NULL);
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 2 }),
              *in_order = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 2, .shards = 1 });
    const mr_batch *b;
    int64_t rows = 0, sum = 0;
    while (mr_loader_next(loader, &b) == MR_OK)
        for (int64_t i = 0; i < b->rows; i++, rows++) {
            sum += value(b, i);
            CHECK(rows != 2 || value(b, i) > 2); /* another part's */
        }
    CHECK_EQ_I64(rows, 20);
    CHECK_EQ_I64(sum, 190);
    for (rows = 0; mr_loader_next(in_order, &b) == MR_OK; rows += b->rows)
        CHECK_EQ_I64(value(b, 0), rows);
    mr_loader_free(loader);
    mr_loader_free(in_order);
    mr_dataset_free(d);
    unlink(in_folder("large.tar"));
}

/* A tar file within a tar file looks like the one around it; that a cut fell into it is found out. */
static void test_tar_in_tar(void)
{
    static char inner[2000000];
    make("inner.tar", 0, 200, false);
    FILE *file = fopen(in_folder("inner.tar"), "r");
    size_t size = fread(inner, 1, sizeof inner, file);
    CHECK(size < sizeof inner);
    fclose(file);
    file = fopen(in_folder("outer.tar"), "w");
    put_member(file, "0.n", "0", 1);
    put_member(file, "0.bin", inner, size);
    put_member(file, "1.n", "1", 1);
    put_member(file, "1.bin", "", 0);
    fclose(file);
    mr_dataset *d = mr_tar_stream_new(in_folder("outer.tar"), fields, 1, NULL);
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 1 });
    const mr_batch *b;
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_END);
    mr_loader_free(loader);
    loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 1, .shards = 2 });
    mr_status s;
    while ((s = mr_loader_next(loader, &b)) == MR_OK)
        continue;
    CHECK_EQ_I64(s, MR_ERR_FORMAT);
    check_said("/outer.tar': a sample is at byte ");
    mr_loader_free(loader);
    mr_dataset_free(d);
}

/* ---- where a file is cut ---- */

/* A storage of one file in memory. */
typedef struct memory_file {
    FILE *file;
    char *bytes;
    size_t size;
    int opened;
    int broken; /* the number of the reader that reads at the beginning only; 0: none */
} memory_file;

typedef struct memory_reader {
    memory_file *of;
    int number;
    size_t at;
} memory_reader;

static void *memory_open(void *self, const char *name, mr_file_facts *facts)
{
    memory_file *of = *(memory_file **)self;
    memory_reader *r = calloc(1, sizeof *r);
    (void)name;
    r->of = of;
    r->number = ++of->opened;
    facts->size = (int64_t)of->size;
    return r;
}

static int64_t memory_read(void *file, void *bytes, size_t size)
{
    memory_reader *r = file;
    const size_t left = r->of->size - r->at, n = left < size ? left : size;
    if (r->number == r->of->broken && r->at) {
        mr_fail(MR_ERR_IO, "'memory': it is broken");
        return -1;
    }
    memcpy(bytes, r->of->bytes + r->at, n);
    r->at += n;
    return (int64_t)n;
}

static mr_status memory_seek(void *file, int64_t offset)
{
    ((memory_reader *)file)->at = (size_t)offset;
    return MR_OK;
}

static const mr_storage_vtable memory_vtable = {
    .open = memory_open, .read = memory_read, .seek = memory_seek, .close = free
};

static mr_storage *memory_begin(memory_file *m)
{
    *m = (memory_file){ 0 };
    m->file = open_memstream(&m->bytes, &m->size);
    return mr_storage_new(&memory_vtable, &m, sizeof m);
}

/* Where a cut finds no other sample behind, it looks once, not from each of the heads again; from a head that turns out to be
 * none it goes on with the next. */
static void test_one_sample(void)
{
    memory_file m;
    mr_storage *storage = memory_begin(&m);
    int64_t at;
    for (int i = 0; i < 3000; i++) {
        char name[32];
        snprintf(name, sizeof name, "video.%06d.jpg", i);
        put_text(m.file, name, "x");
    }
    put_end(m.file);
    CHECK_EQ_I64(mr__tar_cut(storage, "memory", (int64_t)m.size, 1, 2, &at), MR_OK);
    CHECK_EQ_I64(at, INT64_MAX);
    CHECK(m.opened <= 4);
    m.opened = 0; /* the same where the file is cut off */
    m.size -= 1024 + 300;
    CHECK_EQ_I64(mr__tar_cut(storage, "memory", (int64_t)m.size, 1, 2, &at), MR_OK);
    CHECK_EQ_I64(at, INT64_MAX);
    CHECK(m.opened <= 4);
    mr_storage_free(storage);
    free(m.bytes);

    storage = memory_begin(&m);
    char block[1024] = "";
    FILE *lie = fmemopen(block, sizeof block, "w");
    put_head(lie, "lie.bin", '0', 1 << 20);
    fclose(lie);
    put_member(m.file, "0.n", block, sizeof block); /* what looks like a head with a long member */
    for (int i = 1; i < 4; i++)
        put_text(m.file, (const char *[]){ "0.n", "1.n", "2.n", "3.n" }[i], "7");
    put_end(m.file);
    CHECK_EQ_I64(mr__tar_cut(storage, "memory", (int64_t)m.size, 1, 10, &at), MR_OK);
    CHECK_EQ_I64(at, 512 + 1024 + 2 * 1024);
    mr_storage_free(storage);
    free(m.bytes);
}

/* A file that cannot be read is a failure of the cut, not a head that is none. */
static void test_broken(void)
{
    memory_file m;
    mr_storage *storage = memory_begin(&m);
    int64_t at;
    for (int i = 0; i < 9; i++)
        put_text(m.file, &"0.n\0001.n\0002.n\0003.n\0004.n\0005.n\0006.n\0007.n\0008.n"[4 * i], "7");
    put_end(m.file);
    for (m.broken = 1; m.broken < 3; m.broken++) {
        m.opened = 0;
        CHECK_EQ_I64(mr__tar_cut(storage, "memory", (int64_t)m.size, 1, 4, &at), MR_ERR_IO);
        check_said("'memory': it is broken");
    }
    mr_storage_free(storage);
    free(m.bytes);
}

/* Members that no field wants may fill one of the parts; a file in which there are none else is refused. */
static void test_unwanted_part(void)
{
    for (int wanted = 0; wanted < 2; wanted++) {
        FILE *file = fopen(in_folder("half.tar"), "w");
        char name[32];
        for (int i = 0; i < 200; i++) {
            snprintf(name, sizeof name, "%03d.%s", i, wanted && i >= 100 ? "n" : "mask");
            put_text(file, name, "1");
        }
        put_end(file);
        mr_dataset *d = mr_tar_stream_new(in_folder("half.tar"), fields, 1, NULL);
        for (int64_t shards = 1; shards < 5; shards++) {
            mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 1, .shards = shards });
            const mr_batch *b;
            int rows = 0;
            mr_status s;
            while ((s = mr_loader_next(loader, &b)) == MR_OK)
                rows++;
            CHECK_EQ_I64(rows, wanted ? 100 : 0);
            CHECK_EQ_I64(s, !wanted && shards == 1 ? MR_ERR_FORMAT : MR_END);
            mr_error_clear();
            mr_loader_free(loader);
        }
        mr_dataset_free(d);
    }
}

/* A state with a place in a file behind the last one. */
static void test_damaged_state(void)
{
    mr_dataset *d = mr_tar_stream_new(in_folder("one.tar"), fields, 2, NULL);
    const mr_stream_vtable *stream = d->stream;
    void *cursor = stream->open(d->self, 0, 1);
    int64_t state[16] = { 0 }; /* the file, and the byte in it, come first */
    CHECK(cursor != NULL && stream->cursor_state_size <= sizeof state);
    stream->tell(cursor, state);
    CHECK(state[0] == 0 && state[1] == -1);
    state[0] = 1;
    CHECK_EQ_I64(stream->seek(cursor, state), MR_OK); /* it is through */
    state[1] = 0;
    CHECK_EQ_I64(stream->seek(cursor, state), MR_ERR_FORMAT);
    check_said("tar_stream: file 1 of 1 in the state");
    stream->close(cursor);
    mr_dataset_free(d);
}

/* A place of a file that has become another one, and one in another shard's part. */
static void test_changed_file(void)
{
    static const mr_loader_opts opts = { .batch_size = 8 };
    char path[300];
    const void *bytes;
    const mr_batch *b;
    size_t size;
    snprintf(path, sizeof path, "%s", make("changed.tar", 0, 200, false));
    mr_dataset *d = mr_tar_stream_new(path, fields, 2, NULL);
    mr_loader *first = mr_loader_new(d, rng, &opts), *second = mr_loader_new(d, rng, &opts);
    CHECK_EQ_I64(mr_loader_next(first, &b), MR_OK);
    CHECK_EQ_I64(mr_loader_save(first, &bytes, &size), MR_OK);
    make("changed.tar", 500, 700, false);
    CHECK_EQ_I64(mr_loader_restore(second, bytes, size), MR_OK);
    CHECK_EQ_I64(mr_loader_next(second, &b), MR_ERR_STATE);
    check_said("/changed.tar' has changed since it was read up to byte ");
    make("changed.tar", 0, 200, false); /* as it was */
    CHECK_EQ_I64(mr_loader_restore(second, bytes, size), MR_OK);
    CHECK_EQ_I64(mr_loader_next(second, &b), MR_OK);
    CHECK_EQ_I64(value(b, 0), 8);
    mr_loader_free(first);
    mr_loader_free(second);

    void *cursor = d->stream->open(d->self, 1, 2);
    const int64_t state[16] = { 0, 512 };
    CHECK_EQ_I64(d->stream->seek(cursor, state), MR_ERR_STATE);
    check_said("/changed.tar' has nothing at byte 512 for this shard: it has changed");
    d->stream->close(cursor);
    mr_dataset_free(d);
}

/* A pipe has one reader, whatever the shards, and is gone through once. */
static mr_dataset *piped(const char *name)
{
    char command[700];
    CHECK(mkfifo(in_folder(name), 0600) == 0);
    snprintf(command, sizeof command, "cat '%s' >'%s' &", in_folder("through.tar"), in_folder(name));
    CHECK(system(command) == 0);
    return mr_tar_stream_new(in_folder(name), fields, 2, NULL);
}

static void test_pipe(void)
{
    make("through.tar", 0, 40, false);
    mr_dataset *d = piped("pipe");
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 8, .shards = 3 });
    const mr_batch *b;
    const void *bytes;
    size_t size;
    for (int64_t rows = 0; rows < 40; rows += 8) {
        if (!CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK))
            printf("    %s\n", mr_error());
        for (int64_t i = 0; i < b->rows; i++)
            CHECK_EQ_I64(value(b, i), rows + i);
        if (rows == 8)
            CHECK_EQ_I64(mr_loader_save(loader, &bytes, &size), MR_OK);
    }
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_END);
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_ERR_STATE);
    check_said("/pipe' can be read once only");
    mr_loader_free(loader);
    mr_dataset_free(d);

    d = piped("other-pipe"); /* whoever wrote to the first one may not have ended yet */
    mr_loader *second = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 8, .shards = 3 });
    loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 8, .shards = 3 });
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(mr_loader_save(loader, &bytes, &size), MR_OK);
    CHECK_EQ_I64(mr_loader_restore(second, bytes, size), MR_OK);
    CHECK_EQ_I64(mr_loader_next(second, &b), MR_ERR_STATE);
    check_said("/other-pipe' is read once, from front to back: it cannot go from byte 0 to ");
    mr_loader_free(loader);
    mr_loader_free(second);
    mr_dataset_free(d);
}

/* ---- patterns ---- */

static void check_pattern(const char *pattern, int samples)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", files_folder, pattern);
    mr_dataset *d = mr_tar_stream_new(path, fields, 1, NULL);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    int n = 0;
    mr_status s;
    for (; (s = mr_cursor_next(cursor, &b)) == MR_OK; n++)
        CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[0]), samples < 0 ? n / 2 : n);
    if (!CHECK_EQ_I64(s, MR_END) || !CHECK_EQ_I64(n, samples < 0 ? 8 : samples))
        printf("    %s: %s\n", pattern, mr_error());
    mr_error_clear();
    mr_cursor_free(cursor);
    mr_dataset_free(d);
}

static void check_no_pattern(const char *pattern, const char *wanted)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", files_folder, pattern);
    CHECK(!mr_tar_stream_new(path, fields, 1, NULL));
    check_said(wanted);
}

static void test_patterns(void)
{
    for (int i = 0; i < 12; i++) {
        char name[32];
        snprintf(name, sizeof name, "p%02d.tar", i);
        make(name, i, i + 1, false);
        snprintf(name, sizeof name, "q%d.tar", i);
        make(name, i, i + 1, false);
    }
    check_pattern("p{00..11}.tar", 12);
    check_pattern("q{0..11}.tar", 12);
    check_pattern("p*.tar", 12);
    check_pattern("p0?.tar", 10);
    check_pattern("p0[0-3].tar", 4);
    check_pattern("{p00,q1,p{02,03},q{4..5}}.tar", 6);
    check_pattern("p{0{0,1},0{2,3}}.ta{r,r}", -1); /* each twice */
    make("{x}.tar", 0, 1, false);
    check_pattern("{x}.tar", 1);
    check_no_pattern("{x}.{tar}", "/{x}.{tar}': No such file or directory");
    check_no_pattern("p{00..11..x}.tar", "/p{00..11..x}.tar': No such file or directory");
    check_no_pattern("p{00.tar", "/p{00.tar': No such file or directory");
    check_no_pattern("r*.tar", "tar_stream_new: there is no file '");
    check_no_pattern("{0..9}{0..9}{0..9}{0..9}{0..9}{0..9}{0..9}",
                     "tar_stream_new: a pattern of more than 1000000 names");
    check_no_pattern("{0..99999999999999999}", "tar_stream_new: a pattern of more than 1000000 names");
    CHECK(!mr_tar_stream_new(NULL, fields, 1, NULL));
    check_said("tar_stream_new: files is NULL");
}

int main(void)
{
    if (!files_begin())
        return 1;
    rng = mr_rng_new(1);
    RUN(test_one_file);
    RUN(test_packed_file);
    RUN(test_joined_file);
    RUN(test_several_files);
    RUN(test_default);
    RUN(test_tar_in_tar);
    RUN(test_one_sample);
    RUN(test_broken);
    RUN(test_unwanted_part);
    RUN(test_damaged_state);
    RUN(test_changed_file);
    RUN(test_pipe);
    RUN(test_patterns);
    mr_rng_free(rng);
    return files_report();
}
