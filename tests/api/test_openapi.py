"""GET /openapi.json describes what is served."""

from urllib.parse import urlparse

import pytest

from expectations import CUSTOMER_KEYS, MAPPING_KEYS, assert_common_headers

METHODS = {"get", "post", "put", "delete", "patch", "options", "head"}


@pytest.fixture(scope="module")
def document(shared):
    with shared.client(None) as client:
        reply = client.get("/openapi.json")
    assert reply.status == 200
    assert_common_headers(reply)
    return reply.json()


def resolve(document, node):
    """Follows a reference inside the document."""
    while "$ref" in node:
        reference = node["$ref"]
        assert reference.startswith("#/"), reference
        node = document
        for part in reference[2:].split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def operations(document):
    """(method, full path, operation) of each operation."""
    base = urlparse((document.get("servers") or [{"url": ""}])[0]["url"]).path.rstrip("/")
    for path, item in document["paths"].items():
        own = item.get("servers")
        prefix = urlparse(own[0]["url"]).path.rstrip("/") if own else base
        for method, operation in item.items():
            if method in METHODS:
                yield method.upper(), prefix + path, operation


def operation_of(document, operation_id):
    (operation,) = [found for _, _, found in operations(document) if found.get("operationId") == operation_id]
    return operation


def schema_of(document, content):
    return resolve(document, resolve(document, content)["content"]["application/json"]["schema"])


def violations(document, schema, value, path="$"):
    """What of a value breaks its schema: type, required, properties, items, enum, length, null."""
    schema = resolve(document, schema)
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else list(types)
    if value is None:
        if not (schema.get("nullable") or "null" in types):
            yield f"{path} may not be null"
        return
    for alternative in schema.get("allOf", []):
        yield from violations(document, alternative, value, path)
    kinds = {
        "string": isinstance(value, str),
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, (int, float)) and not isinstance(value, bool),
    }
    if types and not any(kinds.get(kind) for kind in types):
        yield f"{path} is no {types}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path} is not of the enum"
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        yield f"{path} is too long"
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from violations(document, schema["items"], item, f"{path}[{number}]")
    if isinstance(value, dict):
        for key in schema.get("required", []):
            if key not in value:
                yield f"{path}.{key} is missing"
        known = schema.get("properties", {})
        rest = schema.get("additionalProperties", True)
        for key, member in value.items():
            if key in known:
                yield from violations(document, known[key], member, f"{path}.{key}")
            elif rest is False:
                yield f"{path}.{key} is unknown"
            elif isinstance(rest, dict):
                yield from violations(document, rest, member, f"{path}.{key}")


def test_it_is_an_openapi_document(document):
    assert document["openapi"].startswith("3.")
    assert document["info"]["title"] and document["info"]["version"]


def test_it_lists_what_is_served(document):
    served = {(method, path) for method, path, _ in operations(document)}
    assert {
        ("POST", "/v1/customers"),
        ("PUT", "/v1/customers"),
        ("PUT", "/v1/customers/{id}"),
        ("DELETE", "/v1/customers/{id}"),
        ("GET", "/v1/customers/{id}"),
        ("GET", "/v1/customers/external/{external_id}"),
        ("GET", "/v1/customers/lookup/{lookup_key}"),
    } <= served


def test_operation_ids_are_unique(document):
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    "operation_id", ["createCustomer", "getCustomer", "getCustomerByExternalId", "updateCustomer", "deleteCustomer"]
)
def test_operation_ids_are_those_of_the_contract(document, operation_id):
    assert operation_of(document, operation_id)


def test_every_reference_resolves(document):
    found = list(references(document))
    assert found
    for node in found:
        assert isinstance(resolve(document, node), dict)


def test_every_operation_is_complete(document):
    for method, path, operation in operations(document):
        assert operation["responses"], (method, path)
        for status, response in operation["responses"].items():
            assert "description" in resolve(document, response), (method, path, status)
        named = {part[1:-1] for part in path.split("/") if part.startswith("{")}
        parameters = [resolve(document, parameter) for parameter in operation.get("parameters", [])]
        assert {parameter["name"] for parameter in parameters if parameter["in"] == "path"} == named
        assert all(parameter["required"] for parameter in parameters if parameter["in"] == "path")


