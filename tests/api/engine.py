"""The database below the server: SQLite in the data directory, or PostgreSQL, as $FARTHING_TEST_ENGINE says.

With `postgres`, the test run has a PostgreSQL server of its own, started by the first test that needs it, in which each
data directory has a database of its own. What a test wants to know of the rows it asks here, so that it need not know where
they are. What is about SQLite's files, and so cannot be asked of PostgreSQL, is marked: @pytest.mark.embedded("why").
"""

import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path

from postgres_cluster import Cluster, Session, create_database_statement, quoted

ENGINE = os.environ.get("FARTHING_TEST_ENGINE", "sqlite")
assert ENGINE in ("sqlite", "postgres"), f"FARTHING_TEST_ENGINE is sqlite or postgres, not {ENGINE}"
ON_POSTGRES = ENGINE == "postgres"

# Commands that look into no database, and whose output a database would only change.
WITHOUT_DATABASE = {"config", "help", "version"}
# So many databases stay, the ones that were used last: one takes 7 MB, and a run makes a thousand.
DATABASES_MAX = 64
SETTLE_SECONDS_MAX = 30


class Databases:
    """The databases of the data directories of this run."""

    def __init__(self):
        self.cluster = Cluster().initialise()
        self.session = Session(self.cluster)
        self.names = {}  # by directory, the one that was used last at the end
        self.count = 0

    def name(self, directory):
        path = os.path.realpath(directory)
        name = self.names.pop(path, None) or self._create()
        self.names[path] = name
        return name

    def share(self, directory, other):
        self.names[os.path.realpath(other)] = self.name(directory)

    def _create(self):
        self._drop_oldest()
        self.count += 1
        name = f"farthing_{self.count}"
        self.session.sql(create_database_statement(name))
        return name

    def _drop_oldest(self):
        """Those that a server still uses cannot be dropped; their turn comes later."""
        for path in list(self.names)[: max(0, len(self.names) - DATABASES_MAX)]:
            used = self.session.sql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = {quoted(self.names[path])}")
            if used == "0":
                self.session.sql(f"DROP DATABASE IF EXISTS {self.names.pop(path)}")


_databases = None


def databases():
    global _databases
    if _databases is None:
        _databases = Databases()
    return _databases


# ---- which database a process is to use ----


def variables(directory):
    """What a process must have in its environment that is to use the database of this data directory."""
    if not ON_POSTGRES:
        return {}
    held = databases()
    return {"FARTHING_DATABASE": held.cluster.url(held.name(directory))}


def directory_of(arguments, changes):
    """The data directory that a command with these arguments and variables is told to use."""
    words = [str(argument) for argument in arguments]
    if not words or words[0] in WITHOUT_DATABASE:
        return None
    for word, following in zip(words, [*words[1:], None]):
        if word == "--data":
            return following
        if word.startswith("--data="):
            return word.removeprefix("--data=")
    return changes.get("FARTHING_DATA")


def variables_of_command(arguments, changes):
    directory = directory_of(arguments, changes)
    return variables(directory) if directory and "FARTHING_DATABASE" not in changes else {}


def share(directory, other):
    """Another data directory is to use the database of this one."""
    if ON_POSTGRES:
        databases().share(directory, other)


def has_database(directory):
    """Whether the data directory has been given a database."""
    return (Path(directory) / ("database" if ON_POSTGRES else "farthing.db")).exists()


# ---- looking into it ----


def rows(directory, query):
    """The rows as dicts."""
    return [dict(row) for row in pairs(directory, query)]


def tuples(directory, query):
    return [tuple(value for _, value in row) for row in pairs(directory, query)]


def pairs(directory, query):
    """The rows, each a list of (column, value). SQLite is only read, also under a running server."""
    if ON_POSTGRES:
        held = databases()
        return held.cluster.rows(query, held.name(directory))
    with contextlib.closing(sqlite3.connect(f"file:{directory}/farthing.db?mode=ro", uri=True)) as connection:
        return pairs_of(connection, query)


def pairs_of(connection, query):
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description]
    return [list(zip(names, row)) for row in cursor]


def change(directory, statement):
    """Changes a database that no server has open."""
    if ON_POSTGRES:
        held = databases()
        held.cluster.sql(statement, held.name(directory))
        return
    with contextlib.closing(sqlite3.connect(directory / "farthing.db")) as connection:
        connection.execute(statement)
        connection.commit()


# ---- after a crash ----


@contextlib.contextmanager
def at_rest(directory):
    """Gives a function of a query to rows as tuples, of the database as the next start will find it."""
    if ON_POSTGRES:
        wait_until_settled(directory)
        yield lambda query: tuples(directory, query)
        return
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("farthing.db", "farthing.db-wal"):
            if (directory / name).exists():
                shutil.copy(directory / name, Path(scratch, name))
        with contextlib.closing(sqlite3.connect(Path(scratch, "farthing.db"))) as connection:
            yield lambda query: connection.execute(query).fetchall()


def wait_until_settled(directory):
    """PostgreSQL goes on with what a killed client has sent it before it looks for more."""
    held = databases()
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    while held.cluster.backends(held.name(directory)):
        assert time.monotonic() < deadline, "sessions of a server that is gone stay"
        time.sleep(0.01)


def assert_sound(look):
    """The database's own checks: PostgreSQL's constraints hold at all times, and its pages are not ours to doubt."""
    if not ON_POSTGRES:
        assert look("PRAGMA integrity_check") == [("ok",)]
        assert look("PRAGMA foreign_key_check") == []

