"""The audit trail: chained, checked by `farthing audit verify`, kept as long as wanted."""

import json
import subprocess
import threading

import pytest

import audit_chains
import engine
from engine import ON_POSTGRES
from expectations import assert_error
from farthing_server import (BINARY, REPOSITORY, Server, create_environment, create_key, create_tenant, environment, init,
                             run, run_ok, wait_until)
from http_client import Client
from postgres_cluster import ROLE
from tenancy import make_caller

ROWS = 14  # creates, of each trail here
RETENTION_SECONDS_MAX = 30
# One writing session, so that the rows are of one chain.
ONE_WRITER = ("--database-connections", "2") if ON_POSTGRES else ()


class Trail:
    def __init__(self, directory, key=None):
        self.directory, self.key = directory, key

    def look(self, query):
        return engine.tuples(self.directory, query)

    def tamper(self, *statements):
        """As somebody who may do everything with the database."""
        for table in ("audit_log", "audit_chains"):
            if ON_POSTGRES:
                engine.change(self.directory, f"ALTER TABLE {table} DISABLE TRIGGER USER")
        if not ON_POSTGRES:
            for (name,) in self.look("SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
                engine.change(self.directory, f"DROP TRIGGER {name}")
        for statement in statements:
            engine.change(self.directory, statement)

    def verify(self, *arguments):
        """(exit status, the JSON that was printed)"""
        process = run("audit", "verify", "--data", self.directory, "--json", *arguments)
        return process.returncode, json.loads(process.stdout)

    def findings(self, *arguments):
        code, report = self.verify(*arguments)
        assert code == (1 if report["findings"] else 0)
        assert report["is_whole"] == (
            not report["findings"] and report["rows"] > 0 and not any(one["removed"] for one in report["beginnings"])
        )
        return [(one["fault"], one["chain"], one["first_position"], one["last_position"]) for one in report["findings"]]

    def said(self, *arguments):
        """(exit status, what a person is told)"""
        process = run("audit", "verify", "--data", self.directory, *arguments)
        return process.returncode, process.stdout

    @property
    def count(self):
        return self.look("SELECT count(*) FROM audit_log")[0][0]

    @property
    def chain(self):
        """The one with the customers."""
        ((chain,),) = self.look("SELECT DISTINCT chain FROM audit_log WHERE entity_type = 'customer'")
        return chain

    @property
    def last(self):
        ((position,),) = self.look(f"SELECT max(position) FROM audit_log WHERE chain = {self.chain}")
        return position


@pytest.fixture
def trail(initialised, start_server):
    """A trail of some creates; no server runs."""
    directory, credentials = initialised
    server = start_server(directory, *ONE_WRITER)
    with Client(server.address, credentials.api_key) as client:
        for number in range(ROWS):
            client.create({"external_id": f"c{number}", "name": "Ünïcode 日本 \"\\", "metadata": {"number": str(number)}})
    server.stop()
    return Trail(directory, credentials.api_key)


# --- the chain -------------------------------------------------------------------------------------------------


def test_the_hashes_can_be_computed_from_what_is_stored(trail):
    assert audit_chains.assert_whole(trail.look) == trail.count > ROWS
    assert trail.findings() == []


def test_writers_that_refuse_and_collide_leave_the_chains_whole(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory)

    def write(name):
        with Client(server.address, credentials.api_key) as client:
            for number in range(60):
                reply = client.post("/v1/customers", {"external_id": f"{number % 20}{name}", "name": "N"})
                assert reply.status == (201 if number < 20 else 409), reply
                client.post("/v1/customers", {"external_id": f"shared{number}", "name": "N"})

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    reports = [Trail(directory).verify() for _ in range(3)]  # beside the writes
    for thread in threads:
        thread.join()
    assert [code for code, _ in reports] == [0, 0, 0], reports
    code, report = Trail(directory).verify()
    assert code == 0
    server.kill()
    with engine.at_rest(directory) as look:
        assert look("SELECT count(*) FROM audit_log WHERE entity_type = 'customer'") == [(4 * 20 + 60,)]
        assert audit_chains.assert_whole(look) == report["rows"]


def test_sessions_take_up_the_chains_of_those_that_ended(initialised, start_server):
    directory, credentials = initialised
    chains = "SELECT 1 FROM audit_chains WHERE chain > 0"
    made_by_init = len(Trail(directory).look(chains))
    for number in range(4):
        server = start_server(directory, *ONE_WRITER)
        with Client(server.address, credentials.api_key) as client:
            client.create({"external_id": f"c{number}", "name": "N"})
        server.stop()
    trail = Trail(directory)
    assert trail.findings() == []
    # A session ends a moment after its client has gone, so that the next one may need another chain.
    assert len(trail.look(chains)) <= made_by_init + 1


def test_a_trail_of_many_slices(initialised, start_server, tmp_path):
    directory, _ = initialised
    file = tmp_path / "customers.csv"
    file.write_text("external_id,name\n" + "".join(f"c{number},N\n" for number in range(2200)))
    server = start_server(directory)
    run_ok("import", "customers", file, "--data", directory)
    said = run("audit", "verify", "--data", directory)
    assert said.returncode == 0
    assert f"checked {Trail(directory).count:,} rows" in said.stdout
    assert "the trail is whole" in said.stdout
    server.stop()
    assert run("audit", "verify", "--data", directory).stdout == said.stdout


# --- tampering -------------------------------------------------------------------------------------------------


LATER = "occurred_at = occurred_at + interval '1 microsecond'" if ON_POSTGRES else "occurred_at = occurred_at + 1"
# What is hashed says where each value ends.
MOVED = "entity_type = entity_type || substr(entity_id, 1, 1), entity_id = substr(entity_id, 2)"
CHANGES = [
    "scope = scope + 1",
    "tenant_id = 'tenant_x'",
    "entity_type = 'costumer'",
    "entity_id = 'cust_x'",
    "action = 'archived'",
    "actor_id = actor_id || ' '",
    "request_id = 'another'",
    LATER,
    "changes = '{}'",
    MOVED,
    "hash = ''",
]


def test_a_changed_value_is_named(trail):
    """Each kind of change on a row of its own; the rows behind them are not named."""
    chain, last = trail.chain, trail.last
    positions = range(last - len(CHANGES), last)
    trail.tamper(*(f"UPDATE audit_log SET {change} WHERE chain = {chain} AND position = {position}"
                   for change, position in zip(CHANGES, positions)))
    assert trail.findings() == [("changed", chain, position, position) for position in positions]


HIDDEN = [
    "scope = scope + 0.5",
    "occurred_at = occurred_at || 'x'",
    *(f"{name} = CAST({name} AS BLOB)" for name in ("tenant_id", "entity_type", "entity_id", "action", "actor_id",
                                                    "request_id", "changes", "hash")),
]


@pytest.mark.embedded("PostgreSQL's columns have types")
@pytest.mark.parametrize("change", HIDDEN)
def test_a_row_that_is_hidden_from_queries_is_named(trail, change):
    """SQLite stores 1.5 and a blob in any column; read as an integer and a text, they were what they had been."""
    kind = "user" if change.startswith("tenant_id") else "customer"  # which has a tenant of its own
    chain, position = trail.look(f"SELECT chain, max(position) FROM audit_log WHERE entity_type = '{kind}'")[0]
    trail.tamper(f"UPDATE audit_log SET {change} WHERE chain = {chain} AND position = {position}")
    assert trail.findings() == [("changed", chain, position, position)]


def test_a_row_that_is_missing_in_the_middle_is_named(trail):
    chain, position = trail.chain, trail.last - 2
    trail.tamper(f"DELETE FROM audit_log WHERE chain = {chain} AND position = {position}")
    assert trail.findings() == [("missing", chain, position, position)]


def test_rows_that_are_missing_at_the_end_are_named(trail):
    chain, last = trail.chain, trail.last
    trail.tamper(f"DELETE FROM audit_log WHERE chain = {chain} AND position >= {last - 1}")
    assert trail.findings() == [("missing", chain, last - 1, last)]


def test_rows_that_are_missing_at_the_beginning_are_named(trail):
    chain = trail.chain
    trail.tamper(f"DELETE FROM audit_log WHERE chain = {chain} AND position <= 2")
    assert trail.findings() == [("missing", chain, 1, 2)]


def test_rows_that_changed_places_are_named(trail):
    chain, last = trail.chain, trail.last
    trail.tamper(
        f"UPDATE audit_log SET position = {2 * last - 3} - position WHERE chain = {chain} AND position IN "
        f"({last - 2}, {last - 1})"
    )
    found = trail.findings()
    assert ("extra", chain, last - 2, last - 2) in found
    assert ("missing", chain, last - 2, last - 2) in found


COLUMNS = "scope, tenant_id, entity_type, entity_id, action, actor_id, request_id, occurred_at, changes, chain, position, hash"


def added(trail, chain, position, hash_="hash"):
    columns = COLUMNS.replace("chain, position, hash", f"{chain}, {position}, {hash_}")
    return f"INSERT INTO audit_log ({COLUMNS}) SELECT {columns} FROM audit_log WHERE chain = {trail.chain} AND position = {trail.last}"


def test_a_row_that_was_added_at_the_end_is_named(trail):
    chain, last = trail.chain, trail.last
    trail.tamper(added(trail, chain, last + 1))
    assert trail.findings() == [("extra", chain, last + 1, last + 1)]


def test_a_row_that_was_added_twice_is_named(trail):
    chain, last = trail.chain, trail.last
    trail.tamper(added(trail, chain, last))
    assert trail.findings() == [("extra", chain, last, last)]


def test_a_row_cannot_be_smuggled_in_as_an_old_one(trail):
    trail.tamper(added(trail, 0, 1, "''"))
    assert trail.findings() == [("extra", 0, 1, 1)]


def test_a_row_of_a_chain_that_there_is_not_is_named(trail):
    trail.tamper(added(trail, 99, 1))
    assert trail.findings() == [("foreign", 99, 1, 1)]


def test_a_head_that_was_changed_is_named(trail):
    chain, last = trail.chain, trail.last
    trail.tamper(f"UPDATE audit_chains SET hash = '{64 * 'a'}' WHERE chain = {chain}")
    code, report = trail.verify()
    assert code == 1
    assert ("head_changed", chain, last, last) in [
        (one["fault"], one["chain"], one["first_position"], one["last_position"]) for one in report["findings"]
    ]


def test_a_head_that_was_set_back_is_named(trail):
    chain, last = trail.chain, trail.last
    trail.tamper(f"UPDATE audit_chains SET position = {last - 2} WHERE chain = {chain}")
    found = trail.findings()
    assert ("extra", chain, last - 1, last) in found
    assert ("head_changed", chain, last - 2, last - 2) in found


def test_what_is_wrong_is_told_to_a_person(trail):
    chain, position = trail.chain, trail.last - 1
    trail.tamper(f"UPDATE audit_log SET actor_id = 'x' WHERE chain = {chain} AND position = {position}")
    said = run("audit", "verify", "--data", trail.directory)
    assert said.returncode == 1
    assert f"chain {chain}, position {position} (row " in said.stdout
    assert "1 things are wrong" in said.stdout


def test_writing_goes_on_after_tampering_and_it_stays_found(trail, start_server):
    chain, position = trail.chain, trail.last - 1
    trail.tamper(f"UPDATE audit_log SET actor_id = 'x' WHERE chain = {chain} AND position = {position}")
    with Client(start_server(trail.directory).address, trail.key) as client:
        client.create({"external_id": "after", "name": "A"})
    assert trail.findings() == [("changed", chain, position, position)]


# --- where the trail begins ------------------------------------------------------------------------------------


def beginning_of(report, chain):
    return next(one for one in report["beginnings"] if one["chain"] == chain)


def test_a_trail_that_is_there_from_its_first_row_says_so(trail):
    code, said = trail.said()
    assert code == 0 and said.endswith("the trail is whole\n")
    ((sequence,),) = trail.look(f"SELECT min(sequence) FROM audit_log WHERE chain = {trail.chain}")
    assert f"chain {trail.chain}: from its first row on (row {sequence}, 20" in said
    code, report = trail.verify()
    begins = beginning_of(report, trail.chain)
    assert report["is_whole"] and begins.pop("first_occurred_at").endswith("Z")
    assert begins == {"chain": trail.chain, "rows": trail.last, "before": "nothing", "removed": 0, "first_position": 1,
                      "first_sequence": sequence}


def test_a_trail_that_was_cut_at_its_beginning_together_with_its_marks_is_not_called_whole(trail, kept):
    """Whoever sets the mark that retention leaves cannot be told from it; what is said is where the chain begins, and that it
    is not there from its first row on."""
    chain = trail.chain
    trail.tamper(
        f"UPDATE audit_chains SET first_position = 3, first_hash = (SELECT hash FROM audit_log WHERE chain = {chain} AND "
        f"position = 2) WHERE chain = {chain}",
        f"DELETE FROM audit_log WHERE chain = {chain} AND position < 3",
    )
    ((sequence,),) = trail.look(f"SELECT min(sequence) FROM audit_log WHERE chain = {chain}")
    code, said = trail.said()
    assert code == 0 and "the trail is whole" not in said
    assert f"chain {chain}: from position 3 on (row {sequence}, 20" in said
    assert "2 rows before that were removed as old, says the mark of the retention" in said
    assert "nothing is wrong with what is left, but 2 older rows are gone: by the retention, as its marks say, which prove " in said
    code, report = trail.verify()
    assert (code, report["is_whole"], beginning_of(report, chain)["before"]) == (0, False, "retention")
    assert trail.findings("--expect", kept) == []


def test_rows_missing_at_the_beginning_without_a_mark_are_unaccounted_for(trail):
    chain = trail.chain
    trail.tamper(f"DELETE FROM audit_log WHERE chain = {chain} AND position <= 2")
    code, said = trail.said()
    assert code == 1 and "the trail is whole" not in said
    assert "; 2 rows before that are missing, and nothing accounts for them\n" in said
    assert beginning_of(trail.verify()[1], chain)["before"] == "unaccounted"


EMPTYING = {
    "heads set back": "UPDATE audit_chains SET position = 0, hash = '', first_position = 1, first_hash = '', last_sequence = 0",
    "heads removed": "DELETE FROM audit_chains",
}


@pytest.mark.parametrize("how", EMPTYING)
def test_a_trail_of_which_nothing_is_left_is_not_called_whole(trail, kept, start_server, how):
    trail.tamper("DELETE FROM audit_log", EMPTYING[how])
    code, said = trail.said()
    assert code == 1 and "the trail is whole" not in said
    assert "the trail does not tell of the oldest tenant, and nothing accounts for that" in said
    code, report = trail.verify()
    assert (code, report["is_whole"], report["rows"]) == (1, False, 0)
    assert report["findings"] == [{"fault": "unaccounted"}]
    # Nor is what begins anew with whatever is written next.
    with Client(start_server(trail.directory).address, trail.key) as client:
        client.create({"external_id": "after", "name": "A"})
    code, report = trail.verify()
    assert (code, report["is_whole"], report["rows"]) == (1, False, 1)
    assert report["findings"] == [{"fault": "unaccounted"}]
    code, report = trail.verify("--expect", kept)
    assert code == 1 and "cut_off" in [one["fault"] for one in report["findings"]]


def test_a_trail_that_retention_has_emptied_says_so(trail):
    chain, last = trail.chain, trail.last
    trail.tamper("UPDATE audit_chains SET first_position = position + 1, first_hash = hash", "DELETE FROM audit_log")
    code, said = trail.said()
    assert code == 0 and "the trail is whole" not in said
    assert f"chain {chain}: has no rows left; {last} rows before that were removed as old, says the mark" in said


@pytest.mark.shared("nobody else writes to the embedded database")
def test_a_head_that_is_changed_under_a_running_server(trail, start_server):
    """The session does not go on from what it remembers: it takes up what is there, and the break shows."""
    server = start_server(trail.directory, *ONE_WRITER)
    with Client(server.address, trail.key) as client:
        client.create({"external_id": "before", "name": "A"})
        ((used,),) = trail.look("SELECT chain FROM audit_log ORDER BY sequence DESC LIMIT 1")
        trail.tamper(f"UPDATE audit_chains SET hash = '{64 * 'a'}' WHERE chain = {used}")
        client.create({"external_id": "after", "name": "A"})
        client.create({"external_id": "later", "name": "A"})
    assert "was changed by somebody else" in server.log
    assert trail.findings() != []


# --- heads that are kept elsewhere -----------------------------------------------------------------------------


@pytest.fixture
def kept(trail, tmp_path):
    code, report = trail.verify()
    assert code == 0
    file = tmp_path / "heads.json"
    file.write_text(json.dumps(report))
    return file


def test_kept_heads_are_still_there_after_more_was_written(trail, kept, start_server):
    with Client(start_server(trail.directory).address, trail.key) as client:
        client.create({"external_id": "after", "name": "A"})
    assert trail.findings("--expect", kept) == []


def test_a_trail_that_was_cut_off_is_found_by_kept_heads(trail, kept):
    chain, last = trail.chain, trail.last
    trail.tamper(
        f"DELETE FROM audit_log WHERE chain = {chain} AND position = {last}",
        f"UPDATE audit_chains SET position = {last - 1}, hash = (SELECT hash FROM audit_log WHERE chain = {chain} AND "
        f"position = {last - 1}) WHERE chain = {chain}",
    )
    assert trail.findings() == []
    assert trail.findings("--expect", kept) == [("cut_off", chain, last, last)]


def test_a_trail_that_was_computed_anew_is_found_by_kept_heads(trail, kept):
    chain, last = trail.chain, trail.last
    trail.tamper(f"UPDATE audit_log SET actor_id = 'x' WHERE chain = {chain} AND position = {last - 1}")
    previous = ""
    for *values, _ in trail.look(audit_chains.ROWS):
        if values[0] == chain:
            previous = audit_chains.link(previous, values)
            trail.tamper(f"UPDATE audit_log SET hash = '{previous}' WHERE chain = {chain} AND position = {values[1]}")
    trail.tamper(f"UPDATE audit_chains SET hash = '{previous}' WHERE chain = {chain}")
    assert trail.findings() == []
    assert trail.findings("--expect", kept) == [("rewritten", chain, last, last)]


def test_a_file_that_has_no_heads_is_refused(trail, tmp_path):
    file = tmp_path / "no.json"
    for text, words in (("{}", "is not what"), ("no", "is not what"), (None, "cannot read")):
        if text:
            file.write_text(text)
        path = file if text else tmp_path / "absent.json"
        said = run("audit", "verify", "--data", trail.directory, "--expect", path)
        assert said.returncode == 1
        assert words in said.stderr
        assert len(said.stderr.splitlines()) == 1


# --- what the database itself refuses --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET actor_id = 'x'",
        "UPDATE audit_log SET hash = hash",
        "DELETE FROM audit_log",
        "DELETE FROM audit_chains",
        "UPDATE audit_chains SET position = 0",
        "UPDATE audit_chains SET first_position = 1000",
    ]
    + (["TRUNCATE audit_log", "TRUNCATE audit_chains"] if ON_POSTGRES else []),
)
def test_the_database_refuses(trail, statement):
    with pytest.raises(Exception):
        engine.change(trail.directory, statement)
    assert trail.findings() == []


