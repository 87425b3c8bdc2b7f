#include "archive/s3_request.h"

#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    CONNECT_TIMEOUT_MS = 5000,
    BODY_BYTES_MAX =
        16 * 1024 * 1024, /* a page of a list: 1,000 keys of up to 1,024 bytes, and what is around them */
    HEADER_BYTES_MAX = 128,
    CODE_BYTES_SHOWN_MAX = 64,
    MESSAGE_BYTES_SHOWN_MAX = 300,
};

enum { STATUS_OK = 200, STATUS_REDIRECT = 300, STATUS_NOT_FOUND = 404, STATUS_SERVER = 500 };

/* A request under way. */
struct exchange {
    struct s3 *s3;
    const struct s3_request *request;
    struct s3_answer *answer;
    uint64_t sent_bytes;
    const char *broken; /* what broke on this side; NULL: nothing */
    int error;          /* its errno; 0: `broken` says all */
    char words[CURL_ERROR_SIZE];
};

/* ---- what libcurl calls ---- */

static size_t send_bytes(char *out, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    const struct s3_request *request = exchange->request;
    uint64_t left = request->source_bytes - exchange->sent_bytes;
    size_t length = size * count < left ? size * count : (size_t)left;
    ssize_t got =
        length ? pread(request->source, out, length, (off_t)(request->source_offset + exchange->sent_bytes))
               : 0;

    if (got < 0 || (got == 0 && length)) {
        exchange->broken = got < 0 ? "reading the file" : "the file changed while it was read";
        exchange->error = got < 0 ? errno : 0;
        return CURL_READFUNC_ABORT;
    }
    exchange->sent_bytes += (uint64_t)got;
    return (size_t)got;
}

/* Back to the beginning, to send it once more over another connection. */
static int seek_source(void *context, curl_off_t offset, int origin)
{
    struct exchange *exchange = context;

    if (origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    exchange->sent_bytes = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static bool write_target(struct exchange *exchange, const char *bytes, size_t length)
{
    if (destination_write_all(exchange->request->target, bytes, length))
        return true;
    exchange->broken = "writing the file";
    exchange->error = errno;
    return false;
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    size_t length = size * count;
    long status = 0;

    libcurl.easy_getinfo(exchange->s3->curl, CURLINFO_RESPONSE_CODE, &status);
    if (exchange->request->has_target && status == STATUS_OK)
        return write_target(exchange, bytes, length) ? length : 0;
    if (exchange->answer->body.length + length > BODY_BYTES_MAX) {
        exchange->broken = "the answer is longer than any of S3";
        return 0;
    }
    buffer_append_bytes(&exchange->answer->body, bytes, length);
    return length;
}

static int look_at_stop(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                        curl_off_t up)
{
    const struct exchange *exchange = context;

    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    return destination_is_stopped(&exchange->s3->common) && !exchange->request->limit_ms;
}

/* ---- the request ---- */

/* The hash of what is sent goes into the signature, so that bytes that were damaged on the way are refused.
 */
static bool hash_source(struct s3 *s3, const struct s3_request *request, uint8_t digest[SHA256_BYTES],
                        struct destination_failure *failure)
{
    struct sha256_stream *stream = sha256_begin();
    uint64_t done = 0;
    ssize_t length = 1;
    bool is_stopped = false;

    while (done < request->source_bytes && length > 0 && !is_stopped) {
        uint64_t left = request->source_bytes - done;

        length = pread(request->source, s3->common.block,
                       left < DESTINATION_BLOCK_BYTES ? (size_t)left : DESTINATION_BLOCK_BYTES,
                       (off_t)(request->source_offset + done));
        if (length > 0) {
            sha256_add(stream, (struct text){s3->common.block, (size_t)length});
            done += (uint64_t)length;
        }
        is_stopped = destination_is_stopped(&s3->common);
    }
    int error = errno;

    sha256_end(stream, digest);
    if (is_stopped)
        return destination_fail_stopped(failure);
    if (length < 0)
        return destination_fail_errno(failure, "reading the file", error);
    return done == request->source_bytes ||
           destination_fail(failure, DESTINATION_TRANSIENT, "the file changed while it was read");
}

static bool hash_body(struct s3 *s3, const struct s3_request *request, char hex[SHA256_HEX_LENGTH + 1],
                      struct destination_failure *failure)
{
    uint8_t digest[SHA256_BYTES];

    if (request->method == S3_PUT) {
        if (!hash_source(s3, request, digest, failure))
            return false;
    } else {
        sha256(request->method == S3_POST ? request->body : text_empty, digest);
    }
    hex_encode(digest, sizeof digest, hex);
    hex[SHA256_HEX_LENGTH] = '\0';
    return true;
}

static void set_method(CURL *curl, struct exchange *exchange)
{
    const struct s3_request *request = exchange->request;

    switch (request->method) {
    case S3_GET:
        break;
    case S3_PUT:
        libcurl.easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        libcurl.easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->source_bytes);
        libcurl.easy_setopt(curl, CURLOPT_READFUNCTION, send_bytes);
        libcurl.easy_setopt(curl, CURLOPT_READDATA, exchange);
        libcurl.easy_setopt(curl, CURLOPT_SEEKFUNCTION, seek_source);
        libcurl.easy_setopt(curl, CURLOPT_SEEKDATA, exchange);
        break;
    case S3_POST:
        libcurl.easy_setopt(curl, CURLOPT_POST, 1L);
        libcurl.easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.data);
        libcurl.easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.length);
        break;
    case S3_DELETE:
        libcurl.easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "DELETE");
        break;
    }
}

