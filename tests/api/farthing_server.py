"""Runs the real binary: `farthing serve` in a process of its own, the other commands to their end.

The binary is $FARTHING_BINARY (default build/farthing); the tool that changes a stopped data directory through
the store is $FARTHING_FIXTURE. Every wait has a limit, multiplied by $FARTHING_TEST_SLOWDOWN (default 1, for a build
with sanitizers 5).
"""

import atexit
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import engine
from postgres_cluster import PASSWORD, without_settings_of_libpq

REPOSITORY = Path(__file__).resolve().parents[2]
BINARY = Path(REPOSITORY, os.environ.get("FARTHING_BINARY", "build/farthing"))
FIXTURE = Path(
    REPOSITORY,
    os.environ.get("FARTHING_FIXTURE", str(BINARY.parent / "tests/support/farthing-fixture")),
)


def is_sanitized(binary):
    try:
        content = binary.read_bytes()
    except OSError:
        return False
    return b"__asan_init" in content or b"__tsan_init" in content


SLOWDOWN = float(os.environ.get("FARTHING_TEST_SLOWDOWN", "5" if is_sanitized(BINARY) else "1"))

START_SECONDS_MAX = 15
STOP_SECONDS_MAX = 40
COMMAND_SECONDS_MAX = 30

# What a sanitizer or a failed assertion writes, and the database's password. None of it may ever be on a server's standard
# error.
TROUBLE = re.compile(
    r"(Address|Thread|Leak|Memory|UndefinedBehavior)Sanitizer|runtime error:|[Aa]ssertion.*failed|stack smashing|" + PASSWORD
)


def seconds(count):
    """A time limit, longer for builds that run slower."""
    return count * SLOWDOWN


def wait_until(condition, limit_seconds, what):
    deadline = time.monotonic() + seconds(limit_seconds)
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds(limit_seconds)} s for {what}"
        time.sleep(0.002)


def environment(*arguments, **changes):
    """This process's environment without any setting of Farthing or libpq, plus the given changes, plus the database of the
    data directory that these arguments of a command name."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FARTHING_")}
    return {**without_settings_of_libpq(kept), **engine.variables_of_command(arguments, changes), **changes}


def run(*arguments, binary=BINARY, stdin=None, **variables):
    """Runs a command to its end. Returns the finished process: returncode, stdout, stderr (text)."""
    process = subprocess.run(
        [str(binary), *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds(COMMAND_SECONDS_MAX),
        env=environment(*arguments, **variables),
    )
    assert not TROUBLE.search(process.stderr), process.stderr
    assert PASSWORD not in process.stdout, process.stdout
    return process


def run_ok(*arguments, **options):
    process = run(*arguments, **options)
    assert process.returncode == 0, f"{arguments}: exit {process.returncode}\n{process.stdout}{process.stderr}"
    return process.stdout


def variables_of(output):
    """The NAME=value lines of a command's output as a dict."""
    return dict(line.split("=", 1) for line in output.splitlines() if re.match(r"FARTHING_\w+=", line))


class Credentials:
    """A tenant, one of its environments and a key of it."""

    def __init__(self, output):
        variables = variables_of(output)
        self.tenant_id = variables["FARTHING_TENANT_ID"]
        self.environment_id = variables["FARTHING_ENVIRONMENT_ID"]
        self.api_key = variables["FARTHING_API_KEY"]


def init(directory):
    return Credentials(run_ok("init", "--data", directory))


def fixture(directory, *arguments):
    """Changes a data directory that no server has open. Returns what the tool printed."""
    return run_ok(directory, *arguments, binary=FIXTURE, **engine.variables(directory))


def create_tenant(directory, name):
    return Credentials(fixture(directory, "tenant", "create", name))


def create_environment(directory, tenant_id, name):
    return Credentials(fixture(directory, "environment", "create", tenant_id, name))


def create_key(directory, *arguments, name="test"):
    """A further key of the directory's first environment. Returns (key, id of its record)."""
    output = run_ok("key", "create", "--data", directory, "--name", name, *arguments)
    variables = variables_of(output)
    return variables["FARTHING_API_KEY"], variables["FARTHING_API_KEY_ID"]


_started = []


@atexit.register
def kill_leftovers():
    """A test that failed in the middle leaves no server behind."""
    for process in _started:
        if process.poll() is None:
            process.kill()


def socket_address(text):
    """What a socket connects to: (host, port), or the path of a Unix socket."""
    if text.startswith("unix:"):
        return text.removeprefix("unix:")
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


class Server:
    """One `farthing serve`. Its standard error goes to a file, so that it never waits for a reader."""

    def __init__(
        self, directory, *arguments, listen="127.0.0.1:0", wait=True, launcher=(), pass_fds=(), **variables
    ):
        """`launcher` is what runs the command; without `listen` the server chooses where to listen."""
        self.directory = Path(directory)
        self.log_path = self.directory.parent / f"{self.directory.name}.{time.monotonic_ns()}.log"
        self.log_file = open(self.log_path, "wb")
        where = ["--listen", listen] if listen else []
        command = [*launcher, str(BINARY), "serve", "--data", str(directory), *where, *map(str, arguments)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.log_file,
            pass_fds=pass_fds,
            env=environment("serve", "--data", directory, **variables),
        )
        _started.append(self.process)
        self.address = None
        if wait:
            self.wait_for_start()

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_for_start(self):
        wait_until(self._has_started, START_SECONDS_MAX, "the server to listen")

    def _has_started(self):
        """It says so last, behind all the addresses."""
        log = self.log
        if re.search(r'"?message"?[=:]\s*"?ready\b', log):
            line = next(line for line in log.splitlines() if re.search(r'"?message"?[=:]\s*"?listening"?', line))
            self.address = socket_address(re.search(r'"?address"?[=:]\s*"?([^"\s,}]+)', line).group(1))
            return True
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.log}"
        return False

    def addresses(self):
        """All addresses that the server listens on, as it logs them: [(address, scheme)]."""
        return re.findall(r'message="listening" address=(\S+) scheme=(\S+)', self.log)

    def terminate(self):
        """Asks the server to drain. Does not wait."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        """Waits for the end, which must be a clean one, and returns what the server printed."""
        output, _ = self.process.communicate(timeout=seconds(STOP_SECONDS_MAX))
        self.log_file.close()
        self.assert_no_trouble()
        assert self.process.returncode == 0, f"exit {self.process.returncode}:\n{self.log[-4000:]}"
        return output.decode()

    def stop(self):
        if self.process.poll() is None:
            self.terminate()
        return self.wait()

    def kill(self):
        """SIGKILL, as a power cut would for all that is not on the disk yet."""
        self.process.kill()
        self.process.communicate(timeout=seconds(STOP_SECONDS_MAX))
        self.log_file.close()
        self.assert_no_trouble()

    def assert_no_trouble(self):
        trouble = TROUBLE.search(self.log)
        assert trouble is None, self.log[max(0, trouble.start() - 1000) : trouble.start() + 8000]

    def url(self, path=""):
        return f"http://{self.address[0]}:{self.address[1]}{path}"
