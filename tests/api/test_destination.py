"""The places where a continuous backup goes (archive/destination.h), against a service that speaks S3 and checks every
signature. Directories have tests of their own in tests/unit."""

import os
import re
import signal
import socket
import subprocess

import pytest

import s3_server
from farthing_server import BINARY, TROUBLE, environment, seconds
from s3_server import S3Server
from tls import Certificate

TOOL = BINARY.parent / "tests/support/farthing-destination"
CALL_SECONDS_MAX = 30
HIDE_LIBRARIES = """
for library in $(ldconfig -p | sed -n "s/.*$1.* => //p"); do
    mount --bind /dev/null "$(readlink -f "$library")"
done
shift
exec "$@"
"""
MIB = 1024 * 1024
PART_BYTES = 64 * MIB
MEMORY_BYTES_MAX = 60 * MIB


def without_proxies():
    return {name: value for name, value in environment().items() if not name.lower().endswith("_proxy")}


class Tool:
    """The destination in a process of its own, which makes one call after the other."""

    def __init__(self, *options, before=(), **variables):
        self.process = subprocess.Popen(
            [*before, str(TOOL), *map(str, options)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**without_proxies(), **variables},
        )

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def answer(self):
        """What is listed, and how the call ended."""
        listed = []
        for line in self.process.stdout:
            if not line.startswith("object "):
                return listed, line.rstrip("\n")
            name, length = line.split()[1:]
            listed.append((name, int(length)))
        raise AssertionError("the tool has ended: " + self.process.stderr.read())

    def call(self, *words):
        self.ask(*words)
        listed, end = self.answer()
        assert end == "done", end
        return listed

    def fails(self, *words):
        """The problem and the reason."""
        self.ask(*words)
        return self.failure()

    def failure(self):
        listed, end = self.answer()
        assert end.startswith("failed "), (listed, end)
        return tuple(end.removeprefix("failed ").split(": ", 1))

    def memory_bytes(self):
        """The most that it ever had in memory."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmHWM:\s*(\d+) kB", status.read()).group(1)) * 1024

    def end(self):
        _, errors = self.process.communicate(timeout=seconds(CALL_SECONDS_MAX))
        assert not TROUBLE.search(errors), errors
        assert self.process.returncode in (0, 1), errors


@pytest.fixture
def service():
    service = S3Server()
    yield service
    service.stop()


@pytest.fixture
def start():
    """Starts tools, which end with the test."""
    tools = []

    def start(*options, **settings):
        tools.append(Tool(*options, **settings))
        return tools[-1]

    yield start
    for tool in tools:
        tool.end()


@pytest.fixture
def tool(service, start):
    return start(*service.options())


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small"
    path.write_bytes(b"some bytes")
    return path


# ---- what it does ----


@pytest.mark.parametrize("prefix", ("", "/farthing/main-1.x", "/farthing/"))
def test_objects_come_back_as_they_went(service, start, tmp_path, prefix):
    tool = start(*service.options(prefix))
    contents = {"empty": b"", "a/one": b"1", "a/with_all-of.it": os.urandom(100), "b": os.urandom(3 * MIB)}
    for name, content in contents.items():
        path = tmp_path / "sent"
        path.write_bytes(content)
        tool.call("put", name, path)
    below = prefix.strip("/") + "/" if prefix else ""
    assert service.objects == {below + name: content for name, content in contents.items()}
    for name, content in contents.items():
        tool.call("get", name, tmp_path / "fetched")
        assert (tmp_path / "fetched").read_bytes() == content
    assert (tmp_path / "fetched").stat().st_mode & 0o777 == 0o600
    tool.call("remove", "a/one")
    tool.call("remove", "a/one")
    assert below + "a/one" not in service.objects
    assert len({address for _, _, address in service.requests}) == 1, "one connection is enough"


def test_lists_are_in_order_and_over_pages(service, tool):
    ours = {f"segments/{number:04}": number for number in range(10)}
    others = {"segments.txt": 5, "segment": 6, "bases/1": 7}
    service.objects = {key: b"x" * length for key, length in {**ours, **others}.items()}
    service.objects |= {"segments/.hidden": b"", "segments/with space": b"", "segments/<&>": b"", "segments//": b""}
    assert tool.call("list", "segments/") == list(ours.items())
    assert tool.call("list") == sorted((ours | others).items())
    assert tool.call("list", "segments/0009") == [("segments/0009", 9)]
    assert tool.call("list", "nothing") == []
    assert sum("continuation-token=" in target for _, target, _ in service.requests) > 5


def test_what_is_listed_may_be_removed_meanwhile(service, tool):
    service.objects = {f"{folder}/{number}": b"" for folder in "ab" for number in range(7)}
    assert [name for name, _ in tool.call("clear", "a/")] == [f"a/{number}" for number in range(7)]
    assert list(service.objects) == [f"b/{number}" for number in range(7)]


def test_what_is_large_goes_in_parts_and_not_through_memory(service, tool, tmp_path):
    sent, fetched = tmp_path / "sent", tmp_path / "fetched"
    with open(sent, "wb") as file:
        file.write(os.urandom(MIB))
        file.truncate(PART_BYTES + 5)
    tool.call("put", "base", sent)
    parts = [target for method, target, _ in service.requests if method == "PUT"]
    assert [re.search(r"partNumber=(\d+)", target).group(1) for target in parts] == ["1", "2"]
    assert service.uploads == {}
    assert service.objects["base"] == sent.read_bytes()
    assert tool.call("list") == [("base", PART_BYTES + 5)]
    tool.call("get", "base", fetched)
    assert fetched.read_bytes() == sent.read_bytes()
    assert tool.memory_bytes() < MEMORY_BYTES_MAX


def test_inside_tls(start, small, tmp_path):
    certificate = Certificate(tmp_path / "tls")
    service = S3Server(certificate)
    try:
        start(*service.options(ca=certificate.certificate)).call("put", "one", small)
        assert service.objects == {"one": small.read_bytes()}
        problem, reason = start(*service.options()).fails("put", "two", small)
        assert problem == "refused" and "certificate" in reason
        assert "two" not in service.objects
    finally:
        service.stop()


def test_proxies_are_those_of_the_environment(service, start, small):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{bound.getsockname()[1]}"
        assert start(*service.options(), http_proxy=proxy).fails("put", "one", small)[0] == "transient"
        start(*service.options(), http_proxy=proxy, no_proxy="127.0.0.1").call("put", "one", small)


# ---- how it fails ----


FAULTS = {
    "overloaded": (
        s3_server.refuse(503, "SlowDown", "Please\nreduce <your> rate."),
        *("transient", "SlowDown: Please reduce <your> rate. (HTTP 503)"),
    ),
    "inside": (s3_server.refuse(500, "InternalError"), "transient", "InternalError: The service said so. (HTTP 500)"),
    "damaged": (s3_server.refuse(400, "XAmzContentSHA256Mismatch"), "transient", "(HTTP 400)"),
    "denied": (
        s3_server.refuse(403, "AccessDenied", "Access Denied"), "refused", "AccessDenied: Access Denied (HTTP 403)"
    ),
    "moved": (
        s3_server.refuse(301, "PermanentRedirect", "Use another."), "refused", "PermanentRedirect: Use another. (HTTP 301)"
    ),
    "no bucket": (s3_server.refuse(404, "NoSuchBucket"), "refused", "NoSuchBucket: The service said so. (HTTP 404)"),
    "not S3": (s3_server.say(404, b"<html>What?</html>"), "refused", "HTTP 404"),
    "a proxy": (s3_server.say(502, b"<p>Bad <b>gateway"), "transient", "HTTP 502"),
    "bare": (s3_server.say(429, b""), "transient", "HTTP 429"),
    "cut": (s3_server.cut_reply, "transient", ""),
}
CALLS = {
    "put": ("PUT", "cannot store one in s3://copies at http://127.0.0.1:"),
    "get": ("GET", "cannot fetch one from s3://copies at http://127.0.0.1:"),
    "remove": ("DELETE", "cannot remove one from s3://copies at http://127.0.0.1:"),
    "list": ("GET", "cannot list one* of s3://copies at http://127.0.0.1:"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_it_says_what_is_wrong_and_whether_again_helps(service, tool, small, tmp_path, name):
    fault, problem, words = FAULTS[name]
    service.objects["one"] = b"before"
    for call, (method, beginning) in CALLS.items():
        path = {"put": small, "get": tmp_path / "fetched"}.get(call, "")
        service.fail_next(method, fault)
        found, reason = tool.fails(call, "one", path)
        assert found == problem, reason
        assert reason.startswith(beginning) and reason.endswith(words), reason
        assert service.objects == {"one": b"before"} and not (tmp_path / "fetched").exists()
        tool.call(call, "one", path)
        (tmp_path / "fetched").unlink(missing_ok=True)
        service.objects["one"] = b"before"


def test_what_is_not_there(service, tool, tmp_path):
    problem, reason = tool.fails("get", "one", tmp_path / "fetched")
    assert problem == "no object" and "NoSuchKey" in reason
    assert not (tmp_path / "fetched").exists()


def test_a_connection_that_ends_within_what_is_sent(service, tool, tmp_path):
    path = tmp_path / "sent"
    path.write_bytes(os.urandom(3 * MIB))
    service.fail_next("PUT", s3_server.cut_request)
    assert tool.fails("put", "one", path)[0] == "transient"
    assert service.objects == {}
    tool.call("put", "one", path)
    assert service.objects == {"one": path.read_bytes()}


def test_lists_that_cannot_be_read(service, tool):
    for body, problem in (
        ("<ListBucketResult><IsTruncated>false</IsTruncated>", "transient"),
        ("<!DOCTYPE a><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>", "transient"),
        ("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", "transient"),
        ("<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>", "transient"),
        ("<html/>", "refused"),
    ):
        service.fail_next("GET", s3_server.say(200, body))
        assert tool.fails("list")[0] == problem, body
    assert tool.call("list") == []


PART_FAULTS = {
    "begin": ("POST", "uploads=", s3_server.refuse(403, "AccessDenied"), "refused"),
    "first part": ("PUT", "partNumber=1", s3_server.refuse(500, "InternalError"), "transient"),
    "cut": ("PUT", "partNumber=1", s3_server.cut_request, "transient"),
    "last part": ("PUT", "partNumber=2", s3_server.refuse(403, "AccessDenied"), "refused"),
    "no tag": ("PUT", "partNumber=2", s3_server.say(200, b""), "transient"),
    "gone": ("PUT", "partNumber=2", s3_server.refuse(404, "NoSuchUpload"), "transient"),
    "together": ("POST", "uploadId=", s3_server.refuse(400, "InvalidPart"), "transient"),
    # The status is sent before it is known how it ends.
    "together, late": (
        "POST", "uploadId=", s3_server.say(200, "<Error><Code>InternalError</Code></Error>"), "transient"
    ),
}


def test_parts_of_what_failed_are_not_kept(service, start, tmp_path):
    tool = start(*service.options(part_bytes=MIB))
    path = tmp_path / "sent"
    path.write_bytes(os.urandom(MIB + 1))
    service.objects["base"] = b"before"
    for name, (method, word, fault, problem) in PART_FAULTS.items():
        service.fail_next(method, fault, word)
        assert tool.fails("put", "base", path)[0] == problem, name
        assert service.uploads == {} and service.objects == {"base": b"before"}, name
    assert service.faults == []
    tool.call("put", "base", path)
    assert service.objects == {"base": path.read_bytes()}


@pytest.mark.parametrize("call", ("put", "get", "list"))
def test_it_does_not_wait_for_what_does_not_move(service, start, small, tmp_path, call):
    tool = start(*service.options(stall_s=1))
    service.fail_next(CALLS[call][0], s3_server.stall)
    problem, reason = tool.fails(call, "one", {"put": small, "get": tmp_path / "fetched"}.get(call, ""))
    assert problem == "transient" and "slow" in reason, reason


def test_it_stops_in_the_middle(service, tool, small):
    service.fail_next("PUT", s3_server.stall)
    tool.ask("put", "one", small)
    assert service.stalled.wait(seconds(CALL_SECONDS_MAX))
    tool.process.send_signal(signal.SIGTERM)
    assert tool.failure()[0] == "stopped"
    count = len(service.requests)
    for call in CALLS:
        assert tool.fails(call, "one", small)[0] == "stopped"
    assert len(service.requests) == count


def test_nobody_listens(start, small):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        options = ("s3://copies", f"endpoint=http://127.0.0.1:{bound.getsockname()[1]}", "id=a", "secret=b")
        assert start(*options).fails("put", "one", small)[0] == "transient"
    assert start("s3://copies", "endpoint=http://nobody.invalid", "id=a", "secret=b").fails("list")[0] == "transient"


def test_keys_and_regions_that_are_wrong(service, start, small):
    for change, code in (
        ({"secret": "another"}, "SignatureDoesNotMatch"),
        ({"id": "another"}, "InvalidAccessKeyId"),
        ({"region": "eu-west-9"}, "AuthorizationHeaderMalformed"),
    ):
        problem, reason = start(*service.options(**change)).fails("put", "one", small)
        assert problem == "refused" and code in reason
        assert s3_server.SECRET_ACCESS_KEY not in reason and "another" not in reason
    assert service.objects == {}


def test_what_is_opened_for_reading(service, start, small, tmp_path):
    service.objects["one"] = b"before"
    tool = start(*service.options(), "read_only")
    for call in ("put", "remove"):
        assert tool.fails(call, "one", small)[0] == "refused"
    tool.call("get", "one", tmp_path / "fetched")
    assert service.objects == {"one": b"before"}


@pytest.mark.needs("mounts of its own")
@pytest.mark.parametrize("library, package", (("libcurl.so.4", "libcurl4"), ("libexpat.so.1", "libexpat1")))
def test_without_the_libraries_a_directory_works(start, service, small, tmp_path, library, package):
    hidden = ("unshare", "--mount", "bash", "-c", HIDE_LIBRARIES, "bash", library.replace(".", "\\."))
    listed, line = start(*service.options(), before=hidden).answer()
    assert not listed and line.startswith("not opened: ") and f"apt-get install {package}" in line
    start(tmp_path / "copies", before=hidden).call("put", "one", small)
    assert (tmp_path / "copies" / "one").read_bytes() == small.read_bytes()
