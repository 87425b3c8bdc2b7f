"""copy: `farthing copy` of an embedded database into PostgreSQL, its comparison of both sides included, against psql's COPY of the
very same rows into the same tables with the same indexes; and the way back. Then how long a source is held still that has changed
since its bulk was copied.

Each goes into a database of its own, in turn.
"""

import json
import shutil
import sqlite3
import subprocess
import time

import measure
import seed
from measure import Failure, figure, median, note, ratio_text
from servers import FARTHING, Farthing, Postgres

TABLES = ("customers", "customer_keys")  # what a seeded database has many rows of


class Full:
    customers, rounds, changed = 1_000_000, 1, 10_000


class Quick:
    customers, rounds, changed = 100_000, 1, 1_000


def run(quick):
    plan = Quick if quick else Full
    source, _ = seed.seeded(plan.customers)
    folder = measure.WORK / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with Postgres(folder / "cluster") as postgres:
            rounds(postgres, source, folder, plan)
            pause(postgres, source, folder, plan)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def rounds(postgres, source, folder, plan):
    write_files(postgres, source, folder)
    ratios, back_rates = [], []
    for number in range(plan.rounds):
        reference = copy_by_psql(postgres, folder, number)
        name = f"copied_{number}"
        postgres.create_database(name)
        seconds = copy_by_farthing(source, postgres.url(name))
        back_seconds = copy_by_farthing(postgres.url(name), folder / "back")
        shutil.rmtree(folder / "back")
        note(f"  COPY {plan.customers / reference:,.0f} customers a second, farthing copy {plan.customers / seconds:,.0f}, back "
             f"{plan.customers / back_seconds:,.0f}")
        ratios.append(reference / seconds)
        back_rates.append(plan.customers / back_seconds)
        postgres.drop_database(name)
    note(f"  farthing copy / COPY: {ratio_text(ratios)}; from PostgreSQL into a file {median(back_rates):,.0f} customers a second")
    figure("copy-to-postgres-vs-copy", median(ratios), ">=0.50")


def copy_by_farthing(source, target, *flags):
    start = time.monotonic()
    measure.run_command(str(FARTHING), "copy", "--from", str(source), "--to", str(target), *flags)
    return time.monotonic() - start


def pause(postgres, source, folder, plan):
    """The rows that have changed have no audit trail: the copy does not ask for it."""
    directory = seed.copy(source, "copy/served")
    measure.run_command(str(FARTHING), "backup", str(folder / "backup"), "--data", str(directory))
    postgres.create_database("paused")
    bulk_seconds = copy_by_farthing(folder / "backup", postgres.url("paused"), "--bulk")
    database = sqlite3.connect(directory / "farthing.db")
    database.execute(f"UPDATE customers SET address_city = 'Moved' WHERE key IN (SELECT key FROM customers LIMIT {plan.changed})")
    database.commit()
    database.close()
    told = json.loads(subprocess.run([str(FARTHING), "copy", "--from", str(directory), "--to", postgres.url("paused"), "--json"],
                                     capture_output=True, text=True, check=True).stdout)
    note(f"  {plan.customers:,} customers: {bulk_seconds:.1f} s for the bulk, then {told['duration_ms'] / 1000:.1f} s to catch up with "
         f"{plan.changed:,} changed ones, for {told['pause_ms'] / 1000:.1f} s of which the source was held still")


# ---- the same rows, by psql ----


def columns_of(postgres, database, table):
    return postgres.psql("SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND "
                         f"table_name = '{table}' ORDER BY ordinal_position", database).split()


def new_tables(postgres, folder, name):
    """An empty database with our tables: those of `farthing init`, whose few rows stay."""
    postgres.create_database(name)
    Farthing.init(folder / f"{name}.data", "--database", postgres.url(name))


def write_files(postgres, source, folder):
    """The rows in COPY's text format."""
    new_tables(postgres, folder, "described")
    database = sqlite3.connect(f"file:{source}/farthing.db?mode=ro", uri=True)
    for table in TABLES:
        columns = columns_of(postgres, "described", table)
        shown = ", ".join(f"strftime('%Y-%m-%d %H:%M:%S', {name} / 1000000, 'unixepoch') || printf('.%06d+00', {name} % 1000000)"
                          if name.endswith("_at") else name for name in columns)
        with open(folder / table, "w", encoding="utf-8") as file:
            for row in database.execute(f"SELECT {shown} FROM {table}"):
                file.write("\t".join("\\N" if value is None else escaped(str(value)) for value in row) + "\n")
    database.close()


def escaped(text):
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def copy_by_psql(postgres, folder, number):
    name = f"reference_{number}"
    new_tables(postgres, folder, name)
    start = time.monotonic()
    for table in TABLES:
        with open(folder / table, "rb") as file:
            done = subprocess.run([*postgres.psql_command(name), "-c", f"COPY {table} FROM STDIN"], stdin=file, capture_output=True,
                                  text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"COPY failed: {done.stderr.strip()}")
    seconds = time.monotonic() - start
    postgres.drop_database(name)
    return seconds
