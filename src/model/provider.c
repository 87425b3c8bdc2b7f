#include "model/provider.h"

#include "json/reader.h"

const struct text sync_subject_names[SYNC_SUBJECTS] = {
    [SYNC_PLAN] = TEXT_LITERAL("plan"),       [SYNC_SUBSCRIPTION] = TEXT_LITERAL("subscription"),
    [SYNC_INVOICE] = TEXT_LITERAL("invoice"), [SYNC_CUSTOMER] = TEXT_LITERAL("customer"),
    [SYNC_PAYMENT] = TEXT_LITERAL("payment"), [SYNC_DEAL] = TEXT_LITERAL("deal"),
    [SYNC_QUOTE] = TEXT_LITERAL("quote"),     [SYNC_PRICE] = TEXT_LITERAL("price"),
};

const struct text integration_entity_types[] = {
    TEXT_LITERAL("customer"),
    TEXT_LITERAL("plan"),
    TEXT_LITERAL("invoice"),
    TEXT_LITERAL("subscription"),
    TEXT_LITERAL("payment"),
    TEXT_LITERAL("credit_note"),
    TEXT_LITERAL("addon"),
    TEXT_LITERAL("item"),
    TEXT_LITERAL("item_price"),
    TEXT_LITERAL("price"),
    TEXT_LITERAL("invoice_line_item"),
    TEXT_LITERAL("subscription_line_item"),
    {NULL, 0},
};

/* ---- rules of single secrets ---- */

enum { LABEL_BYTES_MAX = 63 }; /* RFC 1035 section 2.3.4 */

static bool is_alphanumeric(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
}

static const char *check_dns_label(struct text value)
{
    bool is_label = value.length <= LABEL_BYTES_MAX && is_alphanumeric(value.data[0]) &&
                    is_alphanumeric(value.data[value.length - 1]);

    for (size_t i = 0; i < value.length; i++)
        is_label = is_label && (is_alphanumeric(value.data[i]) || value.data[i] == '-');
    return is_label ? NULL : "must be the name of a site: 1 to 63 letters, digits and hyphens";
}

/* Whether `host` is the domain or lies in it. */
static bool is_in_domain(struct text host, struct text domain)
{
    return text_equal_ignoring_case(host, domain) ||
           (host.length > domain.length && host.data[host.length - domain.length - 1] == '.' &&
            text_equal_ignoring_case(text_from(host, host.length - domain.length), domain));
}

/* The host of `https://host`, perhaps with a path behind it; unset when the text is something else. */
static struct text host_of_url(struct text url)
{
    static const struct text scheme = TEXT_LITERAL("https://");

    if (!text_starts_with(url, scheme))
        return text_none;
    struct text rest = text_from(url, scheme.length), host = text_slice(rest, 0, text_find(rest, '/'));

    for (size_t i = 0; i < host.length; i++)
        if (!is_alphanumeric(host.data[i]) && host.data[i] != '.' && host.data[i] != '-')
            return text_none;
    return host.length > 0 ? host : text_none;
}

static const char *check_zoho_url(struct text value)
{
    static const struct text domains[] = {
        TEXT_LITERAL("zoho.com"),        TEXT_LITERAL("zoho.eu"),         TEXT_LITERAL("zoho.in"),
        TEXT_LITERAL("zoho.com.au"),     TEXT_LITERAL("zoho.com.cn"),     TEXT_LITERAL("zoho.jp"),
        TEXT_LITERAL("zoho.sa"),         TEXT_LITERAL("zoho.uk"),         TEXT_LITERAL("zohocloud.ca"),
        TEXT_LITERAL("zohoapis.com"),    TEXT_LITERAL("zohoapis.eu"),     TEXT_LITERAL("zohoapis.in"),
        TEXT_LITERAL("zohoapis.com.au"), TEXT_LITERAL("zohoapis.com.cn"), TEXT_LITERAL("zohoapis.jp"),
        TEXT_LITERAL("zohoapis.sa"),     TEXT_LITERAL("zohoapis.uk"),     TEXT_LITERAL("zohoapis.ca"),
    };
    struct text host = host_of_url(value);

    for (size_t i = 0; text_is_set(host) && i < sizeof domains / sizeof domains[0]; i++)
        if (is_in_domain(host, domains[i]))
            return NULL;
    return "must be https:// and a host of Zoho's";
}

