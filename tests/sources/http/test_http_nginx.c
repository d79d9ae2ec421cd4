/* A real server, nginx, with a configuration of its own in a temporary folder: parts, conditions, packing on the way, a
 * file that is replaced while it is read, HTTPS by a certificate that is made for it. Left out (77) where there is no
 * nginx. */
#include <millrace/millrace.h>
#include <millrace/sources/arrays.h>
#include <millrace/sources/csv.h>
#include <millrace/sources/http.h>

#include "check.h"
#include "files.h"
#include "largest_block.h"
#include "proxy.h"
#include "said.h"

#include "sources/files/array_file.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

enum { ROWS = 100000 };

static mr_rng *rng;
static const char *nginx, *const places[] = { "/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx" };
static pid_t server;
static int port, secure_port;
static bool secure;

static const mr_http_opts hasty = { .backoff = 0.01, .retries = 3 };

/* ---- the server ---- */

static int free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
          getsockname(fd, (struct sockaddr *)&address, &length) == 0);
    close(fd);
    return ntohs(address.sin_port);
}

static bool answers(int at)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                   .sin_port = htons((uint16_t)at) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return connected;
}

static void make_certificate(void)
{
    char command[1200];
    snprintf(command, sizeof command,
             "cd '%s' && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "
             "key.pem -out cert.pem "
             "-days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 2>openssl.log",
             files_folder);
    secure = system(command) == 0;
    if (!secure)
        puts("note: openssl makes no certificate: HTTPS is left out");
}

static void write_configuration(void)
{
    FILE *file = fopen(in_folder("nginx.conf"), "w");
    fprintf(file,
            "daemon off; master_process off; pid nginx.pid; error_log error.log;\n"
            "events { worker_connections 128; }\n"
            "http {\n"
            "  access_log off; default_type text/csv; gzip on; gzip_types text/csv; gzip_min_length 1;\n"
            "  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; "
            "scgi_temp_path t5;\n"
            "  server { listen 127.0.0.1:%d; root files;\n"
            "    location /whole/ { alias files/; max_ranges 0; }\n"
            "    location /nameless/ { alias files/; etag off; }\n"
            "    location /gone { return 503; }\n"
            "    location /moved/ { return 302 /$arg_to; } }\n",
            port);
    if (secure)
        fprintf(file,
                "  server { listen 127.0.0.1:%d ssl; root files; ssl_certificate cert.pem; "
                "ssl_certificate_key key.pem;\n"
                "    location /plain/ { return 302 http://127.0.0.1:%d/a.csv; } }\n",
                secure_port, port);
    fprintf(file, "}\n");
    fclose(file);
}

/* It ends with this program, however that ends. */
static void start(long nanoseconds_later)
{
    char prefix[300];
    snprintf(prefix, sizeof prefix, "%s/", files_folder);
    server = fork();
    if (server)
        return;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    nanosleep(&(struct timespec){ .tv_nsec = nanoseconds_later }, NULL);
    execl(nginx, nginx, "-p", prefix, "-c", "nginx.conf", "-e", "error.log", (char *)NULL);
    _exit(127);
}

