#include "archive/rebuild.h"

#include "archive/catalogue.h"
#include "archive/packed.h"
#include "archive/segment.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/instant.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEP_BYTES = 1024 * 1024, JSON_BYTES_MAX = 64 * 1024, FIRST_CAPACITY = 1024 };

struct rebuilding {
    const struct rebuild *rebuild;
    struct rebuilt *rebuilt;
    struct arena *arena;
    struct text *reason;
    int fd;                  /* of the database */
    struct placed *segments; /* to apply, in order */
    size_t count, capacity;
    uint32_t page_bytes; /* of the segments so far; 0: there was none */
    bool is_superseded;
};

static bool complain(struct rebuilding *rebuilding, struct text name, const char *why)
{
    *rebuilding->reason =
        arena_format(rebuilding->arena, "%.*s in %.*s cannot be used: %s", TEXT_FORMAT(name),
                     TEXT_FORMAT(destination_place(rebuilding->rebuild->destination)), why);
    return false;
}

static bool fail_for(struct rebuilding *rebuilding, const struct destination_failure *failure)
{
    *rebuilding->reason = arena_copy(rebuilding->arena, text_from_string(failure->reason));
    return false;
}

static void tell(const struct rebuilding *rebuilding, double done, struct text what)
{
    if (rebuilding->rebuild->tell)
        rebuilding->rebuild->tell(rebuilding->rebuild->context, done, what);
}

/* ---- what to take ---- */

static bool note_segment(void *context, struct text name, uint64_t bytes)
{
    struct rebuilding *rebuilding = context;
    struct placed placed;

    (void)bytes;
    if (!read_segment_name(name, &placed))
        return true;
    if (rebuilding->count == rebuilding->capacity) {
        rebuilding->capacity = rebuilding->capacity ? 2 * rebuilding->capacity : FIRST_CAPACITY;
        rebuilding->segments =
            memory_resize(rebuilding->segments, rebuilding->capacity * sizeof *rebuilding->segments);
    }
    placed.stream = text_none; /* the name is for this call only */
    rebuilding->segments[rebuilding->count++] = placed;
    return true;
}

/* The stream's segments from the base's first one on. */
static bool list_segments(struct rebuilding *rebuilding, const struct base *base)
{
    struct destination_failure failure;
    int64_t group = base->first_segment / SEGMENTS_PER_GROUP;
    size_t before, skipped = 0;

    rebuilding->count = 0;
    do {
        before = rebuilding->count;
        if (!destination_list(rebuilding->rebuild->destination,
                              segment_group(base->placed.stream, group++, rebuilding->arena), note_segment,
                              rebuilding, &failure))
            return fail_for(rebuilding, &failure);
    } while (rebuilding->count > before || group <= base->placed.number / SEGMENTS_PER_GROUP);
    while (skipped < rebuilding->count && rebuilding->segments[skipped].number < base->first_segment)
        skipped++;
    rebuilding->count -= skipped;
    memmove(rebuilding->segments, rebuilding->segments + skipped,
            rebuilding->count * sizeof *rebuilding->segments);
    return true;
}

static struct text instant_text(int64_t instant, struct arena *arena)
{
    struct buffer buffer = {0};

    instant_append(&buffer, instant);
    struct text text = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return text;
}

static bool complain_of_gap(struct rebuilding *rebuilding, const struct base *base, size_t count)
{
    int64_t until = count > 0 && rebuilding->segments[count - 1].number >= base->placed.number
                        ? rebuilding->segments[count - 1].instant
                        : base->placed.instant;
    struct text instant = instant_text(until, rebuilding->arena);
    int64_t missing = base->first_segment + (int64_t)count;

    *rebuilding->reason = arena_format(
        rebuilding->arena,
        "segment %lld of the stream %.*s is missing in %.*s: what was committed after %.*s cannot all "
        "be restored; --at %.*s restores what was before",
        (long long)missing, TEXT_FORMAT(base->placed.stream),
        TEXT_FORMAT(destination_place(rebuilding->rebuild->destination)), TEXT_FORMAT(instant),
        TEXT_FORMAT(instant));
    return false;
}

/* Keeps what leads from the base to the instant: the segments up to it, or none when they do not reach the
 * end of the base's copy. False when one is missing among them. */
static bool cut_at_instant(struct rebuilding *rebuilding, const struct base *base)
{
    const struct placed *segments = rebuilding->segments;
    size_t count = 0;

    while (count < rebuilding->count && segments[count].number == base->first_segment + (int64_t)count &&
           segments[count].instant <= rebuilding->rebuild->at)
        count++;
    if (count < rebuilding->count && segments[count].instant <= rebuilding->rebuild->at)
        return complain_of_gap(rebuilding, base, count);
    rebuilding->count = count > 0 && segments[count - 1].number >= base->placed.number ? count : 0;
    return true;
}

