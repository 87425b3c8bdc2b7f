"""The published TypeScript SDK, unchanged: customers (customers.test.js); users, environments and keys (access.test.js)."""

import json
import re
import shutil
import subprocess

import farthing_server
from farthing_server import REPOSITORY, Server, environment, seconds
from http_client import Client
from test_api_coverage import CONTRACT
from test_compatibility import rows

SDK = REPOSITORY / "tests/sdk"
INSTALL_SECONDS_MAX = 300
TEST_SECONDS_MAX = 120


def locked_packages():
    lock = json.loads((SDK / "package-lock.json").read_text())
    return {path: package["version"] for path, package in lock["packages"].items() if path}


def is_installed():
    """Whether node_modules holds exactly what the lock file says."""
    try:
        return all(
            json.loads((SDK / path / "package.json").read_text())["version"] == version
            for path, version in locked_packages().items()
        )
    except FileNotFoundError:
        return False


def tool(name):
    path = shutil.which(name)
    assert path, f"{name} is missing; it is needed to test with the published SDK (./dev test installs it)"
    return path


def install():
    """Under zod 4.4 and later this release of the SDK refuses every reply that omits a key it knows, of any server;
    package.json says which zod it is held to."""
    if not is_installed():
        command = [tool("npm"), "ci", "--no-audit", "--no-fund"]
        process = subprocess.run(command, cwd=SDK, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX)
        assert process.returncode == 0, process.stdout + process.stderr
    assert is_installed()


def test_the_sdk_is_the_published_one():
    assert json.loads((SDK / "package.json").read_text())["dependencies"] == {"@flexprice/sdk": "2.0.1"}
    assert locked_packages()["node_modules/@flexprice/sdk"] == "2.0.1"
    assert "resolved" not in (SDK / "package-lock.json").read_text(), "the lock file names no registry"


def run_in_node(script, server, credentials, passed_min, **variables):
    install()
    process = subprocess.run(
        [tool("node"), "--test", "--test-reporter=tap", script],
        cwd=SDK,
        capture_output=True,
        text=True,
        timeout=seconds(TEST_SECONDS_MAX),
        env=environment(FARTHING_URL=server.url("/v1"), FARTHING_API_KEY=credentials.api_key, **variables),
    )
    server.stop()
    assert process.returncode == 0, process.stdout + process.stderr
    assert "# skipped 0" in process.stdout and "# todo 0" in process.stdout, process.stdout
    passed = [int(line.split()[-1]) for line in process.stdout.splitlines() if line.startswith("# pass ")]
    assert passed and passed[0] >= passed_min, process.stdout


# Where a function of the SDK sends to, and how.
ROUTE = re.compile(r'pathToFunc\("([^"]+)".*?method: "([A-Z]+)"', re.DOTALL)


def anonymous(route):
    """A route without the names of its parameters, and of the provider that a webhook is of."""
    method, path = route
    path = re.sub(r"\{\w+\}", "{}", path)
    return method, re.sub(r"^/v1/webhooks/\w+/", "/v1/webhooks/PROVIDER/", path)


def test_what_the_sdk_calls_beyond_the_contract_is_named():
    """docs/compatibility.md names each call to a route that is neither of the contract nor served."""
    install()
    functions = sorted((SDK / "node_modules/@flexprice/sdk/esm/funcs").glob("*.js"))
    found = [ROUTE.search(function.read_text()) for function in functions]
    assert len(functions) > 150 and all(found)
    called = {anonymous((match[2], f"/v1{match[1]}")) for match in found}  # behind the server's URL, which ends in /v1
    contract = {anonymous((method, path)) for method, path, _, _ in CONTRACT}
    beyond = {anonymous(route.strip("`").split(" ")) for route, *_ in rows("Routes that the contract does not have")}
    named = {anonymous(route.strip("`").split(" ")) for route, *_ in rows("Calls of the published SDK that do not work")}
    assert named == called - contract - beyond


def test_the_sdk_sees_to_customers(tmp_path):
    directory = tmp_path / "data"
    credentials = farthing_server.init(directory)
    server = Server(directory)
    with Client(server.address, credentials.api_key) as client:
        archived = client.create({"external_id": "archived", "name": "Archived"})["id"]
        mapped = client.create({"external_id": "mapped", "name": "Mapped"})["id"]
    server.stop()
    farthing_server.fixture(directory, "customer", "archive", archived)
    farthing_server.fixture(directory, "mapping", "create", mapped, "stripe", "cus_9", '{"linked_via":"test"}')
    server = Server(directory)
    ids = {"FARTHING_ARCHIVED_ID": archived, "FARTHING_MAPPED_ID": mapped}
    run_in_node("customers.test.js", server, credentials, 30, **ids)


def test_the_sdk_sees_to_users_environments_and_keys(tmp_path):
    credentials = farthing_server.init(tmp_path / "data")
    server = Server(tmp_path / "data", "--production-environments-max", "5", "--signup", "open")
    run_in_node("access.test.js", server, credentials, 17, FARTHING_ENVIRONMENT_ID=credentials.environment_id)
