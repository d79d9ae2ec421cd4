#include "request.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MOST_THROWN = 1 << 16, MOST_REDIRECTS = 10 };

/* Why it will not come to anything; the first reason stays. */
MR_PRINTF(3, 4)
static void fail(mr__transfer *t, mr_status status, const char *format, ...)
{
    va_list args;
    if (t->status < 0)
        return;
    t->status = status;
    va_start(args, format);
    vsnprintf(t->text, sizeof t->text, format, args);
    va_end(args);
}

/* ---- the head of an answer ---- */

static int64_t end_of(const mr__transfer *t)
{
    return t->offset + t->length;
}

static bool judge_part(mr__transfer *t)
{
    const mr__answer *h = &t->head;
    const int64_t first = t->offset + t->got;
    if (t->length < 0 || h->first < 0)
        fail(t, MR_ERR_FORMAT, "the server gives a part of the file, and does not say which");
    else if (h->first != first || h->last >= end_of(t))
        fail(t, MR_ERR_FORMAT, "the server gives bytes %lld to %lld, where %lld to %lld were asked for",
             (long long)h->first, (long long)h->last, (long long)first, (long long)end_of(t) - 1);
    else if (h->length >= 0 && h->length != h->last - h->first + 1)
        fail(t, MR_ERR_FORMAT, "the server gives bytes %lld to %lld, and says that these are %lld",
             (long long)h->first, (long long)h->last, (long long)h->length);
    return t->status == MR_OK;
}

static bool judge_whole(mr__transfer *t)
{
    if (!t->whole && t->length >= 0 && (t->offset || t->got || t->same || t->answered)) {
        fail(t, MR_ERR_FORMAT, "the server gives the whole file, where bytes %lld to %lld were asked for",
             (long long)(t->offset + t->got), (long long)end_of(t) - 1);
        return false;
    }
    if (!t->answered) /* from then on its owner looks at it without the lock */
        t->whole = true;
    t->head.identity.size = t->head.length;
    return t->status == MR_OK;
}

/* A part from the front of a file that has no bytes, or does not say how many: then all of it is to be asked for. */
static bool judge_empty(mr__transfer *t)
{
    const bool first = !t->offset && !t->got && !t->same && !t->answered;
    if (t->head.identity.size < 0 ? !first : t->offset || t->head.identity.size)
        fail(t, MR_ERR_STATE, "has changed while it was read: the server has no byte %lld",
             (long long)t->offset);
    return t->status == MR_OK;
}

/* Whether the bytes behind the head are wanted. */
static bool judge_head(mr__transfer *t)
{
    const mr__identity *same = t->answered ? &t->answer.identity : t->same;
    bool good = false;
    switch (t->head.status) {
    case 206:
        good = judge_part(t);
        break;
    case 200:
        good = judge_whole(t);
        break;
    case 416:
        good = judge_empty(t);
        break;
    case 304:
        good = t->known != NULL;
        t->unchanged = good;
        break;
    case 412:
        fail(t, MR_ERR_STATE, "has changed while it was read");
        break;
    default:
        break;
    }
    if (good && t->head.status < 300 && !mr__identity_readable(&t->head.identity))
        fail(t, MR_ERR_FORMAT, "the server packs the file by '%s', which nobody asked for",
             t->head.identity.encoding);
    if (good && !t->unchanged && same && !mr__identity_same(same, &t->head.identity))
        fail(t, MR_ERR_STATE, "has changed while it was read");
    return good && t->status == MR_OK;
}

static size_t on_head(char *line, size_t size, size_t count, void *user)
{
    mr__transfer *t = user;
    const size_t length = size * count;
    if (!mr__answer_line(&t->head, line, length) || t->head.status < 200 || t->head.redirects)
        return length;
    mr__fetcher_lock(t->fetcher);
    t->good = judge_head(t);
    if (t->good && !t->answered) {
        t->answer = t->head;
        t->answered = true;
        mr__fetcher_tell(t->fetcher);
    }
    const bool goes_on = t->status == MR_OK;
    mr__fetcher_unlock(t->fetcher);
    return goes_on ? length : 0;
}

