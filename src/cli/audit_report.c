/* audit_report.c: what `farthing audit verify` says. */
#include "cli/audit_report.h"

#include "base/instant.h"
#include "cli/admin_command.h"
#include "cli/import.h"
#include "json/writer.h"

#include <stdio.h>

/* ---- findings ---- */

static struct text positions(struct arena *arena, const struct audit_finding *finding)
{
    if (finding->first_position == finding->last_position)
        return arena_format(arena, "position %lld", (long long)finding->first_position);
    return arena_format(arena, "positions %lld to %lld", (long long)finding->first_position,
                        (long long)finding->last_position);
}

static const char unaccounted[] = "the trail does not tell of the oldest tenant, and nothing accounts for "
                                  "that: what was before its first row "
                                  "was removed together with the heads, or all of it was";

static void print_finding(struct arena *arena, const struct audit_finding *finding)
{
    static const char *const words[] = {
        [AUDIT_ROW_CHANGED] = "was changed, or the one before it was",
        [AUDIT_ROWS_MISSING] = "missing",
        [AUDIT_ROW_EXTRA] = "does not belong there: it was added, or moved",
        [AUDIT_ROW_FOREIGN] = "is of a chain that there is not",
        [AUDIT_HEAD_CHANGED] = "is not what the chain's head says: the head was changed",
        [AUDIT_REWRITTEN] = "had another hash when the heads were kept: the trail was rewritten",
        [AUDIT_CUT_OFF] = "missing; there when the heads were kept",
        [AUDIT_UNACCOUNTED] = unaccounted,
    };
    struct text place = positions(arena, finding);

    if (finding->fault == AUDIT_UNACCOUNTED) {
        printf("%s\n", words[finding->fault]);
        return;
    }
    printf("chain %lld, %.*s", (long long)finding->chain, TEXT_FORMAT(place));
    if (finding->sequence)
        printf(" (row %lld)", (long long)finding->sequence);
    printf(": %s\n", words[finding->fault]);
}

/* ---- where the chains begin ---- */

static struct text instant_text(struct arena *arena, int64_t instant)
{
    struct buffer buffer = {0};

    instant_append(&buffer, instant);
    struct text text = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return text;
}

static void print_before(const struct audit_report *report, const struct audit_beginning *beginning)
{
    static const char *const words[] = {
        [AUDIT_BEFORE_NOTHING] = "",
        [AUDIT_BEFORE_RETENTION] = "were removed as old, says the mark of the retention",
        [AUDIT_BEFORE_UNACCOUNTED] = "are missing, and nothing accounts for them",
    };
    struct text count = import_number(report->arena, (uint64_t)beginning->removed_count);

    if (beginning->before != AUDIT_BEFORE_NOTHING)
        printf("; %.*s row%s before that %s", TEXT_FORMAT(count), beginning->removed_count == 1 ? "" : "s",
               words[beginning->before]);
}

static void print_beginning(const struct audit_report *report, const struct audit_beginning *beginning)
{
    printf("chain %lld: ", (long long)beginning->chain);
    if (beginning->row_count > 0 && beginning->before == AUDIT_BEFORE_NOTHING)
        printf("from its first row on");
    else if (beginning->row_count > 0)
        printf("from position %lld on", (long long)beginning->first_position);
    else
        printf(beginning->before == AUDIT_BEFORE_NOTHING ? "has had no rows" : "has no rows left");
    if (beginning->row_count > 0)
        printf(" (row %lld, %.*s)", (long long)beginning->first_sequence,
               TEXT_FORMAT(instant_text(report->arena, beginning->first_occurred_at)));
    print_before(report, beginning);
    printf("\n");
}

static int64_t marked_count(const struct audit_report *report)
{
    struct audit_beginning beginning;
    int64_t count = 0;

    for (size_t i = 0; audit_check_beginning(report->check, i, &beginning); i++)
        if (beginning.before == AUDIT_BEFORE_RETENTION)
            count += beginning.removed_count;
    return count;
}

static int64_t unhashed_count(const struct audit_report *report)
{
    struct audit_beginning beginning;

    for (size_t i = 0; audit_check_beginning(report->check, i, &beginning); i++)
        if (beginning.chain == AUDIT_CHAIN_UNHASHED)
            return beginning.row_count;
    return 0;
}

/* ---- for a person ---- */

static void print_upshot(const struct audit_report *report)
{
    int64_t marked = marked_count(report);

    if (report->finding_count)
        printf("%.*s things are wrong\n", TEXT_FORMAT(import_number(report->arena, report->finding_count)));
    else if (audit_check_is_complete(report->check))
        printf("the trail is whole\n");
    else if (marked == 0)
        printf("there is nothing in the trail yet\n");
    else
        printf(
            "nothing is wrong with what is left, but %.*s older row%s gone: by the retention, as its marks "
            "say, "
            "which prove nothing; see whether audit-retention-days is set, and the first rows are that old\n",
            TEXT_FORMAT(import_number(report->arena, (uint64_t)marked)), marked == 1 ? " is" : "s are");
}