# --- what was written before there were hashes -----------------------------------------------------------------


def old_database(directory):
    """A database as it was before there were hashes, with two rows in its trail."""
    migrations = REPOSITORY / "migrations" / engine.ENGINE
    scripts = [path.read_text() for path in sorted(migrations.glob("000[12]_*.sql"))]
    instant = "'2026-01-01T00:00:00Z'" if ON_POSTGRES else "1767225600000000"
    stamps = f"'published', {instant}, {instant}, '', ''"
    scripts.append(
        f"INSERT INTO tenants (id, name, status, created_at, updated_at, created_by, updated_by) VALUES ('tenant_a', 'A', "
        f"{stamps});"
        f"INSERT INTO users (id, tenant_id, status, created_at, updated_at, created_by, updated_by) VALUES "
        f"('user_a', 'tenant_a', {stamps});"
        "INSERT INTO audit_log (scope, entity_type, entity_id, action, actor_id, request_id, occurred_at, changes) VALUES "
        f"(0, 'tenant', 'tenant_a', 'created', '', '', {instant}, '{{}}'), "
        f"(0, 'user', 'user_a', 'created', '', '', {instant}, '{{}}'), "
        f"(7, 'customer', 'cust_a', 'created', 'user_a', '', {instant}, '{{}}');"
    )
    init(directory)  # a directory of ours, whose database is taken away
    if ON_POSTGRES:
        engine.change(directory, "DROP SCHEMA public CASCADE")
        engine.change(directory, f"CREATE SCHEMA public AUTHORIZATION {ROLE}")
        scripts.append("INSERT INTO schema_versions (version, oldest_reader) VALUES (1, 1), (2, 1);")
        for script in scripts:
            engine.change(directory, f"SET ROLE {ROLE};\n{script}")
        (directory / "database").unlink()  # which has another one in mind
        return
    for suffix in ("", "-wal", "-shm"):
        (directory / f"farthing.db{suffix}").unlink(missing_ok=True)
    with engine.sqlite3.connect(directory / "farthing.db") as connection:
        for script in scripts:
            connection.executescript(script)
        connection.execute(f"PRAGMA application_id = {0x46727468}")
        connection.execute("PRAGMA user_version = 2")
    connection.close()


