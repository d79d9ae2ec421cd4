/* A sample of a tar file that is refused behind it: what is said names the file and the member, whoever reads it. */
#include <millrace/datasets.h>
#include <millrace/ragged.h>
#include <millrace/sources/image_folder.h>
#include <millrace/sources/tar.h>

#include "check.h"
#include "files.h"
#include "tar_fixture.h"

enum { SAMPLES = 300 };

static mr_rng *rng;

static const mr_tar_field fields[] = {
    { .name = "picture", .extension = "jpg,png" },
    { .name = "label", .extension = "cls", .content = MR_MEMBER_TEXT, .dtype = MR_INT64 },
};

/* Three members a sample, of 512 bytes with a head of as many. */
static long long head_at(int sample, int member)
{
    return sample * 3072LL + member * 1024;
}

static void make_tar(const char *name, int samples)
{
    FILE *file = fopen(in_folder(name), "wb");
    for (int i = 0; i < samples; i++) {
        char member[40], text[40];
        snprintf(member, sizeof member, "cat_%04d.txt", i);
        put_text(file, member, "nobody wants it");
        snprintf(member, sizeof member, "cat_%04d.%s", i, i % 2 ? "JPG" : "png");
        put_text(file, member, i == 7 ? "\xff\xd8\xff" : "this is no picture");
        snprintf(member, sizeof member, "cat_%04d.cls", i);
        snprintf(text, sizeof text, "%d", i);
        put_text(file, member, text);
    }
    put_end(file);
}

static mr_status refuse(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    (void)out;
    (void)index;
    (void)random;
    return *(int64_t *)in[1] % 100 == *(int64_t *)user ? mr_fail(MR_ERR_FORMAT, "it is refused") : MR_OK;
}

/* What is said of each sample that the map refuses, once. It names its place, and nothing else; `reads` is what the map
 * reads, `member` that field's, or -1. */
static void check_refused(const char *name, const char *reads, int member, int64_t shards)
{
    int64_t rest = 99;
    mr_dataset *tar = mr_tar_stream_new(in_folder(name), fields, 2, NULL),
               *d = mr_map_new(tar, refuse, &rest, &(mr_map_opts){ .reads = reads });
    mr_loader *loader = mr_loader_new(
        d, rng,
        &(mr_loader_opts){ .batch_size = 8, .workers = 2, .on_bad_sample = MR_BAD_SKIP, .shards = shards });
    const mr_batch *b;
    const mr_bad_sample *list = NULL;
    int64_t listed = 0;
    mr_status s;
    while ((s = mr_loader_next(loader, &b)) == MR_OK) {}
    CHECK_EQ_I64(s, MR_END);
    CHECK_EQ_I64(mr_loader_bad_samples(loader, &list, &listed), SAMPLES / 100);
    for (int i = 99; i < SAMPLES; i += 100) {
        char place[300], what[100];
        const char *extension = member == 2 ? "cls" : i % 2 ? "JPG" : "png";
        if (member < 0)
            snprintf(what, sizeof what, "sample 'cat_%04d' at byte %lld", i, head_at(i, 0));
        else
            snprintf(what, sizeof what, "member 'cat_%04d.%s' at byte %lld, field '%s'", i, extension,
                     head_at(i, member), reads);
        snprintf(place, sizeof place, ": '%s': %s: it is refused", in_folder(name), what);
        int found = 0;
        for (int64_t j = 0; j < listed; j++)
            found += strlen(list[j].message) > strlen(place) &&
                     strcmp(list[j].message + strlen(list[j].message) - strlen(place), place) == 0;
        if (!CHECK_EQ_I64(found, 1))
            printf("    %s\n    %s\n", place, listed ? list[0].message : "");
    }
    mr_loader_free(loader);
    mr_dataset_free(d);
    mr_dataset_free(tar);
}

