"""packaging/docker, as far as it goes without Docker: what the files name is there, its settings are settings, and its health
check tells a server that is ready from one that is not."""

import json
import re
import subprocess

from farthing_server import REPOSITORY, Server, init, run_ok, seconds

DOCKER = REPOSITORY / "packaging/docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
COMPOSE = (DOCKER / "compose.yml").read_text()


def test_what_they_name_is_there():
    files = re.findall(r"^ +- (\.\S+?):/", COMPOSE, re.M)
    assert len(files) == 2
    for name in files:
        assert (DOCKER / name).is_file(), name
    context = DOCKER / re.search(r"context: (\S+)", COMPOSE)[1]
    assert (context / re.search(r"dockerfile: (\S+)", COMPOSE)[1]).samefile(DOCKER / "Dockerfile")
    (command,) = re.findall(r"^RUN (\./\S+)", DOCKERFILE, re.M)
    assert (context / command).is_file()


def test_their_settings_are_settings(tmp_path):
    settings = dict(re.findall(r"(FARTHING_\w+)=(\S+)", DOCKERFILE) + re.findall(r"(FARTHING_\w+): (\S+)", COMPOSE))
    assert len(settings) == 3
    shown = run_ok("config", "show", **settings)
    for name, value in settings.items():
        assert re.search(rf"\s{re.escape(value)}\s+environment {name}$", shown, re.M), name
    # Prometheus asks where the server listens for it.
    port = settings["FARTHING_METRICS_LISTEN"].rsplit(":", 1)[1]
    assert f"'farthing:{port}'" in (DOCKER / "prometheus.yml").read_text()


def test_the_health_check(tmp_path):
    check = json.loads(re.search(r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", DOCKERFILE, re.M)[1])

    def is_healthy(port):
        command = [word.replace("/8080 ", f"/{port} ") for word in check]
        return subprocess.run(command, stderr=subprocess.DEVNULL, timeout=seconds(20)).returncode == 0

    init(tmp_path / "data")
    server = Server(tmp_path / "data")
    port = server.address[1]
    assert is_healthy(port)
    server.stop()
    assert not is_healthy(port)
