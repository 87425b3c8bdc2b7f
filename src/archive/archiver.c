#include "archive/archiver.h"

#include "archive/base_maker.h"
#include "archive/layout.h"
#include "archive/segment.h"
#include "archive/stream_state.h"
#include "base/file.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/processor.h"
#include "base/random.h"
#include "base/ulid.h"
#include "metrics/metrics.h"
#include "json/reader.h"
#include "json/writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ARCHIVER_MAGIC = 0x41524348,
    NICE = 5,
    TAKE_MS = 100,      /* how often what was committed is taken out of the log */
    AGAIN_MS_MIN = 500, /* after a failure; doubles */
    AGAIN_MS_MAX = 30 * 1000,
    FINISH_MS_MAX = 10 * 1000, /* for what was committed last, when the server stops */
    MARKER_BYTES_MAX = 64 * 1024,
    ALIVE_EVERY_MS = 60 * 1000,   /* how often the place is told that the stream is being written */
    ALIVE_FOR_MS = 3 * 60 * 1000, /* who said so longer ago is gone */
};

/* A segment that was cut and is not stored yet. */
struct pending {
    bool is_there;
    struct placed placed; /* of the stream that is being written */
    struct log_position position;
    int64_t bytes, covers_until;
};

struct archiver {
    uint32_t magic;
    struct archiver_options options;
    struct arena texts; /* of the options */
    struct follower *follower;
    struct base_maker *base_maker;
    char *state_path, *segment_path, *object_path;
    struct text installation_id;

    /* The thread's. */
    pthread_t thread;
    bool is_started;
    struct arena arena; /* of one step */
    struct destination *destination;
    bool is_begun; /* the stream has its name in the place, and nothing behind its end */
    bool is_failing;
    int64_t again_ms, again_at_us; /* monotonic */
    struct pending pending;
    struct timespec secrets_stored; /* as the file was when it was stored last */
    char stream[ULID_TEXT_LENGTH], writer[ULID_TEXT_LENGTH];
    int64_t told_alive_us; /* monotonic; 0: not yet */

    atomic_bool is_cut_off;  /* nobody waits for the place any more */
    pthread_mutex_t cutting; /* held from a cut until its segment is counted; taken before the other */
    pthread_mutex_t mutex;   /* guards what follows */
    pthread_cond_t changed;
    bool is_finishing, is_finished;
    struct stream_state state;
    bool is_open; /* the stream is there; bases may be made */
};

static void save(struct archiver *archiver)
{
    if (!stream_state_write(archiver->state_path, &archiver->state))
        LOG_WARNING("how far the continuous backup is cannot be remembered; a restart may begin it anew",
                    LOG_STRING("path", archiver->state_path), LOG_STRING("error", strerror(errno)));
}

/* Segments are worth nothing before there is a base that they lead on from. */
static void tell_how_far(struct archiver *archiver, int64_t covers_until)
{
    pthread_mutex_lock(&archiver->mutex);
    bool has_base = archiver->state.last_base_at > 0;

    pthread_mutex_unlock(&archiver->mutex);
    if (has_base)
        metrics_set(&metrics_here()->backup_stored_until_us, (uint64_t)covers_until);
}

/* ---- what fails and works again ---- */

static void tell_of_failure(struct archiver *archiver, const char *reason)
{
    metrics_add(&metrics_here()->backup_failures, 1);
    if (!archiver->is_failing)
        LOG_ERROR("the continuous backup stands still; it is tried again and again, and what is committed "
                  "is kept meanwhile",
                  LOG_STRING("reason", reason));
    archiver->is_failing = true;
    archiver->again_at_us = monotonic_now_us() + archiver->again_ms * 1000;
    archiver->again_ms = archiver->again_ms * 2 < AGAIN_MS_MAX ? archiver->again_ms * 2 : AGAIN_MS_MAX;
}

static void tell_of_success(struct archiver *archiver)
{
    if (archiver->is_failing)
        LOG_INFO("the continuous backup goes on");
    archiver->is_failing = false;
    archiver->again_ms = AGAIN_MS_MIN;
    archiver->again_at_us = 0;
}

/* ---- storing ---- */

static bool put(struct archiver *archiver, struct text name, const char *path)
{
    struct destination_failure failure;

    if (destination_put(archiver->destination, name, path, &failure))
        return true;
    tell_of_failure(archiver, failure.reason);
    return false;
}

