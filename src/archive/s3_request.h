/* s3_request.h: one request to S3 and its answer. Only for the archive room. */
#ifndef FARTHING_ARCHIVE_S3_REQUEST_H
#define FARTHING_ARCHIVE_S3_REQUEST_H

#include "archive/destination_internal.h"
#include "archive/libcurl.h"
#include "archive/s3_document.h"
#include "archive/s3_location.h"
#include "base/buffer.h"

enum { S3_ETAG_BYTES_MAX = 128 };

struct s3 {
    struct destination common;
    struct s3_location location;
    /* NUL-terminated for libcurl. */
    const char *access_key_id, *signature;
    char *secret_access_key; /* cleared at the end */
    const char *ca_file;     /* NULL: those of the system */
    int stall_timeout_s;
    uint64_t part_bytes; /* larger objects go in parts of at least so many */
    CURL *curl;          /* keeps its connections between requests */
};

enum s3_method { S3_GET, S3_PUT, S3_POST, S3_DELETE };

struct s3_request {
    enum s3_method method;
    const char *url; /* the query sorted by name, each with its =, encoded: that is how it is signed */

    int source; /* S3_PUT: these bytes of this file */
    uint64_t source_offset, source_bytes;
    struct text body; /* S3_POST */

    bool has_target; /* the body of a success goes to this file */
    int target;

    int limit_ms; /* 0: only the destination's own limits, and its `stop`; else this is all */
};

struct s3_answer {
    long status;
    struct buffer body;               /* what did not go to the target; the caller frees it */
    char etag[S3_ETAG_BYTES_MAX + 1]; /* empty: none */
};

/* Sends it and takes the answer. False unless the status is one of 200 to 299; the failure is then what the
 * service says of it. */
bool s3_perform(struct s3 *s3, const struct s3_request *request, struct s3_answer *answer,
                struct destination_failure *failure);

/* Notes what a service said. Returns false. */
bool s3_fail(struct destination_failure *failure, long status, const struct s3_document *document);

/* Stores the file in parts. */
bool s3_put_in_parts(struct s3 *s3, struct text name, struct local_file file,
                     struct destination_failure *failure);

/* The address of an object, or of one thing of it (a query), in the arena. */
const char *s3_object_url(const struct s3 *s3, struct text name, const char *query, struct arena *arena);
/* As a value in a query is written (RFC 3986 section 2.3: what need not be escaped is not). */
struct text s3_query_value(struct text value, struct arena *arena);

#endif
