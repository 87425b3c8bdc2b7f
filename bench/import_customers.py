"""import: `farthing import customers` through a running server, against the sqlite3 shell's .import of the very rows that it
wrote, into tables with the same indexes; then gets and creates beside an import.

Rounds drive one after the other, each into an empty database. The shell has the server's core while the server is stopped.
"""

import csv
import json
import os
import random
import shutil
import subprocess
import time

import measure
import seed
from measure import Failure, figure, load, median, note, ratio_text, undisturbed
from servers import FARTHING, Farthing

CLIENTS = 64
TABLES = ("customers", "customer_keys", "audit_log", "system_events")
RATE_KEPT_MIN = 0.95
IDLE_SECONDS = 2.5  # after writes: lets the idle checkpoint pass
IMPORT_LEAD_SECONDS = 0.5  # an import is under way before anything is measured beside it
HEADER = ("external_id name email contact address_line1 address_line2 address_city address_state address_postal_code "
          "address_country timezone metadata.plan metadata.crm_id metadata.segment").split()


class Full:
    rounds, rows = 2, 1_000_000
    beside_rounds, beside_seconds, beside_rows, customers = 7, 5, 250_000, 1_000_000


class Quick:
    rounds, rows = 1, 60_000
    beside_rounds, beside_seconds, beside_rows, customers = 3, 2, 80_000, 100_000


def run(quick):
    plan = Quick if quick else Full
    if shutil.which("sqlite3") is None:
        raise Failure("the sqlite3 shell is missing: apt-get install sqlite3")
    folder = measure.WORK / "import"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        rate_figure(folder, plan)
        beside_figures(folder, plan)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_rows(path, count, number):
    """Customers with most fields given, as in seed.py; in no order of their external ids, as other systems' ids are."""
    generator = random.Random(number)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for _ in range(count):
            bits = generator.getrandbits(64)
            digits = seed.NUMBER_MIN + (bits >> 41)
            writer.writerow([f"import_{number}_{bits:016x}", f"Northwind Traders {digits}",
                             f"billing+{digits}@northwind.example.com", f"+49 30 {digits}", seed.PLACES[bits & 3][0],
                             f"Floor {10 + digits % 30}", *seed.PLACES[bits & 3][1:], "growth", f"00{digits}",
                             "mid-market"])
    return path


