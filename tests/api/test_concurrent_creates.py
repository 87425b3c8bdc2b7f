"""Creates that race for one external id: exactly one wins."""

import os
import threading

from expectations import assert_error
from farthing_server import SLOWDOWN
from http_client import RawConnection, request_bytes

CONTENDERS = 24
ROUNDS = int(os.environ.get("FARTHING_TEST_ROUNDS", "0")) or max(10, int(100 / SLOWDOWN))


def create_bytes(shared, external_id, name):
    return request_bytes("POST", "/v1/customers", shared.key, {"external_id": external_id, "name": name})


def assert_one_winner(shared, external_id, replies):
    winners = [reply.json() for reply in replies if reply.status == 201]
    losers = [reply for reply in replies if reply.status != 201]
    assert len(winners) == 1, [reply.status for reply in replies]
    for reply in losers:
        assert_error(reply, 409, "already_exists", {"external_id": external_id})
    with shared.client() as client:
        assert client.get(f"/v1/customers/external/{external_id}").json() == {**winners[0], "integrations": []}


def test_equal_creates_on_as_many_connections(shared, new_external_id):
    connections = [RawConnection(shared.address) for _ in range(CONTENDERS)]
    for _ in range(ROUNDS):
        external_id = new_external_id()
        for number, connection in enumerate(connections):
            connection.send(create_bytes(shared, external_id, f"contender {number}"))
        assert_one_winner(shared, external_id, [connection.read_reply() for connection in connections])
    for connection in connections:
        connection.close()


def test_equal_creates_of_as_many_threads(shared, new_external_id):
    rounds = max(5, ROUNDS // 4)
    external_ids = [new_external_id() for _ in range(rounds)]
    barrier = threading.Barrier(CONTENDERS)
    replies = {external_id: [] for external_id in external_ids}

    def contend(number):
        with RawConnection(shared.address) as connection:
            for external_id in external_ids:
                barrier.wait(timeout=60)
                replies[external_id].append(connection.exchange(create_bytes(shared, external_id, f"thread {number}")))

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(CONTENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for external_id in external_ids:
        assert len(replies[external_id]) == CONTENDERS
        assert_one_winner(shared, external_id, replies[external_id])


def test_equal_creates_in_one_pipeline(shared, new_external_id):
    with RawConnection(shared.address) as connection:
        for _ in range(ROUNDS):
            external_id = new_external_id()
            connection.send(create_bytes(shared, external_id, "Acme") * CONTENDERS)
            replies = [connection.read_reply() for _ in range(CONTENDERS)]
            assert [reply.status for reply in replies] == [201] + [409] * (CONTENDERS - 1)


def test_a_refused_create_does_not_hurt_its_neighbours(shared, new_external_id):
    """Writes that wait together share a transaction: one that fails must fail alone."""
    connections = [RawConnection(shared.address) for _ in range(CONTENDERS)]
    taken = new_external_id()
    assert connections[0].exchange(create_bytes(shared, taken, "Acme")).status == 201
    for _ in range(ROUNDS):
        fresh = [new_external_id() for _ in connections]
        for number, connection in enumerate(connections):
            connection.send(create_bytes(shared, taken if number % 3 == 0 else fresh[number], "Acme"))
        statuses = [connection.read_reply().status for connection in connections]
        assert statuses == [409 if number % 3 == 0 else 201 for number in range(CONTENDERS)]
        with shared.client() as client:
            for number in range(1, CONTENDERS, 3):
                assert client.get(f"/v1/customers/external/{fresh[number]}").status == 200
    for connection in connections:
        connection.close()
