"""What a session has prepared is lost: tables change under it, or it is made to forget. Nobody is told of that."""

import pytest

from nodes import customer
from steady_load import SteadyLoad


@pytest.fixture
def narrow_node(place):
    """One session that reads and one that writes, so that what is done to a session meets the next request."""
    return place.new_node("--database-connections", "2").start()


def forget_once(place):
    """A function for triggers and policies that has its session forget its statements, at its first call."""
    place.sql(
        "CREATE SEQUENCE calls; GRANT USAGE ON SEQUENCE calls TO farthing;"
        "CREATE FUNCTION forget_once() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN"
        " IF nextval('calls') = 1 THEN EXECUTE 'DEALLOCATE ALL'; END IF; RETURN true; END $$;"
        "CREATE FUNCTION forget_when_told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.name = 'forget' THEN PERFORM forget_once(); END IF; RETURN NEW; END $$;"
    )


def test_tables_change_under_load(place, rounds, seed):
    """What a newer node does to the schema: a column more, a column of another type. 0A000 is for us, not for clients."""
    node = place.node()
    with SteadyLoad(place.key, [node], seed=seed) as load:
        load.wait_for_progress()
        for number in range(rounds(4)):
            for change in (f"ADD COLUMN later{number} text", "ALTER COLUMN name TYPE varchar", "ALTER COLUMN name TYPE text"):
                place.sql(f"ALTER TABLE customers {change}")
                load.wait_for_progress(10)
    assert set(load.statuses) <= {200, 201}, (load.statuses, load.reasons)
    load.assert_kept(place.stored())


def test_a_write_whose_session_forgets_its_statements(place, narrow_node):
    """In the middle of its transaction: the rest of it, the commit among it, is not known to the session any more."""
    forget_once(place)
    place.sql("CREATE TRIGGER forgets BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION forget_when_told()")
    with narrow_node.client(place.key) as client:
        assert client.post("/v1/customers", customer("before")).status == 201
        assert client.post("/v1/customers", customer("forget")).status == 201
        assert client.post("/v1/customers", customer("afterwards")).status == 201
        assert client.get("/ready").status == 200
    assert sorted(place.stored()) == ["afterwards", "before", "forget"]


def test_a_read_whose_session_has_forgotten_its_statements(place, narrow_node):
    forget_once(place)
    with narrow_node.client(place.key) as client:
        created = client.create(customer("a"))
        assert client.get(f"/v1/customers/{created['id']}").status == 200
        place.sql(
            "CREATE POLICY forgets ON customers USING (forget_once()); ALTER TABLE customers ENABLE ROW LEVEL SECURITY;"
            "ALTER TABLE customers FORCE ROW LEVEL SECURITY"
        )
        for _ in range(4):
            assert client.get(f"/v1/customers/{created['id']}").status == 200
        assert int(place.sql("SELECT last_value FROM calls")) > 1, "it has forgotten"
        assert client.get("/ready").status == 200
