/* destination.h: a place where named objects are kept: a directory, or a bucket of a service that speaks
 * Amazon's S3 protocol. An object is whole or not there, and stays when the call that stored it has returned.
 *
 * Names are parts of [A-Za-z0-9._-] with a slash between, none of them empty or with a dot in front; their
 * order is that of their bytes. What else is in the place is never shown or touched.
 *
 * Calls block; what they wait for has limits: 5 s for a connection, 30 s in which nothing moves (of a
 * service; a directory's file system takes what time it takes). Nothing is tried again here: a failure says
 * whether that makes sense. A destination is one thread's at a time. Texts are borrowed for a call only. */
#ifndef FARTHING_ARCHIVE_DESTINATION_H
#define FARTHING_ARCHIVE_DESTINATION_H

#include "base/arena.h"
#include "base/text.h"

#include <stdatomic.h>

enum {
    DESTINATION_NAME_BYTES_MAX = 512,
    DESTINATION_STALL_TIMEOUT_S = 30,
    DESTINATION_REASON_BYTES_MAX = 1024,
};

struct destination;

/* What is not set is empty or zero. Copied when the destination is opened. */
struct destination_options {
    /* A directory's path, or s3://BUCKET or s3://BUCKET/PREFIX; below the prefix, which is parts as those of
     * a name, are the objects. */
    struct text location;
    bool is_read_only; /* nothing is made; storing and removing is refused */

    /* http(s)://HOST[:PORT] of a service other than Amazon's: the bucket is in the path. Unset: Amazon's of
     * the region, where it is in the host's name unless it has a dot. */
    struct text s3_endpoint;
    struct text s3_region; /* unset: us-east-1 of an endpoint; Amazon's must be told */
    struct text s3_access_key_id, s3_secret_access_key;
    struct text ca_file; /* whose certificates are trusted; unset: those of the system */

    int stall_timeout_s;    /* 0: DESTINATION_STALL_TIMEOUT_S */
    uint64_t s3_part_bytes; /* larger objects go in parts of at least so many; 0: 64 MiB */
    /* Once true, calls end within about a second, and further ones at once. NULL: never. */
    const atomic_bool *stop;
};

enum destination_problem {
    DESTINATION_TRANSIENT, /* again may help: the network, the service, a full disk */
    DESTINATION_REFUSED,   /* somebody must do something first: settings, permissions, a name */
    DESTINATION_NO_OBJECT, /* there is none of that name */
    DESTINATION_STOPPED,   /* by `stop` */
};

struct destination_failure {
    enum destination_problem problem;
    char reason[DESTINATION_REASON_BYTES_MAX]; /* one line: the object, the place, the cause */
};

/* Checks what it can without the network and loads what an s3:// location needs. A directory that is not
 * there is made (mode 0700, its parent must be there). NULL with a one-line reason in the arena. */
struct destination *destination_open(const struct destination_options *options, struct arena *arena,
                                     struct text *reason);
/* NULL is allowed. */
void destination_close(struct destination *destination);
/* For a person: the path, or s3://BUCKET/PREFIX and the endpoint. As long as the destination. */
struct text destination_place(const struct destination *destination);

/* Whether it may be an object's name. */
bool destination_is_name(struct text name);

/* Stores the file's bytes under the name, in place of what was there. Reads the file (for S3 twice: first for
 * its hash) in constant memory; opening and closing it here gives up this process's POSIX locks of it, so it
 * must not be a live database. On failure there is what was there before, or, if only the last confirmation
 * is missing, the new object. What is large S3 gets in parts, and when the process dies before the last
 * one, the bucket keeps them: a lifecycle rule (AbortIncompleteMultipartUpload) removes them. */
bool destination_put(struct destination *destination, struct text name, const char *local_path,
                     struct destination_failure *failure);

/* Writes the object into the file (mode 0600 when it is made), in place of what was there, in constant
 * memory; not synced. On failure there is no file. */
bool destination_get(struct destination *destination, struct text name, const char *local_path,
                     struct destination_failure *failure);

/* Gives an object's name, for the call only, and size. False ends the list. It may use the destination. */
typedef bool destination_visit(void *context, struct text name, uint64_t bytes);

/* All objects whose names begin with the prefix, in order; an empty prefix is that of all. */
bool destination_list(struct destination *destination, struct text prefix, destination_visit *visit,
                      void *context, struct destination_failure *failure);

/* True as well when there is no such object. */
bool destination_remove(struct destination *destination, struct text name,
                        struct destination_failure *failure);

#endif
