"""Who may use which route, for every route that the server has (conventions sections 2, 4 to 6, 80-admin section 1).

The list of routes is the server's own, so that a new one is walked without anyone remembering. What the walk cannot know
by itself, a body that is right and how to make the thing that a path names, stands in BODIES and RESOURCES; a route for
which it is missing fails its test and says so.
"""

import hashlib
import json
import time

import pytest

import farthing_server
from expectations import assert_error
from farthing_server import create_environment, create_tenant, run_ok
from http_client import Client
from providers import connection_body
from test_openapi import operations, schema_of, violations
from test_tokens import signed
from tokens import signing_key
from unix_client import AdminClient

STATIC_KEY = "a-key-that-is-bound-to-no-environment"
# Without credentials; each of them is a decision.
PUBLIC = {
    ("POST", "/v1/auth/signup"),
    ("POST", "/v1/auth/login"),
    ("GET", "/health"),
    ("POST", "/health"),
    ("GET", "/health/ready"),
    ("GET", "/ready"),
    ("GET", "/openapi.json"),
}
# What the roles grant, in the words of conventions section 6.1: not read from the server, which could be wrong.
ROLES = {
    "super_admin": {("*", "read"), ("*", "write")},
    "all_reader": {("*", "read")},
    "all_writer": {("*", "read"), ("*", "write")},
    "event_ingestor": {("event", "write")},
    "event_reader": {("event", "read")},
    # Of a file: the setting rbac-roles-file.
    "support": {("customer", "read"), ("customer", "write"), ("user", "read")},
}
ROLES_FILE = {"roles": [{"id": "support", "permissions": {"customer": ["read", "write"], "user": ["read"]}}]}
# Callers in the first environment: name -> (type of the user, role).
CALLERS = {
    "super_admin": ("user", "super_admin"),
    "super_admin service account": ("service_account", "super_admin"),
    "all_reader": ("user", "all_reader"),
    "all_writer": ("user", "all_writer"),
    "event_ingestor": ("service_account", "event_ingestor"),
    "event_reader": ("service_account", "event_reader"),
    "support": ("user", "support"),
}
# 80-admin section 1, as far as it is served: (method, path) -> entity:action, "super" for people with super_admin alone.
# "-" needs credentials alone (section 6.1). The server's own list must say the same.
MATRIX = {
    ("POST", "/v1/customers"): "customer:write",
    ("GET", "/v1/customers"): "customer:read",
    ("POST", "/v1/customers/search"): "customer:read",
    ("PUT", "/v1/customers"): "customer:write",
    ("PUT", "/v1/customers/{id}"): "customer:write",
    ("DELETE", "/v1/customers/{id}"): "customer:write",
    ("GET", "/v1/customers/{id}"): "customer:read",
    ("GET", "/v1/customers/external/{external_id}"): "customer:read",
    ("GET", "/v1/customers/lookup/{lookup_key}"): "customer:read",
    ("GET", "/v1/customers/portal/{external_id}"): "customer:write",
    ("POST", "/v1/customers/portal/{external_id}"): "customer:write",
    ("POST", "/v1/environments"): "environment:write",
    ("GET", "/v1/environments"): "environment:read",
    ("GET", "/v1/environments/{id}"): "environment:read",
    ("PUT", "/v1/environments/{id}"): "environment:write",
    ("POST", "/v1/environments/{id}/clone"): "environment:write",
    ("GET", "/v1/tenants/{id}"): "-",
    ("PUT", "/v1/tenants/update"): "tenant:write",
    ("GET", "/v1/tenants/billing"): "tenant:read",
    ("GET", "/v1/tenant/billing"): "tenant:read",
    ("POST", "/v1/secrets/api/keys"): "secret:write",
    ("GET", "/v1/secrets/api/keys"): "secret:read",
    ("DELETE", "/v1/secrets/api/keys/{id}"): "secret:write",
    ("GET", "/v1/users/me"): "-",
    ("PUT", "/v1/users/me"): "user:write",
    ("POST", "/v1/users"): "user:write",
    ("PUT", "/v1/users/{id}"): "user:write",
    ("PUT", "/v1/users/{id}/roles"): "user:write super",
    ("DELETE", "/v1/users/{id}"): "user:write",
    ("POST", "/v1/users/search"): "user:read",
    ("POST", "/v1/users/chat/verify"): "-",
    ("GET", "/v1/rbac/roles"): "-",
    ("GET", "/v1/rbac/roles/{id}"): "-",
    ("POST", "/v1/connections"): "connection:write",
    ("GET", "/v1/connections"): "connection:read",
    ("POST", "/v1/connections/search"): "connection:read",
    ("GET", "/v1/connections/{id}"): "connection:read",
    ("PUT", "/v1/connections/{id}"): "connection:write",
    ("DELETE", "/v1/connections/{id}"): "connection:write",
    ("POST", "/v1/integrations/link"): "integration:write",
    ("DELETE", "/v1/integrations/link"): "integration:write",
    ("GET", "/v1/integrations/mappings"): "integration:read",
    ("GET", "/v1/integrations/config"): "integration:read",
    ("GET", "/v1/activity"): "activity:read",
    ("GET", "/v1/activity/{id}"): "activity:read",
}
# Groups of routes that run without an environment (section 4).
WITHOUT_ENVIRONMENT = ("/v1/users", "/v1/environments", "/v1/tenants", "/v1/tenant/billing", "/v1/activity")


