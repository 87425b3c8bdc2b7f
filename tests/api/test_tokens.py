"""Bearer tokens (conventions sections 3.1, 3.4 and 3.6): which ones count, as whom, and where."""

import base64
import hashlib
import hmac
import json
import time

import pytest

import farthing_server
from expectations import assert_error
from farthing_server import create_environment, create_key, create_tenant, run_ok
from http_client import Client
from tenancy import delete, make_caller, put

OTHER_SECRET = b"a secret that this server has never heard of"
HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
DAY = 24 * 60 * 60


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(secret, claims, algorithm="HS256", header=None):
    head = encoded(json.dumps(header or {"alg": algorithm, "typ": "JWT"}).encode())
    body = encoded(claims if isinstance(claims, bytes) else json.dumps(claims).encode())
    signature = hmac.new(secret, f"{head}.{body}".encode(), HASHES.get(algorithm, hashlib.sha256)).digest()
    return f"{head}.{body}.{encoded(signature)}"


class Place:
    """Two tenants, the first with two environments and users of every kind, on a server whose signing key is known."""

    def __init__(self, directory):
        self.directory = directory
        self.first = farthing_server.init(directory)
        self.second_environment = create_environment(directory, self.first.tenant_id, "second").environment_id
        self.other = create_tenant(directory, "Other")
        home = {"tenant_id": self.first.tenant_id, "environment_id": self.first.environment_id}
        self.admin, _ = make_caller(directory, "super_admin", email="admin@acme.test", **home)
        self.reader, _ = make_caller(directory, "all_reader", **home)
        self.bot, self.bot_key = make_caller(directory, "event_ingestor", "service_account", **home)
        lines = [line.split() for line in (directory / "secrets").read_text().splitlines()]
        self.secret = bytes.fromhex(next(line[4] for line in lines if line[:1] == ["signing"] and line[3] == "present"))
        self.server = farthing_server.Server(directory)

    def claims(self, user=None, **changes):
        now = int(time.time())
        claims = {"user_id": user or self.admin, "tenant_id": self.first.tenant_id, "iat": now, "exp": now + DAY, **changes}
        return {name: value for name, value in claims.items() if value is not ...}

    def signed(self, claims, **options):
        return signed(self.secret, claims, **options)

    def client(self):
        return Client(self.server.address)

    def get(self, token, path="/v1/customers/x", environment=..., **headers):
        if environment is ...:
            environment = self.first.environment_id
        if environment is not None:
            headers["X-Environment-ID"] = environment
        with self.client() as client:
            return client.get(path, headers={"Authorization": f"Bearer {token}", **headers})


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("tokens") / "data")
    yield place
    place.server.stop()


@pytest.mark.parametrize("algorithm", HASHES)
def test_the_algorithms_that_count(place, algorithm):
    assert_error(place.get(place.signed(place.claims(), algorithm=algorithm)), 404, "not_found")


NOW = int(time.time())
WRONG_CLAIMS = {
    "expired": {"exp": NOW - 1},
    "expired long ago": {"exp": 0},
    "expires at no instant": {"exp": "tomorrow"},
    "not valid yet": {"nbf": NOW + DAY},
    "of the future": {"iat": NOW + DAY, "exp": NOW + 2 * DAY},
    "without a user": {"user_id": ...},
    "with an empty user": {"user_id": ""},
    "with a user that is no text": {"user_id": 7},
    "without a tenant": {"tenant_id": ...},
    "of the tenant of nobody": {"tenant_id": "00000000-0000-0000-0000-000000000000"},
    "of a user that does not exist": {"user_id": "user_nobody"},
    "with an environment that is no text": {"environment_id": ["env"]},
}


