/* s3.c: objects in a bucket, over the network. */
#include "archive/libexpat.h"
#include "archive/s3_request.h"

#include <string.h>

/* Amazon takes up to 5 GB at once, others less; what fails is then sent from its beginning. */
#define PART_BYTES (UINT64_C(64) * 1024 * 1024)

static struct s3 *s3_of(struct destination *destination)
{
    return (struct s3 *)destination;
}

/* ---- one object ---- */

static bool put_at_once(struct s3 *s3, struct text name, struct local_file file,
                        struct destination_failure *failure)
{
    struct s3_answer answer;
    struct arena arena;

    arena_init(&arena);
    const struct s3_request request = {.method = S3_PUT,
                                       .url = s3_object_url(s3, name, "", &arena),
                                       .source = file.fd,
                                       .source_bytes = file.bytes};
    bool is_stored = s3_perform(s3, &request, &answer, failure);

    if (!is_stored && failure->problem == DESTINATION_NO_OBJECT)
        failure->problem = DESTINATION_REFUSED; /* what is not there is something else */
    buffer_free(&answer.body);
    arena_free(&arena);
    return is_stored;
}

static bool put(struct destination *destination, struct text name, struct local_file file,
                struct destination_failure *failure)
{
    struct s3 *s3 = s3_of(destination);

    return file.bytes > s3->part_bytes ? s3_put_in_parts(s3, name, file, failure)
                                       : put_at_once(s3, name, file, failure);
}

static bool get(struct destination *destination, struct text name, struct local_file file,
                struct destination_failure *failure)
{
    struct s3 *s3 = s3_of(destination);
    struct s3_answer answer;
    struct arena arena;

    arena_init(&arena);
    const struct s3_request request = {
        .method = S3_GET, .url = s3_object_url(s3, name, "", &arena), .has_target = true, .target = file.fd};
    bool is_fetched = s3_perform(s3, &request, &answer, failure);

    buffer_free(&answer.body);
    arena_free(&arena);
    return is_fetched;
}

static bool remove_object(struct destination *destination, struct text name,
                          struct destination_failure *failure)
{
    struct s3 *s3 = s3_of(destination);
    struct s3_answer answer;
    struct arena arena;

    arena_init(&arena);
    const struct s3_request request = {.method = S3_DELETE, .url = s3_object_url(s3, name, "", &arena)};
    bool is_removed = s3_perform(s3, &request, &answer, failure) || failure->problem == DESTINATION_NO_OBJECT;

    buffer_free(&answer.body);
    arena_free(&arena);
    return is_removed;
}

/* ---- lists ---- */

struct listing {
    const struct s3 *s3;
    struct text key_prefix; /* what is asked for */
    destination_visit *visit;
    void *context;
    bool is_ended; /* by the visitor */
};

/* What others have put there under names that are none of ours is passed over. */
static bool visit_key(void *context, struct text key, uint64_t bytes)
{
    struct listing *listing = context;

    if (!text_starts_with(key, listing->key_prefix))
        return true;
    struct text name = text_from(key, listing->s3->location.key_prefix.length);

    if (destination_is_name(name) && !listing->visit(listing->context, name, bytes))
        listing->is_ended = true;
    return !listing->is_ended;
}

static const char *page_url(const struct listing *listing, struct text token, struct arena *arena)
{
    struct text from = text_is_set(token) ? arena_format(arena, "continuation-token=%.*s&",
                                                         TEXT_FORMAT(s3_query_value(token, arena)))
                                          : text_empty;

    return arena_format(arena, "%.*s?%.*slist-type=2&prefix=%.*s",
                        TEXT_FORMAT(listing->s3->location.bucket_url), TEXT_FORMAT(from),
                        TEXT_FORMAT(s3_query_value(listing->key_prefix, arena)))
        .data;
}

/* Visits a page's objects. The token of the next page is put in place of this one's; unset: it was the last.
 */
static bool list_page(struct s3 *s3, struct listing *listing, struct text *token, struct arena *arena,
                      struct destination_failure *failure)
{
    const struct s3_request request = {.method = S3_GET, .url = page_url(listing, *token, arena)};
    struct s3_document document;
    struct s3_answer answer;
    bool is_listed = s3_perform(s3, &request, &answer, failure);

