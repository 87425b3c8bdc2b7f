"""The package installed into a system of its own, where systemd runs the unit with all of its sandbox; then the operator's
document there, word by word; then an upgrade, a removal and a purge."""

import pytest

import operations
from farthing_server import Credentials
from machine import Machine

READY = ("curl", "--fail", "--silent", "http://127.0.0.1:8080/ready")
DATA = "/var/lib/farthing"


@pytest.fixture
def machine(package, tmp_path):
    machine = Machine(tmp_path / "machine")
    machine.put_file(f"/srv/build/{package.name}", package)
    yield machine
    machine.end()


@pytest.fixture
def installed(machine, package):
    machine.run_ok("apt-get", "install", "--yes", f"/srv/build/{package.name}")
    return machine


def is_active(machine):
    return machine.run("systemctl", "is-active", "farthing").stdout.strip()


def init(machine):
    return machine.run_ok("runuser", "-u", "farthing", "--", "farthing", "init", "--data", DATA)


def test_nothing_to_serve_is_no_failure(installed):
    assert installed.run_ok("systemctl", "is-enabled", "farthing.service") == "enabled\n"
    assert installed.run("systemctl", "is-enabled", "farthing.socket").stdout == "disabled\n"
    installed.run_ok("systemctl", "start", "farthing")
    assert is_active(installed) == "inactive"
    assert installed.run_ok("stat", "--format", "%a %U:%G", DATA, "/etc/farthing", "/etc/farthing/farthing.conf").split("\n")[:3] == [
        "700 farthing:farthing", "750 root:farthing", "640 root:farthing"]
    assert installed.run_ok("man", "--whatis", "farthing").startswith("farthing (1)")


def test_the_document(machine):
    machine.put("/srv/document", operations.script(with_installation=True).replace("apt-get install", "apt-get install --yes"))
    process = machine.run("sh", "-c", "cd /srv && exec bash document")
    assert process.returncode == 0, process.stderr[-4000:] + process.stdout[-2000:]
    assert "farthing_database_up 1" in process.stdout and "\nactive\n" in process.stdout
    assert is_active(machine) == "active"
    assert f"700 farthing {DATA}\n640 root /etc/farthing/farthing.conf\n" in process.stdout


def test_what_the_unit_allows_is_enough(installed):
    """Writes, a time zone, a password hashed, secrets made anew, settings read again, an import, an export."""
    credentials = Credentials(init(installed))
    installed.run_ok("systemctl", "start", "farthing")
    base = "http://127.0.0.1:8080/v1"
    ask = ("curl", "--fail", "--silent", "--show-error", "--header", f"x-api-key: {credentials.api_key}")
    installed.run_ok(*ask, f"{base}/customers", "--data", '{"external_id": "a", "name": "A", "timezone": "Europe/Berlin"}')
    installed.run_ok(*ask, f"{base}/auth/signup", "--data", '{"email": "ada@example.com", "password": "correct horse"}')
    as_farthing = ("runuser", "-u", "farthing", "--", "env", f"FARTHING_DATA={DATA}", "farthing")
    installed.run_ok(*as_farthing, "secret", "rotate", "signing")
    installed.run_ok("systemctl", "reload", "farthing")
    where = ("--environment", credentials.environment_id)
    installed.run_ok(*as_farthing, "import", "customers", "-", *where, "--rejects", "/tmp/rejects", stdin="external_id,name\nb,B\n")
    assert '"external_id":"b"' in installed.run_ok(*ask, f"{base}/customers/external/b")
    installed.run_ok(*as_farthing, "customer", "get", "a", *where)
    assert installed.run_ok(*READY)
    log = installed.run_ok("journalctl", "--unit", "farthing", "--output", "cat")
    assert "level=error" not in log and "level=warning" not in log, log


def test_wrong_settings_stop_it_for_good(installed):
    init(installed)
    installed.run_ok("sh", "-c", "echo 'listen = nonsense' >>/etc/farthing/farthing.conf")
    assert installed.run("systemctl", "start", "farthing").returncode != 0
    assert is_active(installed) == "failed", "and is not tried again"
    assert "listen must be" in installed.run_ok("journalctl", "--unit", "farthing", "--output", "cat")


def test_a_socket_of_systemd(installed):
    init(installed)
    installed.put("/etc/systemd/system/farthing.socket.d/port.conf",
                  "[Socket]\nFileDescriptorName=http\nListenStream=\nListenStream=127.0.0.1:80\n")
    installed.run_ok("systemctl", "daemon-reload")
    installed.run_ok("systemctl", "enable", "--now", "farthing.socket")
    assert '"status":"ok"' in installed.run_ok("curl", "--fail", "--silent", "http://127.0.0.1/ready")
    installed.run_ok("systemctl", "start", "farthing")  # waits until it has said that it is ready
    assert is_active(installed) == "active"


def test_upgrade_remove_purge(installed, package):
    init(installed)
    installed.run_ok("systemctl", "start", "farthing")
    before = installed.run_ok("systemctl", "show", "--property=MainPID", "farthing")
    installed.run_ok("sh", "-c", "echo '# mine' >>/etc/farthing/farthing.conf")
    installed.run_ok("dpkg", "--install", f"/srv/build/{package.name}")
    assert is_active(installed) == "active", "an upgrade restarts it"
    assert installed.run_ok("systemctl", "show", "--property=MainPID", "farthing") != before
    assert "# mine" in installed.run_ok("cat", "/etc/farthing/farthing.conf")
    assert installed.run_ok("stat", "--format", "%a %G", "/etc/farthing/farthing.conf") == "640 farthing\n"
    installed.run_ok("dpkg", "--remove", "farthing")
    assert is_active(installed) == "inactive"
    installed.run_ok("test", "-e", f"{DATA}/farthing.db", "-a", "-e", "/etc/farthing/farthing.conf")
    process = installed.run("dpkg", "--purge", "farthing")
    assert process.returncode == 0 and "was kept" in process.stderr
    installed.run_ok("test", "-e", f"{DATA}/farthing.db", "-a", "!", "-e", "/etc/farthing")
    installed.run_ok("id", "farthing")
    traces = installed.run_ok("find", "/etc/systemd", "/var/lib/systemd", "-name", "*farthing*")
    assert traces == ""
    # Installed once more, it goes on with what was kept.
    installed.run_ok("dpkg", "--install", f"/srv/build/{package.name}")
    assert is_active(installed) == "active"
    assert installed.run_ok(*READY)


def test_a_purge_leaves_nothing_of_what_was_never_used(installed):
    installed.run_ok("dpkg", "--purge", "farthing")
    installed.run_ok("test", "!", "-e", DATA, "-a", "!", "-e", "/etc/farthing", "-a", "!", "-e", "/var/backups/farthing")
    assert installed.run("id", "farthing").returncode != 0


def test_what_its_administrator_has_disabled_stays_so(installed, package):
    init(installed)
    installed.run_ok("systemctl", "disable", "--now", "farthing")
    installed.run_ok("dpkg", "--install", f"/srv/build/{package.name}")
    assert installed.run("systemctl", "is-enabled", "farthing").stdout == "disabled\n"
