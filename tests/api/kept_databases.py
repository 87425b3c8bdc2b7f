"""Databases that programs of earlier schema versions have made (tests/kept), unpacked for the engine under test."""

import io
import json
import subprocess
import tarfile

import engine
from farthing_server import REPOSITORY
from postgres_cluster import ROLE

FOLDER = REPOSITORY / "tests/kept"
CURRENT = len(list((REPOSITORY / "migrations" / engine.ENGINE).glob("*.sql")))
VERSIONS = range(1, CURRENT + 1)


def archive_of(version):
    return FOLDER / f"{engine.ENGINE}-{version:04}.tar.zst"


def unpack(version, directory):
    """Makes a data directory of it. Returns what was noted of it when it was made."""
    content = subprocess.run(["zstd", "-dcq", archive_of(version)], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive.getmembers()}
    directory.mkdir(mode=0o700)
    if engine.ON_POSTGRES:
        held = engine.databases()
        held.cluster.sql(f"SET SESSION AUTHORIZATION {ROLE};\n" + files["dump.sql"].decode(), held.name(directory))
    for name in {"farthing.db", "secrets"} & set(files):
        path = directory / name
        path.touch(0o600)
        path.write_bytes(files[name])
    return json.loads(files["made.json"])


def schema_version(directory):
    if engine.ON_POSTGRES:
        return engine.tuples(directory, "SELECT max(version) AS version FROM schema_versions")[0][0]
    return engine.tuples(directory, "PRAGMA user_version")[0][0]


def schema(directory):
    """What the database is made of, to compare."""
    if not engine.ON_POSTGRES:
        return engine.tuples(directory, "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name")
    columns = """SELECT table_name, ordinal_position, column_name, data_type, is_nullable, column_default, collation_name
        FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"""
    indexes = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
    constraints = """SELECT conrelid::regclass::text AS of, conname, pg_get_constraintdef(oid) AS def FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"""
    triggers = "SELECT tgname, pg_get_triggerdef(oid) AS def FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
    functions = """SELECT p.oid::regprocedure::text AS name, prosrc FROM pg_proc p WHERE pronamespace = 'public'::regnamespace
        AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') ORDER BY 1"""
    return [engine.tuples(directory, query) for query in (columns, indexes, constraints, triggers, functions)]