/* ---- its bytes ---- */

/* Takes in bytes, as far as there is room: false when there is not. */
static bool keep(mr__transfer *t, const char *bytes, size_t count)
{
    if (t->whole && t->taken == t->filled)
        t->taken = t->filled = 0;
    if (count > t->room - t->filled) {
        t->progress = MR__PAUSES;
        return false;
    }
    memcpy(t->bytes + t->filled, bytes, count);
    t->filled += count;
    t->got += (int64_t)count;
    mr__fetcher_came(t->fetcher, t, count);
    return true;
}

static size_t take(mr__transfer *t, const char *bytes, size_t count)
{
    const size_t all = count;
    const bool wanted = t->good && (t->head.status == 200 || t->head.status == 206);
    if (!wanted) {
        t->thrown += (int64_t)count;
        return t->thrown > MOST_THROWN ? 0 : all;
    }
    if (t->whole && t->passed < t->before) { /* another try of a file from the front */
        const int64_t left = t->before - t->passed;
        const size_t passed = (int64_t)count < left ? count : (size_t)left;
        t->passed += (int64_t)passed;
        bytes += passed;
        count -= passed;
        if (count && !keep(t, bytes, count)) {
            t->passed -= (int64_t)passed; /* curl gives them all once more */
            return CURL_WRITEFUNC_PAUSE;
        }
        return all;
    }
    if (!t->whole && (int64_t)count > t->head.last + 1 - t->offset - t->got) {
        fail(t, MR_ERR_FORMAT, "the server gives more bytes than it says, %lld to %lld",
             (long long)t->head.first, (long long)t->head.last);
        return 0;
    }
    return keep(t, bytes, count) ? all : CURL_WRITEFUNC_PAUSE;
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *user)
{
    mr__transfer *t = user;
    mr__fetcher_lock(t->fetcher);
    size_t taken = take(t, bytes, size * count);
    mr__fetcher_unlock(t->fetcher);
    return taken;
}

/* ---- the request ---- */

static bool add_line(mr__transfer *t, const char *line)
{
    struct curl_slist *list = curl_slist_append(t->headers, line);
    t->headers = list ? list : t->headers;
    return list != NULL;
}

/* What is known of a file, which has a limit. */
static bool add_condition(mr__transfer *t, const char *name, const char *value)
{
    char line[sizeof t->answer.identity.etag + 32];
    snprintf(line, sizeof line, "%s: %s", name, value);
    return add_line(t, line);
}

/* What the file must be, so that a server that knows better sends nothing. A weak ETag is no promise about bytes (RFC
 * 9110, 13.1.1). */
static bool add_conditions(mr__transfer *t)
{
    const mr__identity *same = t->answered ? &t->answer.identity : t->same;
    bool ok = true;
    if (same && *same->etag == '"')
        ok = add_condition(t, "If-Match", same->etag);
    else if (same && *same->modified)
        ok = add_condition(t, "If-Unmodified-Since", same->modified);
    else if (t->known && *t->known->etag)
        ok = add_condition(t, "If-None-Match", t->known->etag);
    else if (t->known && *t->known->modified)
        ok = add_condition(t, "If-Modified-Since", t->known->modified);
    return ok;
}

/* `users` are those that the user sends along. */
static bool set_headers(mr__transfer *t, const struct curl_slist *users)
{
    struct curl_slist *before = t->headers;
    t->headers = NULL;
    bool ok = add_line(t, "Accept-Encoding: identity") && add_conditions(t);
    for (const struct curl_slist *h = users; ok && h; h = h->next)
        ok = add_line(t, h->data);
    curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, t->headers);
    curl_slist_free_all(before);
    return ok;
}

