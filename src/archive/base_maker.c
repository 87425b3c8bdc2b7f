#include "archive/base_maker.h"

#include "archive/packed.h"
#include "base/file.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/processor.h"
#include "base/settled_clock.h"
#include "metrics/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    NICE = 10,
    WAIT_MS = 1000,      /* between two looks whether a base is due */
    POLL_MS = 20,        /* whether the copy is whole */
    AGAIN_MS_MIN = 2000, /* after a failure; doubles */
    AGAIN_MS_MAX = 300 * 1000,
    PACKED_STEP_BYTES = 256 * 1024,
};

struct base_maker {
    struct base_maker_options options;
    atomic_bool is_ending;
    pthread_t thread;
    struct arena arena; /* of one base */
    struct destination *destination;
    char *copy_path, *partial_path, *packed_path, *object_path;
    int64_t again_ms;
    struct settled_clock clock; /* by which what is old is removed */
    int64_t settled_now;
};

/* ---- waiting ---- */

static bool sleep_ms(const struct base_maker *maker, int64_t ms)
{
    enum { STEP_MS = 20 };

    for (int64_t slept = 0; slept < ms && !atomic_load(&maker->is_ending); slept += STEP_MS)
        nanosleep(&(struct timespec){.tv_nsec = STEP_MS * INT64_C(1000000)}, NULL);
    return !atomic_load(&maker->is_ending);
}

/* ---- the copy ---- */

static void remove_files(const struct base_maker *maker)
{
    unlink(maker->copy_path);
    unlink(maker->partial_path);
    unlink(maker->packed_path);
    unlink(maker->object_path);
}

/* Waits until the copy is whole; then `*told`'s state is done. False with a reason. */
static bool copy_database(struct base_maker *maker, struct open_segment *whole, struct store_backup *told,
                          struct text *reason)
{
    struct arena *arena = &maker->arena;
    struct text path = text_from_string(maker->copy_path);
    bool is_noticed = false;

    remove_files(maker); /* of a base that was cut short */
    if (!store_backup_begin(maker->options.store, path, maker->options.archiver.base_bytes_per_second, arena,
                            reason))
        return false;
    do {
        if (!sleep_ms(maker, POLL_MS)) {
            *reason = TEXT("the server is stopping");
            return false;
        }
        store_backup_tell(maker->options.store, told, arena);
        if (!text_equal(told->path, path)) {
            *reason = TEXT("another backup has taken its place");
            return false;
        }
        if (told->is_copied && !is_noticed)
            *whole = maker->options.open(maker->options.owner, arena);
        is_noticed = is_noticed || told->is_copied;
    } while (told->state == STORE_BACKUP_RUNNING);
    *reason = told->reason;
    return told->state == STORE_BACKUP_DONE && is_noticed;
}

static bool pack_bytes(const struct base_maker *maker, int from, struct packer *packer)
{
    char *bytes = memory_take(PACKED_STEP_BYTES);
    ssize_t length = 0;

    while (!atomic_load(&maker->is_ending) && (length = read(from, bytes, PACKED_STEP_BYTES)) > 0)
        if (!packer_add(packer, bytes, (size_t)length)) {
            length = -1;
            break;
        }
    free(bytes);
    if (atomic_load(&maker->is_ending))
        errno = EINTR;
    return length == 0 && !atomic_load(&maker->is_ending);
}