static bool put_text(struct archiver *archiver, struct text name, struct text content)
{
    unlink(archiver->object_path);
    if (!file_make(archiver->object_path, content)) {
        tell_of_failure(archiver,
                        arena_string(&archiver->arena, arena_format(&archiver->arena, "cannot make %s: %s",
                                                                    archiver->object_path, strerror(errno))));
        return false;
    }
    bool is_put = put(archiver, name, archiver->object_path);

    unlink(archiver->object_path);
    return is_put;
}

/* The file with the server's secrets, when it is another one than was stored last. */
static bool put_secrets(struct archiver *archiver)
{
    const char *path = archiver->options.secrets_path.data;
    struct stat status;

    if (stat(path, &status) != 0 ||
        memcmp(&status.st_mtim, &archiver->secrets_stored, sizeof status.st_mtim) == 0)
        return true; /* settings give the secrets, or it is there */
    if (!put(archiver, secrets_name(archiver->state.stream, &archiver->arena), path))
        return false;
    archiver->secrets_stored = status.st_mtim;
    return true;
}

/* ---- beginning ---- */

static struct text new_id(char id[ULID_TEXT_LENGTH])
{
    uint8_t random[ULID_RANDOM_BYTES];

    random_bytes(random, sizeof random);
    ulid_encode((uint64_t)(instant_now_us() / 1000), random, id);
    return (struct text){id, ULID_TEXT_LENGTH};
}

/* From now on: nothing of what was before belongs to it. */
static void begin_anew(struct archiver *archiver, const char *reason)
{
    LOG_INFO("a new stream of the continuous backup begins", LOG_STRING("reason", reason));
    struct text writer = archiver->state.writer;

    if (writer.length == 0)
        writer = new_id(archiver->writer);
    follower_begin_anew(archiver->follower);
    archiver->pending.is_there = archiver->is_begun = false;
    archiver->secrets_stored = (struct timespec){0};
    pthread_mutex_lock(&archiver->mutex);
    archiver->state = (struct stream_state){.place = archiver->state.place,
                                            .stream = new_id(archiver->stream),
                                            .writer = writer,
                                            .next_segment = 1};
    archiver->is_open = false;
    pthread_mutex_unlock(&archiver->mutex);
    save(archiver);
}

/* What the place is told of the stream, now and then: that it is being written, and by whom. */
static struct text marker_json(const struct archiver *archiver, int64_t alive_at, struct arena *arena)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    json_put_int64(&writer, TEXT("format"), ARCHIVE_FORMAT);
    json_put_string(&writer, TEXT("version"), TEXT(FARTHING_VERSION));
    json_put_string(&writer, TEXT("installation_id"), archiver->installation_id);
    json_put_string(&writer, TEXT("writer"), archiver->state.writer);
    json_put_int64(&writer, TEXT("alive_at_us"), alive_at);
    json_end_object(&writer);
    buffer_append_char(&buffer, '\n');
    struct text json = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return json;
}

static bool tell_alive(struct archiver *archiver, int64_t alive_at)
{
    if (!put_text(archiver, stream_name(archiver->state.stream, &archiver->arena),
                  marker_json(archiver, alive_at, &archiver->arena)))
        return false;
    archiver->told_alive_us = monotonic_now_us();
    return true;
}

struct looking {
    struct archiver *archiver;
    int64_t last_segment; /* of ours, from the next one's group on; 0: none */
    struct destination_failure failure;
    bool has_failed;
};

static int64_t alive_ms_ago(const struct json_value *marker)
{
    int64_t alive_at;

    if (!json_member_int64(marker, TEXT("alive_at_us"), &alive_at))
        return INT64_MAX;
    return (instant_now_us() - alive_at) / 1000;
}

/* Two installations in one place would be restored one for the other; and so would two servers of one, such
 * as a copy that was restored for a trial and the one that it is a copy of. */
static bool may_write_beside(struct archiver *archiver, const struct json_value *marker)
{
    bool is_of_other =
        !text_equal(json_member_text(marker, TEXT("installation_id")), archiver->installation_id);

    if (is_of_other) {
        tell_of_failure(archiver, "the place holds the backup of another installation; name another one");
        return false;
    }
    if (text_equal(json_member_text(marker, TEXT("writer")), archiver->state.writer) ||
        alive_ms_ago(marker) > ALIVE_FOR_MS)
        return true;
    tell_of_failure(
        archiver,
        "another server of this installation writes its backup to this place, or did so minutes ago: a "
        "copy must have a place of its own; if that server is gone for good, this one goes on by itself");
    return false;
}

