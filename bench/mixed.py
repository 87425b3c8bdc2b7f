"""mixed: gets amid searches and updates of a million customers, and durable updates against pgbench's creates."""

import shutil
import sqlite3
import time
from contextlib import closing

import seed
from measure import Failure, figure, load, median, note, ratio_text, undisturbed
from pgbench import CLIENTS, favourable_postgres, rates_over_creates
from servers import Farthing

MIX_CONNECTIONS = 16  # what the mix can do at most is asked on these
PACED_CONNECTIONS = 1000  # as few as will do are used: enough that updates that wait for the disk keep none from a get
GETS_SHARE = 0.9  # of the mix
CREATES_ASKED = 1.2  # of creates, over pgbench's
IDLE_SECONDS = 2.5  # after updates: lets the idle checkpoint and the index of searched texts pass


class Full:
    customers, rounds, seconds, probe_seconds = 1_000_000, 5, 12, 5
    gets_rounds, gets_seconds = 11, 5


class Quick:
    customers, rounds, seconds, probe_seconds = 100_000, 2, 3, 2
    gets_rounds, gets_seconds = 3, 3


def run(quick):
    plan = Quick if quick else Full
    source, api_key = seed.seeded(plan.customers, searchable=True)
    directory = seed.copy(source, "mixed-searchable")
    seed.warm(directory)
    try:
        with Farthing("farthing", directory, api_key) as ours:
            updated = gets_figure(ours, plan)
            updated += updates_figure(ours, plan)
        require_all_updated(directory, updated)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def kinds_of(sample):
    return {one["stream"]: one for one in sample.streams}


class Mix:
    """Drives a server with the mix, and counts the updates that it acknowledges."""

    def __init__(self, server, plan):
        self.server, self.plan, self.updated = server, plan, 0

    def drive(self, seconds, connections, pace=""):
        sample = load(self.server, seconds, f"mix:connections={connections},rows={self.plan.customers},digits=6{pace}")
        kinds = kinds_of(sample)
        self.updated += kinds["update"]["completed"]
        note(f"  mix   {per_second(sample):9.0f}/s  {sample.cpu_us:7.2f} us CPU each  server {100 * sample.busy:3.0f} % busy; "
             "p50, p99, max us: " + ", ".join(f"{name} {one['p50_us']}, {one['p99_us']}, {one['max_us']}"
                                              for name, one in kinds.items()))
        return sample


def per_second(sample):
    return sample.completed / max(one["seconds"] for one in sample.streams)


def gets_figure(server, plan):
    """Gets at the rate that they have in half of the most of the mix, alone and in it. Returns the number of updates."""
    gets = f"get:connections={PACED_CONNECTIONS},rows={plan.customers}"
    mix = Mix(server, plan)
    load(server, plan.probe_seconds, f"get:connections={CLIENTS},rows={plan.customers}")  # warms up
    half = per_second(mix.drive(plan.seconds, MIX_CONNECTIONS)) / 2
    found = []
    for _ in range(plan.gets_rounds):
        time.sleep(IDLE_SECONDS)
        alone = undisturbed(lambda: load(server, plan.gets_seconds, f"{gets},rate={GETS_SHARE * half:.0f}"))
        note(f"  alone {alone.text()}")
        mixed = undisturbed(lambda: mix.drive(plan.gets_seconds, PACED_CONNECTIONS, f",rate={half:.0f}"))
        found.append(kinds_of(mixed)["get"]["p99_us"] / alone.p99_us)
    note(f"  p99 of gets, in the mix / alone: {ratio_text(found)}")
    figure("mixed-gets-p99-vs-alone", median(found), "<=2.00")
    return mix.updated


def updates_figure(server, plan):
    with favourable_postgres() as postgres:
        found, updated = rates_over_creates(server, postgres, plan, f"update:connections={CLIENTS},rows={plan.customers}")
    asked = [ratio / CREATES_ASKED for ratio in found]
    note(f"  updates a second over pgbench's creates: {ratio_text(found)}; over what is asked of our creates: {ratio_text(asked)}")
    figure("mixed-updates-vs-creates-asked", median(asked), ">=0.80")
    return updated


def require_all_updated(directory, updated):
    """Each acknowledged update has left its audit and its outbox row."""
    with closing(sqlite3.connect(directory / "farthing.db")) as database:
        for table, condition in (("audit_log", "entity_type = 'customer' AND action = 'updated'"),
                                 ("system_events", "event_name = 'customer.updated'")):
            (count,) = database.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()
            if count != updated:
                raise Failure(f"{updated} updates were acknowledged, but {table} has {count} rows of them")
    note(f"  {updated:,} updates acknowledged, each with its audit and outbox row")
