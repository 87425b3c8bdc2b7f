"""The server's secrets: the file, the settings, what the database knows of them, and `farthing secret`."""

import json
import re
import shutil
import signal
import subprocess

import pytest

import engine
import farthing_server
from engine import rows
from farthing_server import BINARY, environment, run, run_ok, wait_until
from http_client import Client
from test_doctor import examine, verdicts
from tokens import Secret, claims_of, id_of, secrets_in, signing_key

EMAIL, PASSWORD = "ada@acme.example", "correct horse"
GIVEN = {
    "FARTHING_AUTH_SECRET": "what signs tokens, of 32 bytes or more",
    "FARTHING_ENCRYPTION_KEY": "what encrypts secrets, of 32 bytes or more",
}
LINE = re.compile(
    r"(signing|encryption) [0-9a-f]{16} \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (present|always|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) [0-9a-f]{64}"
)


@pytest.fixture
def place(initialised, start_server):
    """A data directory with commands and a server."""
    directory, credentials = initialised

    class Place:
        def __init__(self):
            self.directory, self.key, self.server = directory, credentials.api_key, None
            self.file = directory / "secrets"

        def start(self, *arguments, **variables):
            self.server = start_server(directory, *arguments, **variables)
            return self

        def stop(self):
            self.server.stop()

        def command(self, *arguments, **variables):
            return run_ok(*arguments, "--data", directory, **variables)

        def list(self, **variables):
            return json.loads(self.command("secret", "list", "--json", **variables))["items"]

        def ids(self, purpose, **variables):
            return [item["id"] for item in self.list(**variables) if item["purpose"] == purpose]

        def known(self):
            """What the database knows."""
            return {row["id"]: row["key_id"] for row in rows(directory, "SELECT id, key_id FROM server_secrets")}

        def refused(self, *command, code=1, **variables):
            listen = ["--listen", "127.0.0.1:0"] if command[0] == "serve" else []
            process = run(*command, "--data", directory, *listen, **variables)
            lines = [line for line in process.stderr.splitlines() if not line.startswith("time=")]
            assert (process.returncode, len(lines)) == (code, 1), process
            return lines[0]

        def post(self, path, body):
            with Client(self.server.address) as client:
                return client.post(path, body)

        def token(self):
            """That of somebody who signs up or, later, logs in."""
            body = {"email": EMAIL, "password": PASSWORD}
            reply = self.post("/v1/auth/signup", body)
            reply = reply if reply.status == 200 else self.post("/v1/auth/login", body)
            assert reply.status == 200, reply
            return reply.json()["token"]

    return Place()


# --- the file ------------------------------------------------------------------------------------------------------


def test_init_makes_the_file(place):
    assert place.file.stat().st_mode & 0o777 == 0o600
    lines = [line for line in place.file.read_text().splitlines() if not line.startswith("#")]
    assert all(LINE.fullmatch(line) for line in lines)
    signing, encryption = secrets_in(place.directory)
    assert (signing.purpose, signing.until) == ("signing", "present")
    assert (encryption.purpose, encryption.until) == ("encryption", "present")
    assert signing.key != encryption.key
    assert place.known() == {"signing": signing.id, "encryption": encryption.id}
    before = place.file.read_bytes()
    place.start()
    claims_of(place.token(), signing.key)
    place.stop()
    assert place.file.read_bytes() == before
    assert not list(place.directory.glob("secrets.*"))


def test_serve_makes_it_on_an_empty_directory(directory, start_server):
    server = start_server(directory)
    assert len(secrets_in(directory)) == 2
    for secret in secrets_in(directory):
        assert secret.key.hex() not in server.log


def test_installations_differ(initialised, tmp_path):
    farthing_server.init(tmp_path / "other")
    ids = {secret.id for directory in (initialised[0], tmp_path / "other") for secret in secrets_in(directory)}
    assert len(ids) == 4


def make_older(place):
    """As a version without secrets has left it."""
    place.file.unlink()
    engine.change(place.directory, "DELETE FROM server_secrets")


def test_a_directory_of_an_older_version_is_given_them(place):
    make_older(place)
    # Commands do their work without, and make none.
    place.command("key", "list")
    assert not place.file.exists() and place.known() == {}
    assert "doctor" in place.refused("secret", "list")
    place.start()
    assert [secret.id for secret in secrets_in(place.directory)] == place.ids("signing") + place.ids("encryption")
    assert sorted(place.known().values()) == sorted(secret.id for secret in secrets_in(place.directory))
    assert place.file.stat().st_mode & 0o777 == 0o600


