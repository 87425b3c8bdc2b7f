"""create-customer: durable creates over HTTP, against PostgreSQL 15 writing the same rows on the same disk and core.

Both start empty. Rounds drive one after the other; before the other's turn a round's dirty pages are written out, outside the
measurement. Then one long run for the latencies, and gets beside creates on a server that holds a million customers.
"""

import re
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing

import measure
import seed
from measure import Failure, figure, load, median, note, ratio_text
from servers import Farthing, Postgres

CLIENTS = 64
PGBENCH_SCRIPTS = ("plain", "pipeline", "statement")
ROW_BYTES_TOLERANCE = 0.03
SAMPLED_ROWS = 1000
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
    schema = (measure.BENCH / "postgres_schema.sql").read_text()
    try:
        with ours, Postgres(measure.WORK / "postgres", schema) as postgres:
            created = throughput_figure(ours, postgres, plan)
            created += latency_figures(ours, plan)
            ours.stop()
            require_equal_rows(directory, postgres)
            require_all_created(directory, created)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        shutil.rmtree(measure.WORK / "postgres", ignore_errors=True)
    gets_beside_creates(plan)


def empty_directory():
    directory = measure.WORK / "create"
    shutil.rmtree(directory, ignore_errors=True)
    return directory, Farthing.init(directory)["FARTHING_API_KEY"]


class Pgbench:
    """Runs one of the pgbench scripts. Each run continues the count that the ids are made of."""

    def __init__(self, postgres):
        self.postgres = postgres
        self.count = 0

    def per_second(self, script, seconds):
        command = ["pgbench", "--no-vacuum", "-h", str(self.postgres.directory), "-p", str(self.postgres.port),
                   "-U", "bench", "--client", str(CLIENTS), "--jobs", "1", "--time", str(seconds),
                   "--protocol", "prepared", "-D", f"count={self.count}",
                   "-f", str(measure.BENCH / f"pgbench_{script}.sql"), "bench"]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode != 0:
            raise Failure(f"pgbench failed:\n{run.stderr}")
        self.count += int(re.search(r"actually processed: (\d+)", run.stdout).group(1))
        found = re.search(r"^tps = ([0-9.]+) \(without initial connection time\)", run.stdout, re.MULTILINE)
        latency = re.search(r"^latency average = ([0-9.]+) ms", run.stdout, re.MULTILINE)
        return float(found.group(1)), float(latency.group(1))


def settle(postgres):
    """Between rounds nobody's unwritten pages may burden the next one."""
    postgres.psql("CHECKPOINT")
    measure.run_command("sync")


def fastest_script(pgbench, postgres, plan):
    """PostgreSQL is measured with the way of sending one transaction that suits it best."""
    speeds = {}
    pgbench.per_second("plain", plan.probe_seconds)  # warms up
    for script in PGBENCH_SCRIPTS:
        settle(postgres)
        speeds[script], _ = pgbench.per_second(script, plan.probe_seconds)
        note(f"  pgbench {script:10} {speeds[script]:9.0f}/s")
    return max(speeds, key=speeds.get)


def throughput_figure(ours, postgres, plan):
    pgbench = Pgbench(postgres)
    script = fastest_script(pgbench, postgres, plan)
    created = load(ours, plan.probe_seconds, f"create:connections={CLIENTS}").completed  # warms up
    found = []
    for _ in range(plan.rounds):
        settle(postgres)
        sample = load(ours, plan.seconds, f"create:connections={CLIENTS}")
        created += sample.completed
        note(f"  farthing {sample.text()}")
        settle(postgres)
        speed, latency_ms = pgbench.per_second(script, plan.seconds)
        note(f"  PostgreSQL ({script}) {speed:.0f}/s, {latency_ms:.1f} ms each")
        found.append(sample.per_second / speed)
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


ROW_BYTES = {  # text of one create's rows; instants and numbers are fixed in size
    "customers": "id external_id name email contact address_line1 address_line2 address_city address_state "
                 "address_postal_code address_country timezone metadata status created_by updated_by",
    "audit_log": "entity_type entity_id action actor_id request_id changes",
    "system_events": "id event_name entity_type entity_id payload created_by",
}


def row_bytes_query(table, length):
    columns = " + ".join(f"coalesce({length.format(column)}, 0)" for column in ROW_BYTES[table].split())
    order = "created_at" if table == "customers" else "sequence"
    only = {"audit_log": "WHERE entity_type = 'customer'", "system_events": "WHERE entity_type = 'customer'"}
    return (f"SELECT avg(bytes) FROM (SELECT {columns} AS bytes FROM {table} {only.get(table, '')} "
            f"ORDER BY {order} DESC LIMIT {SAMPLED_ROWS}) AS sampled")


def require_equal_rows(directory, postgres):
    """Both must have written the same amount of text, or the comparison is void."""
    with closing(sqlite3.connect(directory / "farthing.db")) as database:
        for table in ROW_BYTES:
            (ours,) = database.execute(row_bytes_query(table, "length(CAST({} AS BLOB))")).fetchone()
            theirs = float(postgres.psql(row_bytes_query(table, "octet_length({})")))
            note(f"  text of a row of {table}: farthing {ours:.0f} bytes, PostgreSQL {theirs:.0f}")
            if abs(theirs / ours - 1) > ROW_BYTES_TOLERANCE:
                raise Failure(f"rows of {table} differ in size; adapt bench/pgbench_*.sql to what farthing writes")


def require_all_created(directory, created):
    """Each acknowledged create has its three rows."""
    with closing(sqlite3.connect(directory / "farthing.db")) as database:
        for table, condition in (("customers", "1"), ("audit_log", "entity_type = 'customer'"),
                                 ("system_events", "entity_type = 'customer'")):
            (count,) = database.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()
            if count != created:
                raise Failure(f"{created} creates were acknowledged, but {table} has {count} rows")
    note(f"  {created:,} creates acknowledged, each with its customer, audit and outbox row")


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
        alone = load(server, plan.get_seconds, gets)
        beside = load(server, plan.get_seconds, gets, creates)
        found.append(beside.p99_us / alone.p99_us)
        kept = beside.streams[1]["per_second"] / creates_rate
        note(f"  gets alone {alone.per_second:.0f}/s p50 {alone.p50_us} p99 {alone.p99_us} us; beside creates "
             f"{beside.per_second:.0f}/s p50 {beside.p50_us} p99 {beside.p99_us} us; creates kept {100 * kept:.0f} % "
             f"of their rate, p99 {beside.streams[1]['p99_us']} us")
        if kept < RATE_KEPT_MIN:
            note("    the creates fell behind their rate: the gets took more than the core has to give")
    note(f"  p99 of gets, beside creates / alone: {ratio_text(found)}")
    return median(found)
