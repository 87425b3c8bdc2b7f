"""What an operator is told: of a database that cannot be used, by doctor, and of directories that belong to another one."""

import json
import os
import tempfile

import pytest

from farthing_server import run, run_ok
from nodes import SECRETS, Node, Place
from postgres_cluster import PASSWORD, ROLE, Cluster


@pytest.fixture(scope="module")
def home(fresh_data, tmp_path_factory):
    """A cluster with one installation, which the tests leave as it is."""
    cluster = Cluster().initialise(like=fresh_data)
    place = Place(tmp_path_factory.mktemp("home"), cluster)
    yield place
    place.stop()
    cluster.remove()


@pytest.fixture
def other_url(home, request):
    """Another database in it, empty."""
    name = request.node.name.split("[")[0][-60:]
    return home.cluster.create_database(name)


def refusal(*arguments, **variables):
    process = run(*arguments, **variables)
    assert (process.returncode, process.stdout) == (1, ""), process
    assert len(process.stderr.splitlines()) == 1, process.stderr
    assert PASSWORD not in process.stderr
    return process.stderr


def examine(directory, **variables):
    process = run("doctor", "--json", "--data", directory, "--listen", "127.0.0.1:0", **variables)
    report = json.loads(process.stdout)
    assert process.returncode == (0 if report["ok"] else 1)
    assert PASSWORD not in process.stdout
    return report


def lines_of(report, subject):
    return [(line["verdict"], line["finding"], line["advice"]) for line in report["checks"] if line["subject"] == subject]