def start_import(directory, path):
    command = [str(FARTHING), "import", "customers", str(path), "--data", str(directory), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish_import(process, rows):
    output, complaint = process.communicate()
    if process.returncode != 0:
        raise Failure(f"the import failed: {complaint}")
    summary = json.loads(output)
    if summary["created"] != rows:
        raise Failure(f"the import should have created {rows} customers: {summary}")
    return summary


# ---- the rate ----


def shell(database, *commands):
    """Runs the sqlite3 shell on the server's core; returns the seconds that it took."""
    def on_server_core():
        os.sched_setaffinity(0, measure.server_cores)

    begun = time.monotonic()
    run = subprocess.run(["sqlite3", "-batch", str(database)], input="\n".join(commands), capture_output=True,
                         text=True, preexec_fn=on_server_core)
    if run.returncode != 0 or run.stderr:
        raise Failure(f"sqlite3 failed: {run.stderr}")
    return time.monotonic() - begun, run.stdout


def import_round(folder, path, rows):
    """Seconds of one import into an empty directory whose server runs."""
    directory = folder / "data"
    shutil.rmtree(directory, ignore_errors=True)
    key = Farthing.init(directory)["FARTHING_API_KEY"]
    measure.run_command("sync")
    with Farthing("farthing", directory, key) as server:
        cpu_before = measure.cpu_ns(server.pid)
        begun = time.monotonic()
        finish_import(start_import(directory, path), rows)
        seconds = time.monotonic() - begun
        cpu_us = (measure.cpu_ns(server.pid) - cpu_before) / 1000 / rows
        memory = measure.memory_text(measure.memory_kib(server.pid))
    note(f"  farthing {rows / seconds:9.0f} rows/s, {cpu_us:.1f} us of the server's CPU each; {memory}")
    return seconds


def export(folder):
    """What the import wrote, as CSV files, and the schema without rows."""
    database = folder / "data" / "farthing.db"
    for table in TABLES:
        shell(database, ".mode csv", f".output {folder / table}.csv", f"SELECT * FROM {table};")
    return shell(database, ".schema")[1]


def shell_round(folder, schema):
    """Seconds of .import: of all three tables, and of the customers alone."""
    database = folder / "shell.db"
    for file in folder.glob("shell.db*"):
        file.unlink()
    shell(database, "PRAGMA synchronous = OFF;", schema)
    measure.run_command("sync")
    seconds = {table: shell(database, ".mode csv", f".import {folder / table}.csv {table}")[0] for table in TABLES}
    for table in TABLES:
        ours = shell(folder / "data" / "farthing.db", f"SELECT count(*) FROM {table};")[1]
        theirs = shell(database, f"SELECT count(*) FROM {table};")[1]
        if ours != theirs:
            raise Failure(f"the shell imported {theirs.strip()} rows of {table}, not {ours.strip()}")
    return sum(seconds.values()), seconds["customers"]


def rate_figure(folder, plan):
    path = write_rows(folder / "customers-all.csv", plan.rows, 0)
    all_tables, customers_alone = [], []
    schema = None
    for _ in range(plan.rounds):
        ours = import_round(folder, path, plan.rows)
        schema = schema or export(folder)
        theirs, customers = shell_round(folder, schema)
        note(f"  sqlite3 .import {plan.rows / theirs:9.0f} rows/s into customers, customer_keys, audit_log and system_events; "
             f"{plan.rows / customers:.0f}/s into customers alone")
        all_tables.append(theirs / ours)
        customers_alone.append(customers / ours)
    note(f"  rows a second, farthing / .import of what it wrote: {ratio_text(all_tables)}")
    note(f"  farthing with its audit and outbox rows / .import of the customers alone: {ratio_text(customers_alone)}")
    figure("import-vs-sqlite3", median(all_tables), ">=0.30")


# ---- gets and creates beside it ----


def beside_figures(folder, plan):
    source, api_key = seed.seeded(plan.customers)
    directory = seed.copy(source, "import-beside")
    seed.warm(directory)
    try:
        with Farthing("farthing", directory, api_key) as server:
            gets = f"get:connections={CLIENTS},rows={plan.customers}"
            gets_max = load(server, plan.beside_seconds, gets).per_second
            creates_max = load(server, plan.beside_seconds, f"create:connections={CLIENTS}").per_second
            note(f"  alone: {gets_max:.0f} gets/s, {creates_max:.0f} creates/s")
            gets_ratio(folder, server, plan, f"{gets},rate={gets_max / 4:.0f}")
            creates_kept(folder, server, plan, creates_max / 4)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


file_number = 0


def load_beside(folder, server, plan, *streams):
    """Loads the server while an import runs, which must last longer; returns the sample, which knows the import's rate."""
    global file_number
    file_number += 1
    path = write_rows(folder / "beside.csv", plan.beside_rows, file_number)
    begun = time.monotonic()
    process = start_import(server.directory, path)
    time.sleep(IMPORT_LEAD_SECONDS)
    sample = load(server, plan.beside_seconds, *streams)
    if process.poll() is not None:
        note("    the import ended before the load: its rows are too few for this machine")
    finish_import(process, plan.beside_rows)
    sample.import_rate = plan.beside_rows / (time.monotonic() - begun)
    return sample


def gets_ratio(folder, server, plan, gets):
    found = []
    for _ in range(plan.beside_rounds):
        time.sleep(IDLE_SECONDS)
        alone = undisturbed(lambda: load(server, plan.beside_seconds, gets))
        beside = undisturbed(lambda: load_beside(folder, server, plan, gets))
        found.append(beside.p99_us / alone.p99_us)
        note(f"  gets alone {alone.per_second:.0f}/s p50 {alone.p50_us} p99 {alone.p99_us} us; beside an import of "
             f"{beside.import_rate:.0f} rows/s {beside.per_second:.0f}/s p50 {beside.p50_us} p99 {beside.p99_us} us")
    note(f"  p99 of gets, beside an import / alone: {ratio_text(found)}")
    figure("import-gets-beside-p99-vs-alone", median(found), "<=2.00")


def creates_kept(folder, server, plan, rate):
    creates = f"create:connections={CLIENTS},rate={rate:.0f}"
    kept, latencies = [], []
    for _ in range(plan.beside_rounds):
        time.sleep(IDLE_SECONDS)
        alone = load(server, plan.beside_seconds, creates)
        beside = load_beside(folder, server, plan, creates)
        kept.append(beside.per_second / rate)
        latencies.append(beside.p99_us / 1000)
        note(f"  creates alone {alone.per_second:.0f}/s p50 {alone.p50_us} p99 {alone.p99_us} us; beside an import of "
             f"{beside.import_rate:.0f} rows/s {beside.per_second:.0f}/s p50 {beside.p50_us} p99 {beside.p99_us} us")
    figure("import-creates-beside-rate-kept", median(kept), f">={RATE_KEPT_MIN:.2f}")
    figure("import-creates-beside-p99-ms", median(latencies), "<=100", 1)
