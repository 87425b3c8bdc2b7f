"""Tenants, environments, users and keys from the command line, with a server and without one."""

import json
import os
import re
import select
import subprocess
import termios
import threading
import time
import unicodedata

import pytest

import engine
import farthing_server
from farthing_server import BINARY, environment, run, run_ok, seconds, variables_of, wait_until
from http_client import Client, RawConnection, request_bytes
from tenancy import delete, put
from test_listeners import UnixConnection
from test_tokens import signed
from tokens import signing_key

BOTH = pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])


@pytest.fixture
def operator(initialised, start_server):
    """Commands on a data directory: operator("tenant", "list") gives what it printed."""
    directory, credentials = initialised

    class Operator:
        def __init__(self):
            self.directory, self.credentials, self.server = directory, credentials, None

        def start(self):
            self.server = start_server(directory)

        def try_(self, *arguments, **options):
            return run(*arguments, "--data", directory, **options)

        def __call__(self, *arguments):
            return run_ok(*arguments, "--data", directory)

        def json(self, *arguments):
            return json.loads(self(*arguments, "--json"))

        def refused(self, *arguments, code=1):
            process = self.try_(*arguments)
            assert (process.returncode, process.stdout) == (code, ""), process
            assert len(process.stderr.splitlines()) == 1, process.stderr
            return process.stderr

    return Operator()


@pytest.fixture
def password_user(operator):
    """The user of init, who has no password yet."""
    return operator.json("user", "list")["items"][0]["id"]


# --- customers -------------------------------------------------------------------------------------------------


def make_customers(operator):
    """One that was renamed, one that was deleted, whose external id has somebody else; as the API shows them."""
    operator.start()
    with Client(operator.server.address, operator.credentials.api_key) as client:
        renamed = client.create({"external_id": "a b/c?d&e", "name": "Ünïcode \x1b[31m", "metadata": {"tier": "gold", "k": "v"}})
        for external_id in ("between", "now"):
            put(client, f"/v1/customers/{renamed['id']}", {"external_id": external_id, "contact": "+1"})
        deleted = client.create({"external_id": "taken", "name": "Deleted"})
        assert delete(client, f"/v1/customers/{deleted['id']}").status == 204
        owner = client.create({"external_id": "taken", "name": "Owner"})
        return [client.get(f"/v1/customers/{customer['id']}").json() for customer in (renamed, deleted, owner)]


@BOTH
def test_a_customer_is_shown(operator, running):
    renamed, deleted, owner = make_customers(operator)
    if not running:
        operator.server.stop()
    for reference in (renamed["id"], "now", "between", "a b/c?d&e"):
        shown = operator.json("customer", "get", reference)
        former = shown.pop("former_external_ids")
        assert shown == renamed and [alias["external_id"] for alias in former] == ["between", "a b/c?d&e"]
        assert former[0]["valid_to"] == renamed["updated_at"] and former[1]["valid_from"] == renamed["created_at"]
    assert operator.json("customer", "get", deleted["id"]) == {**deleted, "former_external_ids": []}
    assert operator.json("customer", "get", "taken")["id"] == owner["id"]
    lines = dict(re.split("  +", line, maxsplit=1) for line in operator("customer", "get", "now").splitlines())
    assert lines == {
        **lines, "ID": renamed["id"], "EXTERNAL ID": "now", "FORMER EXTERNAL IDS": "between, a b/c?d&e", "CONTACT": "+1",
        "NAME": "Ünïcode ?[31m", "STATUS": "published", "EMAIL": "-", "INTEGRATIONS": "-", "TENANT": operator.credentials.tenant_id,
        "UPDATED": renamed["updated_at"],
    }
    assert set(lines["METADATA"].split(", ")) == {"tier=gold", "k=v", "old_external_ids=a b/c?d&e,between"}
    said = operator.refused("customer", "get", "nobody")
    assert said == "farthing: no customer of this environment has this id or external id: nobody\n"


def test_a_customer_is_shown_with_what_providers_call_it(operator):
    """bug: only the providers were told."""
    operator.start()
    mappings = [{"provider_type": "stripe", "provider_entity_id": "cus_42"}, {"provider_type": "paddle", "provider_entity_id": "ctm_7"}]
    with Client(operator.server.address, operator.credentials.api_key) as client:
        client.create({"external_id": "linked", "name": "n", "integration_entity_mapping": mappings})
    lines = dict(re.split("  +", line, maxsplit=1) for line in operator("customer", "get", "linked").splitlines())
    assert set(lines["INTEGRATIONS"].split(", ")) == {"stripe=cus_42", "paddle=ctm_7"}


def test_an_external_id_that_looks_like_a_flag(operator):
    """Behind `--` there are no flags."""
    operator.start()
    with Client(operator.server.address, operator.credentials.api_key) as client:
        ids = {external_id: client.create({"external_id": external_id, "name": "n"})["id"] for external_id in ("--json", "--", "-h")}
    get = ["customer", "get", "--data", operator.directory]
    for external_id, customer_id in ids.items():
        assert json.loads(run_ok(*get, "--json", "--", external_id))["id"] == customer_id
        assert run_ok(*get, "--", external_id).split()[1] == customer_id
    for behind, said in ((["--", "--json"], 'does not take "--json"'), ([], "needs ID|EXTERNAL_ID")):
        process = run(*get, "--", *behind)
        assert process.returncode == 2 and said in process.stderr, process


def test_a_customer_of_one_of_several_environments(operator):
    make_customers(operator)
    made = variables_of(operator("environment", "create", "second"))
    assert "several environments" in operator.refused("customer", "get", "now")
    assert "several environments" in operator.refused("customer", "get", "cust_nobody")
    found = operator.json("customer", "get", "now", "--environment", operator.credentials.environment_id)
    # An id is one customer's in all environments.
    assert operator.json("customer", "get", found["id"]) == found
    assert found["id"] in operator.refused("customer", "get", found["id"], "--environment", made["FARTHING_ENVIRONMENT_ID"])
    assert operator.json("customer", "get", "now", "--environment", operator.credentials.environment_id)["external_id"] == "now"
    assert "nobody" not in operator.refused("customer", "get", "now", "--environment", made["FARTHING_ENVIRONMENT_ID"])
    assert "there is no environment" in operator.refused("customer", "get", "now", "--environment", "third")
    assert "ID|EXTERNAL_ID" in operator.refused("customer", "get", code=2)