class Bearer:
    """The token of a user, and the environment that its requests name."""

    def __init__(self, token, environment_id=None):
        self.token, self.environment_id = token, environment_id

    def headers(self):
        named = {"X-Environment-ID": self.environment_id} if self.environment_id else {}
        return {"Authorization": f"Bearer {self.token}", **named}


class World:
    """A server with two tenants: the first one has two environments. All of it is made over the wire."""

    def __init__(self, directory, **settings):
        self.number = 0
        self.is_connected = False
        self.first = farthing_server.init(directory)
        self.second = create_environment(directory, self.first.tenant_id, "second")
        self.other = create_tenant(directory, "Other")
        self.suspended = create_tenant(directory, "Suspended")
        run_ok("tenant", "suspend", "--data", directory, self.suspended.tenant_id)
        static_keys = {
            hashlib.sha256(STATIC_KEY.encode()).hexdigest(): {
                "tenant_id": self.first.tenant_id,
                "user_id": "operator",
                "is_active": True,
            }
        }
        roles = directory.parent / "roles.json"
        roles.write_text(json.dumps(ROLES_FILE))
        self.server = farthing_server.Server(
            directory,
            FARTHING_RBAC_ROLES_FILE=str(roles),
            FARTHING_STATIC_KEYS=json.dumps(static_keys),
            FARTHING_USERS_PER_TENANT_MAX="100000",
            FARTHING_CHAT_VERIFY_KEY="00112233445566778899aabbccddeeff",
            FARTHING_KEY_FAILURES_PER_ADDRESS="0",
            **settings,
        )
        self.client = Client(self.server.address)
        with AdminClient(directory) as admin:
            self.routes = admin.get("/admin/routes").json()["items"]
        self.signing_key = signing_key(directory)
        made = {name: self.make_caller(directory, *caller) for name, caller in CALLERS.items()}
        self.keys = {name: key for name, (_, key) in made.items()}
        self.tokens = {name: self.token_of(user_id) for name, (user_id, _) in made.items()}

    def token_of(self, user_id, tenant_id=None):
        """As a login makes it: without a password, whose hash takes its time."""
        now = int(time.time())
        tenant_id = tenant_id or self.first.tenant_id
        return signed(self.signing_key, {"user_id": user_id, "tenant_id": tenant_id, "iat": now, "exp": now + 3600})

    def credentials(self, kind, caller):
        return self.keys[caller] if kind == "key" else Bearer(self.tokens[caller], self.first.environment_id)

    def unbound(self, kind):
        """A caller who may do everything and is bound to no environment: what its requests send."""
        return (STATIC_KEY, {}) if kind == "static key" else (None, Bearer(self.tokens["super_admin"]).headers())

    def make_caller(self, directory, kind, role):
        email = ["--email", f"{role}@matrix.test"] if kind == "user" else []
        tenant = ["--tenant", self.first.tenant_id, "--data", directory]
        made = run_ok("user", "create", *tenant, "--type", kind, "--role", role, *email, "--json")
        user_id = json.loads(made)["user"]["id"]
        where = ["--environment", self.first.environment_id, "--user", user_id, "--name", role, "--data", directory]
        return user_id, json.loads(run_ok("key", "create", *where, "--json"))["api_key"]

    def unique(self, word):
        self.number += 1
        return f"{word} {self.number}"

    def request(self, key, method, path, body=None, headers=()):
        """`key` may be a Bearer."""
        if isinstance(key, Bearer):
            key, headers = None, {**key.headers(), **dict(headers)}
        return self.client.request(method, path, body=body, key=key, headers=headers)

    def made(self, key, path, body):
        reply = self.request(key, "POST", path, body)
        assert reply.status in (200, 201), reply
        return reply.json()

    def stop(self):
        self.client.close()
        self.server.stop()