def test_every_operation_needs_the_key_or_says_that_it_does_not(document, api):
    schemes = document["components"]["securitySchemes"]
    assert schemes["ApiKeyAuth"] == {"type": "apiKey", "name": "x-api-key", "in": "header"}
    assert schemes["SessionToken"] == {"type": "apiKey", "name": "X-Session-Token", "in": "header"}
    for method, path, operation in operations(document):
        security = operation.get("security", document.get("security", []))
        reply = api.request(method, path.replace("{", "").replace("}", ""), key=None)
        assert (reply.status == 401) == bool(security), (method, path)
        assert security in ([], [{"ApiKeyAuth": []}], [{"SessionToken": []}]), (method, path)


def test_the_described_customer_is_the_served_one(document, api):
    body = {"external_id": "openapi", "name": "Acme", "contact": "1", "metadata": {"a": "b"}}
    created = api.create(body)
    got = api.get(f"/v1/customers/{created['id']}").json()
    schema = schema_of(document, operation_of(document, "getCustomer")["responses"]["200"])
    assert set(schema["properties"]) == set(got) == CUSTOMER_KEYS | {"contact", "integrations"}
    assert list(violations(document, schema, got)) == []
    minimal = api.create({"external_id": "openapi minimal", "name": "Acme"})
    assert list(violations(document, schema, minimal)) == []
    create = operation_of(document, "createCustomer")
    assert list(violations(document, schema_of(document, create["responses"]["201"]), created)) == []
    request = schema_of(document, create["requestBody"])
    assert list(violations(document, request, body)) == []
    assert set(request["required"]) == {"external_id", "name"}
    assert request["properties"]["name"]["maxLength"] == 255
    assert request["properties"]["contact"]["maxLength"] == 20


def test_the_described_change_needs_nothing(document, api):
    """A change has the members of a create that can be changed, and none of them need be given."""
    create = schema_of(document, operation_of(document, "createCustomer")["requestBody"])
    for operation_id in ("updateCustomer", "updateCustomerById"):
        operation = operation_of(document, operation_id)
        request = schema_of(document, operation["requestBody"])
        assert request.get("required", []) == []
        beside = {"tax_rate_overrides", "skip_onboarding_workflow", "onboarding_workflow_name"}
        assert set(request["properties"]) == set(create["properties"]) - beside
        assert request["properties"]["name"] == create["properties"]["name"]
        in_query = {entry["name"] for entry in operation["parameters"] if entry["in"] == "query"}
        assert in_query == {"external_customer_id"} | ({"id"} if operation_id == "updateCustomer" else set())
    customer = api.create({"external_id": "openapi change", "name": "Acme"})
    changed = api.request("PUT", f"/v1/customers?id={customer['id']}", {"contact": "1"}).json()
    assert list(violations(document, schema_of(document, operation["responses"]["200"]), changed)) == []


def test_the_described_mapping(document):
    customer = schema_of(document, operation_of(document, "getCustomer")["responses"]["200"])
    mapping = resolve(document, customer["properties"]["integrations"]["items"])
    assert set(mapping["properties"]) == MAPPING_KEYS | {"metadata"}


def items_of(document, schema, name):
    return resolve(document, schema["properties"][name]["items"])


def test_the_described_condition_is_the_one_that_is_read(document, api):
    """Every operator and member that is described is taken, and no other."""
    for operation_id in ("queryCustomer", "queryConnection"):
        body = schema_of(document, operation_of(document, operation_id)["requestBody"])
        condition = items_of(document, body, "filters")
        assert set(condition["required"]) == {"field", "operator", "value"}
        assert set(condition["properties"]) == {"field", "operator", "data_type", "value"}
    value = resolve(document, condition["properties"]["value"])
    assert condition["properties"]["data_type"]["enum"] == list(value["properties"])
    examples = {"string": "x", "number": 1, "boolean": True, "date": "2026-01-31T00:00:00Z", "array": ["x"]}
    assert set(value["properties"]) == set(examples)

    def reply(field, operator, **given):
        sent = {"field": field, "operator": operator, "value": given}
        assert list(violations(document, condition, sent)) in ([], ["$.operator is not of the enum"])
        return api.post("/v1/customers/search", {"filters": [sent]})

    taken = set()
    for operator in [*condition["properties"]["operator"]["enum"], "like", "EQ"]:
        kinds = {("name", "string"), ("name", "array"), ("created_at", "date")}
        fitting = {kind for kind in kinds if reply(kind[0], operator, **{kind[1]: examples[kind[1]]}).status == 200}
        taken |= {operator} if fitting else set()
    assert taken == set(condition["properties"]["operator"]["enum"])


