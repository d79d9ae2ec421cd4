/* Tar files that are damaged, cut off, or lie; contents that do not fit their fields; options that make no sense. */
#include <millrace/sources/tar.h>

#include "check.h"
#include "files.h"
#include "largest_block.h"
#include "refuse.h"
#include "said.h"
#include "tar_fixture.h"

static mr_rng *rng;
static const mr_tar_field bytes_field = { .name = "bin" },
                          number_field = { .name = "cls", .content = MR_MEMBER_TEXT, .dtype = MR_INT64 };

static FILE *begin(const char *name)
{
    FILE *file = fopen(in_folder(name), "w");
    CHECK(file != NULL);
    return file;
}

/* How a stream ends, and how many samples it has before. */
static mr_status read_file(const char *path, const mr_tar_field *fields, int count, const mr_tar_opts *opts,
                           int *samples)
{
    mr_dataset *d = mr_tar_stream_new(path, fields, count, opts);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    mr_status s = cursor ? MR_OK : mr_error_status();
    for (*samples = 0; s == MR_OK; *samples += s == MR_OK)
        s = mr_cursor_next(cursor, &b);
    mr_cursor_free(cursor);
    mr_dataset_free(d);
    return s;
}

/* ---- contents ---- */

static void check_content(const char *name, const char *content, const mr_tar_field *fields, int count,
                          const char *wanted)
{
    int samples;
    FILE *file = begin("a.tar");
    put_text(file, name, content);
    put_end(file);
    CHECK(read_file(in_folder("a.tar"), fields, count, NULL, &samples) < 0);
    CHECK_EQ_I64(samples, 0);
    check_said(wanted);
}

static void test_contents(void)
{
    static const char *const words[] = { "cat", "dog" };
    const mr_tar_field x = { .name = "x", .content = MR_MEMBER_TEXT },
                       small = { .name = "x", .content = MR_MEMBER_TEXT, .dtype = MR_UINT8 },
                       pair = { .name = "x", .content = MR_MEMBER_TEXT, .shape = { 1, { 2 } } },
                       word = { .name = "x", .content = MR_MEMBER_TEXT, .words = words, .word_count = 2 },
                       raw = { .name = "x", .content = MR_MEMBER_RAW, .shape = { 1, { 2 } } },
                       json = { .name = "x", .content = MR_MEMBER_JSON, .key = "a.b" };
    check_content("s/1.x", "abc", &x, 1, "/a.tar': member 's/1.x' at byte 0, field 'x': 'abc' is no number");
    check_content("s/1.x", "", &x, 1, "/a.tar': member 's/1.x' at byte 0, field 'x': 0 numbers, not 1");
    check_content("s/1.x", "1.5", &small, 1, "field 'x': '1.5' is no whole number");
    check_content("s/1.x", "256", &small, 1, "field 'x': 256 does not fit uint8");
    check_content("s/1.x", "1 2 3", &pair, 1, "field 'x': 3 numbers, not 2");
    check_content("s/1.x", "bird", &word, 1, "field 'x': 'bird' is none of the words");
    check_content("s/1.x", "1234567", &raw, 1,
                  "/a.tar': member 's/1.x' at byte 0, field 'x': 7 bytes, not 8");
    check_content("s/1.x", "{", &json, 1, "/a.tar': member 's/1.x' at byte 0, field 'x', column 2: ");
    check_content("s/1.x", "[1]", &json, 1, "field 'x' is an array, not an object");
    check_content("s/1.x", "{\"a\": {\"b\": \"c\"}}", &json, 1,
                  "field 'x', key 'a.b': a string, not a number");
    check_content("s/1.x", "{\"a\": 1}", &json, 1, "field 'x' has no 'a.b'");
    check_content("s/1.x", "1", (mr_tar_field[]){ x, { .name = "y" } }, 2,
                  "/a.tar': sample 's/1' at byte 0 has no member 'y' for field 'y'");
    check_content("s/1.y", "1", &x, 1,
                  "/a.tar': 1 samples, and no field wants any of their members, 's/1.y' being the last");

    int samples;
    FILE *file = begin("a.tar");
    put_text(file, "s.jpg", "1");
    put_text(file, "s.png", "2");
    put_end(file);
    CHECK(read_file(in_folder("a.tar"), &(mr_tar_field){ .name = "picture", .extension = "jpg,png" }, 1, NULL,
                    &samples) < 0);
    check_said("/a.tar': member 's.png' at byte 1024, field 'picture': the sample has another member for it");

    file = begin("a.tar");
    put_text(file, "s.bin", "12345");
    put_end(file);
    CHECK(read_file(in_folder("a.tar"), &bytes_field, 1, &(mr_tar_opts){ .max_member = 4 }, &samples) < 0);
    check_said("/a.tar': member 's.bin' at byte 0, field 'bin': 5 bytes, more than max_member, 4");
    CHECK(read_file(in_folder("a.tar"),
                    &(mr_tar_field){ .name = "x", .extension = "bin", .content = MR_MEMBER_TEXT }, 1,
                    &(mr_tar_opts){ .max_member = 4 }, &samples) < 0);
    check_said("field 'x': a text of 5 bytes, more than 4");
    CHECK_EQ_I64(read_file(in_folder("a.tar"), &bytes_field, 1, &(mr_tar_opts){ .max_member = 5 }, &samples),
                 MR_END);
}