@pytest.mark.parametrize("changes", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
def test_wrong_claims(place, changes):
    assert_error(place.get(place.signed(place.claims(**changes))), 401, "permission_denied")


def wrong_tokens(place):
    good = place.signed(place.claims())
    head, body, signature = good.split(".")
    other = encoded(json.dumps(place.claims(user=place.reader)).encode())
    none = encoded(b'{"alg":"none","typ":"JWT"}')
    yield "altered claims", f"{head}.{other}.{signature}"
    yield "altered signature", f"{head}.{body}.{signature[:-2]}AA"
    yield "no signature", f"{head}.{body}."
    yield "alg none", f"{none}.{body}."
    yield "alg none, signed", f"{none}.{body}.{signature}"
    yield "another secret", signed(OTHER_SECRET, place.claims())
    yield "an empty secret", signed(b"", place.claims())
    yield "another algorithm said", place.signed(place.claims(), header={"alg": "HS512", "typ": "JWT"})
    yield "an asymmetric algorithm", place.signed(place.claims(), header={"alg": "RS256", "typ": "JWT"})
    yield "no algorithm", place.signed(place.claims(), header={"typ": "JWT"})
    yield "an algorithm twice", place.signed(place.claims(), header={"alg": "HS256", "ALG": "none", "crit": ["x"]})
    yield "padding", good + "="
    yield "two parts", f"{head}.{body}"
    yield "four parts", f"{good}.{signature}"
    yield "claims that are a list", place.signed(b"[]")
    yield "claims that are no JSON", place.signed(b"{")
    yield "nothing", ""
    yield "very long", "a" * 20000


@pytest.mark.parametrize("number", range(18))
def test_wrong_tokens(place, number):
    name, token = list(wrong_tokens(place))[number]
    reply = place.get(token)
    assert_error(reply, 401, "permission_denied")
    assert reply.header("WWW-Authenticate") == "Bearer", name


@pytest.mark.parametrize("value", [-1.5, "1", 1e300, [], {}, True], ids=str)
def test_a_password_that_is_none(place, value):
    assert_error(place.get(place.signed(place.claims(password_set_at_us=value))), 401, "permission_denied")


def test_an_api_key_in_the_place_of_a_token(place):
    for key in (place.bot_key, "sk_anything"):
        reply = place.get(key)
        assert_error(reply, 401, "permission_denied")
        assert "API key" in reply.json()["message"] and "x-api-key" in reply.json()["message"]
        assert key not in reply.body.decode()
    assert "API key" not in place.get("something else").json()["message"]


def test_another_tenants_user_is_nobody_here(place):
    """A token says both; one of them alone is not enough."""
    claims = place.claims(tenant_id=place.other.tenant_id)
    assert_error(place.get(place.signed(claims), environment=place.other.environment_id), 401, "permission_denied")


def test_the_scheme_is_exact(place):
    token = place.signed(place.claims())
    for value in (token, f"bearer {token}", f"Bearer  {token}", f"BEARER {token}", f"Basic {token}", f"Bearer {token} x"):
        with place.client() as client:
            headers = {"Authorization": value, "X-Environment-ID": place.first.environment_id}
            assert_error(client.get("/v1/customers/x", headers=headers), 401, "permission_denied")


def test_a_key_decides_and_a_bad_one_gives_way(place):
    good, bad = place.signed(place.claims()), signed(OTHER_SECRET, place.claims())
    key, _ = create_key(place.directory, "--environment", place.second_environment)
    for token in (good, bad):
        reply = place.get(token, "/v1/users/me", **{"x-api-key": key})
        assert reply.status == 200 and reply.json()["id"] != place.admin
    assert place.get(good, "/v1/users/me", **{"x-api-key": "sk_bad"}).json()["id"] == place.admin
    assert_error(place.get(bad, **{"x-api-key": "sk_bad"}), 401, "permission_denied")


def test_environments(place):
    """The worked example of section 25."""
    token, first, second = place.signed(place.claims()), place.first.environment_id, place.second_environment
    foreign = place.other.environment_id
    for environment in (first, second):
        assert_error(place.get(token, environment=environment), 404, "not_found")
    for environment in (None, "", foreign, "env_nobody"):
        assert_error(place.get(token, environment=environment), 403, "permission_denied")
    assert place.get(token, "/v1/environments", environment=None).status == 200
    assert_error(place.get(token, "/v1/environments", environment=foreign), 403, "permission_denied")


def test_an_environment_that_the_token_names(place):
    bound = place.signed(place.claims(environment_id=place.second_environment))
    for environment in (None, place.first.environment_id, place.other.environment_id, "env_nobody"):
        assert_error(place.get(bound, environment=environment), 404, "not_found")
    for wrong in (place.other.environment_id, "env_nobody"):
        for path in ("/v1/customers/x", "/v1/environments"):
            token = place.signed(place.claims(environment_id=wrong))
            assert_error(place.get(token, path, environment=place.first.environment_id), 403, "permission_denied")


def test_roles_are_those_of_now(place, new_external_id):
    user, _ = make_caller(
        place.directory, "all_writer", tenant_id=place.first.tenant_id, environment_id=place.first.environment_id,
        email="changes@acme.test",
    )
    keys = json.loads(run_ok("key", "list", "--data", place.directory, "--json"))["items"]
    run_ok("key", "revoke", "--data", place.directory, next(key["id"] for key in keys if key["user_id"] == user))
    headers = {"Authorization": f"Bearer {place.signed(place.claims(user))}", "X-Environment-ID": place.first.environment_id}
    boss = {**headers, "Authorization": f"Bearer {place.signed(place.claims())}"}

    def create():
        with place.client() as client:
            return client.post("/v1/customers", {"external_id": new_external_id(), "name": "n"}, headers=headers)

    assert create().status == 201
    with place.client() as client:
        assert put(client, f"/v1/users/{user}/roles", {"roles": ["all_reader"]}, headers=boss).status == 200
        assert_error(create(), 403, "permission_denied")
        assert put(client, f"/v1/users/{user}/roles", {"roles": ["all_writer"]}, headers=boss).status == 200
    assert create().status == 201


def test_an_archived_user_is_nobody_at_once(place):
    bot, key = make_caller(
        place.directory, "event_reader", "service_account", tenant_id=place.first.tenant_id,
        environment_id=place.first.environment_id,
    )
    token = place.signed(place.claims(bot))
    assert place.get(token, "/v1/users/me").status == 200
    keys = json.loads(run_ok("key", "list", "--data", place.directory, "--json"))["items"]
    run_ok("key", "revoke", "--data", place.directory, next(key["id"] for key in keys if key["user_id"] == bot))
    with place.client() as client:
        headers = {"Authorization": f"Bearer {place.signed(place.claims())}"}
        assert delete(client, f"/v1/users/{bot}", headers=headers).status == 204
    assert_error(place.get(token, "/v1/users/me"), 401, "permission_denied")


def test_a_suspended_tenant_can_be_read(place, new_external_id):
    token = place.signed(place.claims())
    run_ok("tenant", "suspend", "--data", place.directory, place.first.tenant_id)
    try:
        assert_error(place.get(token), 404, "not_found")
        with place.client() as client:
            headers = {"Authorization": f"Bearer {token}", "X-Environment-ID": place.first.environment_id}
            body = {"external_id": new_external_id(), "name": "n"}
            assert_error(client.post("/v1/customers", body, headers=headers), 403, "permission_denied")
    finally:
        run_ok("tenant", "resume", "--data", place.directory, place.first.tenant_id)


def test_the_two_kinds_of_token_are_not_interchangeable(place, new_external_id):
    user = place.signed(place.claims())
    headers = {"Authorization": f"Bearer {user}", "X-Environment-ID": place.first.environment_id}
    with place.client() as client:
        external_id = new_external_id()
        customer = client.post("/v1/customers", {"external_id": external_id, "name": "n"}, headers=headers).json()
        portal = client.get(f"/v1/customers/portal/{external_id}", headers=headers).json()["token"]
        assert client.get("/v1/customer/portal/info", headers={"X-Session-Token": portal}).json()["id"] == customer["id"]
        assert_error(client.get("/v1/customer/portal/info", headers={"X-Session-Token": user}), 401, "permission_denied")
        assert_error(client.get("/v1/customer/portal/info", headers=headers), 401, "permission_denied")
    assert_error(place.get(portal), 401, "permission_denied")
    # Not even with all claims of the other kind: each is signed with a key of its own.
    both = place.claims(
        customer_id=customer["id"], external_customer_id=external_id, environment_id=place.first.environment_id,
        typ="portal", aud="portal",
    )
    with place.client() as client:
        reply = client.get("/v1/customer/portal/info", headers={"X-Session-Token": place.signed(both)})
        assert_error(reply, 401, "permission_denied")


def test_the_order_of_the_steps(place):
    """Section 2: token, environment, role, body."""
    reader = place.signed(place.claims(place.reader))
    for token, environment, status in (
        (signed(OTHER_SECRET, place.claims()), "env_nobody", 401),
        (reader, "env_nobody", 403),
        (reader, place.first.environment_id, 403),
        (place.signed(place.claims()), place.first.environment_id, 400),
    ):
        with place.client() as client:
            headers = {"Authorization": f"Bearer {token}", "X-Environment-ID": environment}
            assert client.post("/v1/customers", b"{", headers=headers).status == status