/* Any stream there is. False when that is told as a failure, and so is the look. */
static bool look_at_stream(void *context, struct text name, uint64_t bytes)
{
    struct looking *looking = context;
    struct archiver *archiver = looking->archiver;
    struct json_error error;
    struct text stream;

    (void)bytes;
    if (!read_stream_name(name, &stream))
        return true;
    if (!destination_get(archiver->destination, arena_copy(&archiver->arena, name), archiver->object_path,
                         &looking->failure)) {
        looking->has_failed = looking->failure.problem != DESTINATION_NO_OBJECT;
        if (looking->has_failed)
            tell_of_failure(archiver, looking->failure.reason);
        return !looking->has_failed;
    }
    struct text content = file_content(archiver->object_path, MARKER_BYTES_MAX, &archiver->arena);

    unlink(archiver->object_path);
    looking->has_failed = !may_write_beside(
        archiver, text_is_set(content) ? json_read(&archiver->arena, content, &error) : NULL);
    return !looking->has_failed;
}

/* What a state that was not remembered in time has not heard of: it is stored again. */
static bool remove_behind(void *context, struct text name, uint64_t bytes)
{
    struct looking *looking = context;
    struct placed placed;

    (void)bytes;
    if (!read_segment_name(name, &placed) || placed.number < looking->archiver->state.next_segment)
        return true;
    looking->has_failed = !destination_remove(looking->archiver->destination, name, &looking->failure);
    return !looking->has_failed;
}

static bool note_segment(void *context, struct text name, uint64_t bytes)
{
    struct looking *looking = context;
    struct placed placed;

    (void)bytes;
    if (read_segment_name(name, &placed) && placed.number > looking->last_segment)
        looking->last_segment = placed.number;
    return true;
}

/* A crash may have the place hold one segment that the state has not heard of. When there is more, the data
 * directory has gone back in time, as with a snapshot of the machine: what is there is of another course of
 * events, which is kept. */
static bool have_stream_that_goes_on(struct archiver *archiver, struct looking *looking)
{
    const struct stream_state *state = &archiver->state;
    int64_t group = state->next_segment / SEGMENTS_PER_GROUP;

    for (int64_t i = group; i <= group + 1; i++)
        if (!destination_list(archiver->destination, segment_group(state->stream, i, &archiver->arena),
                              note_segment, looking, &looking->failure))
            return false;
    if (looking->last_segment > state->next_segment ||
        (looking->last_segment == state->next_segment && state->follows == FOLLOW_FROM_REST))
        begin_anew(archiver, "the place holds more than the data directory knows of");
    return true;
}

/* What is there from the next segment on, which is of a state that was not remembered in time. */
static bool remove_what_is_behind(struct archiver *archiver, struct looking *looking)
{
    struct text group = segment_group(archiver->state.stream,
                                      archiver->state.next_segment / SEGMENTS_PER_GROUP, &archiver->arena);

    return destination_list(archiver->destination, group, remove_behind, looking, &looking->failure) &&
           !looking->has_failed;
}

static bool begin_stream(struct archiver *archiver)
{
    struct looking looking = {.archiver = archiver};
    bool is_looked_at = destination_list(archiver->destination, TEXT(STREAM_PREFIX), look_at_stream, &looking,
                                         &looking.failure);

    if (looking.has_failed)
        return false; /* which was told */
    if (!is_looked_at || !have_stream_that_goes_on(archiver, &looking) ||
        !remove_what_is_behind(archiver, &looking)) {
        tell_of_failure(archiver, looking.failure.reason);
        return false;
    }
    if (!tell_alive(archiver, instant_now_us()))
        return false;
    archiver->is_begun = true;
    pthread_mutex_lock(&archiver->mutex);
    archiver->is_open = true;
    pthread_mutex_unlock(&archiver->mutex);
    return true;
}

/* ---- segments ---- */

static bool page_of_cut(void *context, size_t index, uint32_t *number, void *bytes)
{
    return follower_page(context, index, number, bytes);
}

