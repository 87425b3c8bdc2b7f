"""get-customer: authenticated GET of one random customer, against nginx in the same run.

The servers stand side by side and idle; rounds drive one after the other, so that a slow minute of the machine meets
all alike, and each figure is the median of the rounds' ratios.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack

import measure
import seed
from measure import Failure, figure, load, median, memory_kib, memory_text, note, ratio_text
from servers import CONTENT_TYPE, Farthing, Nginx, NginxReturn, get

STATIC_FILES = 4096
# Headers whose value belongs to the server or to the one reply, not to the comparison.
OWN_HEADERS = {"server", "date", "connection", "x-request-id"}
FIRST_ANSWER_SECONDS_MAX = 30


class Full:
    small, usual, large = 1_000, 1_000_000, 10_000_000
    rounds_64, rounds_256, seconds = 9, 7, 3
    clean_starts, crash_starts = 15, 7


class Quick:
    small, usual, large = 1_000, 100_000, 300_000
    rounds_64, rounds_256, seconds = 3, 3, 1
    clean_starts, crash_starts = 5, 2


def run(quick):
    plan = Quick if quick else Full
    if quick:
        note(f"quick: {plan.usual:,} customers stand for a million, {plan.large:,} for ten million")
    sizes = {count: seed.seeded(count) for count in (plan.small, plan.usual, plan.large)}
    start_figures(*sizes[plan.usual], plan)
    for directory, _ in sizes.values():
        seed.warm(directory)
    with ExitStack() as stack:
        ours = {count: stack.enter_context(Farthing(f"farthing {count:,}", *made)) for count, made in sizes.items()}
        idle = idle_memory(ours[plan.usual])
        nginx = Nginx(measure.WORK / "nginx", static_bodies(ours[plan.usual]))
        stack.enter_context(nginx)
        require_equal_replies(ours[plan.usual], nginx)
        request_figures(ours, nginx, plan)
        busy = memory_kib(ours[plan.usual].pid)
        note(f"memory idle: {memory_text(idle)}\nmemory during the benchmark: {memory_text(busy)}")
        figure("get-customer-memory-idle-mb", idle["VmRSS"] / 1024, "<=16", 1)
        figure("get-customer-memory-busy-mb", busy["VmHWM"] / 1024, "<=128", 1)


def idle_memory(server):
    seed_row_answers(server)
    time.sleep(1)
    return memory_kib(server.pid)


def seed_row_answers(server):
    status, _, body = server.get(seed.customer_path(0))
    if status != 200 or seed.customer_id(0).encode() not in body:
        raise Failure(f"{server.name} answered {status} for a seeded customer: {body[:300]}")


def static_bodies(server):
    """Path and body of the files that nginx serves: Farthing's own replies for the first customers."""
    bodies = {}
    for row in range(STATIC_FILES):
        status, _, body = server.get(seed.customer_path(row))
        if status != 200:
            raise Failure(f"{server.name} answered {status} for seeded customer {row}")
        bodies[seed.customer_path(row)] = body
    return bodies


def compared_headers(headers):
    return {name.lower(): value for name, value in headers if name.lower() not in OWN_HEADERS}


def require_equal_replies(ours, nginx):
    """Both nginx servers must send what Farthing sends: the same body and the same headers. A comparison with a shorter
    reply would not be one."""
    path = seed.customer_path(0)
    _, our_headers, our_body = ours.get(path)
    wanted = compared_headers(our_headers)
    for port in (nginx.port, nginx.return_port):
        _, headers, body = get(port, path)
        if body != our_body:
            raise Failure("nginx sends another body than Farthing")
        found = compared_headers(headers)
        if found != wanted or "x-request-id" not in {name.lower() for name, _ in headers}:
            raise Failure(f"bench/nginx.conf sends other headers than Farthing: {found} against {wanted}")
    if wanted.get("content-type") != CONTENT_TYPE:
        raise Failure(f"unexpected content type {wanted.get('content-type')}")


