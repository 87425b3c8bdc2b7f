"""An HTTP client for the admin socket, which only the data directory's user can open."""

import http.client
import socket

from http_client import Client, REPLY_SECONDS_MAX
from farthing_server import seconds


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=seconds(REPLY_SECONDS_MAX))
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class AdminClient(Client):
    """What a command of the operator says to a running server."""

    def __init__(self, directory):
        self.key = None
        self.connection = UnixConnection(directory / "admin.sock")