# ---- databases that cannot be used ----


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_in_another_encoding_is_refused(home, tmp_path, encoding):
    name = f"encoded_{encoding.lower()}"
    home.cluster.sql(f"CREATE DATABASE {name} OWNER {ROLE} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    url = home.cluster.url(name)
    for command in (["init"], ["serve", "--listen", "127.0.0.1:0"], ["key", "list"]):
        said = refusal(*command, "--data", tmp_path / "data", FARTHING_DATABASE=url)
        assert encoding in said and "CREATE DATABASE" in said and "ENCODING 'UTF8'" in said
    assert lines_of(examine(tmp_path / "data", FARTHING_DATABASE=url), "database")[-1][0] == "fail"
    assert not (tmp_path / "data").exists()
    assert home.cluster.sql("SELECT count(*) FROM pg_class WHERE relname = 'tenants'", name) == "0"


def test_a_schema_that_is_not_there_is_told_so(home, tmp_path):
    url = home.cluster.url(home.database, options="-csearch_path=nowhere")
    assert "CREATE SCHEMA" in refusal("init", "--data", tmp_path / "data", FARTHING_DATABASE=url)


@pytest.mark.parametrize(
    "change, advice",
    [
        ({"password": "wrong"}, "percent-encoded"),
        ({"password": None}, "PGPASSWORD"),
        ({"database": "missing"}, "CREATE DATABASE"),
        ({"port": 1}, "host and port"),
        ({"sslmode": "require"}, "sslmode"),
    ],
)
def test_what_postgresql_says_is_followed_by_what_helps(home, tmp_path, change, advice):
    url = home.cluster.url(**{"database": home.database, **change})
    said = refusal("init", "--data", tmp_path / "data", FARTHING_DATABASE=url)
    assert advice in said
    assert not (tmp_path / "data").exists()


def test_every_host_of_the_url_is_heard(home, tmp_path):
    """Only the first one's failure was told."""
    url = f"postgres://{ROLE}@127.0.0.1:1,127.0.0.1:{home.cluster.port}/{home.database}"
    said = refusal("init", "--data", tmp_path / "data", FARTHING_DATABASE=url)
    assert "Connection refused" in said and "no password supplied" in said


def test_init_of_a_database_that_is_in_use(home, tmp_path):
    """A second server needs none, and can serve at once."""
    said = refusal("init", "--data", tmp_path / "data", FARTHING_DATABASE=home.url, **SECRETS)
    assert "farthing serve" in said and "key create --name NAME" in said
    node = Node(tmp_path / "data", home.url).start()
    with node.client(home.key) as client:
        assert client.get("/v1/customers/x").status == 404
    node.stop()


# ---- doctor ----


def test_doctor_asks_the_server_for_a_new_directory_too(home, tmp_path):
    """It said that all is well, whatever the password."""
    report = examine(tmp_path / "data", FARTHING_DATABASE=home.url, **SECRETS)
    assert report["ok"], report
    (_, server, _), (_, schema, _) = lines_of(report, "database")
    for word in (f"127.0.0.1:{home.cluster.port}/{home.database}", "PostgreSQL 15.", "UTF8", ROLE):
        assert word in server
    assert schema.startswith("schema ")
    assert any(finding.startswith("libpq ") for _, finding, _ in lines_of(report, "libraries"))
    assert [line[0] for line in lines_of(report, "data directory")] == ["ok"]
    report = examine(tmp_path / "data", FARTHING_DATABASE=home.cluster.url(home.database, password="wrong"))
    assert [line[0] for line in lines_of(report, "database")] == ["fail"]
    assert not (tmp_path / "data").exists()


def test_doctor_of_an_empty_database(tmp_path, other_url):
    verdict, _, advice = lines_of(examine(tmp_path / "data", FARTHING_DATABASE=other_url), "database")[-1]
    assert verdict == "warn" and "farthing init" in advice


def test_doctor_without_the_url_does_not_call_the_directory_damaged(home):
    ((verdict, _, advice),) = lines_of(examine(home.nodes[0].directory, FARTHING_DATABASE=""), "database")
    assert verdict == "fail" and "--database" in advice and f":{home.cluster.port}/{home.database}" in advice


# ---- directories and the databases that they belong to ----


def test_a_directory_does_not_move_to_another_database(home, tmp_path, other_url):
    directory = home.nodes[0].directory
    before = (directory / "database").read_text()
    commands = (["serve", "--listen", "127.0.0.1:0"], ["key", "list"], ["init"])
    for command in commands:
        assert before.splitlines()[0] in refusal(*command, "--data", directory, FARTHING_DATABASE=other_url)
    run_ok("init", "--data", tmp_path / "other", FARTHING_DATABASE=other_url)
    for command in commands:
        said = refusal(*command, "--data", directory, FARTHING_DATABASE=other_url)
        assert "another installation" in said and "no data moves" in said and "--data" in said
    assert not examine(directory, FARTHING_DATABASE=other_url)["ok"]
    assert (directory / "database").read_text() == before
    assert "secret_" in run_ok("key", "list", "--data", directory, FARTHING_DATABASE=home.url)


def test_a_database_that_was_moved_is_still_the_same(home, tmp_path, other_url):
    """A failover, a restore and another name keep the installation."""
    run_ok("init", "--data", tmp_path / "data", FARTHING_DATABASE=other_url, **SECRETS)
    home.cluster.sql(f"ALTER DATABASE {other_url.rsplit('/', 1)[1]} RENAME TO moved")
    node = Node(tmp_path / "data", home.cluster.url("moved")).start()
    node.stop()
    assert (tmp_path / "data" / "database").read_text().splitlines()[0].endswith("/moved")


def test_an_embedded_database_is_not_left_for_postgresql_without_a_word(home, tmp_path):
    directory = tmp_path / "data"
    run_ok("init", "--data", directory, FARTHING_DATABASE="")
    for command in (["serve", "--listen", "127.0.0.1:0"], ["key", "list"], ["init"]):
        said = refusal(*command, "--data", directory, FARTHING_DATABASE=home.url)
        assert "embedded database" in said and "--data" in said
    assert lines_of(examine(directory, FARTHING_DATABASE=home.url), "database")[-1][0] == "fail"
    assert "secret_" in run_ok("key", "list", "--data", directory, FARTHING_DATABASE="")
    assert not (directory / "database").exists()


def test_a_command_makes_no_directory(home, tmp_path):
    """It needs none: it is not the one that will serve there."""
    for existing in (False, True):
        if existing:
            (tmp_path / "data").mkdir()
        with tempfile.TemporaryDirectory() as passing:
            where = {"FARTHING_DATABASE": home.url, "TMPDIR": passing}
            assert "tenant_" in run_ok("tenant", "list", "--data", tmp_path / "data", **where)
            run_ok("key", "create", "--name", "k", "--data", tmp_path / "data", **where)
            assert (tmp_path / "data").exists() == existing
            assert not existing or not list((tmp_path / "data").iterdir())
            assert not os.listdir(passing)
