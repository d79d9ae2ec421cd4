/* Files of a web server that does as it should, and of one that does not: cuts, stalls, changes, lies. */
#include <millrace/sources/http.h>

#include "check.h"
#include "files.h"
#include "reading.h"
#include "refuse.h"
#include "said.h"

#include <math.h>
#include <signal.h>

/* ---- reading ---- */

static void test_reading(void)
{
    static const size_t pieces[] = { 1 << 16, 50000, 4096, 999 };
    stub s = good();
    stub_begin(&s);
    mr_storage *web = mr_storage_from_http(&(mr_http_opts){ .part_bytes = 400000, .connections = 3 });
    for (int i = 0; i < 4; i++) {
        mr_file *file = mr_file_open(web, s.url);
        const mr_file_facts *known = mr_file_known(file);
        CHECK_EQ_I64(known->size, SIZE);
        CHECK_EQ_I64(known->access, MR_ACCESS_SEEK);
        CHECK(known->stamp != 0 && known->descriptor == -1);
        CHECK_EQ_I64(read_on(file, 0, pieces[i]), SIZE);
        CHECK_EQ_I64(mr_file_read(file, &(char){ 0 }, 1), 0);
        static const int64_t places[] = { 2999999, 0,       1500000, 1500001, 1700000,
                                          700000,  3000000, 2000000, 2390000 };
        for (int j = 0; j < 9; j++) {
            char bytes[1000];
            CHECK_EQ_I64(mr_file_seek(file, places[j]), MR_OK);
            const int64_t n = mr_file_read(file, bytes, sizeof bytes);
            CHECK(n >= 0 && (n > 0) == (places[j] < SIZE) &&
                  memcmp(bytes, content + places[j], (size_t)n) == 0);
        }
        CHECK_EQ_I64(mr_file_seek(file, 1000000), MR_OK);
        CHECK_EQ_I64(read_on(file, 1000000, pieces[i]), SIZE - 1000000);
        mr_file_close(file);
    }
    mr_storage_free(web);
    stub_end(&s);
}

/* With answers that take their time, what counts is how many are on their way. */
static void test_several_at_once(void)
{
    stub s = good();
    s.delay = 20;
    CHECK_EQ_I64(read_all(&s, &(mr_http_opts){ .part_bytes = 200000, .connections = 4 }, NULL), SIZE);
    CHECK(atomic_load(&s.most_open) >= 3 && atomic_load(&s.most_open) <= 4);
    s = good();
    CHECK_EQ_I64(read_all(&s, &(mr_http_opts){ .part_bytes = 200000, .connections = 1 }, NULL), SIZE);
    CHECK_EQ_I64(atomic_load(&s.most_open), 1);
}

/* Reads a part of the file, of which it says where it ends, and then all the same what is behind it. */
static void check_part(const mr_http_opts *opts, int64_t most)
{
    enum { BEGIN = 500000, END = 1200000 };
    static char bytes[END - BEGIN];
    mr_http_counts counts;
    stub s = good();
    stub_begin(&s);
    mr_storage *web = mr_storage_from_http(opts);
    mr_file *file = mr_file_open(web, s.url);
    mr_file_expect_end(file, END);
    CHECK_EQ_I64(mr_file_seek(file, BEGIN), MR_OK);
    for (size_t filled = 0; filled < sizeof bytes;) {
        const int64_t n = mr_file_read(file, bytes + filled, sizeof bytes - filled);
        if (!CHECK(n > 0))
            break;
        filled += (size_t)n;
    }
    CHECK(memcmp(bytes, content + BEGIN, sizeof bytes) == 0);
    CHECK_EQ_I64(mr_http_count(web, &counts), MR_OK);
    if (!CHECK(counts.bytes <= most))
        printf("    %lld bytes\n", (long long)counts.bytes);
    CHECK_EQ_I64(read_on(file, END, 50000), SIZE - END);
    mr_file_close(file);
    mr_storage_free(web);
    stub_end(&s);
}

static void test_expected_end(void)
{
    enum { FIRST = 1 << 18, BLOCK = 1 << 20 };
    char cache[512];
    snprintf(cache, sizeof cache, "%s", in_folder("cache"));
    check_part(&(mr_http_opts){ .part_bytes = 100000, .connections = 8 }, FIRST + 700000);
    check_part(&(mr_http_opts){ .connections = 2 }, FIRST + 700000);
    check_part(&(mr_http_opts){ .cache = cache, .connections = 4 }, 2 * BLOCK);
}

