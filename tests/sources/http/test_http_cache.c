/* Parts of files in a folder: found again, asked about, changed, damaged, too many. */
#include <millrace/sources/http.h>

#include "check.h"
#include "files.h"
#include "said.h"
#include "stub.h"

#include <utime.h>

enum { SIZE = 3500000 };

static char content[SIZE], other[SIZE];

static stub good(void)
{
    return (stub){ .bytes = content, .size = SIZE, .etag = "\"one\"" };
}

static char cache_folder[300];

static const char *folder(void)
{
    return cache_folder;
}

/* Reads all of a file by a new storage, and compares it; what that took. */
static mr_http_counts read_file(const stub *s, const char *wanted, int64_t most)
{
    static char bytes[1 << 16];
    mr_storage *web =
        mr_storage_from_http(&(mr_http_opts){ .cache = folder(), .cache_bytes = most, .backoff = 0.001 });
    mr_file *file = mr_file_open(web, s->url);
    mr_http_counts counts;
    int64_t at = 0, n = 1;
    if (!CHECK(file != NULL))
        printf("    %s\n", mr_error());
    for (; file && n > 0; at += n > 0 ? n : 0) {
        n = mr_file_read(file, bytes, sizeof bytes);
        if (n > 0 && !CHECK(at + n <= s->size && memcmp(bytes, wanted + at, (size_t)n) == 0))
            break;
    }
    CHECK_EQ_I64(n, 0);
    CHECK_EQ_I64(at, s->size);
    mr_file_close(file);
    CHECK_EQ_I64(mr_http_count(web, &counts), MR_OK);
    mr_storage_free(web);
    return counts;
}

static void test_found_again(void)
{
    stub s = good();
    stub_begin(&s);
    mr_http_counts counts = read_file(&s, content, 0);
    CHECK_EQ_I64(counts.bytes, SIZE);
    CHECK_EQ_I64(counts.cache_bytes, 0);
    CHECK_EQ_I64(counts.requests, 4);
    CHECK_EQ_I64(count_entries(folder()), 5); /* parts of a megabyte, and what the file is */
    counts = read_file(&s, content, 0);
    CHECK_EQ_I64(counts.requests, 1); /* whether it is still the same */
    CHECK_EQ_I64(counts.bytes, 0);
    CHECK_EQ_I64(counts.cache_bytes, SIZE);
    CHECK(strstr(s.last, "\r\nIf-None-Match: \"one\"\r\n") != NULL);

    /* Some of it. */
    mr_storage *web = mr_storage_from_http(&(mr_http_opts){ .cache = folder() });
    mr_file *file = mr_file_open(web, s.url);
    char bytes[100];
    CHECK_EQ_I64(mr_file_seek(file, 2500000), MR_OK);
    CHECK_EQ_I64(mr_file_read(file, bytes, sizeof bytes), 100);
    CHECK(memcmp(bytes, content + 2500000, 100) == 0);
    CHECK_EQ_I64(mr_http_count(web, &counts), MR_OK);
    CHECK_EQ_I64(counts.cache_bytes, 1 << 20);
    mr_file_close(file);
    mr_storage_free(web);
    stub_end(&s);
}

/* The same URL has become another file: of the old one nothing is used. */
static void test_changed(void)
{
    stub s = good();
    stub_begin(&s);
    read_file(&s, content, 0);
    s.changes_after = 1;
    s.other_etag = "\"two\"";
    s.other_bytes = other;
    mr_http_counts counts = read_file(&s, other, 0);
    CHECK_EQ_I64(counts.bytes, SIZE);
    CHECK_EQ_I64(counts.cache_bytes, 0);
    counts = read_file(&s, other, 0);
    CHECK_EQ_I64(counts.bytes, 0);
    stub_end(&s);
}

/* Calls `change` for each file of the folder. */
static void each_file(void (*change)(const char *path))
{
    char path[700];
    DIR *all = opendir(folder());
    for (struct dirent *e; all && (e = readdir(all));)
        if (*e->d_name != '.') {
            snprintf(path, sizeof path, "%s/%s", folder(), e->d_name);
            change(path);
        }
    closedir(all);
}

static long place;

