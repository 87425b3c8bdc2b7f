/* copy.c: `farthing copy`: a whole database into another one. */
#include "cli/copy.h"

#include "base/instant.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/import.h"
#include "cli/progress.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { PAUSE_SECONDS_MAX = 7 * 24 * 60 * 60 };

struct copying {
    struct invocation *invocation;
    struct arena *arena;
    enum store_copy_work work;
    struct copy_end from, to;
    struct progress progress;
    enum store_copy_phase phase; /* that the progress is of */
    bool is_bulk;
    int64_t pause_max_s; /* 0: whenever it is done */
    int64_t started_us, held_us;
    struct copy_report report;
};

static void tell(void *context, const struct store_copy_state *state)
{
    struct copying *copying = context;
    static const char *const doing[] = {
        [STORE_COPY_COPYING] = "copying",
        [STORE_COPY_INDEXING] = "indexing",
        [STORE_COPY_COMPARING] = "comparing",
    };
    double done = state->total_rows ? (double)state->done_rows / (double)state->total_rows : 0;
    struct arena arena;

    if (state->phase != copying->phase)
        progress_start(&copying->progress);
    copying->phase = state->phase;
    if (!progress_is_due(&copying->progress))
        return;
    arena_init(&arena);
    progress_show(&copying->progress,
                  arena_format(&arena, "%s %.*s%.*s", doing[state->phase], TEXT_FORMAT(state->what),
                               TEXT_FORMAT(progress_rest(&copying->progress, done, &arena))),
                  done < 1 ? done : 1);
    arena_free(&arena);
}

static const char time_is_over[] =
    "\nfarthing: the copy has taken as long as --pause-max lets it, and is not finished; the "
    "source is as it was, and can be served again\n";
static size_t time_is_over_start; /* 1 where no line of progress stands before it */

/* Whatever it waits for then: a copy can be ended at any instant. */
static void end_now(int signal_number)
{
    (void)signal_number;
    _exit(write(STDERR_FILENO, time_is_over + time_is_over_start,
                sizeof time_is_over - 1 - time_is_over_start) < 0
              ? EXIT_USAGE
              : EXIT_FAILED);
}

static bool end_after(int64_t seconds)
{
    const struct sigaction action = {.sa_handler = end_now};

    time_is_over_start = !isatty(STDERR_FILENO);
    return sigaction(SIGALRM, &action, NULL) == 0 && alarm((unsigned)seconds) == 0;
}

static enum exit_code read_flags(struct copying *copying)
{
    struct invocation *invocation = copying->invocation;
    bool is_dry = invocation_switch(invocation, "dry-run"),
         compares = invocation_switch(invocation, "verify");

    if (!text_is_set(invocation_value(invocation, "from")) ||
        !text_is_set(invocation_value(invocation, "to")))
        return complain(EXIT_USAGE, "copy needs --from and --to; see `farthing help copy`");
    if (is_dry && compares)
        return complain(EXIT_USAGE, "--dry-run and --verify do not go together: neither changes anything");
    copying->work = is_dry ? STORE_COPY_COUNT : compares ? STORE_COPY_COMPARE : STORE_COPY_ROWS;
    copying->started_us = monotonic_now_us();
    copying->is_bulk = invocation_switch(invocation, "bulk");
    if (copying->is_bulk && copying->work != STORE_COPY_ROWS)
        return complain(EXIT_USAGE, "--bulk copies, and goes neither with --dry-run nor with --verify");
    if (!text_is_set(invocation_value(invocation, "pause-max")))
        return EXIT_DONE;
    return invocation_number(invocation, "pause-max", 1, PAUSE_SECONDS_MAX, &copying->pause_max_s)
               ? EXIT_DONE
               : EXIT_USAGE;
}

static enum exit_code open_ends(struct copying *copying)
{
    struct invocation *invocation = copying->invocation;
    enum exit_code code =
        copy_source_open(&copying->from, invocation_value(invocation, "from"), copying->arena);

