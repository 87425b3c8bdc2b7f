/* The descriptions of the entities: what everything else takes for granted about them. */
#include "cmocka_all.h"

#include "entity_list.h"

static const struct entity *entity; /* that is looked at */
static const struct field *field;   /* the same */

#define expect(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            fail_msg("%.*s.%.*s: not so: %s", TEXT_FORMAT(entity->name),                                     \
                     TEXT_FORMAT(field ? field->name : text_empty), #condition);                             \
    } while (0)

static size_t member_size(enum field_type type)
{
    switch (type) {
    case FIELD_INSTANT:
    case FIELD_INTEGER:
        return sizeof(int64_t);
    case FIELD_BOOLEAN:
        return sizeof(bool);
    case FIELD_JSON_ARRAY:
        return sizeof(void *);
    case FIELD_TENANT_ID:
    case FIELD_ENVIRONMENT_ID:
        return 0;
    default:
        return sizeof(struct text);
    }
}

/* Runs `check` on every field of every entity. */
static void for_all_fields(void (*check)(void))
{
    for (unsigned i = 0; i < ENTITY_COUNT; i++) {
        entity = entities[i];
        for (size_t j = 0; j < entity->field_count; j++) {
            field = &entity->fields[j];
            check();
        }
    }
}

static void for_all_entities(void (*check)(void))
{
    field = NULL;
    for (unsigned i = 0; i < ENTITY_COUNT; i++) {
        entity = entities[i];
        check();
    }
}

static void check_entity(void)
{
    expect(text_equal(entity->fields[0].name, TEXT("id")));
    expect(entity->fields[0].type == FIELD_TEXT && entity->fields[0].offset == 0);
    expect(entity->field_count <= 64); /* the set of changed columns is one word */
    expect(entity->name.length > 0 && entity->label.length > 0 && entity->table.length > 0);
    /* One that is in no reply has no schema, one whose ids are names no prefix. */
    expect(!text_is_set(entity->schema) || text_ends_with(entity->schema, TEXT("Response")));
    expect(!entity->id_prefix || (strlen(entity->id_prefix) > 0 && strlen(entity->id_prefix) + 1 + 26 <= 50));
    expect(text_is_set(entity->event_created) == text_is_set(entity->event_updated));
    expect(text_is_set(entity->event_created) == text_is_set(entity->event_archived));
    /* An event and its audit row need a scope to be written in. */
    expect(!text_is_set(entity->event_created) || entity->scoping == SCOPED_BY_ENVIRONMENT);
    for (const char *const *name =
             (const char *const[]){"status", "created_at", "updated_at", "created_by", "updated_by", NULL};
         *name; name++)
        expect(entity->has_no_trail || entity_field(entity, text_from_string(*name)));
    expect(!entity_field(entity, TEXT("scope"))); /* the store's own column */
}

static void test_entities(void **state)
{
    (void)state;
    for_all_entities(check_entity);
}

static void check_distinct(void)
{
    for (unsigned i = 0; i < ENTITY_COUNT; i++) {
        const struct entity *other = entities[i];

        if (other == entity)
            continue;
        expect(!text_equal(other->name, entity->name));
        expect(!text_equal(other->table, entity->table));
        expect(!text_is_set(entity->schema) || !text_equal(other->schema, entity->schema));
        expect(!entity->id_prefix || !other->id_prefix || strcmp(other->id_prefix, entity->id_prefix) != 0);
    }
}

static void test_entities_are_distinct(void **state)
{
    (void)state;
    for_all_entities(check_distinct);
}

static void check_name_and_key(void)
{
    expect(field->name.length > 0);
    expect(field->key.length == field->name.length + 3);
    expect(text_equal(text_slice(field->key, 1, field->name.length), field->name));
    expect(field->key.data[0] == '"' && text_ends_with(field->key, TEXT("\":")));
    expect(entity_field(entity, field->name) == field); /* the first of its name, so the only one */
    /* Used as details beside the fields. */
    expect(!text_equal(field->name, TEXT("field")) && !text_equal(field->name, TEXT("expected")));
}