/* A file of fewer bytes than are asked for at once; and one of none. */
static void test_small(void)
{
    for (int64_t size = 0; size < 3; size++) {
        stub s = good();
        s.size = size;
        CHECK_EQ_I64(read_all(&s, NULL, NULL), size);
        s = good();
        s.size = size;
        s.no_parts = true;
        CHECK_EQ_I64(read_all(&s, NULL, NULL), size);
        s = good();
        s.size = size;
        s.no_parts = s.chunked = true;
        CHECK_EQ_I64(read_all(&s, NULL, NULL), size);
    }
}

/* A server that has no part of a file, and does not say how much there is: it is asked for all, be that nothing. */
static void test_no_part(void)
{
    for (int64_t size = 0; size <= SIZE; size += SIZE / 2) {
        mr_http_counts counts;
        stub s = good();
        s.size = size;
        s.refusal = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 4\r\n\r\nnone";
        s.refusals = 1;
        CHECK_EQ_I64(read_all(&s, &hasty, &counts), size);
        CHECK_EQ_I64(counts.requests, 2);
        CHECK_EQ_I64(counts.retries, 0);
        CHECK(!strstr(s.last, "\r\nRange:"));
    }
}

/* ---- trouble that passes ---- */

static void test_cut(void)
{
    mr_http_counts counts;
    stub s = good();
    s.cut = 70000;
    s.cuts = 30;
    CHECK_EQ_I64(read_all(&s, &hasty, &counts), SIZE);
    CHECK(counts.retries >= 5 && counts.requests > counts.retries);
    CHECK_EQ_I64(counts.bytes, SIZE); /* nothing comes twice */

    s = good(); /* the whole file, from the front each time */
    s.no_parts = true;
    s.cut = 1000000;
    s.cuts = 2;
    CHECK_EQ_I64(read_all(&s, &hasty, &counts), SIZE);
    CHECK_EQ_I64(counts.retries, 2);

    s = good(); /* nobody knows whether it is the same */
    s.no_parts = true;
    s.etag = NULL;
    s.cut = 1000000;
    s.cuts = 1;
    CHECK_EQ_I64(read_all(&s, &hasty, &counts), -1);
    check_said("/file': broke off after 1000000 bytes: ");
}

static void test_stall(void)
{
    mr_http_counts counts;
    stub s = good();
    s.stall = 100000;
    s.stalls = 2;
    CHECK_EQ_I64(read_all(&s, &hasty, &counts), SIZE);
    CHECK_EQ_I64(counts.retries, 2);
    CHECK_EQ_I64(counts.bytes, SIZE);

    s = good();
    s.refusal = ""; /* it says nothing, and hangs up */
    s.refusals = 100;
    mr_http_opts never = hasty;
    never.retries = -1;
    CHECK_EQ_I64(read_all(&s, &never, &counts), -1);
    CHECK_EQ_I64(counts.retries, 0);
    check_said("/file': Empty reply from server");
    s = good();
    s.refusal = "";
    s.refusals = 100;
    CHECK_EQ_I64(read_all(&s, &hasty, &counts), -1);
    CHECK_EQ_I64(counts.requests, 4);
    check_said("/file': Empty reply from server, after 3 retries");
}

static void test_refused(void)
{
    mr_http_counts counts;
    stub s = good();
    s.refusal = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nno\n";
    s.refusals = 2;
    CHECK_EQ_I64(read_all(&s, &hasty, &counts), SIZE);
    CHECK_EQ_I64(counts.retries, 2);

    s = good();
    s.refusal = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    s.refusals = 1;
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    CHECK_EQ_I64(read_all(&s, &hasty, &counts), SIZE);
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK((double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec) >= 0.99);
    CHECK_EQ_I64(counts.retries, 1);

    s = good();
    s.refusal = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n";
    s.refusals = 1;
    CHECK_EQ_I64(read_all(&s, &hasty, &counts), -1);
    check_said("/file': the server says 503 Service Unavailable, and to ask again in 3600 seconds");
    CHECK_EQ_I64(counts.requests, 1);

    s = good();
    s.refusal = "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n";
    s.refusals = 100;
    CHECK_EQ_I64(read_all(&s, &hasty, &counts), -1);
    check_said("/file': the server says 404 Not Found");
    CHECK_EQ_I64(counts.requests, 1);

    s = good();
    s.refusal = "HTTP/1.1 500 \r\n\r\n";
    s.refusals = 100;
    CHECK_EQ_I64(read_all(&s, &hasty, &counts), -1);
    check_said("/file': the server says 500, after 3 retries");
    mr_http_opts once = hasty;
    once.retries = 1;
    CHECK_EQ_I64(read_all(&s, &once, &counts), -1);
    check_said("/file': the server says 500, after 1 retry");

    /* Nobody is there. */
    s = good();
    stub_begin(&s);
    stub_end(&s);
    mr_storage *web = mr_storage_from_http(&hasty);
    CHECK(!mr_file_open(web, s.url));
    check_said("/file': ");
    mr_storage_free(web);
}

