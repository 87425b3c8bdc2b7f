"""pgbench on a PostgreSQL server: what Farthing's rates are compared with, and that both did the same work."""

import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

import measure
from measure import Failure, cpu_ns, load, note
from servers import Postgres

CLIENTS = 64
CREATE_SCRIPTS = ("plain", "pipeline", "statement")
ROW_BYTES_TOLERANCE = 0.03
SAMPLED_ROWS = 1000
SESSIONS_END_SECONDS = 0.2  # a session that is just ending counts neither among the living nor among the ended


@dataclass
class Run:
    """What pgbench measured, and the server's CPU time meanwhile."""

    completed: int
    per_second: float
    latency_ms: float
    cpu_us: float
    busy: float

    def text(self):
        return (f"{self.per_second:9.0f}/s  {self.cpu_us:7.2f} us CPU each  server {100 * self.busy:3.0f} % busy  "
                f"mean {1000 * self.latency_ms:.0f} us")


class Pgbench:
    """Runs one of bench/pgbench_*.sql against a database. Each run continues the count that the ids of creates are made
    of."""

    def __init__(self, postgres, database="bench"):
        self.postgres = postgres
        self.database = database
        self.count = 0

    def command(self, script, seconds, variables):
        defined = [word for name, value in variables.items() for word in ("-D", f"{name}={value}")]
        return ["pgbench", "--no-vacuum", "-h", str(self.postgres.directory), "-p", str(self.postgres.port),
                "-U", "bench", "--client", str(CLIENTS), "--jobs", "1", "--time", str(seconds), "--progress", "1",
                "--protocol", "prepared", *defined, "-f", str(measure.BENCH / f"pgbench_{script}.sql"), self.database]

    def run(self, script, seconds, uncounted_seconds=0, **variables):
        """Measures `seconds` behind the uncounted ones, in the same sessions."""
        intervals = []
        command = self.command(script, ceil(seconds) + uncounted_seconds, variables)
        cpu_before, wall_before = cpu_ns(self.postgres.pid), time.monotonic_ns()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as pgbench:
            errors = ""
            for line in pgbench.stderr:
                interval = re.match(r"progress: [0-9.]+ s, ([0-9.]+) tps, lat ([0-9.]+) ms", line)
                if not interval:
                    errors += line
                    continue
                intervals.append((float(interval.group(1)), float(interval.group(2))))
                if len(intervals) == uncounted_seconds:
                    cpu_before, wall_before = cpu_ns(self.postgres.pid), time.monotonic_ns()
            output = pgbench.stdout.read()
        wall = time.monotonic_ns() - wall_before
        time.sleep(SESSIONS_END_SECONDS)
        cpu = cpu_ns(self.postgres.pid) - cpu_before
        if pgbench.returncode != 0:
            raise Failure(f"pgbench failed:\n{errors}")
        return self.result(output, intervals[uncounted_seconds:], uncounted_seconds, cpu, wall)

    @staticmethod
    def result(output, intervals, uncounted_seconds, cpu, wall):
        processed = int(re.search(r"actually processed: (\d+)", output).group(1))
        per_second = float(re.search(r"^tps = ([0-9.]+) \(without initial", output, re.MULTILINE).group(1))
        latency_ms = float(re.search(r"^latency average = ([0-9.]+) ms", output, re.MULTILINE).group(1))
        counted = processed
        if uncounted_seconds:
            per_second = sum(rate for rate, _ in intervals) / len(intervals)
            latency_ms = sum(rate * latency for rate, latency in intervals) / len(intervals) / per_second
            counted = per_second * wall / 1e9
        return Run(processed, per_second, latency_ms, cpu / 1000 / counted, cpu / wall)

    def create(self, script, seconds, uncounted_seconds=0):
        run = self.run(script, seconds, uncounted_seconds, count=self.count)
        self.count += run.completed
        return run


def settle(postgres):
    """Between rounds nobody's unwritten pages may burden the next one."""
    postgres.psql("CHECKPOINT", database="postgres")
    measure.run_command("sync")


def fastest_script(pgbench, seconds):
    """PostgreSQL is measured with the way of sending one transaction that suits it best."""
    speeds = {}
    pgbench.create("plain", seconds)  # warms up
    for script in CREATE_SCRIPTS:
        settle(pgbench.postgres)
        speeds[script] = pgbench.create(script, seconds).per_second
        note(f"  pgbench {script:10} {speeds[script]:9.0f}/s")
    return max(speeds, key=speeds.get)


