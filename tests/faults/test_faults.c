/* Whatever a machine does to the store: power cuts at each write and sync, calls that fail, memory that is
 * not given. Afterwards the database opens and is whole, each acknowledged write is there, nothing half-done
 * is, and the store goes on.
 *
 *     test_faults [--long] [--sample NUMBER] [--seed NUMBER] [--points FIRST LAST]
 *
 * A point is one fault at one place of the script. Without --long a sample of them is covered, which follows
 * from the seed. */
#include "machine.h"
#include "power_cut.h"
#include "script.h"
#include "soundness.h"

#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SAMPLE_POINTS = 400,
    LACK_EVERY = 16, /* allocations between two lacks of memory, which last that long or longer */
    SHOWN_MAX = 20,
};

/* What a run of a part without faults was. */
struct reference {
    struct state begin, end;
    struct disk_journal journal;
    struct machine_counts counts;
    unsigned char *calls; /* an enum machine_call each */
    uint64_t *digests;    /* of what the disk held at first, and after each sync */
};

static struct reference references[PARTS];

static struct {
    uint64_t seed, stride;
    uint64_t sample;      /* about how many points are covered without --long */
    uint64_t first, last; /* the points that are covered; 0: a sample of all */
    uint64_t points, covered, lost, corrupted;
    bool is_counting; /* nothing is covered yet */
    unsigned shown;
    char place[256]; /* where we are, for a crash */
} test;

/* ---- points ---- */

/* Whether the next point is to be covered. */
static bool next_point(void)
{
    uint64_t number = ++test.points;

    if (test.is_counting || test.last)
        return !test.is_counting && number >= test.first && number <= test.last;
    return (number + test.seed) % test.stride == 0;
}

static void at(const char *part, const char *what, uint64_t number)
{
    snprintf(test.place, sizeof test.place, "seed %llu, point %llu (%s, %s %llu)",
             (unsigned long long)test.seed, (unsigned long long)test.points, part, what,
             (unsigned long long)number);
}

static void count_finding(const struct finding *finding)
{
    test.covered++;
    if (finding->verdict == SOUND)
        return;
    test.lost += finding->verdict == LOST;
    test.corrupted += finding->verdict == CORRUPTED;
    if (test.shown++ < SHOWN_MAX)
        printf("%s: %s: %s\n", test.place, finding->verdict == LOST ? "lost" : "corrupted", finding->what);
}

/* An assertion that fails says where. */
static void say_place(int number)
{
    signal(number, SIG_DFL);
    if (write(STDOUT_FILENO, test.place, strlen(test.place)) >= 0 && write(STDOUT_FILENO, "\n", 1) >= 0)
        raise(number);
}

/* ---- the runs without faults ---- */

static void must_be_sound(const struct part *part, const struct finding *finding)
{
    if (finding->verdict != SOUND)
        fail_msg("%s, without a fault: %s", part->name, finding->what);
}

static void digest_journal(const struct part *part, struct reference *reference)
{
    const struct disk_journal *journal = &reference->journal;
    struct disk disk = {0};
    size_t count = 0;

    reference->digests = calloc(journal->count + 1, sizeof *reference->digests);
    assert_non_null(reference->digests);
    disk_copy(&disk, &reference->begin.disk);
    for (size_t i = 0; i <= journal->count; i++) {
        if (i == 0 || journal->events[i - 1].kind == DISK_SYNC) {
            struct finding finding = check_soundness(&disk, NULL);

            must_be_sound(part, &finding);
            reference->digests[count++] = finding.digest;
        }
        if (i < journal->count)
            disk_do(&disk, &journal->events[i], journal->events[i].length);
    }
    disk_free(&disk);
}

static void run_reference(int number, const struct state *begin, struct state *midway)
{
    const struct part *part = &parts[number];
    struct reference *reference = &references[number];
    struct session session;

    at(part->name, "run", 1);
    state_copy(&reference->begin, begin);
    state_copy(&reference->end, begin);
    machine_start(&begin->disk);
    session_begin(&session, &reference->end);
    session.journal = &reference->journal;
    session.midway = midway;
    session_run(&session, part);
    session_end(&session);
    if (session.trouble)
        fail_msg("%s, without a fault: %s", part->name, session.trouble);
    machine_look(&reference->end.disk);
    reference->counts = machine_counts();
    reference->calls = calloc(reference->counts.calls + 1, 1);
    assert_non_null(reference->calls);
    for (uint64_t i = 1; i <= reference->counts.calls; i++)
        reference->calls[i] = (unsigned char)machine_call_of(i);
    struct finding finding = check_soundness(&reference->end.disk, &reference->end.book);

    must_be_sound(part, &finding);
    digest_journal(part, reference);
}

