"""durability: creates while a database of a gigabyte is backed up at 50 MB/s, against creates without it, in turn."""

import shutil
import subprocess
import time

import measure
import seed
from measure import Failure, figure, load, median, note, ratio_text
from pgbench import CLIENTS
from servers import FARTHING, Farthing

IDLE_SECONDS = 2.5  # lets the idle checkpoint and the index of searched texts pass
POLL_SECONDS = 0.05


class Full:
    customers, rounds, seconds, rate_mb = 3_000_000, 4, 15, 50


class Quick:
    customers, rounds, seconds, rate_mb = 300_000, 2, 3, 50


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
