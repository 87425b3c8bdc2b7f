/* stream_state.h: how far the continuous backup of this database has come, as it is remembered beside the
 * database; so that a server that is started again goes on with the stream, or knows that it must begin a new
 * one. Only for the archive room. */
#ifndef FARTHING_ARCHIVE_STREAM_STATE_H
#define FARTHING_ARCHIVE_STREAM_STATE_H

#include "base/arena.h"
#include "store/follower.h"

#include <sys/stat.h>

struct stream_state {
    struct text place;        /* where the stream is */
    struct text stream;       /* unset: there is none yet */
    struct text writer;       /* who writes: an id that goes with this file */
    int64_t next_segment;     /* its number */
    int64_t last_base_at;     /* 0: the stream has none yet */
    enum follow_from follows; /* FOLLOW_FROM_NOW: none of what follows is known */
    struct log_position position;
    /* FOLLOW_FROM_REST: the database's file as it was closed. */
    int64_t inode, bytes, modified_ns;
};

/* The database's file as it is: closed, and without a log. False when it is not. */
bool stream_state_rest(struct stream_state *state, const char *database_path);

/* Reads it; nothing that can be used is an empty state. A state at rest whose database has changed since
 * knows nothing of where to go on. */
struct stream_state stream_state_read(const char *path, struct text place, const char *database_path,
                                      struct arena *arena);
/* Durable when it returns. False with errno. */
bool stream_state_write(const char *path, const struct stream_state *state);

#endif
