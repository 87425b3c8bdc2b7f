/* entity.h: an entity is described once, as a C struct and a table of its fields; the columns, the row
 * reader, the JSON reader with its validation, the JSON writer and the API description all follow from that
 * table.
 *
 *     struct customer { struct text id; struct text name; ... };
 *     static const struct field customer_fields[] = {
 *         {FIELD(struct customer, name, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED, .length_max =
 * 255}, ...
 *
 * A new field is one line there and one migration. */
#ifndef FARTHING_MODEL_ENTITY_H
#define FARTHING_MODEL_ENTITY_H

#include "base/arena.h"
#include "base/text.h"

#include <stddef.h>

enum field_type {
    FIELD_TEXT,        /* struct text; unset is SQL NULL */
    FIELD_INSTANT,     /* int64_t, microseconds; INSTANT_UNSET is SQL NULL */
    FIELD_BOOLEAN,     /* bool */
    FIELD_INTEGER,     /* int64_t */
    FIELD_STRING_MAP,  /* struct text: a JSON object of strings, compact; unset is null (conventions section
                          13) */
    FIELD_STRING_LIST, /* struct text: a JSON array of strings, compact; unset is null */
    FIELD_JSON_OBJECT, /* struct text: any JSON object, compact; unset is null */
    FIELD_JSON_ARRAY,  /* const struct json_value *, input only: the elements as they were sent; NULL when
                          absent */
    FIELD_TENANT_ID,   /* no member, no column: comes from the scope of the row */
    FIELD_ENVIRONMENT_ID, /* the same */
};

#define INSTANT_UNSET INT64_MIN

enum field_flags {
    FIELD_INPUT = 1 << 0,         /* a client may give it when it creates the entity */
    FIELD_REQUIRED = 1 << 1,      /* input must give it, not empty */
    FIELD_UNIQUE = 1 << 2,        /* one published row of a scope may have a value */
    FIELD_OMIT_UNSET = 1 << 3,    /* left out of the reply while it is unset (otherwise null) */
    FIELD_OMIT_EMPTY = 1 << 4,    /* left out of the reply while it is unset or empty, {} and [] included */
    FIELD_WHOLE_SECONDS = 1 << 5, /* an instant that is printed without its fraction */
    FIELD_INTERNAL = 1 << 6,      /* never in a reply */
    FIELD_SECRET = 1 << 7,        /* the audit trail says that it was set, not to what */
    FIELD_EVENT = 1 << 8,         /* part of the entity's snapshot in outgoing events */
    FIELD_EVENT_ALWAYS = 1 << 9,  /* the same, also while it is empty */
    FIELD_STAMP = 1 << 10,        /* who and when: the audit row says it already */
    FIELD_SEARCHED = 1 << 11,     /* an index finds parts of it (the migrations make that) */
    FIELD_PERSONAL = 1 << 12,     /* tells of the customer, and goes when the customer is erased */
    FIELD_NULLABLE = 1 << 13,     /* a reply's may be null: for the API description */
};

struct field {
    struct text name;
    struct text key; /* `"name":`, ready to be written */
    enum field_type type;
    unsigned flags;
    size_t offset;     /* of the member in the entity's struct */
    size_t length_max; /* code points; 0: no limit */
    const char *(*check)(
        struct text value);    /* the format rule of a text that is not empty; NULL or a reason */
    struct text fallback;      /* the value when input gives none; unset: SQL NULL */
    const struct text *values; /* the allowed values, ended by an unset text; NULL: any */
    /* An older name that fields_read_json takes where the name is not given; unset: there is none. */
    struct text alias;
    /* Of a FIELD_JSON_OBJECT what it has in it, of a FIELD_JSON_ARRAY what each of its elements has: for the
     * API description, from the tables that its reader goes by. NULL: anything. */
    const struct object_shape *shape;
};

/* The members of an object inside of an input. */
struct object_shape {
    struct text schema; /* its name in the API description: "FilterCondition" */
    const struct field *fields;
    size_t field_count;
};