/* As many elements as there are. */
static void test_any_length(void)
{
    const mr_tar_field fields[] = {
        { .name = "raw", .content = MR_MEMBER_RAW, .dtype = MR_INT16, .shape = { 1, { -1 } } },
        { .name = "text", .content = MR_MEMBER_TEXT, .shape = { 2, { -1, 2 } } },
        { .name = "ids",
          .extension = "json",
          .content = MR_MEMBER_JSON,
          .dtype = MR_INT32,
          .shape = { 1, { -1 } } },
        { .name = "words",
          .extension = "json",
          .content = MR_MEMBER_JSON,
          .dtype = MR_UINT8,
          .shape = { 1, { -1 } } },
        { .name = "none", .content = MR_MEMBER_TEXT, .shape = { 1, { -1 } }, .missing = MR_MISSING_FILL },
    };
    static const int16_t raw[] = { 1, -2, 3 };
    FILE *file = begin("any.tar");
    put_member(file, "s.raw", raw, sizeof raw);
    put_text(file, "s.text", "1 2\n3 4\n");
    put_text(file, "s.json", "{\"ids\": [5, 6], \"words\": \"abc\"}");
    put_end(file);
    mr_dataset *d = mr_tar_stream_new(in_folder("any.tar"), fields, 5, NULL);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    if (CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK)) {
        static const int64_t counts[] = { 3, 2, 2, 3, 0 };
        for (int i = 0; i < 5; i++)
            CHECK_EQ_I64(mr_tensor_size(b->field[i], 0), counts[i]);
        CHECK(memcmp(mr_tensor_data(b->field[0]), raw, sizeof raw) == 0);
        CHECK(((const float *)mr_tensor_data(b->field[1]))[3] == 4);
        CHECK_EQ_I64(((const int32_t *)mr_tensor_data(b->field[2]))[1], 6);
        CHECK(memcmp(mr_tensor_data(b->field[3]), "abc", 3) == 0);
    }
    mr_cursor_free(cursor);
    mr_dataset_free(d);
    check_content("s.raw", "123", fields, 1, "field 'raw': 3 bytes, not a multiple of 2");
    check_content("s.text", "1 2 3", fields + 1, 1, "field 'text': 3 numbers, not a multiple of 2");
}

/* What is said has the place, however long the path is. */
static void test_long_path(void)
{
    char folder[300], path[900];
    int samples;
    memset(folder, 'd', 250);
    folder[250] = 0;
    snprintf(path, sizeof path, "%s/%s", files_folder, folder);
    CHECK(mkdir(path, 0777) == 0);
    snprintf(path, sizeof path, "%s/%s/%s", files_folder, folder, folder);
    CHECK(mkdir(path, 0777) == 0);
    snprintf(path, sizeof path, "%s/%s/%s/a.tar", files_folder, folder, folder);
    FILE *file = fopen(path, "w");
    put_text(file, "s/1.x", "{");
    put_end(file);
    for (int i = 0; i < 2; i++) {
        const mr_tar_field x = { .name = "x", .content = i ? MR_MEMBER_JSON : MR_MEMBER_TEXT };
        CHECK(read_file(path, &x, 1, NULL, &samples) < 0);
        check_said(i ? "ddd/a.tar': member 's/1.x' at byte 0, field 'x', column 2: "
                     : "ddd/a.tar': member 's/1.x' at byte 0, field 'x': '{' is no number");
    }
}

