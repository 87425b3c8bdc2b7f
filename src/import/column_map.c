#include "import/column_map.h"

#include "json/writer.h"

struct column_rule {
    struct column_rule *next;
    struct text field, column;
    bool is_optional; /* of a preset */
};

static const struct text metadata_prefix = TEXT_LITERAL("metadata.");
static const struct text metadata_suffix = TEXT_LITERAL(" (metadata)");

void column_map_init(struct column_map *map, const struct text *fields, struct arena *arena)
{
    *map = (struct column_map){.arena = arena, .fields = fields, .ignored = text_empty};
    map->rules_end = &map->rules;
}

static bool is_metadata(struct text name)
{
    return name.length > metadata_prefix.length &&
           text_equal_ignoring_case(text_slice(name, 0, metadata_prefix.length), metadata_prefix);
}

/* The field's own spelling of a name; metadata.KEY keeps the case of its key. Unset when there is none. */
static struct text field_called(const struct column_map *map, struct text name)
{
    if (is_metadata(name))
        return name;
    for (const struct text *field = map->fields; field->data; field++)
        if (text_equal_ignoring_case(*field, name))
            return *field;
    return text_none;
}

/* ---- rules ---- */

static void add_rule(struct column_map *map, struct text field, struct text column, bool is_optional)
{
    struct column_rule *rule = ARENA_NEW(map->arena, struct column_rule);

    *rule = (struct column_rule){.field = field, .column = column, .is_optional = is_optional};
    *map->rules_end = rule;
    map->rules_end = &rule->next;
}

void column_map_add_optional(struct column_map *map, struct text field, struct text column)
{
    add_rule(map, field, column, true);
}

bool column_map_add(struct column_map *map, struct text rules, struct text *reason)
{
    for (;;) {
        size_t end = text_find(rules, ',');
        struct text rule = text_slice(rules, 0, end);
        size_t equals = text_find(rule, '=');
        struct text field = field_called(map, text_trim(text_slice(rule, 0, equals)));

        if (equals == rule.length || equals + 1 == rule.length) {
            *reason = arena_format(map->arena, "--map takes FIELD=COLUMN, not \"%.*s\"", TEXT_FORMAT(rule));
            return false;
        }
        if (!text_is_set(field)) {
            *reason = arena_format(map->arena, "--map names \"%.*s\", which is not a field of a customer",
                                   TEXT_FORMAT(text_slice(rule, 0, equals)));
            return false;
        }
        add_rule(map, field, text_from(rule, equals + 1), false);
        if (end == rules.length)
            return true;
        rules = text_from(rules, end + 1);
    }
}

/* Whether --map has a rule for this field, so that the preset's do not count. */
static bool is_overruled(const struct column_map *map, const struct column_rule *rule)
{
    if (!rule->is_optional)
        return false;
    for (const struct column_rule *other = map->rules; other; other = other->next)
        if (!other->is_optional && text_equal(other->field, rule->field))
            return true;
    return false;
}

/* ---- targets ---- */

static struct column_target *find_target(struct column_map *map, struct text name)
{
    for (struct column_target *target = map->targets; target; target = target->next)
        if (text_equal(target->name, name))
            return target;
    return NULL;
}

static struct text json_key_of(struct arena *arena, struct text name)
{
    struct buffer buffer = {0};

    json_append_string(&buffer, name);
    buffer_append_char(&buffer, ':');
    struct text key = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return key;
}

/* Metadata goes behind all fields, because it is one object in the row. */
static struct column_target *add_target(struct column_map *map, struct text name)
{
    struct column_target *target = ARENA_NEW(map->arena, struct column_target);
    struct column_target **place = &map->targets;

    target->name = name;
    target->is_metadata = is_metadata(name);
    target->key =
        json_key_of(map->arena, target->is_metadata ? text_from(name, metadata_prefix.length) : name);
    while (*place && (target->is_metadata || !(*place)->is_metadata))
        place = &(*place)->next;
    target->next = *place;
    *place = target;
    return target;
}

static void add_source(struct column_map *map, struct text field, struct column_source source)
{
    struct column_source *added = ARENA_NEW(map->arena, struct column_source);
    struct column_target *target = find_target(map, field);
    struct column_source **place;

    if (!target)
        target = add_target(map, field);
    for (place = &target->sources; *place; place = &(*place)->next)
        continue;
    *added = source;
    *place = added;
}

/* ---- binding ---- */

struct binding {
    struct column_map *map;
    const struct text *header;
    size_t count;
    bool *is_used;
};

/* The column of that name; if there is none that is spelled so, the first one that is in another case. */
static bool find_column(const struct binding *binding, struct text name, size_t *column)
{
    bool is_there = false;

    for (size_t i = binding->count; i-- > 0;)
        if (text_equal(binding->header[i], name)) {
            *column = i;
            return true;
        } else if (text_equal_ignoring_case(binding->header[i], name)) {
            *column = i;
            is_there = true;
        }
    return is_there;
}

/* Splits `A+B` and gives each part to `found`. False when a part is not there. */
static bool bind_parts(const struct binding *binding, struct text column, struct column_source *source)
{
    for (source->count = 0; source->count < COLUMN_PARTS_MAX; source->count++) {
        size_t end = text_find(column, '+');

        source->names[source->count] = text_slice(column, 0, end);
        if (binding && !find_column(binding, source->names[source->count], &source->columns[source->count]))
            return false;
        if (end == column.length) {
            source->count++;
            return true;
        }
        column = text_from(column, end + 1);
    }
    return false;
}

