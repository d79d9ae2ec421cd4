/* On the way to a file: redirections, and a proxy. */
#include <millrace/sources/http.h>

#include "check.h"
#include "proxy.h"
#include "reading.h"
#include "said.h"

/* ---- redirections ---- */

static int64_t read_redirected(stub *s, const char *location)
{
    static const char *const headers[] = { "Authorization: Bearer secret", "Private-Token: secret" };
    char answer[400];
    snprintf(answer, sizeof answer, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
             location);
    *s = good();
    s->refusal = answer;
    s->refusals = 1;
    return read_all(
        s, &(mr_http_opts){ .headers = headers, .header_count = 2, .connections = 1, .retries = -1 }, NULL);
}

static bool asked_for(const stub *s, const char *path)
{
    char line[100];
    snprintf(line, sizeof line, "GET %s HTTP/1.1\r\n", path);
    return strncmp(s->first[1], line, strlen(line)) == 0;
}

static void test_redirected(void)
{
    stub s, to = good();
    stub_begin(&to);
    CHECK_EQ_I64(read_redirected(&s, to.url), SIZE);
    CHECK_EQ_I64(atomic_load(&to.requests), 1);
    /* What the user sends along is for the server that he names. */
    CHECK(strstr(to.last, "\r\nRange: bytes=0-262143\r\n") != NULL);
    CHECK(strstr(to.last, "\r\nAccept-Encoding: identity\r\n") != NULL);
    CHECK(!strstr(to.last, "secret"));
    stub_end(&to);

    CHECK_EQ_I64(read_redirected(&s, "/other?a=1"), SIZE);
    CHECK(asked_for(&s, "/other?a=1") && strstr(s.first[1], "\r\nPrivate-Token: secret\r\n"));
    CHECK_EQ_I64(read_redirected(&s, "other"), SIZE);
    CHECK(asked_for(&s, "/other"));
    CHECK_EQ_I64(read_redirected(&s, "/ein \xc3\xbc%20b"), SIZE);
    CHECK(asked_for(&s, "/ein%20%c3%bc%20b"));
    CHECK_EQ_I64(read_redirected(&s, "ftp://127.0.0.1/file"), -1);
    check_said("/file': the server redirects to ftp, and only http or https is followed");
    CHECK_EQ_I64(read_redirected(&s, "file:///etc/passwd"), -1);
    check_said("/file': the server redirects to file, and only http or https is followed");
    CHECK_EQ_I64(read_redirected(&s, "http://"), -1);
    check_said("/file': the server says 302 Found");

    s = good(); /* in circles */
    s.refusal = "HTTP/1.1 302 Found\r\nLocation: /file\r\nContent-Length: 4\r\n\r\nthis";
    s.refusals = 1000;
    CHECK_EQ_I64(read_all(&s, &(mr_http_opts){ .retries = -1 }, NULL), -1);
    check_said("/file': the server redirects more than 10 times");
    CHECK_EQ_I64(atomic_load(&s.requests), 11);
}

/* There and back: what was left out on the way is sent to the first server again. */
static void test_redirected_back(void)
{
    char there[200], back[200];
    stub s = good(), to = good();
    stub_begin(&to);
    snprintf(there, sizeof there, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", to.url);
    s.refusal = there;
    s.refusals = 1;
    stub_begin(&s);
    snprintf(back, sizeof back, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", s.url);
    to.refusal = back;
    to.refusals = 1;
    mr_storage *web = mr_storage_from_http(&(mr_http_opts){
        .headers = (const char *[]){ "Private-Token: secret" }, .header_count = 1, .retries = -1 });
    mr_file *file = mr_file_open(web, s.url);
    CHECK_EQ_I64(read_on(file, 0, 50000), SIZE);
    CHECK(strstr(s.first[0], "secret") && strstr(s.first[1], "secret") && !strstr(to.first[0], "secret"));
    mr_file_close(file);
    mr_storage_free(web);
    stub_end(&s);
    stub_end(&to);
}

/* What a proxy says of its tunnel is not what the server says of the file: here no server understands TLS. */
static void test_proxy(void)
{
    char url[100];
    stub s = good();
    stub_begin(&s);
    snprintf(url, sizeof url, "https://127.0.0.1:%d/file", s.port);
    proxy p = { 0 };
    proxy_begin(&p);
    mr_storage *web = mr_storage_from_http(&hasty);
    CHECK(!mr_file_open(web, url));
    check_said("/file': ");
    CHECK_EQ_I64(atomic_load(&p.tunnels), 4);

    p.refusal = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    CHECK(!mr_file_open(web, url));
    check_said("/file': the proxy says 503, after 3 retries");
    CHECK_EQ_I64(atomic_load(&p.asked), 8);
    p.refusal = "HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n";
    CHECK(!mr_file_open(web, url));
    check_said("/file': the proxy says 407");
    CHECK_EQ_I64(atomic_load(&p.asked), 9);
    mr_storage_free(web);
    proxy_end(&p);
    stub_end(&s);
}

int main(void)
{
    setenv("no_proxy", "*", 1);
    make_content();
    RUN(test_redirected);
    RUN(test_redirected_back);
    RUN(test_proxy);
    return check_report();
}