static bool begin_server(void)
{
    port = free_port();
    secure_port = free_port();
    CHECK(mkdir(in_folder("files"), 0777) == 0);
    make_certificate();
    write_configuration();
    start(0);
    for (int i = 0; i < 500; i++) {
        if (answers(port) && (!secure || answers(secure_port)))
            return true;
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    printf("nginx does not start: %s\n", file_contents(in_folder("error.log"), NULL));
    return false;
}

static void end_server(void)
{
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
}

static const char *url(const char *path)
{
    static char text[4][200];
    static int at;
    at = (at + 1) % 4;
    snprintf(text[at], sizeof *text, "http://127.0.0.1:%d/%s", port, path);
    return text[at];
}

/* ---- files ---- */

static void put_rows(const char *name, int first)
{
    FILE *file = fopen(in_folder(name), "w");
    fputs("n,text\n", file);
    for (int i = 0; i < ROWS; i++)
        fprintf(file, "%d,always the same\n", first + i);
    fclose(file);
}

static const mr_csv_field field = { .name = "n", .dtype = MR_INT64 };

static int64_t number(const mr_batch *b, int64_t row)
{
    return ((const int64_t *)mr_tensor_data(b->field[0]))[row];
}

/* Rows of a stream, in order: how many there are before the end, or before a failure. */
static int64_t count_rows(const char *address, mr_storage *web, mr_access access, mr_status wanted)
{
    mr_dataset *d = mr_csv_stream_new(address, &field, 1, &(mr_csv_opts){ .storage = web });
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 500, .workers = 1 });
    mr_file *file = mr_file_open(web, address);
    if (file)
        CHECK_EQ_I64(mr_file_known(file)->access, access);
    mr_file_close(file);
    const mr_batch *b;
    int64_t rows = 0;
    mr_status s;
    while ((s = mr_loader_next(loader, &b)) == MR_OK)
        for (int64_t i = 0; i < b->rows; i++, rows++)
            CHECK_EQ_I64(number(b, i), rows);
    if (!CHECK_EQ_I64(s, wanted))
        printf("    %s: %s\n", address, mr_error());
    mr_loader_free(loader);
    mr_dataset_free(d);
    return rows;
}

static void test_plain(void)
{
    mr_storage *web = mr_storage_from_http(&hasty);
    CHECK_EQ_I64(count_rows(url("a.csv"), web, MR_ACCESS_SEEK, MR_END), ROWS);
    CHECK_EQ_I64(count_rows(url("whole/a.csv"), web, MR_ACCESS_AGAIN, MR_END), ROWS);
    CHECK_EQ_I64(count_rows(url("nameless/a.csv"), web, MR_ACCESS_SEEK, MR_END), ROWS);
    CHECK_EQ_I64(count_rows(url("moved/?to=a.csv"), web, MR_ACCESS_SEEK, MR_END), ROWS);
    CHECK_EQ_I64(count_rows(url("a.csv.gz"), web, MR_ACCESS_SEEK, MR_END), ROWS);
    mr_storage_free(web);
}

static void test_shards(void)
{
    mr_storage *web = mr_storage_from_http(&hasty);
    mr_dataset *d = mr_csv_stream_new(url("a.csv"), &field, 1, &(mr_csv_opts){ .storage = web });
    mr_storage_free(web);
    mr_loader *first =
                  mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 512, .shards = 4, .workers = 3 }),
              *second = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 512, .shards = 4 });
    const mr_batch *b;
    const void *bytes;
    size_t size;
    int64_t sum = 0, rows = 0;
    for (int i = 0; i < 77; i++) {
        CHECK_EQ_I64(mr_loader_next(first, &b), MR_OK);
        for (int64_t r = 0; r < b->rows; r++, rows++)
            sum += number(b, r);
    }
    CHECK_EQ_I64(mr_loader_save(first, &bytes, &size), MR_OK);
    CHECK_EQ_I64(mr_loader_restore(second, bytes, size), MR_OK);
    mr_status s;
    while ((s = mr_loader_next(second, &b)) == MR_OK)
        for (int64_t r = 0; r < b->rows; r++, rows++)
            sum += number(b, r);
    CHECK_EQ_I64(s, MR_END);
    CHECK_EQ_I64(rows, ROWS);
    CHECK_EQ_I64(sum, (int64_t)ROWS * (ROWS - 1) / 2);
    mr_loader_free(first);
    mr_loader_free(second);
    mr_dataset_free(d);
}

static void test_refused(void)
{
    mr_storage *web = mr_storage_from_http(&hasty);
    CHECK(!mr_file_open(web, url("nothing.csv")));
    check_said("/nothing.csv': the server says 404 Not Found");
    CHECK(!mr_file_open(web, url("gone")));
    check_said("/gone': the server says 503 Service Temporarily Unavailable, after 3 retries");
    mr_storage_free(web);
}

