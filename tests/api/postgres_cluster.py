"""PostgreSQL servers that tests start for themselves: each on its own folder and port, never a machine's own.

`psql` looks into them, as a superuser over a Unix socket that only the tests' user can reach. Farthing comes in over TCP as
a role without privileges that owns its database, with a password, so that no test can forget what an operator must know.
"""

import atexit
import contextlib
import ctypes
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

BINARIES = Path("/usr/lib/postgresql/15/bin")
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60
PR_SET_PDEATHSIG = 1

ROLE = "farthing"
# Nothing that a server or a command prints may hold it.
PASSWORD = "password-" + secrets.token_hex(8)

# Durable against all that tests do: they end processes, they do not cut the power.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "1h",
    "password_encryption": "md5",  # scram costs each connection some milliseconds of CPU on purpose
}
WITHOUT_REPLICAS = {"wal_level": "minimal", "max_wal_senders": "0"}
HOST_RULES = [
    "local all all trust",
    "host all all 127.0.0.1/32 md5",
    "host replication all 127.0.0.1/32 trust",
]

libc = ctypes.CDLL(None)
_running = []


class SqlError(Exception):
    """What psql said."""


@atexit.register
def stop_leftovers():
    """A run that ended in the middle leaves no server and no folder behind."""
    for cluster in list(_running):
        with contextlib.suppress(Exception):
            cluster.remove()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def without_settings_of_libpq(environment):
    """What a developer has set for himself must not send a test elsewhere."""
    return {name: value for name, value in environment.items() if not name.startswith("PG")}


def server_user():
    """Who runs the servers: PostgreSQL refuses to run as root."""
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else None


def as_server_user():
    user = server_user()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}


def end_with_parent():
    """A killed test run leaves no server behind."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def run_tool(name, *arguments, **options):
    """Runs one of PostgreSQL's programs as the servers' user."""
    process = subprocess.run(
        [str(BINARIES / name), *map(str, arguments)], capture_output=True, text=True, cwd="/",
        env=without_settings_of_libpq(os.environ), **as_server_user(), **options,
    )
    assert process.returncode == 0, f"{name} failed:\n{process.stdout}{process.stderr}"
    return process.stdout


def new_folder(parent=None):
    """A folder of the servers' user, which pytest's own, closed to others, cannot hold."""
    folder = Path(tempfile.mkdtemp(prefix="farthing-postgres-", dir=parent))
    give_to_server_user(folder)
    return folder


def give_to_server_user(path):
    user = server_user()
    if user:
        os.chown(path, user.pw_uid, user.pw_gid)


def quoted(text):
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


class Pairs(list):
    """A JSON object in its order: a column's name may be there twice."""


def plain(value):
    if isinstance(value, Pairs):
        return {name: plain(inner) for name, inner in value}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def as_column(value):
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":")) if isinstance(value, list) else value


