/* doctor_backup.c: the place of the continuous backup. */
#include "archive/place_status.h"
#include "base/instant.h"
#include "cli/continuous_backup.h"
#include "cli/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ALIVE_FOR_S = 180 };

static void say(struct doctor *doctor, enum verdict verdict, struct text finding, struct text advice)
{
    doctor_say(doctor, verdict, "continuous backup", finding, advice);
}

static struct text shown_instant(int64_t instant, struct arena *arena)
{
    struct buffer buffer = {0};

    instant_append_seconds(&buffer, instant);
    struct text text = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return text;
}

static void say_how_it_is(struct doctor *doctor, struct text place, const struct place_status *status)
{
    struct arena *arena = doctor->arena;
    int64_t silent_s = (instant_now_us() - status->alive_at) / MICROSECONDS_PER_SECOND;

    if (doctor->is_in_use && silent_s > ALIVE_FOR_S)
        say(doctor, VERDICT_FAIL,
            arena_format(arena, "nothing was written to %.*s within %d minutes", TEXT_FORMAT(place),
                         ALIVE_FOR_S / 60),
            TEXT("the server's log says why"));
    else if (status->bases == 0)
        say(doctor, VERDICT_WARN,
            arena_format(arena, "%.*s holds no copy of the whole database yet", TEXT_FORMAT(place)),
            TEXT("a running server makes one within seconds"));
    else
        say(doctor, VERDICT_OK,
            arena_format(arena, "%.*s, the last copy of the whole database from %.*s", TEXT_FORMAT(place),
                         TEXT_FORMAT(shown_instant(status->newest_base_at, arena))),
            text_none);
}

void doctor_check_backup(struct doctor *doctor)
{
    struct archiver_options options;
    struct place_status status;
    struct text reason;
    bool is_wanted = false;
    char scratch_path[] = "/tmp/farthing-doctor-XXXXXX";

    if (!doctor->settings_hold)
        return;
    if (!continuous_backup_configure(doctor->settings, &options, &is_wanted, doctor->arena, &reason)) {
        say(doctor, VERDICT_FAIL, reason, text_none); /* which says what to do */
        return;
    }
    int scratch = is_wanted ? mkstemp(scratch_path) : -1;

    if (scratch < 0)
        return;
    options.destination.is_read_only = true;
    struct destination *destination = destination_open(&options.destination, doctor->arena, &reason);

    if (destination && place_status_read(destination, scratch_path, &status, doctor->arena, &reason))
        say_how_it_is(doctor, destination_place(destination), &status);
    else
        say(doctor, VERDICT_FAIL, reason, text_none);
    destination_close(destination);
    close(scratch);
    unlink(scratch_path);
}
