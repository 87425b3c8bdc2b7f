"""Several servers on one database need the same secrets: a server with others is told so, and not its users."""

import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))

from farthing_server import wait_until  # noqa: E402
from nodes import SECRETS_IN_FILES, Place  # noqa: E402
from tokens import claims_of, secrets_in, signing_key  # noqa: E402

EMAIL, PASSWORD = "ada@acme.example", "correct horse"


class PlaceWithFiles(Place):
    """Nodes whose secrets are in their data directories."""

    def new_node(self, *flags, **variables):
        return super().new_node(*flags, **SECRETS_IN_FILES, **variables)


@pytest.fixture
def two(shared_cluster, database, tmp_path):
    """(place, a running node, another one that has no data directory yet)"""
    place = PlaceWithFiles(tmp_path, shared_cluster, database)
    yield place, place.node(0), place.new_node()
    place.print_logs()
    place.stop()


@pytest.fixture
def elsewhere(shared_cluster, database):
    """The URL of another database."""
    yield shared_cluster.create_database(f"{database}_elsewhere")
    shared_cluster.sql(f"DROP DATABASE {database}_elsewhere WITH (FORCE)")


def copy_secrets(one, other):
    other.directory.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(one.directory / "secrets", other.directory / "secrets")


def refused(node):
    process = node.try_command("serve", "--listen", "127.0.0.1:0")
    lines = [line for line in process.stderr.splitlines() if not line.startswith("time=")]
    assert process.returncode == 1 and len(lines) == 1, process
    return lines[0]


def log_in(node, path="/v1/auth/login"):
    with node.client() as client:
        return client.post(path, {"email": EMAIL, "password": PASSWORD})


def test_a_second_node_needs_the_file_of_the_first(two):
    _, one, other = two
    said = refused(other)
    assert str(other.directory / "secrets") in said and "copy the file" in said
    assert not (other.directory / "secrets").exists()
    # What needs no secrets can be done from there all the same.
    other.command("key", "list")
    copy_secrets(one, other)
    other.start()
    assert log_in(one, "/v1/auth/signup").status == 200
    token = log_in(other).json()["token"]
    assert claims_of(token, signing_key(one.directory))["user_id"]


def test_a_second_node_with_a_file_of_its_own(two, elsewhere):
    _, one, other = two
    other.command("init", "--database", elsewhere)
    (other.directory / "database").unlink()
    said = refused(other)
    assert secrets_in(one.directory)[0].id in said and secrets_in(other.directory)[0].id in said
    copy_secrets(one, other)
    other.start()


def test_nodes_that_start_together_without_secrets(shared_cluster, database, tmp_path):
    """One of them has made the secrets; the others say that theirs are needed, and leave no file that would be in the way."""
    place = PlaceWithFiles(tmp_path, shared_cluster, database, is_initialised=False)
    nodes = [place.new_node().start(wait=False) for _ in range(3)]
    wait_until(lambda: sum(node.server.process.poll() is not None for node in nodes) == 2, 30, "two of three to give up")
    (first,) = [node for node in nodes if node.server.process.poll() is None]
    first.server.wait_for_start()
    for node in nodes:
        if node is not first:
            assert "copy the file" in node.log and not (node.directory / "secrets").exists()
            node.server.process.communicate()
            node.server.log_file.close()
            copy_secrets(first, node)
            node.start()
    assert len(place.rows("SELECT id FROM server_secrets")) == 2
    place.stop()


def test_a_key_is_changed_while_both_run(two):
    """The file goes from one to the other, and neither is stopped."""
    place, one, other = two
    copy_secrets(one, other)
    other.start()
    assert log_in(one, "/v1/auth/signup").status == 200
    old = signing_key(one.directory)
    one.command("secret", "rotate", "signing")
    new = signing_key(one.directory)
    assert claims_of(log_in(one).json()["token"], new) and claims_of(log_in(other).json()["token"], old)
    # A restart in between does not go on with the old one.
    other.stop()
    assert secrets_in(one.directory)[0].id in refused(other)
    copy_secrets(one, other)
    other.start()
    one.command("secret", "rotate", "signing")
    copy_secrets(one, other)
    other.server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: re.search("the secrets were read anew", other.log), 20, "the new file to be read")
    assert claims_of(log_in(other).json()["token"], signing_key(one.directory))


def test_doctor_says_that_the_file_is_not_the_database_s(two, elsewhere):
    _, one, other = two
    other.command("init", "--database", elsewhere)
    process = other.try_command("doctor")
    assert process.returncode == 1
    assert re.search(rf"^fail  secrets: .*{secrets_in(one.directory)[0].id}", process.stdout, flags=re.M), process.stdout


def test_doctor_tells_a_second_node_of_the_file_before_its_first_start(two):
    _, one, other = two
    finding = rf"^fail  secrets: .*{secrets_in(one.directory)[0].id}.*copy the file"
    process = other.try_command("doctor")
    assert process.returncode == 1
    assert re.search(finding, process.stdout, flags=re.M), process.stdout
    assert not other.directory.exists()
    copy_secrets(one, other)
    assert "ok    secrets: those that the database was used with" in other.command("doctor").splitlines()