/* The file that Google Cloud gives for an identity from outside of it; tokens may come from Google alone. */
static const char *check_google_credentials(struct text value)
{
    struct arena arena;
    struct json_error error;
    const char *reason = NULL;

    arena_init(&arena);
    const struct json_value *object = json_read(&arena, value, &error);
    const struct json_value *url = object ? json_member(object, TEXT("token_url")) : NULL;

    if (!object || object->type != JSON_OBJECT)
        reason = "must be the text of a JSON object";
    else if (url && (url->type != JSON_STRING || !text_is_set(host_of_url(url->text)) ||
                     !is_in_domain(host_of_url(url->text), TEXT("googleapis.com"))))
        reason = "must have a token_url of https:// and a host of Google's";
    arena_free(&arena);
    return reason;
}

static const char *check_quickbooks_environment(struct text value)
{
    bool is_known = text_equal(value, TEXT("sandbox")) || text_equal(value, TEXT("production"));

    return is_known ? NULL : "must be sandbox or production";
}

/* ---- the table ---- */

#define NEEDED(name)                                                                                         \
    {                                                                                                        \
        TEXT_LITERAL(name), true, NULL                                                                       \
    }
#define ALLOWED(name)                                                                                        \
    {                                                                                                        \
        TEXT_LITERAL(name), false, NULL                                                                      \
    }
#define LAST                                                                                                 \
    {                                                                                                        \
        {NULL, 0}, false, NULL                                                                               \
    }

static const struct provider_secret stripe_secrets[] = {
    NEEDED("secret_key"), ALLOWED("publishable_key"), ALLOWED("webhook_secret"), ALLOWED("account_id"), LAST,
};
static const struct provider_secret s3_secrets[] = {
    NEEDED("aws_access_key_id"),
    NEEDED("aws_secret_access_key"),
    ALLOWED("aws_session_token"),
    LAST,
};
static const struct provider_secret hubspot_secrets[] = {
    NEEDED("access_token"),
    ALLOWED("client_secret"),
    ALLOWED("app_id"),
    LAST,
};
static const struct provider_secret razorpay_secrets[] = {
    NEEDED("key_id"),
    NEEDED("secret_key"),
    ALLOWED("webhook_secret"),
    LAST,
};
static const struct provider_secret chargebee_secrets[] = {
    {TEXT_LITERAL("site"), true, check_dns_label},
    NEEDED("api_key"),
    NEEDED("webhook_username"),
    NEEDED("webhook_password"),
    ALLOWED("webhook_secret"),
    LAST,
};
static const struct provider_secret quickbooks_secrets[] = {
    NEEDED("client_id"),
    NEEDED("client_secret"),
    NEEDED("realm_id"),
    {TEXT_LITERAL("environment"), false, check_quickbooks_environment},
    ALLOWED("auth_code"),
    ALLOWED("redirect_uri"),
    ALLOWED("access_token"),
    ALLOWED("refresh_token"),
    ALLOWED("income_account_id"),
    ALLOWED("webhook_verifier_token"),
    LAST,
};
static const struct provider_secret zoho_books_secrets[] = {
    NEEDED("client_id"),
    NEEDED("client_secret"),
    NEEDED("refresh_token"),
    NEEDED("organization_id"),
    ALLOWED("organization_name"),
    ALLOWED("access_token"),
    ALLOWED("webhook_secret"),
    {TEXT_LITERAL("accounts_server"), false, check_zoho_url},
    {TEXT_LITERAL("api_domain"), false, check_zoho_url},
    ALLOWED("location"),
    ALLOWED("auth_code"),
    ALLOWED("redirect_uri"),
    ALLOWED("scopes"),
    LAST,
};
static const struct provider_secret nomod_secrets[] = {NEEDED("api_key"), ALLOWED("webhook_secret"), LAST};
static const struct provider_secret moyasar_secrets[] = {
    NEEDED("secret_key"),
    ALLOWED("publishable_key"),
    ALLOWED("webhook_secret"),
    LAST,
};
static const struct provider_secret paddle_secrets[] = {
    NEEDED("api_key"),
    ALLOWED("webhook_secret"),
    ALLOWED("client_side_token"),
    LAST,
};
static const struct provider_secret whop_secrets[] = {
    NEEDED("api_key"), NEEDED("company_id"), NEEDED("webhook_secret"), ALLOWED("product_id"), LAST,
};
static const struct provider_secret tabs_secrets[] = {NEEDED("api_key"), LAST};
static const struct provider_secret aws_marketplace_secrets[] = {
    NEEDED("role_arn"),
    NEEDED("external_id"),
    LAST,
};
static const struct provider_secret gcp_marketplace_secrets[] = {
    {TEXT_LITERAL("credentials_json"), true, check_google_credentials},
    LAST,
};
static const struct provider_secret azure_marketplace_secrets[] = {
    NEEDED("tenant_id"),
    NEEDED("client_id"),
    NEEDED("client_secret"),
    LAST,
};