/* ---- what is no longer the file ---- */

static void test_changed(void)
{
    stub s = good();
    s.changes_after = 2;
    s.other_etag = "\"two\"";
    CHECK_EQ_I64(read_all(&s, &hasty, NULL), -1);
    check_said("/file' has changed while it was read");

    s = good(); /* a weak ETag is no condition, but it is looked at */
    s.etag = "W/\"one\"";
    s.changes_after = 2;
    s.other_etag = "W/\"two\"";
    CHECK_EQ_I64(read_all(&s, &hasty, NULL), -1);
    check_said("/file' has changed while it was read");

    s = good();
    s.etag = "W/\"one\"";
    CHECK_EQ_I64(read_all(&s, &hasty, NULL), SIZE);

    s = good(); /* known by its date */
    s.etag = NULL;
    s.modified = "Wed, 21 Oct 2015 07:28:00 GMT";
    CHECK_EQ_I64(read_all(&s, &hasty, NULL), SIZE);
    CHECK(strstr(s.last, "\r\nIf-Unmodified-Since: Wed, 21 Oct 2015 07:28:00 GMT\r\n") != NULL);

    s = good(); /* a try that is made again in the middle of a part */
    s.cut = 100000;
    s.cuts = 1;
    s.changes_after = 1;
    s.other_etag = "\"two\"";
    CHECK_EQ_I64(read_all(&s, &hasty, NULL), -1);
    check_said("/file' has changed while it was read");

    s = good(); /* the whole file, again */
    s.no_parts = true;
    s.cut = 100000;
    s.cuts = 1;
    s.changes_after = 1;
    s.other_etag = "\"two\"";
    CHECK_EQ_I64(read_all(&s, &hasty, NULL), -1);
    check_said("/file' has changed while it was read");

    s = good(); /* it has become shorter, without another word */
    s.etag = NULL;
    s.range = "bytes 0-262143/2999999";
    CHECK_EQ_I64(read_all(&s, &hasty, NULL), -1);
    mr_error_clear();
}

/* ---- lies ---- */

static void check_lie(stub s, const char *wanted)
{
    CHECK_EQ_I64(read_all(&s, &hasty, NULL), -1);
    check_said(wanted);
}