def make_searched(operator, count=7):
    """Customers from the oldest to the newest; some with what a terminal, a shell or a search may stumble over."""
    operator.start()
    with Client(operator.server.address, operator.credentials.api_key) as client:
        for number in range(count):
            client.create({"external_id": f"ext-{number}", "name": f"Acme {number}", "email": f"a{number}@example.com"})
        client.create({"external_id": "wide", "name": "日本" * 30, "metadata": {"tier": "gold", "a=b": "c d"}})
        client.create({"external_id": "x" * 60, "name": "o\u0308" * 36 + "\x1b[31m", "metadata": {"tier": "gold"}})
        client.create({"external_id": "it's 100%_\"", "name": "Bell \a & söhne, Inc."})
        deleted = client.create({"external_id": "gone", "name": "Acme gone"})
        assert delete(client, f"/v1/customers/{deleted['id']}").status == 204


def searched_by_api(operator, body):
    with Client(operator.server.address, operator.credentials.api_key) as client:
        return client.post("/v1/customers/search", body).json()


def condition(field, comparison, **value):
    return {"field": field, "operator": comparison, "value": value}


def test_lists_and_searches_are_those_of_the_api(operator):
    make_searched(operator)
    some = searched_by_api(operator, {"limit": 3})["items"]
    moment = some[2]["created_at"]
    for arguments, body in [
        (["list"], {}),
        (["list", "--limit", "3", "--offset", "2"], {"limit": 3, "offset": 2}),
        (["list", "--order", "asc"], {"order": "asc"}),
        (["list", "--sort", "name"], {"sort": [{"field": "name", "direction": "asc"}]}),
        (
            ["list", "--sort", "status", "--sort", "external_id", "--order", "desc"],
            {"sort": [{"field": name, "direction": "desc"} for name in ("status", "external_id")]},
        ),
        (["list", "--status", "archived"], {"status": "archived"}),
        (["list", "--metadata", "tier=gold"], {"metadata": {"tier": "gold"}}),
        (["list", "--metadata", "tier=gold", "--metadata", "a=b"], {"metadata": {"tier": "gold", "a": "b"}}),
        (["search", "name contains acme"], {"filters": [condition("name", "contains", string="acme")]}),
        (["search", "name contains acme gone"], {"filters": [condition("name", "contains", string="acme gone")]}),
        (["search", "name contains 日本"], {"filters": [condition("name", "contains", string="日本")]}),
        (["search", 'external_id ends_with s 100%_"'], {"filters": [condition("external_id", "ends_with", string='s 100%_"')]}),
        (["search", "name eq  "], {"filters": [condition("name", "eq", string=" ")]}),
        (["search", "email eq "], {"filters": [condition("email", "eq", string="")]}),
        (
            ["search", "external_id not_in ext-0, ext-3,gone", "name starts_with ACME", "--limit", "2", "--status=published"],
            {
                "limit": 2,
                "filters": [
                    condition("external_id", "not_in", array=["ext-0", "ext-3", "gone"]),
                    condition("name", "starts_with", string="ACME"),
                ],
            },
        ),
        (["search", f"created_at gte {moment}"], {"filters": [condition("created_at", "gte", date=moment)]}),
        (["search", "created_at before 2001-02-03"], {"filters": [condition("created_at", "before", date="2001-02-03T00:00:00Z")]}),
        (["search", "created_at after 2001-02-03"], {"filters": [condition("created_at", "after", date="2001-02-03T00:00:00Z")]}),
        (["search", "name contains acme", "--metadata", "tier=gold"], {
            "metadata": {"tier": "gold"}, "filters": [condition("name", "contains", string="acme")]}),
    ]:
        assert operator.json("customer", *arguments) == searched_by_api(operator, body), arguments
    assert operator.json("customer", "search", "created_at after 2001-02-03")["pagination"]["total"] == 10


@BOTH
def test_a_page_of_customers_is_a_table(operator, running):
    make_searched(operator)
    newest = searched_by_api(operator, {})["items"]
    if not running:
        operator.server.stop()
    heading, *rows, last = operator("customer", "list").splitlines()
    assert re.split("  +", heading) == ["ID", "EXTERNAL ID", "NAME", "EMAIL", "STATUS", "CREATED"]
    assert last == "showing 1-10 of 10"
    shown = [re.split("  +", row) for row in rows]
    assert [(row[0], *row[3:]) for row in shown] == [
        (customer["id"], customer["email"] or "-", "published", customer["created_at"]) for customer in newest
    ]
    assert [row[1] for row in shown[:4]] == ["it's 100%_\"", "x" * 35 + "…", "wide", "ext-6"]
    # Wide ones take two columns, what joins the one before takes none.
    assert [row[2] for row in shown[:4]] == ["Bell ? & söhne, Inc.", "o\u0308" * 35 + "…", "日本" * 8 + "日…", "Acme 6"]
    starts = [columns_before(row, row.index("published")) for row in rows]
    assert starts == [columns_before(heading, heading.index("STATUS"))] * len(rows)
    paged = operator("customer", "search", "name contains acme", "--limit", "3", "--offset", "3").splitlines()
    assert (len(paged), paged[-1]) == (5, "showing 4-6 of 7; --offset 6 goes on")
    assert operator("customer", "search", "name contains acme", "--offset", "6").splitlines()[-1] == "showing 7-7 of 7"
    assert operator("customer", "search", "name contains nobody") == "no published customer matches\n"
    assert operator("customer", "list", "--status", "deleted") == "no deleted customer matches\n"
    assert operator("customer", "list", "--offset", "10") == "showing none of 10: --offset 10 is behind the last one\n"
    assert operator.json("customer", "search", "name contains nobody")["items"] == []


def columns_before(line, end):
    """How many columns of a terminal the beginning of a line takes."""
    beginning = line[:end]
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in beginning)
    return len(beginning) + wide - sum(unicodedata.combining(character) > 0 for character in beginning)