def make_customer(world, key):
    return world.made(key, "/v1/customers", {"external_id": world.unique("customer"), "name": "Acme"})


def make_user(kind):
    def make(world, key):
        named = {"email": f"{world.unique('person').replace(' ', '')}@matrix.test"} if kind == "user" else {"name": "bot"}
        roles = ["all_reader" if kind == "user" else "event_ingestor"]
        return world.made(key, "/v1/users", {"type": kind, "roles": roles, **named})["id"]

    return make


def make_environment(world, key):
    return world.made(key, "/v1/environments", {"name": world.unique("env"), "type": "development"})["id"]


def make_key(world, key):
    return world.made(key, "/v1/secrets/api/keys", {"name": "made", "type": "private_key"})["secret"]["id"]


def own_tenant(world, key):
    return world.request(key, "GET", "/v1/users/me").json()["tenant"]["id"]


def made_change(world, key):
    customer = make_customer(world, key)
    (change,) = world.request(key, "GET", f"/v1/activity?entity_id={customer['id']}").json()["items"]
    return change["id"]


def make_connection(world, key):
    return world.made(key, "/v1/connections", connection_body("s3"))["id"]


def link_body(world):
    """A link that is not there yet, in the callers' environment."""
    key = world.keys["super_admin"]
    if not world.is_connected:
        world.made(key, "/v1/connections", connection_body("stripe"))
        world.is_connected = True
    naming = {"entity_type": "customer", "entity_id": make_customer(world, key)["id"], "provider_type": "stripe"}
    return {**naming, "provider_entity_id": world.unique("cus")}


def linked_body(world):
    """One that is there."""
    body = link_body(world)
    world.made(world.keys["super_admin"], "/v1/integrations/link", body)
    return body


# What stands in the place of a parameter: the beginning of the path -> (how to make one with a key that may, to whom it
# belongs: an environment, a tenant, or everybody). The first that fits counts.
RESOURCES = [
    ("/v1/users/{id}/roles", make_user("user"), "tenant"),
    ("/v1/users/{id}", make_user("service_account"), "tenant"),
    ("/v1/environments/{id}", make_environment, "tenant"),
    ("/v1/tenants/{id}", own_tenant, "tenant"),
    ("/v1/secrets/api/keys/{id}", make_key, "environment"),
    ("/v1/customers/{id}", lambda world, key: make_customer(world, key)["id"], "environment"),
    ("/v1/customers/", lambda world, key: make_customer(world, key)["external_id"], "environment"),
    ("/v1/connections/{id}", make_connection, "environment"),
    ("/v1/activity/{id}", made_change, "environment"),
    ("/v1/rbac/roles/{id}", lambda world, key: "all_reader", "everybody"),
]
# A body that is accepted, for each route that has one.
BODIES = {
    ("POST", "/v1/customers"): lambda world: {"external_id": world.unique("body"), "name": "Acme"},
    ("POST", "/v1/customers/search"): lambda world: {"limit": 1},
    ("PUT", "/v1/customers"): lambda world: {"name": world.unique("renamed")},
    ("PUT", "/v1/customers/{id}"): lambda world: {"name": world.unique("renamed")},
    ("POST", "/v1/environments"): lambda world: {"name": world.unique("body"), "type": "development"},
    ("PUT", "/v1/environments/{id}"): lambda world: {"name": world.unique("renamed")},
    ("POST", "/v1/environments/{id}/clone"): lambda world: {"target_environment_id": world.second.environment_id},
    ("PUT", "/v1/tenants/update"): lambda world: {"name": world.unique("renamed")},
    ("POST", "/v1/secrets/api/keys"): lambda world: {"name": "made", "type": "private_key"},
    ("PUT", "/v1/users/me"): lambda world: {"name": world.unique("renamed")},
    ("POST", "/v1/users"): lambda world: {"type": "service_account", "roles": ["event_ingestor"]},
    ("PUT", "/v1/users/{id}"): lambda world: {"name": world.unique("renamed")},
    ("PUT", "/v1/users/{id}/roles"): lambda world: {"roles": ["all_writer"]},
    ("POST", "/v1/users/search"): lambda world: {},
    ("POST", "/v1/connections"): lambda world: connection_body("s3"),
    ("PUT", "/v1/connections/{id}"): lambda world: {"name": world.unique("renamed")},
    ("POST", "/v1/connections/search"): lambda world: {},
    ("POST", "/v1/integrations/link"): link_body,
    ("DELETE", "/v1/integrations/link"): linked_body,
}
# What a route names in its query, as RESOURCES does for a path.
QUERIES = {("PUT", "/v1/customers"): ("id", lambda world, key: make_customer(world, key)["id"], "environment")}
# What must stand behind a path.
QUERY_ENDS = {("GET", "/v1/integrations/mappings"): "?entity_type=customer&entity_id=nobody"}
# A refusal that is the route's own business, for callers that it lets in: (method, path, caller) -> status.
OWN_BUSINESS = {
    # A support chat knows people by their e-mail, and service accounts have none.
    ("POST", "/v1/users/chat/verify", name): 400
    for name, (kind, _) in CALLERS.items()
    if kind == "service_account"
}
# A tenant other than one's own is refused rather than not found (section 22.3).
FOREIGN_IS_REFUSED = {("GET", "/v1/tenants/{id}")}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("matrix") / "data")
    yield world
    world.stop()