/* A sample that is a bad one does not touch those around it; what is behind damage is lost with one. */
static void test_skipped(void)
{
    static const char *const digits[] = { "0", "1", "2", "3", "4" };
    FILE *file = begin("a.tar");
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d.cls", i);
        put_text(file, name, i == 2 ? "two" : digits[i]);
        snprintf(name, sizeof name, "%d.bin", i);
        put_text(file, name, "abc");
    }
    put_end(file);
    file = begin("b.tar");
    put_text(file, "b.cls", "7");
    put_text(file, "b.bin", "abc");
    put_text(file, "c.cls", "8");
    char damage[1024];
    memset(damage, 'x', sizeof damage);
    fwrite(damage, 1, sizeof damage, file);
    put_text(file, "d.cls", "9");
    put_end(file);
    file = begin("c.tar");
    put_text(file, "c.cls", "6");
    put_text(file, "c.bin", "abc");
    put_end(file);

    char pattern[200];
    snprintf(pattern, sizeof pattern, "%s/{a,b,none,c}.tar", files_folder);
    unlink(in_folder("none.tar"));
    file = begin("none.tar"); /* which is there when the stream is made */
    put_end(file);
    mr_dataset *d = mr_tar_stream_new(pattern, (mr_tar_field[]){ number_field, bytes_field }, 2, NULL);
    unlink(in_folder("none.tar"));
    mr_loader *loader = mr_loader_new(
        d, rng, &(mr_loader_opts){ .batch_size = 20, .shards = 1, .on_bad_sample = MR_BAD_SKIP });
    const mr_batch *b;
    const mr_bad_sample *bad;
    int64_t listed;
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
    CHECK_EQ_I64(b->rows, 6);
    static const int64_t wanted[] = { 0, 1, 3, 4, 7, 6 };
    CHECK(b->rows == 6 && memcmp(mr_tensor_data(b->field[0]), wanted, sizeof wanted) == 0);
    CHECK_EQ_I64(mr_loader_bad_samples(loader, &bad, &listed), 3);
    CHECK(strstr(bad[0].message, "'two' is no whole number") != NULL);
    CHECK(strstr(bad[1].message, "/b.tar': no next member at byte 3584: Damaged tar archive") != NULL);
    CHECK(strstr(bad[2].message, "cannot open '") != NULL);
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_END);
    mr_loader_free(loader);
    mr_dataset_free(d);
}

/* ---- heads that lie: memory is taken as bytes come ---- */

/* Of a pax head in front of the member, if `pax` is given: "26 GNU.sparse.realsize=-1\n". */
static void check_lie_of(const char *pax, int64_t size, char type, const mr_tar_field *field,
                         const char *wanted)
{
    char content[600] = "a few bytes";
    int samples;
    FILE *file = begin("lie.tar");
    if (pax) {
        put_head(file, "pax", 'x', (int64_t)strlen(pax));
        put_content(file, pax, strlen(pax));
    }
    put_head(file, "s.bin", type, size);
    put_content(file, content, sizeof content);
    fclose(file);
    largest_block_begin();
    CHECK_EQ_I64(read_file(in_folder("lie.tar"), field, 1, NULL, &samples), MR_ERR_FORMAT);
    CHECK_EQ_I64(samples, 0);
    CHECK(largest_block_end() < 4 << 20);
    check_said(wanted);
}

static void check_lie(int64_t size, char type, const mr_tar_field *field, const char *wanted)
{
    check_lie_of(NULL, size, type, field, wanted);
}

