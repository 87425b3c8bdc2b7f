"""`farthing doctor`: what it says of a sound installation, and of each thing that can be wrong."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path

import pytest

import engine
import farthing_server
from farthing_server import BINARY, environment, run, run_ok
from http_client import Client

NOBODY = 65534


def examine(*arguments, **options):
    """(exit code, {subject: [(verdict, finding, advice)]}) of the JSON report."""
    process = run("doctor", "--json", *arguments, **options)
    report = json.loads(process.stdout)
    assert process.returncode == (0 if report["ok"] else 1), process
    assert process.stderr == ""
    subjects = {}
    for check in report["checks"]:
        entry = (check["verdict"], check["finding"], check["advice"])
        subjects.setdefault(check["subject"], []).append(entry)
    return process.returncode, subjects


def verdicts(subjects, subject):
    return [verdict for verdict, _, _ in subjects[subject]]


def test_a_sound_installation(initialised):
    directory, _ = initialised
    code, subjects = examine("--data", directory, "--listen", "127.0.0.1:0")
    assert code == 0
    for subject in ("configuration", "data directory", "permissions", "database", "listen", "time zones"):
        assert set(verdicts(subjects, subject)) == {"ok"}, subjects[subject]
    assert {"disk", "limits", "clock", "libraries"} <= subjects.keys()
    assert any("SQLite" in finding for _, finding, _ in subjects["libraries"])
    assert any("OpenSSL" in finding for _, finding, _ in subjects["libraries"])


def test_text_is_a_line_a_check(initialised):
    directory, _ = initialised
    lines = run_ok("doctor", "--data", directory, "--listen", "127.0.0.1:0").splitlines()
    assert len(lines) >= 10
    for line in lines:
        assert re.fullmatch(r"(ok  |warn|fail)  [a-z ]+: .+", line), line
        if line.startswith("ok"):
            assert " — " not in line
        else:
            assert " — " in line, "it says what to do"


def test_it_changes_nothing(initialised):
    directory, _ = initialised

    def state():
        return {
            path.name: (path.stat().st_size, path.stat().st_mode, path.read_bytes())
            for path in directory.iterdir()
            if path.is_file() and path.name not in ("lock", "farthing.db-shm", "farthing.db-wal")
        }

    before = state()
    examine("--data", directory, "--thorough")
    assert state() == before
    assert not list(directory.glob("*.sock"))


@pytest.mark.embedded("tests/postgres asks what is said of a new directory there")
def test_no_data_directory(tmp_path):
    code, subjects = examine("--data", tmp_path / "none", "--listen", "127.0.0.1:0")
    assert (code, verdicts(subjects, "data directory")) == (0, ["warn"])
    assert "init" in subjects["data directory"][0][2]
    assert "database" not in subjects
    assert not (tmp_path / "none").exists()


def test_nowhere_to_make_a_data_directory(tmp_path):
    code, subjects = examine("--data", tmp_path / "a" / "b")
    assert (code, verdicts(subjects, "data directory")) == (1, ["fail"])


def test_a_foreign_directory(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    code, subjects = examine("--data", tmp_path)
    assert (code, verdicts(subjects, "data directory")) == (1, ["fail"])
    assert "--data" in subjects["data directory"][0][2]


@pytest.mark.embedded("PostgreSQL is backed up with its own tools")
def test_a_backup_is_no_data_directory(initialised, tmp_path):
    """bug: all was ok with a backup, which no server starts in; and a lock was left in it."""
    directory, _ = initialised
    backup = tmp_path / "backup"
    run_ok("backup", backup, "--data", directory)
    before = sorted(os.listdir(backup))
    code, subjects = examine("--data", backup, "--listen", "127.0.0.1:0")
    assert (code, verdicts(subjects, "data directory")) == (1, ["fail"])
    assert f"{backup} is a backup; `farthing restore" in subjects["data directory"][0][1]
    assert "database" not in subjects and sorted(os.listdir(backup)) == before


def test_a_running_server(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory)
    code, subjects = examine("--data", directory)
    assert code == 0
    assert verdicts(subjects, "server") == ["ok"]
    assert str(server.process.pid) in subjects["server"][0][1]
    assert ("database" in subjects) == engine.ON_POSTGRES, "a file would be the server's alone"
    assert "listen" not in subjects, "its addresses are taken by itself"
    with Client(server.address, credentials.api_key) as client:
        assert client.get("/v1/customers/x").status == 404


@pytest.mark.embedded("a file is the server's alone")
def test_thorough_says_that_a_server_is_in_the_way(initialised, start_server):
    directory, _ = initialised
    start_server(directory)
    code, subjects = examine("--data", directory, "--thorough")
    assert (code, verdicts(subjects, "database")) == (0, ["warn"])


@pytest.mark.embedded("the database is a file")
def test_it_never_opens_the_file_of_a_running_server(initialised, start_server, tmp_path):
    directory, _ = initialised
    start_server(directory)
    trace = tmp_path / "trace"
    subprocess.run(
        ["strace", "-f", "-e", "trace=open,openat", "-o", str(trace), str(BINARY), "doctor", "--data",
         str(directory)],
        # What looks for leaks does not work under strace.
        env=environment("--data", directory, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"),
        capture_output=True, check=False,
    )
    assert "farthing.db" not in trace.read_text()


def test_a_running_server_whose_socket_is_gone(initialised, start_server):
    directory, _ = initialised
    server = start_server(directory)
    (directory / "admin.sock").unlink()
    code, subjects = examine("--data", directory)
    assert (code, verdicts(subjects, "server")) == (1, ["fail"])
    assert str(server.process.pid) in subjects["server"][0][1]


def test_settings_that_are_wrong(initialised, tmp_path):
    directory, _ = initialised
    config = tmp_path / "f.conf"
    config.write_text("lisen = x\n")
    code, subjects = examine("--data", directory, "--config", config)
    assert (code, verdicts(subjects, "configuration")) == (1, ["fail"])
    assert f"{config}:1" in subjects["configuration"][0][1]
    assert set(verdicts(subjects, "database")) == {"ok"}, "the rest is looked at all the same"
    code, subjects = examine("--data", directory, FARTHING_LOOPS="x")
    assert (code, verdicts(subjects, "configuration")) == (1, ["fail"])
    code, subjects = examine("--data", directory, "--listen", "127.0.0.1:0", FARTHING_LOPS="1")
    assert (code, verdicts(subjects, "configuration")) == (1, ["fail"])


def test_a_secret_that_everybody_can_read(initialised, tmp_path):
    directory, _ = initialised
    config = tmp_path / "f.conf"
    config.write_text("metrics-token = a-token-that-nobody-knows\n")
    for mode, expected in ((0o600, ["ok"]), (0o644, ["ok", "warn"])):
        config.chmod(mode)
        code, subjects = examine("--data", directory, "--config", config, "--listen", "127.0.0.1:0")
        assert (code, verdicts(subjects, "configuration")) == (0, expected)


def test_an_address_that_is_taken(initialised, tmp_path, start_server):
    directory, _ = initialised
    other = tmp_path / "other"
    farthing_server.init(other)
    server = start_server(other)
    code, subjects = examine("--data", directory, "--listen", f"127.0.0.1:{server.address[1]}")
    assert (code, verdicts(subjects, "listen")) == (1, ["fail"])


@pytest.mark.embedded("the database is a file")
def test_a_file_that_is_no_database(initialised):
    directory, _ = initialised
    (directory / "farthing.db").write_bytes(b"not a database, not at all" * 100)
    code, subjects = examine("--data", directory)
    assert (code, verdicts(subjects, "database")) == (1, ["fail"])


@pytest.mark.embedded("the version is in the file's header")
def test_a_database_of_a_newer_version(initialised):
    directory, _ = initialised
    with sqlite3.connect(directory / "farthing.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    code, subjects = examine("--data", directory)
    assert (code, verdicts(subjects, "database")) == (1, ["fail"])
    assert "99" in subjects["database"][0][1]


@pytest.mark.embedded("the database is a file")
def test_a_damaged_page_is_found_when_all_are_read(initialised):
    directory, _ = initialised
    database = directory / "farthing.db"
    content = bytearray(database.read_bytes())
    with sqlite3.connect(database) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'audit_log'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.close()
    content[(page - 1) * size : page * size] = b"\xff" * size
    database.write_bytes(content)
    assert verdicts(examine("--data", directory)[1], "database") == ["ok"]
    code, subjects = examine("--data", directory, "--thorough")
    assert (code, verdicts(subjects, "database")) == (1, ["fail"])


def test_few_descriptors(initialised):
    directory, _ = initialised
    for limit, verdict, code in ((1024, "warn", 0), (128, "fail", 1)):
        process = subprocess.run(
            ["bash", "-c", f"ulimit -n {limit}; exec '{BINARY}' doctor --json --listen 127.0.0.1:0 --data '{directory}'"],
            capture_output=True, text=True, env=environment("--data", directory), check=False,
        )
        checks = [check for check in json.loads(process.stdout)["checks"] if check["subject"] == "limits"]
        assert [check["verdict"] for check in checks] == [verdict]
        assert str(limit) in checks[0]["finding"]
        assert process.returncode == code


@pytest.mark.embedded("the database is a file")
def test_others_who_have_access(initialised):
    directory, _ = initialised
    directory.chmod(0o755)
    (directory / "farthing.db").chmod(0o644)
    _, subjects = examine("--data", directory, "--listen", "127.0.0.1:0")
    assert verdicts(subjects, "permissions") == ["warn", "warn"]
    assert "chmod 700" in subjects["permissions"][0][2]
    assert "chmod 600" in subjects["permissions"][1][2]


@pytest.mark.embedded("what lies in the directory may be lost there")
@pytest.mark.needs("memory disk")
def test_in_memory():
    folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
    try:
        farthing_server.init(folder / "data")
        _, subjects = examine("--data", folder / "data")
        assert any("memory" in finding for verdict, finding, _ in subjects["disk"] if verdict == "warn")
    finally:
        shutil.rmtree(folder)


@pytest.mark.needs("root")
def test_without_permissions():
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        folder.chmod(0o755)
        binary = folder / "farthing"
        shutil.copy(BINARY, binary)
        binary.chmod(0o755)
        farthing_server.init(folder / "data")
        for mode, subject in ((0o700, "data directory"), (0o755, "permissions")):
            (folder / "data").chmod(mode)
            process = subprocess.run(
                [str(binary), "doctor", "--json", "--data", str(folder / "data")],
                capture_output=True, text=True, env=environment("--data", folder / "data"), user=NOBODY, cwd="/", check=False,
            )
            assert process.returncode == 1, process
            checks = json.loads(process.stdout)["checks"]
            assert "fail" in [check["verdict"] for check in checks if check["subject"] == subject], checks
        # What root does for a while must not lock the owner out.
        for path in (folder / "data", *(folder / "data").iterdir()):
            os.chown(path, NOBODY, NOBODY)
        (folder / "data").chmod(0o700)
        (folder / "data" / "lock").unlink()
        run_ok("key", "list", "--data", folder / "data")
        subprocess.run(
            [str(binary), "key", "list", "--data", str(folder / "data")],
            capture_output=True, env=environment("--data", folder / "data"), user=NOBODY, cwd="/", check=True,
        )
    finally:
        shutil.rmtree(folder)