#define FIELD(struct_type, member, field_type)                                                               \
    .name = TEXT_LITERAL(#member), .key = TEXT_LITERAL("\"" #member "\":"), .type = (field_type),            \
    .offset = offsetof(struct_type, member)
#define FIELD_FROM_SCOPE(member, field_type)                                                                 \
    .name = TEXT_LITERAL(#member), .key = TEXT_LITERAL("\"" #member "\":"), .type = (field_type)

/* The columns that every row has (conventions section 12), as members and as fields. */
#define ENTITY_BASE_MEMBERS                                                                                  \
    struct text status;                                                                                      \
    int64_t created_at;                                                                                      \
    int64_t updated_at;                                                                                      \
    struct text created_by;                                                                                  \
    struct text updated_by

/* `status_flags`, `instant_flags` and `actor_flags` say what is special about them in this entity. */
#define ENTITY_BASE_FIELDS_WITH(struct_type, status_flags, instant_flags, actor_flags)                       \
    {FIELD(struct_type, status, FIELD_TEXT), .flags = (status_flags), .length_max = 20,                      \
     .values = entity_statuses},                                                                             \
        {FIELD(struct_type, created_at, FIELD_INSTANT), .flags = (instant_flags) | FIELD_STAMP},             \
        {FIELD(struct_type, updated_at, FIELD_INSTANT),                                                      \
         .flags = (instant_flags) | FIELD_STAMP | FIELD_EVENT_ALWAYS},                                       \
        {FIELD(struct_type, created_by, FIELD_TEXT), .flags = (actor_flags) | FIELD_STAMP},                  \
    {                                                                                                        \
        FIELD(struct_type, updated_by, FIELD_TEXT), .flags = (actor_flags) | FIELD_STAMP                     \
    }
/* The same of an entity that shows by whom it was made and changed. */
#define ENTITY_BASE_FIELDS(struct_type, status_flags, instant_flags)                                         \
    ENTITY_BASE_FIELDS_WITH(struct_type, status_flags, instant_flags, 0)

enum entity_scoping {
    SCOPED_GLOBALLY,       /* tenants */
    SCOPED_BY_TENANT,      /* users, environments: a plain tenant_id column */
    SCOPED_BY_ENVIRONMENT, /* everything else: the interned `scope` column leads the primary key */
};

struct entity {
    struct text name;  /* singular: "customer" */
    struct text label; /* for a person: "customer", "API key" */
    struct text table; /* "customers" */
    struct text
        schema; /* the name of its object in the API description: "CustomerResponse"; unset: it has none */
    const char *id_prefix; /* "cust"; NULL: its ids are names */
    enum entity_scoping scoping;
    const struct field *fields; /* the first one is `id` */
    size_t field_count;
    size_t struct_size;
    bool is_cached;    /* processes keep what they need of it in memory, and must hear of its changes */
    bool is_counted;   /* the numbers of its rows are kept (row_counts) */
    bool has_no_trail; /* rows that only help the product with its work: nothing of them is audited */
    /* The customer whom a record tells of: its trail is encrypted under that customer's key
     * (store/customer_key.h). Unset, or NULL: of none. */
    struct text (*customer_of)(const void *record);
    /* The events that creating, changing and archiving it send out; unset: none. */
    struct text event_created, event_updated, event_archived;
};

#define ENTITY_FIELDS(array) .fields = (array), .field_count = sizeof(array) / sizeof((array)[0])

extern const struct text entity_statuses[];
extern const struct text status_published;
extern const struct text status_archived;
extern const struct text status_deleted;

/* Whether a field has a column of its own. */
static inline bool field_is_column(const struct field *field)
{
    return field->type != FIELD_TENANT_ID && field->type != FIELD_ENVIRONMENT_ID &&
           field->type != FIELD_JSON_ARRAY;
}

/* Whether the member is a struct text. */
bool field_is_text(const struct field *field);

/* The member of `record` that `field` describes. */
static inline struct text *field_text(const struct field *field, void *record)
{
    return (struct text *)((char *)record + field->offset);
}
static inline struct text field_text_of(const struct field *field, const void *record)
{
    return *(const struct text *)((const char *)record + field->offset);
}
static inline int64_t field_instant_of(const struct field *field, const void *record)
{
    return *(const int64_t *)((const char *)record + field->offset);
}
static inline int64_t field_integer_of(const struct field *field, const void *record)
{
    return *(const int64_t *)((const char *)record + field->offset);
}
static inline bool field_boolean_of(const struct field *field, const void *record)
{
    return *(const bool *)((const char *)record + field->offset);
}

/* Takes out of a record what is FIELD_PERSONAL: a field that must not be empty becomes `placeholder`, every
 * other one what it is when nobody gives it. */
void entity_forget(const struct entity *entity, void *record, struct text placeholder);
/* Whether it has fields that are FIELD_SEARCHED. */
bool entity_is_searched(const struct entity *entity);
/* The field named `name`, or NULL. */
const struct field *entity_field(const struct entity *entity, struct text name);
/* The id of a record. */
struct text entity_id(const struct entity *entity, const void *record);
/* Whether the values of `field` in two records are the same. */
bool field_equal(const struct field *field, const void *a, const void *b);
/* Whether `field` is unset, or an empty text, map, list or object. */
bool field_empty(const struct field *field, const void *record);

#endif