def name_of(route):
    return route["method"], route["path"]


def routes_of(world, access):
    return [route for route in world.routes if route["access"] == access]


def resource_of(route):
    if name_of(route) in QUERIES:
        return QUERIES[name_of(route)][1:]
    for beginning, make, owner in RESOURCES:
        if route["path"].startswith(beginning):
            return make, owner
    pytest.fail(f"RESOURCES does not say how to make what {name_of(route)} names")


def body_of(world, route):
    if not route["has_body"]:
        return None
    make = BODIES.get(name_of(route))
    return make(world) if make else pytest.fail(f"BODIES has no body that {name_of(route)} accepts")


def has_parameter(route):
    return "{" in route["path"] or name_of(route) in QUERIES


def path_with(route, value):
    if name_of(route) in QUERIES:
        return f"{route['path']}?{QUERIES[name_of(route)][0]}={value}"
    start, end = route["path"].index("{"), route["path"].index("}")
    path = route["path"][:start] + value.replace(" ", "%20") + route["path"][end + 1 :]
    assert "{" not in path, "a path with two parameters needs more of RESOURCES"
    return path


def own_path(world, route, key):
    """The route's path with something of the caller's own, made by a key that may."""
    if has_parameter(route):
        return path_with(route, resource_of(route)[0](world, key))
    return route["path"] + QUERY_ENDS.get(name_of(route), "")


def is_granted(route, caller):
    kind, role = CALLERS[caller]
    if not route["entity"]:
        return True
    if route["super_admins_only"] and (role, kind) != ("super_admin", "user"):
        return False
    return bool({("*", route["action"]), (route["entity"], route["action"])} & ROLES[role])


def lacking(route):
    """A caller that may not use the route, or None."""
    return next((caller for caller in CALLERS if not is_granted(route, caller)), None)


def test_the_list_is_the_matrix_of_the_specification(world):
    listed = {
        name_of(route): f"{route['entity']}:{route['action']}" + (" super" if route["super_admins_only"] else "")
        if route["entity"]
        else "-"
        for route in routes_of(world, "key")
    }
    beyond = {name: permission for name, permission in listed.items() if name not in MATRIX}
    assert {name: listed[name] for name in MATRIX} == MATRIX
    # One that the matrix does not have yet must ask for something: only the matrix can say that it need not.
    assert all(permission != "-" for permission in beyond.values()), beyond


def test_a_write_asks_for_a_write_permission(world):
    for route in routes_of(world, "key"):
        if route["writes"] and route["entity"]:
            assert route["action"] == "write", name_of(route)


