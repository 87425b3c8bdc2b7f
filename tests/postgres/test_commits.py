"""What becomes of a transaction: its outcome is known or looked up and never guessed, and one command's trouble is not the
others'."""

import subprocess
import threading

import pytest

from farthing_server import BINARY, START_SECONDS_MAX, environment, seconds, wait_until
from http_client import RawConnection, request_bytes
from nodes import assert_refused, customer
from proxy import TO_SERVER, cut_before, lose_commit

OUTCOME_TOOL = BINARY.parent / "tests/support/farthing-postgres-outcome"
LOSSES_MAX = 10  # POSTGRES_LOSSES_MAX
# One reader and one writer: what waits while the writer is at work becomes one batch.
ONE_WRITER = ("--database-connections", "2")
COMMITS_IN_DOUBT = "farthing_database_commits_in_doubt_total"
OUTCOMES = ("committed", "not_committed", "unknown")


# ---- commit records ----


def outcome(place, session, number):
    """(exit status, what it printed)"""
    process = subprocess.run(
        [OUTCOME_TOOL, session, str(number)], env=environment(FARTHING_DATABASE=place.url),
        capture_output=True, text=True, timeout=seconds(START_SECONDS_MAX), check=False,
    )
    return process.returncode, process.stdout.strip() or process.stderr


def test_the_record_tells_the_outcome_and_none_tells_nothing(place):
    place.sql("INSERT INTO commit_records (session_id, commit_number) VALUES ('GONE', 7)")
    assert outcome(place, "GONE", 7) == (0, "done")
    assert outcome(place, "GONE", 8) == (0, "not done")
    assert outcome(place, "NEVERSEEN", 7) == (0, "unknown")
    place.sql("DROP TABLE commit_records CASCADE; CREATE TABLE commit_records (session_id text, commit_number text)")
    place.sql("GRANT ALL ON commit_records TO farthing")
    assert outcome(place, "GONE", 7)[1] == "unknown", "a look-up that fails"


def test_a_session_is_ended_before_its_outcome_is_looked_up(place):
    """Else it could commit right behind the look-up."""
    node = place.node()
    with node.client(place.key) as client:
        client.create(customer("a"))
        # One of those that have committed: beside the customer the server writes down, by itself, that the key was used.
        session, number = place.rows(
            "SELECT session_id, commit_number FROM commit_records JOIN pg_stat_activity"
            " ON application_name = 'farthing ' || session_id WHERE commit_number > 0 ORDER BY started_at"
        )[0]
        assert outcome(place, session, number + 1) == (0, "not done")
        assert not place.backends(f"application_name = 'farthing {session}'")
        client.create(customer("b"))


def test_old_records_are_swept_up_but_not_those_of_living_sessions(place):
    with place.node().client(place.key) as client:
        client.create(customer("a"))
        place.sql("UPDATE commit_records SET started_at = now() - interval '8 days'")
        old = {session for (session,) in place.rows("SELECT session_id FROM commit_records")}
        living = {session for session in old if place.backends(f"application_name = 'farthing {session}'")}
        assert living and old - living, "the commands that made the database have left theirs"
        place.sql("INSERT INTO commit_records (session_id, commit_number) VALUES ('YOUNG', 1)")
        place.node(1)
        kept = {session for (session,) in place.rows("SELECT session_id FROM commit_records")}
    assert kept & (old | {"YOUNG"}) == living | {"YOUNG"}


# ---- commits in doubt ----


@pytest.fixture
def far_node(far_place):
    """A node whose sessions are new and as few as can be."""
    return far_place.new_node("--metrics-listen", "127.0.0.1:0", *ONE_WRITER).start()


def in_doubt(node):
    return {outcome: node.metric(COMMITS_IN_DOUBT, outcome=outcome) for outcome in OUTCOMES}


@pytest.mark.parametrize("found", ["committed", "not_committed"])
def test_a_commit_that_was_sent_when_the_session_went_is_looked_up(far_place, far_node, proxy, found):
    proxy.cut_by(lose_commit() if found == "committed" else cut_before(b"COMMIT"))
    with far_node.client(far_place.key) as client:
        client.create(customer("a"))
    assert in_doubt(far_node) == {**dict.fromkeys(OUTCOMES, 0), found: 1}
    assert list(far_place.stored()) == ["a"]