static const struct base *choose_base(const struct catalogue *catalogue, int64_t at)
{
    const struct base *chosen = NULL;

    for (size_t i = 0; i < catalogue->base_count; i++)
        if (catalogue->bases[i].placed.instant <= at)
            chosen = &catalogue->bases[i];
    return chosen;
}

static bool choose(struct rebuilding *rebuilding, struct base *base)
{
    struct arena *arena = rebuilding->arena;
    struct text place = destination_place(rebuilding->rebuild->destination);
    struct destination_failure failure;
    struct catalogue catalogue;

    if (!catalogue_read(&catalogue, rebuilding->rebuild->destination, arena, &failure))
        return fail_for(rebuilding, &failure);
    const struct base *chosen = choose_base(&catalogue, rebuilding->rebuild->at);

    if (!chosen && catalogue.base_count > 0)
        *rebuilding->reason =
            arena_format(arena, "%.*s goes back to %.*s, and not further", TEXT_FORMAT(place),
                         TEXT_FORMAT(instant_text(catalogue.bases[0].placed.instant, arena)));
    else if (!chosen)
        *rebuilding->reason = arena_format(
            arena, "%.*s holds no continuous backup from which a database can be made", TEXT_FORMAT(place));
    else
        *base = *chosen;
    rebuilding->is_superseded =
        chosen && rebuilding->rebuild->at == INT64_MAX &&
        text_compare(catalogue.streams[catalogue.stream_count - 1], chosen->placed.stream) > 0;
    return chosen;
}

/* ---- the base ---- */

static bool fetch(struct rebuilding *rebuilding, struct text name)
{
    struct destination_failure failure;

    return destination_get(rebuilding->rebuild->destination, name, rebuilding->rebuild->scratch_path,
                           &failure) ||
           fail_for(rebuilding, &failure);
}

static bool read_what_is_known(struct rebuilding *rebuilding, struct base *base)
{
    struct text name = base_name(base, ".json", rebuilding->arena), complaint;

    if (!fetch(rebuilding, name))
        return false;
    struct text json = file_content(rebuilding->rebuild->scratch_path, JSON_BYTES_MAX, rebuilding->arena);

    if (!text_is_set(json))
        return complain(rebuilding, name, strerror(errno));
    if (!read_base_json(json, base, rebuilding->arena, &complaint))
        return complain(rebuilding, name, arena_string(rebuilding->arena, complaint));
    return true;
}

/* Unpacks the fetched file into the database's, and hashes it. NULL, or what is wrong. */
static const char *unpack_base(struct rebuilding *rebuilding, int from, uint8_t hash[SHA256_BYTES])
{
    struct unpacker *unpacker = unpacker_new(from);
    struct sha256_stream *stream = sha256_begin();
    char *bytes = memory_take(STEP_BYTES);
    const char *complaint = NULL;
    ssize_t length;

    while (!complaint && (length = unpacker_read_some(unpacker, bytes, STEP_BYTES)) > 0) {
        struct text piece = {bytes, (size_t)length};

        sha256_add(stream, piece);
        if (!file_write_all(rebuilding->fd, piece))
            complaint = strerror(errno);
    }
    if (!complaint && !unpacker_is_at_end(unpacker))
        complaint = unpacker_reason(unpacker);
    sha256_end(stream, hash);
    unpacker_free(unpacker);
    free(bytes);
    return complaint;
}

static bool take_base(struct rebuilding *rebuilding, const struct base *base)
{
    struct text name = base_name(base, ".zst", rebuilding->arena);
    char hex[SHA256_HEX_LENGTH];
    uint8_t hash[SHA256_BYTES];

    tell(rebuilding, 0, TEXT("the base"));
    if (!fetch(rebuilding, name))
        return false;
    int from = open(rebuilding->rebuild->scratch_path, O_RDONLY | O_CLOEXEC);

    if (from < 0)
        return complain(rebuilding, name, strerror(errno));
    const char *complaint = unpack_base(rebuilding, from, hash);

    close(from);
    if (complaint)
        return complain(rebuilding, name, complaint);
    hex_encode(hash, sizeof hash, hex);
    return text_equal((struct text){hex, sizeof hex}, base->sha256) ||
           complain(rebuilding, name, "its SHA-256 is another one than it was");
}

/* ---- the segments ---- */

struct applying {
    struct rebuilding *rebuilding;
    const struct placed *placed;
    struct segment segment;
};

static bool begin_segment(void *context, const struct segment *segment, struct text *reason)
{
    struct applying *applying = context;
    uint32_t page_bytes = applying->rebuilding->page_bytes;

    applying->segment = *segment;
    applying->rebuilding->page_bytes = segment->page_bytes;
    if (segment->number == applying->placed->number && segment->closed_at == applying->placed->instant &&
        (page_bytes == 0 || page_bytes == segment->page_bytes))
        return true;
    *reason = TEXT("it is another one than its name says");
    return false;
}

