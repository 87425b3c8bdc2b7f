"""Data directories full of customers, made once and kept in build/bench/.

A customer's id follows from its row number, in bench/load_request.c and here alike, so that the load client can ask
for a random one of ten million without a list.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import time
from pathlib import Path

import measure
from measure import Failure
from servers import Farthing

DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SEED_TIME_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
SEED_ROWS_PER_MS = 100
KEY_RANDOM_BITS = 20
NUMBER_MIN = 10_000_000
WARM_BYTES = 8 << 20
INDEX_IDLE_SECONDS = 2
MASK = (1 << 64) - 1
FOUR_DIGITS = [a + b + c + d for a in DIGITS for b in DIGITS for c in DIGITS for d in DIGITS]
PLACES = [
    ("221 Market Street", "San Francisco", "CA", "94103", "US", "America/Los_Angeles"),
    ("Torstraße 140", "Berlin", "BE", "10119", "DE", "Europe/Berlin"),
    ("14 MG Road", "Bengaluru", "KA", "560001", "IN", "Asia/Kolkata"),
    ("8 Rue de Rivoli", "Paris", "IDF", "75004", "FR", "Europe/Paris"),
]


def mix64(number):
    """The finalizer of splitmix64: the same function as in load_request.c."""
    number = (number + 0x9E3779B97F4A7C15) & MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & MASK
    return number ^ (number >> 31)


def ulid_time(time_ms):
    return "".join(DIGITS[(time_ms >> shift) & 31] for shift in range(45, -1, -5))


def id_tail(random):
    """The 16 digits for 80 bits, of which the upper 16 are zero."""
    return ("000" + DIGITS[random >> 60] + FOUR_DIGITS[(random >> 40) & 0xFFFFF]
            + FOUR_DIGITS[(random >> 20) & 0xFFFFF] + FOUR_DIGITS[random & 0xFFFFF])


def customer_id(row):
    return "cust_" + ulid_time(SEED_TIME_MS + row // SEED_ROWS_PER_MS) + id_tail(mix64(row))


def customer_path(row):
    return "/v1/customers/" + customer_id(row)


def free_key(taken, time_ms, random):
    """Where the server would store the row (src/store/row_key.h). Neighbours in time are the only ones that collide."""
    key = (time_ms << KEY_RANDOM_BITS) | (random & ((1 << KEY_RANDOM_BITS) - 1))
    while key in taken:
        key += 1
    taken.add(key)
    return key


def customers(count, scope):
    """The rows, as (column -> value): a company with most fields given, about what an integrator sends."""
    for row in range(count):
        if row % SEED_ROWS_PER_MS == 0:
            time_ms = SEED_TIME_MS + row // SEED_ROWS_PER_MS
            prefix = "cust_" + ulid_time(time_ms)
            taken = set()
        random = mix64(row)
        number = NUMBER_MIN + (random >> 41)
        line1, city, state, postal_code, country, timezone = PLACES[random & 3]
        yield {
            "key": free_key(taken, time_ms, random),
            "scope": scope,
            "id": prefix + id_tail(random),
            "external_id": "crm_%016x" % random,
            "name": f"Northwind Traders {number}",
            "email": f"billing+{number}@northwind.example.com",
            "contact": f"+49 30 {number}",
            "address_line1": line1,
            "address_line2": f"Floor {10 + number % 30}",
            "address_city": city,
            "address_state": state,
            "address_postal_code": postal_code,
            "address_country": country,
            "timezone": timezone,
            "metadata": f'{{"plan":"growth","crm_id":"00{number}","segment":"mid-market"}}',
            "status": "published",
            "created_at": time_ms * 1000 + row % SEED_ROWS_PER_MS,
            "updated_at": time_ms * 1000 + row % SEED_ROWS_PER_MS,
            "created_by": "user_01KDVDN9ZZ0000000000000002",
            "updated_by": "user_01KDVDN9ZZ0000000000000002",
        }


def columns_of(database):
    known = next(customers(1, 1)).keys()
    found = database.execute("PRAGMA table_info(customers)").fetchall()
    for _, name, _, required, default, _ in found:
        if required and default is None and name not in known:
            raise Failure(f"customers has a column that bench/seed.py does not fill: {name}")
    return [column[1] for column in found if column[1] in known]


def insert(database, count, scope):
    """Fills the table with its secondary indexes away: building each in one sort is much faster."""
    indexes = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'customers' "
                               "AND sql IS NOT NULL").fetchall()
    columns = columns_of(database)
    places = ", ".join(":" + column for column in columns)
    database.execute("BEGIN")
    for name, _ in indexes:
        database.execute(f'DROP INDEX "{name}"')
    database.executemany(f"INSERT INTO customers ({', '.join(columns)}) VALUES ({places})", customers(count, scope))
    for _, sql in indexes:
        database.execute(sql)
    database.execute("INSERT INTO customer_keys SELECT key, scope, id, lower(hex(randomblob(32))) FROM customers")
    database.execute("COMMIT")


def fill(directory, count, searchable):
    database = sqlite3.connect(directory / "farthing.db", isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000", "locking_mode = EXCLUSIVE"):
        database.execute("PRAGMA " + pragma)
    (scope,) = database.execute("SELECT min(scope) FROM scopes").fetchone()
    insert(database, count, scope)
    if not searchable:  # for ten million rows the index of searches takes minutes
        database.execute("DELETE FROM customers_unindexed")
    database.execute("PRAGMA locking_mode = NORMAL")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def index_state(database):
    """How many rows are to be taken in, and which segments there are."""
    return database.execute("SELECT (SELECT count(*) FROM customers_unindexed), (SELECT group_concat(segment || ' ' || state || ' ' "
                            "|| steps) FROM customers_search_segments)").fetchone()


def index(directory, api_key):
    """Has a server take all rows into the index of searches, and merge what it has made."""
    with Farthing("seed", directory, api_key):
        database = sqlite3.connect(f"file:{directory}/farthing.db?mode=ro", uri=True)
        before, now = None, index_state(database)
        while now != before or now[0] > 0:
            time.sleep(INDEX_IDLE_SECONDS)
            before, now = now, index_state(database)
        database.close()


def schema_hash():
    """What a kept directory depends on: the migrations and this file."""
    digest = hashlib.sha256()
    for file in sorted((measure.CHECKOUT / "migrations" / "sqlite").glob("*.sql")) + [Path(__file__)]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def directory_size(directory):
    return sum(file.stat().st_size for file in directory.iterdir() if file.is_file())


def seeded(count, searchable=False):
    """A data directory with `count` customers and its API key: (directory, key). Not to be written to: see `copy`."""
    kind = "-searchable" if searchable else ""
    directory = measure.WORK / f"seed{kind}-{count}-{schema_hash()}"
    done = directory.parent / (directory.name + ".json")
    if not done.exists():
        for old in measure.WORK.glob(f"seed{kind}-{count}-*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        measure.note(f"seeding {count:,} customers ...")
        start = time.monotonic()
        os.environ["SQLITE_TMPDIR"] = str(measure.WORK)
        values = Farthing.init(directory)
        fill(directory, count, searchable)
        if searchable:
            index(directory, values["FARTHING_API_KEY"])
        os.sync()
        done.write_text(json.dumps(values))
        measure.note(f"  {directory_size(directory) / 1e6:,.0f} MB in {time.monotonic() - start:.0f} s")
    return directory, json.loads(done.read_text())["FARTHING_API_KEY"]


def warm(directory):
    """Reads the database once, so that the kernel has it in memory: what is measured is serving, not the disk."""
    with open(directory / "farthing.db", "rb", buffering=0) as file:
        while file.read(WARM_BYTES):
            pass


def copy(source, name):
    """A copy of a stopped server's data directory that a benchmark may write to."""
    target = measure.WORK / name
    shutil.rmtree(target, ignore_errors=True)
    measure.run_command("cp", "--archive", "--reflink=auto", str(source), str(target))
    return target
