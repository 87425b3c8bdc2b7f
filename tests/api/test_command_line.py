"""The commands: what they print, how they end."""

import json
import re
import socket

import pytest

import farthing_server
from farthing_server import create_key, run, run_ok, variables_of
from http_client import Client

KEY = re.compile(r"sk_[0-9A-HJKMNP-TV-Z]{26}")
COMMANDS = ["init", "serve", "key", "version", "help"]


def assert_usage_error(process):
    assert process.returncode == 2, process
    assert process.stdout == ""
    assert process.stderr.strip(), "it says what is wrong"


# --- init ------------------------------------------------------------------------------------------------------


def test_init_prints_three_lines(directory):
    process = run("init", "--data", directory)
    assert process.returncode == 0
    lines = process.stdout.splitlines()
    assert [line.split("=")[0] for line in lines] == [
        "FARTHING_TENANT_ID",
        "FARTHING_ENVIRONMENT_ID",
        "FARTHING_API_KEY",
    ]
    variables = variables_of(process.stdout)
    assert variables["FARTHING_TENANT_ID"].startswith("tenant_")
    assert variables["FARTHING_ENVIRONMENT_ID"].startswith("env_")
    assert KEY.fullmatch(variables["FARTHING_API_KEY"])


def test_init_twice(initialised, start_server):
    directory, credentials = initialised
    process = run("init", "--data", directory)
    assert process.returncode == 1
    assert process.stdout == ""
    assert len(process.stderr.splitlines()) == 1
    server = start_server(directory)
    process = run("init", "--data", directory)
    assert (process.returncode, process.stdout, len(process.stderr.splitlines())) == (1, "", 1)
    with Client(server.address, credentials.api_key) as client:
        assert client.get("/v1/customers/x").status == 404


def test_init_makes_the_directories_above_or_says_that_it_cannot(tmp_path):
    process = run("init", "--data", tmp_path / "a" / "b" / "data")
    assert process.returncode in (0, 1)
    assert len(process.stdout.splitlines() or process.stderr.splitlines()) in (1, 3)


def test_keys_are_random(tmp_path):
    keys = [farthing_server.init(tmp_path / str(number)).api_key for number in range(5)]
    assert len({key[:8] for key in keys}) == 5, "a key does not bear its time"


def test_init_in_an_empty_directory_that_exists(directory):
    directory.mkdir()
    farthing_server.init(directory)


# --- serve -----------------------------------------------------------------------------------------------------


def test_serve_makes_what_it_needs_and_keeps_the_key_to_itself(directory, start_server):
    server = start_server(directory)
    with Client(server.address) as client:
        assert client.get("/health").status == 200
        assert client.get("/v1/customers/x").status == 401
        key, _ = create_key(directory)
        assert client.get("/v1/customers/x", key=key).status == 404
    output = server.stop()
    assert not KEY.search(output + server.log)


def test_serve_writes_logs_to_standard_error_only(initialised, start_server):
    directory, _ = initialised
    server = start_server(directory)
    assert server.stop() == ""


def test_settings_from_the_environment(directory, start_server):
    run_ok("init", FARTHING_DATA=str(directory))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    output = run_ok("key", "create", "--name", "from the environment", FARTHING_DATA=str(directory))
    assert KEY.fullmatch(variables_of(output)["FARTHING_API_KEY"])
    # A flag wins over the environment: the server listens where --listen says.
    server = start_server(directory, FARTHING_LISTEN=f"127.0.0.1:{port}")
    assert server.address[1] != port


def test_serve_from_the_environment_alone(initialised):
    import os
    import subprocess

    directory, _ = initialised
    log = directory.parent / "log"
    with open(log, "wb") as log_file:
        process = subprocess.Popen(
            [str(farthing_server.BINARY), "serve"],
            env=farthing_server.environment(
                "serve", FARTHING_DATA=str(directory), FARTHING_LISTEN="127.0.0.1:0", FARTHING_LOG_FORMAT="json"
            ),
            stderr=log_file,
            stdout=subprocess.DEVNULL,
        )
    try:
        farthing_server.wait_until(lambda: b"listening" in log.read_bytes(), 15, "the server to listen")
        assert json.loads(log.read_text().splitlines()[0])
    finally:
        process.terminate()
        assert process.wait(timeout=farthing_server.seconds(40)) == 0
    assert os.path.exists(directory)


