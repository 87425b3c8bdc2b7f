/* follower.h: follows the write-ahead log of the embedded database, so that whoever keeps a copy elsewhere
 * gets every page that a commit has changed, in the order of the commits.
 *
 * A follower takes committed pages out of the log into a file of its own (unlinked, beside the database),
 * from which they are handed on in cuts. The log begins anew only when everything in it was taken: the writer
 * sees to that itself (store/sqlite/checkpoint.c), so that neither a slow disk elsewhere nor a lost network
 * is ever in the way of a commit. When a follower cannot keep up, it is lost and says why; the database goes
 * on. */
#ifndef FARTHING_STORE_FOLLOWER_H
#define FARTHING_STORE_FOLLOWER_H

#include "base/arena.h"
#include "base/text.h"

/* A place in the log, as it can be found again after a restart: how many frames of the log with these salts,
 * and the checksum of the last of them (sqlite.org/fileformat2.html, section 4.1). */
struct log_position {
    uint32_t salts[2], checksums[2];
    int64_t frames;
};

/* From where a follower is to go on. */
enum follow_from {
    FOLLOW_FROM_NOW,      /* nothing is known of what was before */
    FOLLOW_FROM_REST,     /* everything up to when the database was last closed is known */
    FOLLOW_FROM_POSITION, /* everything up to the position is known */
};

/* What was committed since the cut before: the last state of each page that was changed. */
struct follower_cut {
    /* Wall clock: whatever was acknowledged before the first instant is in it, and nothing that was begun
     * after the second. */
    int64_t covers_until, closed_at;
    uint32_t page_bytes;          /* the size of every page */
    uint32_t database_pages;      /* how many the database has */
    size_t page_count;            /* how many are in the cut, in the order of their numbers */
    struct log_position position; /* behind it */
};

enum follower_state {
    FOLLOWER_FOLLOWS,
    FOLLOWER_LOST, /* what was committed since cannot all be had; `follower_begin_anew` */
};

struct follower;

/* A follower that keeps at most `spool_bytes_max` of what was not cut yet in an unlinked file in `directory`.
 */
struct follower *follower_new(const char *directory, int64_t spool_bytes_max, enum follow_from from,
                              const struct log_position *position);
void follower_free(struct follower *follower);
/* Before it is attached: has it take only which pages were changed, and not what is in them, which costs next
 * to nothing; until `follower_take_again`. */
void follower_take_numbers(struct follower *follower);

/* Whether it goes on from where it was told to, without a gap; after the store was opened with it. */
bool follower_is_continuous(const struct follower *follower);
/* Forgets what was lost: follows from this instant on, as if new. */
void follower_begin_anew(struct follower *follower);

/* Takes what was committed meanwhile out of the log; to be called some times a second, so that little is left
 * for the writer to take. Any thread. */
enum follower_state follower_take(struct follower *follower);
/* The same, and begins a cut with it: *cut says what is in it, nothing when page_count is 0. The cut before
 * is gone. Of one thread; also after the store was closed. *reason (in `arena`) says why it is lost. */
enum follower_state follower_cut(struct follower *follower, struct follower_cut *cut, struct arena *arena,
                                 struct text *reason);
/* The number of a page of the last cut, from 1. */
uint32_t follower_page_number(const struct follower *follower, size_t index);
/* The same, and its page_bytes bytes, of a cut that has them. False with errno. */
bool follower_page(struct follower *follower, size_t index, uint32_t *number, void *bytes);
/* Since when (wall clock) something that was committed waits to be cut; 0: nothing does. Any thread. */
int64_t follower_waits_since(struct follower *follower);

/* ---- for the writer alone ---- */

/* It cannot be told what the log holds: it does not go on without a gap. */
void follower_doubt(struct follower *follower);

/* When all was cut: takes what the log holds once more, from its beginning, with the pages or only which they
 * are. What was cut before and is not in the log is in the database's file by now. Outside a transaction. */
void follower_take_again(struct follower *follower, bool with_pages);

/* Who follows: at most the continuous backup, and a copy that is being made. */
struct followers {
    struct follower *stream, *copy; /* NULL: nobody */
};

/* Has each note what the writer's connection has committed since, if it has: an attempt that has failed may
 * have begun the log anew, and that is nothing to follow. Whether anything was committed. */
struct connection;
bool followers_note(const struct followers *followers, struct connection *writer);
/* follower_take of each. */
void followers_take(const struct followers *followers);

/* Before anything is committed: looks for its place in the log of the database at `path`. */
void follower_attach(struct follower *follower, const char *path);
/* After each commit, before it is acknowledged: the log holds so many frames. */
void follower_note(struct follower *follower, int frames);

#endif
