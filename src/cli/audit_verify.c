/* audit_verify.c: `farthing audit verify`: whether the audit trail is whole. The server reads the rows and
 * hashes what they hold; what follows from that is found out here (domain/audit_check.h), and told by
 * audit_report.c. */
#include "cli/admin_command.h"
#include "cli/audit_report.h"
#include "cli/commands.h"
#include "cli/import.h"
#include "domain/audit_check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { EXPECTED_BYTES_MAX = 16 * 1024 * 1024, READ_STEP_BYTES = 64 * 1024 };

struct verification {
    struct invocation *invocation;
    struct admin_session session;
    struct audit_check *check;
    struct arena slice_arena; /* of one reply */
    int64_t last_sequence;    /* of the last row to be read */
    struct admin_reply heads; /* when it began */
    struct progress progress;
};

/* ---- heads ---- */

static struct audit_chain_row head_of(const struct json_value *item)
{
    return (struct audit_chain_row){
        .chain = admin_number(item, "chain"),
        .position = admin_number(item, "position"),
        .hash = admin_member(item, "hash"),
        .first_position = admin_number(item, "first_position"),
        .first_hash = admin_member(item, "first_hash"),
        .last_sequence = admin_number(item, "last_sequence"),
    };
}

static const struct json_value *chains_of(const struct json_value *document)
{
    const struct json_value *chains = document ? json_member(document, TEXT("chains")) : NULL;

    return chains && chains->type == JSON_ARRAY ? chains : NULL;
}

static enum exit_code read_heads(struct verification *verification, struct admin_reply *reply,
                                 void (*take)(struct audit_check *check, const struct audit_chain_row *head))
{
    struct invocation *invocation = verification->invocation;
    enum exit_code code = admin_session_get(invocation, &verification->session, TEXT("/admin/audit/heads"),
                                            &invocation->arena, reply);
    const struct json_value *chains = code == EXIT_DONE ? chains_of(reply->body) : NULL;

    if (code != EXIT_DONE)
        return code;
    if (!chains)
        return complain(EXIT_FAILED, "the server's answer has no chains; is it of another version?");
    const struct json_value *item = json_first(chains);

    for (uint32_t i = 0; i < chains->count; i++, item = json_next(item)) {
        const struct audit_chain_row head = head_of(item);

        take(verification->check, &head);
    }
    return EXIT_DONE;
}

/* ---- heads that were kept elsewhere ---- */

static bool read_file(const char *path, struct buffer *buffer)
{
    FILE *file = fopen(path, "re");
    size_t length = 0;

    if (!file)
        return false;
    do {
        buffer_reserve(buffer, READ_STEP_BYTES);
        length = fread(buffer->data + buffer->length, 1, READ_STEP_BYTES, file);
        buffer->length += length;
    } while (length > 0 && buffer->length < EXPECTED_BYTES_MAX);
    bool is_read = !ferror(file);

    fclose(file);
    return is_read;
}

static bool take_expected(struct audit_check *check, const struct json_value *document)
{
    const struct json_value *chains = document ? chains_of(document) : NULL;
    const struct json_value *item = chains ? json_first(chains) : NULL;

    for (uint32_t i = 0; chains && i < chains->count; i++, item = json_next(item)) {
        struct audit_chain_row head = head_of(item);

        if (head.position < 0 || !json_member(item, TEXT("chain")) || !json_member(item, TEXT("position")))
            return false;
        audit_check_expect(check, head.chain, head.position, head.hash);
    }
    return chains != NULL;
}

static enum exit_code read_expected(struct verification *verification)
{
    struct arena *arena = &verification->invocation->arena;
    struct text path = invocation_value(verification->invocation, "expect");
    struct buffer buffer = {0};
    struct json_error error;
    enum exit_code code = EXIT_DONE;

    if (!text_is_set(path))
        return EXIT_DONE;
    if (!read_file(arena_string(arena, path), &buffer))
        code = complain(EXIT_FAILED, "cannot read %.*s: %s", TEXT_FORMAT(path), strerror(errno));
    else if (!take_expected(verification->check,
                            json_read(arena, arena_copy(arena, buffer_text(&buffer)), &error)))
        code = complain(EXIT_FAILED, "%.*s is not what `farthing audit verify --json` prints",
                        TEXT_FORMAT(path));
    buffer_free(&buffer);
    return code;
}

