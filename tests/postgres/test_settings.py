"""How a server is told of its database and of the password, over TLS or not, and that nobody else is told of the password."""

import json
import subprocess

import pytest

from farthing_server import BINARY, environment, run, run_ok
from nodes import SECRETS, Node, Place
from postgres_cluster import HOST_RULES, PASSWORD, ROLE, give_to_server_user, quoted
from tls import Certificate


def one_line_refusal(process, code=1):
    assert (process.returncode, process.stdout) == (code, ""), process
    assert len(process.stderr.strip().splitlines()) == 1, process.stderr
    return process.stderr


@pytest.fixture(scope="module")
def still_place(shared_cluster, tmp_path_factory):
    """For tests that change nothing in it."""
    place = Place(tmp_path_factory.mktemp("still"), shared_cluster)
    yield place
    place.stop()
    shared_cluster.sql(f"DROP DATABASE {place.database} WITH (FORCE)")


# ---- where the password may come from ----


def in_a_file(folder, text):
    path = folder / "secret"
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def from_url(place, folder):
    return place.cluster.url("farthing"), {}


def from_variable(place, folder):
    return place.cluster.url("farthing", password=None), {"PGPASSWORD": PASSWORD}


def from_password_file(place, folder):
    line = f"127.0.0.1:{place.cluster.port}:*:{ROLE}:{PASSWORD}\n"
    return place.cluster.url("farthing", password=None), {"PGPASSFILE": in_a_file(folder, line)}


def from_password_file_of_the_url(place, folder):
    path = in_a_file(folder, f"*:*:*:*:{PASSWORD}\n")
    return place.cluster.url("farthing", password=None, passfile=path), {}


def from_service_file(place, folder):
    text = (
        f"[billing]\nhost=127.0.0.1\nport={place.cluster.port}\nuser={ROLE}\ndbname=farthing\npassword={PASSWORD}\n"
    )
    return "postgres://?service=billing", {"PGSERVICEFILE": in_a_file(folder, text)}


def from_service_variable(place, folder):
    _, variables = from_service_file(place, folder)
    return "postgresql://", {**variables, "PGSERVICE": "billing"}


