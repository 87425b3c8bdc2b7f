"""search: lists and searches of a million customers, with 16 connections, and what they cost those who get a single one.

For lists and searches server and client both use both processors, because whoever asks for them does so on the machine as it
is: two slow reads run at once then. FARTHING_BENCH_ONE_CORE=1 keeps them to one each. What they cost others is measured with a
processor each, as in the other benchmarks: gets and a search then share the server's.
"""

import os

import measure
import seed
from measure import figure, load, note, undisturbed
from servers import Farthing

CONNECTIONS = 16
GETS = "get:connections=64,rows={rows},rate={rate}"


class Full:
    customers, seconds, rounds = 1_000_000, 10, 5


class Quick:
    customers, seconds, rounds = 1_000_000, 3, 1


def run(quick):
    plan = Quick if quick else Full
    directory, api_key = seed.seeded(plan.customers, searchable=True)
    seed.warm(directory)
    if not os.environ.get("FARTHING_BENCH_ONE_CORE"):
        measure.spread()
        note("server and client on both processors")
    with Farthing("farthing", directory, api_key) as ours:
        load(ours, 2, f"get:connections={CONNECTIONS},rows={plan.customers}")
        lists(ours, plan)
        searches(ours, plan)
    measure.keep_apart()
    with Farthing("farthing", directory, api_key) as ours:
        gets_beside_scans(ours, plan)


def worst_p99_ms(ours, plan, stream):
    """The worst of the rounds: a user meets that one, too."""
    worst = 0
    for _ in range(plan.rounds):
        sample = load(ours, plan.seconds, stream)
        note(f"  {stream:60} {sample.text()}")
        worst = max(worst, sample.p99_us / 1000)
    return worst


def lists(ours, plan):
    note("a page of 50 with the number of all")
    for offset in (0, 10_000):
        load(ours, 1, f"list:connections={CONNECTIONS},offset={offset}")
        figure(f"list-page-at-{offset}-p99-ms", worst_p99_ms(ours, plan, f"list:connections={CONNECTIONS},offset={offset}"), "<=5")


def searches(ours, plan):
    note("names that contain some digits: six are in one to ten names, four in about 500")
    for digits in (6, 4):
        stream = f"search:connections={CONNECTIONS},rows={plan.customers},digits={digits}"
        load(ours, 1, stream)
        figure(f"contains-{digits}-digits-p99-ms", worst_p99_ms(ours, plan, stream), "<=10")
    note("one at a time: what a person waits for")
    for digits in (6, 4, 2, 1):
        sample = load(ours, plan.seconds, f"search:connections=1,rows={plan.customers},digits={digits}")
        note(f"  {digits} digits: {sample.text()}")
        if digits <= 2:
            figure(f"contains-{digits}-digit{'s' * (digits > 1)}-worst-ms", sample.max_us / 1000, "<=1000")


def gets_beside_scans(ours, plan):
    """Half of what gets can be had at most, alone and beside searches of two thirds of the table, one after the other."""
    closed = load(ours, plan.seconds, f"get:connections=64,rows={plan.customers}")
    gets = GETS.format(rows=plan.customers, rate=int(closed.per_second / 2))
    ratios = []
    for _ in range(plan.rounds):
        alone = undisturbed(lambda: load(ours, plan.seconds, gets))
        beside = undisturbed(lambda: load(ours, plan.seconds, gets, f"search:connections=1,rows={plan.customers},digits=1"))
        note(f"  gets alone  {alone.text()}\n  beside      p50 {beside.p50_us}  p99 {beside.p99_us}  max {beside.max_us} us; "
             f"searches p50 {beside.streams[1]['p50_us'] / 1000:.0f} ms")
        ratios.append(beside.p99_us / alone.p99_us)
    figure("gets-beside-scan-p99-ratio", measure.median(ratios), "<=2")