FIELDS = "id, external_id, name, email,"


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["search"], 2, "customer search needs 'FIELD OPERATOR VALUE'..."),
        (["search", "acme"], 2, "'acme' is no condition, which is 'FIELD OPERATOR VALUE', in quotes; did you mean 'name contains acme'?"),
        (["search", "Acme Corp"], 2, "did you mean 'name contains Acme Corp'?"),
        (["search", ""], 2, "'' is no condition"),
        (["search", "name contains"], 2, "'name contains' is not whole"),
        (["search", "nmae eq x"], 2, f"'nmae eq x': \"nmae\" is no field that customers are searched or sorted by, which are {FIELDS}"),
        (["search", " name eq x"], 2, f"\"\" is no field that customers are searched or sorted by, which are {FIELDS}"),
        (["search", "metadata eq x"], 2, "'metadata eq x': metadata is neither searched nor sorted by here, but has the flag --metadata KEY=VALUE"),
        (["search", "name \x1b[31m" + "x" * 100], 2, "'name ?[31m" + "x" * 50 + "…' is not whole"),
        (["search", "name eq \udcff"], 2, "'FIELD OPERATOR VALUE'... is not UTF-8"),
        (["search", "name eq x", "name like x"], 2, "'name like x': operator must be one of eq, neq, contains,"),
        (["search", "created_at contains x"], 2, "'created_at contains x': operator must be one of eq, neq, gt,"),
        (["search", "created_at after 2026-02-30"], 2, "'created_at after 2026-02-30': value must be an instant like 2026-01-31T00:00:00Z"),
        (["search", "created_at lt soon", "id gt x"], 2, "'created_at lt soon': value must be an instant like 2026-01-31T00:00:00Z; 'id gt x': operator must be"),
        (["search", "id in " + "," * 1000], 2, "'id in " + "," * 54 + "…': value must have at most 1000 elements"),
        (["search", *["name eq x"] * 17], 2, "customer search takes at most 16 of 'FIELD OPERATOR VALUE'..., and \"name eq x\" is one more"),
        (["list", "name eq x"], 2, "customer list does not take \"name eq x\""),
        (["list", "--status", "active"], 2, "--status must be one of published, archived, deleted, not \"active\""),
        (["list", "--metadata", "tier"], 2, "--metadata must be KEY=VALUE, not \"tier\""),
        (["list", "--metadata", "=gold"], 2, "--metadata must be KEY=VALUE, not \"=gold\""),
        (["list", "--metadata", "tier=\udcff"], 2, "--metadata is not UTF-8"),
        (["list", "--sort", "nmae"], 2, f"--sort: \"nmae\" is no field that customers are searched or sorted by, which are {FIELDS}"),
        (["list", "--sort", "metadata"], 2, "--sort: metadata is neither"),
        *[
            (["list", f"--sort={sort}"], 2, '--sort takes the name of a field alone, "name"; --order asc|desc is its direction')
            for sort in ("-name", "name:desc", "name desc", "-name:")
        ],
        (["list", "--sort=-nmae"], 2, '--sort: "-nmae" is no field'),
        (["list", *["--sort", "name"] * 9], 2, "--sort must have at most 8 entries"),
        (["list", "--order", "up"], 2, "--order must be one of asc, desc"),
        (["list", "--sort", "name", "--order", "up"], 2, "--order must be one of asc, desc"),
        (["list", "--limit", "0"], 2, "--limit must be a number from 1 to 1000, not \"0\""),
        (["list", "--limit", "1001"], 2, "--limit must be a number from 1 to 1000, not \"1001\""),
        (["list", "--offset", "-1"], 2, "--offset must be a number from 0"),
        (["list", "--environment", "third"], 1, "there is no environment \"third\""),
        (["list", "--tenant", "Nobody"], 1, "Nobody"),
    ],
    ids=lambda value: ascii(" ".join(value))[1:40] if isinstance(value, list) else "",
)
def test_lists_and_searches_that_are_refused(operator, arguments, code, said):
    """bug: what the server alone knows to be wrong with the command line, as an operator, exited with 1."""
    assert said in operator.refused("customer", *arguments, code=code)


def test_customers_of_one_of_several_environments(operator):
    make_searched(operator)
    made = variables_of(operator("environment", "create", "second"))["FARTHING_ENVIRONMENT_ID"]
    assert "several environments" in operator.refused("customer", "list")
    assert operator.json("customer", "list", "--environment", "second")["pagination"]["total"] == 0
    for environment_of in (operator.credentials.environment_id, "Sandbox"):
        assert operator.json("customer", "list", "--environment", environment_of)["pagination"]["total"] == 10
    assert operator("customer", "search", "name contains acme", "--environment", made) == "no published customer matches\n"
    assert operator.json("customer", "list", "--environment", "Sandbox", "--tenant", "Farthing")["pagination"]["total"] == 10


# --- tenants ---------------------------------------------------------------------------------------------------


@BOTH
def test_a_tenant_from_nothing_to_a_first_customer(operator, running):
    if running:
        operator.start()
    made = variables_of(operator("tenant", "create", "Acme & söhne"))
    assert re.fullmatch(r"tenant_[0-9A-Z]{26}", made["FARTHING_TENANT_ID"])
    assert re.fullmatch(r"user_[0-9A-Z]{26}", made["FARTHING_USER_ID"])
    assert re.fullmatch(r"env_[0-9A-Z]{26}", made["FARTHING_ENVIRONMENT_ID"])
    listed = operator.json("tenant", "list")["items"]
    assert [(tenant["name"], tenant["internal_status"]) for tenant in listed] == [
        ("Farthing", "trialing"),
        ("Acme & söhne", "trialing"),
    ]
    assert listed[1]["id"] == made["FARTHING_TENANT_ID"]
    assert "Acme & söhne" in operator("tenant", "list")
    output = operator("key", "create", "--name", "k", "--environment", made["FARTHING_ENVIRONMENT_ID"])
    if not running:
        operator.start()
    with Client(operator.server.address, variables_of(output)["FARTHING_API_KEY"]) as client:
        assert client.create({"external_id": "one", "name": "One"})["tenant_id"] == made["FARTHING_TENANT_ID"]


