"""Tokens and the file of secrets, read without the product's help."""

import base64
import hashlib
import hmac
import json


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims_of(token, key):
    """What a token says that this key (bytes) has signed with HS256."""
    header, claims, signature = token.split(".")
    assert json.loads(decode(header)) == {"alg": "HS256", "typ": "JWT"}
    expected = hmac.new(key, f"{header}.{claims}".encode(), hashlib.sha256).digest()
    assert hmac.compare_digest(decode(signature), expected), "another key has signed it"
    return json.loads(decode(claims))


def id_of(purpose, key):
    return hmac.new(key, f"farthing id of a {purpose} key".encode(), hashlib.sha256).hexdigest()[:16]


class Secret:
    """A line of the file."""

    def __init__(self, line):
        self.purpose, self.id, self.made, self.until, digits = line.split(" ")
        self.key = bytes.fromhex(digits)
        assert len(self.key) == 32 and self.id == id_of(self.purpose, self.key)


def secrets_in(directory, purpose=None):
    """The keys of a data directory's file, in their order."""
    lines = (directory / "secrets").read_text().splitlines()
    secrets = [Secret(line) for line in lines if line and not line.startswith("#")]
    return [secret for secret in secrets if purpose in (None, secret.purpose)]


def signing_key(directory):
    return secrets_in(directory, "signing")[0].key