def test_a_copy_that_is_there_first_is_taken(place, tmp_path, start_server):
    """A new directory for the same secrets: those of another server of the database, or of an installation that moves."""
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    shutil.copy(place.file, other / "secrets")
    farthing_server.init(other)
    assert (other / "secrets").read_bytes() == place.file.read_bytes()
    assert {row["key_id"] for row in rows(other, "SELECT key_id FROM server_secrets")} == set(place.known().values())


def test_a_file_that_is_lost(place):
    signing, encryption = secrets_in(place.directory)
    place.file.rename(place.directory.parent / "kept")
    for command in ("serve", "init"):
        said = place.refused(command)
        assert str(place.file) in said and signing.id in said and "farthing secret accept" in said
    assert not place.file.exists(), "a new one would hide that it is lost"
    place.command("key", "list")
    (place.directory.parent / "kept").rename(place.file)
    place.start()
    assert place.known() == {"signing": signing.id, "encryption": encryption.id}


def test_going_on_without_the_lost_file(place):
    before = place.known()
    place.file.unlink()
    place.command("secret", "accept")
    after = place.known()
    assert not set(before.values()) & set(after.values())
    assert set(after.values()) == {secret.id for secret in secrets_in(place.directory)}
    place.start()
    claims_of(place.token(), signing_key(place.directory))
    # Not under a server that would go on with other ones.
    assert "in use" in place.refused("secret", "accept")


def test_accept_makes_no_database(tmp_path):
    process = run("secret", "accept", "--data", tmp_path / "none", FARTHING_DATABASE="")
    assert process.returncode == 1 and "farthing init" in process.stderr
    assert not (tmp_path / "none").exists()


def test_the_file_of_another_installation(place, tmp_path):
    farthing_server.init(tmp_path / "other")
    own = place.file.read_bytes()
    foreign = secrets_in(tmp_path / "other", "signing")[0]
    shutil.copy(tmp_path / "other/secrets", place.file)
    said = place.refused("serve")
    assert foreign.id in said and place.known()["signing"] in said and "copy the file" in said
    assert foreign.key.hex() not in said
    place.file.write_bytes(own)
    place.start()


