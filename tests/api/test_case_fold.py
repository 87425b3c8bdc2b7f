"""Case folding in C (base/case_fold.h) and in SQL (fold_case() of the migrations) against what Python knows of Unicode."""

import subprocess
import sys
import unicodedata

import pytest

import engine
import farthing_server
from farthing_server import BINARY, REPOSITORY
from test_search_model import fold_character

TOOL = BINARY.parent / "tests/support/farthing-case-fold"
MIGRATION = REPOSITORY / "migrations/postgres/0007_search.sql"
SURROGATES = range(0xD800, 0xE000)
STRIDE = 97


def is_assigned(code_point):
    """By the version that this Python knows: a newer one has letters that 14.0 has not."""
    return code_point not in SURROGATES and unicodedata.category(chr(code_point)) not in ("Cn", "Co")


def expected():
    folds = ((code_point, ord(fold_character(chr(code_point)))) for code_point in range(sys.maxunicode + 1))
    return {code_point: folded for code_point, folded in folds if folded != code_point and code_point not in SURROGATES}


def differences(found):
    assert unicodedata.unidata_version >= "14"
    wanted = expected()
    if unicodedata.unidata_version != "14.0.0":  # newer letters are not ours to fold yet
        wanted = {code_point: folded for code_point, folded in wanted.items() if code_point in found}
    return {
        f"U+{code_point:04X}": (found.get(code_point), wanted.get(code_point))
        for code_point in found.keys() | wanted.keys()
        if found.get(code_point) != wanted.get(code_point)
    }


def test_the_program_folds_as_unicode_does():
    lines = subprocess.run([TOOL], capture_output=True, text=True, check=True).stdout.splitlines()
    found = dict(map(lambda word: int(word, 16), line.split()) for line in lines)
    assert len(found) > 1300
    assert differences(found) == {}
    assert all(folded not in found for folded in found.values()), "folding twice changes something"
    assert all(is_assigned(code_point) for code_point in found)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("fold") / "data"
    farthing_server.init(directory)
    return directory


def code_points_of_interest():
    """The function can only change what its own text names, and ASCII: these, what should change, and some of all others."""
    named = {ord(character) for character in MIGRATION.read_text()} | set(range(1, 128))
    wanted = expected()
    others = set(range(1, sys.maxunicode + 1, STRIDE)) - set(SURROGATES)
    return sorted(named | wanted.keys() | set(wanted.values()) | others)


# The function has a short way for each of some scripts: what is beside a letter must not matter.
@pytest.mark.parametrize("beside", ["", "a", "é", "ж", "日", "😀"])
@pytest.mark.shared("the embedded database calls the program's own function")
def test_the_database_folds_as_unicode_does(directory, beside):
    code_points = ", ".join(map(str, code_points_of_interest()))
    rows = engine.tuples(
        directory,
        f"SELECT c, ascii(right(folded, 1)) FROM (SELECT c, fold_case('{beside}' || chr(c)) AS folded "
        f"FROM unnest(ARRAY[{code_points}]) AS c OFFSET 0) AS each WHERE folded <> '{beside}' || chr(c)",
    )
    found = {int(code_point): int(folded) for code_point, folded in rows}
    assert differences(found) == {}
