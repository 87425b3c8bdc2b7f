"""A way to PostgreSQL that can be made to fail: it goes silent, refuses, cuts, or loses an answer."""

import contextlib
import socket
import threading

TO_SERVER, TO_CLIENT = "to the server", "to the client"
# How PostgreSQL says that a transaction is committed: the tag of CommandComplete.
COMMITTED = b"COMMIT\0"


class Proxy:
    """Listens on a port of its own and forwards to another; what was forwarded is never changed."""

    def __init__(self, target_port):
        self.target_port = target_port
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.may_flow = threading.Event()
        self.may_flow.set()
        self.refuses = False
        self.keeps_waiting = False
        self.waiting = []  # connections that were made and lead nowhere
        self.rule = self.next_rule = forward_all
        self.lock = threading.Lock()
        self.sockets = set()
        self.is_closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    # ---- what a test does to it ----

    def go_silent(self):
        """Nothing comes through and nothing is said about it; connections can still be made, and are as silent."""
        self.may_flow.clear()

    def flow_again(self):
        self.may_flow.set()

    def cut(self):
        """Ends every connection with a reset."""
        with self.lock:
            sockets, self.sockets = self.sockets, set()
        for one in sockets:
            reset(one)

    def refuse(self):
        """Nobody gets through any more, until `admit`."""
        self.refuses = True
        self.cut()

    def admit(self):
        self.refuses = False

    @contextlib.contextmanager
    def keeping_newcomers(self):
        """Who is connected stays so; connections can be made, and nobody says anything on them, which ends in a cut."""
        self.keeps_waiting = True
        try:
            yield self.waiting
        finally:
            self.keeps_waiting = False
            while self.waiting:
                reset(self.waiting.pop())

    def cut_by(self, rule, every_time=False):
        """`rule` (direction, data) says how much of the data to forward before everything is cut, or None for no cut. After
        a cut everything flows again, unless it is to be cut `every_time`."""
        self.rule, self.next_rule = rule, rule if every_time else forward_all

    def close(self):
        self.is_closed = True
        self.may_flow.set()
        self.listener.close()
        self.cut()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- the threads ----

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                if self.refuses:
                    reset(client)
                elif self.keeps_waiting:
                    self.waiting.append(client)
                else:
                    self._connect(client)

    def _connect(self, client):
        try:
            server = socket.create_connection(("127.0.0.1", self.target_port))
        except OSError:
            reset(client)
            return
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self.sockets |= {client, server}
        for source, sink, direction in ((client, server, TO_SERVER), (server, client, TO_CLIENT)):
            threading.Thread(target=self._pump, args=(source, sink, direction), daemon=True).start()

    def _pump(self, source, sink, direction):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self.may_flow.wait()
                if self._forward(data, sink, direction):
                    self.cut()
                    break
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        with self.lock:
            self.sockets.discard(source)

    def _forward(self, data, sink, direction):
        """Whether everything is to be cut behind it."""
        with self.lock:  # one cut for one rule
            count = self.rule(direction, data)
            if count is not None:
                self.rule = self.next_rule
        sink.sendall(data if count is None else data[:count])
        return count is not None


def reset(connection):
    """Without lingering: a peer that still sends hears of it at once."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


# ---- rules ----


def forward_all(direction, data):
    return None


def cut_after(byte_count):
    """Cuts when so many bytes have gone to the server."""
    left = byte_count

    def rule(direction, data):
        nonlocal left
        if direction == TO_SERVER:
            left -= len(data)
            if left <= 0:
                return len(data) + left
        return None

    return rule


def lose_commit(passed_over=0, after=b""):
    """Cuts instead of telling of a commit: it is done, and the client cannot know. Commits that come before this was
    sent to the server do not count: a server has some of its own (housekeeping)."""
    left, is_sent = passed_over, not after

    def rule(direction, data):
        nonlocal left, is_sent
        is_sent = is_sent or (direction == TO_SERVER and after in data)
        if is_sent and direction == TO_CLIENT and COMMITTED in data:
            left -= 1
            if left < 0:
                return 0
        return None

    return rule


def cut_before(word):
    """Cuts instead of forwarding this to the server, with what stands in front of it forwarded."""

    def rule(direction, data):
        return data.index(word) if direction == TO_SERVER and word in data else None

    return rule


def cut_behind(words):
    """Cuts right after a message to the server with one of these words in it has been forwarded."""

    def rule(direction, data):
        return len(data) if direction == TO_SERVER and any(word in data.upper() for word in words) else None

    return rule
