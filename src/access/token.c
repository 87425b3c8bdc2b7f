#include "access/token.h"

#include "model/entity.h"
#include "json/writer.h"

static const struct text portal_type = TEXT_LITERAL("portal"), user_type = TEXT_LITERAL("user");
/* More exact than `iat`, and as the database has it, so that clocks that are set, or that differ, do not
 * matter. */
static const struct text password_claim = TEXT_LITERAL("password_set_at_us");
/* Part of the format of every portal token under way: never to be changed. */
static const struct text portal_use = TEXT_LITERAL("farthing portal token");

/* ---- issuing ---- */

static void begin(struct json_writer *writer, struct buffer *buffer, int64_t now_us, int64_t lifetime_seconds)
{
    int64_t now_seconds = now_us / MICROSECONDS_PER_SECOND;

    json_writer_init(writer, buffer);
    json_begin_object(writer);
    json_put_int64(writer, TEXT("iat"), now_seconds);
    json_put_int64(writer, TEXT("exp"), now_seconds + lifetime_seconds);
}

static struct text end(struct json_writer *writer, struct buffer *buffer, struct text key,
                       struct arena *arena)
{
    json_end_object(writer);
    struct text token = jwt_sign(buffer_text(buffer), key, arena);

    buffer_free(buffer);
    return token;
}

static struct text present_key(struct secrets *secrets, int64_t now_us, struct arena *arena)
{
    struct text keys[SECRET_KEYS_MAX];

    secrets_honoured(secrets, SECRET_SIGNING, now_us, arena, keys);
    return keys[0];
}

struct text token_issue_user(struct secrets *secrets, const struct user_token *user, int64_t now_us,
                             struct arena *arena)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    begin(&writer, &buffer, now_us, TOKEN_USER_SECONDS);
    json_put_string(&writer, TEXT("user_id"), user->user_id);
    json_put_string(&writer, TEXT("tenant_id"), user->tenant_id);
    if (text_is_set(user->environment_id))
        json_put_string(&writer, TEXT("environment_id"), user->environment_id);
    if (user->password_set_at_us != INSTANT_UNSET)
        json_put_int64(&writer, password_claim, user->password_set_at_us);
    return end(&writer, &buffer, present_key(secrets, now_us, arena), arena);
}

struct text token_issue_portal(struct secrets *secrets, const struct portal_token *portal, int64_t now_us,
                               int64_t lifetime_seconds, struct arena *arena)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    begin(&writer, &buffer, now_us, lifetime_seconds);
    json_put_string(&writer, TEXT("typ"), portal_type);
    json_put_string(&writer, TEXT("aud"), portal_type);
    json_put_string(&writer, TEXT("customer_id"), portal->customer_id);
    json_put_string(&writer, TEXT("external_customer_id"), portal->external_customer_id);
    json_put_string(&writer, TEXT("tenant_id"), portal->tenant_id);
    json_put_string(&writer, TEXT("environment_id"), portal->environment_id);
    return end(&writer, &buffer, secret_derive(present_key(secrets, now_us, arena), portal_use, arena),
               arena);
}

/* ---- reading ---- */

/* False when the claim is absent, no text, or empty. */
static bool read_text(const struct json_value *claims, const char *name, struct text *value)
{
    const struct json_value *claim = json_member(claims, text_from_string(name));

    *value = claim && claim->type == JSON_STRING ? claim->text : text_none;
    return value->length > 0;
}

static bool is_claim(const struct json_value *claims, const char *name, struct text expected)
{
    struct text value;

    return read_text(claims, name, &value) && text_equal(value, expected);
}

/* A token that an operator makes need not say what it is; what it says must be right. */
static bool is_for_users(const struct json_value *claims)
{
    return !json_member(claims, TEXT("typ")) || is_claim(claims, "typ", user_type);
}

/* False when it is there and no instant. */
static bool read_password_set_at(const struct json_value *claims, int64_t *instant_us)
{
    const struct json_value *value = json_member(claims, password_claim);

    *instant_us = INSTANT_UNSET;
    return !value || (value->type == JSON_NUMBER && text_to_int64(value->text, instant_us));
}

enum jwt_verdict token_read_user(struct secrets *secrets, struct text token, int64_t now_us,
                                 struct arena *arena, struct user_token *user)
{
    struct text keys[SECRET_KEYS_MAX];
    unsigned count = secrets_honoured(secrets, SECRET_SIGNING, now_us, arena, keys);
    const struct json_value *claims;
    enum jwt_verdict verdict = jwt_verify(token, keys, count, now_us, arena, &claims);

    if (verdict != JWT_VALID)
        return verdict;
    bool is_bound = json_member(claims, TEXT("environment_id")) != NULL;
    bool is_right = is_for_users(claims) && read_text(claims, "user_id", &user->user_id) &&
                    read_text(claims, "tenant_id", &user->tenant_id);

    /* One that is there and says nothing must not be taken for none: that would be every environment. */
    if (!read_text(claims, "environment_id", &user->environment_id))
        is_right &= !is_bound;
    is_right &= read_password_set_at(claims, &user->password_set_at_us) &&
                jwt_read_instant(claims, TEXT("iat"), INT64_MIN, &user->issued_at_us);
    return is_right ? JWT_VALID : JWT_WRONG_CLAIMS;
}

enum jwt_verdict token_read_portal(struct secrets *secrets, struct text token, int64_t now_us,
                                   struct arena *arena, struct portal_token *portal)
{
    struct text keys[SECRET_KEYS_MAX];
    unsigned count = secrets_honoured(secrets, SECRET_SIGNING, now_us, arena, keys);
    const struct json_value *claims;

    for (unsigned i = 0; i < count; i++)
        keys[i] = secret_derive(keys[i], portal_use, arena);
    enum jwt_verdict verdict = jwt_verify(token, keys, count, now_us, arena, &claims);

    if (verdict != JWT_VALID)
        return verdict;
    bool is_right = is_claim(claims, "typ", portal_type) && is_claim(claims, "aud", portal_type) &&
                    json_member(claims, TEXT("exp")) &&
                    read_text(claims, "customer_id", &portal->customer_id) &&
                    read_text(claims, "external_customer_id", &portal->external_customer_id) &&
                    read_text(claims, "tenant_id", &portal->tenant_id) &&
                    read_text(claims, "environment_id", &portal->environment_id);

    return is_right ? JWT_VALID : JWT_WRONG_CLAIMS;
}
