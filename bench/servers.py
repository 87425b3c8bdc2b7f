"""The servers that benchmarks start: each on its own port and directory, pinned to the server core, stopped by pid."""

import ctypes
import http.client
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import measure
from measure import Failure

FARTHING = measure.CHECKOUT / "build" / "farthing"
POSTGRES_BINARIES = Path("/usr/lib/postgresql/15/bin")
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 120
PR_SET_PDEATHSIG = 1
CONTENT_TYPE = "application/json; charset=utf-8"

libc = ctypes.CDLL(None)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port, path, headers=None):
    """One request on a connection of its own: (status, header list, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers or {})
        reply = connection.getresponse()
        return reply.status, reply.getheaders(), reply.read()
    finally:
        connection.close()


class Server:
    """A server process. As a context manager it is stopped on the way out, whatever happened."""

    name = "server"
    api_key = "none"
    user = None
    stop_signal = signal.SIGTERM

    def __init__(self, directory):
        self.directory = Path(directory)
        self.port = free_port()
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    def _prepare_child(self):
        os.sched_setaffinity(0, measure.server_cores)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # a killed benchmark leaves no server behind

    def start(self):
        log = open(self.directory.parent / f"{self.directory.name}.log", "ab")
        with log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=self._prepare_child, **self.popen_options())
        self.wait_until_ready()
        return self

    def popen_options(self):
        return {}

    def is_ready(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def wait_until_ready(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"{self.name} did not start; its last words are in "
                              f"{self.directory.parent / self.directory.name}.log")
            time.sleep(0.01)

    def stop(self, signal_number=None):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal_number or self.stop_signal)
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise Failure(f"{self.name} did not stop within {STOP_SECONDS_MAX} s")
        self.process = None

    def __enter__(self):
        return self.start() if self.process is None else self

    def __exit__(self, *_):
        self.stop()


class Farthing(Server):
    """Farthing on a data directory that `farthing init` or seed.py made; with its defaults, but for the port and for the
    flags that say where its database is."""

    def __init__(self, name, directory, api_key, *flags):
        super().__init__(directory)
        self.name = name
        self.api_key = api_key
        self.flags = flags

    @staticmethod
    def init(directory, *flags):
        """Makes a data directory; returns what `farthing init` printed, by name."""
        run = subprocess.run([str(FARTHING), "init", "--data", str(directory), *flags], capture_output=True, text=True)
        if run.returncode != 0:
            raise Failure(f"farthing init failed: {run.stderr.strip()}")
        return dict(line.split("=", 1) for line in run.stdout.splitlines() if "=" in line)

    def command(self):
        return [str(FARTHING), "serve", "--data", str(self.directory), "--listen", f"127.0.0.1:{self.port}", *self.flags]

    def get(self, path):
        return get(self.port, path, {"x-api-key": self.api_key})

    def metrics(self):
        """What the server counts, by name, as its admin socket tells: the series that have no labels."""
        connection = UnixConnection(self.directory / "admin.sock")
        try:
            connection.request("GET", "/metrics")
            lines = connection.getresponse().read().decode().splitlines()
        finally:
            connection.close()
        return {line.split()[0]: float(line.split()[1]) for line in lines if line[0] != "#" and "{" not in line}


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))


class Nginx(Server):
    """nginx with bench/nginx.conf: `port` serves files, `return_port` a `return 200` of one body."""

    name = "nginx static"
    stop_signal = signal.SIGQUIT

    def __init__(self, directory, bodies):
        """`bodies`: path -> body of the files; the first is also the body of `return`."""
        super().__init__(directory)
        self.return_port = free_port()
        self.bodies = bodies
        if shutil.which("nginx") is None:
            raise Failure("nginx is missing: apt-get install nginx-light")

    def start(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        for path, body in self.bodies.items():
            file = self.directory / "files" / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)
        (self.directory / "nginx.conf").write_text(self.configuration())
        return super().start()

    def configuration(self):
        body = next(iter(self.bodies.values())).decode()
        if "'" in body or "\\" in body or "$" in body:
            raise Failure("a body that nginx.conf cannot quote")
        words = {
            "USER_LINE": "user root;" if os.geteuid() == 0 else "",  # else nobody, who may not read the files
            "DIRECTORY": str(self.directory),
            "STATIC_PORT": str(self.port),
            "RETURN_PORT": str(self.return_port),
            "BODY": body,
        }
        template = (measure.BENCH / "nginx.conf").read_text()
        return re.sub(r"@([A-Z_]+)@", lambda match: words[match.group(1)], template)

    def command(self):
        return ["nginx", "-p", str(self.directory), "-c", str(self.directory / "nginx.conf")]


class NginxReturn:
    """The `return 200` server of a running nginx, as something to measure."""

    name = "nginx return"
    api_key = "none"

    def __init__(self, nginx):
        self.nginx = nginx
        self.port = nginx.return_port

    @property
    def pid(self):
        return self.nginx.pid


class Postgres(Server):
    """PostgreSQL 15, durable, with generous settings (bench/README.md says which). A directory that is not there yet
    becomes an empty cluster."""

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # fast shutdown

    def __init__(self, directory):
        super().__init__(directory)
        if not (POSTGRES_BINARIES / "postgres").exists() or shutil.which("pgbench") is None:
            raise Failure("PostgreSQL 15 is missing: apt-get install postgresql-15 (it brings pgbench)")
        # PostgreSQL refuses to run as root.
        self.user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None

    def popen_options(self):
        if self.user is None:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}

    def run(self, *command, **options):
        run = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd="/",
                             **self.popen_options(), **options)
        if run.returncode != 0:
            raise Failure(f"{command[0]} failed: {run.stderr.strip()}")
        return run.stdout

    def start(self):
        if not self.directory.exists():
            self.make_cluster()
        return super().start()

    def make_cluster(self):
        self.directory.mkdir(parents=True)
        if self.user is not None:
            os.chown(self.directory, self.user.pw_uid, self.user.pw_gid)
        self.run(POSTGRES_BINARIES / "initdb", "-D", self.directory, "-U", "bench", "-A", "trust", "-E", "UTF8",
                 "--locale=C")

    def create_database(self, name):
        """An empty one, in place of one that an earlier run may have left."""
        self.psql(f"DROP DATABASE IF EXISTS {name}", database="postgres")
        self.psql(f"CREATE DATABASE {name}", database="postgres")

    def drop_database(self, name):
        self.psql(f"DROP DATABASE {name}", database="postgres")

    def url(self, database):
        """How Farthing is told of a database: by the Unix socket, as pgbench is."""
        return f"postgres://bench@/{database}?host={quote(str(self.directory), safe='')}&port={self.port}"

    def command(self):
        settings = (measure.BENCH / "postgresql.conf").read_text()
        file = self.directory / "postgresql.auto.conf"  # read last, so it wins over what initdb wrote
        file.write_text(settings)
        return [str(POSTGRES_BINARIES / "postgres"), "-D", str(self.directory), "-p", str(self.port),
                "-k", str(self.directory)]

    def is_ready(self):
        probe = subprocess.run([str(POSTGRES_BINARIES / "pg_isready"), "-q", "-h", str(self.directory),
                                "-p", str(self.port)])
        return probe.returncode == 0

    def psql(self, text, database="bench"):
        return self.run(*self.psql_command(database), input=text)

    def psql_command(self, database="bench"):
        return [str(part) for part in (POSTGRES_BINARIES / "psql", "-h", self.directory, "-p", self.port, "-U", "bench",
                                       "-q", "-At", "-v", "ON_ERROR_STOP=1", database)]
