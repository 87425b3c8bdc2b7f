"""The Debian package as it lies there: what is in it, and its unit."""

import os
import re
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from farthing_server import BINARY, REPOSITORY, Server, init, run_ok, seconds, wait_until
from http_client import Client
from kept_databases import CURRENT, unpack

UNIT = REPOSITORY / "packaging/farthing.service"
# Of 10, the less the better; what is left is the network, and what a database of its own needs.
EXPOSURE_MAX = 1.4


def output_of(*command):
    process = subprocess.run(command, capture_output=True, timeout=seconds(60))
    assert process.returncode == 0, process.stderr.decode()
    return process.stdout


@pytest.fixture(scope="module")
def files(package):
    """The package's files: path -> (member, content)."""
    with tarfile.open(fileobj=BytesIO(output_of("dpkg-deb", "--fsys-tarfile", package))) as archive:
        return {
            member.name.removeprefix("./"): (member, archive.extractfile(member).read() if member.isfile() else None)
            for member in archive.getmembers()
        }


def test_what_is_in_it(package, files):
    paths = {path for path, (member, _) in files.items() if member.isfile()}
    assert paths == {
        "etc/farthing/farthing.conf",
        "lib/systemd/system/farthing.service",
        "lib/systemd/system/farthing.socket",
        "usr/bin/farthing",
        "usr/share/bash-completion/completions/farthing",
        "usr/share/doc/farthing/README.Debian",
        "usr/share/doc/farthing/backup.md",
        "usr/share/doc/farthing/changelog.gz",
        "usr/share/doc/farthing/copy.md",
        "usr/share/doc/farthing/copyright",
        "usr/share/doc/farthing/examples/grafana/farthing.json",
        "usr/share/doc/farthing/examples/prometheus/farthing.rules.yml",
        "usr/share/doc/farthing/idempotency.md",
        "usr/share/doc/farthing/import.md",
        "usr/share/doc/farthing/metrics.md",
        "usr/share/doc/farthing/operations.md",
        "usr/share/doc/farthing/privacy.md",
        "usr/share/doc/farthing/scaling.md",
        "usr/share/fish/vendor_completions.d/farthing.fish",
        "usr/share/man/man1/farthing.1.gz",
        "usr/share/zsh/vendor-completions/_farthing",
    }
    for path, (member, _) in files.items():
        assert (member.uid, member.gid) == (0, 0), path
        assert member.mode == (0o755 if member.isdir() or path == "usr/bin/farthing" else 0o644), path
    assert files["etc/farthing/farthing.conf"][1].decode() == run_ok("config", "example")
    assert output_of("dpkg-deb", "--ctrl-tarfile", package)


def test_every_link_of_a_document_leads_to_a_file_of_the_package(files):
    """bug: operations.md linked to documents that were not installed."""
    documents = {path: content.decode() for path, (_, content) in files.items() if path.endswith(".md")}
    links = [(path, link) for path, text in documents.items() for link in re.findall(r"\]\(([^)#]+)", text)]
    relative = {(path, link) for path, link in links if not re.match(r"\w+:", link)}
    assert ("usr/share/doc/farthing/operations.md", "backup.md") in relative
    assert [(path, link) for path, link in relative if os.path.normpath(f"{path}/../{link}") not in files] == []


def test_what_it_says_of_itself(package):
    fields = dict(
        line.split(": ", 1) for line in output_of("dpkg-deb", "--field", package).decode().splitlines() if re.match(r"[A-Z]", line)
    )
    assert fields["Version"] in run_ok("version")
    libraries = fields["Depends"]
    for name in ("libc6 (>= ", "libsqlite3-0 (>= ", "libssl3 (>= ", "adduser", "tzdata"):
        assert name in libraries
    for name in ("libpq5", "libcurl4", "libexpat1"):
        assert name not in libraries and name in fields["Suggests"], "it is loaded when it is used"


def test_the_same_again_is_the_same_bytes(package, tmp_path):
    make = REPOSITORY / "packaging/debian/make-package"
    again = output_of("env", "DEBFULLNAME=Farthing", "DEBEMAIL=farthing@debian.org", make, BINARY, tmp_path)
    assert (tmp_path / package.name).read_bytes() == package.read_bytes()
    assert again.decode().strip() == str(tmp_path / package.name)


