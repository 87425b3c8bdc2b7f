/* retention.c: what nobody can want any more is removed from the place of a continuous backup. */
#include "archive/base_maker.h"
#include "archive/catalogue.h"

struct removal {
    struct destination *destination;
    struct destination_failure *failure;
    int64_t first_kept; /* segment */
    bool has_failed;
};

static bool remove_segment(void *context, struct text name, uint64_t bytes)
{
    struct removal *removal = context;
    struct placed placed;

    (void)bytes;
    if (!read_segment_name(name, &placed) || placed.number >= removal->first_kept)
        return true;
    removal->has_failed = !destination_remove(removal->destination, name, removal->failure);
    return !removal->has_failed;
}

static bool remove_segments(struct removal *removal, struct text stream, struct arena *arena)
{
    return destination_list(removal->destination, segment_prefix(stream, arena), remove_segment, removal,
                            removal->failure) &&
           !removal->has_failed;
}

/* First what says that it is there. */
static bool remove_base(struct removal *removal, const struct base *base, struct arena *arena)
{
    return destination_remove(removal->destination, base_name(base, ".json", arena), removal->failure) &&
           destination_remove(removal->destination, base_name(base, ".zst", arena), removal->failure);
}

struct leftovers {
    struct removal *removal;
    const struct catalogue *catalogue;
    int64_t oldest;
};

static bool is_known(const struct catalogue *catalogue, const struct base *base)
{
    for (size_t i = 0; i < catalogue->base_count; i++)
        if (text_equal(catalogue->bases[i].placed.stream, base->placed.stream) &&
            catalogue->bases[i].placed.number == base->placed.number &&
            catalogue->bases[i].placed.instant == base->placed.instant)
            return true;
    return false;
}

static bool remove_leftover(void *context, struct text name, uint64_t bytes)
{
    const struct leftovers *leftovers = context;
    struct removal *removal = leftovers->removal;
    struct base base;

    (void)bytes;
    if (!read_base_name(name, ".zst", &base) || base.placed.instant > leftovers->oldest ||
        is_known(leftovers->catalogue, &base))
        return true;
    removal->has_failed = !destination_remove(removal->destination, name, removal->failure);
    return !removal->has_failed;
}

/* Databases of which nothing says that they are there, since storing or removing them was cut short. */
static bool remove_leftovers(struct removal *removal, const struct catalogue *catalogue, int64_t oldest)
{
    struct leftovers leftovers = {removal, catalogue, oldest};

    return destination_list(removal->destination, TEXT(BASE_PREFIX), remove_leftover, &leftovers,
                            removal->failure) &&
           !removal->has_failed;
}

/* The first base that is kept: the newest of those that are old enough, or the first of all. */
static size_t first_kept_base(const struct catalogue *catalogue, int64_t oldest)
{
    size_t kept = 0;

    for (size_t i = 0; i < catalogue->base_count; i++)
        if (catalogue->bases[i].placed.instant <= oldest)
            kept = i;
    return kept;
}

/* The segments from here on belong to bases that are kept; INT64_MAX: the stream has none of these. */
static int64_t first_kept_segment(const struct catalogue *catalogue, size_t kept, struct text stream)
{
    int64_t first = INT64_MAX;

    for (size_t i = kept; i < catalogue->base_count; i++)
        if (text_equal(catalogue->bases[i].placed.stream, stream) &&
            catalogue->bases[i].first_segment < first)
            first = catalogue->bases[i].first_segment;
    return first;
}

static bool remove_from_stream(struct removal *removal, const struct catalogue *catalogue, size_t kept,
                               struct text stream, bool is_current, struct arena *arena)
{
    removal->first_kept = first_kept_segment(catalogue, kept, stream);
    if (removal->first_kept == INT64_MAX && is_current)
        return true; /* its first base is still to come */
    if (!remove_segments(removal, stream, arena))
        return false;
    return removal->first_kept != INT64_MAX ||
           (destination_remove(removal->destination, secrets_name(stream, arena), removal->failure) &&
            destination_remove(removal->destination, stream_name(stream, arena), removal->failure));
}

bool archive_remove_old(struct destination *destination, struct text current_stream, int64_t oldest,
                        struct arena *arena, struct destination_failure *failure)
{
    struct removal removal = {.destination = destination, .failure = failure};
    struct catalogue catalogue;

    if (!catalogue_read(&catalogue, destination, arena, failure))
        return false;
    size_t kept = first_kept_base(&catalogue, oldest);

    for (size_t i = 0; i < kept; i++)
        if (!remove_base(&removal, &catalogue.bases[i], arena))
            return false;
    for (size_t i = 0; i < catalogue.stream_count; i++)
        if (!remove_from_stream(&removal, &catalogue, kept, catalogue.streams[i],
                                text_equal(catalogue.streams[i], current_stream), arena))
            return false;
    return remove_leftovers(&removal, &catalogue, oldest);
}