@contextmanager
def favourable_postgres():
    """A server with a database for pgbench's creates, both gone afterwards."""
    directory = measure.WORK / "postgres"
    shutil.rmtree(directory, ignore_errors=True)
    try:
        with Postgres(directory) as postgres:
            postgres.create_database("bench")
            postgres.psql(favourable_schema())
            yield postgres
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def favourable_schema():
    """The tables that a create writes to, from our migrations: the same columns and every index, but to PostgreSQL's advantage
    no checks, no indexes for searching, and JSON as plain text, which it need not parse."""
    ours = "".join(path.read_text() for path in sorted((measure.CHECKOUT / "migrations/postgres").glob("*.sql")))
    about = re.compile(r"(CREATE TABLE|CREATE (UNIQUE )?INDEX \w+\s+ON|ALTER TABLE) (customers|customer_keys|audit_log|system_events)\b"
                       r"|DROP INDEX (customers|audit_log|system_events)_")
    statements = [one.strip() for one in re.sub("--.*", "", ours).split(";")]
    kept = "".join(one + ";\n" for one in statements if about.match(one) and "USING gin" not in one)
    return re.sub(r"\bjsonb?\b", 'text COLLATE "C"', re.sub(r" CHECK \((?:[^()]|\([^()]*\))*\)", "", kept))


def rates_over_creates(ours, postgres, plan, stream):
    """Drives `ours` with a stream of writes and PostgreSQL with pgbench's creates, in turn. Returns rate over rate by round, and
    how many writes were acknowledged in all."""
    pgbench = Pgbench(postgres)
    script = fastest_script(pgbench, plan.probe_seconds)
    completed = load(ours, plan.probe_seconds, stream).completed  # warms up
    found = []
    for _ in range(plan.rounds):
        settle(postgres)
        sample = load(ours, plan.seconds, stream)
        completed += sample.completed
        note(f"  farthing {sample.text()}")
        settle(postgres)
        theirs = pgbench.create(script, plan.seconds)
        note(f"  PostgreSQL ({script}) {theirs.text()}")
        found.append(sample.per_second / theirs.per_second)
    return found, completed


ROW_BYTES = {  # text of one create's rows; instants and numbers are fixed in size
    "customers": "id external_id name email contact address_line1 address_line2 address_city address_state "
                 "address_postal_code address_country timezone metadata status created_by updated_by",
    "customer_keys": "id secret",
    "audit_log": "tenant_id hash entity_type entity_id action actor_id request_id changes",
    "system_events": "id event_name entity_type entity_id payload created_by",
}
CREATED = {"customers": "1 = 1", "customer_keys": "1 = 1", "audit_log": "entity_type = 'customer'", "system_events": "entity_type = 'customer'"}


def row_bytes_query(table, length):
    columns = " + ".join(f"coalesce({length.format(column)}, 0)" for column in ROW_BYTES[table].split())
    order = {"customers": "created_at", "customer_keys": "id"}.get(table, "sequence")
    return (f"SELECT avg(bytes) FROM (SELECT {columns} AS bytes FROM {table} WHERE {CREATED[table]} "
            f"ORDER BY {order} DESC LIMIT {SAMPLED_ROWS}) AS sampled")


def postgres_row_bytes(postgres, database="bench"):
    """Asks how much text a row of a table has, for `require_equal_rows`."""
    return lambda table: float(postgres.psql(row_bytes_query(table, "octet_length({}::text)"), database))


def require_equal_rows(ours, theirs):
    """Both must have written the same amount of text, or the comparison is void. `ours`, `theirs`: table -> bytes."""
    for table in ROW_BYTES:
        our_bytes, their_bytes = ours(table), theirs(table)
        note(f"  text of a row of {table}: farthing {our_bytes:.0f} bytes, pgbench {their_bytes:.0f}")
        if abs(their_bytes / our_bytes - 1) > ROW_BYTES_TOLERANCE:
            raise Failure(f"rows of {table} differ in size; adapt bench/pgbench_*.sql to what farthing writes")


def require_all_created(count_rows, created):
    """Each acknowledged create has its four rows. `count_rows`: a query -> its number."""
    for table, condition in CREATED.items():
        count = int(count_rows(f"SELECT count(*) FROM {table} WHERE {condition}"))
        if count != created:
            raise Failure(f"{created} creates were acknowledged, but {table} has {count} rows")
    note(f"  {created:,} creates acknowledged, each with its customer, key, audit and outbox row")