static bool is_secure(const mr__transfer *t)
{
    return strncasecmp(t->url, "https:", 6) == 0;
}

bool mr__request_begin(mr__transfer *t, const mr__request_opts *opts)
{
    CURL *c = t->curl = curl_easy_init();
    char range[64];
    t->head = (mr__answer){ 0 };
    t->good = false;
    t->before = t->got;
    t->passed = t->thrown = 0;
    t->redirects = 0;
    t->said[0] = 0;
    if (!c || !set_headers(t, opts->headers))
        return false;
    curl_easy_setopt(c, CURLOPT_URL, t->url);
    curl_easy_setopt(c, CURLOPT_PRIVATE, t);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, is_secure(t) ? "https" : "http,https");
    curl_easy_setopt(c, CURLOPT_USERAGENT, "millrace");
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(opts->connect_timeout * 1e3) + 1);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->said);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* a proxy's words are no server's */
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L); /* who gives up does not wait for a name server */
#endif
    curl_easy_setopt(c, CURLOPT_FRESH_CONNECT,
                     t->tries ? 1L : 0L); /* one that was bad may be kept with others that are */
    if (opts->ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, opts->ca_file);
    if (t->length >= 0 && !t->whole) {
        snprintf(range, sizeof range, "%lld-%lld", (long long)(t->offset + t->got), (long long)end_of(t) - 1);
        curl_easy_setopt(c, CURLOPT_RANGE, range);
    }
    return true;
}

void mr__request_end(mr__transfer *t)
{
    if (t->curl)
        curl_easy_cleanup(t->curl);
    curl_slist_free_all(t->headers);
    t->curl = NULL;
    t->headers = NULL;
}

/* ---- redirections ---- */

static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
    char *x = NULL, *y = NULL;
    curl_url_get(a, part, &x, CURLU_DEFAULT_PORT);
    curl_url_get(b, part, &y, CURLU_DEFAULT_PORT);
    const bool same = x && y && strcasecmp(x, y) == 0;
    curl_free(x);
    curl_free(y);
    return same;
}

/* Where the answer redirects to: false when nobody can tell. */
static bool read_location(mr__transfer *t, CURLU *to)
{
    const char *from = NULL, *location = NULL;
    curl_easy_getinfo(t->curl, CURLINFO_EFFECTIVE_URL, &from);
    curl_easy_getinfo(t->curl, CURLINFO_REDIRECT_URL, &location);
    return from && location && curl_url_set(to, CURLUPART_URL, from, 0) == CURLUE_OK &&
           curl_url_set(to, CURLUPART_URL, location,
                        CURLU_URLENCODE | CURLU_ALLOW_SPACE | CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK;
}

/* From HTTPS never back to plain text. */
static bool may_follow(mr__transfer *t, CURLU *to)
{
    char *scheme = NULL;
    curl_url_get(to, CURLUPART_SCHEME, &scheme, 0);
    if (t->redirects == MOST_REDIRECTS)
        fail(t, MR_ERR_IO, "the server redirects more than %d times", MOST_REDIRECTS);
    else if (!scheme ||
             (strcasecmp(scheme, "https") != 0 && (is_secure(t) || strcasecmp(scheme, "http") != 0)))
        fail(t, MR_ERR_IO, "the server redirects to %s, and only %s is followed", scheme ? scheme : "nothing",
             is_secure(t) ? "https" : "http or https");
    curl_free(scheme);
    return t->status == MR_OK;
}

/* What the user sends along, passwords maybe, is for the server that he has named. */
static bool follow(mr__transfer *t, CURLU *first, CURLU *to, const mr__request_opts *opts)
{
    char *url = NULL;
    const bool same = curl_url_set(first, CURLUPART_URL, t->url, 0) == CURLUE_OK &&
                      same_part(first, to, CURLUPART_SCHEME) && same_part(first, to, CURLUPART_HOST) &&
                      same_part(first, to, CURLUPART_PORT);
    if (curl_url_get(to, CURLUPART_URL, &url, 0) != CURLUE_OK || !set_headers(t, same ? opts->headers : NULL))
        fail(t, MR_ERR_MEMORY, "out of memory for a request");
    else
        curl_easy_setopt(t->curl, CURLOPT_URL, url);
    curl_free(url);
    t->redirects++;
    t->thrown = 0;
    return t->status == MR_OK;
}

bool mr__request_follow(mr__transfer *t, CURLcode code, const mr__request_opts *opts)
{
    if (code != CURLE_OK || !t->head.redirects || t->status < 0)
        return false;
    CURLU *first = curl_url(), *to = curl_url();
    const bool follows =
        first && to && read_location(t, to) && may_follow(t, to) && follow(t, first, to, opts);
    curl_url_cleanup(first);
    curl_url_cleanup(to);
    return follows;
}

/* ---- the verdict ---- */

static bool may_pass(CURLcode code)
{
    switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL: /* what came was no HTTP */
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_WEIRD_SERVER_REPLY:
        return true;
    default:
        return false;
    }
}

