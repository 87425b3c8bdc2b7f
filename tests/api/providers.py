"""What the tests of connections and of mappings have in common: credentials that each provider is content with."""

# For each provider: what a connection to it needs (10-customers section 14), each value one that can be searched for.
SECRETS = {
    "flexprice": {},
    "stripe": ["secret_key"],
    "s3": ["aws_access_key_id", "aws_secret_access_key"],
    "hubspot": ["access_token"],
    "razorpay": ["key_id", "secret_key"],
    "chargebee": ["site", "api_key", "webhook_username", "webhook_password"],
    "quickbooks": ["client_id", "client_secret", "realm_id"],
    "zoho_books": ["client_id", "client_secret", "refresh_token", "organization_id"],
    "nomod": ["api_key"],
    "moyasar": ["secret_key"],
    "paddle": ["api_key"],
    "whop": ["api_key", "company_id", "webhook_secret"],
    "tabs": ["api_key"],
    "aws_marketplace": ["role_arn", "external_id"],
    "gcp_marketplace": ["credentials_json"],
    "azure_marketplace": ["tenant_id", "client_id", "client_secret"],
}
LINKABLE = sorted(set(SECRETS) - {"flexprice", "s3"})


def secrets_of(provider):
    secrets = {name: f"hush-{provider.replace('_', '-')}-{name.replace('_', '-')}" for name in SECRETS[provider]}
    if provider == "gcp_marketplace":
        secrets["credentials_json"] = '{"type":"external_account","token_url":"https://sts.googleapis.com/v1/token"}'
    return secrets


def connection_body(provider, **changes):
    body = {"name": f"our {provider}", "provider_type": provider, "encrypted_secret_data": secrets_of(provider)}
    if provider == "aws_marketplace":
        body["sync_config"] = {"aws_marketplace": {"region": "eu-central-1"}}
    return {**body, **changes}


def connect(client, provider, **changes):
    """A connection to the provider, as it was told."""
    reply = client.post("/v1/connections", connection_body(provider, **changes))
    assert reply.status == 201, reply
    return reply.json()