static bool apply_page(void *context, uint32_t number, const void *bytes, struct text *reason)
{
    const struct applying *applying = context;
    size_t length = applying->segment.page_bytes;

    if (pwrite(applying->rebuilding->fd, bytes, length, (off_t)(number - 1) * (off_t)length) ==
        (ssize_t)length)
        return true;
    *reason =
        arena_format(applying->rebuilding->arena, "the database cannot be written: %s", strerror(errno));
    return false;
}

static bool apply_segment(struct rebuilding *rebuilding, const struct base *base, size_t index)
{
    struct placed placed = rebuilding->segments[index];
    struct applying applying = {.rebuilding = rebuilding, .placed = &placed};
    const struct segment_visitor visitor = {&applying, begin_segment, apply_page};
    struct text reason = text_empty;

    placed.stream = base->placed.stream;
    struct text name = segment_name(&placed, rebuilding->arena);

    if (!fetch(rebuilding, name))
        return false;
    int fd = open(rebuilding->rebuild->scratch_path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return complain(rebuilding, name, strerror(errno));
    bool is_applied = segment_read(fd, &visitor, rebuilding->arena, &reason);

    close(fd);
    if (!is_applied)
        return complain(rebuilding, name, arena_string(rebuilding->arena, reason));
    off_t bytes = (off_t)applying.segment.database_pages * (off_t)applying.segment.page_bytes;

    if (ftruncate(rebuilding->fd, bytes) != 0)
        return complain(rebuilding, name, strerror(errno));
    return true;
}

static bool apply_segments(struct rebuilding *rebuilding, const struct base *base)
{
    for (size_t i = 0; i < rebuilding->count; i++) {
        tell(rebuilding, (double)(i + 1) / (double)(rebuilding->count + 1),
             arena_format(rebuilding->arena, "segment %zu of %zu", i + 1, rebuilding->count));
        if (!apply_segment(rebuilding, base, i))
            return false;
    }
    return true;
}

/* ---- the whole ---- */

static bool take_secrets(struct rebuilding *rebuilding, const struct base *base)
{
    struct destination_failure failure;

    rebuilding->rebuilt->has_secrets =
        base->has_secrets && destination_get(rebuilding->rebuild->destination,
                                             secrets_name(base->placed.stream, rebuilding->arena),
                                             rebuilding->rebuild->secrets_path, &failure);
    return rebuilding->rebuilt->has_secrets || !base->has_secrets || fail_for(rebuilding, &failure);
}

static bool sync_database(struct rebuilding *rebuilding)
{
    struct stat status;

    if (fsync(rebuilding->fd) != 0 || fstat(rebuilding->fd, &status) != 0) {
        *rebuilding->reason = arena_format(rebuilding->arena, "%s cannot be written: %s",
                                           rebuilding->rebuild->database_path, strerror(errno));
        return false;
    }
    rebuilding->rebuilt->bytes = status.st_size;
    return true;
}

static bool rebuild_from(struct rebuilding *rebuilding, struct base *base)
{
    if (!read_what_is_known(rebuilding, base) || !list_segments(rebuilding, base) ||
        !cut_at_instant(rebuilding, base))
        return false;
    *rebuilding->rebuilt = (struct rebuilt){
        .at = rebuilding->count > 0 ? rebuilding->segments[rebuilding->count - 1].instant
                                    : base->placed.instant,
        .version = base->version,
        .schema_version = base->schema_version,
        .segments = (int64_t)rebuilding->count,
        .is_superseded = rebuilding->is_superseded,
    };
    return take_base(rebuilding, base) && apply_segments(rebuilding, base) &&
           take_secrets(rebuilding, base) && sync_database(rebuilding);
}

bool archive_rebuild(const struct rebuild *rebuild, struct rebuilt *rebuilt, struct arena *arena,
                     struct text *reason)
{
    struct rebuilding rebuilding = {.rebuild = rebuild, .rebuilt = rebuilt, .arena = arena, .reason = reason};
    struct base base;

    if (!choose(&rebuilding, &base))
        return false;
    rebuilding.fd = open(rebuild->database_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (rebuilding.fd < 0) {
        *reason = arena_format(arena, "cannot make %s: %s", rebuild->database_path, strerror(errno));
        return false;
    }
    bool is_done = rebuild_from(&rebuilding, &base);

    close(rebuilding.fd);
    free(rebuilding.segments);
    unlink(rebuild->scratch_path);
    if (!is_done) {
        unlink(rebuild->database_path);
        unlink(rebuild->secrets_path);
    }
    return is_done;
}

static bool note_any(void *context, struct text name, uint64_t bytes)
{
    struct text stream;

    (void)bytes;
    *(bool *)context = read_stream_name(name, &stream);
    return !*(bool *)context;
}

bool archive_is_there(struct destination *destination, bool *is_there, struct arena *arena,
                      struct text *reason)
{
    struct destination_failure failure;

    *is_there = false;
    if (destination_list(destination, TEXT(STREAM_PREFIX), note_any, is_there, &failure))
        return true;
    *reason = arena_copy(arena, text_from_string(failure.reason));
    return false;
}