@pytest.mark.parametrize(
    "listen",
    ["nonsense", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1", "256.0.0.1:80", ""],
)
def test_a_listen_address_that_is_none(initialised, listen):
    directory, _ = initialised
    process = run("serve", "--data", directory, "--listen", listen)
    assert process.returncode in (1, 2)
    assert process.stdout == ""
    assert len(process.stderr.strip().splitlines()) == 1, process.stderr


def test_listen_on_ipv6(initialised, start_server):
    directory, _ = initialised
    if not socket.has_ipv6:
        pytest.fail("this system has no IPv6 sockets")
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        # Without ::1 the server must say so like of any address it cannot have.
        process = run("serve", "--data", directory, "--listen", "[::1]:0")
        assert process.returncode == 1
        assert len(process.stderr.strip().splitlines()) == 1
        return
    server = start_server(directory, listen="[::1]:0")
    with Client((server.address[0].strip("[]"), server.address[1])) as client:
        assert client.get("/health").status == 200


@pytest.mark.parametrize("value", ["0", "-1", "x", "", "1.5", "99999999999999999999"])
@pytest.mark.parametrize("flag", ["--header-timeout-ms", "--body-timeout-ms", "--idle-timeout-ms"])
def test_a_limit_that_is_none(initialised, flag, value):
    directory, _ = initialised
    process = run("serve", "--data", directory, "--listen", "127.0.0.1:0", flag, value)
    assert process.returncode == 2, process
    assert process.stderr.strip()


# --- logs ------------------------------------------------------------------------------------------------------


def traffic(server, key):
    with Client(server.address, key) as client:
        client.create({"external_id": 'quote " and = and\nnewline', "name": "ünï"})
        client.get("/v1/customers/%22%20%0a", headers={"X-Request-ID": 'a"b=c\\'})
        client.post("/v1/customers", b"{")
        client.get("/nowhere", key=None)


def test_json_logs_are_json(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory, "--log-format", "json")
    traffic(server, credentials.api_key)
    server.stop()
    lines = [json.loads(line) for line in server.log.splitlines()]
    listening = [line for line in lines if line["message"] == "listening"]
    assert listening[0]["address"] == f"127.0.0.1:{server.address[1]}"
    assert all("level" in line or "time" in line for line in lines)


def test_logfmt_lines_are_pairs(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory)
    traffic(server, credentials.api_key)
    server.stop()
    pair = r'[a-z_]+=(?:"(?:[^"\\\n]|\\.)*"|[^" \n]*)'
    for line in server.log.splitlines():
        assert re.fullmatch(rf"{pair}(?: {pair})*", line), line


def test_a_log_format_that_is_none(initialised):
    directory, _ = initialised
    assert_usage_error(run("serve", "--data", directory, "--log-format", "xml"))


# --- key -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_key_life(initialised, start_server, running):
    directory, credentials = initialised
    if running:
        start_server(directory)
    key, key_id = create_key(directory, name="billing robot")
    listed = run_ok("key", "list", "--data", directory)
    assert key_id in listed
    assert "billing robot" in listed
    assert f"{key[:5]}***{key[-2:]}" in listed
    assert not KEY.search(listed)
    run_ok("key", "revoke", "--data", directory, key_id)
    assert key_id not in run_ok("key", "list", "--data", directory)
    again = run("key", "revoke", "--data", directory, key_id)
    assert again.returncode in (0, 1)
    unknown = run("key", "revoke", "--data", directory, "secret_01KDVDNA00QX7M3T9B2E5H8JZK")
    assert unknown.returncode == 1
    assert len(unknown.stderr.splitlines()) == 1


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_key_names_are_any_text(initialised, start_server, running):
    directory, _ = initialised
    if running:
        start_server(directory)
    for name in ("a", "with space", 'quote " back\\slash', "ünï 日本 😀", "--name", "x" * 255):
        create_key(directory, name=name)
    assert "ünï 日本 😀" in run_ok("key", "list", "--data", directory)


def test_a_name_that_is_not_utf8_is_refused(initialised):
    """It was kept with a replacement character for each byte."""
    directory, _ = initialised
    for command in (["key", "create", "--name", "caf\udce9"], ["tenant", "create", "caf\udce9"]):
        process = run(*command, "--data", directory)
        assert_usage_error(process)
        assert "is not UTF-8" in process.stderr
    assert "caf" not in run_ok("key", "list", "--data", directory)


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_a_key_needs_a_name(initialised, start_server, running):
    directory, _ = initialised
    if running:
        start_server(directory)
    assert_usage_error(run("key", "create", "--data", directory))
    process = run("key", "create", "--data", directory, "--name", "")
    assert process.returncode in (1, 2)
    assert process.stdout == ""


@pytest.mark.parametrize("arguments", [["list"], ["create", "--name", "x"], ["revoke", "secret_x"]])
def test_key_without_a_data_directory(directory, arguments):
    process = run("key", arguments[0], "--data", directory, *arguments[1:])
    assert process.returncode == 1
    assert process.stdout == ""
    assert len(process.stderr.splitlines()) == 1, process.stderr
    assert not directory.exists(), "a command that looks does not make a directory"


# --- usage -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["serve", "--nonsense"],
        ["serve", "--nonsense", "1"],
        ["serve", "--data"],
        ["serve", "extra"],
        ["init", "--nonsense"],
        ["init", "--listen", "127.0.0.1:0"],
        ["key"],
        ["key", "nonsense"],
        ["key", "create", "--nonsense"],
        ["key", "revoke"],
        ["key", "revoke", "a", "b"],
        ["version", "--nonsense"],
        ["help", "nonsense"],
        ["--nonsense"],
        ["-x"],
    ],
    ids=" ".join,
)
def test_wrong_usage(tmp_path, arguments):
    data = ["--data", str(tmp_path / "data")] if len(arguments) > 1 and "--data" not in arguments else []
    assert_usage_error(run(*arguments, *(data if arguments[:1] in (["init"], ["serve"], ["key"]) else [])))
    assert not (tmp_path / "data").exists()


