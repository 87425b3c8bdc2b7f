/* rebuild.h: a database out of its continuous backup, as it was at an instant. */
#ifndef FARTHING_ARCHIVE_REBUILD_H
#define FARTHING_ARCHIVE_REBUILD_H

#include "archive/destination.h"

struct rebuild {
    struct destination *destination;
    int64_t at;                /* the instant; INT64_MAX: the newest state that there is */
    const char *database_path; /* must not exist */
    const char *secrets_path;  /* the same; made when the backup has one */
    const char *scratch_path;  /* of a file for what is fetched; removed again */
    /* Told how far it is, from 0 to 1; NULL: nobody asks. */
    void (*tell)(void *context, double done, struct text what);
    void *context;
};

struct rebuilt {
    int64_t at; /* everything acknowledged before this instant is in it, and nothing after `rebuild.at` */
    struct text version;    /* of the program that wrote the base */
    int64_t schema_version; /* of the base */
    int64_t bytes;
    int64_t segments;   /* applied to the base */
    bool is_superseded; /* a later stream has no base yet: what was committed since is not in it */
    bool has_secrets;
};

/* Writes the files, and has them on the disk. False with a one-line reason, and without files. */
bool archive_rebuild(const struct rebuild *rebuild, struct rebuilt *rebuilt, struct arena *arena,
                     struct text *reason);

/* Whether the place holds a continuous backup at all. False with a reason when that cannot be told. */
bool archive_is_there(struct destination *destination, bool *is_there, struct arena *arena,
                      struct text *reason);

#endif
