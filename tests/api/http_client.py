"""Two HTTP clients: a thin one that keeps its connection, and a raw one that sends whatever bytes a test wants."""

import http.client
import json
import socket
import time

from farthing_server import seconds

REPLY_SECONDS_MAX = 20


class Reply:
    """What came back. Header names are compared without case; `headers` keeps repeated ones as a list."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = [(name.lower(), value) for name, value in headers]
        self.body = body

    def header(self, name):
        """The value of a header that must not be repeated, or None."""
        values = [value for key, value in self.headers if key == name.lower()]
        assert len(values) <= 1, f"{name} is repeated: {values}"
        return values[0] if values else None

    def json(self):
        assert self.header("Content-Type") == "application/json; charset=utf-8", self
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:2000]!r}>"


class Client:
    """One keep-alive connection. `key` is sent as x-api-key unless a call says otherwise."""

    def __init__(self, address, key=None):
        self.key = key
        self.connection = http.client.HTTPConnection(*address, timeout=seconds(REPLY_SECONDS_MAX))

    def request(self, method, path, body=None, headers=(), key=...):
        fields = dict(headers)
        key = self.key if key is ... else key
        if key is not None:
            fields.setdefault("x-api-key", key)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body, ensure_ascii=False).encode()
        if body is not None:
            fields.setdefault("Content-Type", "application/json")
        self.connection.request(method, path, body=body, headers=fields)
        response = self.connection.getresponse()
        return Reply(response.status, response.getheaders(), response.read())

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body, **options):
        return self.request("POST", path, body=body, **options)

    def create(self, body, **options):
        """Creates a customer that must be accepted, and returns it."""
        reply = self.post("/v1/customers", body, **options)
        assert reply.status == 201, reply
        return reply.json()

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def request_bytes(method, path, key=None, body=None, headers=()):
    """A well-formed request as bytes, for sending raw."""
    lines = [f"{method} {path} HTTP/1.1", "Host: farthing.test"]
    if key is not None:
        lines.append(f"x-api-key: {key}")
    if body is not None:
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


class RawConnection:
    """A TCP connection on which a test writes bytes and reads replies one by one."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=seconds(REPLY_SECONDS_MAX))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def send(self, data):
        self.socket.sendall(data)

    def send_tolerant(self, data):
        """Sends to a server that may refuse and close before it has read all."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _fill(self):
        more = self.socket.recv(1 << 16)
        if not more:
            raise EOFError(f"connection closed after {self.received[:500]!r}")
        self.received += more

    def _take_until(self, end):
        while end not in self.received:
            self._fill()
        part, self.received = self.received.split(end, 1)
        return part

    def read_reply(self, method="GET"):
        """The next reply, interim ones (100) included. Only replies framed by Content-Length are understood."""
        head = self._take_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, _ = (head[0] + " ").split(" ", 2)
        assert version == "HTTP/1.1", head
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in head[1:]]
        reply = Reply(int(status), headers, b"")
        assert reply.header("Transfer-Encoding") is None, head
        if reply.status < 200 or reply.status == 204 or method == "HEAD":
            return reply
        length = int(reply.header("Content-Length"))
        while len(self.received) < length:
            self._fill()
        reply.body, self.received = self.received[:length], self.received[length:]
        return reply

    def exchange(self, data, method="GET"):
        self.send(data)
        return self.read_reply(method)

    def assert_closed(self, limit_seconds=5):
        """The server closes the connection within the limit, and sends nothing more."""
        assert self.received == b"", self.received
        self.socket.settimeout(seconds(limit_seconds))
        try:
            more = self.socket.recv(1 << 16)
        except ConnectionResetError:
            more = b""
        assert more == b"", more

    def assert_silent(self, duration_seconds):
        """The server neither sends nor closes for this long."""
        assert self.received == b"", self.received
        self.socket.settimeout(duration_seconds)
        try:
            more = self.socket.recv(1 << 16)
        except socket.timeout:
            more = None
        assert more is None, more
        self.socket.settimeout(seconds(REPLY_SECONDS_MAX))

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def elapsed_seconds(action):
    start = time.monotonic()
    action()
    return time.monotonic() - start