/* The last of them is the last in the file. */
static void test_readers(void)
{
    static const int64_t shards[] = { 1, 3, 0 };
    char command[1200];
    make_tar("a.tar", SAMPLES);
    snprintf(command, sizeof command, "gzip -kf %s", in_folder("a.tar"));
    CHECK(system(command) == 0);
    for (int i = 0; i < 3; i++) {
        check_refused("a.tar", NULL, -1, shards[i]);
        check_refused("a.tar", "picture", 1, shards[i]);
        check_refused("a.tar.gz", "label", 2, shards[i]);
        check_refused("a.tar.gz", NULL, -1, shards[i]);
    }
}

static void test_picture(void)
{
    const mr_transform steps[] = { mr_transform_resize(8, 8, NULL) };
    char wanted[600];
    mr_dataset *tar = mr_tar_stream_new(in_folder("a.tar"), fields, 2, NULL),
               *d = mr_decode_images_new(tar, "picture", steps, 1, NULL);
    mr_loader *loader = mr_loader_new(
        d, rng,
        &(mr_loader_opts){ .batch_size = 8, .shards = 1, .workers = 1, .on_bad_sample = MR_BAD_SKIP });
    const mr_batch *b;
    const mr_bad_sample *list = NULL;
    int64_t listed = 0;
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_END);
    CHECK_EQ_I64(mr_loader_bad_samples(loader, &list, &listed), SAMPLES);
    if (CHECK_EQ_I64(listed, SAMPLES)) {
        snprintf(
            wanted, sizeof wanted,
            "loader: sample 7: map: sample 7: '%s': member 'cat_0007.JPG' at byte %lld, field 'picture': a "
            "JPEG that ends in the middle, after 3 bytes",
            in_folder("a.tar"), head_at(7, 1));
        CHECK_EQ_STR(list[7].message, wanted);
        snprintf(wanted, sizeof wanted,
                 "loader: sample 299: map: sample 299: '%s': member 'cat_0299.JPG' at byte %lld, field "
                 "'picture': neither a JPEG nor a PNG",
                 in_folder("a.tar"), head_at(299, 1));
        CHECK_EQ_STR(list[299].message, wanted);
    }
    mr_loader_free(loader);
    mr_dataset_free(d);
    mr_dataset_free(tar);
}

/* Names of any length, of which as much is said as there is room for. */
static void test_long_name(void)
{
    char name[4 * 90] = "", text[600], wanted[600];
    int64_t rest = 1;
    FILE *file = fopen(in_folder("long.tar"), "wb");
    put_head(file, "pax", 'x', 300 + 10);
    memset(name, 'a', 300 - 4);
    snprintf(text, sizeof text, "310 path=%s.cls\n", name);
    CHECK_EQ_I64(strlen(text), 310);
    put_content(file, text, 310);
    put_text(file, "short.cls", "1");
    put_end(file);
    mr_dataset *tar = mr_tar_stream_new(in_folder("long.tar"), &fields[1], 1, NULL),
               *doubled = mr_zip_new((mr_dataset *[]){ tar, tar }, (const char *[]){ "a", "b" }, 2),
               *d = mr_map_new(doubled, refuse, &rest, &(mr_map_opts){ .reads = "b.label" });
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    CHECK(mr_cursor_next(cursor, &b) < 0);
    snprintf(wanted, sizeof wanted,
             "cursor_next: sample 0: map: sample 0: '%s': member '%.120s.cls' at byte 0, field 'b.label': it "
             "is refused",
             in_folder("long.tar"), name);
    CHECK_EQ_STR(mr_error(), wanted);
    mr_cursor_free(cursor);
    mr_dataset_free(d);
    mr_dataset_free(doubled);
    mr_dataset_free(tar);
}

int main(void)
{
    if (!CHECK(files_begin()))
        return check_report();
    rng = mr_rng_new(1);
    RUN(test_readers);
    RUN(test_picture);
    RUN(test_long_name);
    mr_rng_free(rng);
    return files_report();
}
