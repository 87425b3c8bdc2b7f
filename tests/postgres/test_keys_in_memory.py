"""What a node keeps in memory of keys and tenants, while it cannot be read or the database is not well."""

import pytest

from farthing_server import wait_until
from nodes import assert_refused, customer

READ_FAILED = "a change that another process made could not be read"


@pytest.mark.parametrize("begin", ["its session was ended", "a change was announced"])
def test_keys_that_could_not_be_read_again_are_not_trusted_until_they_are(place, begin):
    """Somebody has revoked a key. The node has heard that there is something, and cannot read what."""
    node = place.node()
    key, key_id = node.new_key()
    with node.client(key) as client:
        assert client.get("/v1/customers/x").status == 404
        place.sql(f"ALTER TABLE secrets RENAME TO secrets_away; DELETE FROM secrets_away WHERE id = '{key_id}'")
        if begin == "its session was ended":
            place.end_sessions()
        else:
            place.sql(f"NOTIFY farthing_changes, 'secret {key_id}'")
        wait_until(lambda: client.get("/v1/customers/x").status == 503, 30, "the node not to trust what it knows")
        assert READ_FAILED in node.log
        place.sql("ALTER TABLE secrets_away RENAME TO secrets")
        wait_until(lambda: client.get("/v1/customers/x").status != 503, 30, "the node to have read the keys")
        assert client.get("/v1/customers/x").status == 401


@pytest.mark.parametrize("what", ["key revoke", "tenant suspend"])
def test_a_change_counts_where_it_was_made_also_when_nothing_can_be_read(place, what):
    """As soon as the command is acknowledged: what its commit meant is known without a look into the database."""
    node = place.node()
    key, key_id = node.new_key()
    table, id, refused = {
        "key revoke": ("secrets", key_id, 401),
        "tenant suspend": ("tenants", place.credentials.tenant_id, 403),
    }[what]
    with node.client(key) as client:
        client.create(customer("before"))
        name = place.on_change(f"AFTER UPDATE ON {table}", "REVOKE SELECT ON tenants FROM farthing; RETURN NULL;")
        node.command(*what.split(), id)
        # It may be refused because keys cannot be read again for too long, but never as one that is still good.
        assert client.post("/v1/customers", customer("during")).status in (refused, 503)
        assert client.post("/v1/customers", customer("during")).status in (refused, 503)
        place.sql(f"DROP TRIGGER {name} ON {table}; GRANT SELECT ON tenants TO farthing")
        wait_until(lambda: client.post("/v1/customers", customer("behind")).status == refused, 30, "the keys to be read")
    assert list(place.stored()) == ["before"]


def test_a_probe_that_gets_nowhere_does_not_keep_the_node_from_hearing(far_place, proxy):
    """The database is not well, and whoever connects waits: the session that listens is there and goes on."""
    url = f"{far_place.url}&connect_timeout=600"
    node = far_place.new_node("--database-connections", "2", url=url).start()
    other = far_place.new_node(url=far_place.cluster.url(far_place.database)).start()
    key, key_id = node.new_key()
    with node.client(key) as client:
        created = client.create(customer("before"))  # the writer has its session, and the reader
        assert client.get(f"/v1/customers/{created['id']}").status == 200
        far_place.on_change("BEFORE INSERT ON customers", "RAISE EXCEPTION 'full' USING ERRCODE = 'disk_full';")
        with proxy.keeping_newcomers() as newcomers:
            assert_refused(client.post("/v1/customers", customer("during")), "disk_full")
            wait_until(lambda: newcomers, 30, "the node to try whether it can write again")
            assert other.status(key) == 404
            other.command("key", "revoke", key_id)
            wait_until(lambda: client.get("/v1/customers/x").status == 401, 30, "the node to hear that the key was revoked")
            newer, _ = other.new_key()
            wait_until(lambda: node.status(newer) == 404, 30, "the node to hear of another key")
            wait_for_heartbeats(far_place, 16)
            assert len(newcomers) <= 2, "one probe at a time, which may begin to connect anew"


def wait_for_heartbeats(place, count):
    """Each is an empty statement of the session that listens."""
    seen = set()

    def are_enough():
        seen.update(place.rows(f"SELECT pid, query_start FROM pg_stat_activity WHERE {place.is_ours} AND query = ''"))
        return len(seen) >= count

    wait_until(are_enough, 30, "the sessions that listen to be asked whether they do")
