"""What a session has prepared is lost: tables change under it, or it is made to forget. Nobody is told of that."""

import itertools

import pytest

from http_client import RawConnection, request_bytes
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


TEXTS = ("email", "contact", "address_line1", "address_line2", "address_city", "address_state", "address_postal_code")
SETS_MAX = 64  # of columns that are changed together, whose statements a session keeps
OTHERS_MAX = 60  # statements that it keeps for good


def test_statements_of_many_sets_of_columns_do_not_pile_up(place, narrow_node):
    """Each is made for a change, the oldest ones give way; beside changes that are refused."""
    place.sql(
        "CREATE TABLE kept (statements bigint); GRANT INSERT ON kept TO farthing;"
        "CREATE FUNCTION count_statements() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO kept SELECT count(*) FROM pg_prepared_statements; RETURN NULL; END $$;"
        "CREATE TRIGGER counts AFTER UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION count_statements()"
    )
    sets = [fields for size in range(1, 8) for fields in itertools.combinations(TEXTS, size)]
    with narrow_node.client(place.key) as client:
        changed, refused = (client.create(customer(name)) for name in ("changed", "refused"))

    def put(of, body):
        return request_bytes("PUT", f"/v1/customers/{of['id']}", place.key, body)

    statuses = []
    with RawConnection(narrow_node.address) as connection:
        for number, fields in enumerate(sets * 2):
            values = {field: f"a{number}@b.co" if field == "email" else f"x{number}" for field in fields}
            connection.send(put(refused, {"external_id": "changed"}) + put(changed, values))
            statuses.append((connection.read_reply().status, connection.read_reply().status))
    assert set(statuses) == {(409, 200)}
    most = int(place.sql("SELECT max(statements) FROM kept"))
    assert SETS_MAX <= most <= SETS_MAX + OTHERS_MAX, most