def test_public_routes_are_known(world):
    assert {name_of(route) for route in routes_of(world, "public")} == PUBLIC


def test_what_runs_without_an_environment(world):
    for route in routes_of(world, "key"):
        in_group = any(route["path"] == group or route["path"].startswith(group + "/") for group in WITHOUT_ENVIRONMENT)
        assert route["without_environment"] == in_group, name_of(route)


def test_other_entrances_are_closed(world):
    for access in ("admin", "nobody", "metrics"):
        for route in routes_of(world, access):
            path = path_with(route, "x") if has_parameter(route) else route["path"]
            reply = world.request(world.keys["super_admin"], *name_of(route)[:1], path, body={})
            # A path that is no route is read as an id of the route that has a parameter there, if there is one.
            assert_error(reply, 404, "not_found")
            assert "no endpoint" in reply.json()["message"], name_of(route)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("kind", ["key", "token"])
def test_each_role(world, kind, caller):
    key = world.credentials(kind, caller)
    for route in routes_of(world, "key"):
        body = body_of(world, route)
        if not is_granted(route, caller):
            path = path_with(route, "x") if has_parameter(route) else route["path"]
            assert_error(world.request(key, route["method"], path, body), 403, "permission_denied")
            continue
        # Keys belong to whoever makes them; all else is made by somebody who may.
        is_key = route["path"].startswith("/v1/secrets/api/keys/")
        path = own_path(world, route, key if is_key else world.keys["super_admin"])
        reply = world.request(key, route["method"], path, body)
        assert reply.status == OWN_BUSINESS.get((*name_of(route), caller), route["status"]), (name_of(route), reply)


def test_each_reply_is_as_described(world):
    """GET /openapi.json says what comes back, and names every member of it."""
    document = world.request(None, "GET", "/openapi.json").json()
    described = {(method, path): operation for method, path, operation in operations(document)}
    key = world.keys["super_admin"]
    for route in routes_of(world, "key"):
        reply = world.request(key, route["method"], own_path(world, route, key), body_of(world, route))
        response = described[name_of(route)]["responses"][str(route["status"])]
        assert ("content" in response) == bool(reply.body), name_of(route)
        if reply.body:
            schema = schema_of(document, response)
            assert list(violations(document, schema, reply.json())) == [], (name_of(route), reply)
            assert set(reply.json()) <= set(schema["properties"]), (name_of(route), reply)


def foreigners(world, owner):
    """Keys of whom the first environment knows nothing."""
    yield world.other.api_key
    if owner == "environment":
        yield world.second.api_key


def test_what_belongs_to_others_does_not_exist(world):
    walked = 0
    for route in filter(has_parameter, routes_of(world, "key")):
        make, owner = resource_of(route)
        if owner == "everybody":
            continue
        for foreign_key in foreigners(world, owner):
            foreign = make(world, foreign_key)
            replies = [
                world.request(world.keys["super_admin"], route["method"], path_with(route, value), body_of(world, route))
                for value in (foreign, "nobody")
            ]
            if name_of(route) in FOREIGN_IS_REFUSED:
                assert_error(replies[0], 403, "permission_denied")
            else:
                assert_error(replies[0], 404, "not_found")
            # Nothing tells what others have from what nobody has.
            assert replies[0].body == replies[1].body.replace(b"nobody", foreign.encode()), name_of(route)
            walked += 1
    assert walked > 10


def test_what_belongs_to_others_stays_as_it_is(world):
    for route in filter(has_parameter, routes_of(world, "key")):
        make, owner = resource_of(route)
        if owner == "everybody" or route["action"] == "read":
            continue
        seen = [entry for entry in routes_of(world, "key") if entry["method"] == "GET" and entry["path"] == route["path"]]
        for foreign_key in foreigners(world, owner) if seen else ():
            path = path_with(route, make(world, foreign_key))
            before = world.request(foreign_key, "GET", path)
            world.request(world.keys["super_admin"], route["method"], path, body_of(world, route))
            assert world.request(foreign_key, "GET", path).body == before.body, name_of(route)