BROKEN = {
    "nothing": lambda text: "",
    "no key that signs": lambda text: re.sub(r"^signing.*\n", "", text, flags=re.M),
    "no key that encrypts": lambda text: re.sub(r"^encryption.*\n", "", text, flags=re.M),
    "a digit less": lambda text: text[:-2] + "\n",
    "another digit": lambda text: text[:-2] + ("0" if text[-2] != "0" else "1") + "\n",
    "no present one": lambda text: text.replace("present", "always"),
    "two present ones": lambda text: text + text,
    "another word": lambda text: text.replace("signing", "sign"),
    "what is no text": lambda text: "\0\xff" * 100,
    "too much": lambda text: text + "#" * 100000,
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_file_that_is_not_as_it_was_written(place, how):
    text = place.file.read_text()
    keys = [secret.key.hex() for secret in secrets_in(place.directory)]
    place.file.write_text(BROKEN[how](text))
    broken = place.file.read_bytes()
    said = place.refused("serve")
    assert str(place.file) in said, said
    assert not any(key in said for key in keys)
    assert place.file.read_bytes() == broken
    place.command("key", "list")
    place.file.write_text(text)
    place.start()


def test_comments_and_blank_lines_do_not_matter(place):
    place.file.write_text("\n# mine\n" + place.file.read_text().replace("\n", "\n\n"))
    place.start()


def test_a_file_that_others_can_read_is_told_of(place):
    place.file.chmod(0o644)
    code, subjects = examine("--data", place.directory, "--listen", "127.0.0.1:0")
    (warning,) = [entry for entry in subjects["permissions"] if "secrets" in entry[1]]
    assert warning[0] == "warn" and "chmod 600" in warning[2] and code == 0
    place.start()
    assert "other users can read the secrets" in place.server.log


# --- rotation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "stopped"])
def test_rotation(place, is_running):
    if is_running:
        place.start()
    for purpose in ("signing", "encryption"):
        (before,) = secrets_in(place.directory, purpose)
        said = place.command("secret", "rotate", purpose)
        after, retired = secrets_in(place.directory, purpose)
        first, *more = said.splitlines()
        assert first == f"the {purpose} key is {after.id} from now on"
        assert ["connections" in line for line in more] == ([True] if purpose == "encryption" else [])
        assert (retired.id, retired.key, retired.made) == (before.id, before.key, before.made)
        assert after.key != before.key and after.until == "present"
        assert place.known()[purpose] == after.id
        assert place.ids(purpose) == [after.id, before.id]
    # A token lasts 30 days; what was encrypted may be read for as long as it is there.
    assert LINE.fullmatch(place.file.read_text().splitlines()[-1]) and secrets_in(place.directory, "encryption")[1].until == "always"
    states = [(item["state"], item["source"], "honoured_until" in item) for item in place.list()]
    assert states == [("present", "file", False), ("honoured", "file", True), ("present", "file", False), ("honoured", "file", False)]
    assert place.file.stat().st_mode & 0o777 == 0o600
    if is_running:
        place.stop()
    place.start()
    assert place.ids("signing")[0] == secrets_in(place.directory, "signing")[0].id


def test_a_running_server_takes_in_the_new_key(place):
    place.start()
    first = secrets_in(place.directory, "signing")[0]
    claims_of(place.token(), first.key)
    second = json.loads(place.command("secret", "rotate", "signing", "--json"))
    assert (second["purpose"], second["state"]) == ("signing", "present")
    claims_of(place.token(), signing_key(place.directory))
    assert secrets_in(place.directory, "signing")[0].id == second["id"] != first.id


def test_how_long_a_key_is_honoured(place):
    place.start()
    place.command("secret", "rotate", "signing", "--grace-hours", 1000)
    place.command("secret", "rotate", "signing", "--grace-hours", 1)
    assert [item["state"] for item in place.list()][:3] == ["present", "honoured", "honoured"]
    until = [item["honoured_until"] for item in place.list()[1:3]]
    assert until[0] == until[1], "a shorter time is for all that were before"
    place.command("secret", "rotate", "signing", "--grace-hours", 0)
    assert [item["state"] for item in place.list()][:4] == ["present", "ended", "ended", "ended"]


def test_so_many_keys_are_honoured_at_once(place):
    place.start()
    for _ in range(7):
        place.command("secret", "rotate", "encryption")
    before = place.file.read_bytes()
    assert "--grace-hours" in place.refused("secret", "rotate", "encryption")
    assert place.file.read_bytes() == before
    place.command("secret", "rotate", "encryption", "--grace-hours", 0)
    place.command("secret", "rotate", "encryption")
    assert len(secrets_in(place.directory, "encryption")) == 8


def test_what_rotate_does_not_take(place):
    assert "signing and encryption" in place.refused("secret", "rotate", "both", code=2)
    for hours in ("-1", "x", "1.5", "1000000"):
        place.refused("secret", "rotate", "signing", "--grace-hours", hours, code=2)
    process = run("secret", "rotate", "--data", place.directory)
    assert process.returncode == 2
    assert len(secrets_in(place.directory)) == 2


def test_a_rotation_leaves_a_trail_without_the_key(place):
    place.start()
    place.command("secret", "rotate", "signing")
    place.stop()
    trail = rows(place.directory, "SELECT * FROM audit_log WHERE entity_type = 'server_secret' ORDER BY sequence")
    assert [(row["entity_id"], row["action"]) for row in trail] == [("signing", "created"), ("encryption", "created"), ("signing", "updated")]
    for secret in secrets_in(place.directory):
        assert secret.key.hex() not in str(trail) + place.server.log
    new, old = secrets_in(place.directory, "signing")
    assert new.id in trail[-1]["changes"] and old.id in trail[-1]["changes"]


def test_a_file_that_cannot_be_written(place):
    place.start()
    blocker = place.directory / "secrets.new"
    blocker.mkdir()
    before = place.file.read_bytes()
    assert str(place.file) in place.refused("secret", "rotate", "signing")
    assert place.file.read_bytes() == before and place.ids("signing") == [secrets_in(place.directory)[0].id]
    blocker.rmdir()
    place.command("secret", "rotate", "signing")


def test_the_power_fails_between_the_file_and_the_database(place):
    """The database still knows the key before: the file is the newer."""
    (old,) = secrets_in(place.directory, "signing")
    place.command("secret", "rotate", "signing", "--grace-hours", 0)
    new = secrets_in(place.directory, "signing")[0]
    engine.change(place.directory, f"UPDATE server_secrets SET key_id = '{old.id}' WHERE id = 'signing'")
    place.start()
    assert place.known()["signing"] == new.id


def test_kills_amid_rotations(place, start_server):
    """Whatever the instant, the next start has keys, and the ones before among them."""
    seen = {secrets_in(place.directory, "signing")[0].id}
    for round_number in range(4):
        place.start()
        command = [str(BINARY), "secret", "rotate", "signing", "--data", str(place.directory), "--grace-hours", "1"]
        changing = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment("secret", "--data", place.directory)
        )
        if round_number % 2:
            wait_until(lambda: secrets_in(place.directory, "signing")[0].id not in seen, 20, "the new file")
        place.server.kill()
        changing.wait()
        ids = [secret.id for secret in secrets_in(place.directory, "signing")]
        assert seen <= set(ids)
        seen = set(ids)
    place.start()
    assert place.known()["signing"] == secrets_in(place.directory, "signing")[0].id