    if (!is_listed && failure->problem == DESTINATION_NO_OBJECT)
        failure->problem = DESTINATION_REFUSED; /* it is the bucket that is not there */
    if (is_listed && !s3_document_read(buffer_text(&answer.body), arena, &document, visit_key, listing))
        is_listed = destination_fail(failure, DESTINATION_TRANSIENT, "the list cannot be read");
    if (is_listed && !listing->is_ended && !document.is_truncated.length)
        is_listed = destination_fail(failure, DESTINATION_REFUSED, "the answer is no list of objects");
    if (is_listed)
        *token = document.continuation_token;
    if (is_listed && !listing->is_ended && text_equal(document.is_truncated, TEXT("true")) && !token->length)
        is_listed = destination_fail(failure, DESTINATION_TRANSIENT, "the list does not say how it goes on");
    buffer_free(&answer.body);
    return is_listed;
}

static bool list(struct destination *destination, struct text prefix, destination_visit *visit, void *context,
                 struct destination_failure *failure)
{
    struct s3 *s3 = s3_of(destination);
    struct listing listing = {.s3 = s3, .visit = visit, .context = context};
    struct arena arena, page;
    struct text token = text_none;
    bool is_listed;

    arena_init(&arena);
    arena_init(&page);
    listing.key_prefix =
        arena_format(&arena, "%.*s%.*s", TEXT_FORMAT(s3->location.key_prefix), TEXT_FORMAT(prefix));
    do {
        is_listed = list_page(s3, &listing, &token, &page, failure);
        /* Of a page only the token of the next one stays. */
        struct buffer kept = {0};

        if (token.length)
            buffer_append(&kept, token);
        arena_reset(&page);
        token = kept.length ? arena_copy(&page, buffer_text(&kept)) : text_none;
        buffer_free(&kept);
    } while (is_listed && !listing.is_ended && text_is_set(token));
    arena_free(&page);
    arena_free(&arena);
    return is_listed;
}

/* ---- opening ---- */

static void close_s3(struct destination *destination)
{
    struct s3 *s3 = s3_of(destination);

    libcurl.easy_cleanup(s3->curl);
    explicit_bzero(s3->secret_access_key, strlen(s3->secret_access_key));
}

static const struct destination_kind s3_kind = {
    .put = put,
    .get = get,
    .list = list,
    .remove = remove_object,
    .close = close_s3,
};

static void copy_options(struct s3 *s3, const struct destination_options *options,
                         const struct s3_location *location)
{
    struct arena *arena = &s3->common.arena;

    s3->location = (struct s3_location){
        .place = arena_copy(arena, location->place),
        .region = arena_copy(arena, location->region),
        .bucket_url = arena_copy(arena, location->bucket_url),
        .object_url = arena_copy(arena, location->object_url),
        .key_prefix = arena_copy(arena, location->key_prefix),
    };
    s3->common.place = s3->location.place;
    s3->signature = arena_format(arena, "aws:amz:%.*s:s3", TEXT_FORMAT(location->region)).data;
    s3->access_key_id = arena_string(arena, options->s3_access_key_id);
    s3->secret_access_key = arena_string(arena, options->s3_secret_access_key);
    s3->ca_file = options->ca_file.length ? arena_string(arena, options->ca_file) : NULL;
    s3->part_bytes = options->s3_part_bytes ? options->s3_part_bytes : PART_BYTES;
    s3->stall_timeout_s =
        options->stall_timeout_s > 0 ? options->stall_timeout_s : DESTINATION_STALL_TIMEOUT_S;
}

struct destination *s3_destination_open(const struct destination_options *options, struct arena *arena,
                                        struct text *reason)
{
    struct s3_location location;

    if (!s3_location_read(options, arena, &location, reason) || !libcurl_load(arena, reason) ||
        !libexpat_load(arena, reason))
        return NULL;
    if (!options->s3_access_key_id.length || !options->s3_secret_access_key.length) {
        *reason = TEXT("S3 needs the id and the secret of an access key");
        return NULL;
    }
    struct s3 *s3 = (struct s3 *)destination_new(sizeof *s3, &s3_kind, options);

    copy_options(s3, options, &location);
    s3->curl = libcurl.easy_init();
    if (!s3->curl) {
        destination_free(&s3->common);
        *reason = TEXT("there is no memory for a connection to S3");
        return NULL;
    }
    return &s3->common;
}