static bool pack_file(struct base_maker *maker, struct text *reason)
{
    int from = open(maker->copy_path, O_RDONLY | O_CLOEXEC),
        to = open(maker->packed_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct packer *packer = from >= 0 && to >= 0 ? packer_new(to) : NULL;
    bool is_packed = packer && pack_bytes(maker, from, packer);
    int why = errno;

    if (packer && !packer_end(packer) && is_packed) {
        is_packed = false;
        why = errno;
    }
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    if (!is_packed)
        *reason = arena_format(&maker->arena, "the copy cannot be packed: %s", strerror(why));
    return is_packed;
}

/* ---- storing ---- */

static bool put(struct base_maker *maker, struct text name, const char *path, struct text *reason)
{
    struct destination_failure failure;

    if (destination_put(maker->destination, name, path, &failure))
        return true;
    *reason = arena_copy(&maker->arena, text_from_string(failure.reason));
    return false;
}

static bool store_base(struct base_maker *maker, const struct base *base, struct text *reason)
{
    struct arena *arena = &maker->arena;

    if (!put(maker, base_name(base, ".zst", arena), maker->packed_path, reason))
        return false;
    unlink(maker->object_path);
    if (!file_make(maker->object_path, base_json(base, arena))) {
        *reason = arena_format(arena, "cannot make %s: %s", maker->object_path, strerror(errno));
        return false;
    }
    return put(maker, base_name(base, ".json", arena), maker->object_path, reason);
}

/* Anew each time: the place may be another one by then, a disk that was mounted again. */
static bool open_place(struct base_maker *maker, struct text *reason)
{
    struct destination_options options = maker->options.archiver.destination;

    options.stop = &maker->is_ending;
    maker->destination = destination_open(&options, &maker->arena, reason);
    return maker->destination;
}

/* False with a reason; what was stored of it is no base then. */
static bool make_base(struct base_maker *maker, const struct open_segment *first, struct text *reason)
{
    const struct archiver_options *archiver = &maker->options.archiver;
    struct open_segment whole = {.number = 0};
    struct store_backup copy;
    int64_t began_us = monotonic_now_us();

    if (!open_place(maker, reason) || !copy_database(maker, &whole, &copy, reason) ||
        !pack_file(maker, reason))
        return false;
    if (!text_equal(whole.stream, first->stream)) {
        *reason = TEXT("the stream that it was for has ended");
        return false;
    }
    const struct base base = {
        .placed = {.stream = first->stream, .number = whole.number, .instant = copy.finished_at},
        .version = TEXT(FARTHING_VERSION),
        .sha256 = copy.sha256,
        .schema_version = store_schema_version(text_none),
        .bytes = copy.page_bytes * copy.page_count,
        .first_segment = first->number,
        .has_secrets = access(archiver->secrets_path.data, F_OK) == 0,
    };

    if (!store_base(maker, &base, reason))
        return false;
    maker->options.made(maker->options.owner, first->stream, copy.finished_at);
    LOG_INFO("the database was copied as a base of its continuous backup", LOG_TEXT("stream", first->stream),
             LOG_INTEGER("bytes", base.bytes),
             LOG_INTEGER("duration_ms", (monotonic_now_us() - began_us) / 1000));
    return true;
}

static void remove_old(struct base_maker *maker, struct text stream)
{
    struct destination_failure failure;

    if (!archive_remove_old(maker->destination, stream,
                            maker->settled_now - maker->options.archiver.retention_us, &maker->arena,
                            &failure) &&
        failure.problem != DESTINATION_STOPPED)
        LOG_WARNING("old parts of the continuous backup cannot be removed",
                    LOG_STRING("reason", failure.reason));
}

/* ---- the thread ---- */

/* Also when the last one is of the future: the clock was put back. */
static bool is_due(const struct base_maker *maker, const struct open_segment *segment)
{
    int64_t age_us = instant_now_us() - segment->last_base_at;

    return text_is_set(segment->stream) &&
           (segment->last_base_at == 0 || age_us < -SETTLED_CLOCK_TOLERANCE_US ||
            age_us >= maker->options.archiver.base_interval_us);
}

static void look(struct base_maker *maker)
{
    struct open_segment first = maker->options.open(maker->options.owner, &maker->arena);
    struct text reason = text_empty;

    maker->settled_now = settled_clock_read(&maker->clock, instant_now_us(), monotonic_now_us());
    metrics_set(&metrics_here()->backup_last_base_us, (uint64_t)first.last_base_at);
    if (!is_due(maker, &first))
        return;
    bool is_made = make_base(maker, &first, &reason);

    remove_files(maker);
    if (is_made) {
        maker->again_ms = AGAIN_MS_MIN;
        metrics_add(&metrics_here()->backup_bases, 1);
        remove_old(maker, first.stream);
    }
    destination_close(maker->destination);
    maker->destination = NULL;
    if (is_made)
        return;
    if (atomic_load(&maker->is_ending))
        return;
    metrics_add(&metrics_here()->backup_failures, 1);
    LOG_WARNING("the database cannot be copied as a base of its continuous backup; tried again later",
                LOG_TEXT("reason", reason), LOG_INTEGER("again_in_ms", maker->again_ms));
    sleep_ms(maker, maker->again_ms);
    maker->again_ms = maker->again_ms * 2 < AGAIN_MS_MAX ? maker->again_ms * 2 : AGAIN_MS_MAX;
}

static void *maker_main(void *context)
{
    struct base_maker *maker = context;

    processor_step_back(NICE);
    while (sleep_ms(maker, WAIT_MS)) {
        look(maker);
        arena_reset(&maker->arena);
    }
    return NULL;
}

/* ---- the whole ---- */

static char *path_in(struct text directory, const char *name)
{
    char *path;

    if (asprintf(&path, "%.*s/%s", TEXT_FORMAT(directory), name) < 0)
        abort();
    return path;
}

struct base_maker *base_maker_start(const struct base_maker_options *options)
{
    struct base_maker *maker = calloc(1, sizeof *maker);

    if (!maker)
        abort();
    maker->options = *options;
    maker->again_ms = AGAIN_MS_MIN;
    settled_clock_start(&maker->clock, instant_now_us(), monotonic_now_us());
    arena_init(&maker->arena);
    maker->copy_path = path_in(options->archiver.data_directory, "backup-base.db");
    maker->partial_path = path_in(options->archiver.data_directory, "backup-base.db" STORE_BACKUP_PARTIAL);
    maker->packed_path = path_in(options->archiver.data_directory, "backup-base.zst");
    maker->object_path = path_in(options->archiver.data_directory, "backup-base.json");
    if (pthread_create(&maker->thread, NULL, maker_main, maker) != 0)
        abort();
    pthread_setname_np(maker->thread, "backup-base");
    return maker;
}

void base_maker_end(struct base_maker *maker)
{
    if (!maker)
        return;
    atomic_store(&maker->is_ending, true);
    pthread_join(maker->thread, NULL);
    remove_files(maker);
    arena_free(&maker->arena);
    free(maker->copy_path);
    free(maker->partial_path);
    free(maker->packed_path);
    free(maker->object_path);
    free(maker);
}
