/* layout.h: what the objects of a continuous backup are called. Only for the archive room.
 *
 *     stream/STREAM                          that there is such a stream, who writes it, and when
 *     secrets/STREAM                         the file of that name, as of the last base
 *     base/STREAM/FIRST-NUMBER-INSTANT.zst   a whole database, packed
 *     base/STREAM/FIRST-NUMBER-INSTANT.json  struct base: without it the base does not count
 *     segment/STREAM/GROUP/NUMBER-INSTANT    the stream itself (segment.h)
 *
 * STREAM is a ULID: a stream begins anew when something is missing between what is there and what comes.
 * NUMBER counts the stream's segments, from 1, in ten digits, and so does FIRST; GROUP is NUMBER /
 * SEGMENTS_PER_GROUP in six, so that a list never has to show them all; INSTANT is in microseconds since
 * 1970, sixteen digits. */
#ifndef FARTHING_ARCHIVE_LAYOUT_H
#define FARTHING_ARCHIVE_LAYOUT_H

#include "base/arena.h"
#include "base/text.h"

enum { SEGMENTS_PER_GROUP = 10000, ARCHIVE_FORMAT = 1 };

/* What the name of a segment says. */
struct placed {
    struct text stream; /* points into the name */
    int64_t number, instant;
};

/* A base: a copy of the database, which was whole at its instant. */
struct base {
    struct placed placed; /* its number: of the segment that was open then */
    /* The segments from here on are to be applied to it, all of them up to `placed.number` at least, or none:
     * then it is the database as it was at its instant. */
    int64_t first_segment;
    /* What its name does not say, but base_json. */
    struct text version, sha256;   /* of the program; of the database, unpacked */
    int64_t schema_version, bytes; /* of the database */
    bool has_secrets;
};

#define STREAM_PREFIX "stream/"
#define BASE_PREFIX   "base/"
struct text stream_name(struct text stream, struct arena *arena);
struct text secrets_name(struct text stream, struct arena *arena);
/* `suffix`: ".zst" or ".json". */
struct text base_name(const struct base *base, const char *suffix, struct arena *arena);
struct text segment_name(const struct placed *placed, struct arena *arena);
/* What all segments of a stream, all of one of its groups, all its bases begin with. */
struct text segment_prefix(struct text stream, struct arena *arena);
struct text segment_group(struct text stream, int64_t group, struct arena *arena);
struct text base_prefix(struct text stream, struct arena *arena);

/* False: it is no name of that kind. */
bool read_stream_name(struct text name, struct text *stream);
bool read_base_name(struct text name, const char *suffix, struct base *base);
bool read_segment_name(struct text name, struct placed *placed);

struct text base_json(const struct base *base, struct arena *arena);
/* Reads it into a base whose name was read. False with what is wrong with it. */
bool read_base_json(struct text json, struct base *base, struct arena *arena, struct text *reason);

#endif
