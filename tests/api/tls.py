"""Certificates for tests, and clients that speak TLS."""

import socket
import ssl
import subprocess

from farthing_server import seconds
from http_client import REPLY_SECONDS_MAX, RawConnection

RSA = ("rsa:2048",)
ELLIPTIC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")


def openssl(*arguments, data=b"", check=True):
    """Runs the openssl command; returns what it printed on both outputs."""
    process = subprocess.run(
        ["openssl", *map(str, arguments)],
        input=data,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=seconds(REPLY_SECONDS_MAX),
    )
    output = process.stdout.decode(errors="replace")
    assert not check or process.returncode == 0, output
    return output


class Certificate:
    """A self-signed certificate for localhost with its key, in two PEM files."""

    def __init__(self, directory, name="server", key=ELLIPTIC, days=30):
        directory.mkdir(exist_ok=True)
        self.certificate, self.key = directory / f"{name}.crt", directory / f"{name}.key"
        request = directory / f"{name}.csr"
        openssl("req", "-new", "-newkey", *key, "-nodes", "-keyout", self.key, "-out", request, "-subj", f"/CN={name}")
        extensions = directory / f"{name}.ext"
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\n")
        openssl(
            *("x509", "-req", "-in", request, "-signkey", self.key, "-days", days),
            *("-extfile", extensions, "-out", self.certificate),
        )
        self.key.chmod(0o600)

    @property
    def flags(self):
        return ("--tls-cert", self.certificate, "--tls-key", self.key)

    def replace_by(self, other):
        """The files of this certificate become those of another one."""
        self.certificate.write_bytes(other.certificate.read_bytes())
        self.key.write_bytes(other.key.read_bytes())

    def context(self):
        """That of a client that trusts this certificate alone."""
        return ssl.create_default_context(cafile=str(self.certificate))


class TlsConnection(RawConnection):
    """A RawConnection inside TLS."""

    def __init__(self, address, context, session=None, plain=None):
        plain = plain or socket.create_connection(address, timeout=seconds(REPLY_SECONDS_MAX))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(plain, server_hostname="localhost", session=session)
        self.received = b""

    def subject(self):
        return dict(part[0] for part in self.socket.getpeercert()["subject"])["commonName"]