/* Writes the cut into a file here. What cannot be written is lost. */
static bool write_segment(struct archiver *archiver, const struct follower_cut *cut, struct text *reason)
{
    const struct segment segment = {
        .page_bytes = cut->page_bytes,
        .database_pages = cut->database_pages,
        .page_count = (uint32_t)cut->page_count,
        .number = archiver->state.next_segment,
        .closed_at = cut->closed_at,
    };
    struct stat status;
    int fd = open(archiver->segment_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool is_written = false;

    if (fd < 0)
        *reason =
            arena_format(&archiver->arena, "cannot make %s: %s", archiver->segment_path, strerror(errno));
    else
        is_written = segment_write(fd, &segment, page_of_cut, archiver->follower, &archiver->arena, reason);
    if (is_written) {
        archiver->pending = (struct pending){
            .is_there = true,
            .placed = {.stream = archiver->state.stream, .number = segment.number, .instant = cut->closed_at},
            .position = cut->position,
            .bytes = fstat(fd, &status) == 0 ? status.st_size : 0,
            .covers_until = cut->covers_until,
        };
        pthread_mutex_lock(&archiver->mutex);
        archiver->state.next_segment++; /* remembered when it is stored */
        pthread_mutex_unlock(&archiver->mutex);
    }
    if (fd >= 0)
        close(fd);
    return is_written;
}

static bool put_pending(struct archiver *archiver)
{
    const struct pending *pending = &archiver->pending;
    struct metrics_cells *cells = metrics_here();

    if (!put(archiver, segment_name(&pending->placed, &archiver->arena), archiver->segment_path))
        return false;
    pthread_mutex_lock(&archiver->mutex);
    archiver->state.follows = FOLLOW_FROM_POSITION;
    archiver->state.position = pending->position;
    pthread_mutex_unlock(&archiver->mutex);
    save(archiver);
    metrics_add(&cells->backup_segments, 1);
    metrics_add(&cells->backup_bytes, (uint64_t)pending->bytes);
    tell_how_far(archiver, pending->covers_until);
    archiver->pending.is_there = false;
    return true;
}

/* What was committed since the cut before goes into a file here, when there is any. Nobody may take its
 * segment for the open one meanwhile: a base that ended after the cut is not reached by it. False when it is
 * lost. */
static bool cut_segment(struct archiver *archiver, struct follower_cut *cut, struct text *reason)
{
    pthread_mutex_lock(&archiver->cutting);
    bool is_cut = follower_cut(archiver->follower, cut, &archiver->arena, reason) != FOLLOWER_LOST &&
                  (cut->page_count == 0 || write_segment(archiver, cut, reason));

    pthread_mutex_unlock(&archiver->cutting);
    return is_cut;
}

/* Cuts and stores what was committed. False when something has failed. */
static bool put_cut(struct archiver *archiver)
{
    struct follower_cut cut;
    struct text reason;

    if (!cut_segment(archiver, &cut, &reason)) {
        const char *why = arena_string(&archiver->arena, reason);

        tell_of_failure(archiver, why);
        begin_anew(archiver, why);
        return false;
    }
    if (cut.page_count > 0)
        return put_pending(archiver);
    tell_how_far(archiver, cut.covers_until);
    return true;
}

/* After a failure the place may be another one: a disk that was mounted again, a directory that was made
 * anew. */
static bool open_again(struct archiver *archiver)
{
    struct text reason;

    destination_close(archiver->destination);
    archiver->destination = destination_open(&archiver->options.destination, &archiver->arena, &reason);
    if (!archiver->destination)
        tell_of_failure(archiver, arena_string(&archiver->arena, reason));
    return archiver->destination;
}

static bool tell_alive_when_due(struct archiver *archiver)
{
    return monotonic_now_us() - archiver->told_alive_us < ALIVE_EVERY_MS * INT64_C(1000) ||
           tell_alive(archiver, instant_now_us());
}

/* One round: everything that waits goes to the place, as far as that is possible. */
static void step(struct archiver *archiver)
{
    bool is_done = (!archiver->is_failing || open_again(archiver)) &&
                   (archiver->is_begun || begin_stream(archiver)) && tell_alive_when_due(archiver) &&
                   (!archiver->pending.is_there || put_pending(archiver)) && put_secrets(archiver) &&
                   put_cut(archiver);

    if (is_done)
        tell_of_success(archiver);
    arena_reset(&archiver->arena);
}

/* ---- the thread ---- */

/* Waits; false when it is time to finish. */
static bool wait_ms(struct archiver *archiver, int64_t ms)
{
    int64_t until_us = monotonic_now_us() + ms * 1000;
    const struct timespec until = {.tv_sec = until_us / MICROSECONDS_PER_SECOND,
                                   .tv_nsec = until_us % MICROSECONDS_PER_SECOND * 1000};

    pthread_mutex_lock(&archiver->mutex);
    while (!archiver->is_finishing &&
           pthread_cond_timedwait(&archiver->changed, &archiver->mutex, &until) != ETIMEDOUT)
        continue;
    bool goes_on = !archiver->is_finishing;

    pthread_mutex_unlock(&archiver->mutex);
    return goes_on;
}

/* The database is closed: what was committed last, and where the next start goes on. */
static void finish(struct archiver *archiver)
{
    step(archiver);
    if (archiver->is_failing || !archiver->is_begun || archiver->pending.is_there ||
        !stream_state_rest(&archiver->state, archiver->options.database_path.data))
        return;
    save(archiver);
    tell_alive(archiver, 0); /* whoever comes next need not wait */
    arena_reset(&archiver->arena);
}

static void *archiver_main(void *context)
{
    struct archiver *archiver = context;
    int64_t due_us = 0;

    processor_step_back(NICE);
    metrics_set(&metrics_here()->backup_stored_until_us,
                (uint64_t)instant_now_us()); /* grows old from now on */
    if (!follower_is_continuous(archiver->follower))
        begin_anew(archiver,
                   archiver->state.stream.length > 0
                       ? "the database was changed, or its log began anew, while it was not followed"
                       : "there was none yet");
    while (wait_ms(archiver, TAKE_MS)) {
        int64_t now_us = monotonic_now_us();

        follower_take(archiver->follower);
        if (now_us < due_us || now_us < archiver->again_at_us)
            continue;
        step(archiver);
        due_us = now_us + archiver->options.interval_us;
    }
    finish(archiver);
    pthread_mutex_lock(&archiver->mutex);
    archiver->is_finished = true;
    pthread_cond_broadcast(&archiver->changed);
    pthread_mutex_unlock(&archiver->mutex);
    return NULL;
}

/* ---- for bases ---- */

/* Waits for a segment that is being cut. */
static struct open_segment open_segment(struct archiver *archiver, struct arena *arena)
{
    struct open_segment segment = {.stream = text_none};

    pthread_mutex_lock(&archiver->cutting);
    pthread_mutex_lock(&archiver->mutex);
    if (archiver->is_open)
        segment = (struct open_segment){.stream = arena_copy(arena, archiver->state.stream),
                                        .number = archiver->state.next_segment,
                                        .last_base_at = archiver->state.last_base_at};
    pthread_mutex_unlock(&archiver->mutex);
    pthread_mutex_unlock(&archiver->cutting);
    return segment;
}

static void note_base(struct archiver *archiver, struct text stream, int64_t finished_at)
{
    pthread_mutex_lock(&archiver->mutex);
    if (text_equal(stream, archiver->state.stream))
        archiver->state.last_base_at = finished_at; /* remembered with the next segment, or at the end */
    pthread_mutex_unlock(&archiver->mutex);
}

/* ---- the whole ---- */

static struct text keep(struct archiver *archiver, struct text text)
{
    return text_is_set(text) ? text_from_string(arena_string(&archiver->texts, text)) : text_none;
}

static void copy_options(struct archiver *archiver, const struct archiver_options *options)
{
    struct text *const texts[] = {
        &archiver->options.destination.location,
        &archiver->options.destination.s3_endpoint,
        &archiver->options.destination.s3_region,
        &archiver->options.destination.s3_access_key_id,
        &archiver->options.destination.s3_secret_access_key,
        &archiver->options.destination.ca_file,
        &archiver->options.data_directory,
        &archiver->options.database_path,
        &archiver->options.secrets_path,
    };

    archiver->options = *options;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = keep(archiver, *texts[i]);
    archiver->options.destination.stop = &archiver->is_cut_off;
}

static char *path_in(struct text directory, const char *name)
{
    char *path;

    if (asprintf(&path, "%.*s/%s", TEXT_FORMAT(directory), name) < 0)
        abort();
    return path;
}

static void free_archiver(struct archiver *archiver)
{
    if (archiver->follower)
        follower_free(archiver->follower);
    destination_close(archiver->destination);
    pthread_cond_destroy(&archiver->changed);
    pthread_mutex_destroy(&archiver->cutting);
    pthread_mutex_destroy(&archiver->mutex);
    arena_free(&archiver->arena);
    arena_free(&archiver->texts);
    free(archiver->state_path);
    free(archiver->segment_path);
    free(archiver->object_path);
    archiver->magic = 0;
    free(archiver);
}

struct archiver *archiver_new(const struct archiver_options *options, struct arena *arena,
                              struct text *reason)
{
    struct archiver *archiver = calloc(1, sizeof *archiver);
    pthread_condattr_t attributes;

    if (!archiver)
        abort();
    archiver->magic = ARCHIVER_MAGIC;
    archiver->again_ms = AGAIN_MS_MIN;
    arena_init(&archiver->texts);
    arena_init(&archiver->arena);
    pthread_mutex_init(&archiver->cutting, NULL);
    pthread_mutex_init(&archiver->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&archiver->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    copy_options(archiver, options);
    archiver->state_path = path_in(archiver->options.data_directory, "backup-state");
    archiver->segment_path = path_in(archiver->options.data_directory, "backup-segment");
    archiver->object_path = path_in(archiver->options.data_directory, "backup-object");
    archiver->destination = destination_open(&archiver->options.destination, arena, reason);
    if (!archiver->destination) {
        free_archiver(archiver);
        return NULL;
    }
    archiver->state = stream_state_read(archiver->state_path, archiver->options.destination.location,
                                        archiver->options.database_path.data, &archiver->texts);
    archiver->follower = follower_new(archiver->options.data_directory.data, archiver->options.kept_bytes_max,
                                      archiver->state.follows, &archiver->state.position);
    return archiver;
}

struct follower *archiver_follower(const struct archiver *archiver)
{
    return archiver->follower;
}

void archiver_start(struct archiver *archiver, struct store *store, struct text installation_id)
{
    assert(archiver->magic == ARCHIVER_MAGIC && !archiver->is_started);
    archiver->installation_id = keep(archiver, installation_id);
    archiver->is_started = true;
    if (pthread_create(&archiver->thread, NULL, archiver_main, archiver) != 0)
        abort();
    pthread_setname_np(archiver->thread, "backup-stream");
    archiver->base_maker = base_maker_start(&(struct base_maker_options){
        .archiver = archiver->options,
        .store = store,
        .owner = archiver,
        .open = open_segment,
        .made = note_base,
    });
}

void archiver_leave_store(struct archiver *archiver)
{
    base_maker_end(archiver->base_maker);
    archiver->base_maker = NULL;
}

/* False when it takes too long. */
static bool wait_for_finish(struct archiver *archiver)
{
    int64_t until_us = monotonic_now_us() + FINISH_MS_MAX * INT64_C(1000);
    const struct timespec until = {.tv_sec = until_us / MICROSECONDS_PER_SECOND,
                                   .tv_nsec = until_us % MICROSECONDS_PER_SECOND * 1000};

    pthread_mutex_lock(&archiver->mutex);
    archiver->is_finishing = true;
    pthread_cond_broadcast(&archiver->changed);
    while (!archiver->is_finished &&
           pthread_cond_timedwait(&archiver->changed, &archiver->mutex, &until) != ETIMEDOUT)
        continue;
    bool is_finished = archiver->is_finished;

    pthread_mutex_unlock(&archiver->mutex);
    return is_finished;
}

void archiver_finish(struct archiver *archiver)
{
    assert(archiver->magic == ARCHIVER_MAGIC && !archiver->base_maker);
    if (archiver->is_started) {
        if (!wait_for_finish(archiver)) {
            LOG_WARNING("what was committed last could not be stored in the continuous backup in time; the "
                        "next start sees to it");
            atomic_store(&archiver->is_cut_off, true);
        }
        pthread_join(archiver->thread, NULL);
        unlink(archiver->segment_path);
        unlink(archiver->object_path);
    }
    free_archiver(archiver);
}
