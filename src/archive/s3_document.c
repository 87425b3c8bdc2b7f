#include "archive/s3_document.h"

#include "archive/libexpat.h"
#include "base/buffer.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPTH_MAX = 8,
    ELEMENT_NAME_BYTES_MAX = 63,
    TEXT_BYTES_MAX = 8192, /* a key has 1,024 */
};

/* The elements whose texts are kept, and where. */
static const struct {
    const char *parent, *name;
    size_t member;
} kept[] = {
    {"Error", "Code", offsetof(struct s3_document, error_code)},
    {"Error", "Message", offsetof(struct s3_document, error_message)},
    {"Error", "Endpoint", offsetof(struct s3_document, error_endpoint)},
    {"InitiateMultipartUploadResult", "UploadId", offsetof(struct s3_document, upload_id)},
    {"ListBucketResult", "IsTruncated", offsetof(struct s3_document, is_truncated)},
    {"ListBucketResult", "NextContinuationToken", offsetof(struct s3_document, continuation_token)},
    {"CompleteMultipartUploadResult", "ETag", offsetof(struct s3_document, completed_etag)},
};

struct reading {
    XML_Parser parser;
    struct arena *arena;
    struct s3_document *document;
    destination_visit *visit;
    void *context;
    char names[DEPTH_MAX + 1][ELEMENT_NAME_BYTES_MAX + 1]; /* of the open elements; [0] is above all */
    size_t depth;
    struct buffer text; /* of the innermost element */
    struct text key;    /* of the object that is being read */
    uint64_t bytes;
    bool has_bytes;
    bool is_ended;   /* by the visitor */
    bool is_refused; /* more than S3 sends */
};

static void stop(struct reading *reading)
{
    libexpat.StopParser(reading->parser, XML_FALSE);
}

static void refuse(struct reading *reading)
{
    reading->is_refused = true;
    stop(reading);
}

static bool is_at(const struct reading *reading, const char *parent, const char *name)
{
    return strcmp(reading->names[reading->depth], name) == 0 &&
           strcmp(reading->names[reading->depth - 1], parent) == 0;
}

static void begin_element(void *context, const XML_Char *name, const XML_Char **attributes)
{
    struct reading *reading = context;
    size_t length = strlen(name);

    (void)attributes;
    if (reading->depth == DEPTH_MAX || length > ELEMENT_NAME_BYTES_MAX) {
        refuse(reading);
        return;
    }
    memcpy(reading->names[++reading->depth], name, length + 1);
    buffer_clear(&reading->text);
    if (is_at(reading, "ListBucketResult", "Contents")) {
        reading->key = text_none;
        reading->has_bytes = false;
    }
}

static void give_object(struct reading *reading)
{
    if (!text_is_set(reading->key) || !reading->has_bytes) {
        refuse(reading);
        return;
    }
    if (reading->visit && !reading->visit(reading->context, reading->key, reading->bytes)) {
        reading->is_ended = true;
        stop(reading);
    }
}

static void keep_text(struct reading *reading)
{
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (is_at(reading, kept[i].parent, kept[i].name))
            *(struct text *)((char *)reading->document + kept[i].member) =
                arena_copy(reading->arena, buffer_text(&reading->text));
}

static void end_element(void *context, const XML_Char *name)
{
    struct reading *reading = context;

    (void)name;
    if (reading->is_refused || reading->is_ended)
        return; /* a callback may still come after a stop */
    if (is_at(reading, "ListBucketResult", "Contents"))
        give_object(reading);
    else if (is_at(reading, "Contents", "Key"))
        reading->key = arena_copy(reading->arena, buffer_text(&reading->text));
    else if (is_at(reading, "Contents", "Size"))
        reading->has_bytes = text_to_uint64(buffer_text(&reading->text), &reading->bytes);
    else
        keep_text(reading);
    buffer_clear(&reading->text);
    reading->depth--;
}

static void add_text(void *context, const XML_Char *bytes, int length)
{
    struct reading *reading = context;

    if (reading->text.length + (size_t)length > TEXT_BYTES_MAX)
        refuse(reading);
    else
        buffer_append_bytes(&reading->text, bytes, (size_t)length);
}

static void refuse_document_type(void *context, const XML_Char *name, const XML_Char *system_id,
                                 const XML_Char *public_id, int has_internal_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal_subset;
    refuse(context);
}

bool s3_document_read(struct text xml, struct arena *arena, struct s3_document *document,
                      destination_visit *visit, void *context)
{
    struct reading reading = {.parser = libexpat.ParserCreate(NULL),
                              .arena = arena,
                              .document = document,
                              .visit = visit,
                              .context = context};

    if (!reading.parser)
        abort();
    *document = (struct s3_document){0};
    libexpat.SetUserData(reading.parser, &reading);
    libexpat.SetElementHandler(reading.parser, begin_element, end_element);
    libexpat.SetCharacterDataHandler(reading.parser, add_text);
    libexpat.SetStartDoctypeDeclHandler(reading.parser, refuse_document_type);
    bool is_read = xml.length <= INT_MAX &&
                   libexpat.Parse(reading.parser, xml.data, (int)xml.length, XML_TRUE) == XML_STATUS_OK;

    libexpat.ParserFree(reading.parser);
    buffer_free(&reading.text);
    return (is_read || reading.is_ended) && !reading.is_refused;
}