def test_rows_of_before_the_hashes_are_counted(directory):
    old_database(directory)
    trail = Trail(directory)
    run_ok("tenant", "create", "Second", "--data", directory)
    assert trail.findings() == []
    assert "3 of them are older than the hashes" in run_ok("audit", "verify", "--data", directory)
    assert trail.look("SELECT tenant_id FROM audit_log WHERE chain = 0 ORDER BY sequence") == [
        ("tenant_a",), ("tenant_a",), ("",)
    ]
    trail.tamper("DELETE FROM audit_log WHERE chain = 0 AND position = 2")
    assert trail.findings() == [("missing", 0, 2, 2)]


# --- retention -------------------------------------------------------------------------------------------------


def test_old_rows_are_removed_and_the_rest_stays_whole(trail, start_server, kept):
    before = trail.count
    chain, last = trail.chain, trail.last
    long_ago = "'2020-01-01T00:00:00Z'" if ON_POSTGRES else "1577836800000000"
    # What is removed is not looked at any more, so that it may be old without having been.
    trail.tamper(f"UPDATE audit_log SET occurred_at = {long_ago} WHERE NOT (chain = {chain} AND position >= {last - 1})")
    server = start_server(trail.directory, "--audit-retention-days", "1", "--metrics-token", "0123456789abcdef")
    wait_until(lambda: trail.count == 2, RETENTION_SECONDS_MAX, "old rows to go")
    assert trail.findings() == []
    with Client(server.address) as client:
        metrics = client.get("/metrics", headers={"Authorization": "Bearer 0123456789abcdef"}).body.decode()
    assert f'farthing_housekeeping_rows_total{{job="audit_retention"}} {before - 2}\n' in metrics
    server.stop()
    assert trail.findings("--expect", kept) == []
    with engine.at_rest(trail.directory) as look:
        assert audit_chains.assert_whole(look) == 2


