"""What the tests of tenancy have in common: callers with a role, made as an operator makes them."""

import json

from farthing_server import run_ok


def make_caller(directory, role, kind="user", *, tenant_id, environment_id, email=None, name=None):
    """A user with a role and a key of theirs in an environment. Returns (id of the user, key)."""
    email = ["--email", email or f"{role.replace('_', '.')}@{tenant_id[-6:].lower()}.test"] if kind == "user" else []
    name = ["--name", name] if name else []
    arguments = ["--data", directory, "--tenant", tenant_id, "--type", kind, "--role", role, *email, *name, "--json"]
    user_id = json.loads(run_ok("user", "create", *arguments))["user"]["id"]
    return user_id, make_key(directory, user_id, environment_id)


def make_key(directory, user_id, environment_id, *arguments):
    where = ["--data", directory, "--environment", environment_id, "--user", user_id, "--name", "made", "--json"]
    return json.loads(run_ok("key", "create", *where, *arguments))["api_key"]


def bare_tenants(like, count):
    """Many tenants with nobody in them, whose ids come behind those of all others: (ids, the statement that makes them
    past the server, all else as in the tenant `like`)."""
    ids = [f"tenant_Z{number:04}" for number in range(count)]
    rows = ", ".join(f"('{tenant_id}')" for tenant_id in ids)
    rest = "name, internal_status, billing_details, metadata, status, created_at, updated_at, created_by, updated_by"
    return ids, (
        f"INSERT INTO tenants (id, {rest}) SELECT column1, {rest} FROM tenants, (VALUES {rows}) AS made WHERE id = '{like}'"
    )


def put(client, path, body, **options):
    return client.request("PUT", path, body=body, **options)


def delete(client, path, **options):
    return client.request("DELETE", path, **options)
