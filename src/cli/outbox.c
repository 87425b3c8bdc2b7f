/* outbox.c: `farthing outbox list|follow`: events that were written to be delivered. */
#include "cli/admin_command.h"
#include "cli/commands.h"

#include <poll.h>
#include <stdio.h>

enum {
    LIMIT_MAX = 1000,
    POLL_MS = 250,
    /* A number that is missing may be of a transaction that is not committed yet (PostgreSQL), or of one that
     * never was: it is waited for until the event behind it is this old. */
    GAP_MS_MAX = 30 * 1000,
};

/* What every question has behind its first parameter: whose events. */
static struct text filter_query(struct invocation *invocation)
{
    return arena_format(&invocation->arena, "%.*s%.*s", TEXT_FORMAT(admin_flag_query(invocation, "tenant")),
                        TEXT_FORMAT(admin_flag_query(invocation, "environment")));
}

enum exit_code command_outbox_list(struct invocation *invocation)
{
    static const struct table_column columns[] = {
        {"SEQUENCE", "sequence", NULL},
        {"CREATED", "created_at", NULL},
        {"DELIVERED", "published_at", "-"},
        {"EVENT", "event_name", NULL},
        {"ENTITY", "entity_id", NULL},
        {"ENVIRONMENT", "environment_id", NULL},
        {0},
    };
    struct admin_reply reply;
    int64_t limit;

    if (!invocation_number(invocation, "limit", 1, LIMIT_MAX, &limit))
        return EXIT_USAGE;
    struct text path = arena_format(&invocation->arena, "/admin/outbox?limit=%lld%.*s", (long long)limit,
                                    TEXT_FORMAT(filter_query(invocation)));
    enum exit_code code = admin_ask(invocation, "GET", path, text_empty, &reply);

    return code == EXIT_DONE ? admin_print_list(invocation, &reply, columns) : code;
}

/* ---- follow ---- */

struct follower {
    struct invocation *invocation;
    struct admin_session session;
    struct text filter;
    struct arena arena; /* of one reply */
    int64_t after;      /* the last one that was passed */
};

static const struct json_value *items_of(const struct admin_reply *reply)
{
    const struct json_value *items = reply->body ? json_member(reply->body, TEXT("items")) : NULL;

    return items && items->type == JSON_ARRAY ? items : NULL;
}

static enum exit_code ask(struct follower *follower, struct text path, struct admin_reply *reply)
{
    enum exit_code code =
        admin_session_get(follower->invocation, &follower->session, path, &follower->arena, reply);

    if (code == EXIT_DONE && !items_of(reply))
        return complain(EXIT_FAILED, "the server's answer has no events; is it of another version?");
    return code;
}

/* Behind the newest one that there is. */
static enum exit_code begin_at_end(struct follower *follower)
{
    struct admin_reply reply;
    enum exit_code code = ask(follower, TEXT("/admin/outbox?limit=1"), &reply);

    if (code == EXIT_DONE && items_of(&reply)->count > 0)
        follower->after = admin_number(json_first(items_of(&reply)), "sequence");
    return code;
}

/* Prints events up to one that may still come. False when it is to be waited for. */
static bool print_events(struct follower *follower, const struct json_value *items)
{
    const struct json_value *item = json_first(items);

    for (uint32_t i = 0; i < items->count; i++, item = json_next(item)) {
        const struct json_value *event = json_member(item, TEXT("event"));
        int64_t sequence = admin_number(item, "sequence");

        if (sequence != follower->after + 1 && admin_number(item, "age_ms") < GAP_MS_MAX)
            return false;
        if (event)
            printf("%.*s\n", TEXT_FORMAT(event->text));
        follower->after = sequence;
    }
    return true;
}

static enum exit_code follow(struct follower *follower)
{
    for (;;) {
        struct admin_reply reply;

        arena_reset(&follower->arena);
        struct text path = arena_format(&follower->arena, "/admin/outbox/follow?after=%lld%.*s",
                                        (long long)follower->after, TEXT_FORMAT(follower->filter));
        enum exit_code code = ask(follower, path, &reply);

        if (code != EXIT_DONE)
            return complain(code, "stopped behind event %lld; go on with --after %lld",
                            (long long)follower->after, (long long)follower->after);
        bool is_done = print_events(follower, items_of(&reply));
        const struct json_value *more = json_member(reply.body, TEXT("more"));

        if (!print_out())
            return EXIT_FAILED;
        if (!is_done || !more || more->type != JSON_TRUE)
            poll(NULL, 0, POLL_MS);
    }
}

enum exit_code command_outbox_follow(struct invocation *invocation)
{
    struct follower follower = {.invocation = invocation, .filter = filter_query(invocation)};
    const struct place place = place_of(&invocation->settings);
    struct text data = invocation_value(invocation, "data"), reason;
    bool is_from_given = text_is_set(invocation_value(invocation, "after"));

    if (is_from_given && !invocation_number(invocation, "after", 0, INT64_MAX, &follower.after))
        return EXIT_USAGE;
    if (!admin_server_is_running(data, &invocation->arena))
        return complain(EXIT_FAILED,
                        "no server uses %.*s, so nothing comes; `farthing outbox list` shows what is there",
                        TEXT_FORMAT(data));
    if (!admin_session_open(&follower.session, &place, &invocation->arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    arena_init(&follower.arena);
    enum exit_code code = is_from_given ? EXIT_DONE : begin_at_end(&follower);

    if (code == EXIT_DONE)
        code = follow(&follower);
    arena_free(&follower.arena);
    admin_session_close(&follower.session);
    return code;
}
