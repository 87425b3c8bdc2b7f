/* user_keys.c: a user whose keys still count (conventions section 22.5). */
#include "domain/api_keys.h"
#include "domain/users.h"
#include "json/writer.h"

static void write_key(struct json_writer *writer, const struct owned_key *key)
{
    json_begin_object(writer);
    json_put_string(writer, TEXT("id"), key->id);
    json_put_string(writer, TEXT("key_name"), key->name);
    json_end_object(writer);
}

/* {<environment>: {"env_name", "api_keys": [{"id", "key_name"}]}}; the keys of an environment are side by
 * side.
 */
static void write_environments(struct json_writer *writer, const struct record_list *list)
{
    const struct owned_key *keys = list->records;

    json_begin_object(writer);
    for (size_t i = 0; i < list->count;) {
        struct text environment_id = keys[i].environment_id;

        json_key(writer, environment_id);
        json_begin_object(writer);
        json_put_string(writer, TEXT("env_name"), keys[i].environment_name);
        json_key(writer, TEXT("api_keys"));
        json_begin_array(writer);
        for (; i < list->count && text_equal(keys[i].environment_id, environment_id); i++)
            write_key(writer, &keys[i]);
        json_end_array(writer);
        json_end_object(writer);
    }
    json_end_object(writer);
}

static struct text environments_json(const struct record_list *list, struct arena *arena)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    write_environments(&writer, list);
    struct text json = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return json;
}

const struct failure *user_keys_check(struct transaction *transaction, const struct user *user)
{
    struct arena *arena = transaction->arena;
    struct record_list keys = api_keys_of_user(transaction, user->id);

    if (keys.count == 0)
        return NULL;
    struct failure *failure =
        failure_new(arena, FAILURE_INVALID_OPERATION, TEXT("the user has API keys; delete them first"));

    failure_add(failure, arena, TEXT("id"), user->id);
    failure_add_json(failure, arena, TEXT("active_api_key_count"), arena_format(arena, "%zu", keys.count));
    return failure_add_json(failure, arena, TEXT("active_api_keys"), environments_json(&keys, arena));
}