def test_without_retention_nothing_is_removed(trail, start_server):
    long_ago = "'2020-01-01T00:00:00Z'" if ON_POSTGRES else "1577836800000000"
    trail.tamper(f"UPDATE audit_log SET occurred_at = {long_ago}")
    before = trail.count
    start_server(trail.directory).stop()
    assert trail.count == before


# --- GET /v1/activity ------------------------------------------------------------------------------------------


class Made:
    """Two tenants with two customers each, and what there is beside."""

    def __init__(self, directory, server, first, second):
        self.first, self.second = first, second
        self.clients = [Client(server.address, credentials.api_key) for credentials in (first, second)]
        self.customers = [[client.create({"external_id": f"c{n}", "name": "N"}) for n in range(2)] for client in self.clients]
        self.directory = directory

    def list(self, query="", tenant=0):
        reply = self.clients[tenant].get(f"/v1/activity{query}")
        assert reply.status == 200, reply
        return reply.json()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    directory = tmp_path_factory.mktemp("activity") / "data"
    first = init(directory)
    second = create_tenant(directory, "Second")
    server = Server(directory)
    yield Made(directory, server, first, second)
    server.stop()


def kinds(page):
    return [(item["entity_type"], item["action"]) for item in page["items"]]


def test_activity_is_listed_newest_first(made):
    page = made.list()
    assert kinds(page)[:2] == [("customer", "created"), ("customer", "created")]
    assert sorted(kinds(page)[2:]) == [(kind, "created") for kind in ("environment", "secret", "tenant", "user")]
    assert [item["entity_id"] for item in page["items"][:2]] == [made.customers[0][1]["id"], made.customers[0][0]["id"]]
    times = [item["occurred_at"] for item in page["items"]]
    assert times == sorted(times, reverse=True) or len({len(time) for time in times}) > 1
    assert page["pagination"] == {"total": 6, "limit": 50, "offset": 50}
    assert "searched_until" not in page