def test_a_commit_that_the_server_said_it_would_not_do_is_not_in_doubt(place):
    """It ends the session amid the transaction and says so: whatever was sent behind that is not done."""
    node = place.new_node("--metrics-listen", "127.0.0.1:0", *ONE_WRITER).start()
    place.sql("CREATE SEQUENCE attempts")
    place.on_change(
        "BEFORE INSERT ON customers",
        "IF nextval('attempts') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW;",
    )
    with node.client(place.key) as client:
        client.create(customer("a"))
    assert place.rows("SELECT last_value FROM attempts") == [(2,)]
    assert in_doubt(node) == dict.fromkeys(OUTCOMES, 0)
    assert list(place.stored()) == ["a"]


# ---- one command's trouble ----


def replies_of_one_batch(place, node, names):
    """The writer is kept at work while these come in."""
    connections = [RawConnection(node.address) for _ in names]
    with node.client(place.key) as client, place.session() as other:
        other.sql("BEGIN")
        other.sql("LOCK TABLE customers IN EXCLUSIVE MODE")
        first = threading.Thread(target=client.create, args=(customer("first"),))
        first.start()
        place.wait_for_blocked(1)
        for connection, name in zip(connections, names):
            connection.send(request_bytes("POST", "/v1/customers", place.key, customer(name)))
        # The one that the writer is at counts as waiting, too.
        wait_until(lambda: node.metric("farthing_writer_commands_waiting") == len(names) + 1, 10, "all of them to wait")
        other.sql("COMMIT")
        first.join()
    replies = {name: connection.read_reply() for connection, name in zip(connections, names)}
    for connection in connections:
        connection.close()
    return replies


@pytest.mark.parametrize("how", ["the server says so", "the connection is cut"])
def test_a_command_that_always_ends_its_session_is_given_up_and_the_rest_of_its_batch_is_done(
    far_place, far_node, proxy, how
):
    attempts = []

    def cut_amid(direction, data):
        if direction != TO_SERVER or b"deadly" not in data:
            return None
        attempts.append(data)
        return data.index(b"deadly")

    if how == "the connection is cut":
        proxy.cut_by(cut_amid, every_time=True)
    else:
        far_place.sql("CREATE SEQUENCE attempts")
        far_place.on_change(
            "BEFORE INSERT ON customers",
            "IF NEW.name = 'deadly' THEN PERFORM nextval('attempts');"
            " PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW;",
        )
    names = [f"before {number}" for number in range(3)] + ["deadly"] + [f"behind {number}" for number in range(3)]
    replies = replies_of_one_batch(far_place, far_node, names)
    assert assert_refused(replies.pop("deadly")) == "database_unavailable"
    assert {name: reply.status for name, reply in replies.items()} == dict.fromkeys(replies, 201)
    count = len(attempts) or far_place.rows("SELECT last_value FROM attempts")[0][0]
    assert LOSSES_MAX <= count <= LOSSES_MAX + 1, "once in the batch, and then by itself"
    assert sorted(far_place.stored()) == sorted(["first", *replies])


def test_an_update_that_finds_no_row_is_found_before_the_commit(place):
    """As when somebody else has deleted it meanwhile: nothing of the command stands, neither is it told done."""
    node = place.node()
    before = place.rows("SELECT count(*) FROM audit_log")
    name = place.on_change("BEFORE UPDATE ON tenants", "RETURN NULL;")
    process = node.try_command("tenant", "suspend", place.credentials.tenant_id)
    assert process.returncode == 1, process
    assert place.rows("SELECT count(*) FROM audit_log") == before
    place.sql(f"DROP TRIGGER {name} ON tenants")
    node.command("tenant", "suspend", place.credentials.tenant_id)
    assert place.rows("SELECT internal_status FROM tenants") == [("suspended",)]
    assert place.rows("SELECT count(*) FROM audit_log") == [(before[0][0] + 1,)]
