"""Settings from flags, environment and file: what `config example|check|show` print, and what stops a start."""

import json
import os
import re
import threading
import time

import pytest

import engine
from farthing_server import run, run_ok
from http_client import Client


def show(*arguments, **variables):
    """The settings as `config show --json` tells them, by name."""
    document = json.loads(run_ok("config", "show", "--json", *arguments, **variables))
    return {setting["name"]: setting for setting in document["settings"]}


def assert_refused(process, said):
    assert (process.returncode, process.stdout) == (2, ""), process
    assert process.stderr == f"farthing: {said}\n"


@pytest.fixture
def config(tmp_path):
    """Writes a configuration file and gives its path."""

    def write(content):
        path = tmp_path / "farthing.conf"
        path.write_text(content)
        return path

    return write


# --- example ---------------------------------------------------------------------------------------------------


def test_the_example_is_valid_and_changes_nothing(config):
    example = run_ok("config", "example")
    fed_back = show("--config", config(example))
    assert {name: value["value"] for name, value in fed_back.items() if name != "config"} == {
        name: value["value"] for name, value in show().items() if name != "config"
    }
    assert {value["origin"] for name, value in fed_back.items() if name != "config"} == {"default"}


def test_the_example_shows_the_defaults(config):
    example = re.sub(r"^#(?=[a-z])", "", run_ok("config", "example"), flags=re.M)
    fed_back = show("--config", config(example))
    defaults = show()
    for name, setting in defaults.items():
        if name == "config":
            continue
        assert fed_back[name]["value"] == setting["value"]
        has_default = setting["value"] not in (None, [])
        assert fed_back[name]["origin"] == ("file" if has_default else "default"), name


def test_every_line_of_the_example_is_valid(config):
    """Also the ones of settings without a default, which show some value."""
    example = re.sub(r"^# ?(?=[a-z][a-z0-9-]* = )", "", run_ok("config", "example"), flags=re.M)
    fed_back = show("--config", config(example))
    assert {setting["origin"] for name, setting in fed_back.items() if name != "config"} == {"file"}


def test_the_example_names_every_setting():
    example = run_ok("config", "example")
    help_text = run_ok("help", "serve")
    for name in show():
        variable = "FARTHING_" + name.upper().replace("-", "_")
        assert f"--{name} " in help_text
        assert re.search(rf"^ +{variable}\b", help_text, flags=re.M)
        if name != "config":
            assert re.search(rf"^# ?{name} = \S", example, flags=re.M)
            assert f"(--{name}, {variable})" in example


# --- precedence ------------------------------------------------------------------------------------------------


def test_a_flag_wins_over_the_environment_that_over_the_file_that_over_the_default(config):
    path = config("loops = 1\nidle-timeout-ms = 1000\n\nbody-timeout-ms = 1000\nlog-level = warn\n")
    settings = show(
        "--config",
        path,
        "--loops=3",
        FARTHING_LOOPS="2",
        FARTHING_IDLE_TIMEOUT_MS="2000",
        FARTHING_LOG_FORMAT="",
    )
    assert settings["loops"] == {"name": "loops", "value": 3, "origin": "flag", "reloads": False}
    assert settings["idle-timeout-ms"]["value"] == 2000
    assert settings["idle-timeout-ms"]["origin"] == "environment"
    assert settings["idle-timeout-ms"]["variable"] == "FARTHING_IDLE_TIMEOUT_MS"
    assert settings["body-timeout-ms"]["value"] == 1000
    assert settings["body-timeout-ms"]["origin"] == "file"
    assert (settings["body-timeout-ms"]["file"], settings["body-timeout-ms"]["line"]) == (str(path), 4)
    assert settings["log-level"]["value"] == "warning"
    assert settings["log-format"]["origin"] == "default"


def test_the_table_tells_where_a_value_is_from(config):
    path = config("\nloops = 1\n")
    lines = run_ok("config", "show", "--log-level=error", FARTHING_CONFIG=str(path), FARTHING_LOG_FORMAT="json")
    rows = dict(line.split(maxsplit=1) for line in lines.splitlines())
    assert lines.splitlines()[-1].startswith("# What a server would use that is started here and now")
    assert re.fullmatch(rf"1 +file {path}:2", rows["loops"])
    assert re.fullmatch(r"json +environment FARTHING_LOG_FORMAT", rows["log-format"])
    assert re.fullmatch(r"error +flag", rows["log-level"])
    assert re.fullmatch(rf"{path} +environment FARTHING_CONFIG", rows["config"])


def test_the_file_in_the_data_directory(directory, start_server):
    directory.mkdir(mode=0o700)
    (directory / "farthing.conf").write_text("body-bytes-max = 1KiB\n")
    server = start_server(directory)
    with Client(server.address) as client:
        assert client.post("/v1/customers", b"x" * 1025).status == 413
    assert show("--data", directory)["body-bytes-max"]["value"] == 1024