void audit_report_text(const struct audit_report *report)
{
    int64_t rows = audit_check_row_count(report->check), chains = audit_check_chain_count(report->check),
            unhashed = unhashed_count(report), uncomparable = audit_check_uncomparable_count(report->check);
    struct audit_beginning beginning;
    size_t kept;
    const struct audit_finding *findings = audit_check_findings(report->check, &kept);

    for (size_t i = 0; audit_check_beginning(report->check, i, &beginning); i++)
        if (beginning.chain != AUDIT_CHAIN_UNHASHED || beginning.row_count + beginning.removed_count > 0)
            print_beginning(report, &beginning);
    for (size_t i = 0; i < kept; i++)
        print_finding(report->arena, &findings[i]);
    printf("checked %.*s row%s of %lld chain%s: ", TEXT_FORMAT(import_number(report->arena, (uint64_t)rows)),
           rows == 1 ? "" : "s", (long long)chains, chains == 1 ? "" : "s");
    print_upshot(report);
    if (unhashed > 0)
        printf("%.*s of them are older than the hashes: only how many they are could be checked\n",
               TEXT_FORMAT(import_number(report->arena, (uint64_t)unhashed)));
    if (uncomparable > 0)
        printf("%lld of the kept heads are of rows that retention has removed since\n",
               (long long)uncomparable);
}

/* ---- as JSON ---- */

static void write_findings(struct json_writer *writer, const struct audit_report *report)
{
    size_t count;
    const struct audit_finding *findings = audit_check_findings(report->check, &count);

    json_key(writer, TEXT("findings"));
    json_begin_array(writer);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(writer);
        json_put_string(writer, TEXT("fault"), audit_fault_name(findings[i].fault));
        if (findings[i].fault != AUDIT_UNACCOUNTED) {
            json_put_int64(writer, TEXT("chain"), findings[i].chain);
            json_put_int64(writer, TEXT("first_position"), findings[i].first_position);
            json_put_int64(writer, TEXT("last_position"), findings[i].last_position);
        }
        if (findings[i].sequence)
            json_put_int64(writer, TEXT("sequence"), findings[i].sequence);
        json_end_object(writer);
    }
    json_end_array(writer);
}

static void write_beginning(struct json_writer *writer, const struct audit_report *report,
                            const struct audit_beginning *beginning)
{
    static const struct text names[] = {
        [AUDIT_BEFORE_NOTHING] = TEXT_LITERAL("nothing"),
        [AUDIT_BEFORE_RETENTION] = TEXT_LITERAL("retention"),
        [AUDIT_BEFORE_UNACCOUNTED] = TEXT_LITERAL("unaccounted"),
    };

    json_begin_object(writer);
    json_put_int64(writer, TEXT("chain"), beginning->chain);
    json_put_int64(writer, TEXT("rows"), beginning->row_count);
    json_put_string(writer, TEXT("before"), names[beginning->before]);
    json_put_int64(writer, TEXT("removed"), beginning->removed_count);
    if (beginning->row_count > 0) {
        json_put_int64(writer, TEXT("first_position"), beginning->first_position);
        json_put_int64(writer, TEXT("first_sequence"), beginning->first_sequence);
        json_put_string(writer, TEXT("first_occurred_at"),
                        instant_text(report->arena, beginning->first_occurred_at));
    }
    json_end_object(writer);
}

static void write_beginnings(struct json_writer *writer, const struct audit_report *report)
{
    struct audit_beginning beginning;

    json_key(writer, TEXT("beginnings"));
    json_begin_array(writer);
    for (size_t i = 0; audit_check_beginning(report->check, i, &beginning); i++)
        write_beginning(writer, report, &beginning);
    json_end_array(writer);
}

void audit_report_json(const struct audit_report *report)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    json_put_bool(&writer, TEXT("is_whole"),
                  report->finding_count == 0 && audit_check_is_complete(report->check));
    json_put_int64(&writer, TEXT("rows"), audit_check_row_count(report->check));
    json_key(&writer, TEXT("chains"));
    json_raw(&writer, report->chains->text);
    write_beginnings(&writer, report);
    json_put_int64(&writer, TEXT("finding_count"), (int64_t)report->finding_count);
    write_findings(&writer, report);
    json_end_object(&writer);
    printf("%.*s\n", TEXT_FORMAT(buffer_text(&buffer)));
    buffer_free(&buffer);
}
