"""Our reading of requests against Node's `http`: the same bytes go to both.

Thousands of streams are generated from a seed: requests of a small grammar, one to three a connection, most of them with
something done to them. Where both accept a request they must agree on its method, target, headers and body, and so on
where it ends. Where one refuses what the other accepts, the reason must be in a short list. Nobody can smuggle a
request past a reader that agrees with ours.
"""

import json
import queue
import random
import shutil
import socket
import subprocess
import threading

import pytest

from farthing_server import BINARY, REPOSITORY, SLOWDOWN, environment, seconds
from http_client import RawConnection

ECHO = BINARY.parent / "tests/support/http-echo"
NODE_ECHO = REPOSITORY / "tests/support/http_echo.js"
SEED = 20261122
STREAMS = round(6000 / SLOWDOWN)
ANSWER_SECONDS_MAX = 20

# Why we refuse what Node accepts: our reason -> why that is right.
STRICTER = {
    "HTTP/1.0 has no Transfer-Encoding": "RFC 9112 section 6.1: the framing is faulty",
    "Transfer-Encoding has an empty element": "an empty list says nothing about where the body ends",
    "only HTTP/1.1 and HTTP/1.0 are spoken here": "Node lets other versions pass",
    "the Host header is given twice": "RFC 9112 section 3.2; Node takes the first",
    "the Host header is missing": "Node answers 400 too, but reads on behind it",
    "the Host header is not a host name": "RFC 9112 section 3.2; Node does not look",
    "the extension of a chunk is not `;name` or `;name=value`": "Node lets a value be missing",
    "the only transfer coding that is understood is chunked": "Node leaves the others to its caller",
    "the request line is not `METHOD TARGET HTTP/1.1`": "Node lets the version be missing",
    "the request target does not begin with a slash": "forms for proxies, and no host",
    "the request target has an escape that is not valid": "Node leaves that to its caller",
    "the request target has an escaped NUL": "Node leaves that to its caller",
    "the request target holds a byte that must be percent-encoded": "a fragment, which is never sent",
    "the request target is not UTF-8": "Node leaves that to its caller",
    "the size of a chunk has too many digits": "leading zeros have an end",
}
# The same for Node before version 20, whose reader forgives what RFC 9112 forbids: white space before a colon, folded
# lines, lines that end with CR or LF alone. Without a reason of ours: we wait for the LF behind a CR.
STRICTER_THAN_BEFORE_20 = {
    "a header line is not `Name: value`",
    "a trailer line is not `Name: value`",
    "a header is folded over two lines",
    "a line does not end with CR LF",
    "a line of a chunked body does not end with CR LF",
    None,
}
# Why we accept what Node refuses: its error -> why that is harmless.
MORE_LENIENT = {
    "HPE_INVALID_METHOD": "any token is a method here; it leads to a 404",
    "HPE_INVALID_VERSION": "RFC 9110 section 2.5: a later 1.x is read as 1.1",
}


