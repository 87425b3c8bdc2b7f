/* admin_client.h: requests to the server that uses a data directory, through its admin socket; when none
 * runs, this process is that server for the moment. Only for the cli room. */
#ifndef FARTHING_CLI_ADMIN_CLIENT_H
#define FARTHING_CLI_ADMIN_CLIENT_H

#include "cli/admin_host.h"
#include "json/reader.h"

struct admin_reply {
    int status;
    struct text text;              /* the body as it came */
    const struct json_value *body; /* NULL when there is none */
};

/* Sends one request and reads its reply; all in the arena. False with a one-line reason when no answer could
 * be had. A reply that refuses is an answer: admin_complaint words it. */
bool admin_request(const struct place *place, const char *method, struct text path, struct text body,
                   struct arena *arena, struct admin_reply *reply, struct text *reason);

/* The same for several requests: the server is found, or this process takes its place, once. */
struct admin_session {
    struct admin_host host;
};
bool admin_session_open(struct admin_session *session, const struct place *place, struct arena *arena,
                        struct text *reason);
bool admin_session_ask(struct admin_session *session, const char *method, struct text path, struct text body,
                       struct arena *arena, struct admin_reply *reply, struct text *reason);
void admin_session_close(struct admin_session *session);

/* Whether a server answers on the directory's admin socket: for what only makes sense with one. */
bool admin_server_is_running(struct text data_path, struct arena *arena);

/* What a refusing reply says, details included, on one line. */
struct text admin_complaint(const struct admin_reply *reply, struct arena *arena);

#endif