def test_other_commands_take_the_data_directory_from_the_file_that_is_named(config, directory):
    path = config(f"data = {directory}\nloops = 1\n")
    run_ok("init", "--config", path, **engine.variables(directory))
    assert engine.has_database(directory)
    assert "secret_" in run_ok("key", "list", FARTHING_CONFIG=str(path), **engine.variables(directory))


def test_secrets_are_masked(config):
    token = "a-token-that-nobody-knows"
    path = config(f"metrics-token = {token}\n")
    for arguments in (["config", "show"], ["config", "show", "--json"], ["doctor"], ["doctor", "--json"]):
        process = run(*arguments, "--config", path, "--listen", "127.0.0.1:0")
        assert token not in process.stdout + process.stderr
    assert show("--config", path)["metrics-token"]["value"] == "***"
    assert show()["metrics-token"]["value"] is None
    process = run("config", "check", FARTHING_METRICS_TOKEN="short")
    assert_refused(process, "FARTHING_METRICS_TOKEN must have at least 16 characters")


def test_json_is_json_whatever_a_value_holds():
    assert show("--data", "a\udcff\x1b[2J")["data"]["value"] == "a\ufffd\x1b[2J"
    assert "\x1b" not in run_ok("config", "show", "--data", "\x1b[2J")


def test_settings_that_need_each_other():
    process = run("config", "check", "--tls-cert", "x.crt")
    assert_refused(process, "tls-cert (flag) needs tls-key as well")
    process = run("serve", FARTHING_TLS_KEY="x.key")
    assert_refused(process, "tls-key (environment FARTHING_TLS_KEY) needs tls-cert as well")


@pytest.mark.parametrize("of", ["key", "address"])
def test_a_burst_needs_a_rate(of):
    burst = f"rate-limit-per-{of}-burst"
    assert_refused(run("config", "check", f"--{burst}", 5), f"{burst} (flag) needs rate-limit-per-{of} as well")
    run_ok("config", "check", f"--{burst}", 5, f"--rate-limit-per-{of}", 1)
    run_ok("config", "check", f"--{burst}", 0)


def test_a_body_must_fit_into_the_memory_for_bodies():
    """Else it would be told to come again later, forever."""
    process = run("config", "check", "--body-bytes-max", "65MiB")
    assert_refused(process, "body-bytes-max (flag) is more than buffered-bytes-max (default)")
    process = run("serve", "--buffered-bytes-max", "9MiB")
    assert_refused(process, "body-bytes-max (default) is more than buffered-bytes-max (flag)")
    run_ok("config", "check", "--body-bytes-max", "65MiB", "--buffered-bytes-max", "65MiB")


# --- refusals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["serve"], ["config", "check"], ["config", "show"]], ids=" ".join)
@pytest.mark.parametrize(
    "content, line, said",
    [
        ("\n\nlisen = 127.0.0.1:0", 3, ': unknown setting "lisen"; did you mean "listen"?'),
        ("loops = 1\nloops = 1", 2, ": loops is set in line 1 already"),
        ("loops = many", 1, ': loops must be a number from 0 to 1024, not "many"'),
        ("log-format = xml", 1, ': log-format must be logfmt or json, not "xml"'),
        (
            'listen = "8080"',
            1,
            ": listen must be HOST:PORT or [IPV6]:PORT with a port from 0 to 65535, unix:PATH, fd:N or systemd, not \"8080\"",
        ),
        ("data =", 1, ": there is no value; leave the line out for the default"),
        ('data = ""', 1, ": data must not be empty"),
        ("[server]", 1, ": there are no sections; every line is NAME = VALUE"),
        ("listen", 1, ": this is not NAME = VALUE"),
        ("config = other", 1, ": config cannot be set in a file"),
    ],
)
def test_a_file_that_stops_the_start(config, directory, command, content, line, said):
    path = config(content)
    data = [] if "data" in content else ["--data", directory]
    assert_refused(run(*command, "--config", path, *data), f"{path}:{line}{said}")
    assert not directory.exists()


def test_a_file_that_is_not_there(tmp_path):
    path = tmp_path / "none.conf"
    said = f"cannot read the configuration file {path}: No such file or directory"
    assert_refused(run("serve", "--config", path), said)
    assert_refused(run("key", "list", FARTHING_CONFIG=str(path)), said)


def test_a_file_that_is_a_pipe_is_read_to_its_end(tmp_path):
    """Also when who writes it takes a while."""
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write():
        with path.open("w") as pipe:
            for line in ("loops = 3\n", "drain-timeout-ms = 7\n"):
                time.sleep(0.1)
                pipe.write(line)
                pipe.flush()

    # Opened here as well, so that the pipe has its writer before the program looks at it.
    keeper = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = threading.Thread(target=write)
    writer.start()
    held = os.open(path, os.O_WRONLY)
    shown = []
    reader = threading.Thread(target=lambda: shown.append(show("--config", path)))
    reader.start()
    writer.join()
    os.close(held)
    reader.join()
    os.close(keeper)
    assert [(shown[0][name]["value"], shown[0][name]["origin"]) for name in ("loops", "drain-timeout-ms")] == [
        (3, "file"),
        (7, "file"),
    ]


