/* key.c: `farthing key create|list|revoke`. */
#include "cli/admin_client.h"
#include "cli/commands.h"
#include "json/writer.h"

#include <stdio.h>

/* Sends a request; EXIT_DONE when it was done, otherwise what is wrong has been said. */
static enum exit_code ask(struct invocation *invocation, const char *method, struct text path,
                          struct text body, struct admin_reply *reply)
{
    struct text reason;

    if (!admin_request(invocation_value(invocation, "data"), method, path, body, &invocation->arena, reply,
                       &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    if (reply->status < 300)
        return EXIT_DONE;
    return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(admin_complaint(reply, &invocation->arena)));
}

static struct text member(const struct json_value *object, const char *name)
{
    const struct json_value *value = json_member(object, text_from_string(name));

    return value && value->type == JSON_STRING ? value->text : text_empty;
}

static void write_optional(struct json_writer *writer, const char *key, struct text value)
{
    if (!text_is_set(value))
        return;
    json_key(writer, text_from_string(key));
    json_string(writer, value);
}

static struct text creation_body(const struct invocation *invocation, struct buffer *buffer)
{
    struct json_writer writer;
    const struct text *roles;
    unsigned role_count = invocation_values(invocation, "role", &roles);

    json_writer_init(&writer, buffer);
    json_begin_object(&writer);
    write_optional(&writer, "name", invocation_value(invocation, "name"));
    write_optional(&writer, "type", invocation_value(invocation, "type"));
    write_optional(&writer, "environment_id", invocation_value(invocation, "environment"));
    write_optional(&writer, "expires_at", invocation_value(invocation, "expires-at"));
    if (role_count) {
        json_key(&writer, TEXT("roles"));
        json_begin_array(&writer);
        for (unsigned i = 0; i < role_count; i++)
            json_string(&writer, roles[i]);
        json_end_array(&writer);
    }
    json_end_object(&writer);
    return buffer_text(buffer);
}

enum exit_code command_key_create(struct invocation *invocation)
{
    struct buffer buffer = {0};
    struct admin_reply reply;

    if (!text_is_set(invocation_value(invocation, "name")))
        return complain(EXIT_USAGE, "key create needs --name; see `farthing help key create`");
    enum exit_code code =
        ask(invocation, "POST", TEXT("/admin/keys"), creation_body(invocation, &buffer), &reply);

    buffer_free(&buffer);
    if (code != EXIT_DONE)
        return code;
    struct text id = member(json_member(reply.body, TEXT("secret")), "id"),
                key = member(reply.body, "api_key");

    printf("FARTHING_API_KEY=%.*s\nFARTHING_API_KEY_ID=%.*s\n", TEXT_FORMAT(key), TEXT_FORMAT(id));
    if (fflush(stdout) != 0)
        return complain(EXIT_FAILED, "the key could not be printed; revoke %.*s and make another one",
                        TEXT_FORMAT(id));
    return EXIT_DONE;
}

static void print_key(const struct json_value *key)
{
    struct text expires_at = member(key, "expires_at");

    if (expires_at.length == 0)
        expires_at = TEXT("never");
    printf("%-33.*s  %-12.*s  %-15.*s  %-30.*s  %-20.*s  %.*s\n", TEXT_FORMAT(member(key, "id")),
           TEXT_FORMAT(member(key, "display_id")), TEXT_FORMAT(member(key, "type")),
           TEXT_FORMAT(member(key, "environment_id")), TEXT_FORMAT(expires_at),
           TEXT_FORMAT(member(key, "name")));
}

enum exit_code command_key_list(struct invocation *invocation)
{
    struct admin_reply reply;
    enum exit_code code = ask(invocation, "GET", TEXT("/admin/keys"), text_empty, &reply);

    if (code != EXIT_DONE)
        return code;
    const struct json_value *items = json_member(reply.body, TEXT("items"));
    const struct json_value *key = json_first(items);

    printf("%-33s  %-12s  %-15s  %-30s  %-20s  %s\n", "ID", "KEY", "TYPE", "ENVIRONMENT", "EXPIRES", "NAME");
    for (uint32_t i = 0; i < items->count; i++, key = json_next(key))
        print_key(key);
    return fflush(stdout) == 0 ? EXIT_DONE : complain(EXIT_FAILED, "the list could not be printed");
}

static bool is_id(struct text id)
{
    for (size_t i = 0; i < id.length; i++) {
        char byte = id.data[i];

        if (!(byte == '_' || (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
              (byte >= 'a' && byte <= 'z')))
            return false;
    }
    return id.length > 0;
}

enum exit_code command_key_revoke(struct invocation *invocation)
{
    struct admin_reply reply;
    struct text id = invocation->operand;

    if (!is_id(id))
        return complain(EXIT_USAGE, "\"%.*s\" is not the id of a key; `farthing key list` shows them",
                        TEXT_FORMAT(id));
    enum exit_code code =
        ask(invocation, "DELETE", arena_format(&invocation->arena, "/admin/keys/%.*s", TEXT_FORMAT(id)),
            text_empty, &reply);

    if (code == EXIT_DONE)
        printf("revoked %.*s\n", TEXT_FORMAT(id));
    return code;
}
