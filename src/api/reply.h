/* reply.h: what leaves: bodies, the error envelope, the headers that every reply has. Only for the api room.
 */
#ifndef FARTHING_API_REPLY_H
#define FARTHING_API_REPLY_H

#include "api/exchange.h"

/* In code points. What is longer, because it repeats what a client has sent, ends in an ellipsis there. */
enum {
    REPLY_ECHO_LENGTH_MAX = 255,        /* a value of `details`, or of the request's path in a message */
    REPLY_DETAIL_NAME_LENGTH_MAX = 511, /* a path that ends in a key of metadata, which has up to 255 */
    REPLY_MESSAGE_LENGTH_MAX = 1000,
};

/* Sends the exchange's status with what `render` of its route writes, or has written; no body when there is
 * none to write. False when the server has no memory left for such a reply: nothing was sent. */
bool reply_success(struct exchange *exchange);
/* A reply whose body exists already. */
struct kept_reply {
    int status;
    struct text body;
    bool is_replayed; /* it was given before, to another request; the client is told so */
};
void reply_kept(struct exchange *exchange, const struct kept_reply *reply);
/* Appends the body that reply_success, or reply_failure, would send. */
void reply_write_success(struct exchange *exchange, struct buffer *body);
void reply_write_failure(const struct failure *failure, struct buffer *body);
/* Sends the error envelope (conventions section 7.1, ruling 10). */
void reply_failure(struct exchange *exchange, const struct failure *failure);
/* The same with a status that no code has (408, 413, 414, 431, ruling 18), and a `close` after it. */
void reply_refusal(struct exchange *exchange, int status, enum failure_code code, const char *reason);
/* The answer to a CORS preflight: 200, empty, with the requested headers echoed (ruling 12). */
void reply_preflight(struct exchange *exchange);

/* For connections over the limits, which are refused before a request is read. */
const struct http_reply *reply_too_many_connections(const struct api *api);
const struct http_reply *reply_too_many_of_client(const struct api *api);

/* The status of a code, and its name on the wire. */
int failure_status(enum failure_code code);
struct text failure_code_name(enum failure_code code);

#endif