static void test_lies(void)
{
    const mr_tar_field raw = { .name = "x",
                               .extension = "bin",
                               .content = MR_MEMBER_RAW,
                               .shape = { 1, { 512 } } },
                       json = { .name = "x", .extension = "bin", .content = MR_MEMBER_JSON },
                       text = { .name = "x", .extension = "bin", .content = MR_MEMBER_TEXT },
                       other = { .name = "other" };
    check_lie(1000000000, '0', &bytes_field,
              "/lie.tar': member 's.bin' at byte 0: the file ends, and 999998976 bytes of it are missing");
    check_lie(INT64_C(1) << 40, '0', &bytes_field,
              "/lie.tar': member 's.bin' at byte 0, field 'bin': 1099511627776 bytes, more than max_member, "
              "1073741824");
    check_lie(2048, '0', &raw, "/lie.tar': member 's.bin' at byte 0: Truncated tar archive");
    check_lie(INT64_C(1) << 40, '0', &other, "/lie.tar': no next member at byte ");
    check_lie(INT64_C(1) << 40, 'L', &bytes_field, "/lie.tar': no next member at byte ");
    check_lie(INT64_C(1) << 40, 'x', &bytes_field, "/lie.tar': no next member at byte ");
    check_lie(INT64_C(1) << 62, 'g', &bytes_field, "/lie.tar': no next member at byte ");
    check_lie((1 << 24) + 1, '0', &json,
              "/lie.tar': member 's.bin' at byte 0, field 'x': JSON of 16777217 bytes, more than 16777216");

    static const char *const negative[] = {
        "26 GNU.sparse.realsize=-1\n", "22 SCHILY.realsize=-1\n",
        "22 GNU.sparse.size=-1\n26 GNU.sparse.numblocks=1\n23 GNU.sparse.offset=0\n25 GNU.sparse.numbytes=1\n"
    };
    const mr_tar_field *const of[] = { &bytes_field, &raw, &json, &text };
    for (int i = 0; i < 3; i++)
        for (int f = 0; f < 4; f++)
            check_lie_of(negative[i], 1, '0', of[f],
                         "/lie.tar': member 's.bin' at byte 0: a size of -1 bytes");
}

/* ---- damage everywhere ---- */

static void check_damage(const char *name, int intact)
{
    static char all[40000], changed[40000];
    const mr_tar_field fields[] = { number_field, bytes_field };
    int samples, failed = 0;
    FILE *file = fopen(in_folder(name), "rb");
    const size_t size = file ? fread(all, 1, sizeof all, file) : 0;
    CHECK(size > 100 && size < sizeof all);
    fclose(file);
    const size_t step = size > 2000 ? 61 : 1;
    for (size_t i = 0; i < size; i += step) {
        file_put(in_folder("cut.tar"), all, i);
        mr_status s = read_file(in_folder("cut.tar"), fields, 2, NULL, &samples);
        CHECK(s == MR_END ? samples <= intact : strstr(mr_error(), "/cut.tar'") != NULL);
        failed += s < 0;
        mr_error_clear();
    }
    CHECK(failed > (int)(size / step) / 2);
    for (size_t i = 0; i < size; i += step) {
        memcpy(changed, all, size);
        changed[i] ^= 0x55;
        file_put(in_folder("changed.tar"), changed, size);
        mr_status s = read_file(in_folder("changed.tar"), fields, 2, NULL, &samples);
        CHECK(s == MR_END || strstr(mr_error(), "/changed.tar'") != NULL);
        mr_error_clear();
    }
}

static void test_damage(void)
{
    FILE *file = begin("good.tar");
    for (int i = 0; i < 6; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d.cls", i);
        put_text(file, name, "1");
        snprintf(name, sizeof name, "%d.bin", i);
        put_text(file, name, "abcdefghijklmnopqrstuvwxyz");
    }
    put_end(file);
    check_damage("good.tar", 6);
    char command[400];
    snprintf(command, sizeof command, "gzip -kf '%s'", in_folder("good.tar"));
    CHECK(system(command) == 0);
    check_damage("good.tar.gz", 6);

    int samples;
    file_put(in_folder("empty.tar"), "", 0);
    CHECK_EQ_I64(read_file(in_folder("empty.tar"), &bytes_field, 1, NULL, &samples), MR_ERR_FORMAT);
    check_said("/empty.tar': no tar file at byte 0: ");
    file_put(in_folder("text.tar"), "this is no tar file", 19);
    CHECK_EQ_I64(read_file(in_folder("text.tar"), &bytes_field, 1, NULL, &samples), MR_ERR_FORMAT);
    check_said("/text.tar': no tar file at byte 0: Unrecognized archive format");
}

/* ---- options ---- */

static void check_refused(mr_tar_field field, const char *wanted)
{
    CHECK(!mr_tar_stream_new(in_folder("good.tar"), &field, 1, NULL));
    check_said(wanted);
}

