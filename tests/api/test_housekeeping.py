"""What the server does by itself now and then; the retention of the audit trail is in test_audit.py."""

import engine
from http_client import Client


def test_when_a_key_was_last_used_is_written_down_before_the_server_ends(initialised, start_server):
    directory, credentials = initialised
    unused = "SELECT count(*) FROM secrets WHERE last_used_at IS NULL"
    assert engine.tuples(directory, unused) == [(1,)]
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        assert client.get("/v1/customers/nobody").status == 404
    server.stop()
    assert engine.tuples(directory, unused) == [(0,)]
    # It is no change that anybody would want to hear of.
    assert engine.tuples(directory, "SELECT count(*) FROM audit_log WHERE action = 'updated'") == [(0,)]
