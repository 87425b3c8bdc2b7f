"""Measuring: processor time, memory, latencies by the load client, and the lines that a benchmark ends with."""

import json
import os
import platform
import re
import statistics
import subprocess
import time
from pathlib import Path

BENCH = Path(__file__).resolve().parent
CHECKOUT = BENCH.parent
BUILD = CHECKOUT / "build"
WORK = BUILD / "bench" / "work"  # on the disk of the checkout
LOAD = BUILD / "bench" / "load"

CORES = ({0}, {1})  # the server's and the client's
server_cores, client_cores = CORES  # see place()

NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
STOLEN_MAX = 0.004  # of a sample's time
TRIES_MAX = 5


class Failure(Exception):
    """The benchmark could not measure; the text says why and what to do."""


def note(text):
    print(text, flush=True)


def figure(name, value, target, digits=2):
    """Prints one figure. `target` is "<=NUMBER" or ">=NUMBER"; the value is compared as printed."""
    shown = f"{value:.{digits}f}"
    limit = float(target[2:])
    reached = float(shown) <= limit if target.startswith("<=") else float(shown) >= limit
    print(f"figure {name} {shown} {target} {'ok' if reached else 'short'}", flush=True)


def median(values):
    return statistics.median(values)


def ratio_text(ratios):
    """A median with its spread, for the reader to judge how much to believe."""
    return f"{median(ratios):.3f} (rounds {min(ratios):.3f} to {max(ratios):.3f})"


