"""Requests that could be read in two ways, or in none: one table. Each is answered once, with the envelope, and the
connection closed, so that nothing behind it can be taken for a request."""

import pytest

from expectations import assert_error
from http_client import RawConnection, request_bytes

HOST = b"Host: farthing.test\r\n"
POST = b"POST /health HTTP/1.1\r\n" + HOST


def get(target):
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n"


def chunked(body):
    return POST + b"Transfer-Encoding: chunked\r\n\r\n" + body


MALFORMED = {
    "no version": b"GET /health\r\n" + HOST + b"\r\n",
    "no target": b"GET HTTP/1.1\r\n" + HOST + b"\r\n",
    "empty line of spaces": b"   \r\n\r\n",
    "two spaces": b"GET  /health HTTP/1.1\r\n" + HOST + b"\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "tab for a space": b"GET\t/health\tHTTP/1.1\r\n" + HOST + b"\r\n",
    "relative target": b"GET health HTTP/1.1\r\n" + HOST + b"\r\n",
    "control character in the target": b"GET /\x01 HTTP/1.1\r\n" + HOST + b"\r\n",
    "NUL in the target": b"GET /\0 HTTP/1.1\r\n" + HOST + b"\r\n",
    "bad method": b"G(T /health HTTP/1.1\r\n" + HOST + b"\r\n",
    "lower-case version": b"GET /health http/1.1\r\n" + HOST + b"\r\n",
    "bad version": b"GET /health HTTP/1.x\r\n" + HOST + b"\r\n",
    "version of three parts": b"GET /health HTTP/1.1.1\r\n" + HOST + b"\r\n",
    "leading space": b" GET /health HTTP/1.1\r\n" + HOST + b"\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x11" * 100 + b"\r\n\r\n",
    "bare LF": b"GET /health HTTP/1.1\nHost: farthing.test\n\n",
    "bare CR in a value": b"GET /health HTTP/1.1\r\n" + HOST + b"X-A: a\rb\r\n\r\n",
    "NUL in a value": b"GET /health HTTP/1.1\r\n" + HOST + b"X-A: a\0b\r\n\r\n",
    "control character in a value": b"GET /health HTTP/1.1\r\n" + HOST + b"X-A: a\x01b\r\n\r\n",
    "space before the colon": b"GET /health HTTP/1.1\r\n" + HOST + b"X-A : a\r\n\r\n",
    "space in a name": b"GET /health HTTP/1.1\r\n" + HOST + b"X A: a\r\n\r\n",
    "no name": b"GET /health HTTP/1.1\r\n" + HOST + b": a\r\n\r\n",
    "no colon": b"GET /health HTTP/1.1\r\n" + HOST + b"X-A\r\n\r\n",
    "folded line": b"GET /health HTTP/1.1\r\n" + HOST + b"X-A: a\r\n b\r\n\r\n",
    "line folded at once": b"GET /health HTTP/1.1\r\n X-A: a\r\n" + HOST + b"\r\n",
    "no Host": b"GET /health HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /health HTTP/1.1\r\n" + HOST + b"Host: other\r\n\r\n",
    "length and chunks": b"POST /health HTTP/1.1\r\n"
    + HOST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST /health HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "lengths in a list": b"POST /health HTTP/1.1\r\n" + HOST + b"Content-Length: 1, 2\r\n\r\nab",
    "negative length": b"POST /health HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
    "signed length": b"POST /health HTTP/1.1\r\n" + HOST + b"Content-Length: +1\r\n\r\na",
    "hexadecimal length": b"POST /health HTTP/1.1\r\n" + HOST + b"Content-Length: 0x1\r\n\r\na",
    "length with a letter": b"POST /health HTTP/1.1\r\n" + HOST + b"Content-Length: 1a\r\n\r\na",
    "empty length": b"POST /health HTTP/1.1\r\n" + HOST + b"Content-Length:\r\n\r\n",
    "fractional length": b"POST /health HTTP/1.1\r\n" + HOST + b"Content-Length: 1.0\r\n\r\na",
    "empty coding": POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked in two headers": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked before another coding": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "unknown coding and length": POST + b"Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n",
    "chunks of HTTP/1.0": b"POST /health HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "space before the coding's colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "folded coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "two equal lengths": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "two equal lengths in a list": POST + b"Content-Length: 1, 1\r\n\r\na",
    "bare LF after a header": b"GET /health HTTP/1.1\r\n" + HOST + b"X-A: a\nX-B: b\r\n\r\n",
    "bare LF at the end": b"GET /health HTTP/1.1\r\n" + HOST + b"\n",
    "bare CR after a header": b"GET /health HTTP/1.1\r\n" + HOST + b"X-A: a\rX-B: b\r\n\r\n",
    "bare CR at the end": b"GET /health HTTP/1.1\r\n" + HOST + b"\rGET /health HTTP/1.1\r\n\r\n",
    "two Hosts alike": b"GET /health HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "two hosts in one": b"GET /health HTTP/1.1\r\nHost: a,b\r\n\r\n",
    "Host with a space": b"GET /health HTTP/1.1\r\nHost: a b\r\n\r\n",
    "Host with a path": b"GET /health HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "Host with a user": b"GET /health HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "Host with a bad port": b"GET /health HTTP/1.1\r\nHost: a:b\r\n\r\n",
    "Host with a port too high": b"GET /health HTTP/1.1\r\nHost: a:65536\r\n\r\n",
    "Host with an open bracket": b"GET /health HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "absolute target without a host": b"GET http:///health HTTP/1.1\r\n" + HOST + b"\r\n",
    "absolute target with a user": b"GET http://a@b/health HTTP/1.1\r\n" + HOST + b"\r\n",
    "target of another scheme": b"GET ftp://a/health HTTP/1.1\r\n" + HOST + b"\r\n",
    "fragment": b"GET /health#a HTTP/1.1\r\n" + HOST + b"\r\n",
    "raw byte above ASCII in the target": b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n",
    "half an escape": get(b"/v1/customers/%4"),
    "an escape that is none": get(b"/v1/customers/%zz"),
    "a percent sign alone": get(b"/v1/customers/100%"),
    "half an escape in the query": get(b"/health?a=%4"),
    "an escape that is none in the query": get(b"/health?%zz=a"),
    "escaped NUL": get(b"/v1/customers/a%00b"),
    "escaped NUL in the query": get(b"/health?a=%00"),
    "overlong slash": get(b"/v1/customers/%c0%af"),
    "overlong slash of three bytes": get(b"/v1/customers/%e0%80%af"),
    "overlong NUL": get(b"/v1/customers/%c0%80"),
    "overlong slash in the query": get(b"/health?a=%c0%af"),
    "surrogate": get(b"/v1/customers/%ed%a0%80"),
    "above Unicode": get(b"/v1/customers/%f4%90%80%80"),
    "half a character": get(b"/v1/customers/%c3"),
    "a character cut by a slash": get(b"/v1/customers/%c3/%a9"),
    "half a character in the query": get(b"/health?a=%c3&b=%a9"),
    "chunk size with a sign": chunked(b"+3\r\nabc\r\n0\r\n\r\n"),
    "chunk size with a prefix": chunked(b"0x3\r\nabc\r\n0\r\n\r\n"),
    "chunk size with a space": chunked(b"3 \r\nabc\r\n0\r\n\r\n"),
    "empty chunk size": chunked(b"\r\nabc\r\n0\r\n\r\n"),
    "chunk size that wraps around": chunked(b"10000000000000003\r\nabc\r\n0\r\n\r\n"),
    "chunk size ended by LF": chunked(b"3\nabc\r\n0\r\n\r\n"),
    "chunk ended by LF": chunked(b"3\r\nabc\n0\r\n\r\n"),
    "chunk longer than its size": chunked(b"3\r\nabcd\r\n0\r\n\r\n"),
    "chunk shorter than its size": chunked(b"4\r\nabc\r\n0\r\n\r\n"),
    "LF in a chunk extension": chunked(b"3;a\nb\r\nabc\r\n0\r\n\r\n"),
    "folded trailer": chunked(b"0\r\nX: y\r\n z\r\n\r\n"),
    "trailer ended by LF": chunked(b"0\r\nX: y\n\r\n"),
    "space before a trailer's colon": chunked(b"0\r\nX : y\r\n\r\n"),
}
NOT_IMPLEMENTED = {
    coding: POST + b"Transfer-Encoding: " + coding.encode() + b"\r\n\r\n0\r\n\r\n"
    for coding in ["gzip", "gzip, chunked", "identity", "xchunked", "chunked;q=1", '"chunked"', "deflate\r\nTransfer-Encoding: chunked"]
}
VERSIONS = {
    version: f"GET /health {version}\r\n".encode() + HOST + b"\r\n" for version in ["HTTP/2.0", "HTTP/3.0", "HTTP/0.9"]
}
TABLE = [
    *[(name, data, 400, "validation_error") for name, data in MALFORMED.items()],
    *[(name, data, 501, "not_implemented") for name, data in NOT_IMPLEMENTED.items()],
    *[(name, data, 505, "not_implemented") for name, data in VERSIONS.items()],
]


@pytest.fixture
def raw(shared):
    with RawConnection(shared.address) as connection:
        yield connection


@pytest.mark.parametrize("data,status,code", [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_it_is_refused_and_the_connection_closed(raw, data, status, code):
    raw.send_tolerant(data + request_bytes("GET", "/health"))
    assert_error(raw.read_reply(), status, code)
    raw.assert_closed()


@pytest.mark.parametrize("data,status,code", [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_it_is_refused_behind_a_good_one_and_byte_by_byte(raw, data, status, code):
    """How it arrives changes nothing, and what came before it is answered."""
    raw.send(request_bytes("GET", "/health"))
    for byte in data:
        raw.send_tolerant(bytes([byte]))
    raw.send_tolerant(request_bytes("GET", "/health"))
    assert raw.read_reply().status == 200
    assert_error(raw.read_reply(), status, code)
    raw.assert_closed()