def test_json_of_a_new_tenant(operator):
    made = operator.json("tenant", "create", "Acme")
    assert made["tenant"]["name"] == "Acme"
    assert made["tenant"]["internal_status"] == "trialing"
    assert made["environment"]["name"] == "Sandbox"
    assert made["environment"]["type"] == "development"
    assert made["user"]["tenant_id"] == made["tenant"]["id"]
    assert made["user"]["roles"] == ["super_admin"]


def test_a_taken_name_and_names_that_are_none(operator):
    said = operator.refused("tenant", "create", "Farthing")
    assert "already" in said and operator.credentials.tenant_id in said
    operator.refused("tenant", "create", "")
    operator.refused("tenant", "create", "x" * 101)
    operator("tenant", "create", "x" * 100)
    assert len(operator.json("tenant", "list")["items"]) == 2


def test_init_refuses_a_name_before_it_makes_anything(directory):
    for name in ("", "x" * 101):
        process = run("init", "--data", directory, "--tenant", name)
        assert (process.returncode, process.stdout, len(process.stderr.splitlines())) == (2, "", 1)
        assert not directory.exists()


def writes_and_reads(client, external_id):
    return (
        client.post("/v1/customers", {"external_id": external_id, "name": "n"}),
        client.get("/v1/customers/external/first"),
    )


@pytest.mark.parametrize("by", ["name", "id"])
def test_suspend_and_resume_take_effect_before_they_return(operator, by):
    operator.start()
    other = variables_of(operator("tenant", "create", "Other"))
    other_key = variables_of(operator("key", "create", "--name", "k", "--environment", other["FARTHING_ENVIRONMENT_ID"]))
    reference = "Farthing" if by == "name" else operator.credentials.tenant_id
    with Client(operator.server.address, operator.credentials.api_key) as client:
        assert client.post("/v1/customers", {"external_id": "first", "name": "n"}).status == 201
        for round_number in range(3):
            assert operator("tenant", "suspend", reference) == f"suspended {operator.credentials.tenant_id}\n"
            write, read = writes_and_reads(client, f"suspended-{round_number}")
            assert (write.status, read.status) == (403, 200)
            assert write.json()["code"] == "permission_denied"
            assert write.json()["success"] is False
            assert write.json()["http_status_code"] == 403
            assert operator.json("tenant", "list")["items"][0]["internal_status"] == "suspended"
            # A key made meanwhile is no way around it.
            key = variables_of(
                operator("key", "create", "--name", "k", "--environment", operator.credentials.environment_id)
            )["FARTHING_API_KEY"]
            assert client.post("/v1/customers", {"external_id": "y", "name": "n"}, key=key).status == 403
            with Client(operator.server.address, other_key["FARTHING_API_KEY"]) as other_client:
                assert other_client.create({"external_id": f"other-{round_number}", "name": "n"})
            assert operator("tenant", "resume", reference) == f"resumed {operator.credentials.tenant_id}\n"
            write, read = writes_and_reads(client, f"resumed-{round_number}")
            assert (write.status, read.status) == (201, 200)


def test_a_suspension_outlives_the_server(operator):
    operator("tenant", "suspend", "Farthing")
    operator("tenant", "suspend", "Farthing")
    operator.start()
    with Client(operator.server.address, operator.credentials.api_key) as client:
        assert client.post("/v1/customers", {"external_id": "a", "name": "n"}).status == 403
        operator("tenant", "resume", "Farthing")
        assert client.post("/v1/customers", {"external_id": "a", "name": "n"}).status == 201
        operator("tenant", "resume", "Farthing")
    operator.server.stop()
    assert operator.json("tenant", "list")["items"][0]["internal_status"] == "active"
    changes = engine.tuples(
        operator.directory,
        "SELECT action, changes FROM audit_log WHERE entity_type = 'tenant' ORDER BY sequence",
    )
    assert [action for action, _ in changes] == ["created", "updated", "updated"], "repeated, they change nothing"
    assert json.loads(changes[1][1]) == {
        "before": {"internal_status": "trialing"},
        "after": {"internal_status": "suspended"},
    }


def test_tenants_that_are_none_or_several(operator):
    for command in ("suspend", "resume"):
        assert "Nobody" in operator.refused("tenant", command, "Nobody")
    farthing_server.create_tenant(operator.directory, "Twin")
    farthing_server.create_tenant(operator.directory, "Twin")
    twins = [tenant["id"] for tenant in operator.json("tenant", "list")["items"] if tenant["name"] == "Twin"]
    said = operator.refused("tenant", "suspend", "Twin")
    assert all(twin in said for twin in twins)
    assert operator("tenant", "suspend", twins[1]) == f"suspended {twins[1]}\n"


# --- environments ----------------------------------------------------------------------------------------------


@BOTH
def test_environments(operator, running):
    if running:
        operator.start()
    made = variables_of(operator("environment", "create", "Live", "--type", "production"))
    listed = operator.json("environment", "list")["items"]
    assert [(item["name"], item["type"], item["tenant_name"]) for item in listed] == [
        ("Sandbox", "development", "Farthing"),
        ("Live", "production", "Farthing"),
    ]
    assert listed[1]["id"] == made["FARTHING_ENVIRONMENT_ID"]
    assert "already" in operator.refused("environment", "create", "Live")
    assert "type" in operator.refused("environment", "create", "Other", "--type", "staging")
    operator.refused("environment", "create", "x" * 51)
    operator.refused("environment", "create", "")
    operator("tenant", "create", "Acme")
    assert "--tenant" in operator.refused("environment", "create", "Live")
    created = operator.json("environment", "create", "Live", "--tenant", "Acme")["environment"]
    assert (created["name"], created["type"], created["tenant_name"]) == ("Live", "development", "Acme")
    assert len(operator.json("environment", "list", "--tenant", "Acme")["items"]) == 2
    assert len(operator.json("environment", "list")["items"]) == 4
    operator.refused("environment", "list", "--tenant", "Nobody")


# --- users -----------------------------------------------------------------------------------------------------


