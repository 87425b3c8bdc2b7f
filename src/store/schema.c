#include "store/schema.h"

#include "store/migration.h"
#include "store/postgres/postgres.h"
#include "store/sqlite/sqlite.h"

#include <assert.h>

/* ---- what a migration is for ---- */

/* Takes the next line of the comment that a script begins with, without its dashes. False at its end. */
static bool take_comment(struct text *script, struct text *line)
{
    size_t length = text_find(*script, '\n');

    *line = text_slice(*script, 0, length);
    *script = text_from(*script, length < script->length ? length + 1 : length);
    if (!text_starts_with(*line, TEXT("--")))
        return false;
    *line = text_trim(text_from(*line, 2));
    return line->length > 0;
}

/* The length of the first sentence, or 0 when it goes on beyond the text. */
static size_t sentence_length(struct text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] == '.' && (i + 1 == text.length || text.data[i + 1] == ' '))
            return i + 1;
    return 0;
}

static struct text first_sentence(struct text script, struct arena *arena)
{
    struct text sentence = text_empty, line;

    while (sentence_length(sentence) == 0 && take_comment(&script, &line))
        sentence = arena_format(arena, "%.*s%s%.*s", TEXT_FORMAT(sentence), sentence.length ? " " : "",
                                TEXT_FORMAT(line));
    size_t length = sentence_length(sentence);

    return length ? text_slice(sentence, 0, length) : sentence;
}

struct store_migration store_migration(struct text database, int version, struct arena *arena)
{
    assert(version > 0 && version <= store_schema_version(database));
    const struct migration *migrations = store_is_url(database) ? postgres_migrations : sqlite_migrations,
                           *migration = &migrations[version - 1];
    struct text script = text_from_string(migration->sql), line;

    /* PostgreSQL's begin with a line for the program, and perhaps an empty one. */
    if (text_starts_with(script, TEXT("-- oldest_reader:"))) {
        take_comment(&script, &line);
        if (text_starts_with(script, TEXT("--\n")))
            take_comment(&script, &line);
    }
    return (struct store_migration){text_from_string(migration->name), first_sentence(script, arena)};
}

/* ---- running them ---- */

static bool migrate_file(struct text path, bool is_rehearsal, struct arena *arena, struct text *reason)
{
    struct connection *connection = sqlite_connection_open(path, SQLITE_WRITER, arena, reason);

    if (!connection)
        return false;
    bool is_done =
        is_rehearsal ? sqlite_rehearse(connection, arena, reason) : sqlite_migrate(connection, arena, reason);

    sqlite_connection_close(connection);
    return is_done;
}

bool store_migrate(struct text database, bool is_rehearsal, struct arena *arena, struct text *reason)
{
    return store_is_url(database) ? postgres_migrate_at(database, is_rehearsal, arena, reason)
                                  : migrate_file(database, is_rehearsal, arena, reason);
}

bool store_settle(struct text path, struct arena *arena, struct text *reason)
{
    return sqlite_settle(path, arena, reason);
}