static bool is_trouble(int status)
{
    return status == 408 || status == 425 || status == 429 || status == 500 ||
           (status >= 502 && status <= 504);
}

/* An answer that has no bytes for us. */
static mr__verdict judge_refusal(mr__transfer *t)
{
    const mr__answer *h = &t->head;
    snprintf(t->text, sizeof t->text, "the server says %d%s%s", h->status, *h->reason ? " " : "", h->reason);
    if (is_trouble(h->status))
        return MR__TRY;
    t->status = MR_ERR_IO;
    return MR__HOPELESS;
}

/* A proxy that opens no tunnel to the server. */
static mr__verdict judge_proxy(mr__transfer *t, int status)
{
    snprintf(t->text, sizeof t->text, "the proxy says %d", status);
    if (is_trouble(status))
        return MR__TRY;
    t->status = MR_ERR_IO;
    return MR__HOPELESS;
}

/* Whether all is there that the part can have. */
static bool is_complete(const mr__transfer *t)
{
    const int64_t size = t->answer.identity.size;
    return t->whole || t->unchanged || t->answer.status == 416 || t->got == t->length ||
           (size >= 0 && t->offset + t->got >= size);
}

/* A good answer has come to its end. */
static mr__verdict judge_end(mr__transfer *t)
{
    if (is_complete(t))
        return MR__COMPLETE;
    if (t->got > t->before)
        return MR__GO_ON;
    snprintf(t->text, sizeof t->text, "the server gives no bytes where it says that it gives %lld to %lld",
             (long long)t->head.first, (long long)t->head.last);
    return MR__TRY;
}

mr__verdict mr__request_judge(mr__transfer *t, CURLcode code)
{
    if (t->status < 0)
        return MR__HOPELESS;
    if (code == CURLE_OK && t->good)
        return judge_end(t);
    if (t->head.status && !t->good && (code == CURLE_OK || code == CURLE_WRITE_ERROR))
        return judge_refusal(t);
    long proxy = 0;
    curl_easy_getinfo(t->curl, CURLINFO_HTTP_CONNECTCODE, &proxy);
    if (proxy >= 300)
        return judge_proxy(t, (int)proxy);
    const char *said = *t->said ? t->said : curl_easy_strerror(code);
    const bool once = t->whole && t->got && !mr__identity_stamp(&t->answer.identity);
    if (once)
        snprintf(t->text, sizeof t->text, "broke off after %lld bytes: %s", (long long)t->got, said);
    else
        snprintf(t->text, sizeof t->text, "%s", said);
    if (may_pass(code) && !once)
        return MR__TRY;
    t->status = code == CURLE_OUT_OF_MEMORY ? MR_ERR_MEMORY : MR_ERR_IO;
    return MR__HOPELESS;
}
