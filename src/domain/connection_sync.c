/* connection_sync.c: what a connection synchronizes (10-customers section 14, 70-webhooks section 3.2). */
#include "base/buffer.h"
#include "domain/connections.h"
#include "model/entity_json.h"
#include "model/kept_json.h"

#include <stdio.h>

#define OFF "{\"inbound\":false,\"outbound\":false}"

const struct text connection_sync_default =
    TEXT_LITERAL("{\"plan\":" OFF ",\"subscription\":" OFF ",\"invoice\":" OFF ",\"customer\":" OFF
                 ",\"payment\":" OFF ",\"deal\":" OFF ",\"quote\":" OFF ",\"price\":" OFF "}");

/* What no provider can be switched to. */
static const uint8_t forbidden[SYNC_SUBJECTS] = {
    [SYNC_PLAN] = SYNC_OUTBOUND, [SYNC_SUBSCRIPTION] = SYNC_OUTBOUND, [SYNC_INVOICE] = SYNC_INBOUND,
    [SYNC_DEAL] = SYNC_INBOUND,  [SYNC_QUOTE] = SYNC_INBOUND,         [SYNC_PRICE] = SYNC_INBOUND,
};

struct reading {
    struct arena *arena;
    struct failure **failure;
};

static struct text path_of(const struct reading *reading, struct text parent, const char *member)
{
    return arena_format(reading->arena, "%.*s.%s", TEXT_FORMAT(parent), member);
}

static void refuse(const struct reading *reading, struct text path, const char *reason)
{
    failure_add_field(reading->failure, reading->arena, path, text_from_string(reason));
}

/* A member that is there and not null. */
static const struct json_value *given(const struct json_value *object, const char *name)
{
    const struct json_value *value = json_member(object, text_from_string(name));

    return value && value->type != JSON_NULL ? value : NULL;
}

/* The same when it must be an object; another one is refused. */
static const struct json_value *given_object(const struct reading *reading, const struct json_value *object,
                                             struct text parent, const char *name)
{
    const struct json_value *value = given(object, name);

    if (!value || value->type == JSON_OBJECT)
        return value;
    refuse(reading, path_of(reading, parent, name), "must be an object");
    return NULL;
}

/* Unset when there is none, or another than a text that is not empty, which is refused. */
static struct text given_text(const struct reading *reading, const struct json_value *object,
                              struct text parent, const char *name)
{
    const struct json_value *value = given(object, name);

    if (!value)
        return text_none;
    if (value->type == JSON_STRING && value->text.length > 0)
        return value->text;
    refuse(reading, path_of(reading, parent, name), "must be a string that is not empty");
    return text_none;
}

/* ---- subjects ---- */

static bool read_switch(const struct reading *reading, const struct json_value *subject, struct text path,
                        const char *direction, bool is_forbidden)
{
    const struct json_value *value = given(subject, direction);
    bool is_on = value && value->type == JSON_TRUE;

    if (value && value->type != JSON_TRUE && value->type != JSON_FALSE)
        refuse(reading, path_of(reading, path, direction), "must be a boolean");
    else if (is_on && is_forbidden)
        refuse(reading, path_of(reading, path, direction),
               "must not be true: there is no such synchronization");
    return is_on;
}

static void read_subject(const struct reading *reading, const struct json_value *config,
                         enum sync_subject subject, struct json_writer *writer)
{
    char name[32];
    struct text path = TEXT("sync_config"), subject_name = sync_subject_names[subject];

    snprintf(name, sizeof name, "%.*s", TEXT_FORMAT(subject_name));
    const struct json_value *value = given_object(reading, config, path, name);

    if (!value)
        return;
    path = path_of(reading, path, name);
    json_key(writer, subject_name);
    json_begin_object(writer);
    json_put_bool(writer, TEXT("inbound"),
                  read_switch(reading, value, path, "inbound", forbidden[subject] & SYNC_INBOUND));
    json_put_bool(writer, TEXT("outbound"),
                  read_switch(reading, value, path, "outbound", forbidden[subject] & SYNC_OUTBOUND));
    json_end_object(writer);
}

/* ---- groups of providers ---- */

enum { CUSTOM_FIELDS_MAX = 50 };

/* The names that are used for fields of the provider: each of them once. */
struct custom_fields {
    struct text names[CUSTOM_FIELDS_MAX + 2];
    size_t count;
};

static void use_field(const struct reading *reading, struct custom_fields *used, struct text path,
                      struct text name)
{
    if (!text_is_set(name))
        return;
    for (size_t i = 0; i < used->count; i++)
        if (text_equal(used->names[i], name)) {
            refuse(reading, path, "names a field of the provider that is named before");
            return;
        }
    used->names[used->count++] = name;
}