/* The file is another in the middle of an epoch: nobody gets rows of both. */
static void test_replaced(void)
{
    mr_storage *web = mr_storage_from_http(&(mr_http_opts){ .part_bytes = 100000, .connections = 2 });
    mr_file *file = mr_file_open(web, url("b.csv"));
    char bytes[10000];
    int64_t n = mr_file_read(file, bytes, sizeof bytes);
    CHECK(n > 0);
    put_rows("files/other.csv", 7);
    CHECK(rename(in_folder("files/other.csv"), in_folder("files/b.csv")) == 0);
    while (n > 0)
        n = mr_file_read(file, bytes, sizeof bytes);
    CHECK_EQ_I64(n, -1);
    check_said("/b.csv' has changed while it was read");
    mr_file_close(file);
    mr_storage_free(web);
}

static void test_cached(void)
{
    mr_http_counts counts;
    for (int i = 0; i < 2; i++) {
        mr_storage *web = mr_storage_from_http(&(mr_http_opts){ .cache = in_folder("cache") });
        CHECK_EQ_I64(count_rows(url("a.csv"), web, MR_ACCESS_SEEK, MR_END), ROWS);
        CHECK_EQ_I64(mr_http_count(web, &counts), MR_OK);
        CHECK(i ? counts.cache_bytes > 2000000 : counts.bytes > 2000000);
        mr_storage_free(web);
    }
    CHECK_EQ_I64(counts.bytes, 0);
}

/* Rows from everywhere in an array of 10 GB, of which next to nothing comes, and nothing is kept. */
static void test_large_array(void)
{
    enum { ROW = 1024 };
    const int64_t rows = 10 << 18;
    const mr_shape shape = { 2, { rows, ROW } };
    const float last = 7;
    char head[MR__NPY_HEAD];
    FILE *file = fopen(in_folder("files/large.npy"), "wb");
    const size_t length = mr__npy_head(head, MR_FLOAT32, &shape, rows);
    CHECK(fwrite(head, 1, length, file) == length &&
          fseeko(file, (off_t)length + (off_t)rows * ROW * 4 - 4, SEEK_SET) == 0 &&
          fwrite(&last, sizeof last, 1, file) == 1);
    fclose(file);
    mr_storage *web = mr_storage_from_http(&hasty);
    largest_block_begin();
    mr_dataset *array = mr_arrays_new(&(mr_array_file){ .path = url("large.npy"), .storage = web }, 1);
    CHECK_EQ_I64(mr_dataset_len(array), rows);
    mr_loader *loader = mr_loader_new(array, rng, &(mr_loader_opts){ .batch_size = 8, .workers = 2 });
    mr_loader_set_sampler(loader, mr_permutation_sampler_new(rows, 1));
    const mr_batch *b;
    for (int i = 0; i < 10 && CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK); i++)
        CHECK(((const float *)mr_tensor_data(b->field[0]))[i] == 0);
    mr_loader_free(loader);
    mr_batch *end = mr_dataset_get(array, rows - 1);
    CHECK(end && ((const float *)mr_tensor_data(end->field[0]))[ROW - 1] == 7);
    mr_batch_free(end);
    mr_dataset_free(array);
    CHECK(largest_block_end() < 1 << 20);
    mr_http_counts counts;
    CHECK_EQ_I64(mr_http_count(web, &counts), MR_OK);
    CHECK(counts.bytes < 3 << 20);
    mr_storage_free(web);
}

/* The server goes away in the middle of a file, and comes back. */
static void test_restarted(void)
{
    mr_storage *web = mr_storage_from_http(
        &(mr_http_opts){ .part_bytes = 100000, .connections = 2, .backoff = 0.05, .retries = 10 });
    mr_file *file = mr_file_open(web, url("a.csv"));
    char bytes[10000];
    CHECK(mr_file_read(file, bytes, sizeof bytes) > 0);
    end_server();
    start(100000000);
    int64_t n, sum = 0;
    while ((n = mr_file_read(file, bytes, sizeof bytes)) > 0)
        sum += n;
    CHECK(n == 0 && sum > 2000000);
    mr_http_counts counts;
    CHECK_EQ_I64(mr_http_count(web, &counts), MR_OK);
    CHECK(counts.retries > 0);
    mr_file_close(file);
    mr_storage_free(web);
}