#define BOTH_WAYS (SYNC_INBOUND | SYNC_OUTBOUND)
#define SENDS_CUSTOMERS_AND_INVOICES                                                                         \
    .has_capabilities = true, .base = {[SYNC_CUSTOMER] = SYNC_OUTBOUND, [SYNC_INVOICE] = SYNC_OUTBOUND}

/* Once as the table, once as the names alone. */
#define PROVIDERS(ROW)                                                                                       \
    ROW("flexprice", .is_linkable = false)                                                                   \
    ROW("stripe", .is_linkable = true, .has_capabilities = true, .secrets = stripe_secrets,                  \
        .base = {[SYNC_CUSTOMER] = BOTH_WAYS, [SYNC_INVOICE] = SYNC_OUTBOUND})                               \
    ROW("s3", .may_be_many = true, .secrets = s3_secrets)                                                    \
    ROW("hubspot", .is_linkable = true, .has_capabilities = true, .secrets = hubspot_secrets,                \
        .base = {[SYNC_CUSTOMER] = SYNC_INBOUND, [SYNC_INVOICE] = SYNC_OUTBOUND})                            \
    ROW("razorpay", .is_linkable = true, .secrets = razorpay_secrets, SENDS_CUSTOMERS_AND_INVOICES)          \
    ROW("chargebee", .is_linkable = true, .secrets = chargebee_secrets, SENDS_CUSTOMERS_AND_INVOICES)        \
    ROW("quickbooks", .is_linkable = true, .secrets = quickbooks_secrets, SENDS_CUSTOMERS_AND_INVOICES)      \
    ROW("zoho_books", .is_linkable = true, .has_capabilities = true, .secrets = zoho_books_secrets,          \
        .base = {[SYNC_INVOICE] = SYNC_OUTBOUND})                                                            \
    ROW("nomod", .is_linkable = true, .secrets = nomod_secrets, SENDS_CUSTOMERS_AND_INVOICES)                \
    ROW("moyasar", .is_linkable = true, .has_capabilities = true, .secrets = moyasar_secrets,                \
        .base = {[SYNC_INVOICE] = SYNC_OUTBOUND})                                                            \
    ROW("paddle", .is_linkable = true, .has_capabilities = true, .secrets = paddle_secrets,                  \
        .base = {[SYNC_CUSTOMER] = BOTH_WAYS, [SYNC_INVOICE] = BOTH_WAYS})                                   \
    ROW("whop", .is_linkable = true, .secrets = whop_secrets, SENDS_CUSTOMERS_AND_INVOICES)                  \
    ROW("tabs", .is_linkable = true, .secrets = tabs_secrets, SENDS_CUSTOMERS_AND_INVOICES)                  \
    ROW("aws_marketplace", .is_linkable = true, .secrets = aws_marketplace_secrets,                          \
        .required_sync = TEXT_LITERAL("region"))                                                             \
    ROW("gcp_marketplace", .is_linkable = true, .secrets = gcp_marketplace_secrets)                          \
    ROW("azure_marketplace", .is_linkable = true, .secrets = azure_marketplace_secrets)

#define AS_PROVIDER(provider_name, ...) {.name = TEXT_LITERAL(provider_name), __VA_ARGS__},
#define AS_NAME(provider_name, ...)     TEXT_LITERAL(provider_name),

const struct provider providers[] = {PROVIDERS(AS_PROVIDER){.name = {NULL, 0}}};
const struct text provider_names[] = {PROVIDERS(AS_NAME){NULL, 0}};

const struct provider *provider_find(struct text name)
{
    for (const struct provider *provider = providers; provider->name.data; provider++)
        if (text_equal(provider->name, name))
            return provider;
    return NULL;
}

const struct provider_secret *provider_find_secret(const struct provider *provider, struct text name)
{
    for (const struct provider_secret *secret = provider->secrets; secret->name.data; secret++)
        if (text_equal(secret->name, name))
            return secret;
    return NULL;
}