def test_an_item_says_who_when_and_what(made):
    item = made.list()["items"][0]
    customer = made.customers[0][1]
    assert set(item) == {"id", "entity_type", "entity_id", "action", "actor_id", "request_id", "occurred_at", "changes"}
    assert item["actor_id"] == customer["created_by"]
    assert item["occurred_at"] == customer["created_at"]
    assert item["changes"]["after"]["external_id"] == "c1"
    assert made.clients[0].get(f"/v1/activity/{item['id']}").json() == item


LONG = 5_500  # rows: more than a loop looks at


def test_a_long_trail_is_counted_to_its_end(initialised, start_server):
    """Both where an index finds what is wanted, and where rows must be looked at: for other filters, and for whoever does
    not see everything."""
    directory, credentials = initialised
    _, reader = make_caller(
        directory, "all_reader", tenant_id=credentials.tenant_id, environment_id=credentials.environment_id
    )
    (scope,) = engine.tuples(directory, "SELECT scope FROM audit_log WHERE entity_type = 'secret' LIMIT 1")[0]
    numbers = (
        f"SELECT * FROM generate_series(1, {LONG})" if ON_POSTGRES
        else f"SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {LONG}"
    )
    at = "timestamptz '2020-01-01' + i * interval '1 second'" if ON_POSTGRES else "1577836800000000 + i"
    engine.change(
        directory,
        f"WITH {'' if ON_POSTGRES else 'RECURSIVE'} n (i) AS ({numbers}) INSERT INTO audit_log (scope, entity_type, entity_id, "
        "action, actor_id, request_id, occurred_at, changes) "
        f"SELECT {scope}, 'customer', 'cust_' || i, 'created', 'user_1', 'r' || i, {at}, '{{}}' FROM n",
    )
    with Client(start_server(directory).address, credentials.api_key) as client:
        for query, total in (
            ("entity_type=customer", LONG),
            ("actor_id=user_1", LONG),
            ("actor_id=user_1&action=created", LONG),
            ("request_id=r1", 1),
            ("end_time=2021-01-01T00:00:00Z", LONG),
        ):
            for key in (credentials.api_key, reader):
                page = client.get(f"/v1/activity?limit=1&{query}", key=key).json()
                assert page["pagination"]["total"] == total and len(page["items"]) == 1, query
                assert "searched_until" not in page, query
        last = client.get(f"/v1/activity?entity_type=customer&offset={LONG - 1}").json()
        assert [item["entity_id"] for item in last["items"]] == ["cust_1"]
        beyond = client.get(f"/v1/activity?entity_type=customer&offset={LONG}").json()
        assert beyond["items"] == [] and beyond["pagination"]["total"] == LONG
        page = client.get("/openapi.json").json()["components"]["schemas"]["ListActivityResponse"]
        assert page["properties"]["searched_until"]["format"] == "date-time"
        assert page["required"] == ["items", "pagination"]


