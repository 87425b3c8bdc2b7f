"""Bodies: chunked ones, and large ones, which are not taken from just anybody."""

import socket
import time

import pytest

from expectations import assert_error
from http_client import RawConnection, request_bytes

BODY_BYTES_MAX = 10 * 1024 * 1024
CHUNKED = ("Transfer-Encoding", "chunked")


@pytest.fixture
def raw(shared):
    with RawConnection(shared.address) as connection:
        yield connection


def padded_body(external_id, length):
    body = b'{"external_id":"%s","name":"Acme"}' % external_id.encode()
    return body + b" " * (length - len(body))


def chunks(body, size):
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def post_head(shared, *headers, key=...):
    return request_bytes("POST", "/v1/customers", shared.key if key is ... else key, headers=headers)


# --- chunked ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 30, 100])
def test_a_chunked_body_is_read(shared, raw, api, new_external_id, size):
    external_id = new_external_id()
    request = post_head(shared, CHUNKED) + chunks(padded_body(external_id, 100), size)
    created = raw.exchange(request)
    assert created.status == 201
    assert created.json()["external_id"] == external_id
    assert raw.exchange(request).status == 409
    assert raw.exchange(request_bytes("GET", "/health")).status == 200


def test_chunked_requests_in_a_pipeline(shared, raw, new_external_id):
    """Each body ends where it says, with extensions and trailers as without."""
    external_ids = [new_external_id() for _ in range(30)]
    stream = b""
    for number, external_id in enumerate(external_ids):
        body = padded_body(external_id, 60 + number)
        if number % 3 == 0:
            stream += request_bytes("POST", "/v1/customers", shared.key, body)
        elif number % 3 == 1:
            stream += post_head(shared, CHUNKED) + chunks(body, 9)
        else:
            stream += post_head(shared, CHUNKED) + b'%x;a="b;c";d\r\n%s\r\n0\r\nX-Sum: 1\r\n\r\n' % (len(body), body)
    raw.send(stream)
    assert [raw.read_reply().json()["external_id"] for _ in external_ids] == external_ids


def test_a_chunked_request_byte_by_byte(shared, raw, new_external_id):
    external_id = new_external_id()
    body = padded_body(external_id, 50)
    stream = post_head(shared, CHUNKED) + b"%x;q\r\n%s\r\n0\r\nX: y\r\n\r\n" % (len(body), body)
    for byte in stream + request_bytes("GET", f"/v1/customers/external/{external_id}", shared.key):
        raw.send(bytes([byte]))
    assert raw.read_reply().status == 201
    assert raw.read_reply().status == 200


@pytest.mark.parametrize("size", [1000, 1 << 16, BODY_BYTES_MAX])
def test_the_largest_chunked_body_is_read(shared, raw, new_external_id, size):
    raw.send(post_head(shared, CHUNKED) + chunks(padded_body(new_external_id(), BODY_BYTES_MAX), size))
    assert raw.read_reply().status == 201
    assert raw.exchange(request_bytes("GET", "/health")).status == 200


def test_a_larger_chunked_body_is_refused_at_the_size_that_makes_it_so(shared, raw):
    raw.send(post_head(shared, CHUNKED) + b"64\r\n" + b"x" * 100 + b"\r\n%x\r\n" % (BODY_BYTES_MAX - 99))
    assert_error(raw.read_reply(), 413, "validation_error")
    raw.assert_closed()