def test_its_scripts_are_read_by_a_plain_shell(package, tmp_path):
    output_of("dpkg-deb", "--control", package, tmp_path)
    for script in ("postinst", "prerm", "postrm"):
        output_of("dash", "-n", tmp_path / script)
    assert (tmp_path / "conffiles").read_text() == "/etc/farthing/farthing.conf\n"


# ---- the unit ----


def test_systemd_takes_the_units(files, tmp_path):
    output_of("mkdir", "-p", tmp_path / "usr/bin", tmp_path / "lib/systemd/system", tmp_path / "bin")
    for path in ("lib/systemd/system/farthing.service", "lib/systemd/system/farthing.socket", "usr/bin/farthing"):
        (tmp_path / path).write_bytes(files[path][1])
    for program in ("usr/bin/farthing", "bin/kill"):
        (tmp_path / program).touch()
        (tmp_path / program).chmod(0o755)
    units = [tmp_path / "lib/systemd/system" / name for name in ("farthing.service", "farthing.socket")]
    process = subprocess.run(
        ["systemd-analyze", "verify", f"--root={tmp_path}", "--man=no", *[unit.name for unit in units]],
        capture_output=True, text=True, timeout=seconds(60),
    )
    ours = [line for line in process.stderr.splitlines() if "farthing" in line and "not found" not in line]
    assert ours == []


def test_how_far_the_unit_is_exposed():
    report = output_of("systemd-analyze", "security", "--offline=true", "--no-pager", UNIT).decode()
    exposure = float(re.search(r"Overall exposure level for farthing\.service: ([0-9.]+)", report)[1])
    assert exposure <= EXPOSURE_MAX


def syscalls_of(group, seen=()):
    """The system calls of one of systemd's groups, as it lists them."""
    found = set()
    for line in output_of("systemd-analyze", "syscall-filter", "--no-pager", group).decode().splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            found |= syscalls_of(word) if word not in seen else set()
        elif word and not word.startswith("#"):
            found.add(word)
    return found


def allowed_syscalls():
    allowed = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(), re.M):
        named = set().union(*(syscalls_of(word) if word[0] == "@" else {word} for word in line.lstrip("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed


def test_the_unit_allows_what_a_server_calls(tmp_path):
    """Under strace (its -D leaves the server our child), because not every machine that runs the tests runs systemd."""
    data, trace = tmp_path / "data", tmp_path / "trace"
    made = unpack(CURRENT - 1, data)  # what comes with a migration is called as well
    server = Server(data, "--metrics-listen", "127.0.0.1:0", launcher=("strace", "-D", "-f", "-qq", "-o", trace))
    with Client(server.address, made["api_key"]) as client:
        client.create({"external_id": "a", "name": "A", "timezone": "Europe/Berlin"})
        assert client.get("/v1/customers/external/a").status == 200
    run_ok("user", "create", "--data", data, "--tenant", made["tenant_id"], "--email", "another@kept.example")
    server.stop()
    wait_until(lambda: "exit_group(" in trace.read_text(), 10, "the end of the trace")
    called = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.M))
    assert {"fdatasync", "accept4", "epoll_wait"} & called and len(called) > 30
    if os.geteuid() == 0:
        called -= {"chown", "fchown"}  # only root gives files to the directory's owner
    assert called - allowed_syscalls() == set()


def test_threads_that_nobody_waits_for_have_a_smaller_share(tmp_path):
    """bug: it was asked for with setpriority, which the unit refuses."""
    credentials = init(tmp_path / "data")
    server = Server(tmp_path / "data")
    with Client(server.address, credentials.api_key) as client:
        name_contains = {"field": "name", "operator": "contains", "data_type": "string", "value": {"string": "a"}}
        assert client.post("/v1/customers/search", {"filters": [name_contains]}).status == 200

    def nice_of(name):
        stats = [(task / "stat").read_text() for task in Path(f"/proc/{server.process.pid}/task").iterdir()]
        (found,) = {stat.rsplit(")", 1)[1].split()[16] for stat in stats if f"({name})" in stat}
        return int(found)

    assert {name: nice_of(name) for name in ("http-0", "writer", "sync", "slow reads")} == {
        "http-0": 0, "writer": 0, "sync": 5, "slow reads": 10}
    server.stop()