/* Words whose numbers do not fit the field. */
static void check_many_words(void)
{
    static char text[300][8];
    const char *words[300];
    mr_tar_field field = { .name = "x", .content = MR_MEMBER_TEXT, .dtype = MR_UINT8, .words = words };
    for (int i = 0; i < 300; i++) {
        snprintf(text[i], sizeof text[i], "w%d", i);
        words[i] = text[i];
    }
    field.word_count = 300;
    check_refused(field, "tar_stream_new: field 'x': the numbers of 300 words do not fit uint8");
    field.content = MR_MEMBER_JSON;
    check_refused(field, "tar_stream_new: field 'x': the numbers of 300 words do not fit uint8");
    field.word_count = 257;
    check_refused(field, "tar_stream_new: field 'x': the numbers of 257 words do not fit uint8");
    field.word_count = 256;
    mr_dataset *d = mr_tar_stream_new(in_folder("good.tar"), &field, 1, NULL);
    CHECK(d);
    mr_dataset_free(d);
}

static void test_wrong_fields(void)
{
    static const char *const twice[] = { "a", "a" };
    check_many_words();
    check_refused((mr_tar_field){ 0 }, "tar_stream_new: a field without a name");
    check_refused((mr_tar_field){ .name = "x", .content = 9 },
                  "tar_stream_new: field 'x': a content that is none");
    check_refused((mr_tar_field){ .name = "x", .dtype = MR_INT64 },
                  "tar_stream_new: field 'x': bytes have no type, shape or words: .content = "
                  "MR_MEMBER_TEXT reads numbers from text");
    check_refused((mr_tar_field){ .name = "x", .content = MR_MEMBER_TEXT, .dtype = MR_FLOAT16 },
                  "tar_stream_new: field 'x': float16 is none of float32, ");
    check_refused((mr_tar_field){ .name = "x", .content = MR_MEMBER_RAW, .words = twice, .word_count = 2 },
                  "tar_stream_new: field 'x': words are of JSON, or one is a text");
    check_refused(
        (mr_tar_field){
            .name = "x", .content = MR_MEMBER_TEXT, .shape = { 1, { 2 } }, .words = twice, .word_count = 1 },
        "tar_stream_new: field 'x': words are of JSON, or one is a text");
    check_refused((mr_tar_field){ .name = "x", .content = MR_MEMBER_TEXT, .words = twice, .word_count = 2 },
                  "tar_stream_new: field 'x': the word 'a' is there twice");
    check_refused((mr_tar_field){ .name = "x", .missing = MR_MISSING_NAN },
                  "tar_stream_new: field 'x': there is no NaN among whole numbers");
    check_refused(
        (mr_tar_field){
            .name = "x", .content = MR_MEMBER_RAW, .dtype = MR_FLOAT16, .missing = MR_MISSING_FILL },
        "tar_stream_new: field 'x': nothing stands in for float16");
    check_refused((mr_tar_field){ .name = "x", .extension = "__key__", .content = MR_MEMBER_TEXT },
                  "tar_stream_new: field 'x': a sample's name is bytes");
    CHECK(!mr_tar_stream_new(in_folder("good.tar"), NULL, 0, NULL));
    check_said("tar_stream_new: there is at least one field");
    CHECK(!mr_tar_stream_new(in_folder("good.tar"), &bytes_field, 1, &(mr_tar_opts){ .max_member = -1 }));
    check_said("tar_stream_new: max_member is -1");
}

/* ---- memory runs out ---- */

static double read_program(mr_status *status)
{
    const mr_tar_field fields[] = { number_field, bytes_field, { .name = "key", .extension = "__key__" } };
    char pattern[200];
    snprintf(pattern, sizeof pattern, "%s/{good.tar,good.tar.gz}", files_folder);
    mr_dataset *d = mr_tar_stream_new(pattern, fields, 3, NULL);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    double sum = 0;
    while ((*status = mr_cursor_next(cursor, &b)) == MR_OK)
        sum += (double)mr_tensor_numel(b->field[1]);
    *status = *status == MR_END ? MR_OK : *status;
    mr_cursor_free(cursor);
    mr_dataset_free(d);
    return sum;
}

static void test_out_of_memory(void)
{
    refuse_begin();
    refuse_each("tar", read_program, 20);
    refuse_end();
}

int main(void)
{
    if (!files_begin())
        return 1;
    rng = mr_rng_new(1);
    RUN(test_contents);
    RUN(test_any_length);
    RUN(test_long_path);
    RUN(test_skipped);
    RUN(test_lies);
    RUN(test_damage);
    RUN(test_wrong_fields);
    RUN(test_out_of_memory);
    mr_rng_free(rng);
    return files_report();
}