static void check_period_fields(const struct reading *reading, const struct json_value *settings,
                                struct text parent, struct custom_fields *used)
{
    const struct json_value *fields = given_object(reading, settings, parent, "service_period_custom_fields");
    struct text path = path_of(reading, parent, "service_period_custom_fields");

    if (!fields)
        return;
    struct text start = given_text(reading, fields, path, "start_field_id"),
                end = given_text(reading, fields, path, "end_field_id");

    if (text_is_set(start) != text_is_set(end))
        refuse(reading, path, "must have both of start_field_id and end_field_id, or neither");
    use_field(reading, used, path_of(reading, path, "start_field_id"), start);
    use_field(reading, used, path_of(reading, path, "end_field_id"), end);
}

static void check_metadata_field(const struct reading *reading, const struct json_value *element,
                                 struct text path, struct custom_fields *used)
{
    if (element->type != JSON_OBJECT) {
        refuse(reading, path, "must be an object");
        return;
    }
    struct text source = given_text(reading, element, path, "source"),
                key = given_text(reading, element, path, "metadata_key"),
                field = given_text(reading, element, path, "field");

    if (!text_equal(source, TEXT("customer")) && !text_equal(source, TEXT("invoice")))
        refuse(reading, path_of(reading, path, "source"), "must be customer or invoice");
    if (!text_is_set(key))
        refuse(reading, path_of(reading, path, "metadata_key"), "is required");
    if (!text_is_set(field))
        refuse(reading, path_of(reading, path, "field"), "is required");
    use_field(reading, used, path_of(reading, path, "field"), field);
}

static void check_metadata_fields(const struct reading *reading, const struct json_value *settings,
                                  struct text parent, struct custom_fields *used)
{
    const struct json_value *list = given(settings, "metadata_custom_fields");
    struct text path = path_of(reading, parent, "metadata_custom_fields");

    if (!list)
        return;
    if (list->type != JSON_ARRAY || list->count > CUSTOM_FIELDS_MAX) {
        refuse(reading, path, "must be an array of at most 50 objects");
        return;
    }
    const struct json_value *element = json_first(list);

    for (uint32_t i = 0; i < list->count; i++, element = json_next(element))
        check_metadata_field(reading, element, arena_format(reading->arena, "%.*s[%u]", TEXT_FORMAT(path), i),
                             used);
}

static void check_invoice_settings(const struct reading *reading, const struct json_value *settings)
{
    struct text path = TEXT("sync_config.invoice_sync_settings");
    struct custom_fields used = {0};

    given_text(reading, settings, path, "normalize_fixed_to");
    check_period_fields(reading, settings, path, &used);
    check_metadata_fields(reading, settings, path, &used);
}

static void check_s3(const struct reading *reading, const struct json_value *settings)
{
    static const char *const texts[] = {"bucket", "region", "key_prefix", "compression", "encryption"};
    struct text path = TEXT("sync_config.s3");
    const struct json_value *managed = given(settings, "is_flexprice_managed");

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const struct json_value *value = given(settings, texts[i]);

        if (value && value->type != JSON_STRING)
            refuse(reading, path_of(reading, path, texts[i]), "must be a string");
    }
    if (managed && managed->type != JSON_FALSE)
        refuse(reading, path_of(reading, path, "is_flexprice_managed"),
               "must not be true: this server has no storage of its own to export to");
}

static void check_aws(const struct reading *reading, const struct json_value *settings)
{
    given_text(reading, settings, TEXT("sync_config.aws_marketplace"), "region");
}

static const struct group {
    const char *name;
    void (*check)(const struct reading *reading, const struct json_value *settings);
} groups[] = {
    {"s3", check_s3},
    {"aws_marketplace", check_aws},
    {"invoice_sync_settings", check_invoice_settings},
};

static void read_group(const struct reading *reading, const struct json_value *config,
                       const struct group *group, struct json_writer *writer)
{
    const struct json_value *settings = given_object(reading, config, TEXT("sync_config"), group->name);

    if (!settings)
        return;
    group->check(reading, settings);
    json_key(writer, text_from_string(group->name));
    json_copy(writer, settings);
}

/* ---- all ---- */

struct text connection_sync_read(const struct json_value *object, struct arena *arena,
                                 struct failure **failure)
{
    const struct reading reading = {arena, failure};
    const struct json_value *config = given(object, "sync_config");
    struct buffer buffer = {0};
    struct json_writer writer;

    if (!config)
        return text_none;
    if (config->type != JSON_OBJECT) {
        refuse(&reading, TEXT("sync_config"), "must be an object");
        return text_none;
    }
    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    for (unsigned i = 0; i < SYNC_SUBJECTS; i++)
        read_subject(&reading, config, (enum sync_subject)i, &writer);
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        read_group(&reading, config, &groups[i], &writer);
    json_end_object(&writer);
    const char *reason = kept_json_reason(config, buffer.length);

    if (reason)
        refuse(&reading, TEXT("sync_config"), reason);
    struct text text = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return text;
}
