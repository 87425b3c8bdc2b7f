"""POST /v1/auth/signup and /v1/auth/login (conventions section 22.1)."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import engine
from engine import rows
from expectations import assert_error
from farthing_server import run, run_ok, wait_until
from http_client import Client, RawConnection, request_bytes
from test_listeners import UnixConnection
from tokens import claims_of, signing_key

EMAIL, PASSWORD = "ada@acme.example", "correct horse"
LIFETIME_SECONDS = 30 * 24 * 60 * 60
# Reads of tests are not to be told to wait for what other tests got wrong.
UNLIMITED = ("--login-failures-per-address", 0, "--login-failures-per-email", 0)


@pytest.fixture
def auth(directory, start_server):
    """Starts a server on a new directory, where nobody has a password yet."""

    class Auth:
        def start(self, *arguments):
            run("init", "--data", directory)
            self.directory = directory
            self.server = start_server(directory, *arguments)
            return self

        def restart(self, *arguments):
            self.server.stop()
            return self.start(*arguments)

        def post(self, path, body, **options):
            with Client(self.server.address) as client:
                return client.post(path, body, **options)

        def sign_up(self, email=EMAIL, password=PASSWORD, **members):
            return self.post("/v1/auth/signup", {"email": email, "password": password, **members})

        def log_in(self, email=EMAIL, password=PASSWORD, **options):
            return self.post("/v1/auth/login", {"email": email, "password": password}, **options)

    return Auth()


@pytest.fixture(scope="module")
def open_server(tmp_path_factory):
    """A server that anybody may sign up to, as often as they like, for the tests of this file that leave it as it is."""
    from shared_server import Shared

    shared = Shared(tmp_path_factory.mktemp("auth") / "data", "--signup", "open", *UNLIMITED)
    yield shared
    shared.server.stop()


def post(server, path, body):
    with Client(server.address) as client:
        return client.post(path, body)


def assert_limited(reply):
    assert_error(reply, 429, "too_many_requests")
    assert int(reply.header("Retry-After")) >= 1


# --- signing up --------------------------------------------------------------------------------------------------


def test_sign_up(auth):
    auth.start()
    begun = int(time.time())
    reply = auth.sign_up("Ada@Acme.Example", tenant_name="Acme", metadata={"plan": "gold"})
    assert reply.status == 200, reply
    body = reply.json()
    assert set(body) == {"token", "user_id", "tenant_id"}
    claims = claims_of(body["token"], signing_key(auth.directory))
    assert begun <= claims["iat"] <= time.time()
    assert begun <= claims["password_set_at_us"] / 1_000_000 <= time.time()
    assert claims == {
        "user_id": body["user_id"], "tenant_id": body["tenant_id"], "iat": claims["iat"], "exp": claims["iat"] + LIFETIME_SECONDS,
        "password_set_at_us": claims["password_set_at_us"],
    }  # fmt: skip
    auth.server.stop()
    (tenant,) = rows(auth.directory, f"SELECT * FROM tenants WHERE id = '{body['tenant_id']}'")
    (user,) = rows(auth.directory, f"SELECT * FROM users WHERE tenant_id = '{body['tenant_id']}'")
    (environment,) = rows(auth.directory, f"SELECT * FROM environments WHERE tenant_id = '{body['tenant_id']}'")
    (password,) = rows(auth.directory, "SELECT * FROM auths")
    assert (tenant["name"], tenant["status"], tenant["internal_status"]) == ("Acme", "published", "trialing")
    assert (user["id"], user["email"], user["type"], user["created_by"]) == (body["user_id"], EMAIL, "user", body["user_id"])
    as_object = lambda value: json.loads(value) if isinstance(value, str) else value  # noqa: E731
    assert as_object(user["roles"]) == ["super_admin"]
    assert as_object(tenant["metadata"]) == as_object(user["metadata"]) == {"plan": "gold"}
    assert (environment["name"], environment["type"]) == ("Sandbox", "development")
    assert (password["user_id"], password["provider"], password["status"]) == (user["id"], "flexprice", "published")
    assert password["token"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    audited = rows(auth.directory, f"SELECT entity_type, changes FROM audit_log WHERE entity_id IN ('{password['id']}', '{user['id']}')")
    assert {row["entity_type"] for row in audited} == {"auth", "user"}
    # Whoever signs up has done it all.
    (request,) = {row["request_id"] for row in rows(auth.directory, f"SELECT request_id FROM audit_log WHERE entity_id = '{user['id']}'")}
    trail = rows(auth.directory, f"SELECT entity_type, actor_id FROM audit_log WHERE request_id = '{request}'")
    assert sorted(row["entity_type"] for row in trail) == ["auth", "environment", "tenant", "user"]
    assert {row["actor_id"] for row in trail} == {user["id"]}
    assert "argon2" not in str(audited)


def test_the_password_is_nowhere_to_be_seen(auth, tmp_path):
    secret = "a most secret phrase"
    auth.start("--log-level", "debug", "--access-log", tmp_path / "access.log")
    assert auth.sign_up(password=secret).status == 200
    assert auth.log_in(password=secret).status == 200
    assert auth.log_in(password=secret + "!").status == 403
    token = auth.log_in(password=secret).json()["token"]
    auth.server.stop()
    written = [auth.server.log, (tmp_path / "access.log").read_text()]
    for table in ("auths", "audit_log", "system_events", "users", "tenants"):
        written.append(str(rows(auth.directory, f"SELECT * FROM {table}")))
    for text in written:
        assert secret not in text and token not in text and token.rsplit(".", 1)[1] not in text


def test_names_of_tenants(auth):
    auth.start("--signup", "open")
    named = auth.sign_up("a@acme.example", tenant_name="").json()
    auth.restart("--signup", "open", "--default-tenant-name", "A new one")
    other = auth.sign_up("b@acme.example").json()
    auth.server.stop()
    names = {row["id"]: row["name"] for row in rows(auth.directory, "SELECT id, name FROM tenants")}
    assert (names[named["tenant_id"]], names[other["tenant_id"]]) == ("Farthing", "A new one")


@pytest.mark.parametrize("path", ["/v1/auth/signup", "/v1/auth/login"])
@pytest.mark.parametrize(
    "body, fields",
    [
        ({}, {"email", "password"}),
        ({"email": EMAIL}, {"password"}),
        ({"password": PASSWORD}, {"email"}),
        ({"email": "", "password": ""}, {"email", "password"}),
        ({"email": None, "password": None}, {"email", "password"}),
        ({"email": "ada", "password": PASSWORD}, {"email"}),
        ({"email": "a" * 250 + "@b.example", "password": PASSWORD}, {"email"}),
        ({"email": EMAIL, "password": "1234567"}, {"password"}),
        ({"email": EMAIL, "password": "é" * 7}, {"password"}),
        ({"email": EMAIL, "password": "a" * 73}, {"password"}),
        ({"email": EMAIL, "password": "é" * 37}, {"password"}),
        ({"email": "ada", "password": "1"}, {"email", "password"}),
        ({"email": 1, "password": [PASSWORD]}, {"email", "password"}),
    ],
)
def test_what_is_malformed(open_server, path, body, fields):
    reply = post(open_server, path, body)
    assert_error(reply, 400, "validation_error")
    assert set(reply.json()["details"]) - {"field", "expected"} == fields


@pytest.mark.parametrize("members", [{"tenant_name": "x" * 101}, {"tenant_name": 1}, {"metadata": []}, {"metadata": {"a": 1}}])
def test_what_is_malformed_beside(open_server, members):
    reply = post(open_server, "/v1/auth/signup", {"email": EMAIL, "password": PASSWORD, **members})
    assert_error(reply, 400, "validation_error")


def test_passwords_of_any_length_and_letters(open_server):
    for number, password in enumerate(["12345678", "a" * 72, "é" * 36, "pass word\t\n", "ünïcödé-✓✓"]):
        email = f"letters{number}@acme.example"
        assert post(open_server, "/v1/auth/signup", {"email": email, "password": password}).status == 200
        assert post(open_server, "/v1/auth/login", {"email": email, "password": password}).status == 200
        assert_error(post(open_server, "/v1/auth/login", {"email": email, "password": password[:-1] + "x"}), 403)


def test_an_email_is_for_one_user(auth):
    auth.start("--signup", "open")
    assert auth.sign_up().status == 200
    for email in (EMAIL, EMAIL.upper(), "Ada@acme.example"):
        reply = auth.sign_up(email, "another password")
        assert_error(reply, 409, "already_exists")
        assert set(reply.json()["details"]) == {"email"}
    assert auth.log_in().status == 200
    auth.server.stop()
    # Nothing of what was refused is there.
    counts = [rows(auth.directory, f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in ("tenants", "users", "environments", "auths")]
    assert counts == [2, 2, 2, 1]


def test_an_email_of_a_user_without_password(auth):
    auth.start("--signup", "open")
    run_ok("user", "create", "--data", auth.directory, "--email", EMAIL)
    assert_error(auth.sign_up(), 409, "already_exists")
    assert_error(auth.log_in(), 403)


def test_many_with_one_email_at_once(auth):
    auth.start("--signup", "open", *UNLIMITED)
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda number: auth.sign_up(tenant_name=f"t{number}"), range(8)))
    assert sorted(reply.status for reply in replies) == [200] + [409] * 7
    auth.server.stop()
    assert rows(auth.directory, "SELECT count(*) AS n FROM tenants") == [{"n": 2}]


# --- who may sign up -----------------------------------------------------------------------------------------------


def test_only_the_first_may_sign_up(auth):
    auth.start()
    assert auth.sign_up().status == 200
    for _ in range(2):
        assert_error(auth.sign_up("bob@acme.example"), 403, "permission_denied")
    auth.restart()
    assert_error(auth.sign_up("bob@acme.example"), 403, "permission_denied")
    # What is malformed is told so, open or closed.
    assert_error(auth.sign_up("bob"), 400)
    auth.restart("--signup", "open")
    assert auth.sign_up("bob@acme.example").status == 200
    auth.restart("--signup", "closed")
    assert_error(auth.sign_up("eve@acme.example"), 403, "permission_denied")
    assert auth.log_in().status == auth.log_in("bob@acme.example").status == 200


def test_signing_up_may_be_closed_from_the_start(auth):
    auth.start("--signup", "closed")
    assert_error(auth.sign_up(), 403, "permission_denied")


def test_several_firsts_at_once(auth):
    auth.start()
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda number: auth.sign_up(f"first{number}@acme.example"), range(8)))
    assert sorted(reply.status for reply in replies) == [200] + [403] * 7
    auth.server.stop()
    assert rows(auth.directory, "SELECT count(*) AS n FROM auths") == [{"n": 1}]


# --- logging in ----------------------------------------------------------------------------------------------------


def test_log_in(auth):
    auth.start()
    signed_up = auth.sign_up().json()
    for email in (EMAIL, "ADA@ACME.EXAMPLE"):
        reply = auth.log_in(email)
        assert reply.status == 200
        body = reply.json()
        assert set(body) == {"token", "user_id", "tenant_id"}
        assert (body["user_id"], body["tenant_id"]) == (signed_up["user_id"], signed_up["tenant_id"])
        assert claims_of(body["token"], signing_key(auth.directory))["user_id"] == signed_up["user_id"]
    auth.restart()
    assert auth.log_in().status == 200


def test_nobody_learns_who_has_an_account(auth):
    """The same status, headers and body for a wrong password, an unknown e-mail, and a user who is archived."""
    auth.start("--signup", "open")
    assert auth.sign_up().status == auth.sign_up("gone@acme.example").status == 200
    auth.server.stop()
    engine.change(auth.directory, "UPDATE users SET status = 'archived' WHERE email = 'gone@acme.example'")
    auth.start()
    told = set()
    for email, password in [(EMAIL, "wrong horse"), ("nobody@acme.example", PASSWORD), ("gone@acme.example", PASSWORD)]:
        reply = auth.log_in(email, password, headers=[("X-Request-ID", "same")])
        assert_error(reply, 403, "permission_denied")
        assert "details" not in reply.json()
        told.add((reply.status, str([header for header in reply.headers if header[0].lower() != "date"]), reply.body))
    assert len(told) == 1


def test_a_hash_of_older_parameters_is_renewed(auth):
    older = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
    auth.start()
    assert auth.sign_up().status == 200
    auth.server.stop()
    engine.change(auth.directory, f"UPDATE auths SET token = '{older}'")
    auth.start()
    assert_error(auth.log_in(password="passwort"), 403)
    first = auth.log_in(password="password")
    assert first.status == auth.log_in(password="password").status == 200
    with Client(auth.server.address) as client:
        # It is the same password still.
        assert client.get("/v1/users/me", headers={"Authorization": f"Bearer {first.json()['token']}"}).status == 200
    auth.server.stop()
    ((token,),) = engine.tuples(auth.directory, "SELECT token FROM auths")
    assert token.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert len(rows(auth.directory, "SELECT * FROM audit_log WHERE entity_type = 'auth'")) == 2, "once"


def test_what_is_no_hash_lets_nobody_in(auth):
    auth.start()
    assert auth.sign_up().status == 200
    auth.server.stop()
    engine.change(auth.directory, "UPDATE auths SET token = 'correct horse'")
    auth.start()
    assert_error(auth.log_in(), 403)


# --- guessing ------------------------------------------------------------------------------------------------------


def test_failures_with_an_email_are_counted(auth):
    auth.start("--login-failures-per-email", 3, "--login-failures-per-address", 0)
    assert auth.sign_up().status == 200
    for email in (EMAIL, "nobody@acme.example"):
        assert [auth.log_in(email, "wrong horse").status for _ in range(3)] == [403] * 3
        for password in ("wrong horse", PASSWORD):
            assert_limited(auth.log_in(email.upper(), password))
    assert_error(auth.log_in("somebody@acme.example"), 403)


def test_failures_are_forgotten(auth):
    auth.start("--login-failures-per-email", 1, "--login-failure-memory-ms", 300)
    assert auth.sign_up().status == 200
    assert_error(auth.log_in(password="wrong horse"), 403)
    wait_until(lambda: auth.log_in().status == 200, 30, "the failure to be forgotten")


def test_failures_of_an_address_are_counted(auth):
    auth.start("--login-failures-per-address", 3, "--trust-proxy", "loopback")

    def from_address(address, email, password="wrong horse"):
        return auth.log_in(email, password, headers=[("X-Forwarded-For", address)])

    assert auth.sign_up().status == 200
    assert [from_address("192.0.2.1", f"user{number}@acme.example").status for number in range(3)] == [403] * 3
    assert_limited(from_address("192.0.2.1", EMAIL, PASSWORD))
    assert from_address("192.0.2.2", EMAIL, PASSWORD).status == 200
    # An IPv6 client is its /64.
    assert [from_address(f"2001:db8::{number}", EMAIL).status for number in range(1, 4)] == [403] * 3
    assert_limited(from_address("2001:db8::4", EMAIL, PASSWORD))


def test_what_is_right_does_not_count(auth):
    auth.start("--login-failures-per-address", 2, "--login-failures-per-email", 2)
    assert auth.sign_up().status == 200
    assert [auth.log_in().status for _ in range(8)] == [200] * 8


def test_what_is_malformed_does_not_count(auth):
    auth.start("--login-failures-per-address", 2, "--login-failures-per-email", 2)
    assert auth.sign_up().status == 200
    assert [auth.log_in(password="short").status for _ in range(8)] == [400] * 8
    assert auth.log_in().status == 200


def test_every_attempt_to_sign_up_counts(auth):
    auth.start("--signup", "open", "--login-failures-per-address", 3)
    assert [auth.sign_up(f"user{number}@acme.example").status for number in range(3)] == [200] * 3
    assert_limited(auth.sign_up("another@acme.example"))


def test_a_sign_up_that_is_sent_again_counts_before_its_reply_is_looked_up(auth):
    auth.start("--signup", "open", "--login-failures-per-address", 3)
    again = {"headers": [("Idempotency-Key", "sign-up-1")]}
    body = {"email": EMAIL, "password": PASSWORD}
    replies = [auth.post("/v1/auth/signup", body, **again) for _ in range(3)]
    assert [reply.status for reply in replies] == [200] * 3 and replies[1].body == replies[0].body
    assert_limited(auth.post("/v1/auth/signup", body, **again))


def test_being_told_that_signing_up_is_closed_does_not_count(auth):
    auth.start("--login-failures-per-address", 3)
    assert auth.sign_up().status == 200
    assert [auth.sign_up("other@acme.example").status for _ in range(8)] == [403] * 8
    assert auth.log_in().status == 200


def test_the_general_limit_of_an_address_holds_as_well(auth):
    auth.start("--rate-limit-per-address", 1, "--rate-limit-per-address-burst", 2)
    # Without a password there is nothing to hash, which may take as long as it takes to be forgotten.
    assert [auth.log_in(password="").status for _ in range(2)] == [400] * 2
    assert_limited(auth.log_in(password=""))


def test_failed_keys_of_an_address_are_counted(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory, "--key-failures-per-address", 3, "--key-failure-memory-ms", 60000)
    with Client(server.address) as client:
        assert [client.get("/v1/customers/x", key="sk_wrong").status for _ in range(3)] == [401] * 3
        for headers in ([("x-api-key", "sk_wrong")], [("Authorization", "Bearer x.y.z")]):
            assert_limited(client.get("/v1/customers/x", headers=headers))
        # Who sends nothing has not guessed, and who has a right key is let in.
        assert client.get("/v1/customers/x").status == 401
        assert client.get("/v1/customers/x", key=credentials.api_key).status == 404
    # The operator's own socket has no address.
    with UnixConnection(str(directory / "admin.sock")) as connection:
        for _ in range(5):
            assert connection.exchange(request_bytes("GET", "/v1/customers/x", "sk_wrong")).status == 401


def test_failed_keys_are_forgotten(initialised, start_server):
    directory, _ = initialised
    server = start_server(directory, "--key-failures-per-address", 1, "--key-failure-memory-ms", 200)
    with Client(server.address) as client:
        assert client.get("/v1/customers/x", key="sk_wrong").status == 401
        wait_until(lambda: client.get("/v1/customers/x", key="sk_wrong").status == 401, 30, "the failure to be forgotten")


# --- the pool ------------------------------------------------------------------------------------------------------


def test_too_many_at_once(open_server):
    """66 are taken at most: two under way and 64 that wait. Whoever else comes is told to come again."""
    request = request_bytes("POST", "/v1/auth/login", body={"email": EMAIL, "password": PASSWORD})

    def flood():
        connections = [RawConnection(open_server.address) for _ in range(150)]
        try:
            for connection in connections:
                connection.send(request)
            return [connection.read_reply() for connection in connections]
        finally:
            for connection in connections:
                connection.close()

    refused = []

    def has_refused():
        replies = flood()
        assert {reply.status for reply in replies} <= {403, 503}
        refused.extend(reply for reply in replies if reply.status == 503)
        return refused

    wait_until(has_refused, 60, "a full queue")
    assert {reply.json()["details"]["reason"] for reply in refused} == {"slow_queue_full"}
    assert {reply.header("Retry-After") for reply in refused} == {"1"}
    assert post(open_server, "/v1/auth/login", {"email": EMAIL, "password": PASSWORD}).status == 403


def test_a_server_stops_while_passwords_wait(auth):
    auth.start(*UNLIMITED)
    request = request_bytes("POST", "/v1/auth/login", body={"email": EMAIL, "password": PASSWORD})
    connections = [RawConnection(auth.server.address) for _ in range(20)]
    for connection in connections:
        connection.send(request)
    auth.server.stop()  # cleanly
    for connection in connections:
        connection.close()


def test_a_client_that_leaves(auth):
    auth.start(*UNLIMITED)
    request = request_bytes("POST", "/v1/auth/login", body={"email": EMAIL, "password": PASSWORD})
    for _ in range(20):
        with RawConnection(auth.server.address) as connection:
            connection.send(request)
    assert_error(auth.log_in(), 403)


def test_logging_in_while_others_read_and_write(open_server, new_external_id):
    """Hashing is beside the loops and the writer: nothing goes wrong where they meet."""
    key, failures = open_server.key, []

    def people(number):
        try:
            email = f"busy{number}@acme.example"
            assert post(open_server, "/v1/auth/signup", {"email": email, "password": PASSWORD}).status == 200
            for _ in range(3):
                assert post(open_server, "/v1/auth/login", {"email": email, "password": PASSWORD}).status == 200
        except AssertionError as failure:
            failures.append(failure)

    threads = [threading.Thread(target=people, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    with Client(open_server.address, key) as client:
        while any(thread.is_alive() for thread in threads):
            customer = client.create({"external_id": new_external_id(), "name": "n"})
            assert client.get(f"/v1/customers/{customer['id']}").status == 200
    for thread in threads:
        thread.join()
    assert not failures


# --- the rest ------------------------------------------------------------------------------------------------------


def test_the_description(open_server):
    with Client(open_server.address) as client:
        document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    sign_up, login = document["paths"]["/v1/auth/signup"]["post"], document["paths"]["/v1/auth/login"]["post"]
    assert sign_up["security"] == login["security"] == []
    assert set(schemas["SignUpRequest"]["properties"]) == {"email", "password", "tenant_name", "metadata"}
    assert set(schemas["LoginRequest"]["properties"]) == {"email", "password"}
    assert schemas["SignUpRequest"]["required"] == schemas["LoginRequest"]["required"] == ["email", "password"]
    assert set(schemas["AuthResponse"]["required"]) == {"token", "user_id", "tenant_id"}
    assert {"200", "400", "403", "429", "503"} <= set(login["responses"]) and "409" in sign_up["responses"]


@pytest.mark.parametrize("path", ["/v1/auth/signup", "/v1/auth/login"])
def test_other_methods_are_not_there(open_server, path):
    with Client(open_server.address, open_server.key) as client:
        for method in ("GET", "PUT", "DELETE"):
            assert_error(client.request(method, path), 404, "not_found")