def drive(ours, nginx, plan, connections):
    """Rounds of all servers, one after the other: (name -> samples in the order of the rounds)."""
    subjects = {"static": (nginx, STATIC_FILES), "return": (NginxReturn(nginx), 1)}
    subjects |= {count: (server, count) for count, server in ours.items()}
    if connections != 64:
        subjects = {name: subjects[name] for name in ("static", plan.usual)}
    rounds = plan.rounds_64 if connections == 64 else plan.rounds_256
    samples = {name: [] for name in subjects}
    for number in range(-1, rounds):  # round -1 warms up and is not counted
        for name, (server, rows) in subjects.items():
            sample = load(server, plan.seconds, f"get:connections={connections},rows={rows}", spin=True)
            if number >= 0:
                samples[name].append(sample)
    for name, (server, _) in subjects.items():
        middle = sorted(samples[name], key=lambda sample: sample.cpu_us)[rounds // 2]
        note(f"{connections:4} connections  {server.name:20} {middle.text()}")
    return samples


def ratios(samples, numerator, denominator, what):
    found = [getattr(a, what) / getattr(b, what) for a, b in zip(samples[numerator], samples[denominator])]
    note(f"  {what} {numerator} / {denominator}: {ratio_text(found)}")
    return median(found)


def request_figures(ours, nginx, plan):
    at_64 = drive(ours, nginx, plan, 64)
    at_256 = drive(ours, nginx, plan, 256)
    figure("get-customer-cpu-vs-nginx-static", ratios(at_64, plan.usual, "static", "cpu_us"), "<=0.80")
    figure("get-customer-cpu-vs-nginx-return", ratios(at_64, plan.usual, "return", "cpu_us"), "<=1.25")
    figure("get-customer-p99-64-vs-nginx-static", ratios(at_64, plan.usual, "static", "p99_us"), "<=1.50")
    figure("get-customer-p99-256-vs-nginx-static", ratios(at_256, plan.usual, "static", "p99_us"), "<=1.50")
    figure("get-customer-cpu-10m-vs-1k", ratios(at_64, plan.large, plan.small, "cpu_us"), "<=1.30")


def first_answer_ms(server):
    """Starts the server and asks for a customer in a tight loop: milliseconds from exec to the first 200. The child reads
    the clock itself, right before exec, so that forking this interpreter does not count."""
    request = (f"GET {seed.customer_path(0)} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
               f"x-api-key: {server.api_key}\r\n\r\n").encode()
    clock_read, clock_write = os.pipe()

    def prepare():
        server._prepare_child()
        os.write(clock_write, time.monotonic_ns().to_bytes(8, "little"))

    with open(server.directory.parent / f"{server.directory.name}.log", "ab") as log:
        server.process = subprocess.Popen(server.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          preexec_fn=prepare)
    answered = first_answer_ns(server, request)
    started = int.from_bytes(os.read(clock_read, 8), "little")
    os.close(clock_read)
    os.close(clock_write)
    return (answered - started) / 1e6


def first_answer_ns(server, request):
    deadline = time.monotonic() + FIRST_ANSWER_SECONDS_MAX
    while time.monotonic() < deadline and server.process.poll() is None:
        with socket.socket() as connection:
            if connection.connect_ex(("127.0.0.1", server.port)) != 0:
                continue
            try:
                connection.sendall(request)
                reply = connection.recv(65536)
            except ConnectionResetError:
                continue  # met the socket by which a starting server only sees whether it can have the address
            if reply.startswith(b"HTTP/1.1 200 "):
                return time.monotonic_ns()
    raise Failure(f"{server.name} gave no first answer")


def wal_bytes(directory):
    """The valid part of the write-ahead log: frames after the header that carry the header's salts. The file itself stays
    as large as it ever was (SQLite file format, section 4.1)."""
    data = memoryview((directory / "farthing.db-wal").read_bytes())
    if len(data) < 32:
        return 0
    frame_size = 24 + int.from_bytes(data[8:12], "big")
    end = 32
    while end + frame_size <= len(data) and data[end + 8:end + 16] == data[16:24]:
        end += frame_size
    return end - 32


def start_figures(directory, api_key, plan):
    clean = []
    server = Farthing("farthing", directory, api_key)
    for _ in range(plan.clean_starts):
        try:
            clean.append(first_answer_ms(server))
        finally:
            server.stop()
    note(f"start to first answer after a clean stop, ms: median {median(clean):.1f}, {min(clean):.1f} to {max(clean):.1f}")
    figure("get-customer-start-clean-ms", median(clean), "<=20", 1)
    crashed = crash_starts(seed.copy(directory, "crash"), api_key, plan)
    figure("get-customer-start-after-kill-ms", max(crashed), "<=300", 1)


def crash_starts(directory, api_key, plan):
    """Kills the server while creates fill its log, starts it again, many rounds: milliseconds of each start."""
    server = Farthing("farthing", directory, api_key)
    found = []
    try:
        server.start()
        for number in range(plan.crash_starts):
            kill_under_creates(server, number)
            valid = wal_bytes(directory)
            whole = (directory / "farthing.db-wal").stat().st_size
            found.append(first_answer_ms(server))
            note(f"  killed with {valid / 1e6:.1f} MB valid in a log of {whole / 1e6:.1f} MB: {found[-1]:.1f} ms")
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
    return found


def kill_under_creates(server, number):
    """Creates at full speed for a while, a little longer each round so that the log is met at different fillings; then
    SIGKILL."""
    command = measure.load_command(server.port, server.api_key, 60, ["create:connections=64"])
    client = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(2 + 0.37 * number)
        if client.poll() is not None:
            raise Failure("the load client ended early while creating customers")
        server.stop(signal.SIGKILL)
    finally:
        client.kill()
        client.wait()