static void set_limits(const struct s3 *s3, struct exchange *exchange)
{
    libcurl.easy_setopt(s3->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    libcurl.easy_setopt(s3->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    libcurl.easy_setopt(s3->curl, CURLOPT_LOW_SPEED_TIME, (long)s3->stall_timeout_s);
    libcurl.easy_setopt(s3->curl, CURLOPT_TIMEOUT_MS, (long)exchange->request->limit_ms);
    libcurl.easy_setopt(s3->curl, CURLOPT_NOPROGRESS, 0L);
    libcurl.easy_setopt(s3->curl, CURLOPT_XFERINFOFUNCTION, look_at_stop);
    libcurl.easy_setopt(s3->curl, CURLOPT_XFERINFODATA, exchange);
    /* A name server that does not answer keeps nobody from going on: its thread ends by itself. */
    libcurl.easy_setopt(s3->curl, CURLOPT_QUICK_EXIT, 1L);
    libcurl.easy_setopt(s3->curl, CURLOPT_NOSIGNAL, 1L);
    libcurl.easy_setopt(s3->curl, CURLOPT_TCP_KEEPALIVE, 1L);
}

/* Certificates are verified as libcurl does unless told otherwise, redirects are not followed (what is signed
 * is signed for one address), proxies are those of the environment. */
static void set_options(struct exchange *exchange, struct curl_slist *headers)
{
    const struct s3 *s3 = exchange->s3;

    libcurl.easy_reset(s3->curl);
    libcurl.easy_setopt(s3->curl, CURLOPT_URL, exchange->request->url);
    libcurl.easy_setopt(s3->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    libcurl.easy_setopt(s3->curl, CURLOPT_AWS_SIGV4, s3->signature);
    libcurl.easy_setopt(s3->curl, CURLOPT_USERNAME, s3->access_key_id);
    libcurl.easy_setopt(s3->curl, CURLOPT_PASSWORD, s3->secret_access_key);
    libcurl.easy_setopt(s3->curl, CURLOPT_HTTPHEADER, headers);
    libcurl.easy_setopt(s3->curl, CURLOPT_WRITEFUNCTION, take_bytes);
    libcurl.easy_setopt(s3->curl, CURLOPT_WRITEDATA, exchange);
    libcurl.easy_setopt(s3->curl, CURLOPT_ERRORBUFFER, exchange->words);
    if (s3->ca_file)
        libcurl.easy_setopt(s3->curl, CURLOPT_CAINFO, s3->ca_file);
    set_limits(s3, exchange);
    set_method(s3->curl, exchange);
}

/* ---- what came of it ---- */

static bool may_pass(CURLcode code)
{
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_NOT_BUILT_IN:
    case CURLE_UNKNOWN_OPTION:
    case CURLE_BAD_FUNCTION_ARGUMENT:
        return false;
    default:
        return true;
    }
}

static bool fail_transfer(const struct exchange *exchange, CURLcode code, struct destination_failure *failure)
{
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return destination_fail_stopped(failure);
    if (exchange->broken && exchange->error)
        return destination_fail_errno(failure, exchange->broken, exchange->error);
    if (exchange->broken)
        return destination_fail(failure, DESTINATION_TRANSIENT, "%s", exchange->broken);
    return destination_fail(failure, may_pass(code) ? DESTINATION_TRANSIENT : DESTINATION_REFUSED, "%s",
                            exchange->words[0] ? exchange->words : libcurl.easy_strerror(code));
}

/* What the service says with an error, as it says it, on one line. */
static struct text shown(struct text words, size_t length_max, struct arena *arena)
{
    struct text copy =
        arena_copy(arena, text_slice(words, 0, words.length < length_max ? words.length : length_max));
    char *bytes = arena_string(arena, copy);

    for (char *byte = bytes; *byte; byte++)
        if ((unsigned char)*byte < ' ' || *byte == 0x7f)
            *byte = ' ';
    return text_from_string(bytes);
}

/* Codes of the client's errors (400 to 499) after which the same request may well succeed. */
static bool is_passing_code(struct text code)
{
    static const struct text codes[] = {
        TEXT_LITERAL("RequestTimeout"), TEXT_LITERAL("IncompleteBody"),
        TEXT_LITERAL("BadDigest"),      TEXT_LITERAL("XAmzContentSHA256Mismatch"),
        TEXT_LITERAL("NoSuchUpload"),   TEXT_LITERAL("InvalidPart"),
    };

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (text_equal(code, codes[i]))
            return true;
    return false;
}

static enum destination_problem problem_of(long status, struct text code)
{
    enum { TIMEOUT = 408, CONFLICT = 409, TOO_MANY = 429 };

    if (status == STATUS_NOT_FOUND && text_equal(code, TEXT("NoSuchKey")))
        return DESTINATION_NO_OBJECT; /* a bare 404 may come from who knows no objects at all */
    if (status < STATUS_REDIRECT || status >= STATUS_SERVER || status == TIMEOUT || status == CONFLICT ||
        status == TOO_MANY || is_passing_code(code))
        return DESTINATION_TRANSIENT;
    return DESTINATION_REFUSED;
}

bool s3_fail(struct destination_failure *failure, long status, const struct s3_document *document)
{
    enum destination_problem problem = problem_of(status, document->error_code);
    struct arena arena;

    arena_init(&arena);
    struct text code = shown(document->error_code, CODE_BYTES_SHOWN_MAX, &arena),
                message = shown(document->error_message, MESSAGE_BYTES_SHOWN_MAX, &arena),
                endpoint = shown(document->error_endpoint, CODE_BYTES_SHOWN_MAX, &arena);

    if (code.length)
        destination_fail(failure, problem, "%.*s: %.*s%s%.*s (HTTP %ld)", TEXT_FORMAT(code),
                         TEXT_FORMAT(message), endpoint.length ? " Endpoint: " : "", TEXT_FORMAT(endpoint),
                         status);
    else
        destination_fail(failure, problem, "HTTP %ld", status);
    arena_free(&arena);
    return false;
}

static bool fail_answer(const struct s3_answer *answer, struct destination_failure *failure)
{
    struct s3_document document;
    struct arena arena;

    arena_init(&arena);
    if (!s3_document_read(buffer_text(&answer->body), &arena, &document, NULL, NULL))
        document = (struct s3_document){0}; /* a proxy's page, or nothing at all */
    s3_fail(failure, answer->status, &document);
    arena_free(&arena);
    return false;
}

static void note_etag(CURL *curl, struct s3_answer *answer)
{
    struct curl_header *header;

    answer->etag[0] = '\0';
    if (libcurl.easy_header(curl, "ETag", 0, CURLH_HEADER, -1, &header) == CURLHE_OK &&
        strlen(header->value) <= S3_ETAG_BYTES_MAX)
        memcpy(answer->etag, header->value, strlen(header->value) + 1);
}

static bool run(struct exchange *exchange, struct destination_failure *failure)
{
    CURL *curl = exchange->s3->curl;
    struct s3_answer *answer = exchange->answer;
    CURLcode code = libcurl.easy_perform(curl);

    libcurl.easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    /* A service that refuses may close the connection before it has taken everything. */
    if (code != CURLE_OK && !(code == CURLE_SEND_ERROR && answer->status >= STATUS_REDIRECT))
        return fail_transfer(exchange, code, failure);
    note_etag(curl, answer);
    return (answer->status >= STATUS_OK && answer->status < STATUS_REDIRECT) || fail_answer(answer, failure);
}

bool s3_perform(struct s3 *s3, const struct s3_request *request, struct s3_answer *answer,
                struct destination_failure *failure)
{
    struct exchange exchange = {.s3 = s3, .request = request, .answer = answer};
    char hex[SHA256_HEX_LENGTH + 1], header[HEADER_BYTES_MAX];

    *answer = (struct s3_answer){0};
    if (!hash_body(s3, request, hex, failure))
        return false;
    snprintf(header, sizeof header, "x-amz-content-sha256: %s", hex);
    struct curl_slist *headers = libcurl.slist_append(NULL, header);

    set_options(&exchange, headers);
    bool is_done = run(&exchange, failure);

    libcurl.slist_free_all(headers);
    return is_done;
}

/* ---- addresses ---- */

const char *s3_object_url(const struct s3 *s3, struct text name, const char *query, struct arena *arena)
{
    return arena_format(arena, "%.*s%.*s%s", TEXT_FORMAT(s3->location.object_url), TEXT_FORMAT(name), query)
        .data;
}

struct text s3_query_value(struct text value, struct arena *arena)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = arena_allocate(arena, value.length * TEXT_ESCAPE_BYTES + 1);
    size_t length = 0;

    for (size_t i = 0; i < value.length; i++) {
        unsigned char byte = (unsigned char)value.data[i];

        if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
            (byte && strchr("-._~", byte))) {
            out[length++] = (char)byte;
            continue;
        }
        out[length++] = '%';
        out[length++] = digits[byte >> 4];
        out[length++] = digits[byte & 15];
    }
    return (struct text){out, length};
}