@BOTH
def test_users(operator, running):
    if running:
        operator.start()
    created = operator.json("user", "create", "--email", "Bob@Example.com", "--name", "Bob", "--role", "all_reader")
    user = created["user"]
    assert (user["email"], user["name"], user["type"], user["roles"]) == (
        "bob@example.com",
        "Bob",
        "user",
        ["all_reader"],
    )
    assert "email" in operator.refused("user", "create", "--email", "bob@EXAMPLE.com")
    robot = variables_of(
        operator("user", "create", "--type", "service_account", "--role", "event_reader", "--role", "event_ingestor")
    )["FARTHING_USER_ID"]
    items = operator.json("user", "list")["items"]
    assert [item["type"] for item in items] == ["user", "user", "service_account"]
    assert items[2]["id"] == robot
    keys = {}
    for name, user_id in (("reader", user["id"]), ("robot", robot)):
        keys[name] = operator.json("key", "create", "--name", name, "--user", user_id)
    assert keys["reader"]["secret"]["roles"] == ["all_reader"]
    assert keys["robot"]["secret"]["user_type"] == "service_account"
    if not running:
        operator.start()
    with Client(operator.server.address, keys["reader"]["api_key"]) as client:
        assert client.get("/v1/customers/none").status == 404
        assert client.post("/v1/customers", {"external_id": "x", "name": "n"}).status == 403


@pytest.mark.parametrize(
    "flags, said",
    [
        ([], "email"),
        (["--email", "nonsense"], "email"),
        (["--email", "a@b.de", "--type", "robot"], "type"),
        (["--email", "a@b.de", "--role", "king"], "--role"),
        (["--email", "a@b.de", "--role", "event_reader"], "--role"),
        (["--email", "a@b.de", "--role", "super_admin", "--role", "all_reader"], "--role"),
        (["--type", "service_account"], "--role"),
        (["--type", "service_account", "--role", "all_reader"], "--role"),
        (["--type", "service_account", "--role", "event_reader", "--email", "a@b.de"], "email"),
        (["--email", "a@b.de", "--tenant", "Nobody"], "Nobody"),
    ],
    ids=" ".join,
)
def test_users_that_are_refused(operator, flags, said):
    assert said in operator.refused("user", "create", *flags)
    assert len(operator.json("user", "list")["items"]) == 1


# --- passwords -------------------------------------------------------------------------------------------------

OWNER, FIRST, SECOND = "owner@example.com", "correct horse", "battery staple ü"


def log_in(server, email, password):
    with Client(server.address) as client:
        return client.post("/v1/auth/login", {"email": email, "password": password})


def sign_up(server):
    with Client(server.address) as client:
        return client.post("/v1/auth/signup", {"email": "ada@example.com", "password": "correct horse"})


TOKENS_END = "tokens of before are not valid any more, its API keys are"


def set_password(operator, user, password, *arguments):
    return operator.try_("user", "set-password", user, *arguments, stdin=password)


@BOTH
def test_the_first_user_gets_a_password_and_the_owner_logs_in(operator, running):
    if running:
        operator.start()
    user_id = operator.json("user", "list")["items"][0]["id"]
    said = set_password(operator, user_id, FIRST + "\n")
    assert said.returncode == 1 and "--email" in said.stderr, "nobody logs in without an e-mail"
    made = set_password(operator, user_id, FIRST + "\n", "--email", "Owner@Example.com")
    assert (made.returncode, made.stdout) == (0, f"{user_id} logs in with this password and {OWNER}; {TOKENS_END}\n"), made
    if not running:
        operator.start()
    assert sign_up(operator.server).status == 403, "somebody has a password now"
    reply = log_in(operator.server, OWNER, FIRST)
    assert (reply.status, reply.json()["user_id"]) == (200, user_id)
    with Client(operator.server.address) as client:
        me = client.get("/v1/users/me", headers={"Authorization": "Bearer " + reply.json()["token"]})
        assert (me.status, me.json()["email"], me.json()["roles"]) == (200, OWNER, ["super_admin"])
    if not running:
        operator.server.stop()
    assert json.loads(set_password(operator, OWNER.upper(), SECOND, "--json").stdout)["user"]["id"] == user_id
    if not running:
        operator.start()
    assert log_in(operator.server, OWNER, FIRST).status == 403
    assert log_in(operator.server, OWNER, SECOND).status == 200


def status_of(server, token):
    with Client(server.address) as client:
        return client.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"}).status


@BOTH
def test_a_new_password_ends_the_tokens_of_before_and_no_others(operator, running, password_user):
    operator.start()
    other = sign_up(operator.server).json()["token"]
    set_password(operator, password_user, FIRST, "--email", OWNER)
    for number in range(3):
        # In the same second: what tells them apart is not when they were issued.
        before = log_in(operator.server, OWNER, f"{FIRST}{number}" if number else FIRST).json()["token"]
        assert status_of(operator.server, before) == 200
        if not running:
            operator.server.stop()
        assert set_password(operator, password_user, f"{FIRST}{number + 1}").returncode == 0
        if not running:
            operator.start()
        assert status_of(operator.server, before) == 401
        after = log_in(operator.server, OWNER, f"{FIRST}{number + 1}").json()["token"]
        assert (status_of(operator.server, after), status_of(operator.server, other)) == (200, 200)
        with Client(operator.server.address, operator.credentials.api_key) as client:
            assert client.get("/v1/users/me").status == 200


def test_a_new_password_ends_also_tokens_that_do_not_say_which_one_they_are_of(operator, password_user):
    """Those that an operator makes, and those of an earlier version."""
    operator.start()
    now = int(time.time())
    moments = {"before": now - 60, "never": None, "after": now + 25}

    def statuses():
        claims = {"user_id": password_user, "tenant_id": operator.credentials.tenant_id}
        made = {
            name: signed(signing_key(operator.directory), {**claims, **({"iat": moment} if moment else {})})
            for name, moment in moments.items()
        }
        return {name: status_of(operator.server, token) for name, token in made.items()}

    set_password(operator, password_user, FIRST, "--email", OWNER)
    assert statuses() == {"before": 200, "never": 200, "after": 200}, "a first password has none before it"
    set_password(operator, password_user, SECOND)
    assert statuses() == {"before": 401, "never": 401, "after": 200}


