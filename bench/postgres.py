"""postgres: Farthing on PostgreSQL, against pgbench doing the same to the same server.

One server holds three databases, all with Farthing's schema: one full of customers, which both only read, and an empty one
each for the creates. Farthing and all of PostgreSQL's processes share one core; the client, pgbench or ours, has the other.
"""

import shutil
from contextlib import contextmanager

import measure
import seed_postgres
from get_customer import idle_memory
from measure import figure, load, median, memory_text, note, ratio_text
from pgbench import (CLIENTS, Pgbench, fastest_script, postgres_row_bytes, require_all_created, require_equal_rows,
                     settle)
from servers import Farthing, Postgres

CREATES = f"create:connections={CLIENTS}"
OURS, THEIRS = "farthing", "pgbench"  # the databases that are created in
CONNECTION_COUNTS = (2, 4, 8, 16)
# The scripts give texts where the columns are JSON, because those of create-customer are text; this has PostgreSQL convert
# them as it would with ::jsonb.
CASTS = "CREATE CAST (text AS json) WITH INOUT AS ASSIGNMENT; CREATE CAST (text AS jsonb) WITH INOUT AS ASSIGNMENT;"


class Full:
    customers = 1_000_000
    rounds, seconds, probe_seconds = 5, 5, 4
    start_seconds, create_start_seconds = 4, 2  # in which pgbench's sessions start; not counted
    sweep_rounds, sweep_seconds = 2, 4


class Quick:
    customers = 100_000
    rounds, seconds, probe_seconds = 3, 2, 1
    start_seconds, create_start_seconds = 1, 1
    sweep_rounds, sweep_seconds = 1, 2


def run(quick):
    plan = plan_for(quick)
    with seeded_server(plan) as (postgres, directory, api_key):
        seeded = Farthing("farthing", directory, api_key, *database_flags(postgres, seed_postgres.DATABASE))
        memory = get_figure(seeded, postgres, plan)
        create_figure(postgres, plan)
        note(f"  memory idle: {memory_text(memory)}")
        figure("postgres-idle-memory-mb", memory["VmRSS"] / 1024, "<=40", 1)


def plan_for(quick):
    if quick:
        note("quick: 100,000 customers stand for a million; short rounds")
    return Quick if quick else Full


@contextmanager
def seeded_server(plan):
    cluster, directory, api_key = seed_postgres.seeded(plan.customers)
    with Postgres(cluster) as postgres:
        seed_postgres.warm(postgres)
        yield postgres, directory, api_key


def database_flags(postgres, database):
    return "--database", postgres.url(database)


def gets(plan):
    return f"get:connections={CLIENTS},rows={plan.customers}"


# ---- gets


def get_figure(server, postgres, plan):
    """Prints the figure; returns the memory of the server a second after its first request, before all others."""
    with server:
        memory = idle_memory(server)
        found = []
        for number in range(-1, plan.rounds):  # round -1 warms up and is not counted
            sample = load(server, plan.seconds, gets(plan), database=postgres)
            theirs = select(postgres, plan, plan.seconds)
            if number >= 0:
                note(f"  gets farthing {sample.text()}\n  gets pgbench  {theirs.text()}")
                found.append(sample.per_second / theirs.per_second)
    note(f"  gets a second, farthing / pgbench: {ratio_text(found)}")
    figure("postgres-get-vs-pgbench-select", median(found), ">=0.40")
    return memory


def select(postgres, plan, seconds):
    return Pgbench(postgres, seed_postgres.DATABASE).run("select", seconds, plan.start_seconds, started=0,
                                                             rows=plan.customers)


# ---- creates


@contextmanager
def creating_server(postgres, *flags):
    """Farthing on an empty database, which is gone afterwards."""
    directory = measure.WORK / "postgres-create"
    shutil.rmtree(directory, ignore_errors=True)
    postgres.create_database(OURS)
    url = database_flags(postgres, OURS)
    try:
        api_key = Farthing.init(directory, *url)["FARTHING_API_KEY"]
        with Farthing("farthing", directory, api_key, *url, *flags) as server:
            yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        postgres.drop_database(OURS)


