/* s3_document.h: what S3 answers in XML. Only for the archive room; libexpat_load must have succeeded. */
#ifndef FARTHING_ARCHIVE_S3_DOCUMENT_H
#define FARTHING_ARCHIVE_S3_DOCUMENT_H

#include "archive/destination.h"

/* What an answer may say; unset: it does not. */
struct s3_document {
    struct text error_code, error_message, error_endpoint;
    struct text upload_id;
    struct text is_truncated, continuation_token; /* of a list's page */
    struct text completed_etag;                   /* of an object put together from parts */
};

/* Reads a document; its texts are in the arena. Each object of a list is given to `visit` (NULL: to nobody)
 * under its whole key, until that returns false, which ends the reading. False when it is not well-formed,
 * has a document type, or is nested or has texts beyond what S3 sends. */
bool s3_document_read(struct text xml, struct arena *arena, struct s3_document *document,
                      destination_visit *visit, void *context);

#endif
