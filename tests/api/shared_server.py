"""A running server with a first tenant, for tests that do not care how it came to be."""

import farthing_server
from farthing_server import Server
from http_client import Client


class Shared:
    """A running server with the credentials of its first tenant."""

    def __init__(self, directory, *arguments, **variables):
        self.directory = directory
        self.credentials = farthing_server.init(directory)
        self.server = Server(directory, *arguments, **variables)

    @property
    def address(self):
        return self.server.address

    @property
    def key(self):
        return self.credentials.api_key

    def client(self, key=...):
        return Client(self.address, self.key if key is ... else key)
