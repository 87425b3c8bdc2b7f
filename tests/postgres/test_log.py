"""What a node's log says while the database gives trouble: each thing once in a while, and all of it in the log's own form."""

import collections
import datetime
import re

from steady_load import SteadyLoad

LINE = re.compile(r'time=(\S+) level=\w+ message="([^"]*)"')
SECONDS_BETWEEN = 5  # POSTGRES_LOG_EVERY_MS
AT_ONCE_MAX = 4  # POSTGRES_LOG_STATES


def assert_calm(log):
    """No line that is not ours, and none over and over."""
    lines = [LINE.match(line) for line in log.splitlines()]
    foreign = [line for line, match in zip(log.splitlines(), lines) if not match]
    assert foreign == []
    times = [datetime.datetime.fromisoformat(match.group(1).rstrip("Z")) for match in lines]
    counts = collections.Counter(match.group(2) for match in lines)
    limit = AT_ONCE_MAX + 1 + (times[-1] - times[0]).total_seconds() / SECONDS_BETWEEN
    assert max(counts.values()) <= limit, counts


def test_a_warning_before_a_session_has_begun(place):
    """libpq has nobody to give it to while it connects, unless it is told before, and writes it to standard error."""
    place.cluster.sql(f"UPDATE pg_database SET datcollversion = '1' WHERE datname = '{place.database}'")
    node = place.node()
    with node.client(place.key) as client:
        assert client.post("/v1/customers", {"external_id": "a", "name": "A"}).status == 201
    process = node.try_command("key", "list")
    assert process.returncode == 0 and process.stderr == "", process
    assert "collation" not in node.log
    assert_calm(node.log)


def test_trouble_that_comes_and_goes_all_the_time(place, rounds):
    """Every write is refused for a full disk, while the node finds every time it tries that it can write; sessions are ended."""
    node = place.node()
    with SteadyLoad(place.key, [node]) as load:
        load.wait_for_progress()
        name = place.on_change(
            "BEFORE INSERT ON customers",
            "RAISE WARNING 'soon full'; RAISE EXCEPTION 'full' USING ERRCODE = 'disk_full';",
        )
        for _ in range(rounds(10)):
            load.wait_for_reason("disk_full")
            place.end_sessions()
        place.sql(f"DROP TRIGGER {name} ON customers")
        load.wait_for_progress()
        node.wait_until_ready()
    assert_calm(node.log)
    load.assert_kept(place.stored())


def test_a_command_that_is_done_before_its_sessions_are_there(place, rounds):
    """It breaks off what it has not needed, and that is no trouble with the database."""
    node = place.nodes[0]
    for _ in range(rounds(6)):
        process = node.try_command("user", "create", "--type", "robot", "--email", "a@b.de")
        assert process.stderr.splitlines() == ["farthing: --type must be one of user, service_account"]