class Echo:
    """Our http room, with a handler that says what it was given."""

    def __init__(self):
        self.process = subprocess.Popen(
            [str(ECHO)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
        )
        host, port = self.process.stdout.readline().strip().rsplit(":", 1)
        self.address = (host, int(port))

    def read(self, stream):
        """([request...], reason of the refusal or None)."""
        with RawConnection(self.address) as connection:
            connection.send_tolerant(stream)
            connection.socket.shutdown(socket.SHUT_WR)
            requests, refusal = [], None
            try:
                while connection.received or connection._fill() is None:
                    said = self._reply(connection)
                    if said is None:
                        continue
                    refusal = said.get("refusal")
                    if refusal is None:
                        requests.append(said)
            except EOFError:
                pass
            except ConnectionResetError:
                pytest.fail(f"a reset instead of an answer to {stream!r}")
            return requests, refusal

    @staticmethod
    def _reply(connection):
        # Which of the replies belongs to a HEAD, only the reply knows: it has the header.
        head = connection._take_until(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if b"X-Echo" in fields:
            return json.loads(fields[b"X-Echo"])
        if head.startswith(b"HTTP/1.1 100"):
            return None
        length = int(fields[b"Content-Length"])
        while len(connection.received) < length:
            connection._fill()
        body, connection.received = connection.received[:length], connection.received[length:]
        return json.loads(body)

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(seconds(20)) == 0


class Node:
    def __init__(self):
        node = shutil.which("node")
        assert node, "node is missing; it is needed to compare with its http module (./dev test installs it)"
        self.process = subprocess.Popen(
            [node, str(NODE_ECHO)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.address = ("127.0.0.1", int(self.process.stdout.readline()))
        self.ended = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            self.ended.put(json.loads(line))

    def read(self, stream):
        """([request...], code of the error or None)."""
        with socket.create_connection(self.address, timeout=seconds(ANSWER_SECONDS_MAX)) as connection:
            port = connection.getsockname()[1]
            try:
                connection.sendall(stream)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass
        seen = self.ended.get(timeout=seconds(ANSWER_SECONDS_MAX))
        assert seen["port"] == port
        keys = ("method", "target", "headers", "body")
        return [{key: request[key] for key in keys} for request in seen["requests"]], seen.get("failure")

    def stop(self):
        self.process.stdin.close()
        self.process.wait(20)


@pytest.fixture(scope="module")
def readers():
    ours, theirs = Echo(), Node()
    yield ours, theirs
    theirs.stop()
    ours.stop()


# --- the grammar ------------------------------------------------------------------------------------------------

METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"]
TARGETS = ["/", "/a/b", "/a?b=c&d", "/%41%c3%a9", "/a%2Fb", "/a//b", "/?", "http://h/a", "http://h:80/?x", "/~!$&'()*+,;=:@"]
ODD_TARGETS = ["*", "a", "//h/a", "/a#b", "/%", "/%zz", "/%00", "/%c0%af", "/\xe9", "/\x01", "/a b", "http://", "ftp://h/", "h:80"]
VALUES = ["", "x", "a b", "a\tb", '"q"', "x" * 300, "\xe9", "a, b", "k=v; w"]
ODD_VALUES = ["a\0b", "a\rb", "a\nb", "a\r\n b", "\x7f", "\x0b"]
ODD_LINES = ["X : a", "X", ": a", " X: a", "X\t: a", "X\0: a", "X(: a", "Host: other", "Host:", "Host: a b", "HOST: h", "X:a\nY: b"]
ODD_FRAMING = [
    "Content-Length: 3\r\nContent-Length: 3", "Content-Length: 3\r\nContent-Length: 4", "Content-Length: 3, 3",
    "Content-Length: +3", "Content-Length: 0x3", "Content-Length: 3 ", "Content-Length:", "Content-Length: -0",
    "Content-Length: 3\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 3",
    "Transfer-Encoding: identity", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: xchunked", "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding:\tchunked", "Transfer-Encoding : chunked",
    "Transfer-Encoding: Chunked", "Transfer-Encoding:", "Transfer-Encoding: chunked;q=1", "Content-Length: 99999999999999999999",
]  # fmt: skip
ODD_CHUNKS = [
    "+3\r\nabc", "0x3\r\nabc", "3 \r\nabc", " 3\r\nabc", "3\nabc", "3\r\nabcd", "3\r\nab", "g\r\nabc", "ffffffffffffffff\r\nabc",
    "10000000000000003\r\nabc", "0000000000000000000003\r\nabc", "3;\r\nabc", "3;a=\r\nabc", "3;a b\r\nabc", "3;a=\"b\nc\"\r\nabc", "\r\nabc",
]  # fmt: skip
ODD_ENDS = ["0\n\n", "0\r\n\n", "0\r\nX\r\n\r\n", "0\r\nX : y\r\n\r\n", "0\r\nX: y\n\r\n", "0\r\n X: y\r\n\r\n", "00\r\n\r\n", "0\r\n"]
VERSIONS = ["HTTP/1.1"] * 6 + ["HTTP/1.0"]
ODD_VERSIONS = ["HTTP/1.2", "HTTP/0.9", "HTTP/2.0", "http/1.1", "HTTP/1.10", "HTTP/1.1 ", "HTTP/ 1.1", "HTTP/1", ""]
BYTES = b"\0\t\n\r !\"%,/0:;=A\x7f\x80\xff"


def perhaps(random_, odd, usual, one_in=12):
    return random_.choice(odd) if random_.randrange(one_in) == 0 else random_.choice(usual)


def chunk(random_):
    data = "".join(random_.choices("abc\r\n0", k=random_.randrange(1, 20)))
    extension = random_.choice(["", "", "", ";a", ";a=b", ';a="b;c"'])
    size = random_.choice(["%x", "%X", "0%x"]) % len(data)
    return perhaps(random_, ODD_CHUNKS, [f"{size}{extension}\r\n{data}"], 25) + "\r\n"


def chunked_body(random_):
    end = perhaps(random_, ODD_ENDS, ["0\r\n\r\n", "0\r\n\r\n", "0;x\r\nX: y\r\n\r\n", "0\r\nX:\r\n\r\n"], 15)
    return "".join(chunk(random_) for _ in range(random_.randrange(4))) + end


def framed_body(random_):
    """(header lines, body)."""
    kind = random_.randrange(12)
    if kind < 4:
        return [], ""
    if kind < 7:
        body = "".join(random_.choices("abc\r\n GET/", k=random_.randrange(30)))
        return [f"Content-Length: {len(body)}"], body
    if kind < 11:
        return [random_.choice(["Transfer-Encoding: chunked", "transfer-encoding:chunked "])], chunked_body(random_)
    return [random_.choice(ODD_FRAMING)], random_.choice(["abc", "3\r\nabc\r\n0\r\n\r\n", "", chunked_body(random_)])


def request(random_):
    framing, body = framed_body(random_)
    lines = ["Host: h"] if random_.randrange(25) else []
    lines += [f"X-{number}: " + perhaps(random_, ODD_VALUES, VALUES, 30) for number in range(random_.randrange(4))]
    lines += [random_.choice(ODD_LINES)] if random_.randrange(12) == 0 else []
    lines += framing
    lines += [random_.choice(["Connection: close", "Connection: keep-alive", "Expect: 100-continue"])] * (random_.randrange(8) == 0)
    random_.shuffle(lines)
    method, target = random_.choice(METHODS), perhaps(random_, ODD_TARGETS, TARGETS)
    first = f"{method} {target} {perhaps(random_, ODD_VERSIONS, VERSIONS, 25)}"
    end = random_.choice(["\n", "\r"]) if random_.randrange(60) == 0 else "\r\n"
    return (end.join([first, *lines]) + end + "\r\n" + body).encode("latin-1")


def stream(random_):
    parts = [request(random_) for _ in range(random_.choice([1, 1, 2, 3]))]
    made = random_.choice([b"", b"", b"", b"\r\n"]).join(parts)
    while random_.randrange(3) == 0:
        made = mutated(random_, made)
    return made


def mutated(random_, made):
    at = random_.randrange(max(1, len(made)))
    byte = bytes([random_.choice(BYTES)])
    kind = random_.randrange(5)
    if kind == 0:
        return made[:at] + byte + made[at:]
    if kind == 1:
        return made[:at] + byte + made[at + 1 :]
    if kind == 2:
        return made[:at] + made[at + 1 :]
    if kind == 3:
        end = min(len(made), at + random_.randrange(20))
        return made[:end] + made[at:]
    return made[: at + 1]


def node_major_version():
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return int(version.lstrip("v").split(".")[0])


# --- the comparison ---------------------------------------------------------------------------------------------


def disagreement(ours, theirs, forgiven):
    """What is wrong, or None. `forgiven` are reasons of ours beside STRICTER."""
    (our_requests, refusal), (their_requests, failure) = ours, theirs
    common = min(len(our_requests), len(their_requests))
    for number in range(common):
        if our_requests[number] != their_requests[number]:
            return f"request {number} is read differently"
    if len(our_requests) > common and failure not in MORE_LENIENT:
        return f"we accept what Node refuses: {failure}"
    if len(their_requests) > common and refusal not in STRICTER and refusal not in forgiven:
        return f"Node accepts what we refuse: {refusal}"
    return None


def is_answered_once(data, ours):
    """HTTP/1.0 is answered once and the connection closed, also where Node would keep it."""
    requests, refusal = ours
    return refusal is None and len(requests) > 0 and b"HTTP/1.0" in data


def test_generated_requests_are_read_as_node_reads_them(readers):
    ours, theirs = readers
    random_ = random.Random(SEED)
    accepted = agreed = 0
    wrong, reasons = [], set()
    forgiven = STRICTER_THAN_BEFORE_20 if node_major_version() < 20 else set()
    for _ in range(STREAMS):
        data = stream(random_)
        mine, other = ours.read(data), theirs.read(data)
        accepted += len(mine[0])
        agreed += len(mine[0]) == len(other[0])
        reason = disagreement(mine, other, forgiven)
        if reason and not (reason.startswith("Node accepts") and is_answered_once(data, mine)):
            wrong.append((reason, data, mine, other))
        if len(mine[0]) != len(other[0]):
            reasons |= {mine[1], other[1]}
    assert not wrong, f"{len(wrong)} streams, the first of them:\n" + "\n".join(map(str, wrong[:5]))
    # The comparison is worth something only when both accept much.
    assert accepted > STREAMS / 2
    assert agreed > STREAMS / 2
    if SLOWDOWN == 1:
        assert {*STRICTER, *MORE_LENIENT} <= reasons, "a reason of the lists does not happen"
