#include "archive/s3_location.h"

#include "archive/destination_internal.h"

#define SCHEME         TEXT("s3://")
#define DEFAULT_REGION TEXT("us-east-1")

enum { REGION_BYTES_MAX = 64, ENDPOINT_BYTES_MAX = 300 };

static bool refuse(struct text *reason, struct text why)
{
    *reason = why;
    return false;
}

static struct text without_slashes_behind(struct text text)
{
    while (text_ends_with(text, TEXT("/")))
        text.length--;
    return text;
}

static bool read_bucket(const struct destination_options *options, struct arena *arena, struct text *bucket,
                        struct s3_location *location, struct text *reason)
{
    struct text path = without_slashes_behind(text_from(options->location, SCHEME.length));
    size_t end = text_find(path, '/');

    *bucket = text_slice(path, 0, end);
    if (!destination_is_path(*bucket))
        return refuse(reason,
                      TEXT("an S3 location is s3://BUCKET or s3://BUCKET/PREFIX, and a bucket's name is of "
                           "letters, digits and . _ -"));
    location->key_prefix = text_empty;
    if (end == path.length)
        return true;
    struct text prefix = text_from(path, end + 1);

    if (!destination_is_name(prefix))
        return refuse(reason,
                      TEXT("the prefix of an S3 location is parts of letters, digits and . _ - with a slash "
                           "between, none with a dot in front"));
    location->key_prefix = arena_format(arena, "%.*s/", TEXT_FORMAT(prefix));
    return true;
}

static bool is_region(struct text region)
{
    return region.length <= REGION_BYTES_MAX && text_find(region, '/') == region.length &&
           destination_is_path(region);
}

static bool read_region(const struct destination_options *options, struct arena *arena,
                        struct s3_location *location, struct text *reason)
{
    if (!options->s3_region.length && !options->s3_endpoint.length)
        return refuse(reason, TEXT("Amazon's S3 needs the bucket's region"));
    location->region = options->s3_region.length ? arena_copy(arena, options->s3_region) : DEFAULT_REGION;
    return is_region(location->region) ||
           refuse(reason, TEXT("a region's name is of letters, digits and . _ -, like eu-central-1"));
}

/* http(s)://HOST[:PORT]: nothing that would be a path, a query, a user or two addresses. */
static bool is_endpoint(struct text endpoint)
{
    struct text host = text_starts_with(endpoint, TEXT("https://"))  ? text_from(endpoint, 8)
                       : text_starts_with(endpoint, TEXT("http://")) ? text_from(endpoint, 7)
                                                                     : text_empty;

    if (host.length == 0 || host.length > ENDPOINT_BYTES_MAX || !text_is_visible_ascii(host))
        return false;
    for (size_t i = 0; i < host.length; i++)
        if (text_find(TEXT("/?#@\\%\"<>"), host.data[i]) < 9)
            return false;
    return true;
}

static bool read_endpoint(const struct destination_options *options, struct text bucket, struct arena *arena,
                          struct s3_location *location, struct text *reason)
{
    struct text endpoint = without_slashes_behind(options->s3_endpoint);

    if (!is_endpoint(endpoint))
        return refuse(reason, TEXT("an S3 endpoint is http://HOST[:PORT] or https://HOST[:PORT]"));
    location->bucket_url = arena_format(arena, "%.*s/%.*s", TEXT_FORMAT(endpoint), TEXT_FORMAT(bucket));
    location->object_url = arena_format(arena, "%.*s/%.*s", TEXT_FORMAT(location->bucket_url),
                                        TEXT_FORMAT(location->key_prefix));
    location->place = arena_format(
        arena, "%.*s at %.*s", TEXT_FORMAT(without_slashes_behind(options->location)), TEXT_FORMAT(endpoint));
    return true;
}

static bool use_amazon(const struct destination_options *options, struct text bucket, struct arena *arena,
                       struct s3_location *location)
{
    /* Amazon's certificates have one name in front of the service's. */
    bool is_in_path = text_find(bucket, '.') < bucket.length;

    location->bucket_url = is_in_path ? arena_format(arena, "https://s3.%.*s.amazonaws.com/%.*s",
                                                     TEXT_FORMAT(location->region), TEXT_FORMAT(bucket))
                                      : arena_format(arena, "https://%.*s.s3.%.*s.amazonaws.com/",
                                                     TEXT_FORMAT(bucket), TEXT_FORMAT(location->region));
    location->object_url = arena_format(arena, "%.*s%s%.*s", TEXT_FORMAT(location->bucket_url),
                                        is_in_path ? "/" : "", TEXT_FORMAT(location->key_prefix));
    location->place = arena_copy(arena, without_slashes_behind(options->location));
    return true;
}

bool s3_location_read(const struct destination_options *options, struct arena *arena,
                      struct s3_location *location, struct text *reason)
{
    struct text bucket;

    return read_bucket(options, arena, &bucket, location, reason) &&
           read_region(options, arena, location, reason) &&
           (options->s3_endpoint.length ? read_endpoint(options, bucket, arena, location, reason)
                                        : use_amazon(options, bucket, arena, location));
}