def test_others_things_in_a_body_do_not_exist(world):
    key = world.keys["super_admin"]
    source = make_environment(world, key)
    body = {"target_environment_id": world.other.environment_id}
    assert_error(world.request(key, "POST", f"/v1/environments/{source}/clone", body), 404, "not_found")
    account = make_user("service_account")(world, world.other.api_key)
    body = {"name": "made", "type": "private_key", "service_account_id": account}
    assert_error(world.request(key, "POST", "/v1/secrets/api/keys", body), 404, "not_found")
    found = world.request(key, "POST", "/v1/users/search", {"user_ids": [account]}).json()
    assert found["items"] == [] and found["pagination"]["total"] == 0
    listed = world.request(key, "GET", "/v1/environments?limit=1000").json()["environments"]
    assert world.other.environment_id not in {environment["id"] for environment in listed}


def test_a_key_stays_in_its_environment_whatever_the_header_says(world):
    for environment in (world.second.environment_id, world.other.environment_id, "env_of_nobody"):
        for route in routes_of(world, "key"):
            path = own_path(world, route, world.keys["super_admin"])
            headers = {"X-Environment-ID": environment}
            reply = world.request(world.keys["super_admin"], route["method"], path, body_of(world, route), headers)
            assert reply.status == route["status"], (name_of(route), reply)


UNBOUND = pytest.mark.parametrize("kind", ["static key", "token"])


@UNBOUND
@pytest.mark.parametrize("environment", [None, "env_of_nobody", "foreign"])
def test_an_unbound_caller_without_a_good_environment(world, environment, kind):
    key, headers = world.unbound(kind)
    if environment:
        headers["X-Environment-ID"] = world.other.environment_id if environment == "foreign" else environment
    for route in routes_of(world, "key"):
        path = own_path(world, route, world.keys["super_admin"])
        reply = world.request(key, route["method"], path, body_of(world, route), headers)
        if environment or not route["without_environment"]:
            assert_error(reply, 403, "permission_denied")
            assert "X-Environment-ID" in reply.json()["message"], reply
        else:
            # What is in an environment is not found without one, nor is oneself with a static key: its user is in no table.
            is_missing = has_parameter(route) and resource_of(route)[1] == "environment"
            is_missing = is_missing or (kind == "static key" and ("/me" in path or "/chat/" in path))
            assert reply.status == (404 if is_missing else route["status"]), (name_of(route), reply)


@UNBOUND
def test_an_unbound_caller_in_another_environment_of_the_tenant(world, kind):
    key, headers = world.unbound(kind)
    headers["X-Environment-ID"] = world.second.environment_id
    for route in filter(has_parameter, routes_of(world, "key")):
        make, owner = resource_of(route)
        path = path_with(route, make(world, world.keys["super_admin"]))
        reply = world.request(key, route["method"], path, body_of(world, route), headers)
        assert reply.status == (404 if owner == "environment" else route["status"]), (name_of(route), reply)


def test_the_order_of_the_checks(world):
    """A bad key beats a bad environment, that beats a missing role, and that beats a malformed body (section 2)."""
    bad_environment = {"X-Environment-ID": "env_of_nobody"}
    for route in routes_of(world, "key"):
        path = path_with(route, "x") if has_parameter(route) else route["path"]
        for key in ("sk_bad", None, Bearer("no.token.of-ours")):
            reply = world.request(key, route["method"], path, b"{", bad_environment)
            assert_error(reply, 401, "permission_denied")
        for key in (STATIC_KEY, Bearer(world.tokens["super_admin"])):
            reply = world.request(key, route["method"], path, b"{", bad_environment)
            assert_error(reply, 403, "permission_denied")
            assert "X-Environment-ID" in reply.json()["message"], reply
        for kind in ("key", "token") if lacking(route) else ():
            reply = world.request(world.credentials(kind, lacking(route)), route["method"], path, b"{")
            assert_error(reply, 403, "permission_denied")
            assert "X-Environment-ID" not in reply.json()["message"], reply
        if route["has_body"]:
            for body in (b"{", b"", b"[]", b"\xff"):
                reply = world.request(world.keys["super_admin"], route["method"], path, body)
                assert_error(reply, 400, "validation_error")


def suspended_owner(world):
    """The token of the suspended tenant's own super admin."""
    user_id = world.request(world.suspended.api_key, "GET", "/v1/users/me").json()["id"]
    return Bearer(world.token_of(user_id, world.suspended.tenant_id), world.suspended.environment_id)