@contextmanager
def pgbench_database(postgres):
    """Another such database, for pgbench: with the schema as Farthing makes it."""
    directory = measure.WORK / "postgres-pgbench"
    shutil.rmtree(directory, ignore_errors=True)
    postgres.create_database(THEIRS)
    try:
        Farthing.init(directory, *database_flags(postgres, THEIRS))
        postgres.psql(CASTS, THEIRS)
        yield Pgbench(postgres, THEIRS)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        postgres.drop_database(THEIRS)


def create_figure(postgres, plan):
    with creating_server(postgres) as server, pgbench_database(postgres) as pgbench:
        script = fastest_script(pgbench, plan.probe_seconds)
        created = load(server, plan.probe_seconds, CREATES).completed  # warms up
        found = []
        for _ in range(plan.rounds):
            sample, batches = create(server, postgres, plan.seconds)
            created += sample.completed
            settle(postgres)
            theirs = pgbench.create(script, plan.seconds, plan.create_start_seconds)
            note(f"  creates farthing {sample.text()}; {batches}\n  creates pgbench ({script}) {theirs.text()}")
            found.append(sample.per_second / theirs.per_second)
        note(f"  creates a second, farthing / pgbench: {ratio_text(found)}")
        require_equal_rows(postgres_row_bytes(postgres, OURS), postgres_row_bytes(postgres, THEIRS))
        require_all_created(lambda query: postgres.psql(query, OURS), created)
        figure("postgres-create-vs-pgbench", median(found), ">=1.00")


def create(server, postgres, seconds):
    """A round of creates, and what the server says of its transactions."""
    settle(postgres)
    before = server.metrics()
    sample = load(server, seconds, CREATES, database=postgres)
    return sample, batch_text(before, server.metrics())


def batch_text(before, after):
    def mean(name, factor=1):
        """Of a histogram, over what was observed meanwhile."""
        count = after[name + "_count"] - before[name + "_count"]
        return factor * (after[name + "_sum"] - before[name + "_sum"]) / max(count, 1)

    return (f"{mean('farthing_writer_batch_commands'):.1f} creates a commit, which takes "
            f"{mean('farthing_database_commit_duration_seconds', 1000):.1f} ms")


# ---- the number of connections


def sweep(quick):
    """What the number of connections to the database does. One table, no figures: for choosing the default."""
    plan = plan_for(quick)
    with seeded_server(plan) as (postgres, directory, api_key):
        select(postgres, plan, plan.sweep_seconds)  # warms up
        note(f"gets, pgbench: {select(postgres, plan, plan.sweep_seconds).text()}")
        with pgbench_database(postgres) as pgbench:
            script = fastest_script(pgbench, plan.sweep_seconds / 2)
            settle(postgres)
            run = pgbench.create(script, plan.sweep_seconds, plan.create_start_seconds)
            note(f"creates, pgbench ({script}): {run.text()}")
        for _ in range(plan.sweep_rounds):
            sweep_gets(postgres, directory, api_key, plan)
        for _ in range(plan.sweep_rounds):
            sweep_creates(postgres, plan)


def sweep_gets(postgres, directory, api_key, plan):
    for count in CONNECTION_COUNTS:
        flags = *database_flags(postgres, seed_postgres.DATABASE), "--database-connections", str(count)
        with Farthing(f"farthing {count}", directory, api_key, *flags) as server:
            load(server, plan.sweep_seconds / 4, gets(plan))  # warms up
            note(f"gets    {count:3} connections {load(server, plan.sweep_seconds, gets(plan), database=postgres).text()}")


def sweep_creates(postgres, plan):
    for count in CONNECTION_COUNTS:
        with creating_server(postgres, "--database-connections", str(count)) as server:
            load(server, plan.sweep_seconds / 4, CREATES)
            sample, batches = create(server, postgres, plan.sweep_seconds)
            note(f"creates {count:3} connections {sample.text()}; {batches}")
