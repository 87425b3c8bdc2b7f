"""durability: creates while a database of a gigabyte is backed up at 50 MB/s, against creates without it, in turn; then the
continuous backup: what it costs creates, how far behind them it is, and how long it takes to bring a million customers back."""

import shutil
import sqlite3
import subprocess
import threading
import time
from contextlib import closing

import measure
import seed
from measure import Failure, figure, load, median, note, ratio_text
from pgbench import CLIENTS
from servers import FARTHING, Farthing

IDLE_SECONDS = 2.5  # lets the idle checkpoint and the index of searched texts pass
POLL_SECONDS = 0.05
BASE_SECONDS_MAX = 120


class Full:
    customers, rounds, seconds, rate_mb = 1_400_000, 7, 8, 50
    restored_customers = 1_000_000


class Quick:
    customers, rounds, seconds, rate_mb = 300_000, 2, 3, 50
    restored_customers = 100_000


def run(quick):
    plan = Quick if quick else Full
    source, api_key = seed.seeded(plan.customers)
    directory = seed.copy(source, "durability")
    note(f"  a database of {(directory / 'farthing.db').stat().st_size / 1e6:.0f} MB")
    try:
        with Farthing("farthing", directory, api_key) as ours:
            backup_figures(ours, directory, plan)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        shutil.rmtree(destination(), ignore_errors=True)
    continuous_figures(plan)


def destination():
    return measure.WORK / "durability-backup"


def begin_backup(directory, plan):
    shutil.rmtree(destination(), ignore_errors=True)
    process = subprocess.Popen([str(FARTHING), "backup", str(destination()), "--data", str(directory), "--rate", str(plan.rate_mb)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not (destination() / "farthing.db.partial").exists():
        if process.poll() is not None:
            raise Failure(f"the backup failed: {process.stderr.read().decode()}")
        time.sleep(POLL_SECONDS)
    return process


def backup_figures(ours, directory, plan):
    creates = f"create:connections={CLIENTS}"
    load(ours, plan.seconds, creates)  # warms up
    found, worst = [], []
    for _ in range(plan.rounds):
        time.sleep(IDLE_SECONDS)
        alone = load(ours, plan.seconds, creates)
        note(f"  alone         {alone.text()}")
        time.sleep(IDLE_SECONDS)
        backup = begin_backup(directory, plan)
        beside = load(ours, plan.seconds, creates)
        was_under_way = backup.poll() is None
        note(f"  beside backup {beside.text()}{'' if was_under_way else '  (the backup ended before)'}")
        if backup.wait() != 0:
            raise Failure(f"the backup failed: {backup.stderr.read().decode()}")
        found.append(beside.per_second / alone.per_second)
        worst.append(beside.max_us / 1000)
    note(f"  creates a second, beside a backup / alone: {ratio_text(found)}; worst latencies {', '.join(f'{one:.0f}' for one in worst)} ms")
    figure("durability-creates-beside-backup", median(found), ">=0.90")
    figure("durability-creates-beside-backup-worst-ms", max(worst), "<=200", 1)


# ---- the continuous backup ----


def stream():
    return measure.WORK / "durability-stream"


def continuous_figures(plan):
    """Both servers on copies of one database; the one that is backed up has its first base by then."""
    source, api_key = seed.seeded(plan.restored_customers)
    plain, followed = seed.copy(source, "durability-plain"), seed.copy(source, "durability-followed")
    shutil.rmtree(stream(), ignore_errors=True)
    try:
        alone = Farthing("farthing", plain, api_key)
        ours = Farthing("farthing, backed up", followed, api_key, "--backup-to", str(stream()))
        with alone, ours:
            wait_for_base(ours)
            compare_creates(alone, ours, plan)
        restore_figure(plan)
    finally:
        for directory in (plain, followed, stream(), restored()):
            shutil.rmtree(directory, ignore_errors=True)


def wait_for_base(ours):
    deadline = time.monotonic() + BASE_SECONDS_MAX
    while ours.metrics()["farthing_backup_bases_total"] == 0:
        if time.monotonic() > deadline:
            raise Failure("the continuous backup has made no base")
        time.sleep(POLL_SECONDS)


class Behind:
    """How far the place is behind the server, looked at again and again by a thread of its own."""

    def __init__(self, server):
        self.server, self.seconds = server, []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.is_over.wait(POLL_SECONDS):
            self.seconds.append(time.time() - self.server.metrics()["farthing_backup_stored_until_seconds"])

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()


def compare_creates(alone, ours, plan):
    creates = f"create:connections={CLIENTS}"
    found, behind = [], []
    for server in (alone, ours):
        load(server, plan.seconds, creates)  # warms up
    for _ in range(plan.rounds):
        time.sleep(IDLE_SECONDS)
        plain = load(alone, plan.seconds, creates)
        note(f"  alone         {plain.text()}")
        time.sleep(IDLE_SECONDS)
        with Behind(ours) as looked:
            beside = load(ours, plan.seconds, creates)
        note(f"  backed up     {beside.text()}; at most {max(looked.seconds):.2f} s behind")
        found.append(beside.per_second / plain.per_second)
        behind += looked.seconds
    note(f"  creates a second, backed up continuously / alone: {ratio_text(found)}")
    figure("durability-creates-backed-up", median(found), ">=0.90")
    figure("durability-loss-window-s", max(behind), "<=1")


def restored():
    return measure.WORK / "durability-restored"


def restore_figure(plan):
    shutil.rmtree(restored(), ignore_errors=True)
    started = time.monotonic()
    run = subprocess.run([str(FARTHING), "restore", str(stream()), "--data", str(restored())], capture_output=True, text=True)
    seconds = time.monotonic() - started
    if run.returncode != 0:
        raise Failure(f"the restoration failed: {run.stderr.strip()}")
    with closing(sqlite3.connect(f"file:{restored() / 'farthing.db'}?mode=ro", uri=True)) as database:
        count = database.execute("SELECT count(*) FROM customers").fetchone()[0]
    segments = sum(1 for path in (stream() / "segment").rglob("*") if path.is_file())
    note(f"  {count:,} customers restored from a base and {segments} segments in {seconds:.1f} s")
    if count <= plan.restored_customers:
        raise Failure("what was created since the base is missing")
    figure("durability-restore-s", seconds, "<=30", 1)
