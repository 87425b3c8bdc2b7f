/* s3_location.h: where the objects of a bucket are, as addresses. Only for the archive room. */
#ifndef FARTHING_ARCHIVE_S3_LOCATION_H
#define FARTHING_ARCHIVE_S3_LOCATION_H

#include "archive/destination.h"

struct s3_location {
    struct text place;      /* for a person */
    struct text region;     /* that requests are signed for */
    struct text bucket_url; /* of the bucket itself */
    struct text object_url; /* what stands before a key; ends with a slash */
    struct text key_prefix; /* of the keys: empty, or ends with a slash */
};

/* Reads the options of an s3:// location (destination.h). All texts are in the arena. False with a one-line
 * reason. */
bool s3_location_read(const struct destination_options *options, struct arena *arena,
                      struct s3_location *location, struct text *reason);

#endif