def test_version():
    output = run_ok("version")
    assert re.fullmatch(r"farthing \d+\.\d+\.\d+\S*( .*)?", output.splitlines()[0]), output


@pytest.mark.parametrize("arguments", [["help"], ["--help"], ["-h"]])
def test_help_lists_the_commands(arguments):
    output = run_ok(*arguments)
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", output), command


def test_help_of_serve_lists_flags_and_variables():
    output = run_ok("help", "serve")
    for flag, variable in (
        ("--data", "FARTHING_DATA"),
        ("--listen", "FARTHING_LISTEN"),
        ("--log-format", "FARTHING_LOG_FORMAT"),
        ("--header-timeout-ms", "FARTHING_HEADER_TIMEOUT_MS"),
        ("--body-timeout-ms", "FARTHING_BODY_TIMEOUT_MS"),
        ("--idle-timeout-ms", "FARTHING_IDLE_TIMEOUT_MS"),
    ):
        assert flag in output
        assert variable in output


@pytest.mark.parametrize("command", ["init", "key create", "user list", "secret rotate", "config show", "doctor", "import customers"])
def test_help_of_a_command_is_about_the_command(command):
    """Its own flags and where the data is; all other settings are told of in one place."""
    lines = run_ok("help", *command.split()).splitlines()
    flags = [line.split()[0] for line in lines if line.startswith("  --")]
    variables = [line.strip() for line in lines if re.match(r" +FARTHING_\w+$", line)]
    assert {"--data", "--database"} <= set(flags) and variables == ["FARTHING_DATA", "FARTHING_DATABASE"]
    assert not {"--auth-secret", "--encryption-key", "--listen"} & set(flags)
    assert "`farthing help serve`" in lines[-1]
    if command in ("key create", "user list"):
        assert "--auth-secret" in lines[-1] and "--rbac-roles-file" in lines[-1]


@pytest.mark.parametrize("command", ["init", "key", "version"])
def test_help_of_a_command(command):
    assert command in run_ok("help", command)
