"""Roles from a file (the setting rbac-roles-file; conventions sections 6.1 and 24)."""

import json
import re
from pathlib import Path

import pytest

from expectations import assert_error
from farthing_server import run, run_ok
from http_client import Client

SUPPORT = {
    "id": "support",
    "name": "Support",
    "description": "Looks after customers",
    "permissions": {"customer": ["read", "write"], "event": ["read"]},
    "user_types": ["user"],
}
FEEDER = {"id": "feeder", "permissions": {"event": ["*"]}, "user_types": ["service_account"]}
BUILT_IN = ["all_reader", "all_writer", "event_ingestor", "event_reader", "super_admin"]


@pytest.fixture
def house(initialised, start_server, tmp_path):
    """A data directory whose farthing.conf names a file of roles, and a server on it."""
    directory, credentials = initialised

    class House:
        path = tmp_path / "roles.json"

        def __init__(self):
            self.directory, self.credentials, self.server = directory, credentials, None
            (directory / "farthing.conf").write_text(f"rbac-roles-file = {self.path}\n")

        def write(self, *roles):
            self.path.write_text(json.dumps({"roles": roles}))
            return self

        def start(self):
            if self.server:
                self.server.stop()
            self.server = start_server(directory)
            return Client(self.server.address, credentials.api_key)

        def key_of(self, role, *flags):
            made = run_ok("user", "create", "--data", directory, "--role", role, "--json", *flags)
            user = json.loads(made)["user"]["id"]
            return json.loads(run_ok("key", "create", "--data", directory, "--name", "k", "--user", user, "--json"))["api_key"]

    return House()


def test_a_role_of_the_file_grants_what_it_says(house):
    key = house.write(SUPPORT, FEEDER).key_of("support", "--email", "s@example.com"), house.key_of("feeder", "--type", "service_account")
    with house.start() as client:
        listed = client.get("/v1/rbac/roles").json()["roles"]
        assert [role["id"] for role in listed] == sorted([*BUILT_IN, "feeder", "support"])
        shown = {name: SUPPORT[name] for name in ("id", "name", "description", "permissions")}
        assert client.get("/v1/rbac/roles/support").json() == {"role": shown} and shown in listed
        of_users = client.get("/v1/rbac/roles?user_type=user").json()["roles"]
        assert [role["id"] for role in of_users] == ["all_reader", "all_writer", "super_admin", "support"]
        assert client.get("/v1/rbac/roles/feeder").json()["role"]["permissions"] == {"event": ["read", "write"]}
        customer = client.post("/v1/customers", {"external_id": "a", "name": "A"}, key=key[0])
        assert customer.status == 201 and client.get(f"/v1/customers/{customer.json()['id']}", key=key[0]).status == 200
        assert_error(client.get("/v1/customers/none", key=key[1]), 403, "permission_denied")
        for path in ("/v1/environments", "/v1/secrets/api/keys", "/v1/activity"):
            assert_error(client.get(path, key=key[0]), 403, "permission_denied")
        # The wire gives them as well, to whom they are for; a key's roles are among those that are described.
        for body, status in (
            ({"type": "user", "email": "t@example.com", "roles": ["support", "all_reader"]}, 201),
            ({"type": "user", "email": "u@example.com", "roles": ["feeder"]}, 400),
            ({"type": "service_account", "roles": ["support"]}, 400),
            ({"type": "service_account", "roles": ["feeder", "event_reader"]}, 201),
        ):
            assert client.post("/v1/users", body).status == status, body
        assert client.post("/v1/users", {"type": "service_account", "roles": ["event_reader"]}, key=key[0]).status == 403


def test_the_example_of_the_readme_is_a_file_that_is_taken(house):
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    (example,) = [block for block in re.findall(r"```json\n(.*?)```", readme, flags=re.S) if "user_types" in block]
    house.path.write_text(example)
    roles = json.loads(example)["roles"]
    with house.start() as client:
        listed = {role["id"]: role for role in client.get("/v1/rbac/roles").json()["roles"]}
        for role in roles:
            shown = {name: value for name, value in role.items() if name != "user_types"}
            assert shown.items() <= listed[role["id"]].items()
        refusal = client.post("/v1/users", {"type": "service_account", "roles": ["support"]}).json()["message"]
        assert "(event_ingestor, event_reader, feeder, super_admin)" in refusal and '"support"' in refusal


def test_the_file_counts_as_it_is_when_the_server_starts(house):
    key = house.write(SUPPORT).key_of("support", "--email", "s@example.com")
    reads_alone = {**SUPPORT, "permissions": {"customer": ["read"]}}
    for roles, read, write in (([SUPPORT], 404, 400), ([FEEDER, reads_alone], 404, 403), ([FEEDER], 403, 403)):
        house.write(*roles)
        with house.start() as client:
            assert client.get("/v1/customers/none", key=key).status == read
            assert client.post("/v1/customers", {}, key=key).status == write
            house.path.write_text("{")  # nobody looks at it now


@pytest.mark.parametrize(
    "content, said",
    [
        (None, "roles.json cannot be read: No such file"),
        ("{", "roles.json:1:2: "),
        ('{"roles": [\n {"id": "super_admin"}]}', 'roles.json:2:9: roles[0].id "super_admin" is a role that every server has'),
        ('{"roles": [\n {"id": "a",\n "permissions": {"customers": ["read"]}}]}', 'roles.json:3:18: roles[0].permissions: "customers"'),
    ],
)
def test_a_wrong_file_is_named_with_the_place_and_the_rule(house, content, said):
    if content is not None:
        house.path.write_text(content)
    for command, code in (("serve", 2), ("config check", 2), ("user list", 1), ("doctor", 1)):
        process = run(*command.split(), "--data", house.directory)
        told = process.stdout if command == "doctor" else process.stderr
        assert process.returncode == code and said in told, (command, process)
        assert command == "doctor" or len(told.splitlines()) == 1, told
