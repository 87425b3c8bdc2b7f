"""docs/api-coverage.md says which operations are served; here it is held against the running binary."""

import hashlib
import re

import pytest

from expectations import assert_error
from farthing_server import REPOSITORY
from test_openapi import operations

DOCUMENT = REPOSITORY / "docs/api-coverage.md"
CONTRACT_OPERATIONS = 201
# SHA-256 of the contract's operations as lines "METHOD path operation", in the order of the document. Whoever edits a
# row by mistake hears of it here; the contract itself changes only with a new release of the peer.
CONTRACT_DIGEST = "2d45e93d9f94c2692b5cf78b646faf8cbf529893caf898eade151014d7e77fbc"

ROW = re.compile(r"\| (GET|POST|PUT|DELETE) \| `(/[^`]*)` \| ([^|]+) \|(?: (served|not yet) \|)?")


def tables():
    """The rows of the two tables: (method, path, operation id, state) and (method, path)."""
    contract, beyond = DOCUMENT.read_text().split("## Served beyond the contract")
    rows = [ROW.fullmatch(line) for line in contract.splitlines() if line.startswith("| ")]
    first = [match.groups() for match in rows if match]
    assert len(first) == len(rows) - 2, "a row that cannot be read"
    second = [match.groups()[:2] for match in map(ROW.fullmatch, beyond.splitlines()) if match]
    return first, second


CONTRACT, BEYOND = tables()
SERVED = [row for row in CONTRACT if row[3] == "served"]
NOT_YET = [row for row in CONTRACT if row[3] == "not yet"]


@pytest.fixture(scope="module")
def described(shared):
    """The operations of the running binary's own description: (method, path) -> operation id."""
    with shared.client(None) as client:
        document = client.get("/openapi.json").json()
    return {(method, path): operation.get("operationId") for method, path, operation in operations(document)}


def example(path):
    """A path with something in the place of each parameter."""
    return re.sub(r"\{\w+\}", "nobody", path)


def test_the_table_has_the_contract_s_operations():
    assert len(CONTRACT) == CONTRACT_OPERATIONS
    assert len({(method, path) for method, path, _, _ in CONTRACT}) == CONTRACT_OPERATIONS
    lines = "\n".join(f"{method} {path} {operation}" for method, path, operation, _ in CONTRACT)
    assert hashlib.sha256(lines.encode()).hexdigest() == CONTRACT_DIGEST


def test_the_count_is_right():
    assert len(SERVED) + len(NOT_YET) == CONTRACT_OPERATIONS
    assert f"**{len(SERVED)} of {CONTRACT_OPERATIONS} served.**" in DOCUMENT.read_text()


def test_the_tables_do_not_overlap():
    assert len(set(BEYOND)) == len(BEYOND)
    assert not set(BEYOND) & {(method, path) for method, path, _, _ in CONTRACT}


@pytest.mark.parametrize("method, path, operation, _", SERVED, ids=lambda value: value)
def test_served(api, described, method, path, operation, _):
    assert described[method, path] == operation
    assert_error(api.request(method, example(path), key=None), 401)
    assert api.request(method, example(path)).status != 401


def test_not_yet_served(api, described):
    for method, path, _, _ in NOT_YET:
        assert (method, path) not in described
        reply = api.request(method, example(path))
        assert_error(reply, 404, "not_found")
        assert_error(api.request(method, example(path), key=None), 404, "not_found")
        # An unknown route has nothing to name; a customer that is not found has its id in the details.
        assert "customer_id" not in reply.json().get("details", {}), (method, path)


@pytest.mark.parametrize("method, path", BEYOND)
def test_served_beyond_the_contract(api, method, path):
    reply = api.request(method, example(path))
    # Whatever it says to a body that is missing or an id that nobody has, it is not that there is no such route.
    assert reply.status < 300 or "there is no endpoint" not in reply.json()["message"]


def test_all_that_is_described_is_in_the_document(described):
    assert set(described) <= {(method, path) for method, path, _, _ in SERVED} | set(BEYOND)