@pytest.mark.parametrize("kind", ["key", "token"])
def test_a_suspended_tenant_reads_and_does_not_write(world, kind):
    key = world.suspended.api_key if kind == "key" else suspended_owner(world)
    for route in routes_of(world, "key"):
        path = path_with(route, "nobody") if has_parameter(route) else route["path"]
        if route["entity"] and route["action"] == "write":
            reply = world.request(key, route["method"], path, b"{")
            assert_error(reply, 403, "permission_denied")
            assert "suspended" in reply.json()["message"], reply
        else:
            reply = world.request(key, route["method"], path, body_of(world, route))
            assert "suspended" not in reply.json().get("message", ""), reply


def test_portal_routes_need_a_session(world):
    customer = make_customer(world, world.keys["super_admin"])
    link = world.made(world.keys["super_admin"], f"/v1/customers/portal/{customer['external_id']}".replace(" ", "%20"), {})
    routes = routes_of(world, "portal")
    assert routes
    for route in routes:
        altered = link["token"][:-2] + ("AA" if link["token"][-2:] != "AA" else "BB")
        for token in (None, "", "x", "x.y.z", world.keys["super_admin"], world.tokens["super_admin"], altered):
            headers = {} if token is None else {"X-Session-Token": token}
            reply = world.request(world.keys["super_admin"], route["method"], route["path"], b"{", headers)
            assert_error(reply, 401, "permission_denied")
        for key in (None, "sk_bad", world.other.api_key):
            headers = {"X-Session-Token": link["token"], "X-Environment-ID": world.other.environment_id}
            reply = world.request(key, route["method"], route["path"], {} if route["has_body"] else None, headers)
            assert reply.status == route["status"], (name_of(route), reply)
        if route["has_body"]:
            headers = {"X-Session-Token": link["token"]}
            assert_error(world.request(None, route["method"], route["path"], b"{", headers), 400, "validation_error")


def test_a_session_reaches_no_other_customer(world):
    """Whatever else comes with it: the customer is that of the token, and so is the environment."""
    first, second = (make_customer(world, world.keys["super_admin"]) for _ in range(2))
    before = world.request(world.keys["super_admin"], "GET", f"/v1/customers/{second['id']}").json()
    path = f"/v1/customers/portal/{first['external_id']}".replace(" ", "%20")
    session = {"X-Session-Token": world.made(world.keys["super_admin"], path, {})["token"]}
    for key in (None, Bearer(world.tokens["super_admin"], world.second.environment_id)):
        for route in routes_of(world, "portal"):
            assert route["path"] == "/v1/customer/portal/info", "a new portal route must be walked here as well"
            body = {"id": second["id"], "name": "Changed"} if route["has_body"] else None
            reply = world.request(key, route["method"], f"{route['path']}?customer_id={second['id']}", body, session)
            assert (reply.status, reply.json()["id"]) == (200, first["id"]), reply
    assert world.request(world.keys["super_admin"], "GET", f"/v1/customers/{second['id']}").json() == before


def test_a_session_is_no_other_credential(world):
    customer = make_customer(world, world.keys["super_admin"])
    link = world.made(world.keys["super_admin"], f"/v1/customers/portal/{customer['external_id']}".replace(" ", "%20"), {})
    for headers in ({"Authorization": f"Bearer {link['token']}"}, {"X-Session-Token": link["token"]}):
        for route in routes_of(world, "key"):
            path = path_with(route, "x") if has_parameter(route) else route["path"]
            assert_error(world.request(None, route["method"], path, headers=headers), 401, "permission_denied")


def test_where_reads_are_open(tmp_path):
    """rbac-enforce-reads=false is what clients of the peer expect: reads need no role, but for some (section 6.1)."""
    world = World(tmp_path / "data", FARTHING_RBAC_ENFORCE_READS="false")
    try:
        for route in routes_of(world, "key"):
            if route["action"] == "write":
                continue
            path = own_path(world, route, world.keys["super_admin"])
            reply = world.request(world.keys["event_ingestor"], route["method"], path, body_of(world, route))
            is_refused = route["entity"] and route["always_gated"]
            expected = OWN_BUSINESS.get((*name_of(route), "event_ingestor"), route["status"])
            assert reply.status == (403 if is_refused else expected), (name_of(route), reply)
    finally:
        world.stop()
