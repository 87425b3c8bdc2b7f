"""`farthing log level`: what a running server logs, changed while it runs."""

from farthing_server import run, run_ok
from http_client import RawConnection


def refuse_a_request(server):
    with RawConnection(server.address) as connection:
        assert connection.exchange(b"GET / HTTP/9.1\r\nHost: a\r\n\r\n").status == 505


def test_level_is_shown_and_changed(initialised, start_server):
    directory, _ = initialised
    server = start_server(directory)
    assert run_ok("log", "level", "--data", directory) == "info\n"
    assert run_ok("log", "level", "warning", "--data", directory) == "warning\n"
    refuse_a_request(server)
    assert "request refused" not in server.log
    assert run_ok("log", "level", "debug", "--data", directory) == "debug\n"
    assert 'message="log level changed" from=warning to=debug' in server.log
    refuse_a_request(server)
    assert server.log.count("request refused") == 1
    assert run_ok("log", "level", "error", "--data", directory) == "error\n"
    assert 'message="log level changed" from=debug to=error' in server.log
    refuse_a_request(server)
    assert server.log.count("request refused") == 1
    assert run_ok("log", "level", "--data", directory) == "error\n"
    server.stop()
    assert "stopped" not in server.log


def test_a_level_that_does_not_exist(initialised, start_server):
    directory, _ = initialised
    start_server(directory)
    process = run("log", "level", "loud", "--data", directory)
    assert process.returncode == 1
    assert process.stderr.count("\n") == 1 and "must be debug, info, warning or error" in process.stderr
    assert run_ok("log", "level", "--data", directory) == "info\n"


def test_without_a_server(initialised):
    directory, _ = initialised
    process = run("log", "level", "debug", "--data", directory)
    assert process.returncode == 1
    assert process.stdout == "" and process.stderr.startswith(f"farthing: no server uses {directory}; ")
    assert run("log", "level", "debug", "extra", "--data", directory).returncode == 2


def test_other_entrances_have_no_level(api):
    assert api.get("/admin/log").status == 404
    assert api.request("PUT", "/admin/log", body={"level": "debug"}).status == 404