static void test_https(void)
{
    char address[100], file_name[600];
    if (!secure)
        return;
    snprintf(address, sizeof address, "https://127.0.0.1:%d/a.csv", secure_port);
    snprintf(file_name, sizeof file_name, "%s", in_folder("cert.pem"));
    mr_storage *web = mr_storage_from_http(&(mr_http_opts){ .ca_file = file_name, .retries = -1 });
    CHECK_EQ_I64(count_rows(address, web, MR_ACCESS_SEEK, MR_END), ROWS);
    mr_storage_free(web);
    web = mr_storage_from_http(&hasty); /* of the system's authorities none knows it */
    CHECK(!mr_file_open(web, address));
    check_said("/a.csv': SSL certificate problem: self-signed certificate");
    mr_storage_free(web);
    web = mr_storage_from_http(&(mr_http_opts){ .ca_file = "/nowhere/cert.pem" });
    CHECK(!mr_file_open(web, address));
    check_said("/a.csv': ");
    mr_storage_free(web);
    snprintf(address, sizeof address, "https://localhost:%d/a.csv",
             secure_port); /* of which the certificate does not speak */
    web = mr_storage_from_http(&(mr_http_opts){ .ca_file = file_name, .retries = -1 });
    CHECK(!mr_file_open(web, address));
    mr_error_clear();
    mr_storage_free(web);
}

/* What was asked for by HTTPS never goes on in plain text. */
static void test_secure_to_plain(void)
{
    static const char *const schemes[] = { "https", "HTTPS", "Https" };
    char address[100];
    mr_storage *web =
        mr_storage_from_http(&(mr_http_opts){ .ca_file = in_folder("cert.pem"), .retries = -1 });
    for (int i = 0; secure && i < 3; i++) {
        snprintf(address, sizeof address, "%s://127.0.0.1:%d/plain/", schemes[i], secure_port);
        CHECK(!mr_file_open(web, address));
        check_said("/plain/': the server redirects to http, and only https is followed");
    }
    mr_storage_free(web);
}

/* The same through a proxy's tunnels: what it says of these is no answer of the server's. */
static void test_proxy(void)
{
    char address[100];
    if (!secure)
        return;
    snprintf(address, sizeof address, "https://127.0.0.1:%d/a.csv", secure_port);
    proxy p = { 0 };
    proxy_begin(&p);
    mr_storage *web =
        mr_storage_from_http(&(mr_http_opts){ .ca_file = in_folder("cert.pem"), .retries = -1 });
    CHECK_EQ_I64(count_rows(address, web, MR_ACCESS_SEEK, MR_END), ROWS);
    CHECK(atomic_load(&p.tunnels) >= 1);
    mr_storage_free(web);
    proxy_end(&p);
}

int main(void)
{
    for (int i = 0; i < 3 && !nginx; i++)
        nginx = access(places[i], X_OK) == 0 ? places[i] : NULL;
    if (!nginx) {
        puts("skipped: nginx is missing (Debian: nginx-light)");
        return 77;
    }
    setenv("no_proxy", "*", 1);
    if (!files_begin() || !begin_server())
        return 1;
    rng = mr_rng_new(1);
    put_rows("files/a.csv", 0);
    put_rows("files/b.csv", 0);
    char command[300];
    snprintf(command, sizeof command, "gzip -k '%s/files/a.csv'", files_folder);
    CHECK(system(command) == 0);
    RUN(test_plain);
    RUN(test_shards);
    RUN(test_refused);
    RUN(test_replaced);
    RUN(test_cached);
    RUN(test_large_array);
    RUN(test_restarted);
    RUN(test_https);
    RUN(test_secure_to_plain);
    RUN(test_proxy);
    mr_rng_free(rng);
    end_server();
    return files_report();
}