@pytest.mark.parametrize(
    "query, count",
    [
        ("entity_type=customer", 2),
        ("entity_type=tenant", 1),
        ("entity_type=nothing", 0),
        ("action=created", 6),
        ("action=updated", 0),
        ("entity_type=customer&action=created", 2),
        ("entity_type=customer&action=archived", 0),
        ("entity_type=user&action=created", 1),
        ("start_time=2020-01-01T00:00:00Z", 6),
        ("end_time=2020-01-01T00:00:00Z", 0),
        ("start_time=2020-01-01T00:00:00Z&end_time=2020-01-02T00:00:00Z&entity_type=customer", 0),
    ],
)
def test_activity_is_filtered(made, query, count):
    page = made.list("?" + query)
    assert (len(page["items"]), page["pagination"]["total"]) == (count, count)


def test_activity_of_one_entity_one_actor_and_one_request(made):
    customer = made.customers[0][0]
    (item,) = made.list(f"?entity_id={customer['id']}")["items"]
    assert made.list(f"?entity_id={customer['id']}&entity_type=customer")["items"] == [item]
    assert made.list(f"?entity_id={customer['id']}&entity_type=user")["items"] == []
    assert made.list(f"?actor_id={customer['created_by']}")["pagination"]["total"] == 2
    assert made.list(f"?actor_id={customer['created_by']}&action=updated")["items"] == []
    assert made.list(f"?request_id={item['request_id']}")["items"] == [item]
    # Both ends are of the range.
    at = f"start_time={item['occurred_at']}&end_time={item['occurred_at']}"
    assert item in made.list(f"?{at}")["items"]
    assert made.list(f"?{at}&entity_id={customer['id']}")["items"] == [item]