def test_a_file_that_is_too_large(config):
    path = config("#\n" * (512 * 1024) + "\n")
    assert_refused(run("config", "check", "--config", path), f"cannot read the configuration file {path}: File too large")


def test_a_variable_that_stops_the_start(directory):
    assert_refused(
        run("serve", "--data", directory, FARTHING_LOOPS="two"),
        'FARTHING_LOOPS must be a number from 0 to 1024, not "two"',
    )
    assert not directory.exists()


def test_a_flag_that_stops_the_start(directory):
    assert_refused(
        run("serve", "--data", directory, "--idle-timeout-ms", "0"),
        '--idle-timeout-ms must be a number of milliseconds from 1 to 86400000, not "0"',
    )
    assert_refused(run("serve", "--data", ""), "--data must not be empty")
    assert_refused(run("serve", "--lisen", "x"), "serve has no flag --lisen; did you mean --listen?")


@pytest.mark.parametrize("origins", ["example.com", "https://a.example/", "https://A.example", "*, https://a.example", "https://", ":"])
def test_origins_that_no_browser_sends(directory, origins):
    process = run("serve", "--data", directory, "--allowed-origins", origins)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith("farthing: --allowed-origins must be *, or origins")
    run_ok("config", "check", "--allowed-origins", "https://a.example, http://localhost:3000,null")


@pytest.mark.parametrize(
    "flag, value, needed",
    [
        ("rate-limit-per-key-burst", "5", "rate-limit-per-key"),
        ("rate-limit-per-address-burst", "5", "rate-limit-per-address"),
        ("forwarded-header", "forwarded", "trust-proxy"),
    ],
)
def test_settings_that_do_nothing_alone(directory, flag, value, needed):
    assert_refused(run("serve", "--data", directory, f"--{flag}", value), f"{flag} (flag) needs {needed} as well")


# --- variables that are none -----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("serve",), ("config", "check"), ("config", "show")])
def test_a_variable_that_is_no_setting_stops_the_start(directory, command):
    process = run(*command, "--data", directory, FARTHING_LISEN="127.0.0.1:1")
    assert_refused(process, 'the environment variable FARTHING_LISEN is no setting; did you mean "FARTHING_LISTEN"?')


def test_variables_that_others_set_are_not_mentioned():
    process = run(
        "config",
        "check",
        FARTHING_API_KEY="sk_x",
        FARTHING_TENANT_ID="tenant_x",
        FARTHING_PORT="tcp://10.0.0.1:8080",
        FARTHING_SERVICE_HOST="10.0.0.1",
        FARTHING_PORT_8080_TCP_ADDR="10.0.0.1",
    )
    assert (process.returncode, process.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["--static-keys", '{"zz":{}}'], 2, "the setting static-keys "),
        (["--environment-allow-list", '{"a":5}'], 2, "the setting environment-allow-list "),
        (["--backup-to", "s3://bucket"], 2, "an s3:// place needs backup-s3-region"),
        (["--backup-to", "DATA/sub"], 2, "backup-to names a directory in the data directory"),
        (["--listen", "https://127.0.0.1:1"], 1, "https needs a certificate and its key"),
        (["--listen", "127.0.0.1:0", *["--metrics-listen=127.0.0.1:0"] * 16, *["--trust-proxy=10.0.0.0/8"] * 16], 0, ""),
    ],
)
def test_check_approved_of_what_stops_serve(directory, arguments, code, said):
    directory.mkdir(mode=0o700)
    arguments = ["--data", directory, *(argument.replace("DATA", str(directory)) for argument in arguments)]
    variables = {"FARTHING_DATABASE": ""}
    check = run("config", "check", *arguments, **variables)
    assert (check.returncode, said in check.stderr) == (code, True), check
    if code:
        serve = run("serve", *arguments, **variables)
        assert (serve.returncode, serve.stderr) == (code, check.stderr)
    assert not list(directory.iterdir())


def test_check_needs_no_socket_of_systemd_and_no_free_address(directory, start_server):
    run_ok("config", "check", "--listen", "systemd")
    server = start_server(directory)
    run_ok("config", "check", "--data", directory, "--listen", "%s:%d" % server.address)


def test_check_says_what_was_read(config):
    assert run_ok("config", "check") == "the settings are valid; there is no configuration file\n"
    path = config("loops = 2\n")
    assert run_ok("config", "check", "--config", path) == f"the settings are valid; {path} was read\n"