def test_a_never_ending_chunked_body_is_refused(shared, raw):
    raw.send(post_head(shared, CHUNKED))
    chunk = b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"
    raw.send_tolerant(chunk * (BODY_BYTES_MAX // 0xFFFF + 1))
    assert_error(raw.read_reply(), 413, "validation_error")


def test_a_never_ending_chunk_extension_is_refused(shared, raw):
    raw.send_tolerant(post_head(shared, CHUNKED) + b"1;" + b"x" * 200_000)
    assert_error(raw.read_reply(), 400, "validation_error")
    raw.assert_closed()


def test_a_never_ending_trailer_is_refused(shared, raw):
    raw.send_tolerant(post_head(shared, CHUNKED) + b"0\r\n" + b"X: y\r\n" * 40_000)
    assert_error(raw.read_reply(), 431, "validation_error")
    raw.assert_closed()


def test_a_chunked_body_that_its_sender_abandoned_is_not_carried_out(shared, new_external_id):
    external_id = new_external_id()
    whole = post_head(shared, CHUNKED) + chunks(padded_body(external_id, 100), 100)
    for length in (len(whole) - 1, len(whole) - 2, len(whole) - 5, len(whole) - 50):
        with RawConnection(shared.address) as connection:
            connection.send(whole[:length])
    time.sleep(0.1)
    with shared.client() as client:
        assert client.get(f"/v1/customers/external/{external_id}").status == 404


def test_a_chunked_body_and_a_proxy_that_waits(shared, raw, new_external_id):
    assert raw.exchange(post_head(shared, CHUNKED, ("Expect", "100-continue"))).status == 100
    assert raw.exchange(chunks(padded_body(new_external_id(), 100), 40)).status == 201


# --- who may send much -----------------------------------------------------------------------------------------

LARGE = ("Content-Length", "1000000")
EXPECT = ("Expect", "100-continue")
UNKNOWN = "sk_00000000000000000000000000"


@pytest.mark.parametrize("headers", [[LARGE], [LARGE, EXPECT], [("Content-Length", "3"), EXPECT], [CHUNKED]])
@pytest.mark.parametrize("key", [None, UNKNOWN])
def test_a_body_is_not_taken_from_a_stranger(shared, raw, headers, key):
    """The answer is there before a byte of the body is sent, and `100 Continue` is never said."""
    assert_error(raw.exchange(post_head(shared, *headers, key=key)), 401, "permission_denied")
    raw.assert_closed()


@pytest.mark.parametrize("headers", [[LARGE], [LARGE, EXPECT], [CHUNKED]])
def test_a_body_is_not_taken_for_what_does_not_exist(shared, raw, headers):
    assert_error(raw.exchange(request_bytes("POST", "/nowhere", shared.key, headers=headers)), 404, "not_found")
    raw.assert_closed()


def test_a_stranger_that_sends_it_all_the_same_gets_the_answer(shared, raw):
    raw.send_tolerant(post_head(shared, LARGE, key=None) + b"x" * 1_000_000)
    assert_error(raw.read_reply(), 401, "permission_denied")
    raw.assert_closed()


def test_what_follows_an_untaken_body_is_no_request(shared, raw):
    """The body of a refused request looks like a request: it must not be answered."""
    raw.send(post_head(shared, LARGE, EXPECT, key=None))
    assert raw.read_reply().status == 401
    raw.send_tolerant(request_bytes("GET", "/health") * 3)
    raw.assert_closed()


def test_expect_without_a_body_to_wait_for(shared, raw, new_external_id):
    body = padded_body(new_external_id(), 100)
    request = post_head(shared, ("Content-Length", "100"), EXPECT) + body
    assert raw.exchange(request).status == 201
    raw.socket.shutdown(socket.SHUT_WR)
    raw.assert_closed()


@pytest.mark.parametrize("method,path", [("GET", "/health"), ("OPTIONS", "/v1/customers"), ("GET", "/v1/customers/x")])
@pytest.mark.parametrize(
    "headers,sent", [([LARGE], b"x" * 30_000), ([CHUNKED], chunks(b"x" * 100_000, 1000))], ids=["length", "chunks"]
)
def test_nobody_may_send_much_that_is_not_read(shared, raw, method, path, headers, sent):
    """Which needs no key for some of them."""
    raw.send_tolerant(request_bytes(method, path, shared.key, headers=headers) + sent)
    assert_error(raw.read_reply(), 413, "validation_error")
    raw.assert_closed()


@pytest.mark.parametrize("method,path", [("GET", "/health"), ("OPTIONS", "/v1/customers"), ("GET", "/openapi.json")])
def test_a_little_that_is_not_read_is_forgiven(shared, raw, method, path):
    for headers, sent in [([("Content-Length", "10000")], b"x" * 10_000), ([CHUNKED], chunks(b"x" * 10_000, 1000))]:
        raw.send(request_bytes(method, path, headers=headers))
        time.sleep(0.05)
        assert raw.exchange(sent).status == 200