def test_the_described_sort_is_the_one_that_is_read(document, api):
    for operation_id in ("queryCustomer", "queryConnection", "queryUser"):
        body = schema_of(document, operation_of(document, operation_id)["requestBody"])
        sort = items_of(document, body, "sort")
        assert sort["required"] == ["field"] and set(sort["properties"]) == {"field", "direction"}
        for direction in sort["properties"]["direction"]["enum"]:
            entry = {"field": "created_at", "direction": direction}
            assert list(violations(document, sort, entry)) == []
            path = {"queryCustomer": "customers", "queryConnection": "connections", "queryUser": "users"}[operation_id]
            assert api.post(f"/v1/{path}/search", {"sort": [entry]}).status == 200
    assert sort["properties"]["direction"]["enum"] == ["asc", "desc"]


@pytest.mark.parametrize("path", ["/v1/customers", "/v1/connections"])
def test_a_list_is_described_with_all_that_a_search_takes(document, path):
    described = {(method, where): operation for method, where, operation in operations(document)}
    parameters = {resolve(document, parameter)["name"] for parameter in described["GET", path]["parameters"]}
    members = schema_of(document, described["POST", f"{path}/search"]["requestBody"])["properties"]
    # The search of connections shares these with that of customers; there is one status, and nothing to expand.
    assert parameters == set(members) - ({"status", "expand"} if path == "/v1/connections" else set())


def test_a_link_of_nobody_is_described(document):
    assert "404" in operation_of(document, "linkIntegrationMapping")["responses"]


def test_the_described_element_of_mappings_is_the_one_that_is_read(document, api):
    for operation_id in ("createCustomer", "updateCustomer"):
        body = schema_of(document, operation_of(document, operation_id)["requestBody"])
        element = items_of(document, body, "integration_entity_mapping")
        assert set(element["required"]) == {"provider_type", "provider_entity_id"}
        assert set(element["properties"]) == {"provider_type", "provider_entity_id", "metadata"}
    given = {"provider_type": "stripe", "provider_entity_id": "cus_openapi", "metadata": {"a": 1}}
    assert list(violations(document, element, given)) == []
    made = api.create({"external_id": "openapi mapped", "name": "Acme", "integration_entity_mapping": [given]})
    (kept,) = made["integrations"]
    assert {key: kept[key] for key in given} == given
    for missing in element["required"]:
        less = {key: given[key] for key in given if key != missing}
        body = {"external_id": "openapi unmapped", "name": "Acme", "integration_entity_mapping": [less]}
        details = api.post("/v1/customers", body).json()["details"]
        assert details == {f"integration_entity_mapping[0].{missing}": "is required"}


@pytest.mark.parametrize(
    "method, path, body, operation_id, status",
    [
        ("POST", "/v1/customers", {}, "createCustomer", 400),
        ("PUT", "/v1/customers", {}, "updateCustomer", 400),
        ("PUT", "/v1/customers?id=x", {}, "updateCustomer", 404),
        ("PUT", "/v1/customers/x", {}, "updateCustomerById", 404),
        (
            "DELETE", "/v1/integrations/link?entity_type=customer&entity_id=x&provider_type=stripe", None,
            "delinkIntegrationMapping", 404,
        ),
        ("DELETE", "/v1/customers/x", None, "deleteCustomer", 404),
        ("GET", "/v1/customers/x", None, "getCustomer", 404),
        ("GET", "/v1/customers/x?expand=y", None, "getCustomer", 400),
        ("GET", "/v1/customers/external/x", None, "getCustomerByExternalId", 404),
    ],
)
def test_the_described_error_is_the_served_one(document, api, method, path, body, operation_id, status):
    reply = api.request(method, path, body=body)
    assert reply.status == status
    responses = operation_of(document, operation_id)["responses"]
    schema = schema_of(document, responses[str(status)])
    assert list(violations(document, schema, reply.json())) == []
    assert set(reply.json()) <= set(schema["properties"])