    if (code != EXIT_DONE)
        return code;
    if (copying->is_bulk && !copying->from.is_url && !copying->from.is_backup)
        return complain(EXIT_USAGE,
                        "--bulk copies what goes on meanwhile: name a backup of the data directory");
    struct copy_end to = {.directory = data_directory_at(copying->arena, invocation_value(invocation, "to"))};

    to.is_url = store_is_url(invocation_value(invocation, "to"));
    if (copy_ends_are_one(&copying->from, &to))
        return complain(EXIT_USAGE, "--from and --to are the same directory");
    return copy_target_open(&copying->to, invocation_value(invocation, "to"),
                            copying->work == STORE_COPY_ROWS, copying->arena);
}

/* From here on the source is held still. */
static bool hold(void *context, bool waits)
{
    struct copying *copying = context;

    progress_end(&copying->progress);
    if (copy_source_hold(&copying->from, waits, copying->arena) != EXIT_DONE)
        return false;
    copying->held_us = monotonic_now_us();
    return copying->pause_max_s == 0 || end_after(copying->pause_max_s);
}

static enum exit_code copy(struct copying *copying)
{
    struct store_copy_result *result = ARENA_NEW(copying->arena, struct store_copy_result);
    const struct store_copy_request request = {
        .work = copying->work,
        .from = copying->from.database,
        .to = copying->to.database,
        .from_rest = copying->from.is_backup ? STORE_REST_WHOLE : STORE_REST_LOG,
        .has_target = copy_end_has_database(&copying->to),
        .is_bulk = copying->is_bulk,
        .hold = hold,
        .tell = tell,
        .context = copying,
    };
    struct text reason = text_none;

    progress_start(&copying->progress);
    bool is_done = store_copy(&request, result, copying->arena, &reason);

    progress_end(&copying->progress);
    if (!copy_leave_to_owner(&copying->to))
        return complain(EXIT_FAILED, "cannot leave the files of %.*s to the owner of the directory",
                        TEXT_FORMAT(copying->to.directory.path));
    if (!is_done)
        return text_is_set(reason) ? complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason)) : EXIT_FAILED;
    copying->report.result = result;
    return EXIT_DONE;
}

static enum exit_code tell_result(struct copying *copying)
{
    const struct store_copy_result *result = copying->report.result;

    copying->report.from = &copying->from;
    copying->report.work = copying->work;
    copying->report.is_bulk = copying->is_bulk;
    copying->report.pause_seconds = (double)(monotonic_now_us() - copying->held_us) / MICROSECONDS_PER_SECOND;
    copying->report.seconds = (double)(monotonic_now_us() - copying->started_us) / MICROSECONDS_PER_SECOND;
    copy_report_print(&copying->report, invocation_switch(copying->invocation, "json"), copying->arena);
    if (!result->is_compared || result->is_same)
        return EXIT_DONE;
    if (copying->work == STORE_COPY_COMPARE)
        return EXIT_FAILED;
    return complain(
        EXIT_FAILED,
        "the copy is not what the source holds, and no server will use it; remove what is in %.*s, "
        "and copy anew",
        TEXT_FORMAT(result->target_name));
}

static enum exit_code run(struct copying *copying)
{
    enum exit_code code = open_ends(copying);

    if (code == EXIT_DONE && copying->work == STORE_COPY_ROWS)
        code = copy_secrets(&copying->from, &copying->to, &copying->report.secrets, copying->arena);
    if (code == EXIT_DONE)
        code = copy(copying);
    return code == EXIT_DONE ? tell_result(copying) : code;
}

enum exit_code command_copy(struct invocation *invocation)
{
    struct copying *copying = ARENA_NEW(&invocation->arena, struct copying);
    enum exit_code code;

    copying->invocation = invocation;
    copying->arena = &invocation->arena;
    log_set_level(LOG_LEVEL_WARNING); /* that the target gets its tables goes without saying */
    code = read_flags(copying);
    if (code != EXIT_DONE)
        return code;
    code = run(copying);
    copy_end_close(&copying->from);
    copy_end_close(&copying->to);
    return code;
}
