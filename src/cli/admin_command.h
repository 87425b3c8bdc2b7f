/* admin_command.h: what the commands that talk to the admin socket share: asking, and printing what comes
 * back. Only for the cli room. */
#ifndef FARTHING_CLI_ADMIN_COMMAND_H
#define FARTHING_CLI_ADMIN_COMMAND_H

#include "base/buffer.h"
#include "cli/admin_client.h"
#include "cli/command.h"
#include "json/writer.h"

/* Sends a request, unless the body is unset, for a reason that was said; EXIT_DONE when it was done,
 * otherwise what is wrong has been said. */
enum exit_code admin_ask(struct invocation *invocation, const char *method, struct text path,
                         struct text body, struct admin_reply *reply);

/* Whether a reply refuses what single members of the request's body were given. */
bool admin_is_about_fields(const struct admin_reply *reply);

/* The same within a session, its reply in an arena of the caller's. */
enum exit_code admin_session_get(struct invocation *invocation, struct admin_session *session,
                                 struct text path, struct arena *arena, struct admin_reply *reply);
/* A member of an object that is a whole number; 0 when there is none. */
int64_t admin_number(const struct json_value *object, const char *name);
/* A value that is a whole number; 0 when it is none. */
int64_t admin_number_of(const struct json_value *value);

/* A request's body from flags: a JSON object with a member for each of them that is given. */
struct body_member {
    const char *flag; /* "environment"; NULL ends the list */
    const char *name; /* "environment_id" */
    bool is_list;
};
/* `first_name`, unless NULL, is one more member, a text. Unset, after saying so, when a value is not UTF-8.
 * The result lives in the invocation's arena. */
struct text admin_body(struct invocation *invocation, const char *first_name, struct text first_value,
                       const struct body_member *members);
/* The same from texts that are not flags alone; one that is unset is left out. */
struct body_text {
    const char *name; /* "email"; NULL ends the list */
    struct text value;
    const char *spoken; /* how the command line calls it: "--email" */
};
struct text admin_body_of_texts(struct arena *arena, const struct body_text *texts);
/* Writes a text that the command line calls `name`. False, after saying so, when it is not UTF-8. */
bool admin_write_text(struct json_writer *writer, const char *name, struct text value);
/* `path?name=value`, the value percent-encoded; the path alone when the value is not set. */
struct text admin_query(struct arena *arena, const char *path, const char *name, struct text value);

/* `&name=value` of a flag that is given, to go on a query with; empty when it is not. */
struct text admin_flag_query(struct invocation *invocation, const char *flag);

/* A member of an object that is a text; an empty text when there is none. */
struct text admin_member(const struct json_value *object, const char *name);

/* NAME=value on a line of standard output, for a shell to read. */
void admin_print_variable(const char *name, struct text value);
/* A reply as it came, as one line. */
void admin_print_json(const struct admin_reply *reply);

struct table_column {
    const char *heading;  /* NULL ends the columns */
    const char *member;   /* of each item: a text, a number, or a list of texts */
    const char *fallback; /* what stands for an absent one; NULL: nothing */
};
/* The reply's `items`; NULL, after saying so, when it has none. */
const struct json_value *admin_items(const struct admin_reply *reply);
/* Items as a table whose cells are cut at so many columns of a terminal. Characters that it would obey are
 * shown as `?`. */
void admin_print_table(const struct json_value *items, const struct table_column *columns,
                       size_t cell_columns_max, struct arena *arena);
/* The reply's `items` as a table, or as JSON when the switch --json is given. */
enum exit_code admin_print_list(struct invocation *invocation, const struct admin_reply *reply,
                                const struct table_column *columns);

#endif