static bool bind_source(const struct binding *binding, struct text column, struct column_source *source)
{
    if (!find_column(binding, column, &source->columns[0]))
        return text_find(column, '+') < column.length && bind_parts(binding, column, source);
    source->names[0] = column;
    source->count = 1;
    return true;
}

static void append_name(struct column_map *map, struct text *list, struct text name, size_t *count)
{
    if (++*count > COLUMN_NAMES_SHOWN + 1)
        return;
    if (*count > COLUMN_NAMES_SHOWN)
        *list = arena_format(map->arena, "%.*s and more", TEXT_FORMAT(*list));
    else
        *list = arena_format(map->arena, "%.*s%s%.*s", TEXT_FORMAT(*list), *count > 1 ? ", " : "",
                             TEXT_FORMAT(name));
}

static struct text header_list(const struct binding *binding)
{
    struct text list = text_empty;
    size_t shown = 0;

    for (size_t i = 0; i < binding->count; i++)
        append_name(binding->map, &list, binding->header[i], &shown);
    return list;
}

static bool bind_rules(struct binding *binding, struct text *reason)
{
    struct column_map *map = binding->map;

    for (const struct column_rule *rule = map->rules; rule; rule = rule->next) {
        struct column_source source = {0};

        if (is_overruled(map, rule))
            continue;
        if (bind_source(binding, rule->column, &source)) {
            for (unsigned i = 0; i < source.count; i++)
                binding->is_used[source.columns[i]] = true;
            add_source(map, rule->field, source);
        } else if (!rule->is_optional) {
            *reason = arena_format(map->arena, "has no column \"%.*s\"; it has %.*s",
                                   TEXT_FORMAT(rule->column), TEXT_FORMAT(header_list(binding)));
            return false;
        }
    }
    return true;
}

/* Where a column goes that no rule names; unset: nowhere. */
static struct text own_place(const struct column_map *map, struct text name)
{
    struct text field = field_called(map, name);

    if (text_is_set(field))
        return field;
    if (map->has_metadata_suffix && name.length > metadata_suffix.length &&
        text_ends_with(name, metadata_suffix))
        return arena_format(map->arena, "metadata.%.*s", (int)(name.length - metadata_suffix.length),
                            name.data);
    if (map->keeps_unmapped && name.length > 0)
        return arena_format(map->arena, "metadata.%.*s", TEXT_FORMAT(name));
    return text_none;
}

/* The columns that are called as their place is, or those that are not. */
static void bind_called(struct binding *binding, bool is_exactly)
{
    struct column_map *map = binding->map;

    for (size_t i = 0; i < binding->count; i++) {
        struct text name = binding->header[i], place = binding->is_used[i] ? text_none : own_place(map, name);

        if (!text_is_set(place) || text_equal(place, name) != is_exactly || find_target(map, place))
            continue;
        add_source(map, place, (struct column_source){.names = {name}, .columns = {i}, .count = 1});
        binding->is_used[i] = true;
    }
}

static void bind_others(struct binding *binding)
{
    size_t ignored = 0;

    bind_called(binding, true);
    bind_called(binding, false);
    for (size_t i = 0; i < binding->count; i++)
        if (!binding->is_used[i])
            append_name(binding->map, &binding->map->ignored,
                        binding->header[i].length ? binding->header[i] : TEXT("(no name)"), &ignored);
}

static bool names_are_unique(const struct binding *binding, struct text *reason)
{
    for (size_t i = 0; i < binding->count; i++)
        for (size_t j = 0; j < i; j++)
            if (binding->header[i].length > 0 && text_equal(binding->header[i], binding->header[j])) {
                *reason = arena_format(binding->map->arena, "has two columns called \"%.*s\"",
                                       TEXT_FORMAT(binding->header[i]));
                return false;
            }
    return true;
}

bool column_map_bind(struct column_map *map, const struct text *header, size_t count, struct text *reason)
{
    struct text *copy = ARENA_ARRAY(map->arena, struct text, count);
    struct binding binding = {map, copy, count, ARENA_ARRAY(map->arena, bool, count)};

    for (size_t i = 0; i < count; i++)
        copy[i] = arena_copy(map->arena, text_trim(header[i]));
    map->column_count = count;
    if (!names_are_unique(&binding, reason) || !bind_rules(&binding, reason))
        return false;
    bind_others(&binding);
    if (find_target(map, TEXT("external_id")))
        return true;
    *reason = arena_format(map->arena,
                           "has no column external_id; it has %.*s. Name the one to use with "
                           "--map external_id=COLUMN",
                           TEXT_FORMAT(header_list(&binding)));
    return false;
}

void column_map_bind_names(struct column_map *map)
{
    for (const struct column_rule *rule = map->rules; rule; rule = rule->next) {
        struct column_source source = {.names = {rule->column}, .count = 1};

        if (is_overruled(map, rule))
            continue;
        add_source(map, rule->field, source);
        if (text_find(rule->column, '+') < rule->column.length && bind_parts(NULL, rule->column, &source))
            add_source(map, rule->field, source);
    }
}
