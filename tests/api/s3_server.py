"""A service that speaks as much of Amazon's S3 as tests need, and fails as they want.

It checks each request's signature (AWS Signature Version 4) by itself, from what arrived, and never takes one whose body
is not part of it. Objects are in memory. Pages of lists are short.
"""

import hashlib
import hmac
import re
import ssl
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

ACCESS_KEY_ID = "AKIAFARTHINGTEST"
SECRET_ACCESS_KEY = "a/secret+that:has&odd=characters"
REGION = "eu-test-1"
BUCKET = "copies"
PAGE_KEYS = 3
ALGORITHM = "AWS4-HMAC-SHA256"
CLOCKS_APART_MAX = timedelta(minutes=15)
XML = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
NAMESPACE = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""


class Refused(Exception):
    def __init__(self, status, code, message="The service said so."):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


# ---- the signature ----


def encoded(text):
    return quote(text, safe="-_.~")


def pairs_of(query):
    pairs = [part.partition("=") for part in query.split("&")] if query else []
    return [(unquote(name), unquote(value)) for name, _, value in pairs]


def canonical_request(method, path, query, headers, signed, payload_hash):
    canonical_query = "&".join(f"{encoded(name)}={encoded(value)}" for name, value in sorted(pairs_of(query)))
    canonical_headers = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in signed)
    canonical_path = quote(unquote(path), safe="/-_.~")
    return "\n".join((method, canonical_path, canonical_query, canonical_headers, ";".join(signed), payload_hash))


def signature_of(request, date, scope):
    key = b"AWS4" + SECRET_ACCESS_KEY.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    to_sign = "\n".join((ALGORITHM, date, scope, hashlib.sha256(request.encode()).hexdigest()))
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


