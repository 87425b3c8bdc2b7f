/* log_sink.h: a file, or standard output, that many threads write lines to and none waits for.
 *
 * Each writer has a ring of its own, and one thread carries what is in the rings to the file. A line that
 * does not fit, because the file is slower than its writers, is dropped and counted. Within a ring lines keep
 * their order; between rings they are in order but for the moment that a round of the thread takes. */
#ifndef FARTHING_BASE_LOG_SINK_H
#define FARTHING_BASE_LOG_SINK_H

#include "base/arena.h"
#include "base/log_line.h"
#include "base/text.h"

enum {
    LOG_RING_BYTES = 1024 * 1024, /* about 4,000 lines, for one writer */
    LOG_SINK_PAUSE_MS = 20,       /* between two rounds while lines come; a ring that is half full ends it */
    LOG_SINK_SLEEP_MS = 1000,     /* at most, when none come */
    LOG_SINK_CHUNK_BYTES = 64 * 1024, /* written to a file at once */
    LOG_SINK_CLOSE_MS = 2000,         /* how long the end may wait for a reader who does not read */
    LOG_SINK_COMPLAINT_SECONDS = 60,  /* between two complaints about lines that were dropped */
};

struct log_sink;
struct log_ring;

/* Opens `destination`, a path (appended to; made with mode 0600) or "stdout", and starts the thread. NULL
 * with a one-line reason. */
struct log_sink *log_sink_open(struct text destination, struct arena *arena, struct text *reason);

/* A ring for one thread, which lives as long as the sink. */
struct log_ring *log_sink_ring(struct log_sink *sink);

/* Takes a copy of a line of at most LOG_LINE_BYTES_MAX bytes; on the ring's thread. False when it was
 * dropped. */
bool log_ring_put(struct log_ring *ring, struct text line);

/* Has the file opened again by its path, as after it was renamed. When that fails, the open one stays in use.
 * Any thread. */
void log_sink_reopen(struct log_sink *sink);

/* Lines that were dropped, for lack of room or because the file refused them. Any thread. */
int64_t log_sink_dropped(struct log_sink *sink);

/* Writes what is left and closes. When its writers have ended. */
void log_sink_close(struct log_sink *sink);

#endif