static void test_lies(void)
{
    stub s = good();
    s.range = "bytes 5-262148/3000000";
    check_lie(s, "/file': the server gives bytes 5 to 262148, where 0 to 262143 were asked for");
    s.range = "bytes 0-262144/3000000";
    check_lie(s, "/file': the server gives bytes 0 to 262144, where 0 to 262143 were asked for");
    s.range = "bytes 0-100/3000000";
    check_lie(s, "/file': the server gives bytes 0 to 100, and says that these are 262144");
    s.range = "";
    check_lie(s, "/file': the server gives a part of the file, and does not say which");
    s.range = "bytes 99999999999999999999-1/5";
    check_lie(s, "/file': the server gives a part of the file, and does not say which");
    s.range = "lines 0-5/6";
    check_lie(s, "/file': the server gives a part of the file, and does not say which");

    s = good(); /* chunked, so that nothing but the range says how much it is */
    s.chunked = true;
    CHECK_EQ_I64(read_all(&s, &hasty, NULL), SIZE);
    s = good();
    s.chunked = true;
    s.more = 7;
    check_lie(s, "/file': the server gives more bytes than it says, 0 to 262143");
    s.more = -262144;
    check_lie(s,
              "/file': the server gives no bytes where it says that it gives 0 to 262143, after 3 retries");
    s = good();
    s.more = 7; /* behind the Content-Length: they are not the answer's */
    CHECK_EQ_I64(read_all(&s, &hasty, NULL), SIZE);

    s = good(); /* fewer bytes than were asked for, and it says so: that is no lie */
    s.at_most = 100000;
    CHECK_EQ_I64(read_all(&s, &hasty, NULL), SIZE);
    s = good(); /* of how much, it does not know: then it is to give all */
    s.refusal =
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-262143/*\r\nContent-Length: 262144\r\n\r\n";
    s.refusals = 1;
    CHECK_EQ_I64(read_all(&s, &hasty, NULL), SIZE);

    s = good();
    s.refusal = "this is no HTTP at all, but something else that is long enough\r\n\r\n";
    s.refusals = 100;
    CHECK_EQ_I64(read_all(&s, &hasty, NULL), -1);
    check_said("/file': ");
}

/* ---- servers without parts ---- */

static void test_whole(void)
{
    stub s = good();
    s.no_parts = true;
    stub_begin(&s);
    mr_storage *web = mr_storage_from_http(&hasty);
    mr_file *file = mr_file_open(web, s.url);
    CHECK_EQ_I64(mr_file_known(file)->access, MR_ACCESS_AGAIN);
    CHECK_EQ_I64(mr_file_known(file)->size, SIZE);
    CHECK_EQ_I64(mr_file_seek(file, 2000000), MR_OK);
    CHECK_EQ_I64(read_on(file, 2000000, 10000), SIZE - 2000000);
    CHECK_EQ_I64(mr_file_seek(file, 1000), MR_OK);
    CHECK_EQ_I64(read_on(file, 1000, 10000), SIZE - 1000);
    CHECK_EQ_I64(atomic_load(&s.requests), 2);
    s.changes_after = 1;
    s.other_etag = "\"two\"";
    CHECK_EQ_I64(mr_file_seek(file, 0), MR_ERR_STATE);
    check_said("/file' has changed since it was opened");
    mr_file_close(file);
    mr_storage_free(web);
    stub_end(&s);
}

/* A stream without an end, of which nothing is known. */
static void test_endless(void)
{
    stub s = good();
    s.no_parts = s.chunked = true;
    s.etag = NULL;
    s.stall = 2000000;
    s.stalls = 1;
    stub_begin(&s);
    mr_storage *web = mr_storage_from_http(&hasty);
    mr_file *file = mr_file_open(web, s.url);
    CHECK_EQ_I64(mr_file_known(file)->access, MR_ACCESS_ONCE);
    CHECK_EQ_I64(mr_file_known(file)->size, -1);
    CHECK_EQ_I64(mr_file_known(file)->stamp, 0);
    CHECK_EQ_I64(read_on(file, 0, 10000), -1);
    check_said("/file': broke off after 2000000 bytes: no byte for 0.5 seconds");
    CHECK_EQ_I64(mr_file_seek(file, 0), MR_ERR_STATE);
    check_said("/file' is read once, from front to back: it cannot go from byte 2000000 to 0");
    mr_file_close(file);
    mr_storage_free(web);
    stub_end(&s);
}

/* ---- interrupting ---- */

static mr_storage *to_interrupt;

static void on_alarm(int number)
{
    (void)number;
    mr_storage_interrupt(to_interrupt);
}

static void test_interrupted(void)
{
    stub s = good();
    s.stall = 100000;
    s.stalls = 1;
    stub_begin(&s);
    to_interrupt = mr_storage_from_http(NULL);
    struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
    sigaction(SIGALRM, &action, NULL);
    mr_file *file = mr_file_open(to_interrupt, s.url);
    ualarm(30000, 0);
    CHECK_EQ_I64(read_on(file, 0, 10000), -1);
    check_said("/file': interrupted");
    CHECK(!mr_file_open(to_interrupt, s.url));
    check_said("/file': interrupted");
    mr_file_close(file);
    mr_storage_free(to_interrupt);
    stub_end(&s);
}

/* ---- requests ---- */

static void test_requests(void)
{
    static const char *const headers[] = { "Authorization: Bearer secret", "X-More: 1" };
    stub s = good();
    CHECK_EQ_I64(
        read_all(&s, &(mr_http_opts){ .headers = headers, .header_count = 2, .connections = 1 }, NULL), SIZE);
    CHECK(strncmp(s.last, "GET /file HTTP/1.1\r\n", 20) == 0);
    CHECK(strstr(s.last, "\r\nAuthorization: Bearer secret\r\n") && strstr(s.last, "\r\nX-More: 1\r\n"));
    CHECK(strstr(s.last, "\r\nAccept-Encoding: identity\r\n") && strstr(s.last, "\r\nIf-Match: \"one\"\r\n"));
    CHECK_EQ_I64(atomic_load(&s.unconditional), 1);

    char token[1500] = "Authorization: Bearer ";
    memset(token + 22, 'a', sizeof token - 23);
    s = good();
    s.size = 1000;
    CHECK_EQ_I64(
        read_all(&s, &(mr_http_opts){ .headers = (const char *[]){ token }, .header_count = 1 }, NULL), 1000);
    const char *sent = strstr(s.last, token);
    CHECK(sent && sent[sizeof token - 1] == '\r');
}

static void test_options(void)
{
    mr_storage *web = mr_storage_from_http(NULL), *disk = mr_storage_from_fd(0);
    mr_http_counts counts;
    CHECK(!mr_file_open(web, "a.csv"));
    check_said("'a.csv' is no URL of a web server, http://… or https://…");
    CHECK(!mr_file_open(web, "ftp://127.0.0.1/a.csv"));
    check_said("'ftp://127.0.0.1/a.csv' is no URL of a web server");
    CHECK(!mr_file_open(web, "http://me:secret@127.0.0.1/a.csv"));
    CHECK(!strstr(mr_error(), "secret"));
    check_said("a URL with a password in it would be in messages: give a header instead");
    CHECK_EQ_I64(mr_http_count(disk, &counts), MR_ERR_ARGUMENT);
    check_said("http_count: this is no storage of mr_storage_from_http");
    CHECK_EQ_I64(mr_http_count(NULL, &counts), MR_ERR_ARGUMENT);
    check_said("http_count: this is no storage of mr_storage_from_http");
    mr_storage_free(web);
    mr_storage_free(disk);
    static const char *const headers[] = { "no colon" };
    CHECK(!mr_storage_from_http(&(mr_http_opts){ .connections = 65 }));
    check_said("storage_from_http: 65 connections: there are 1 to 64");
    CHECK(!mr_storage_from_http(&(mr_http_opts){ .part_bytes = -1 }));
    check_said("storage_from_http: parts of -1 bytes");
    static const char *const names[] = { "backoff", "most_backoff", "connect_timeout", "stall_timeout" };
    static const double wrong[] = { -1, NAN, INFINITY, 1e7 };
    for (int i = 0; i < 16; i++) {
        char wanted[100];
        mr_http_opts opts = { 0 };
        double *const times[] = { &opts.backoff, &opts.most_backoff, &opts.connect_timeout,
                                  &opts.stall_timeout };
        *times[i / 4] = wrong[i % 4];
        web = mr_storage_from_http(&opts);
        CHECK(!web);
        snprintf(wanted, sizeof wanted, "storage_from_http: %s is %g: it has 0 to 1000000 seconds",
                 names[i / 4], wrong[i % 4]);
        check_said(wanted);
        mr_storage_free(web);
    }
    CHECK(!mr_storage_from_http(&(mr_http_opts){ .cache_bytes = -1 }));
    check_said("storage_from_http: cache_bytes is negative");
    CHECK(!mr_storage_from_http(&(mr_http_opts){ .headers = headers, .header_count = 1 }));
    check_said("storage_from_http: header 0 is no line \"name: value\"");
    CHECK(!mr_storage_from_http(&(mr_http_opts){ .cache = "" }));
    check_said("storage_from_http: the cache's folder has no name");
}

/* ---- memory runs out ---- */

static stub *to_read;

static double sum_program(mr_status *status)
{
    mr_storage *web = mr_storage_from_http(&hasty);
    mr_file *file = web ? mr_file_open(web, to_read->url) : NULL;
    unsigned char bytes[4096];
    double sum = 0;
    int64_t n = 1;
    while (file && n > 0) {
        n = mr_file_read(file, bytes, sizeof bytes);
        for (int64_t i = 0; i < n; i++)
            sum += bytes[i];
    }
    *status = mr__settle(mr__pending_status());
    mr_file_close(file);
    mr_storage_free(web);
    return sum;
}

static void test_out_of_memory(void)
{
    stub s = good();
    s.size = 600000;
    to_read = &s;
    stub_begin(&s);
    refuse_begin();
    refuse_each("http", sum_program, 5);
    refuse_end();
    stub_end(&s);
}

int main(void)
{
    setenv("no_proxy", "*", 1);
    make_content();
    RUN(test_reading);
    RUN(test_several_at_once);
    RUN(test_expected_end);
    RUN(test_small);
    RUN(test_no_part);
    RUN(test_cut);
    RUN(test_stall);
    RUN(test_refused);
    RUN(test_changed);
    RUN(test_lies);
    RUN(test_whole);
    RUN(test_endless);
    RUN(test_interrupted);
    RUN(test_requests);
    RUN(test_options);
    RUN(test_out_of_memory);
    return check_report();
}
