"""What every customer and every error looks like on the wire, in one place."""

import re
from datetime import datetime

ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
# RFC 3339 in UTC: up to six fractional digits, trailing zeros trimmed, no fraction when it is zero.
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?Z")
INSTANT_IN_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

ADDRESS_KEYS = {
    "address_line1",
    "address_line2",
    "address_city",
    "address_state",
    "address_postal_code",
    "address_country",
}
# The keys of every customer; `contact` and `integrations` come and go by their own rules.
CUSTOMER_KEYS = ADDRESS_KEYS | {
    "id",
    "external_id",
    "name",
    "email",
    "timezone",
    "metadata",
    "environment_id",
    "tenant_id",
    "status",
    "created_at",
    "updated_at",
    "created_by",
    "updated_by",
}
MAPPING_KEYS = {
    "id",
    "entity_id",
    "entity_type",
    "provider_type",
    "provider_entity_id",
    "environment_id",
    "tenant_id",
    "status",
    "created_at",
    "updated_at",
    "created_by",
    "updated_by",
}

# What a client can say of a customer, but for its external id and metadata.
FULL_CUSTOMER = {
    "name": "Acme GmbH",
    "email": "ap@acme.example",
    "contact": "+49 30 1234",
    "address_line1": "Torstr. 1",
    "address_line2": "2. Hof",
    "address_city": "Berlin",
    "address_state": "BE",
    "address_postal_code": "10119",
    "address_country": "DE",
    "timezone": "Europe/Berlin",
}

ERROR_CODES = {
    400: {"validation_error", "invalid_operation"},
    401: {"permission_denied"},
    403: {"permission_denied"},
    404: {"not_found"},
    408: {"validation_error"},
    409: {"already_exists", "version_conflict"},
    413: {"validation_error"},
    414: {"validation_error"},
    429: {"too_many_requests"},
    431: {"validation_error"},
    500: {"internal_error"},
    501: {"not_implemented"},
    503: {"service_unavailable"},
    505: {"not_implemented"},
}

CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Max-Age": "86400",
    "Access-Control-Expose-Headers": "X-Request-ID, Idempotent-Replayed",
}
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "geolocation=(), microphone=(), camera=()",
}


def instant(text):
    """To compare by: zeros at the end of a fraction are not written, so that the texts do not."""
    assert INSTANT.fullmatch(text), text
    return datetime.fromisoformat(text)


def assert_customer(customer, *, contact=False, integrations):
    """The exact key set and the form of each value. `integrations` says whether that key must be there."""
    expected = CUSTOMER_KEYS | ({"contact"} if contact else set()) | ({"integrations"} if integrations else set())
    assert set(customer) == expected
    for key in expected - {"metadata", "integrations"}:
        assert isinstance(customer[key], str), key
    metadata = customer["metadata"]
    assert metadata is None or all(isinstance(value, str) for value in metadata.values())
    assert ULID.fullmatch(customer["id"].removeprefix("cust_")), customer["id"]
    for key, prefix in (("tenant_id", "tenant_"), ("environment_id", "env_"), ("created_by", "user_")):
        assert customer[key].startswith(prefix), customer[key]
    for key in ("created_at", "updated_at"):
        assert INSTANT.fullmatch(customer[key]), customer[key]
    for mapping in customer.get("integrations", []):
        assert_mapping(mapping, customer)


def assert_mapping(mapping, customer):
    assert set(mapping) - {"metadata"} == MAPPING_KEYS
    assert ULID.fullmatch(mapping["id"].removeprefix("eim_")), mapping["id"]
    assert mapping.get("metadata") != {} and mapping.get("metadata", "") is not None, "metadata is omitted when empty"
    assert mapping["entity_id"] == customer["id"]
    assert mapping["entity_type"] == "customer"
    assert mapping["environment_id"] == customer["environment_id"]
    assert mapping["tenant_id"] == customer["tenant_id"]
    assert mapping["status"] == "published"
    for key in ("created_at", "updated_at"):
        assert INSTANT_IN_SECONDS.fullmatch(mapping[key]), mapping[key]


def assert_common_headers(reply):
    """What every reply carries, whatever its status."""
    for name, value in {**CORS_HEADERS, **SECURITY_HEADERS}.items():
        assert reply.header(name) == value, f"{name} of {reply}"
    assert reply.header("Access-Control-Allow-Headers"), reply
    assert reply.header("X-Request-ID"), reply


def assert_error(reply, status, code=None, details=None):
    """The envelope that every generation of client can read, with all the headers.

    `details`, when given: a dict is the whole object, a set its keys.
    Returns the details.
    """
    assert reply.status == status, reply
    body = reply.json()
    assert body["code"] == code if code else body["code"] in ERROR_CODES[status], body
    assert isinstance(body["message"], str) and body["message"], body
    assert body["http_status_code"] == status, body
    assert body["success"] is False, body
    assert set(body) - {"details"} == {"code", "message", "http_status_code", "success", "error"}, body
    assert body.get("details") != {}, "details is omitted when empty"
    found = body.get("details", {})
    error = body["error"]
    assert set(error) == {"message", "internal_error", "details"}, body
    assert error["message"] == body["message"], body
    assert isinstance(error["internal_error"], str), body
    assert error["details"] == found, body
    assert_common_headers(reply)
    if status == 401:
        assert reply.header("WWW-Authenticate") == "Bearer", reply
    if isinstance(details, set):
        assert set(found) == details, body
    elif details is not None:
        assert found == details, body
    return found