/* Whether the store has copied the log back, committed before the disk was done with that, and begun the log
 * anew: otherwise the script does not do what it is for. */
static bool has_copied_back(const struct disk_journal *journal)
{
    static const struct {
        enum disk_event_kind kind;
        enum disk_name name;
    } story[] = {{DISK_WRITE, DISK_DATABASE}, {DISK_SYNC, DISK_LOG}, {DISK_SYNC, DISK_DATABASE},
                 {DISK_WRITE, DISK_LOG},      {DISK_SYNC, DISK_LOG}, {DISK_ACKNOWLEDGED, DISK_DATABASE}};
    size_t told = 0, count = sizeof story / sizeof story[0];

    for (size_t i = 0; i < journal->count && told < count; i++) {
        const struct disk_event *event = &journal->events[i];
        bool is_anew = told != 3 || event->offset == 0;

        told += event->kind == story[told].kind && event->name == story[told].name && is_anew;
    }
    return told == count;
}

static void run_references(void)
{
    static struct state nothing, midway, old;

    run_reference(PART_MAKE, &nothing, NULL);
    run_reference(PART_CHANGE, &references[PART_MAKE].end, &midway);
    run_reference(PART_COPY_BACK, &references[PART_CHANGE].end, NULL);
    assert_true(has_copied_back(&references[PART_COPY_BACK].journal));
    run_reference(PART_RECOVER, &midway, NULL);
    state_make_old(&old);
    run_reference(PART_MIGRATE, &old, NULL);
    state_free(&midway);
    state_free(&old);
}

/* ---- power cuts ---- */

/* The syncs that the store's callers may and must have profited from. */
struct bounds {
    size_t syncs, acknowledged;
};

static void expect_between(const struct reference *reference, const struct bounds *bounds, size_t sync_count,
                           struct finding *finding)
{
    size_t last = bounds->syncs < sync_count ? bounds->syncs + 1 : sync_count;

    if (finding->verdict != SOUND)
        return;
    for (size_t i = bounds->acknowledged; i <= last; i++)
        if (finding->digest == reference->digests[i])
            return;
    finding->verdict = LOST;
    snprintf(finding->what, sizeof finding->what,
             "it holds neither what was acknowledged nor that and what was under way");
}

static size_t count_syncs(const struct disk_journal *journal)
{
    size_t count = 0;

    for (size_t i = 0; i < journal->count; i++)
        count += journal->events[i].kind == DISK_SYNC;
    return count;
}

static void cut_here(const struct reference *reference, const struct power_cut *cut,
                     const struct bounds *bounds, size_t sync_count, const char *part)
{
    static struct disk disk;

    for (enum loss loss = 0; loss < LOSSES; loss++) {
        if (!power_cut_differs(cut, loss) || !next_point())
            continue;
        at(part, loss_names[loss], cut->position);
        power_cut_disk(cut, loss, test.seed + test.points, &disk);
        struct finding finding = check_soundness(&disk, NULL);

        expect_between(reference, bounds, sync_count, &finding);
        count_finding(&finding);
    }
}

static void cut_power(int number)
{
    const struct reference *reference = &references[number];
    struct bounds bounds = {0};
    size_t sync_count = count_syncs(&reference->journal);
    struct power_cut cut;

    power_cut_begin(&cut, &reference->begin.disk, &reference->journal);
    while (cut.position < reference->journal.count) {
        enum disk_event_kind kind = reference->journal.events[cut.position].kind;

        power_cut_step(&cut);
        bounds.syncs += kind == DISK_SYNC;
        if (kind == DISK_ACKNOWLEDGED)
            bounds.acknowledged = bounds.syncs;
        else
            cut_here(reference, &cut, &bounds, sync_count, parts[number].name);
    }
    power_cut_end(&cut);
}

/* ---- calls and allocations that fail ---- */

/* What the disk holds in the end: of a store that was closed, or, every other time, after a power cut just
 * before. */
static void end_run(struct session *session, const struct state *begin, uint64_t number, struct disk *disk)
{
    struct power_cut cut;

    machine_look(disk);
    if (!session->journal)
        return;
    power_cut_begin(&cut, &begin->disk, session->journal);
    while (cut.position < session->unclosed_position)
        power_cut_step(&cut);
    power_cut_disk(&cut, (enum loss)(number / 2 % LOSSES), test.seed + number, disk);
    power_cut_end(&cut);
}

