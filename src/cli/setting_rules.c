/* setting_rules.c: what the text of a setting must look like, as far as can be told without trying it out. */
#include "access/secrets.h"
#include "api/api.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "cli/settings.h"
#include "http/address.h"
#include "store/store.h"
#include "json/reader.h"

enum {
    PORT_MAX = 65535,
    MODE_DIGITS_MAX = 4,
    TOKEN_LENGTH_MIN = 16,
    TENANT_NAME_LENGTH_MAX = 100,
};

static struct text without(struct text text, struct text prefix)
{
    return text_starts_with(text, prefix) ? text_from(text, prefix.length) : text;
}

static bool is_host_and_port(struct text value)
{
    size_t colon = value.length;
    uint64_t port;

    while (colon > 0 && value.data[colon - 1] != ':')
        colon--;
    if (colon == 0 || !text_to_uint64(text_from(value, colon), &port) || port > PORT_MAX)
        return false;
    struct text host = text_slice(value, 0, colon - 1);

    /* An IPv6 address stands in brackets: its colons would be mistaken for the port's. */
    return text_find(host, ':') == host.length || (host.data[0] == '[' && host.data[host.length - 1] == ']');
}

const char *setting_rule_listen(struct text value)
{
    static const struct text unix_prefix = TEXT_LITERAL("unix:"), inherited_prefix = TEXT_LITERAL("fd:");
    struct text address = without(without(value, TEXT("http://")), TEXT("https://"));
    uint64_t number;
    bool is_right = text_starts_with(address, unix_prefix) ? address.length > unix_prefix.length
                    : text_starts_with(address, inherited_prefix)
                        ? text_to_uint64(text_from(address, inherited_prefix.length), &number)
                        : is_host_and_port(address);

    return is_right || text_equal(value, TEXT("systemd"))
               ? NULL
               : "must be HOST:PORT or [IPV6]:PORT with a port from 0 to 65535, unix:PATH, fd:N or systemd";
}

const char *setting_rule_network(struct text value)
{
    struct http_network network;

    return text_equal(value, TEXT("loopback")) || text_equal(value, TEXT("unix")) ||
                   http_network_parse(value, &network)
               ? NULL
               : "must be an address, a network such as 10.0.0.0/8, loopback or unix";
}

const char *setting_rule_mode(struct text value)
{
    bool is_right = value.length > 0 && value.length <= MODE_DIGITS_MAX;

    for (size_t i = 0; i < value.length; i++)
        is_right &= value.data[i] >= '0' && value.data[i] <= '7';
    /* The fourth digit would be the set-user-id bits, which mean nothing here. */
    is_right &= value.length < MODE_DIGITS_MAX || value.data[0] == '0';
    return is_right ? NULL : "must be permissions in octal such as 0660";
}

/* SCHEME://HOST or SCHEME://HOST:PORT as a browser writes it, with which it is compared byte for byte; `null`
 * is what it says of a page without one. */
static bool is_origin(struct text value)
{
    static const struct text separator = TEXT_LITERAL("://");
    size_t scheme = text_find(value, ':');

    if (text_equal(value, TEXT("null")))
        return true;
    if (scheme == 0 || !text_starts_with(text_from(value, scheme), separator))
        return false;
    struct text host = text_from(value, scheme + separator.length);

    for (size_t i = 0; i < value.length; i++)
        if (value.data[i] <= ' ' || (value.data[i] >= 'A' && value.data[i] <= 'Z') || value.data[i] == '*')
            return false;
    return host.length > 0 && text_find(host, '/') == host.length;
}

const char *setting_rule_origins(struct text value)
{
    if (text_equal(value, TEXT("*")))
        return NULL;
    for (bool goes_on = true; goes_on;) {
        size_t comma = text_find(value, ',');

        if (!is_origin(text_trim(text_slice(value, 0, comma))))
            return "must be *, or origins joined by commas, such as https://app.example.com: with a scheme, "
                   "in small letters, without a path or a slash at the end";
        goes_on = comma < value.length;
        value = text_from(value, goes_on ? comma + 1 : comma);
    }
    return NULL;
}

const char *setting_rule_token(struct text value)
{
    return value.length >= TOKEN_LENGTH_MIN ? NULL : "must have at least 16 characters";
}

const char *setting_rule_secret(struct text value)
{
    return value.length >= SECRET_BYTES_MIN && value.length <= SECRET_BYTES_MAX
               ? NULL
               : "must have 32 to 256 bytes; `openssl rand -base64 48` makes one";
}

const char *setting_rule_tenant_name(struct text value)
{
    return utf8_valid(value) && utf8_length(value) <= TENANT_NAME_LENGTH_MAX
               ? NULL
               : "must be at most 100 characters of UTF-8";
}

const char *setting_rule_database(struct text value)
{
    return store_is_url(value) ? NULL : "must be postgres://USER:PASSWORD@HOST:PORT/DATABASE";
}

/* What else is wrong with it, destination_open says. */
const char *setting_rule_backup_place(struct text value)
{
    bool has_scheme = memmem(value.data, value.length, "://", 3) != NULL;

    return !has_scheme || text_starts_with(value, TEXT("s3://"))
               ? NULL
               : "must be a directory or s3://BUCKET/PREFIX";
}

const char *setting_rule_json_object(struct text value)
{
    struct arena arena;
    struct json_error error;

    arena_init(&arena);
    const struct json_value *root = json_read(&arena, value, &error);
    bool is_right = root && root->type == JSON_OBJECT;

    arena_free(&arena);
    return is_right ? NULL : "must be a JSON object";
}

const char *setting_rule_url(struct text value)
{
    bool has_scheme = text_starts_with(value, TEXT("http://")) || text_starts_with(value, TEXT("https://"));
    bool is_plain = text_find(value, '?') == value.length && text_find(value, '#') == value.length;

    for (size_t i = 0; i < value.length; i++)
        is_plain = is_plain && value.data[i] > ' ' && value.data[i] <= '~';
    return has_scheme && is_plain ? NULL
                                  : "must be an http:// or https:// URL without ? and #, such as "
                                    "https://portal.example.com";
}

const char *setting_rule_hex_key(struct text value)
{
    uint8_t bytes[API_CHAT_KEY_BYTES_MAX];

    return value.length >= 2 && value.length / 2 <= sizeof bytes && hex_decode(value, bytes, value.length / 2)
               ? NULL
               : "must be an even number of hexadecimal digits, at most 256";
}