def test_activity_is_paged(made):
    everything = made.list()["items"]
    pages = [made.list(f"?limit=2&offset={offset}") for offset in (0, 2, 4, 6)]
    assert [item for page in pages for item in page["items"]] == everything
    assert [page["pagination"] for page in pages] == [
        {"total": 6, "limit": 2, "offset": offset} for offset in (2, 4, 6, 8)
    ]
    assert made.list("?limit=0")["pagination"]["limit"] == 50
    assert made.list("?entity_type=customer&limit=1&offset=1")["items"] == everything[1:2]
    assert made.list("?offset=9000000000000000000")["items"] == []


@pytest.mark.parametrize(
    "query, field",
    [
        ("limit=-1", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("order=asc", "order"),
        ("start_time=yesterday", "start_time"),
        ("end_time=2020-01-01", "end_time"),
        ("start_time=2020-01-02T00:00:00Z&end_time=2020-01-01T00:00:00Z", "end_time"),
    ],
)
def test_what_cannot_be_asked_of_activity(made, query, field):
    reply = made.clients[0].get(f"/v1/activity?{query}")
    assert reply.status == 400
    assert field in reply.json()["details"]


def test_nobody_sees_another_tenant_s_activity(made):
    ours, theirs = (made.list(tenant=tenant)["items"] for tenant in (0, 1))
    assert not {item["id"] for item in ours} & {item["id"] for item in theirs}
    assert made.second.tenant_id not in json.dumps(ours)
    assert made.first.tenant_id not in json.dumps(theirs)
    for item in theirs:
        reply = made.clients[0].get(f"/v1/activity/{item['id']}")
        assert reply.status == 404
        assert made.list(f"?entity_id={item['entity_id']}")["items"] == []
    nobody = made.clients[0].get("/v1/activity/activity_999999").json()
    assert made.clients[0].get(f"/v1/activity/{theirs[0]['id']}").json()["message"] == nobody["message"]


@pytest.mark.parametrize("id_", ["activity_", "activity_x", "activity_-1", "x", "activity_99999999999999999999", "1"])
def test_ids_that_are_none(made, id_):
    assert made.clients[0].get(f"/v1/activity/{id_}").status == 404


@pytest.mark.parametrize("role, status", [("super_admin", 200), ("all_reader", 200), ("all_writer", 200),
                                          ("event_reader", 403), ("event_ingestor", 403)])
def test_who_may_read_activity(made, role, status):
    key, _ = create_key(made.directory, "--role", role, "--environment", made.first.environment_id)
    assert made.clients[0].get("/v1/activity", key=key).status == status
    assert made.clients[0].get("/v1/activity/activity_1", key=key).status == status
    assert made.clients[0].get("/v1/activity", key="").status == 401


def everything(client, query=""):
    reply = client.get(f"/v1/activity{query}")
    assert reply.status == 200, reply
    page = reply.json()
    assert page["pagination"]["total"] == len(page["items"])
    return page["items"]


def test_nobody_sees_the_activity_of_an_environment_that_is_hidden_from_them(initialised, start_server):
    directory, first = initialised
    hidden = create_environment(directory, first.tenant_id, "hidden")
    place = {"tenant_id": first.tenant_id, "environment_id": first.environment_id}
    limited, key = make_caller(directory, "super_admin", email="limited@env.test", **place)
    allow = json.dumps({first.tenant_id: {limited: [first.environment_id]}})
    server = start_server(directory, FARTHING_ENVIRONMENT_ALLOW_LIST=allow)
    with Client(server.address, first.api_key) as client:
        rows = everything(client)
        (row,) = everything(client, f"?entity_id={hidden.environment_id}")
    with Client(server.address, key) as client:
        assert everything(client) == [item for item in rows if item["entity_id"] != hidden.environment_id]
        (own,) = everything(client, "?entity_type=environment")
        assert own["entity_id"] == first.environment_id
        for query in (f"entity_id={hidden.environment_id}", f"request_id={row['request_id']}&entity_type=environment&"
                      f"start_time={row['occurred_at']}&end_time={row['occurred_at']}"):
            assert everything(client, "?" + query) == []
        assert_error(client.get(f"/v1/activity/{row['id']}"), 404, "not_found")
        assert client.get(f"/v1/activity/{own['id']}").json() == own


@pytest.mark.parametrize("role, kind", [("all_reader", "user"), ("all_writer", "user"), ("super_admin", "service_account")])
def test_whose_keys_one_may_not_list_has_no_activity_of_them_either(initialised, start_server, role, kind):
    directory, first = initialised
    place = {"tenant_id": first.tenant_id, "environment_id": first.environment_id}
    user, key = make_caller(directory, role, kind, **place)
    server = start_server(directory)
    with Client(server.address, first.api_key) as client:
        everybodys = everything(client, "?entity_type=secret")
        own_id = [item["id"] for item in client.get(f"/v1/secrets/api/keys?user_id={user}").json()["items"]]
        rows = everything(client)
    assert len(everybodys) == 2 and len(own_id) == 1
    (own,) = [item for item in everybodys if item["entity_id"] in own_id]
    (other,) = [item for item in everybodys if item["entity_id"] not in own_id]
    with Client(server.address, key) as client:
        assert [item["id"] for item in client.get("/v1/secrets/api/keys").json()["items"]] == own_id
        assert everything(client) == [item for item in rows if item != other]
        assert everything(client, "?entity_type=secret") == [own]
        assert everything(client, f"?entity_id={own['entity_id']}") == [own]
        assert everything(client, f"?entity_id={other['entity_id']}") == []
        assert other["entity_id"] not in json.dumps(everything(client, f"?request_id={other['request_id']}&action=created"))
        assert client.get(f"/v1/activity/{own['id']}").json() == own
        assert_error(client.get(f"/v1/activity/{other['id']}"), 404, "not_found")


# --- the outbox ------------------------------------------------------------------------------------------------


def test_the_outbox_is_listed(made):
    items = json.loads(run_ok("outbox", "list", "--data", made.directory, "--json"))["items"]
    assert [item["event_name"] for item in items] == 4 * ["customer.created"]
    assert {item["entity_id"] for item in items} == {one["id"] for two in made.customers for one in two}
    assert items[0]["payload"]["customer"]["id"] == items[0]["entity_id"]
    assert "published_at" not in items[0]
    text = run_ok("outbox", "list", "--data", made.directory, "--limit", "1").splitlines()
    assert len(text) == 2
    assert "customer.created" in text[1]
    of_one = json.loads(run_ok("outbox", "list", "--data", made.directory, "--json", "--tenant", "Second"))["items"]
    assert {item["tenant_id"] for item in of_one} == {made.second.tenant_id}
    assert len(of_one) == 2
    said = run("outbox", "list", "--data", made.directory, "--tenant", "Nobody")
    assert said.returncode == 1
    assert "Nobody" in said.stderr


class Follower:
    def __init__(self, directory, *arguments):
        command = ["outbox", "follow", "--data", str(directory), *arguments]
        self.process = subprocess.Popen([BINARY, *command], stdout=subprocess.PIPE, text=True, env=environment(*command))

    def next(self):
        return json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate()


def test_the_outbox_is_followed_from_any_place(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory, *ONE_WRITER)
    with Client(server.address, credentials.api_key) as client:
        ids = [client.create({"external_id": f"c{n}", "name": "N"})["id"] for n in range(3)]
        with Follower(directory, "--after", "0") as follower:
            events = [follower.next() for _ in range(3)]
            assert [event["entity_id"] for event in events] == ids
            ids.append(client.create({"external_id": "later", "name": "N"})["id"])
            events.append(follower.next())
            assert events[3]["entity_id"] == ids[3]
        with Follower(directory, "--after", str(events[1]["sequence"]), "--environment", "Sandbox") as follower:
            assert [follower.next() for _ in range(2)] == events[2:]


def test_nothing_can_be_followed_without_a_server(initialised):
    directory, _ = initialised
    said = run("outbox", "follow", "--data", directory)
    assert said.returncode == 1
    assert "no server uses" in said.stderr