# --- settings ------------------------------------------------------------------------------------------------------


def test_secrets_that_are_given(directory, start_server):
    run_ok("init", "--data", directory, **GIVEN)
    assert not (directory / "secrets").exists()
    server = start_server(directory, **GIVEN)
    with Client(server.address) as client:
        reply = client.post("/v1/auth/signup", {"email": EMAIL, "password": PASSWORD})
    claims_of(reply.json()["token"], GIVEN["FARTHING_AUTH_SECRET"].encode())
    listed = json.loads(run_ok("secret", "list", "--json", "--data", directory, **GIVEN))["items"]
    assert {(item["purpose"], item["state"], item["source"]) for item in listed} == {
        ("signing", "present", "setting"), ("encryption", "present", "setting"),
    }  # fmt: skip
    assert listed[0]["id"] == id_of("signing", GIVEN["FARTHING_AUTH_SECRET"].encode())
    process = run("secret", "rotate", "signing", "--data", directory, **GIVEN)
    assert process.returncode == 1 and "auth-secret-previous" in process.stderr
    for value in GIVEN.values():
        assert value not in server.log + json.dumps(listed) + process.stderr


def test_one_of_them_may_be_given(directory, start_server):
    variables = {"FARTHING_AUTH_SECRET": GIVEN["FARTHING_AUTH_SECRET"]}
    run_ok("init", "--data", directory, **variables)
    assert [secret.purpose for secret in secrets_in(directory)] == ["encryption"]
    start_server(directory, **variables)
    run_ok("secret", "rotate", "encryption", "--data", directory, **variables)
    assert [secret.purpose for secret in secrets_in(directory)] == ["encryption"] * 2


def test_the_peer_s_names(directory, start_server):
    variables = {
        "FLEXPRICE_AUTH_SECRET": GIVEN["FARTHING_AUTH_SECRET"],
        "FLEXPRICE_SECRETS_ENCRYPTION_KEY": GIVEN["FARTHING_ENCRYPTION_KEY"],
    }
    run_ok("init", "--data", directory, **variables)
    start_server(directory, **GIVEN)  # the same under our own names
    shown = {setting["name"]: setting for setting in json.loads(run_ok("config", "show", "--json", **variables))["settings"]}
    assert shown["auth-secret"]["value"] == "***"
    assert shown["auth-secret"]["variable"] == "FLEXPRICE_AUTH_SECRET"
    # Ours wins.
    shown = json.loads(run_ok("config", "show", "--json", **variables, **GIVEN))["settings"]
    assert {setting.get("variable") for setting in shown if setting["value"] == "***"} == set(GIVEN)


@pytest.mark.parametrize("name", ["auth-secret", "encryption-key"])
def test_a_secret_that_is_too_short_or_long(tmp_path, name):
    for value in ("x" * 31, "x" * 257):
        process = run("config", "check", f"--{name}", value)
        assert process.returncode == 2 and "32 to 256 bytes" in process.stderr and value not in process.stderr
    for value in ("x" * 32, "x" * 256, "a secret, with a comma in it, of 32 bytes"):
        variable = "FARTHING_" + name.upper().replace("-", "_")
        assert run("config", "check", **{variable: value}).returncode == 0