def test_a_password_leaves_a_trail_without_it(operator):
    user_id = operator.json("user", "list")["items"][0]["id"]
    set_password(operator, user_id, FIRST, "--email", OWNER)
    set_password(operator, user_id, SECOND)
    rows = engine.tuples(
        operator.directory,
        "SELECT entity_type, action, changes FROM audit_log WHERE entity_type IN ('auth', 'user') ORDER BY sequence",
    )
    assert [row[:2] for row in rows[-3:]] == [("user", "updated"), ("auth", "created"), ("auth", "updated")]
    for _, _, changes in rows:
        assert FIRST not in changes and SECOND not in changes and "argon2" not in changes
    kept = engine.tuples(operator.directory, "SELECT token FROM auths WHERE status = 'published'")
    assert len(kept) == 1 and kept[0][0].startswith("$argon2id$")


def test_passwords_that_are_refused(operator):
    user_id = operator.json("user", "list")["items"][0]["id"]
    robot = operator.json("user", "create", "--type", "service_account", "--role", "event_reader")["user"]["id"]
    operator("user", "create", "--email", "taken@example.com")
    cases = [
        (user_id, "", (), 2, "standard input"),
        (user_id, "short", (), 2, "8 characters"),
        (user_id, "x" * 73, (), 2, "72 bytes"),
        (user_id, "x" * 5000, (), 2, "72 bytes"),
        (user_id, "two lines\nof text", (), 2, "one line"),
        (user_id, FIRST, ("--email", "nonsense"), 1, "--email"),
        (user_id, FIRST, ("--email", "taken@example.com"), 1, "already"),
        ("nobody@example.com", FIRST, (), 1, "nobody@example.com"),
        (robot, FIRST, (), 1, "service account"),
    ]
    for user, password, flags, code, said in cases:
        process = set_password(operator, user, password, *flags)
        assert (process.returncode, process.stdout) == (code, ""), process
        assert len(process.stderr.splitlines()) == 1 and said in process.stderr, process.stderr
        assert FIRST not in process.stderr
    assert engine.tuples(operator.directory, "SELECT count(*) FROM auths") == [(0,)]


def test_a_terminal_is_asked_twice_and_shows_nothing(operator):
    user_id = operator.json("user", "list")["items"][0]["id"]
    arguments = ("user", "set-password", user_id, "--email", OWNER, "--data", str(operator.directory))
    for typed, code, said in ((FIRST, 0, "logs in with"), ("another one", 2, "differ")):
        main, terminal = os.openpty()
        process = subprocess.Popen(
            [str(BINARY), *arguments], stdin=terminal, stdout=terminal, stderr=terminal, env=environment(*arguments)
        )
        os.close(terminal)
        shown = b""
        for prompt, line in (("password: ", FIRST), ("once more: ", typed)):
            shown += read_until(main, prompt)
            os.write(main, line.encode() + b"\n")
        shown += read_until(main, said)
        assert process.wait(seconds(30)) == code
        os.close(main)
        assert FIRST.encode() not in shown


def read_until(descriptor, text):
    """What a terminal shows up to a text. What is typed is thrown away while echo is being turned off, so that it waits
    until that is done."""
    shown = b""
    while text.encode() not in shown:
        ready, _, _ = select.select([descriptor], [], [], seconds(30))
        assert ready, f"only {shown} was shown"
        shown += os.read(descriptor, 1024)
    wait_until(lambda: text.endswith(": ") is False or not termios.tcgetattr(descriptor)[3] & termios.ECHO, 30, "no echo")
    return shown


def test_serve_on_an_empty_directory_makes_no_key_that_nobody_sees(directory, start_server):
    server = start_server(directory)
    assert json.loads(run_ok("key", "list", "--data", directory, "--json"))["items"] == []
    assert "farthing key create --name NAME" in server.log
    key = variables_of(run_ok("key", "create", "--data", directory, "--name", "first"))["FARTHING_API_KEY"]
    with Client(server.address, key) as client:
        assert client.get("/v1/users/me").json()["roles"] == ["super_admin"]


def test_serve_on_an_empty_directory_shows_the_first_key_on_a_terminal(directory):
    main, terminal = os.openpty()
    arguments = ["serve", "--data", str(directory), "--listen", "127.0.0.1:0"]
    server = subprocess.Popen(
        [str(BINARY), *arguments], stdin=terminal, stdout=terminal, stderr=subprocess.DEVNULL, env=environment(*arguments)
    )
    os.close(terminal)
    try:
        said = read_until(main, "FARTHING_API_KEY=sk_")
        wait_until(lambda: (directory / "admin.sock").exists(), 20, "the server to run")
        listed = json.loads(run_ok("key", "list", "--data", directory, "--json"))["items"]
    finally:
        server.terminate()
        server.wait()
        os.close(main)
    assert [item["name"] for item in listed] == ["first"] and b"FARTHING_TENANT_ID=" in said


def test_init_with_an_owner_who_logs_in(directory, start_server):
    wrong = (
        (("--password-stdin",), FIRST, "--email"),
        (("--email", "nonsense", "--password-stdin"), FIRST, "--email"),
        (("--email", OWNER, "--password-stdin"), "short", "8 characters"),
    )
    for flags, password, said in wrong:
        process = run("init", "--data", directory, *flags, stdin=password)
        assert (process.returncode, process.stdout) == (2, "") and said in process.stderr, process
        assert not directory.exists()
    made = run_ok("init", "--data", directory, "--email", "Owner@example.com", "--password-stdin", stdin=FIRST + "\r\n")
    assert FIRST not in made and set(variables_of(made)) == {
        "FARTHING_TENANT_ID", "FARTHING_ENVIRONMENT_ID", "FARTHING_API_KEY",
    }
    server = start_server(directory)
    assert log_in(server, OWNER, FIRST).json()["tenant_id"] == variables_of(made)["FARTHING_TENANT_ID"]
    assert sign_up(server).status == 403


