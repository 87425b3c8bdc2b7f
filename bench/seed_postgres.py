"""PostgreSQL clusters with a database of Farthing's full of customers, made once and kept in build/bench/.

The customers are those of seed.py, with the same ids, but for `created_by`: there each row holds the id of another one,
so that pgbench can ask for one after the other (bench/README.md says why). It is of the length of a user's id.
"""

import hashlib
import json
import shutil
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path

import measure
import seed
from measure import Failure
from servers import Farthing, Postgres

DATABASE = "seeded"
SCOPE = 1  # of the first environment, which is the one that `farthing init` makes a key for
# Steps from row to row by a linear congruence that meets every row once when 10 is the only base of the count (Hull and
# Dobell): the step is odd and no multiple of five, the factor is one more than a multiple of twenty.
WALK_FACTOR, WALK_STEP = 618_021, 314_159
ROWS_PER_WRITE = 5_000


def next_on_walk(row, count):
    return (WALK_FACTOR * row + WALK_STEP) % count


def time_text(microseconds):
    return datetime.fromtimestamp(microseconds // 1_000_000, timezone.utc).strftime("%Y-%m-%d %H:%M:%S.") + (
        f"{microseconds % 1_000_000:06}+00")


def lines(count):
    """The rows in COPY's text format. Nothing that seed.py makes needs escaping."""
    for row, values in enumerate(seed.customers(count, SCOPE)):
        del values["key"]
        values["created_by"] = seed.customer_id(next_on_walk(row, count))
        values["created_at"] = values["updated_at"] = time_text(values["created_at"])
        yield "\t".join(map(str, values.values())) + "\n"


def columns_of(postgres):
    known = [column for column in next(seed.customers(1, SCOPE)) if column != "key"]
    required = postgres.psql("SELECT column_name FROM information_schema.columns WHERE table_name = 'customers' "
                             "AND is_nullable = 'NO' AND column_default IS NULL", DATABASE).split()
    missing = set(required) - set(known)
    if missing:
        raise Failure(f"customers has columns that bench/seed.py does not fill: {missing}")
    return known


def copy_in(postgres, count):
    """In the transaction that empties the table, which needs no log then."""
    copy = subprocess.Popen(postgres.psql_command(DATABASE), stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    copy.stdin.write(f"BEGIN; TRUNCATE customers, customer_keys; COPY customers ({', '.join(columns_of(postgres))}) FROM STDIN;\n")
    held = []
    for line in lines(count):
        held.append(line)
        if len(held) == ROWS_PER_WRITE:
            copy.stdin.write("".join(held))
            held.clear()
    copy.stdin.write("".join(held))
    _, errors = copy.communicate("\\.\nINSERT INTO customer_keys SELECT scope, id, replace(gen_random_uuid()::text || "
                                 "gen_random_uuid()::text, '-', '') FROM customers;\nCOMMIT;\n")
    if copy.returncode != 0:
        raise Failure(f"COPY failed: {errors.strip()}")


def fill(postgres, count):
    """Fills the table with its indexes away: building each in one sort is much faster."""
    definitions = postgres.psql("SELECT indexdef FROM pg_indexes WHERE tablename = 'customers' "
                                "AND indexname <> 'customers_pkey'", DATABASE).splitlines()
    names = postgres.psql("SELECT indexname FROM pg_indexes WHERE tablename = 'customers' "
                          "AND indexname <> 'customers_pkey'", DATABASE).split()
    postgres.psql("ALTER TABLE customers DROP CONSTRAINT customers_pkey; " +
                  "".join(f"DROP INDEX {name}; " for name in names), DATABASE)
    copy_in(postgres, count)
    postgres.psql("SET maintenance_work_mem = '512MB'; ALTER TABLE customers ADD PRIMARY KEY (scope, id); " +
                  "".join(f"{definition}; " for definition in definitions), DATABASE)
    postgres.psql("VACUUM (FREEZE, ANALYZE) customers", DATABASE)
    postgres.psql("CREATE EXTENSION pg_prewarm", DATABASE)
    postgres.psql("CHECKPOINT", DATABASE)


def schema_hash():
    """What a kept cluster depends on: the migrations, what makes the rows and this file."""
    digest = hashlib.sha256()
    migrations = sorted((measure.CHECKOUT / "migrations" / "postgres").glob("*.sql"))
    for file in [*migrations, Path(__file__), Path(seed.__file__)]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def seeded(count):
    """A cluster that holds the seeded database with `count` customers, a data directory that goes with it, and the API
    key: (cluster, directory, key). The seeded database is not to be written to."""
    cluster = measure.WORK / f"postgres-{count}-{schema_hash()}"
    directory, done = cluster.with_suffix(".data"), cluster.with_suffix(".json")
    if not done.exists():
        for old in measure.WORK.glob(f"postgres-{count}-*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        measure.note(f"seeding {count:,} customers in PostgreSQL ...")
        start = time.monotonic()
        with Postgres(cluster) as postgres:
            postgres.create_database(DATABASE)
            values = Farthing.init(directory, "--database", postgres.url(DATABASE))
            fill(postgres, count)
            size = int(postgres.psql(f"SELECT pg_database_size('{DATABASE}')", DATABASE))
        done.write_text(json.dumps(values))
        measure.note(f"  {size / 1e6:,.0f} MB in {time.monotonic() - start:.0f} s")
    return cluster, directory, json.loads(done.read_text())["FARTHING_API_KEY"]


def warm(postgres):
    """Reads the table and its key into the server's memory, where both sides ask for them."""
    postgres.psql("SELECT pg_prewarm('customers'), pg_prewarm('customers_pkey')", DATABASE)