def test_a_changed_setting(place):
    """Another secret is not taken for the same, unless it comes with the one before."""
    changed = {"FARTHING_AUTH_SECRET": GIVEN["FARTHING_AUTH_SECRET"]}
    said = place.refused("serve", **changed)
    assert "the settings" in said and place.known()["signing"] in said
    place.command("secret", "accept", **changed)
    again = {"FARTHING_AUTH_SECRET": "another secret that signs, of 32 bytes"}
    assert "the settings" in place.refused("serve", **again)
    place.start(**again, FARTHING_AUTH_SECRET_PREVIOUS=changed["FARTHING_AUTH_SECRET"])
    claims_of(place.token(), again["FARTHING_AUTH_SECRET"].encode())
    place.stop()
    place.start(**again)


def test_the_one_before_needs_the_present_one():
    process = run("config", "check", FARTHING_AUTH_SECRET_PREVIOUS="x" * 32)
    assert process.returncode == 2 and "auth-secret" in process.stderr


# --- SIGHUP --------------------------------------------------------------------------------------------------------


def line(purpose, key, until):
    return f"{purpose} {id_of(purpose, key)} 2026-01-02T03:04:05Z {until} {key.hex()}\n"


def hang_up(place, said):
    place.server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: said in place.server.log, 20, said)


def test_another_server_s_file_is_taken_in(place):
    """It has the present key as an older one."""
    place.start()
    signing, encryption = secrets_in(place.directory)
    new = b"\x01" * 32
    place.file.write_text(
        line("signing", new, "present") + line("signing", signing.key, "always") + line("encryption", encryption.key, "present")
    )
    hang_up(place, "the secrets were read anew")
    claims_of(place.token(), new)
    assert new.hex() not in place.server.log
    place.stop()
    place.start()
    assert place.known()["signing"] == id_of("signing", new)


@pytest.mark.parametrize("what", ["foreign", "broken", "gone"])
def test_a_wrong_file_changes_nothing(place, what):
    place.start()
    signing, encryption = secrets_in(place.directory)
    if what == "gone":
        place.file.unlink()
    else:
        foreign = line("signing", b"\x01" * 32, "present") + line("encryption", b"\x02" * 32, "present")
        place.file.write_text(foreign if what == "foreign" else "signing\n")
    hang_up(place, "the secrets stay as they were")
    claims_of(place.token(), signing.key)
    _, subjects = examine("--data", place.directory, "--listen", "127.0.0.1:0")
    assert verdicts(subjects, "secrets") == (["fail"] if what == "broken" else ["warn"])


def test_sighup_without_a_change(place):
    place.start()
    hang_up(place, 'message="reloaded"')
    assert "secrets" not in place.server.log


# --- doctor --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "stopped"])
def test_doctor(place, is_running):
    if is_running:
        place.start()
    code, subjects = examine("--data", place.directory, "--listen", "127.0.0.1:0")
    assert code == 0 and verdicts(subjects, "secrets") == ["ok"]


def test_doctor_finds_other_keys_than_the_database_s(place):
    place.file.write_text(line("signing", b"\x01" * 32, "present") + line("encryption", b"\x02" * 32, "present"))
    code, subjects = examine("--data", place.directory, "--listen", "127.0.0.1:0")
    ((verdict, finding, _),) = subjects["secrets"]
    assert (code, verdict) == (1, "fail") and place.known()["signing"] in finding
    place.file.unlink()
    code, subjects = examine("--data", place.directory, "--listen", "127.0.0.1:0")
    assert code == 1 and verdicts(subjects, "secrets") == ["fail"]


def test_doctor_on_an_older_directory(place):
    make_older(place)
    code, subjects = examine("--data", place.directory, "--listen", "127.0.0.1:0")
    assert code == 0 and verdicts(subjects, "secrets") == ["ok"]
    assert not place.file.exists()


def test_a_line_of_the_file_can_be_read():
    """What tests/api/tokens.py takes for the format."""
    assert Secret(line("signing", b"\x07" * 32, "present").strip()).key == b"\x07" * 32