def test_a_key_for_a_user_of_another_tenant(operator):
    other = variables_of(operator("tenant", "create", "Other"))
    for place in ("--environment", operator.credentials.environment_id), ("--tenant", operator.credentials.tenant_id):
        said = operator.refused("key", "create", "--name", "k", *place, "--user", other["FARTHING_USER_ID"])
        assert "user" in said


def test_a_key_for_a_user_who_says_the_tenant(operator):
    acme = variables_of(operator("tenant", "create", "Acme"))
    bob = operator.json("user", "create", "--tenant", "Acme", "--email", "bob@acme.test", "--name", "Bob")["user"]["id"]
    ann = operator.json("user", "create", "--tenant", "Acme", "--email", "ann@acme.test")["user"]["id"]
    assert "several environments" in operator.refused("key", "create", "--name", "k")
    made = {}
    for user, reference in ((bob, bob), (ann, "Ann@ACME.test"), (acme["FARTHING_USER_ID"], acme["FARTHING_USER_ID"])):
        made[user] = operator.json("key", "create", "--name", "k", "--user", reference)["secret"]
        assert made[user]["user_id"] == user
    listed = {item["id"]: item for item in operator.json("key", "list")["items"]}
    shown = {user: listed[secret["id"]] for user, secret in made.items()}
    assert {item["tenant_name"] for item in shown.values()} == {"Acme"}
    assert [shown[user]["user_name"] for user in (bob, ann)] == ["Bob", "ann@acme.test"]
    header, *lines = operator("key", "list").splitlines()
    assert "  USER  " in header and any(" Bob " in line for line in lines) and any(" ann@acme.test " in line for line in lines)
    assert '"nobody@acme.test"' in operator.refused("key", "create", "--name", "k", "--user", "nobody@acme.test")
    operator("environment", "create", "Live", "--tenant", "Acme")
    assert "Sandbox of Acme" in operator.refused("key", "create", "--name", "k", "--user", bob)
    assert operator.json("key", "create", "--name", "k", "--user", bob, "--environment", "Live")["secret"]["user_id"] == bob


def test_a_key_of_a_service_account_has_roles_that_one_may_have(operator):
    robot = operator.json("user", "create", "--type", "service_account", "--role", "event_reader", "--role", "event_ingestor")
    robot = robot["user"]["id"]
    for roles in (["all_reader"], ["all_writer"], ["event_reader", "all_reader"], ["super_admin", "event_reader"]):
        flags = [word for role in roles for word in ("--role", role)]
        said = operator.refused("key", "create", "--name", "k", "--user", robot, *flags)
        assert said.startswith("farthing: --role "), said
    assert "(event_ingestor, event_reader, super_admin)" in operator.refused(
        "key", "create", "--name", "k", "--user", robot, "--role", "all_reader"
    )
    narrow = operator.json("key", "create", "--name", "k", "--user", robot, "--role", "event_reader")
    assert narrow["secret"]["roles"] == ["event_reader"]
    assert operator.json("key", "create", "--name", "k", "--role", "event_ingestor")["secret"]["roles"] == ["event_ingestor"]


def test_a_role_of_a_key_given_twice_is_kept_once(operator):
    secret = operator.json("key", "create", "--name", "k", "--role", "super_admin", "--role", "super_admin")["secret"]
    assert secret["roles"] == ["super_admin"]
    secret = operator.json("key", "create", "--name", "k", *["--role", "all_reader", "--role", "event_reader"] * 2)["secret"]
    assert secret["roles"] == ["all_reader", "event_reader"]


def test_a_key_for_an_environment_by_name(operator):
    operator("environment", "create", "Live")
    assert "--environment" in operator.refused("key", "create", "--name", "k")
    assert '"Prod"' in operator.refused("key", "create", "--name", "k", "--environment", "Prod")
    key_id = operator.json("key", "create", "--name", "k", "--environment", "Live")["secret"]["id"]
    listed = {item["id"]: item for item in operator.json("key", "list")["items"]}
    assert (listed[key_id]["environment_name"], listed[key_id]["tenant_name"]) == ("Live", "Farthing")
    operator("tenant", "create", "Acme")
    operator.refused("key", "create", "--name", "k", "--environment", "Sandbox")
    operator("key", "create", "--name", "k", "--environment", "Sandbox", "--tenant", "Acme")
    assert "Acme" in operator("key", "list")


def test_names_are_no_commands_of_the_terminal(operator, tmp_path):
    """Not in complaints either: tenants choose the names of environments, others those of columns, and people paste."""
    escape = "x\x1b]0;title\x07\x9b31m"
    operator.start()
    with Client(operator.server.address, operator.credentials.api_key) as client:
        reply = client.post("/v1/environments", {"name": escape, "type": "development"})
        assert reply.status == 201, reply
    for said in (
        operator.refused("key", "create", "--name", "k"),
        operator.refused("key", "create", "--name", "k", "--environment", escape + "y"),
        operator.refused("customer", "get", escape),
        operator.refused("customer", "list", "--sort", escape, code=2),
        operator.refused("config", "show", "--" + escape, code=2),
        operator.refused("import", "customers", str(tmp_path / escape)),
    ):
        assert said.startswith("farthing: ") and not set(said[:-1]) & {chr(code) for code in [*range(32), *range(127, 160)]}, said
    file = tmp_path / "customers.csv"
    file.write_text(f"external_id,name,{escape}\na,b,c\n")
    process = operator.try_("import", "customers", str(file), "--environment", "Sandbox")
    assert "columns that go nowhere: x?]0;title??31m" in process.stderr, process.stderr


def test_complaints_speak_of_flags(operator):
    said = operator.refused("user", "create", "--type", "service_account", "--email", "a@b.de")
    assert said.startswith("farthing: --email is not for a service account; --role ")
    assert operator.refused("key", "create", "--name", "k", "--expires-at", "soon").startswith("farthing: --expires-at ")
    assert "secret_1" in operator.refused("key", "revoke", "secret_1")
    assert "key list" in operator.refused("key", "revoke", "laptop", code=2)
    assert "sk_1234" not in operator.refused("key", "revoke", "sk_1234", code=2)


