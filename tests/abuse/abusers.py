"""Rude clients. Each is a function of (abuse) that does one rude thing once; what the server answers is its own business,
as long as it lives."""

import contextlib
import socket
import struct
import time

from http_client import RawConnection, request_bytes
from test_http_against_node import mutated, stream

DRIP_SECONDS = 0.02


class Abuse:
    """What an abuser knows: whom to abuse, with what key, and its own random choices."""

    def __init__(self, address, key, random_, has_ended):
        self.address = address
        self.key = key
        self.random = random_
        self.has_ended = has_ended

    def connect(self):
        return RawConnection(self.address)

    def post(self, *headers, key=...):
        return request_bytes("POST", "/v1/customers", self.key if key is ... else key, headers=headers)


def send_what_fits(connection, data, limit_seconds=0.2):
    connection.socket.settimeout(limit_seconds)
    with contextlib.suppress(OSError):
        connection.socket.sendall(data)


def read_what_comes(connection, limit_seconds=0.05):
    connection.socket.settimeout(limit_seconds)
    with contextlib.suppress(OSError):
        while connection.socket.recv(1 << 16):
            pass


def drip(abuse, connection, data):
    for byte in data:
        if abuse.has_ended.is_set():
            return
        connection.socket.sendall(bytes([byte]))
        time.sleep(DRIP_SECONDS)


def slow_head(abuse):
    with abuse.connect() as connection:
        drip(abuse, connection, request_bytes("GET", "/health", headers=[("X-Slow", "x" * 300)]))


def slow_body(abuse):
    with abuse.connect() as connection:
        head = abuse.post(("Transfer-Encoding", "chunked"))
        connection.send(head)
        drip(abuse, connection, b"1\r\na\r\n" * 50)


def slow_crowd(abuse):
    crowd = [abuse.connect() for _ in range(100)]
    for byte in b"GET /health HT":
        for connection in crowd:
            connection.send_tolerant(bytes([byte]))
    for connection in crowd:
        connection.close()


def flood(abuse):
    for _ in range(200):
        connection = abuse.connect()
        if abuse.random.randrange(2):
            connection.send_tolerant(b"GET / HTTP/1.1\r\n"[: abuse.random.randrange(17)])
        connection.close()


def huge_head(abuse):
    with abuse.connect() as connection:
        size = abuse.random.choice([10_000, 16_384, 32_000, 33_000, 300_000])
        send_what_fits(connection, b"GET /health HTTP/1.1\r\nHost: h\r\nX-A: " + b"x" * size)
        read_what_comes(connection)


def many_headers(abuse):
    with abuse.connect() as connection:
        headers = [(f"X-{number}", "y") for number in range(abuse.random.choice([50, 99, 100, 3000]))]
        send_what_fits(connection, request_bytes("GET", "/health", headers=headers) * 5)
        read_what_comes(connection)


def endless_chunks(abuse):
    with abuse.connect() as connection:
        size = abuse.random.choice([1, 100, 16_384, 1_000_000])
        chunk = b"%x\r\n%s\r\n" % (size, b"x" * size)
        send_what_fits(connection, abuse.post(("Transfer-Encoding", "chunked")) + chunk * (12_000_000 // (size * 8) + 1), 1)
        read_what_comes(connection)


def endless_extension(abuse):
    with abuse.connect() as connection:
        unit = abuse.random.choice([b"x", b";a", b';a="b"'])
        send_what_fits(connection, abuse.post(("Transfer-Encoding", "chunked")) + b"1;a" + unit * 100_000)
        read_what_comes(connection)


def half_a_body(abuse):
    with abuse.connect() as connection:
        length = abuse.random.choice([10, 20_000, 1_000_000, 10_000_000])
        expect = [("Expect", "100-continue")] * abuse.random.randrange(2)
        head = abuse.post(("Content-Length", str(length)), *expect, key=abuse.random.choice([abuse.key, None]))
        send_what_fits(connection, head + b"x" * (length // 2))
        read_what_comes(connection)


def large_body(abuse):
    with abuse.connect() as connection:
        body = b'{"external_id":"large","name":"A","metadata":{' + b'"a":' * abuse.random.randrange(3) + b" " * 9_000_000
        send_what_fits(connection, abuse.post(("Content-Length", str(len(body)))) + body, 5)
        read_what_comes(connection, 1)


def behind_a_large_body(abuse):
    """In the buffer of one body lies the next, of a request that may have none so large."""
    with abuse.connect() as connection:
        chunked = ("Transfer-Encoding", "chunked")
        length = abuse.random.choice([20_000, 40_000, 3_000_000])
        send_what_fits(connection, abuse.post(chunked) + b"%x\r\n" % length + b" " * length)
        path = abuse.random.choice([("OPTIONS", "*"), ("GET", "/health"), ("POST", "/v1/customers")])
        next_one = request_bytes(*path, abuse.key, headers=[chunked]) + b"fffff\r\n" + b"x" * abuse.random.choice([100, 30_000])
        send_what_fits(connection, b"\r\n0\r\n\r\n" + next_one)
        read_what_comes(connection)
        send_what_fits(connection, b"x" * 1000)
        read_what_comes(connection)


def stops_reading(abuse):
    with abuse.connect() as connection:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        get = request_bytes("GET", "/v1/customers/external/large", abuse.key)
        send_what_fits(connection, get * 300)
        time.sleep(abuse.random.random() * 2)
        if abuse.random.randrange(2):
            read_what_comes(connection)


def pipelines(abuse):
    with abuse.connect() as connection:
        some = [
            request_bytes("GET", "/health"),
            request_bytes("HEAD", "/v1/customers/external/large", abuse.key),
            request_bytes("OPTIONS", "*"),
            request_bytes("GET", "/nowhere%20"),
            abuse.post(("Transfer-Encoding", "chunked")) + b"2\r\n{}\r\n0\r\n\r\n",
            request_bytes("POST", "/v1/customers", abuse.key, {"external_id": "large", "name": "again"}),
        ]
        send_what_fits(connection, b"".join(abuse.random.choices(some, k=2000)))
        if abuse.random.randrange(2):
            read_what_comes(connection, 0.5)


def garbage(abuse):
    for _ in range(20):
        with abuse.connect() as connection:
            data = stream(abuse.random)
            for _ in range(abuse.random.randrange(4)):
                data = mutated(abuse.random, data) or b"\r\n"
            cut = abuse.random.randrange(len(data) + 1)
            send_what_fits(connection, data[:cut])
            send_what_fits(connection, data[cut:])
            read_what_comes(connection)


def noise(abuse):
    with abuse.connect() as connection:
        send_what_fits(connection, abuse.random.randbytes(abuse.random.randrange(1, 60_000)))
        read_what_comes(connection)


def reset(abuse):
    """Leaves with a reset, perhaps in the middle of something."""
    for _ in range(20):
        connection = abuse.connect()
        send_what_fits(connection, request_bytes("GET", "/v1/customers/external/large", abuse.key)[: abuse.random.randrange(150)])
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def half_close(abuse):
    with abuse.connect() as connection:
        send_what_fits(connection, request_bytes("GET", "/health") * 3 + b"GET /"[: abuse.random.randrange(6)])
        with contextlib.suppress(OSError):
            connection.socket.shutdown(socket.SHUT_WR)
        read_what_comes(connection, 1)


ABUSERS = [
    slow_head, slow_body, slow_crowd, flood, huge_head, many_headers, endless_chunks, endless_extension, half_a_body,
    large_body, behind_a_large_body, stops_reading, pipelines, garbage, noise, reset, half_close,
]  # fmt: skip