class Cluster:
    """One PostgreSQL server. Its role `farthing` exists once `initialise` has run."""

    def __init__(self, folder=None, replicas=False, **settings):
        assert (BINARIES / "postgres").exists(), "PostgreSQL 15 is missing: apt-get install postgresql-15"
        self.folder = folder or new_folder()
        self.data = self.folder / "data"
        self.log_path = self.folder / "log"
        self.settings = {**SETTINGS, **({} if replicas else WITHOUT_REPLICAS), **settings}
        self.port = free_port()
        self.process = None

    # ---- life ----

    def initialise(self, like=None):
        """Makes its data directory, or copies one that `initialise` has made, and starts it."""
        if like:
            subprocess.run(["cp", "-a", str(like), str(self.data)], check=True)
            return self.start()
        run_tool("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        (self.data / "pg_hba.conf").write_text("\n".join(HOST_RULES) + "\n")
        self.start()
        self.sql(f"CREATE ROLE {ROLE} LOGIN PASSWORD {quoted(PASSWORD)}")
        return self

    def make_standby_of(self, primary):
        """Copies a running server, to follow it from now on."""
        run_tool("pg_basebackup", "-D", self.data, "-R", "-X", "stream", "-c", "fast", "--no-sync",
                 "-d", f"host=127.0.0.1 port={primary.port} user=postgres")

    def start(self):
        """Starts it, on the port it had before, and waits until it takes connections."""
        options = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(BINARIES / "postgres"), "-D", str(self.data), "-p", str(self.port), "-k", str(self.folder)]
        with open(self.log_path, "ab") as log:
            give_to_server_user(self.log_path)
            self.process = subprocess.Popen(
                command + options, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                env=without_settings_of_libpq(os.environ), preexec_fn=end_with_parent, **as_server_user(),
            )
        if self not in _running:
            _running.append(self)
        self.wait_until_ready()
        return self

    def wait_until_ready(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self.is_ready():
            assert self.process.poll() is None, f"PostgreSQL ended:\n{self.log[-4000:]}"
            assert time.monotonic() < deadline, f"PostgreSQL is not ready:\n{self.log[-4000:]}"
            time.sleep(0.005)

    def is_ready(self):
        """As its own file says, which is cheaper to ask than the server."""
        with contextlib.suppress(OSError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return len(lines) > 7 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"
        return False

    def stop(self, how=signal.SIGINT):
        """SIGINT ends all sessions, SIGQUIT is a crash."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(STOP_SECONDS_MAX)
        self.process = None

    def crash(self):
        self.stop(signal.SIGQUIT)

    def restart(self, how=signal.SIGINT):
        self.stop(how)
        self.start()

    def remove(self):
        """Stops it and removes its folder."""
        self.stop(signal.SIGQUIT)
        if self in _running:
            _running.remove(self)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    # ---- asking it ----

    def psql_command(self, database="postgres"):
        words = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        return [str(BINARIES / words[0]), *words[1:], "-h", str(self.folder), "-p", str(self.port), "-U", "postgres", database]

    def sql(self, text, database="postgres"):
        """Runs statements as the superuser; returns what psql printed."""
        process = subprocess.run(
            self.psql_command(database), input=text, capture_output=True, text=True, cwd="/",
            env=without_settings_of_libpq(os.environ),
        )
        if process.returncode != 0:
            raise SqlError(process.stderr.strip())
        return process.stdout.strip()

    def rows(self, query, database):
        """A query's rows, each a list of (column, value), in the order of the query. JSON in a column is a text, as on the
        embedded database."""
        text = self.sql(f"SELECT row_to_json(found) FROM ({query}) AS found", database)
        rows = [json.loads(line, object_pairs_hook=Pairs) for line in text.splitlines()]
        return [[(name, as_column(value)) for name, value in row] for row in rows]

    def create_database(self, name):
        """An empty database of our role; its files are copied, which takes a fraction of logging them."""
        self.sql(create_database_statement(name))
        return self.url(name)

    def url(self, database, password=PASSWORD, host="127.0.0.1", port=None, **parameters):
        """What --database takes."""
        secret = f":{quote(password, safe='')}" if password is not None else ""
        words = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in parameters.items())
        return f"postgres://{ROLE}{secret}@{host}:{port or self.port}/{database}{'?' if words else ''}{words}"

    def backends(self, database, condition="true"):
        """The process ids of the sessions of our role in a database."""
        text = self.sql(
            f"SELECT pid FROM pg_stat_activity WHERE datname = {quoted(database)} AND usename = '{ROLE}' AND ({condition})"
        )
        return [int(line) for line in text.splitlines()]


def create_database_statement(name):
    return f"CREATE DATABASE {name} OWNER {ROLE} TEMPLATE template0 STRATEGY file_copy"


class Session:
    """A psql that stays, for statements of which there are many: starting one costs more than the statement."""

    def __init__(self, cluster, database="postgres"):
        self.process = subprocess.Popen(
            cluster.psql_command(database), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, cwd="/", env=without_settings_of_libpq(os.environ),
        )

    def sql(self, statement):
        self.send(statement)
        return self.read()

    def send(self, statement):
        """Begins a statement, for a test that has something else to do meanwhile."""
        self.process.stdin.write(f"{statement};\n\\echo end of answer\n")
        self.process.stdin.flush()

    def read(self):
        lines = []
        for line in self.process.stdout:
            if line == "end of answer\n":
                return "".join(lines).strip()
            lines.append(line)
        raise SqlError("".join(lines).strip())

    def close(self):
        """Ends it, also in the middle of a statement."""
        self.process.kill()
        self.process.communicate()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
