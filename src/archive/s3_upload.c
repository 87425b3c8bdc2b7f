/* s3_upload.c: a large object in parts. It is there when the last request puts them together, and not before.
 */
#include "archive/s3_request.h"

#include <string.h>

enum {
    PARTS_MAX = 10000,
    ABORT_LIMIT_MS = 10000,
    ABORT_STOPPED_LIMIT_MS = 1000, /* when the process wants to end */
};

struct upload {
    struct s3 *s3;
    struct text name, id; /* the id as it is written in a query */
    struct local_file file;
    struct buffer parts; /* the last request's body */
    struct arena *arena;
};

/* Has the answer's document in the arena. */
static bool ask(struct upload *upload, const struct s3_request *request, struct s3_document *document,
                struct destination_failure *failure)
{
    struct s3_answer answer;
    bool is_answered = s3_perform(upload->s3, request, &answer, failure);

    if (is_answered && !s3_document_read(buffer_text(&answer.body), upload->arena, document, NULL, NULL))
        is_answered = destination_fail(failure, DESTINATION_TRANSIENT, "the answer cannot be read");
    /* Putting parts together takes so long that the status comes before the outcome. */
    if (is_answered && text_is_set(document->error_code))
        is_answered = s3_fail(failure, answer.status, document);
    buffer_free(&answer.body);
    return is_answered;
}

static bool begin(struct upload *upload, struct destination_failure *failure)
{
    const struct s3_request request = {
        .method = S3_POST,
        .url = s3_object_url(upload->s3, upload->name, "?uploads=", upload->arena),
        .body = text_empty,
    };
    struct s3_document document;

    if (!ask(upload, &request, &document, failure))
        return false;
    if (!document.upload_id.length)
        return destination_fail(failure, DESTINATION_TRANSIENT, "the answer names no upload");
    upload->id = s3_query_value(document.upload_id, upload->arena);
    return true;
}

static bool send_part(struct upload *upload, unsigned number, uint64_t offset, uint64_t bytes,
                      struct destination_failure *failure)
{
    struct text query =
        arena_format(upload->arena, "?partNumber=%u&uploadId=%.*s", number, TEXT_FORMAT(upload->id));
    const struct s3_request request = {
        .method = S3_PUT,
        .url = s3_object_url(upload->s3, upload->name, query.data, upload->arena),
        .source = upload->file.fd,
        .source_offset = offset,
        .source_bytes = bytes,
    };
    struct s3_answer answer;
    bool is_sent = s3_perform(upload->s3, &request, &answer, failure);

    if (is_sent && (!answer.etag[0] || strpbrk(answer.etag, "<&")))
        is_sent = destination_fail(failure, DESTINATION_TRANSIENT, "the answer has no tag for a part");
    if (is_sent)
        buffer_append_format(&upload->parts, "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>",
                             number, answer.etag);
    buffer_free(&answer.body);
    return is_sent;
}

static bool send_parts(struct upload *upload, struct destination_failure *failure)
{
    uint64_t left = upload->file.bytes, part_bytes = (left + PARTS_MAX - 1) / PARTS_MAX;

    if (part_bytes < upload->s3->part_bytes)
        part_bytes = upload->s3->part_bytes;
    buffer_append(&upload->parts, TEXT("<CompleteMultipartUpload>"));
    for (unsigned number = 1; left > 0; number++) {
        uint64_t bytes = left < part_bytes ? left : part_bytes;

        if (!send_part(upload, number, upload->file.bytes - left, bytes, failure))
            return false;
        left -= bytes;
    }
    buffer_append(&upload->parts, TEXT("</CompleteMultipartUpload>"));
    return true;
}

static const char *upload_url(const struct upload *upload)
{
    struct text query = arena_format(upload->arena, "?uploadId=%.*s", TEXT_FORMAT(upload->id));

    return s3_object_url(upload->s3, upload->name, query.data, upload->arena);
}

static bool complete(struct upload *upload, struct destination_failure *failure)
{
    const struct s3_request request = {
        .method = S3_POST, .url = upload_url(upload), .body = buffer_text(&upload->parts)};
    struct s3_document document;

    if (!ask(upload, &request, &document, failure))
        return false;
    return document.completed_etag.length > 0 ||
           destination_fail(failure, DESTINATION_TRANSIENT, "the answer does not say that the parts are one");
}

/* Lets the service forget the parts; if that does not work, there is nothing else to do. */
static void give_up(struct upload *upload, bool is_stopped)
{
    const struct s3_request request = {.method = S3_DELETE,
                                       .url = upload_url(upload),
                                       .limit_ms = is_stopped ? ABORT_STOPPED_LIMIT_MS : ABORT_LIMIT_MS};
    struct destination_failure ignored;
    struct s3_answer answer;

    s3_perform(upload->s3, &request, &answer, &ignored);
    buffer_free(&answer.body);
}

static bool not_found_is_transient(struct destination_failure *failure)
{
    if (failure->problem == DESTINATION_NO_OBJECT)
        failure->problem = DESTINATION_TRANSIENT; /* it is the upload that is gone */
    return false;
}

bool s3_put_in_parts(struct s3 *s3, struct text name, struct local_file file,
                     struct destination_failure *failure)
{
    struct arena arena;
    struct upload upload = {.s3 = s3, .name = name, .file = file, .arena = &arena};

    arena_init(&arena);
    bool is_begun = begin(&upload, failure);
    bool is_stored = is_begun && send_parts(&upload, failure) && complete(&upload, failure);

    if (is_begun && !is_stored)
        give_up(&upload, failure->problem == DESTINATION_STOPPED);
    buffer_free(&upload.parts);
    arena_free(&arena);
    return is_stored || not_found_is_transient(failure);
}