/* ---- rows ---- */

enum { ROW_MEMBERS = 6 };

static bool read_row(const struct json_value *item, struct audit_link *row)
{
    const struct json_value *members[ROW_MEMBERS];

    if (item->type != JSON_ARRAY || item->count != ROW_MEMBERS)
        return false;
    members[0] = json_first(item);
    for (unsigned i = 1; i < ROW_MEMBERS; i++)
        members[i] = json_next(members[i - 1]);
    *row = (struct audit_link){
        .sequence = admin_number_of(members[0]),
        .chain = admin_number_of(members[1]),
        .position = admin_number_of(members[2]),
        .hash = members[4]->text,
        .occurred_at = admin_number_of(members[5]),
    };
    return hex_decode(members[3]->text, row->digest, sizeof row->digest);
}

static bool take_rows(struct verification *verification, const struct json_value *rows, int64_t *last)
{
    const struct json_value *item = rows && rows->type == JSON_ARRAY ? json_first(rows) : NULL;

    for (uint32_t i = 0; item && i < rows->count; i++, item = json_next(item)) {
        struct audit_link row;

        if (!read_row(item, &row))
            return false;
        audit_check_row(verification->check, &row);
        *last = row.sequence;
    }
    return item != NULL;
}

static void show_progress(struct verification *verification, int64_t sequence)
{
    const struct import_counts counts = {.rows = (uint64_t)audit_check_row_count(verification->check)};

    import_progress_show(&verification->progress, &counts, (uint64_t)sequence,
                         (uint64_t)verification->last_sequence);
}

static enum exit_code read_rows(struct verification *verification)
{
    struct arena *arena = &verification->slice_arena;
    int64_t sequence = 0;
    bool is_more = true;

    while (is_more) {
        struct admin_reply reply;

        arena_reset(arena);
        struct text path = arena_format(arena, "/admin/audit/rows?after=%lld&until=%lld", (long long)sequence,
                                        (long long)verification->last_sequence);
        enum exit_code code =
            admin_session_get(verification->invocation, &verification->session, path, arena, &reply);

        if (code != EXIT_DONE)
            return code;
        if (!reply.body || !take_rows(verification, json_member(reply.body, TEXT("rows")), &sequence))
            return complain(EXIT_FAILED, "the server's answer has no rows; is it of another version?");
        const struct json_value *more = json_member(reply.body, TEXT("more"));

        is_more = more && more->type == JSON_TRUE;
        show_progress(verification, sequence);
    }
    return EXIT_DONE;
}

static enum exit_code verify(struct verification *verification)
{
    struct admin_reply heads_again;
    enum exit_code code = read_heads(verification, &verification->heads, audit_check_head);

    if (code != EXIT_DONE)
        return code;
    verification->last_sequence = admin_number(verification->heads.body, "last_sequence");
    if (json_member(verification->heads.body, TEXT("since_us")))
        audit_check_since(verification->check, admin_number(verification->heads.body, "since_us"));
    progress_start(&verification->progress);
    code = read_rows(verification);
    progress_end(&verification->progress);
    if (code == EXIT_DONE)
        code = read_heads(verification, &heads_again, audit_check_head_again);
    if (code != EXIT_DONE)
        return code;
    const struct audit_report report = {
        .check = verification->check,
        .finding_count = audit_check_end(verification->check),
        .chains = chains_of(verification->heads.body),
        .arena = &verification->invocation->arena,
    };

    if (invocation_switch(verification->invocation, "json"))
        audit_report_json(&report);
    else
        audit_report_text(&report);
    return report.finding_count ? EXIT_FAILED : EXIT_DONE;
}

enum exit_code command_audit_verify(struct invocation *invocation)
{
    struct verification verification = {.invocation = invocation, .check = audit_check_new()};
    const struct place place = place_of(&invocation->settings);
    struct text reason;
    enum exit_code code = read_expected(&verification);

    arena_init(&verification.slice_arena);
    if (code == EXIT_DONE && !admin_session_open(&verification.session, &place, &invocation->arena, &reason))
        code = complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    else if (code == EXIT_DONE) {
        code = verify(&verification);
        admin_session_close(&verification.session);
    }
    arena_free(&verification.slice_arena);
    audit_check_free(verification.check);
    return code;
}