def test_every_write_is_in_the_audit_log(operator):
    read = "SELECT entity_type, action FROM audit_log ORDER BY sequence"
    at_first = engine.tuples(operator.directory, read)
    operator("tenant", "create", "Acme")
    operator("environment", "create", "Live", "--tenant", "Acme")
    operator("user", "create", "--tenant", "Acme", "--email", "a@example.com")
    written = engine.tuples(operator.directory, read)
    assert sorted(written[len(at_first):]) == sorted(
        [("tenant", "created"), ("user", "created"), ("environment", "created"), ("environment", "created"),
         ("user", "created")]
    )


def test_no_admin_route_on_the_public_address(operator):
    operator.start()
    with Client(operator.server.address, operator.credentials.api_key) as client:
        for path in ("/admin/tenants", "/admin/environments", "/admin/users", "/admin/keys", "/admin/secrets"):
            assert client.get(path).status == 404
            assert client.post(path, {"name": "x"}).status == 404
        for path in ("/admin/tenants/suspend", "/admin/tenants/resume", "/admin/users/password"):
            assert client.post(path, {"tenant": "Farthing"}).status == 404
    assert operator.json("tenant", "list")["items"][0]["internal_status"] == "trialing"


# --- output ----------------------------------------------------------------------------------------------------


def test_key_commands_as_json(operator):
    made = operator.json("key", "create", "--name", "robot")
    assert re.fullmatch(r"sk_[0-9A-Z]{26}", made["api_key"])
    key_id = made["secret"]["id"]
    assert key_id in [item["id"] for item in operator.json("key", "list")["items"]]
    assert operator.json("key", "revoke", key_id) == {"id": key_id, "status": "deleted"}
    assert key_id not in [item["id"] for item in operator.json("key", "list")["items"]]


def test_a_table_fits_what_is_in_it_and_no_name_talks_to_the_terminal(operator):
    operator("tenant", "create", "x" * 90)
    operator("tenant", "create", "日本")
    operator("tenant", "create", "evil \x1b[2J\nname")
    lines = operator("tenant", "list").splitlines()
    assert len(lines) == 5
    column = lines[0].index("NAME")
    assert [line[column:] for line in lines[1:]] == ["Farthing", "x" * 90, "日本", "evil ?[2J?name"]


def test_output_that_cannot_be_written(operator):
    with open("/dev/full", "w") as full:
        for command in (["version"], ["help"], ["key", "list", "--data", operator.directory], ["config", "example"]):
            process = subprocess.run(
                [str(BINARY), *map(str, command)], stdout=full, stderr=subprocess.PIPE, text=True, env=environment(*command)
            )
            assert process.returncode == 1, command
            assert len(process.stderr.splitlines()) == 1


def test_a_reader_that_goes_away(operator):
    command = f"set -o pipefail; '{BINARY}' help | true; '{BINARY}' config example | head -n 1"
    process = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment())
    assert process.stderr == ""
    assert process.stdout.startswith("#")


def test_closed_standard_streams_do_not_become_the_database(operator):
    for stream in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        subprocess.run(
            ["bash", "-c", f"'{BINARY}' key create --name x --data '{operator.directory}' {stream}"],
            capture_output=True, env=environment("--data", operator.directory), check=False,
        )
    with engine.at_rest(operator.directory) as look:
        engine.assert_sound(look)
    assert operator.json("tenant", "list")["items"][0]["name"] == "Farthing"


# --- the lock and the socket -----------------------------------------------------------------------------------


def test_a_socket_that_is_gone(operator):
    operator.start()
    (operator.directory / "admin.sock").unlink()
    said = operator.refused("key", "list")
    assert str(operator.server.process.pid) in said
    assert "admin.sock" in said and "restart" in said


def test_a_lock_file_that_is_gone_lets_nobody_in(operator):
    operator.start()
    (operator.directory / "lock").unlink()
    process = operator.try_("serve", "--listen", "127.0.0.1:0")
    assert process.returncode == 1
    assert "in use" in process.stderr
    assert len(operator.json("tenant", "list")["items"]) == 1, "over the socket"


def test_commands_side_by_side_wait_for_each_other(operator):
    processes = [
        subprocess.Popen(
            [str(BINARY), "tenant", "create", f"tenant {number}", "--data", str(operator.directory)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment("--data", operator.directory),
        )
        for number in range(4)
    ]
    for process in processes:
        _, said = process.communicate(timeout=farthing_server.seconds(30))
        assert process.returncode == 0, said
    assert len(operator.json("tenant", "list")["items"]) == 5




def test_suspend_and_resume_at_the_same_moment(initialised, start_server):
    """Whichever is committed last is what the keys follow, although two loops may tell of them in any order."""
    directory, credentials = initialised
    server = start_server(directory, "--loops", 4)
    socket_path = directory / "admin.sock"
    rows = b"".join(b'{"external_id":"c%d","name":"n"}\n' % number for number in range(1000))
    is_over = threading.Event()

    def keep_busy():
        with UnixConnection(socket_path) as connection:
            while not is_over.is_set():
                connection.exchange(request_bytes("POST", "/admin/import/customers/check", None, rows))

    busy = [threading.Thread(target=keep_busy) for _ in range(3)]
    for thread in busy:
        thread.start()
    body = {"tenant": credentials.tenant_id}
    suspend = request_bytes("POST", "/admin/tenants/suspend", None, body)
    resume = request_bytes("POST", "/admin/tenants/resume", None, body)
    connections = [UnixConnection(socket_path) for _ in range(8)]
    try:
        with RawConnection(server.address) as client:
            for number in range(150):
                one, other = connections[number % 8], connections[(number * 3 + 1) % 8]
                if one is other:
                    continue
                one.send(suspend)
                other.send(resume)
                assert [one.read_reply().status, other.read_reply().status] == [200, 200]
                listed = one.exchange(request_bytes("GET", "/admin/tenants")).json()["items"][0]
                customer = {"external_id": f"both-{number}", "name": "n"}
                written = client.exchange(request_bytes("POST", "/v1/customers", credentials.api_key, customer))
                assert (listed["internal_status"], written.status) in (("suspended", 403), ("active", 201))
    finally:
        is_over.set()
        for thread in busy:
            thread.join()
        for connection in connections:
            connection.socket.close()
