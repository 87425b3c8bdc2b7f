/* destination_internal.h: what the kinds of destination share. Only for the archive room. */
#ifndef FARTHING_ARCHIVE_DESTINATION_INTERNAL_H
#define FARTHING_ARCHIVE_DESTINATION_INTERNAL_H

#include "archive/destination.h"

enum { DESTINATION_BLOCK_BYTES = 256 * 1024 };

/* The file on this machine that is stored or filled, open. */
struct local_file {
    int fd;
    uint64_t bytes; /* how many are to be stored */
};

/* Names were checked, `stop` was looked at. A reason is the cause alone: the object and the place are added.
 */
struct destination_kind {
    bool (*put)(struct destination *, struct text name, struct local_file, struct destination_failure *);
    bool (*get)(struct destination *, struct text name, struct local_file, struct destination_failure *);
    bool (*list)(struct destination *, struct text prefix, destination_visit *, void *context,
                 struct destination_failure *);
    bool (*remove)(struct destination *, struct text name, struct destination_failure *);
    void (*close)(struct destination *); /* what the kind holds; the arena goes afterwards */
};

/* The first member of each kind's own struct. */
struct destination {
    const struct destination_kind *kind;
    struct text place;
    bool is_read_only;
    const atomic_bool *stop;
    struct arena arena; /* for what lives as long as the destination, itself included */
    char *block;        /* DESTINATION_BLOCK_BYTES for whoever moves bytes */
};

/* A destination of `size` bytes, cleared but for what is in every one. */
struct destination *destination_new(size_t size, const struct destination_kind *kind,
                                    const struct destination_options *options);
/* Frees it, without what the kind holds. */
void destination_free(struct destination *destination);

bool destination_is_stopped(const struct destination *destination);

/* Whether all parts are such as a name may have. */
bool destination_is_path(struct text path);

/* Each notes a failure and returns false. */
bool destination_fail(struct destination_failure *failure, enum destination_problem problem,
                      const char *format, ...) __attribute__((format(printf, 3, 4)));
/* By errno, which says whether again makes sense; `what` did not work. */
bool destination_fail_errno(struct destination_failure *failure, const char *what, int error);
bool destination_fail_stopped(struct destination_failure *failure);

/* False with errno. */
bool destination_write_all(int fd, const char *bytes, size_t length);

struct destination *directory_destination_open(const struct destination_options *options, struct arena *arena,
                                               struct text *reason);
struct destination *s3_destination_open(const struct destination_options *options, struct arena *arena,
                                        struct text *reason);

#endif
