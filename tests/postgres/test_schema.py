"""The migrated schema and every statement of the program, on a real server (tests/support/postgres_schema.c)."""

import os
import subprocess

from farthing_server import BINARY, START_SECONDS_MAX, run, seconds

SCHEMA_TOOL = BINARY.parent / "tests/support/farthing-postgres-schema"


def look_at(place):
    return subprocess.run(
        [SCHEMA_TOOL],
        env={**os.environ, "FARTHING_DATABASE": place.url},
        capture_output=True,
        text=True,
        timeout=seconds(START_SECONDS_MAX),
        check=False,
    )


def test_every_statement_and_every_column_fits(place):
    report = look_at(place)
    assert report.returncode == 0, report.stdout
    assert " 0 differences" in report.stdout


def test_a_column_that_is_missing_is_found(place):
    place.sql("ALTER TABLE customers DROP COLUMN timezone")
    report = look_at(place)
    assert report.returncode == 1
    assert "customers.timezone" in report.stdout


def test_a_table_that_would_be_read_from_end_to_end_is_found(place):
    place.sql("ALTER TABLE customers DROP CONSTRAINT customers_pkey")
    place.sql("DROP INDEX customers_external_id, customers_by_creation, customers_email")
    report = look_at(place)
    assert report.returncode == 1
    assert "reads a large table from end to end" in report.stdout


def test_a_newer_schema_that_allows_this_program_is_used(place):
    """Old and new processes run side by side while one replaces the other."""
    place.sql("INSERT INTO schema_versions (version, oldest_reader) VALUES (1000, 1)")
    with place.client() as client:
        assert client.create({"external_id": "a", "name": "A"})["external_id"] == "a"


def test_a_newer_schema_that_does_not_is_refused(place):
    place.sql("INSERT INTO schema_versions (version, oldest_reader) VALUES (1000, 999)")
    where = ("--data", place.folder / "new", "--database", place.url)
    said = run("serve", *where, "--listen", "127.0.0.1:0")
    assert said.returncode == 1
    assert "run a newer Farthing" in said.stderr
    assert len(said.stderr.splitlines()) == 1