static void flip(const char *path)
{
    FILE *file = fopen(path, "r+b");
    fseek(file, 0, SEEK_END);
    const long size = ftell(file), at = place < size ? place : size - 1;
    fseek(file, at, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(byte ^ 0x40, file);
    fclose(file);
}

static void cut(const char *path)
{
    CHECK(truncate(path, place) == 0);
}

static void test_damage(void)
{
    static const long places[] = { 0, 9, 17, 25, 40, 60, 200, 100000, 999999999 };
    folder_remove(folder());
    stub s = good();
    stub_begin(&s);
    read_file(&s, content, 0);
    for (int i = 0; i < 9; i++) {
        place = places[i];
        each_file(flip);
        mr_http_counts counts = read_file(&s, content, 0);
        CHECK(counts.bytes > 0);
        CHECK_EQ_I64(count_entries(folder()), 5);
    }
    for (int i = 0; i < 8; i++) {
        place = places[i];
        each_file(cut);
        CHECK(read_file(&s, content, 0).bytes > 0);
    }
    CHECK_EQ_I64(read_file(&s, content, 0).bytes, 0);
    stub_end(&s);
}

static int64_t held;

static void add_size(const char *path)
{
    struct stat about;
    held += stat(path, &about) == 0 ? about.st_size : 0;
}

static void test_limit(void)
{
    folder_remove(folder());
    stub s = good();
    stub_begin(&s);
    CHECK_EQ_I64(read_file(&s, content, 2500000).bytes, SIZE);
    held = 0;
    each_file(add_size);
    CHECK(held > 500000 && held <= 2500000);
    /* What was used last is there, and all is right whatever is gone. */
    mr_http_counts counts = read_file(&s, content, 2500000);
    CHECK(counts.bytes > 0 && counts.bytes + counts.cache_bytes == SIZE);

    /* What another program left behind when it was killed goes after an hour. */
    struct utimbuf long_ago = { 1000000, 1000000 };
    file_put(in_folder("web/cache/1-1.tmp"), "x", 1);
    file_put(in_folder("web/cache/1-2.tmp"), "x", 1);
    CHECK(utime(in_folder("web/cache/1-1.tmp"), &long_ago) == 0);
    read_file(&s, content, 2500000);
    CHECK(!file_exists(in_folder("web/cache/1-1.tmp")) && file_exists(in_folder("web/cache/1-2.tmp")));
    stub_end(&s);
}

/* The limit is the folder's, whoever puts something there. */
static void test_limit_of_several(void)
{
    enum { COUNT = 4 };
    folder_remove(folder());
    stub s[COUNT];
    mr_storage *web[COUNT];
    for (int i = 0; i < COUNT; i++) {
        s[i] = good();
        s[i].size = 2000000;
        stub_begin(&s[i]);
        web[i] = mr_storage_from_http(&(mr_http_opts){ .cache = folder(), .cache_bytes = 2500000 });
    }
    for (int i = 0; i < COUNT; i++) {
        static char bytes[1 << 16];
        mr_file *file = mr_file_open(web[i], s[i].url);
        while (mr_file_read(file, bytes, sizeof bytes) > 0)
            continue;
        mr_file_close(file);
        held = 0;
        each_file(add_size);
        CHECK(held > 500000 && held <= 2500000);
    }
    for (int i = 0; i < COUNT; i++) {
        mr_storage_free(web[i]);
        stub_end(&s[i]);
    }
}

/* The folder may have other files: they stay, and do not count. */
static void test_files_of_others(void)
{
    static const char *const names[] = { "thesis.tmp",    "notes.mr",
                                         "1-x.tmp",       "1-.tmp",
                                         "-1.tmp",        "12.tmp",
                                         "1-1.tmp.mr",    "0123456789abcdef0123456789abcdeg.mr",
                                         "0123456789.mr", "00123456789abcdef0123456789abcdef.mr" };
    const struct utimbuf long_ago = { 1000000, 1000000 };
    char path[100], large[20000] = "";
    folder_remove(folder());
    CHECK(mkdir(folder(), 0777) == 0);
    for (int i = 0; i < 10; i++) {
        snprintf(path, sizeof path, "web/cache/%s", names[i]);
        file_put(in_folder(path), large, sizeof large);
        CHECK(utime(in_folder(path), &long_ago) == 0);
    }
    stub s = good();
    s.size = 100000;
    stub_begin(&s);
    read_file(&s, content, 150000);
    CHECK_EQ_I64(count_entries(folder()), 12);
    CHECK_EQ_I64(read_file(&s, content, 150000).bytes, 0);
    read_file(&s, content, 1);
    for (int i = 0; i < 10; i++) {
        snprintf(path, sizeof path, "web/cache/%s", names[i]);
        CHECK(file_exists(in_folder(path)));
    }
    stub_end(&s);
}

/* Of three files, of which two have room, the one goes that was used least lately. */
static void test_least_lately_used(void)
{
    folder_remove(folder());
    stub s[3] = { good(), good(), good() };
    static const int order[] = { 0, 1, 0, 2, 0 };
    for (int i = 0; i < 3; i++) {
        s[i].size = 900000;
        stub_begin(&s[i]);
    }
    for (int i = 0; i < 5; i++) {
        const mr_http_counts counts = read_file(&s[order[i]], content, 2200000);
        CHECK_EQ_I64(counts.bytes, i == 2 || i == 4 ? 0 : 900000);
        stub_sleep(10); /* the clock of files is a coarse one */
    }
    CHECK_EQ_I64(read_file(&s[1], content, 2200000).bytes, 900000);
    for (int i = 0; i < 3; i++)
        stub_end(&s[i]);
}

static void test_nothing_to_know_it_by(void)
{
    folder_remove(folder());
    stub s = good();
    s.etag = NULL;
    stub_begin(&s);
    CHECK_EQ_I64(read_file(&s, content, 0).bytes, SIZE);
    CHECK_EQ_I64(read_file(&s, content, 0).bytes, SIZE);
    CHECK_EQ_I64(count_entries(folder()), 0);
    stub_end(&s);
}

/* What a server gives as a whole only is not kept. */
static void test_no_parts(void)
{
    folder_remove(folder());
    stub s = good();
    s.no_parts = true;
    stub_begin(&s);
    for (int i = 0; i < 2; i++) {
        const mr_http_counts counts = read_file(&s, content, 0);
        CHECK_EQ_I64(counts.bytes, SIZE);
        CHECK_EQ_I64(counts.cache_bytes, 0);
    }
    CHECK_EQ_I64(count_entries(folder()), 0);
    stub_end(&s);
}

/* NULL when all was right. */
static void *read_in_thread(void *user)
{
    const stub *s = user;
    mr_storage *web = mr_storage_from_http(&(mr_http_opts){ .cache = folder(), .cache_bytes = 2000000 });
    mr_file *file = mr_file_open(web, s->url);
    char bytes[5000];
    int64_t at = 0, n = 1;
    for (; file && n > 0; at += n > 0 ? n : 0) {
        n = mr_file_read(file, bytes, sizeof bytes);
        if (n > 0 && (at + n > SIZE || memcmp(bytes, content + at, (size_t)n) != 0))
            break;
    }
    mr_file_close(file);
    mr_storage_free(web);
    return n == 0 && at == SIZE ? NULL : user;
}

static void test_several(void)
{
    stub s = good();
    stub_begin(&s);
    pthread_t threads[3];
    void *wrong;
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, read_in_thread, &s) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], &wrong) == 0 && !wrong);
    stub_end(&s);
}

static void test_folder(void)
{
    file_put(in_folder("plain"), "x", 1);
    CHECK(!mr_storage_from_http(&(mr_http_opts){ .cache = in_folder("plain") }));
    check_said("storage_from_http: cannot use the folder '");
    CHECK(!mr_storage_from_http(&(mr_http_opts){ .cache = in_folder("plain/cache") }));
    check_said("/plain/cache' as a cache: Not a directory");
}

int main(void)
{
    if (!files_begin())
        return 1;
    setenv("no_proxy", "*", 1);
    for (int i = 0; i < SIZE; i++) {
        content[i] = (char)((unsigned)i * 2654435761u >> 24);
        other[i] = (char)(content[i] + 1);
    }
    snprintf(cache_folder, sizeof cache_folder, "%s", in_folder("web/cache"));
    RUN(test_found_again);
    RUN(test_changed);
    RUN(test_damage);
    RUN(test_limit);
    RUN(test_limit_of_several);
    RUN(test_files_of_others);
    RUN(test_least_lately_used);
    RUN(test_nothing_to_know_it_by);
    RUN(test_no_parts);
    RUN(test_several);
    RUN(test_folder);
    return files_report();
}
