"""/v1/rbac/roles (conventions sections 6.1 and 22.6)."""

import pytest

from expectations import assert_error

PATH = "/v1/rbac/roles"
PERMISSIONS = {
    "all_reader": {"*": ["read"]},
    "all_writer": {"*": ["read", "write"]},
    "event_ingestor": {"event": ["write"]},
    "event_reader": {"event": ["read"]},
    "super_admin": {"*": ["*"]},
}


@pytest.mark.parametrize(
    "query, expected",
    [
        ("", list(PERMISSIONS)),
        ("?user_type=", list(PERMISSIONS)),
        ("?user_type=user", ["all_reader", "all_writer", "super_admin"]),
        ("?user_type=service_account", ["event_ingestor", "event_reader", "super_admin"]),
    ],
)
def test_the_list_by_id(api, query, expected):
    reply = api.get(PATH + query)
    assert reply.status == 200
    assert set(reply.json()) == {"roles"}
    roles = reply.json()["roles"]
    assert [role["id"] for role in roles] == expected
    for role in roles:
        assert set(role) == {"id", "name", "description", "permissions"} and role["name"] and role["description"]
        assert role["permissions"] == PERMISSIONS[role["id"]]


@pytest.mark.parametrize("user_type", ["robot", "USER", "user,service_account"])
def test_a_bad_type(api, user_type):
    assert_error(api.get(f"{PATH}?user_type={user_type}"), 400, "validation_error", {"user_type"})


@pytest.mark.parametrize("role", PERMISSIONS)
def test_one(api, role):
    listed = {entry["id"]: entry for entry in api.get(PATH).json()["roles"]}
    assert api.get(f"{PATH}/{role}").json() == {"role": listed[role]}


def test_one_that_is_not_there(api):
    assert_error(api.get(f"{PATH}/emperor"), 404, "not_found", {"id": "emperor"})
