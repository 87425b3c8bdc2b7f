"""create-customer: durable creates over HTTP, against PostgreSQL 15 writing the same rows on the same disk and core.

Both start empty. Rounds drive one after the other; before the other's turn a round's dirty pages are written out, outside the
measurement. Then one long run for the latencies, and gets beside creates on a server that holds a million customers.
"""

import shutil
import sqlite3
import time
from contextlib import closing

import measure
import seed
from measure import figure, load, median, note, ratio_text, undisturbed
from pgbench import (CLIENTS, favourable_postgres, postgres_row_bytes, rates_over_creates, require_all_created,
                     require_equal_rows, row_bytes_query)
from servers import Farthing

RATE_KEPT_MIN = 0.95
IDLE_SECONDS = 2.5  # after creates: lets the idle checkpoint pass before gets are measured alone


class Full:
    rounds, seconds, probe_seconds = 5, 12, 5
    long_seconds, long_creates, long_seconds_max = 60, 1_000_000, 240
    get_rounds, get_seconds, customers = 5, 6, 1_000_000


class Quick:
    rounds, seconds, probe_seconds = 2, 3, 2
    long_seconds, long_creates, long_seconds_max = 6, 0, 6
    get_rounds, get_seconds, customers = 2, 1.5, 100_000


def run(quick):
    plan = Quick if quick else Full
    if quick:
        note("quick: short runs, which meet few checkpoints")
    directory, api_key = empty_directory()
    ours = Farthing("farthing", directory, api_key)
    try:
        with ours, favourable_postgres() as postgres:
            created = throughput_figure(ours, postgres, plan)
            created += latency_figures(ours, plan)
            created += with_idempotency_key(ours, plan)
            ours.stop()
            require_right_rows(directory, postgres, created)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    gets_beside_creates(plan)


def empty_directory():
    directory = measure.WORK / "create"
    shutil.rmtree(directory, ignore_errors=True)
    return directory, Farthing.init(directory)["FARTHING_API_KEY"]


def throughput_figure(ours, postgres, plan):
    found, created = rates_over_creates(ours, postgres, plan, f"create:connections={CLIENTS}")
    note(f"  creates a second, farthing / PostgreSQL: {ratio_text(found)}")
    figure("create-customer-vs-postgresql", median(found), ">=1.20")
    return created


def latency_figures(ours, plan):
    probe = load(ours, plan.probe_seconds, f"create:connections={CLIENTS}")
    seconds = min(max(plan.long_seconds, 1.1 * plan.long_creates / probe.per_second), plan.long_seconds_max)
    sample = load(ours, seconds, f"create:connections={CLIENTS}")
    note(f"  {sample.completed:,} creates in {sample.seconds:.0f} s: {sample.text()}")
    if sample.completed < plan.long_creates:
        note(f"  fewer than the {plan.long_creates:,} creates that this should span")
    figure("create-customer-p99-ms", sample.p99_us / 1000, "<=25", 1)
    figure("create-customer-worst-ms", sample.max_us / 1000, "<=150", 1)
    return probe.completed + sample.completed


def with_idempotency_key(ours, plan):
    """What it costs a client to be able to send its request again: no figure, because there is nothing to compare it with."""
    created, found = 0, []
    for _ in range(plan.rounds):
        plain, once = (load(ours, plan.probe_seconds, f"{kind}:connections={CLIENTS}") for kind in ("create", "create-once"))
        note(f"  with an Idempotency-Key {once.text()}")
        found.append(once.per_second / plain.per_second)
        created += plain.completed + once.completed
    note(f"  creates a second, with an Idempotency-Key / without: {ratio_text(found)}")
    return created


def require_right_rows(directory, postgres, created):
    with closing(sqlite3.connect(directory / "farthing.db")) as database:
        def ask(query):
            return database.execute(query).fetchone()[0]

        require_equal_rows(lambda table: ask(row_bytes_query(table, "length(CAST({} AS BLOB))")),
                           postgres_row_bytes(postgres))
        require_all_created(ask, created)


def gets_beside_creates(plan):
    source, api_key = seed.seeded(plan.customers)
    directory = seed.copy(source, "mixed")
    try:
        with Farthing("farthing", directory, api_key) as server:
            mixed_figures(server, plan)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def mixed_figures(server, plan):
    """Gets in a closed loop, which leaves the core no idle time, and gets at a quarter of that speed, which do."""
    gets = f"get:connections={CLIENTS},rows={plan.customers}"
    creates_max = load(server, plan.get_seconds, f"create:connections={CLIENTS}").per_second
    time.sleep(IDLE_SECONDS)
    gets_max = load(server, plan.get_seconds, gets).per_second
    creates = f"create:connections={CLIENTS},rate={creates_max / 2:.0f}"
    note(f"  alone: {creates_max:.0f} creates/s, {gets_max:.0f} gets/s; beside gets: {creates_max / 2:.0f} creates/s")
    paced = mixed_ratio(server, plan, f"{gets},rate={gets_max / 4:.0f}", creates, creates_max / 2)
    closed = mixed_ratio(server, plan, gets, creates, creates_max / 2)
    figure("create-customer-gets-beside-p99-vs-alone", paced, "<=2.00")
    figure("create-customer-gets-beside-saturated-p99-vs-alone", closed, "<=2.00")


def mixed_ratio(server, plan, gets, creates, creates_rate):
    found = []
    for _ in range(plan.get_rounds):
        time.sleep(IDLE_SECONDS)
        alone = undisturbed(lambda: load(server, plan.get_seconds, gets))
        beside = undisturbed(lambda: load(server, plan.get_seconds, gets, creates))
        found.append(beside.p99_us / alone.p99_us)
        kept = beside.streams[1]["per_second"] / creates_rate
        note(f"  gets alone {alone.per_second:.0f}/s p50 {alone.p50_us} p99 {alone.p99_us} us; beside creates "
             f"{beside.per_second:.0f}/s p50 {beside.p50_us} p99 {beside.p99_us} us; creates kept {100 * kept:.0f} % "
             f"of their rate, p99 {beside.streams[1]['p99_us']} us")
        if kept < RATE_KEPT_MIN:
            note("    the creates fell behind their rate: the gets took more than the core has to give")
    note(f"  p99 of gets, beside creates / alone: {ratio_text(found)}")
    return median(found)
