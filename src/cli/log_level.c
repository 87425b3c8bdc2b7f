/* log_level.c: `farthing log level`: what the running server logs at least. */
#include "cli/admin_command.h"
#include "cli/commands.h"
#include "json/writer.h"

#include <stdio.h>

static struct text body_of(struct invocation *invocation, struct text level)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    json_put_string(&writer, TEXT("level"), level);
    json_end_object(&writer);
    struct text body = arena_copy(&invocation->arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return body;
}

/* Another process has a level of its own, so this one never answers for a server that does not run. */
enum exit_code command_log_level(struct invocation *invocation)
{
    struct text data = invocation_value(invocation, "data"), level = invocation->operand;
    struct admin_reply reply;

    if (!admin_server_is_running(data, &invocation->arena))
        return complain(EXIT_FAILED,
                        "no server uses %.*s; the setting log-level is what the next one begins with",
                        TEXT_FORMAT(data));
    enum exit_code code =
        text_is_set(level)
            ? admin_ask(invocation, "PUT", TEXT("/admin/log"), body_of(invocation, level), &reply)
            : admin_ask(invocation, "GET", TEXT("/admin/log"), text_empty, &reply);

    if (code != EXIT_DONE)
        return code;
    printf("%.*s\n", TEXT_FORMAT(admin_member(reply.body, "level")));
    return fflush(stdout) == 0 ? EXIT_DONE : complain(EXIT_FAILED, "the level could not be printed");
}