def children(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            direct = task.read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended since it was listed
        for child in direct:
            found += [int(child), *children(int(child))]
    return found


def ended_children_ns(pid):
    """User and system time of the children that have ended, in hundredths of a second: pgbench's sessions are gone before
    their time can be read from them."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[13]) + int(fields[14])) * NS_PER_TICK


def cpu_ns(pid):
    """User and system time of the process and of its children, all threads, ended ones too.

    Reads each living process's own CPU clock: nanoseconds, where /proc/PID/stat counts in hundredths of a second.
    """
    total = ended_children_ns(pid)
    for process in [pid, *children(pid)]:
        process_clock = (~process << 3) | 2  # CPUCLOCK_SCHED, see clock_getcpuclockid(3)
        try:
            total += time.clock_gettime_ns(process_clock)
        except OSError:
            pass  # ended since it was listed; only PostgreSQL's processes do that here
    return total


def memory_kib(pid):
    """The memory lines of /proc/PID/status, by name, in KiB: VmRSS, VmHWM, RssAnon, RssFile, RssShmem."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    pairs = (line.split(":", 1) for line in lines if line.startswith(("VmRSS", "VmHWM", "Rss")))
    return {name: int(value.split()[0]) for name, value in pairs}


def memory_text(memory):
    return (f"{memory['VmRSS'] / 1024:.1f} MB resident: {memory['RssAnon'] / 1024:.1f} anonymous, "
            f"{memory['RssFile'] / 1024:.1f} file, {memory['RssShmem'] / 1024:.1f} shared; "
            f"at most {memory['VmHWM'] / 1024:.1f}")


def stolen_ticks():
    """Of each processor: hundredths of a second that the machine below this one gave to others while work was there."""
    lines = [line.split() for line in Path("/proc/stat").read_text().splitlines() if re.match(r"cpu\d", line)]
    return [int(fields[8]) for fields in lines]


class Sample:
    """What one run of the load client measured against one server, and against the database that works for it."""

    def __init__(self, streams, server_cpu_ns, database_cpu_ns, wall_ns, stolen_ns):
        self.streams = streams
        self.stolen = stolen_ns / wall_ns  # part of the time, of the processor that lacked most
        self.completed = sum(stream["completed"] for stream in streams)
        self.cpu_us = server_cpu_ns / 1000 / self.completed
        self.database_cpu_us = database_cpu_ns / 1000 / self.completed
        self.busy = (server_cpu_ns + database_cpu_ns) / wall_ns

    def __getattr__(self, name):
        return self.streams[0][name]

    def text(self):
        database = f", {self.database_cpu_us:.2f} of its database's" if self.database_cpu_us else ""
        return (f"{self.per_second:9.0f}/s  {self.cpu_us:7.2f} us CPU each{database}  server {100 * self.busy:3.0f} % busy  "
                f"p50 {self.p50_us}  p99 {self.p99_us}  p99.9 {self.p999_us}  max {self.max_us} us")


run_number = 0


def load_command(port, api_key, seconds, streams):
    """The client's command line. Every run has its own seed, so that created customers never collide."""
    global run_number
    run_number += 1
    seed = (os.getpid() << 16) + run_number
    return [str(LOAD), "--port", str(port), "--key", api_key, "--seconds", str(seconds), "--seed", str(seed), *streams]


def load(server, seconds, *streams, spin=False, database=None):
    """Drives `server` for `seconds` and returns the Sample. The server's CPU time is read around the whole run of the
    client, which waits for every reply, so that time and requests belong together; so is that of `database`, the
    server that this one asks."""
    command = load_command(server.port, server.api_key, seconds, [*(["--spin"] if spin else []), *streams])
    pids = [server.pid, database.pid] if database else [server.pid]
    cpu_before, stolen_before, wall_before = [cpu_ns(pid) for pid in pids], stolen_ticks(), time.monotonic_ns()
    run = subprocess.run(command, capture_output=True, text=True)
    cpu_after, stolen_after, wall_after = [cpu_ns(pid) for pid in pids], stolen_ticks(), time.monotonic_ns()
    if run.returncode != 0:
        raise Failure(f"the load client failed against {server.name}:\n{run.stderr}")
    replies = [json.loads(line) for line in run.stdout.splitlines()]
    server_cpu, database_cpu, *_ = [after - before for before, after in zip(cpu_before, cpu_after)] + [0]
    stolen = max(after - before for before, after in zip(stolen_before, stolen_after)) * NS_PER_TICK
    return Sample(replies, server_cpu, database_cpu, wall_after - wall_before, stolen)


def undisturbed(drive):
    """Calls `drive` until its sample was left alone: a machine that is shared takes a processor away for some milliseconds
    now and then: more than what tail latencies are made of. Returns the least disturbed sample."""
    samples = []
    while not samples or (samples[-1].stolen > STOLEN_MAX and len(samples) < TRIES_MAX):
        samples.append(drive())
    best = min(samples, key=lambda sample: sample.stolen)
    if len(samples) > 1:
        note(f"    driven {len(samples)} times, as a processor was taken away for "
             f"{', '.join(f'{100 * sample.stolen:.1f}' for sample in samples)} % of the time")
    return best


def run_command(*command):
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        raise Failure(f"{' '.join(command)} failed:\n{run.stderr or run.stdout}")


def place(server, client):
    """This process and the clients that it starts run on some cores, and the servers that it starts from now on."""
    global server_cores, client_cores
    server_cores, client_cores = server, client
    os.sched_setaffinity(0, client_cores)


def keep_apart():
    """The server under test gets one core, the client the other: neither can take the other's time."""
    place(*CORES)


def spread():
    """Server and client both use both cores: a loop and the writer then have one each, as far as the client leaves them."""
    place(set().union(*CORES), set().union(*CORES))


def build_tools():
    """The release binary and the load client, up to date."""
    if not (BUILD / "build.ninja").exists():
        run_command("meson", "setup", str(BUILD), str(CHECKOUT))
    run_command("ninja", "-C", str(BUILD), "farthing", "bench/load")


def machine_text():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return (f"machine: {os.cpu_count()} x {model}, Linux {platform.release()}, load {os.getloadavg()[0]:.2f}; "
            f"server on {cores_text(server_cores)}, client on {cores_text(client_cores)}")


def cores_text(cores):
    return " and ".join(f"processor {core}" for core in sorted(cores))