static void test_names(void **state)
{
    (void)state;
    for_all_fields(check_name_and_key);
}

static void check_place(void)
{
    size_t size = member_size(field->type);

    expect(field->offset + size <= entity->struct_size);
    for (const struct field *other = entity->fields; other < field; other++)
        expect(size == 0 || member_size(other->type) == 0 ||
               other->offset + member_size(other->type) <= field->offset ||
               field->offset + size <= other->offset);
}

static void test_members_lie_in_the_struct_apart(void **state)
{
    (void)state;
    for_all_fields(check_place);
}

static void check_flags(void)
{
    bool text = field->type == FIELD_TEXT;

    /* Only these have a reader. */
    expect(!(field->flags & FIELD_INPUT) || (field->type != FIELD_INTEGER && field->type != FIELD_TENANT_ID &&
                                             field->type != FIELD_ENVIRONMENT_ID));
    expect(!(field->flags & FIELD_OMIT_UNSET) || field_is_text(field) || field->type == FIELD_INSTANT);
    expect(!(field->flags & FIELD_WHOLE_SECONDS) || field->type == FIELD_INSTANT);
    expect(!(field->flags & FIELD_SECRET) || field->flags & FIELD_INTERNAL);
    expect(!(field->flags & FIELD_SECRET) || !(field->flags & (FIELD_EVENT | FIELD_EVENT_ALWAYS)));
    expect(!(field->flags & FIELD_REQUIRED) || !text_is_set(field->fallback));
    expect(field->length_max == 0 || text);
    expect(!field->check || text);
    expect(!field->values || text || field->type == FIELD_STRING_LIST);
    expect(!(field->flags & FIELD_UNIQUE) || text);
    /* Whatever a client may send has a bound, by its length or by its format. */
    expect(!(text && field->flags & FIELD_INPUT) || field->length_max || field->check || field->values);
}

static void test_flags(void **state)
{
    (void)state;
    for_all_fields(check_flags);
}

static void check_fallback(void)
{
    if (!text_is_set(field->fallback) || field->fallback.length == 0)
        return;
    expect(!field->check || !field->check(field->fallback));
    expect(field->length_max == 0 || field->fallback.length <= field->length_max);
}

static void test_fallbacks_follow_their_own_rules(void **state)
{
    (void)state;
    for_all_fields(check_fallback);
}

static void test_lookups(void **state)
{
    struct customer one = {.id = TEXT("cust_1"), .metadata = TEXT("{}"), .created_at = 1};
    struct customer other = one;
    const struct field *contact = entity_field(&customer_entity, TEXT("contact"));
    const struct field *metadata = entity_field(&customer_entity, TEXT("metadata"));
    const struct field *created_at = entity_field(&customer_entity, TEXT("created_at"));

    (void)state;
    assert_text(entity_id(&customer_entity, &one), "cust_1");
    assert_null(entity_field(&customer_entity, TEXT("none")));
    assert_true(field_equal(contact, &one, &other));
    other.contact = TEXT("");
    assert_false(field_equal(contact, &one, &other)); /* unset is not empty */
    assert_true(field_empty(contact, &one) && field_empty(contact, &other));
    assert_true(field_empty(metadata, &one));
    one.metadata = TEXT("{\"a\":\"\"}");
    assert_false(field_empty(metadata, &one));
    assert_false(field_equal(metadata, &one, &other));
    assert_true(field_equal(created_at, &one, &other));
    other.created_at = INSTANT_UNSET;
    assert_false(field_equal(created_at, &one, &other));
    assert_true(field_empty(created_at, &other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entities), cmocka_unit_test(test_entities_are_distinct),
        cmocka_unit_test(test_names),    cmocka_unit_test(test_members_lie_in_the_struct_apart),
        cmocka_unit_test(test_flags),    cmocka_unit_test(test_fallbacks_follow_their_own_rules),
        cmocka_unit_test(test_lookups),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
