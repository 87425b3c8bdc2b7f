/* billing_details.c: conventions section 22.3. */
#include "domain/tenants.h"
#include "model/entity_json.h"
#include "model/format.h"

#define DETAIL(member, max)                                                                                  \
    FIELD(struct billing_details, member, FIELD_TEXT), .flags = FIELD_INPUT, .length_max = (max),            \
                                                       .fallback = TEXT_LITERAL("")

/* The specification has no limit for the first three; a tenant is part of every reply that shows a user. */
const struct field billing_fields[] = {
    {DETAIL(email, 255)},
    {DETAIL(help_email, 255)},
    {DETAIL(phone, 255)},
};
const struct field billing_address_fields[] = {
    {DETAIL(address_line1, 255)},      {DETAIL(address_line2, 255)},
    {DETAIL(address_city, 100)},       {DETAIL(address_state, 100)},
    {DETAIL(address_postal_code, 20)}, {DETAIL(address_country, 2), .check = format_country},
};
const size_t billing_field_count = sizeof billing_fields / sizeof billing_fields[0];
const size_t billing_address_field_count = sizeof billing_address_fields / sizeof billing_address_fields[0];

static const struct billing_details nothing = {
    .email = TEXT_LITERAL(""),
    .help_email = TEXT_LITERAL(""),
    .phone = TEXT_LITERAL(""),
    .address_line1 = TEXT_LITERAL(""),
    .address_line2 = TEXT_LITERAL(""),
    .address_city = TEXT_LITERAL(""),
    .address_state = TEXT_LITERAL(""),
    .address_postal_code = TEXT_LITERAL(""),
    .address_country = TEXT_LITERAL(""),
};

/* Those of an `address` are read by themselves, and found again under its name. */
static void read_address(const struct json_value *details_object, struct billing_details *details,
                         struct arena *arena, struct failure **failure)
{
    fields_read_member(billing_address_fields, billing_address_field_count, details_object, TEXT("address"),
                       details, arena, failure);
}

void billing_details_read(const struct json_value *request, struct billing_details *details,
                          struct arena *arena, struct failure **failure)
{
    const struct json_value *object = json_member(request, TEXT("billing_details"));
    struct failure *address_failure = NULL;

    *details = nothing;
    if (!fields_read_member(billing_fields, billing_field_count, request, TEXT("billing_details"), details,
                            arena, failure) ||
        object->type != JSON_OBJECT)
        return;
    read_address(object, details, arena, &address_failure);
    if (address_failure)
        failure_add_inner(failure, arena, TEXT("billing_details"), address_failure);
}

static void write_given(struct json_writer *writer, const struct field *fields, size_t count,
                        const struct billing_details *details)
{
    for (const struct field *field = fields; field < fields + count; field++)
        if (field_text_of(field, details).length > 0) {
            json_put_string(writer, field->name, field_text_of(field, details));
        }
}

struct text billing_details_store(const struct billing_details *details, struct arena *arena)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    write_given(&writer, billing_fields, billing_field_count, details);
    json_key(&writer, TEXT("address"));
    json_begin_object(&writer);
    write_given(&writer, billing_address_fields, billing_address_field_count, details);
    json_end_object(&writer);
    json_end_object(&writer);
    struct text stored = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return stored;
}

void billing_details_load(struct text stored, struct arena *arena, struct billing_details *details)
{
    struct json_error error;
    struct failure *failure = NULL; /* what is stored was checked when it came */
    const struct json_value *object = stored.length > 0 ? json_read(arena, stored, &error) : NULL;

    *details = nothing;
    if (!object)
        return;
    fields_read_json(billing_fields, billing_field_count, object, details, arena, &failure);
    read_address(object, details, arena, &failure);
}