SOURCES = [
    from_url, from_variable, from_password_file, from_password_file_of_the_url, from_service_file, from_service_variable,
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_a_password_from(own_place, tmp_path, source):
    url, variables = source(own_place, tmp_path)
    node = own_place.new_node(url=url, **variables).start()
    with node.client(own_place.key) as client:
        assert client.post("/v1/customers", {"external_id": "a", "name": "A"}).status == 201
    node.command("key", "create", "--name", "another")
    # A session that is lost is opened anew from the same source.
    own_place.cluster.restart()
    node.wait_until_ready()
    with node.client(own_place.key) as client:
        assert client.post("/v1/customers", {"external_id": "b", "name": "B"}).status == 201


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
@pytest.mark.parametrize("how", ["flag", "variable", "file"])
def test_where_the_url_may_stand(still_place, tmp_path, scheme, how):
    url = still_place.url.replace("postgres:", scheme + ":", 1)
    flags, variables = (), {"FARTHING_DATABASE": ""}
    directory = tmp_path / "data"
    if how == "flag":
        flags = ("--database", url)
    elif how == "variable":
        variables = {"FARTHING_DATABASE": url}
    else:
        directory.mkdir(mode=0o700)
        (directory / "farthing.conf").write_text(f"database = {url}\n")
        (directory / "farthing.conf").chmod(0o600)
    assert "secret_" in run_ok("key", "list", "--data", still_place.nodes[0].directory, *flags_of(how, url), **variables)
    node = Node(directory, "", *flags, **variables).start()
    with node.client(still_place.key) as client:
        assert client.get("/v1/customers/x").status == 404
    node.stop()


def flags_of(how, url):
    """A directory that has no file of settings is told by a flag."""
    return () if how == "variable" else ("--database", url)


# ---- that nobody sees it ----


def test_the_password_is_nowhere_to_be_seen(own_place, tmp_path):
    """Not in logs of any level, settings, reports, errors, nor in what the process's title shows of a variable."""
    node = own_place.new_node("--log-level", "debug", "--metrics-token", "0123456789abcdef-metrics").start()
    with node.client(own_place.key) as client:
        client.create({"external_id": "a", "name": "A"})
        replies = [client.get(path) for path in ("/ready", "/health", "/metrics", "/openapi.json")]
        own_place.cluster.stop()
        replies.append(client.post("/v1/customers", {"external_id": "b", "name": "B"}))
        replies.append(client.get("/ready"))
        own_place.cluster.start()
    node.wait_until_ready()
    own_place.cluster.sql(f"ALTER ROLE {ROLE} PASSWORD 'changed'")
    own_place.end_sessions()
    with node.client(own_place.key) as client:
        replies.append(client.post("/v1/customers", {"external_id": "c", "name": "C"}))
    own_place.cluster.sql(f"ALTER ROLE {ROLE} PASSWORD {quoted(PASSWORD)}")
    assert not any(PASSWORD in str(reply) for reply in replies)
    assert PASSWORD not in node.log
    for path in node.directory.iterdir():
        assert not path.is_file() or PASSWORD not in path.read_text(errors="replace"), path


@pytest.mark.parametrize("origin", ["flag", "variable", "file"])
@pytest.mark.parametrize("command", [["config", "show"], ["config", "show", "--json"], ["config", "check"], ["doctor", "--json"]])
def test_settings_are_shown_without_the_password(still_place, tmp_path, command, origin):
    flags, variables = (), {}
    if origin == "flag":
        flags = ("--database", still_place.url)
    elif origin == "variable":
        variables = {"FARTHING_DATABASE": still_place.url}
    else:
        path = tmp_path / "farthing.conf"
        path.write_text(f"database = {still_place.url}\n")
        path.chmod(0o600)
        flags, variables = ("--config", path), {"FARTHING_DATABASE": ""}
    process = run(*command, "--data", still_place.nodes[0].directory, "--listen", "127.0.0.1:0", *flags, **SECRETS, **variables)
    assert process.returncode == 0, process
    assert PASSWORD not in process.stdout + process.stderr
    if "show" in command:
        assert still_place.url.replace(PASSWORD, "***") in process.stdout, "all but the password helps"


@pytest.mark.parametrize(
    "url",
    [
        "postgres://farthing:{secret}@127.0.0.1:{port}/nowhere",
        "postgres://nobody:{secret}@127.0.0.1:{port}/farthing",
        "postgres://farthing:wrong{secret}@127.0.0.1:{port}/farthing",
        "postgres://farthing:{secret}@127.0.0.1:1/farthing",
        "postgres://farthing:{secret}@name.invalid:{port}/farthing?connect_timeout=2",
        "postgres://farthing:{secret}@127.0.0.1:{port}/farthing?sslmode=verify-full&sslrootcert=/nowhere",
    ],
)
def test_a_database_that_will_not_have_us(still_place, tmp_path, url):
    """One line, from every command, with what PostgreSQL says and without the password."""
    url = url.format(secret=PASSWORD, port=still_place.cluster.port)
    for number, command in enumerate((["serve", "--listen", "127.0.0.1:0"], ["init"])):
        directory = tmp_path / f"data{number}"
        said = one_line_refusal(run(*command, "--data", directory, FARTHING_DATABASE=url))
        assert PASSWORD not in said
        assert not (directory / "farthing.db").exists()
    report = run("doctor", "--json", "--data", still_place.nodes[0].directory, FARTHING_DATABASE=url)
    assert report.returncode == 1
    verdicts = {check["subject"]: check["verdict"] for check in json.loads(report.stdout)["checks"]}
    assert verdicts["database"] == "fail"
    assert PASSWORD not in report.stdout


@pytest.mark.parametrize(
    "url",
    [
        "postgres://farthing:{secret}@127.0.0.1:{port}/farthing?nonsense=1",
        "postgres://farthing:{secret}@127.0.0.1:{port}/farthing?sslmode=perhaps",
        "postgres://farthing:{secret}@127.0.0.1:99999999/farthing",
        "postgres://farthing:{secret}%zz@127.0.0.1:{port}/farthing",
        "postgres://farthing:{secret}@[::1/farthing",
        "mysql://farthing:{secret}@127.0.0.1/farthing",
        "host=127.0.0.1 password={secret}",
        "/var/lib/{secret}/farthing.db",
        "postgres",
    ],
)
def test_a_url_that_is_none(still_place, tmp_path, url):
    """Refused before anything is made, and without repeating it: there is a password in it."""
    url = url.format(secret=PASSWORD, port=still_place.cluster.port)
    for command in (["serve", "--listen", "127.0.0.1:0"], ["init"], ["key", "list"]):
        process = run(*command, "--data", tmp_path / "data", FARTHING_DATABASE=url)
        assert process.returncode in (1, 2) and process.stdout == "", process
        assert len(process.stderr.strip().splitlines()) == 1, process.stderr
        assert PASSWORD not in process.stderr
    assert not (tmp_path / "data" / "farthing.db").exists()


def test_a_file_with_the_password_that_everybody_can_read(still_place, tmp_path):
    """doctor warns of it, as of every file with a secret."""
    path = tmp_path / "farthing.conf"
    path.write_text(f"database = {still_place.url}\n")
    for mode, expected in ((0o600, "ok"), (0o644, "warn")):
        path.chmod(mode)
        report = run("doctor", "--json", "--data", still_place.nodes[0].directory, "--config", path, "--listen", "127.0.0.1:0")
        checks = json.loads(report.stdout)["checks"]
        assert expected in [check["verdict"] for check in checks if check["subject"] == "configuration"], checks


# ---- TLS ----


@pytest.fixture
def certificate(tmp_path):
    return Certificate(tmp_path / "certificates")


@pytest.fixture
def tls_cluster(new_cluster, certificate):
    """A server with a certificate that it has made for itself, which takes nobody without TLS."""
    cluster = new_cluster()
    cluster.stop()
    for name, path in (("server.crt", certificate.certificate), ("server.key", certificate.key)):
        target = cluster.data / name
        target.write_bytes(path.read_bytes())
        target.chmod(0o600)
        give_to_server_user(target)
    rules = [rule.replace("host all", "hostssl all") for rule in HOST_RULES]
    (cluster.data / "pg_hba.conf").write_text("\n".join(rules) + "\n")
    cluster.settings["ssl"] = "on"
    return cluster.start()


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-ca", "verify-full"])
def test_tls_with_a_certificate_of_its_own(tls_cluster, certificate, new_place, mode):
    verified = {"sslrootcert": certificate.certificate} if mode.startswith("verify") else {}
    place = new_place(tls_cluster, url=tls_cluster.url("farthing", sslmode=mode, **verified))
    with place.client() as client:
        client.create({"external_id": "a", "name": "A"})
    used = place.cluster.sql(
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'farthing'"
    )
    assert used == "t"
    place.cluster.restart()
    place.nodes[0].wait_until_ready()


def test_a_certificate_that_is_not_known(tls_cluster, tmp_path, new_place):
    other = Certificate(tmp_path / "others")
    place = new_place(tls_cluster)
    url = tls_cluster.url("farthing", sslmode="verify-full", sslrootcert=other.certificate)
    said = one_line_refusal(run("serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", FARTHING_DATABASE=url))
    assert "certificate" in said
    assert place.rows("SELECT count(*) FROM tenants") == [(1,)]


def test_tls_that_the_server_does_not_have(still_place, tmp_path):
    url = still_place.cluster.url("farthing", sslmode="require")
    said = one_line_refusal(run("serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", FARTHING_DATABASE=url))
    assert "SSL" in said or "TLS" in said
    assert PASSWORD not in said


def test_a_server_that_takes_nobody_without_tls(tls_cluster, tmp_path):
    tls_cluster.create_database("farthing")
    url = tls_cluster.url("farthing", sslmode="disable")
    said = one_line_refusal(run("init", "--data", tmp_path / "data", FARTHING_DATABASE=url))
    assert "encryption" in said or "SSL" in said or "TLS" in said


# ---- schemas and versions ----


def test_tables_are_in_the_schema_that_the_search_path_names_first(place, tmp_path):
    """Two installations in one database, each in a schema of its own."""
    place.sql(f"CREATE SCHEMA billing AUTHORIZATION {ROLE}")
    url = place.cluster.url(place.database, options="-c search_path=billing")
    node = place.new_node(url=url)
    key = node.command("init").splitlines()[2].split("=")[1]
    node.start()
    with node.client(key) as client:
        client.create({"external_id": "a", "name": "A"})
        assert client.get("/v1/customers/x", key=place.key).status == 401, "a key of the other installation"
    with place.node(0).client(place.key) as client:
        assert client.get("/v1/customers/external/a").status == 404
    assert place.rows("SELECT count(*) FROM billing.customers") == [(1,)]
    assert place.rows("SELECT count(*) FROM public.customers") == [(0,)]


def test_a_schema_of_a_newer_version_is_refused_and_left_alone(place):
    """Unless that version says that ours may still read it."""
    place.sql("INSERT INTO schema_versions (version, oldest_reader) VALUES (9999, 9999)")
    before = place.rows("SELECT * FROM schema_versions ORDER BY version")
    node = place.nodes[0]
    for command in (["serve", "--listen", "127.0.0.1:0"], ["init"], ["key", "list"]):
        assert "9999" in one_line_refusal(node.try_command(*command))
    assert place.rows("SELECT * FROM schema_versions ORDER BY version") == before
    place.sql("UPDATE schema_versions SET oldest_reader = 1 WHERE version = 9999")
    with place.client() as client:
        client.create({"external_id": "a", "name": "A"})


def test_a_database_of_something_else_is_refused_and_left_alone(shared_cluster, database, tmp_path):
    """Tables by our names that are not ours are not touched."""
    url = shared_cluster.create_database(database)
    shared_cluster.sql(f"CREATE TABLE customers (id text); ALTER TABLE customers OWNER TO {ROLE}", database)
    for command in (["serve", "--listen", "127.0.0.1:0"], ["init"]):
        one_line_refusal(run(*command, "--data", tmp_path / "data", FARTHING_DATABASE=url))
    tables = shared_cluster.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'", database)
    assert tables == [[("table_name", "customers")]]


def test_a_role_that_may_not_make_tables(shared_cluster, database, tmp_path):
    """The schema is somebody else's: said in one line, and nothing is left half made."""
    url = shared_cluster.create_database(database)
    shared_cluster.sql(f"ALTER DATABASE {database} OWNER TO postgres")
    said = one_line_refusal(run("init", "--data", tmp_path / "data", FARTHING_DATABASE=url))
    assert "may not make tables in the PostgreSQL database farthing" in said
    assert f"ALTER DATABASE {database} OWNER TO {ROLE}" in said


# ---- the library ----


@pytest.mark.needs("mounts of its own")
def test_without_the_library_the_embedded_database_works(still_place, tmp_path):
    """libpq is loaded when it is needed; who has not installed it is told what to install."""
    process = subprocess.run(
        ["unshare", "--mount", "bash", "-c", HIDE_LIBRARY, "bash", str(BINARY), "init", "--data", str(tmp_path / "pg")],
        capture_output=True, text=True, env=environment(FARTHING_DATABASE=still_place.url), check=False,
    )
    assert "libpq5" in one_line_refusal(process)
    process = subprocess.run(
        ["unshare", "--mount", "bash", "-c", HIDE_LIBRARY, "bash", str(BINARY), "init", "--data", str(tmp_path / "data")],
        capture_output=True, text=True, env=environment(), check=False,
    )
    assert process.returncode == 0, process
    assert (tmp_path / "data" / "farthing.db").exists()


HIDE_LIBRARY = """
for library in $(ldconfig -p | sed -n 's/.*libpq\\.so\\.5.* => //p'); do
    mount --bind /dev/null "$(readlink -f "$library")"
done
exec "$@"
"""