static void break_at(int part_number, enum fault fault, uint64_t number)
{
    static struct disk disk;
    static struct state state;
    const struct reference *reference = &references[part_number];
    struct disk_journal journal = {0};
    struct session session;

    at(parts[part_number].name, fault_names[fault], number);
    state_copy(&state, &reference->begin);
    machine_start(&reference->begin.disk);
    session_begin(&session, &state);
    session.journal = number % 2 == 0 || fault == FAULT_SYNC_FORGETS ? &journal : NULL;
    machine_break(fault, number);
    session_run(&session, &parts[part_number]);
    end_run(&session, &reference->begin, number, &disk);
    session_end(&session);
    disk_journal_free(&journal);
    struct finding finding = check_soundness(&disk, &state.book);

    if (finding.verdict == SOUND && session.trouble) {
        finding.verdict = CORRUPTED;
        snprintf(finding.what, sizeof finding.what, "%s", session.trouble);
    }
    count_finding(&finding);
}

/* Whether the fault is another one than an error, at such a call. */
static bool is_for(enum fault fault, enum machine_call call)
{
    switch (fault) {
    case FAULT_ERROR:
        return true;
    case FAULT_SHORT_WRITE:
    case FAULT_FULL:
        return call == CALL_WRITE;
    default:
        return call == CALL_SYNC;
    }
}

static void break_calls(int part)
{
    const struct reference *reference = &references[part];

    for (uint64_t number = 1; number <= reference->counts.calls; number++)
        for (enum fault fault = FAULT_ERROR; fault <= FAULT_SYNC_FORGETS; fault++)
            if (is_for(fault, (enum machine_call)reference->calls[number]) && next_point())
                break_at(part, fault, number);
}

static void break_allocations(int part)
{
    for (uint64_t number = 1; number <= references[part].counts.allocations; number++) {
        if (next_point())
            break_at(part, FAULT_ALLOCATION, number);
        if (number % LACK_EVERY == 0 && next_point())
            break_at(part, FAULT_ALLOCATION_LACK, number);
    }
}

/* ---- the whole ---- */

static const struct {
    const char *name;
    void (*walk)(int part);
} kinds[] = {{"power cuts", cut_power}, {"calls", break_calls}, {"allocations", break_allocations}};

static void walk_all(bool is_told)
{
    test.points = 0;
    for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++)
        for (int part = 0; part < PARTS; part++) {
            uint64_t points = test.points, covered = test.covered;

            kinds[kind].walk(part);
            if (is_told) {
                printf("%s, %s: %llu of %llu\n", parts[part].name, kinds[kind].name,
                       (unsigned long long)(test.covered - covered),
                       (unsigned long long)(test.points - points));
                fflush(stdout);
            }
        }
}

static void read_arguments(int count, char **arguments, bool *is_long)
{
    test.seed = 1;
    test.sample = SAMPLE_POINTS;
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--long") == 0)
            *is_long = true;
        else if (strcmp(arguments[i], "--seed") == 0 && i + 1 < count)
            test.seed = strtoull(arguments[++i], NULL, 10);
        else if (strcmp(arguments[i], "--sample") == 0 && i + 1 < count)
            test.sample = strtoull(arguments[++i], NULL, 10);
        else if (strcmp(arguments[i], "--points") == 0 && i + 2 < count) {
            test.first = strtoull(arguments[++i], NULL, 10);
            test.last = strtoull(arguments[++i], NULL, 10);
        } else
            fail_msg("test_faults [--long] [--sample NUMBER] [--seed NUMBER] [--points FIRST LAST], not %s",
                     arguments[i]);
    }
}

int main(int count, char **arguments)
{
    bool is_long = false;

    read_arguments(count, arguments, &is_long);
    signal(SIGABRT, say_place);
    signal(SIGSEGV, say_place);
    printf("seed %llu\n", (unsigned long long)test.seed);
    log_set_level((enum log_level)(LOG_LEVEL_ERROR + 1)); /* thousands of errors are what is wanted here */
    machine_install(test.seed);
    run_references();
    test.is_counting = true;
    walk_all(false);
    test.is_counting = false;
    test.stride = is_long || test.points < test.sample || test.sample == 0 ? 1 : test.points / test.sample;
    walk_all(true);
    printf("points covered %llu of %llu, lost %llu, corrupted %llu\n", (unsigned long long)test.covered,
           (unsigned long long)test.points, (unsigned long long)test.lost,
           (unsigned long long)test.corrupted);
    return test.covered > 0 && test.lost == 0 && test.corrupted == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