def check_signature(method, target, headers):
    """Refuses a request that was not signed as it is by who has the key. `headers` have lower-case names."""
    words = re.fullmatch(
        ALGORITHM + r" Credential=([^/, ]+)/([^, ]+), ?SignedHeaders=([^, ]+), ?Signature=([0-9a-f]{64})",
        headers.get("authorization", ""),
    )
    if not words:
        raise Refused(403, "AccessDenied", "Access Denied")
    access_key_id, scope, signed, signature = words.groups()
    date = headers.get("x-amz-date", "")
    if access_key_id != ACCESS_KEY_ID:
        raise Refused(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
    if scope.split("/")[1] != REGION:
        raise Refused(
            400, "AuthorizationHeaderMalformed", f"The authorization header is malformed; expecting '{REGION}'"
        )
    assert scope == f"{date[:8]}/{REGION}/s3/aws4_request"
    signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    if abs(datetime.now(timezone.utc) - signed_at) > CLOCKS_APART_MAX:
        raise Refused(403, "RequestTimeTooSkewed", "The difference between the times is too large.")
    names = signed.split(";")
    assert names == sorted(names) and {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names)
    path, _, query = target.partition("?")
    request = canonical_request(method, path, query, headers, names, headers["x-amz-content-sha256"])
    if not hmac.compare_digest(signature_of(request, date, scope), signature):
        raise Refused(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")


# ---- requests ----


def etag_of(body):
    return '"' + hashlib.md5(body, usedforsecurity=False).hexdigest() + '"'


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", **headers):
        body = body if isinstance(body, bytes) else (XML + body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def reply_error(self, refused):
        self.reply(
            refused.status,
            f"<Error><Code>{refused.code}</Code><Message>{escape(refused.message)}</Message></Error>",
            **{"Content-Type": "application/xml"},
        )

    def take_body(self, parts=1):
        """All of it, or one of so many equal parts."""
        self.is_taken = True
        return self.rfile.read(int(self.headers.get("Content-Length", "0")) // parts)

    def skip_body(self):
        """A client that waits to be asked for its body is told by the answer that it is not wanted."""
        if self.is_taken:
            return
        if "Expect" in self.headers:
            self.close_connection = True
        else:
            self.take_body()

    def read_body(self):
        body = self.take_body()
        if hashlib.sha256(body).hexdigest() != self.headers["x-amz-content-sha256"]:
            raise Refused(400, "XAmzContentSHA256Mismatch", "The provided hash does not match what was computed.")
        return body

    def handle_expect_100(self):
        return True  # a client is asked for its body when the request is known to be right

    def ask_for_body(self):
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()

    def serve(self):
        service = self.server.service
        target, self.is_taken = self.path, False
        service.note(self.command, target, self.client_address)
        fault = service.take_fault(self.command, target)
        try:
            if fault:
                fault(self)
                return
            check_signature(self.command, target, {name.lower(): value for name, value in self.headers.items()})
            self.ask_for_body()
            self.answer(service, target, self.read_body())
        except Refused as refused:
            self.skip_body()
            self.reply_error(refused)

    def answer(self, service, target, body):
        path, _, query = target.partition("?")
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        query = dict(pairs_of(query))
        if bucket != BUCKET:
            raise Refused(404, "NoSuchBucket", "The specified bucket does not exist")
        if not key:
            self.list_objects(service, query)
        elif "uploads" in query or "uploadId" in query:
            self.multipart(service, key, query, body)
        else:
            getattr(self, f"object_{self.command.lower()}")(service, key, body)

    def object_put(self, service, key, body):
        service.objects[key] = body
        self.reply(200, ETag=etag_of(body))

    def object_get(self, service, key, _):
        if key not in service.objects:
            raise Refused(404, "NoSuchKey", "The specified key does not exist.")
        self.reply(200, service.objects[key], ETag=etag_of(service.objects[key]))

    def object_delete(self, service, key, _):
        service.objects.pop(key, None)
        self.reply(204)

    def list_objects(self, service, query):
        assert self.command == "GET" and query["list-type"] == "2"
        # The token is what was given last, so that objects that go or come meanwhile change nothing else; it has
        # characters that must be encoded.
        after = query.get("continuation-token", "= + &")[5:]
        keys = sorted(key for key in service.objects if key.startswith(query["prefix"]) and key > after)
        page, rest = keys[:PAGE_KEYS], keys[PAGE_KEYS:]
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(service.objects[key])}</Size>"
            f"<Owner><ID>1</ID></Owner></Contents>" for key in page
        )
        token = f"<NextContinuationToken>{escape('= + &' + page[-1])}</NextContinuationToken>" if rest else ""
        self.reply(
            200,
            f"<ListBucketResult {NAMESPACE}><Name>{BUCKET}</Name><Prefix>{escape(query['prefix'])}</Prefix>"
            f"<IsTruncated>{'true' if rest else 'false'}</IsTruncated>{token}{contents}</ListBucketResult>",
        )

    def multipart(self, service, key, query, body):
        if self.command == "POST" and "uploads" in query:
            upload_id = f"upload/{len(service.upload_ids)}+="
            service.upload_ids.append(upload_id)
            service.uploads[upload_id] = (key, {})
            self.reply(
                200,
                f"<InitiateMultipartUploadResult {NAMESPACE}><Bucket>{BUCKET}</Bucket><Key>{key}</Key>"
                f"<UploadId>{upload_id}</UploadId></InitiateMultipartUploadResult>",
            )
            return
        if service.uploads.get(query["uploadId"], ("", {}))[0] != key:
            raise Refused(404, "NoSuchUpload", "The specified upload does not exist.")
        if self.command == "PUT":
            service.uploads[query["uploadId"]][1][int(query["partNumber"])] = body
            self.reply(200, ETag=etag_of(body))
        elif self.command == "DELETE":
            del service.uploads[query["uploadId"]]
            self.reply(204)
        else:
            self.complete(service, key, query["uploadId"], body.decode())

    def complete(self, service, key, upload_id, body):
        parts = service.uploads[upload_id][1]
        named = re.findall(r"<Part><PartNumber>(\d+)</PartNumber><ETag>([^<]+)</ETag></Part>", body)
        if [(str(number), etag_of(part)) for number, part in sorted(parts.items())] != named:
            raise Refused(400, "InvalidPart", "One or more of the specified parts could not be found.")
        service.objects[key] = b"".join(part for _, part in sorted(parts.items()))
        del service.uploads[upload_id]
        self.reply(
            200,
            f"<CompleteMultipartUploadResult {NAMESPACE}><Key>{key}</Key><ETag>\"{len(named)}\"</ETag>"
            "</CompleteMultipartUploadResult>",
        )

    do_GET = do_PUT = do_POST = do_DELETE = serve


# ---- faults ----


def refuse(status, code, message="The service said so."):
    """A fault: the error as S3 tells it."""
    def fault(handler):
        raise Refused(status, code, message)
    return fault


def say(status, body, **headers):
    """A fault: these bytes instead of an answer."""
    def fault(handler):
        handler.ask_for_body()
        handler.take_body()
        handler.reply(status, body, **headers)
    return fault


def cut_reply(handler):
    """A fault: the answer says that it is longer than what comes of it."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"x" * 400)
    handler.close_connection = True


def cut_request(handler):
    """A fault: the connection ends in the middle of what the client sends."""
    handler.ask_for_body()
    handler.take_body(parts=2)
    handler.close_connection = True


def stall(handler):
    """A fault: nothing is read or said any more until the service ends."""
    handler.server.service.stalled.set()
    handler.server.service.ending.wait()
    handler.close_connection = True


class S3Server:
    """The service on a port of its own; with a certificate (tls.Certificate) inside TLS."""

    def __init__(self, certificate=None):
        self.objects, self.uploads, self.upload_ids = {}, {}, []
        self.requests = []  # (method, target, the client's address)
        self.faults = []
        self.lock = threading.Lock()
        self.stalled, self.ending = threading.Event(), threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.service = self
        self.endpoint = f"http://127.0.0.1:{self.http.server_port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.certificate, certificate.key)
            # The handshake is the handler's thread's: a client that refuses ends its own connection alone.
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
            self.http.handle_error = lambda *_: None
            self.endpoint = f"https://localhost:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def note(self, *request):
        with self.lock:
            self.requests.append(request)

    def fail_next(self, method, fault, word=""):
        """The next request of the method whose target has the word meets the fault; several wait in order."""
        with self.lock:
            self.faults.append((method, word, fault))

    def take_fault(self, method, target):
        with self.lock:
            for index, (wanted, word, fault) in enumerate(self.faults):
                if wanted == method and word in target:
                    del self.faults[index]
                    return fault
        return None

    def options(self, prefix="", **changes):
        """The arguments of farthing-destination."""
        options = {
            "endpoint": self.endpoint, "region": REGION, "id": ACCESS_KEY_ID, "secret": SECRET_ACCESS_KEY, **changes
        }
        return [f"s3://{BUCKET}{prefix}", *(f"{name}={value}" for name, value in options.items())]

    def stop(self):
        self.ending.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()
