"""`farthing import customers`: every option, every error, and that nothing is there twice or lost, whoever is killed."""

import csv
import gzip
import io
import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import engine
import farthing_server
import sealed
from farthing_server import BINARY, SLOWDOWN, create_environment, create_tenant, environment, run, seconds, wait_until
from http_client import Client

LONG = os.environ.get("FARTHING_TEST_LONG") == "1"


# ---- helpers ----


@pytest.fixture
def place(initialised, tmp_path):
    """A data directory without a server, and a folder for files."""
    directory, credentials = initialised
    return Place(directory, credentials, tmp_path)


class Place:
    def __init__(self, directory, credentials, folder):
        self.directory, self.credentials, self.folder = directory, credentials, folder

    def file(self, content, name="customers.csv"):
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def run(self, path, *arguments, **options):
        return run("import", "customers", path, "--data", self.directory, "--json", *arguments, **options)

    def expect(self, path, *arguments, code=0, stdin=None, **counts):
        """Imports and compares what is counted; kinds that are not named must be 0. Returns the summary."""
        process = self.run(path, *arguments, stdin=stdin)
        assert process.returncode == code, (process.stdout, process.stderr)
        summary = json.loads(process.stdout)
        kinds = ("created", "updated", "unchanged", "different", "refused")
        assert {kind: summary[kind] for kind in kinds if summary[kind]} == counts, process.stderr
        assert summary["rows"] == sum(counts.values()) + summary["not_sent"]
        summary["stderr"] = process.stderr
        return summary

    def usage(self, path, *arguments, stdin=None):
        """Expects a usage error and returns its one line."""
        process = self.run(path, *arguments, stdin=stdin)
        assert process.returncode == 2, (process.stdout, process.stderr)
        assert process.stdout == ""
        (line,) = process.stderr.splitlines()
        assert line.startswith("farthing: ")
        return line

    def rejects(self, name="customers.csv.rejected.csv"):
        return list(csv.reader(io.StringIO((self.folder / name).read_text(), newline="")))

    def json_rejects(self, name="customers.jsonl.rejected.jsonl"):
        """(line, field, reason) of each refused row, and the rows as they are there."""
        rows = [json.loads(line) for line in (self.folder / name).read_text().splitlines()]
        return [tuple(row["rejected"][key] for key in ("line", "field", "reason")) for row in rows], rows

    def rows(self, sql):
        return engine.tuples(self.directory, sql)

    def customer(self, external_id):
        found = engine.rows(self.directory, f"SELECT * FROM customers WHERE external_id = {engine.quoted(external_id)}")
        assert len(found) == 1, external_id
        return found[0]

    def require_trail(self, count):
        """`count` customers, none twice, each with one audit row and one outbox row."""
        assert self.rows("SELECT count(*), count(DISTINCT external_id), count(DISTINCT id) FROM customers") == [
            (count, count, count)
        ]
        for table in ("audit_log", "system_events"):
            found = self.rows(f"SELECT count(*), count(DISTINCT entity_id) FROM {table} WHERE entity_type = 'customer'")
            assert found == [(count, count)], table


def many(count, start=0, name="Customer"):
    return "external_id,name,email\n" + "".join(
        f"c{i},{name} {i},c{i}@example.com\n" for i in range(start, start + count)
    )


# ---- CSV ----


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", [True, False])
def test_csv_as_rfc_4180_has_it(place, line_end, mark, last):
    text = line_end.join(['external_id,name,"metadata.note"', 'a,"Acme, ""Inc""","first', 'second"', "", "b,Beta,"])
    path = place.file(mark + text + (line_end if last else ""))
    place.expect(path, created=2)
    assert place.customer("a")["name"] == 'Acme, "Inc"'
    assert json.loads(place.customer("a")["metadata"]) == {"note": f"first{line_end}second"}
    assert place.customer("b")["metadata"] is None


def test_every_field_goes_where_the_api_has_it(place, start_server):
    row = {
        "external_id": "all",
        "name": "Acme GmbH",
        "email": "ap@acme.example",
        "contact": "+49 30 1234",
        "address_line1": "Torstraße 1",
        "address_line2": "Hof",
        "address_city": "Berlin",
        "address_state": "BE",
        "address_postal_code": "10119",
        "address_country": "DE",
        "timezone": "Europe/Berlin",
    }
    header = [*row, "metadata.tier", "metadata.Sales Person"]
    path = place.file(",".join(header) + "\n" + ",".join([*row.values(), "gold", "Eva"]) + "\n")
    place.expect(path, created=1)
    server = start_server(place.directory)
    with Client(server.address, place.credentials.api_key) as client:
        found = client.get("/v1/customers/external/all").json()
        row["metadata"] = {"tier": "gold", "Sales Person": "Eva"}
        assert {name: found[name] for name in row} == row
        row["external_id"] = "by request"
        posted = client.post("/v1/customers", row).json()
    same = [name for name in posted if name not in ("id", "external_id", "created_at", "updated_at", "created_by", "updated_by")]
    assert {name: posted[name] for name in same} == {name: found[name] for name in same}


def test_refused_rows_are_named_by_line_field_and_reason(place):
    path = place.file(
        "external_id,name,email,address_country\n"
        "good,Good,,\n"
        ",No Id,,\n"
        'quoted,"over\ntwo lines",not-an-address,\n'
        "two,,x@localhost,us\n"
        "few,Few\n"
        "many,Many,,,,\n"
        'quote,a"b,,\n'
        'behind,"a"b,,\n'
        "return,a\rb,,\n"
        "last,Last,,\n"
    )
    summary = place.expect(path, created=2, refused=8, code=1)
    assert summary["rows"] == 10 and summary["complete"]
    header, *rejected = place.rejects()
    assert header == ["line", "field", "reason", "external_id", "name", "email", "address_country"]
    by_line = {int(row[0]): row for row in rejected}
    assert list(by_line) == [3, 4, 6, 7, 8, 9, 10, 11]  # in the order of the file, whoever refused them
    assert by_line[3][1:3] == ["external_id", "external_id is required"]
    assert by_line[4][1] == "email" and by_line[4][2].startswith("email must be one e-mail address")
    assert by_line[4][3:] == ["quoted", "over\ntwo lines", "not-an-address", ""]
    assert by_line[6][1] == "name, email, address_country"
    assert re.match(r"name is required; email must be .*; address_country must be ", by_line[6][2])
    assert by_line[7][2] == "has fewer fields than the header"
    assert by_line[8][2] == "has more fields than the header"
    assert "quote inside a field" in by_line[9][2] and by_line[9][3] == 'quote,a"b,,'
    assert "closing quote" in by_line[10][2]
    assert "carriage return" in by_line[11][2]
    assert {row[0] for row in place.rows("SELECT external_id FROM customers")} == {"good", "last"}
    assert (place.folder / "customers.csv.rejected.csv").stat().st_mode & 0o777 == 0o600


def test_rejects_can_be_put_right_and_imported(place):
    place.expect(place.file("external_id,name,email\na,Acme,bad\nb,Beta,\n"), created=1, refused=1, code=1)
    rejected = place.folder / "customers.csv.rejected.csv"
    fixed = place.file(rejected.read_text().replace("a,Acme,bad", "a,Acme,a@acme.example"), "fixed.csv")
    summary = place.expect(fixed, created=1)
    assert "columns that go nowhere: line, field, reason" in summary["stderr"]
    assert place.customer("a")["email"] == "a@acme.example"


def test_a_quote_that_is_never_closed(place):
    path = place.file('external_id,name\na,Acme\nb,"Beta\nc,Gamma\n')
    summary = place.expect(path, created=1, refused=1, code=1)
    assert not summary["complete"]
    assert place.rejects()[1] == [
        "3", "", "opens a quote that is never closed (lines 3 to 4); nothing from here on was imported", 'b,"Beta']
    assert (f"{path}, line 3, opens a quote that is never closed: nothing from there on was imported; "
            "put that line right and run the same command again to go on") in summary["stderr"]


@pytest.mark.parametrize("closed", [True, False])
def test_a_stray_quote_ends_the_run_where_it_stands(place, closed):
    """However many rows stand behind it: none of them is passed over without a word."""
    rows = many(3000).splitlines()
    rows[500] = 'u1,"open,'
    if closed:
        rows[2000] = 'u2,closed",'
    text = "\n".join(rows) + "\n"
    summary = place.expect(place.file(text), created=499, refused=1, code=1)
    assert not summary["complete"] and "line 501, opens a quote that is not closed within 1000 lines" in summary["stderr"]
    (_, (line, _, reason, row)) = place.rejects()
    assert (line, row) == ("501", 'u1,"open,') and "lines 501 to 1501" in reason
    place.expect(place.file(text.replace('"', "")), created=2501, unchanged=499)


def test_a_quote_that_is_not_closed_in_a_long_row(place):
    huge = "x" * 300_000
    summary = place.expect(place.file(f'external_id,name\na,Acme\nc,"{huge}\n{huge}"\nd,Delta\n'), created=1, refused=1, code=1)
    assert "line 3, opens a quote that is not closed within 262144 bytes" in summary["stderr"]
    assert place.rejects()[1][3] == 'c,"' + "x" * 4093


def test_rows_that_a_quote_has_joined_are_told(place):
    path = place.file('external_id,name\na,"open\nb,B\nc,C"\nd,"D\n"x\ne,E\n')
    summary = place.expect(path, created=2, refused=1, code=1)
    assert "1 row has a line break inside a field, the first one on line 2: perhaps a quote" in summary["stderr"]
    assert place.rejects()[1][2] == "has something between a closing quote and the end of its field (lines 5 to 6)"
    summary = place.expect(place.file('external_id,name,metadata.note\nf,F,"two\nlines"\n'), created=1)
    assert "line break" not in summary["stderr"]


def test_a_header_that_cannot_be_read_is_told_with_its_line(place):
    for content, expected in [
        ('\n\nexternal_id,na"me\na,A\n', "the header, on line 3, has a quote inside a field"),
        ('external_id,"name\na,A\n', "the header, on line 1, opens a quote that is never closed"),
    ]:
        process = place.run(place.file(content))
        assert process.returncode == 1 and expected in process.stderr, process.stderr


@pytest.mark.parametrize("separator, called", [(";", "semicolons"), ("\t", "tabs")])
def test_other_separators_are_told_by_the_header(place, separator, called):
    text = 'external_id,name,"metadata.a,b"\na,Acme,"x,y;z"\nb,,\n'.replace(",", separator).replace('x;y', "x,y")
    summary = place.expect(place.file(text), created=1, refused=1, code=1)
    assert f"columns are separated by {called}" in summary["stderr"]
    rejected = place.folder / "customers.csv.rejected.csv"
    assert rejected.read_text().startswith(separator.join(["line", "field", "reason", "external_id"]))
    place.expect(place.file(rejected.read_text().replace(separator.join(["b", ""]), separator.join(["b", "Beta"])), "fixed.csv"), created=1)
    assert place.customer("b")["name"] == "Beta"


def test_a_spreadsheet_is_told_from_text(place):
    for magic in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        process = place.run(place.file(magic + bytes(100), "customers.xlsx"))
        assert process.returncode == 1 and 'save the sheet as "CSV UTF-8"' in process.stderr, process.stderr


def test_wrong_encodings(place):
    place.expect(place.file(b"external_id,name\na,Caf\xe9\nb,Caf\xc3\xa9\nc,nul\0\n"), created=1, refused=2, code=1)
    rejected = (place.folder / "customers.csv.rejected.csv").read_bytes()
    assert b'2,"name","name is not UTF-8",a,Caf\xe9\n' in rejected
    assert b'4,"name","name has a NUL character",' in rejected
    process = place.run(place.file("external_id,name\n".encode("utf-16"), "wide.csv"))
    assert process.returncode == 1 and "is UTF-16; save it as UTF-8" in process.stderr


def test_a_row_beyond_the_limit_is_refused_alone(place):
    huge = "x" * 300_000
    place.expect(place.file(f"external_id,name\na,Acme\nb,{huge}\nd,Delta\n"), created=2, refused=1, code=1)
    assert place.rejects()[1] == ["3", "", "is longer than 262144 bytes", "b," + "x" * 4094]
    lines = "".join(json.dumps({"external_id": key, "name": name}) + "\n" for key, name in [("e", huge), ("f", "F")])
    place.expect(place.file(lines, "long.jsonl"), created=1, refused=1, code=1)
    told, (row,) = place.json_rejects("long.jsonl.rejected.jsonl")
    assert told == [(1, "", "is longer than 262144 bytes")] and row["rejected"]["row"].startswith('{"external_id": "e", "name": "xx')


def test_files_that_cannot_be_imported(place):
    for content, expected in [
        ("", "is empty"),
        ("name,email\nx,y\n", "has no column external_id; it has name, email"),
        ("external_id,name,name\n", 'has two columns called "name"'),
    ]:
        process = place.run(place.file(content))
        assert process.returncode in (1, 2) and expected in process.stderr, process.stderr
    process = place.run(place.folder / "absent.csv")
    assert process.returncode == 1 and "No such file" in process.stderr
    process = place.run(place.folder)
    assert process.returncode == 1 and "is a directory" in process.stderr
    assert place.rows("SELECT count(*) FROM customers") == [(0,)]


@pytest.mark.parametrize("header, arguments", [("external_id,Name,name", ()), ("external_id,NAME,Name,name", ()),
                                               ("external_id,Name,name", ("--map", "name=name"))])
def test_columns_that_differ_in_case(place, header, arguments):
    """bug: the first of them was taken, and the one that is called as the field went nowhere."""
    columns = header.split(",")
    row = ",".join(["a", *(f"of {column}" for column in columns[1:])])
    summary = place.expect(place.file(f"{header}\n{row}\n"), *arguments, created=1)
    assert place.rows("SELECT name FROM customers") == [("of name",)]
    assert f"columns that go nowhere: {', '.join(columns[1:-1])} (" in summary["stderr"]


# ---- JSON Lines ----


def test_json_lines(place):
    lines = [
        {"external_id": "a", "name": "Acme", "metadata": {"k": "v\n\"w\""}, "unknown": [1, {"x": None}]},
        {"external_id": "b", "name": "Beta", "tax_rate_overrides": [{"tax_rate_code": "x"}]},
        {"external_id": "c", "name": 5},
        {"name": "no id"},
    ]
    text = "\n".join(json.dumps(line) for line in lines) + "\n\n  \nnot json\n[]\n" + '{"external_id":"d","name":"D"}'
    summary = place.expect(place.file(text, "customers.jsonl"), created=2, refused=5, code=1)
    assert "members that go nowhere: unknown\n" in summary["stderr"]
    told, rejected = place.json_rejects()
    assert [(line, field) for line, field, _ in told] == [
        (2, "tax_rate_overrides"), (3, "name"), (4, "external_id"), (7, ""), (8, ""),
    ]
    assert told[1][2] == "name must be a string, not number"
    assert {key: rejected[0][key] for key in lines[1]} == lines[1]
    assert rejected[3]["rejected"]["row"] == "not json"
    assert json.loads(place.customer("a")["metadata"]) == {"k": 'v\n"w"'}


def test_rejected_json_lines_can_be_put_right_and_imported(place):
    lines = [{"external_id": "a", "name": "Acme", "email": "bad", "metadata": {"k": "\u00e4\n"}}, {"external_id": "b", "name": "B"}]
    place.expect(place.file("".join(json.dumps(line) + "\n" for line in lines), "c.jsonl"), created=1, refused=1, code=1)
    again = place.file((place.folder / "c.jsonl.rejected.jsonl").read_text(), "again.jsonl")
    place.expect(again, refused=1, code=1)
    told, (row,) = place.json_rejects("again.jsonl.rejected.jsonl")
    assert told[0][:2] == (1, "email") and {key: row[key] for key in lines[0]} == lines[0]
    assert (place.folder / "again.jsonl.rejected.jsonl").read_text().count('"rejected"') == 1
    summary = place.expect(place.file(again.read_text().replace('"bad"', '"a@acme.example"'), "fixed.jsonl"), created=1)
    assert summary["stderr"] == ""
    assert json.loads(place.customer("a")["metadata"]) == {"k": "\u00e4\n"}


def test_rejected_bytes_that_are_no_json(place):
    place.expect(place.file(b'{"external_id":"a","name":"Caf\xe9"}\n\xff\xff\n', "c.jsonl"), refused=2, code=1)
    told, rows = place.json_rejects("c.jsonl.rejected.jsonl")
    assert rows[0]["rejected"]["row"] == '{"external_id":"a","name":"Caf\ufffd"}' and rows[1]["rejected"]["row"] == "\ufffd\ufffd"


def test_members_that_a_rule_reads_go_somewhere(place):
    line = json.dumps({"id": "a", "Name": "A", "colour": "red", "size": 1, "timezone": "UTC", "skip_onboarding_workflow": True})
    summary = place.expect(place.file(line, "c.jsonl"), "--map", "external_id=id,name=Name,metadata.colour=colour", created=1)
    assert summary["stderr"] == "farthing: members that go nowhere: size\n"
    line = json.dumps({"external_id": "b", "name": "B", **{f"x{i}": 1 for i in range(20)}})
    summary = place.expect(place.file(line, "c.jsonl"), created=1)
    assert "members that go nowhere: x0, x1, " in summary["stderr"] and "x11 and more\n" in summary["stderr"]


def test_json_nested_to_the_limit_is_refused_alone(place):
    deep = '{"external_id":"deep","name":"x","m":' + "[" * 100 + "]" * 100 + "}"
    edge = '{"external_id":"edge","name":"x","m":' + "[" * 63 + "]" * 63 + "}"
    place.expect(place.file(f'{deep}\n{edge}\n{{"external_id":"a","name":"A"}}\n', "x.jsonl"), created=2, refused=1, code=1)


def test_json_lines_with_a_map(place):
    lines = [
        {"id": "a", "Name": "Acme", "tier": "gold", "metadata": {"own": "1"}, "email": "a@acme.example"},
        {"id": "b", "first": "Ann", "last": "Lee"},
        {"id": "c", "Name": None},
    ]
    path = place.file("".join(json.dumps(line) + "\n" for line in lines), "export.ndjson")
    place.expect(path, "--map", "external_id=id,name=Name,name=first+last,metadata.tier=tier", created=2, refused=1, code=1)
    assert json.loads(place.customer("a")["metadata"]) == {"own": "1", "tier": "gold"}
    assert place.customer("a")["email"] == "a@acme.example"
    assert place.customer("b")["name"] == "Ann Lee" and place.customer("b")["metadata"] is None


# ---- formats and packing ----


def test_format_follows_from_the_name_or_the_flag(place):
    text = '{"external_id":"a","name":"A"}\n'
    place.expect(place.file(text, "a.json"), created=1)
    place.expect(place.file(text.replace('"a"', '"b"'), "b.txt"), "--format", "jsonl", created=1)
    place.expect(place.file(gzip.compress(text.replace('"a"', '"c"').encode()), "c.jsonl.gz"), created=1)
    place.expect(place.file("external_id,name\nd,D\n", "d.jsonl"), "--format=csv", created=1)
    assert "--format must be csv or jsonl" in place.usage(place.file(text, "a.json"), "--format", "xml")


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


def packers():
    yield pytest.param(gzip.compress, id="gzip")
    yield pytest.param(zstd, id="zstd")


@pytest.mark.parametrize("pack", packers())
def test_packed_files_whatever_their_name(place, pack):
    content = many(3000).encode()
    half = content.index(b"\nc1500,") + 1
    path = place.file(pack(content[:half]) + pack(content[half:]), "customers.csv")
    place.expect(path, created=3000)
    place.require_trail(3000)


def test_zeros_behind_a_gzip_file_are_padding(place):
    packed = gzip.compress(many(10).encode())
    place.expect(place.file(packed + bytes(700)), created=10)
    process = place.run(place.file(packed + bytes(7) + b"x" * 20))
    assert process.returncode == 1 and "is damaged" in process.stderr


@pytest.mark.parametrize("pack", packers())
def test_packed_and_truncated(place, pack):
    generator = random.Random(1)
    content = "external_id,name\n" + "".join(f"c{i},{generator.random()}\n" for i in range(12000))
    packed = pack(content.encode())
    process = place.run(place.file(packed[: len(packed) // 2]))
    summary = json.loads(process.stdout)
    assert process.returncode == 1 and "ends in the middle of its compressed data" in process.stderr
    assert not summary["complete"] and 0 < summary["created"] < 12000 and summary["refused"] == 0
    for external_id, name in place.rows("SELECT external_id, name FROM customers"):
        assert f"\n{external_id},{name}\n" in content  # no half row
    place.expect(place.file(packed), created=12000 - summary["created"], unchanged=summary["created"])
    place.require_trail(12000)


@pytest.mark.parametrize("pack", packers())
def test_packed_and_damaged(place, pack):
    generator = random.Random(2)
    content = "external_id,name\n" + "".join(f"c{i},{generator.random()}\n" for i in range(12000))
    packed = bytearray(pack(content.encode()))
    packed[len(packed) // 2 : len(packed) // 2 + 64] = bytes(64)
    process = place.run(place.file(bytes(packed)))
    assert process.returncode == 1 and ("is damaged" in process.stderr), process.stderr


def test_standard_input(place):
    place.expect("-", created=10, stdin=many(10))
    command = ["import", "customers", "-", "--data", place.directory, "--json"]
    process = subprocess.run(
        [BINARY, *command], input=gzip.compress(many(20).encode()), capture_output=True, env=environment(*command), cwd=place.folder,
    )
    assert json.loads(process.stdout)["created"] == 10 and json.loads(process.stdout)["unchanged"] == 10


# ---- maps ----


def test_a_map_for_other_systems(place):
    text = "Id,Company,First,Last,Mail,Tier,Junk\n1,Acme,,,a@acme.example,gold,x\n2,,Ann,Lee,,,\n3,,,,c@c.example,,\n"
    rules = ["--map", "external_id=Id,name=Company,name=First+Last", "--map", "name=Mail,email=Mail,metadata.tier=tier"]
    summary = place.expect(place.file(text), *rules, created=3)
    assert "columns that go nowhere: Junk" in summary["stderr"]
    assert [place.customer(key)["name"] for key in "123"] == ["Acme", "Ann Lee", "c@c.example"]
    assert json.loads(place.customer("1")["metadata"]) == {"tier": "gold"}


def test_unmapped_columns_kept_as_metadata(place):
    summary = place.expect(place.file("external_id,name,Region,Size\na,Acme,EU,\n"), "--unmapped", "metadata", created=1)
    assert summary["stderr"] == ""
    assert json.loads(place.customer("a")["metadata"]) == {"Region": "EU"}


def test_maps_that_are_wrong(place):
    path = place.file("external_id,name\na,A\n")
    assert 'has no column "Nom"; it has external_id, name' in place.usage(path, "--map", "name=Nom")
    assert "takes FIELD=COLUMN" in place.usage(path, "--map", "name")
    assert "takes FIELD=COLUMN" in place.usage(path, "--map", "name=")
    assert 'names "nome", which is not a field' in place.usage(path, "--map", "nome=name")
    assert "there are stripe, chargebee" in place.usage(path, "--preset", "paypal")
    assert "--unmapped must be ignore or metadata" in place.usage(path, "--unmapped", "keep")
    assert "is for CSV" in place.usage(place.file("{}", "x.jsonl"), "--unmapped", "metadata")


def test_preset_stripe(place):
    header = ("id,Description,Email,Name,Created (UTC),Delinquent,Card ID,Card Address Line1,Card Address Line2,"
              "Card Address City,Card Address State,Card Address Country,Card Address Zip,plan (metadata)")
    rows = [
        "cus_1,The first,ap@acme.example,Acme,2024-01-01 10:00,false,card_1,1 Main St,Apt 2,Springfield,IL,US,62701,gold",
        "cus_2,Only described,,,2024-01-02 10:00,false,,,,,,,,",
        "cus_3,,only@mail.example,,2024-01-03 10:00,false,,,,,,,,",
        "cus_4,,,,2024-01-03 10:00,false,,,,,,,,",
    ]
    place.expect(place.file("\n".join([header, *rows])), "--preset", "stripe", created=3, refused=1, code=1)
    first = place.customer("cus_1")
    assert (first["name"], first["email"], first["address_line1"], first["address_line2"]) == (
        "Acme", "ap@acme.example", "1 Main St", "Apt 2")
    assert (first["address_city"], first["address_state"], first["address_postal_code"], first["address_country"]) == (
        "Springfield", "IL", "62701", "US")
    assert json.loads(first["metadata"]) == {"plan": "gold"}
    assert [place.customer(key)["name"] for key in ("cus_2", "cus_3")] == ["Only described", "only@mail.example"]


def test_preset_chargebee_and_a_rule_over_it(place):
    header = ("customer[id],customer[first_name],customer[last_name],customer[email],customer[company],customer[phone],"
              "billing_address[line1],billing_address[city],billing_address[state],billing_address[zip],"
              "billing_address[country],customer[auto_collection],ref")
    rows = ["1,Ann,Lee,ann@acme.example,Acme,555,1 Main St,Springfield,IL,62701,US,on,r1", "2,Bob,Ray,,,,,,,,,on,r2"]
    path = place.file("\n".join([header, *rows]))
    place.expect(path, "--preset", "chargebee", created=2)
    assert [place.customer(key)["name"] for key in "12"] == ["Acme", "Bob Ray"]
    assert place.customer("1")["contact"] == "555" and place.customer("1")["address_country"] == "US"
    place.expect(path, "--preset", "chargebee", "--map", "external_id=ref", created=2)
    assert place.customer("r1")["email"] == "ann@acme.example"


# ---- again, and updates ----


def test_run_again_it_changes_nothing(place):
    path = place.file(many(500))
    place.expect(path, created=500)
    before = place.rows("SELECT * FROM customers ORDER BY id")
    place.expect(path, unchanged=500)
    assert place.rows("SELECT * FROM customers ORDER BY id") == before
    place.require_trail(500)


def test_what_differs_is_told_and_only_updated_on_demand(place):
    place.expect(place.file("external_id,name,email,metadata.k\na,Acme,a@a.example,1\nb,Beta,,\n"), created=2)
    before = place.rows("SELECT * FROM customers ORDER BY id")
    path = place.file("external_id,name,email,metadata.k\na,Acme 2,,\nb,Beta,,\n")
    place.expect(path, different=1, unchanged=1)
    assert place.rows("SELECT * FROM customers ORDER BY id") == before
    place.expect(path, "--update", "--dry-run", updated=1, unchanged=1)
    assert place.rows("SELECT * FROM customers ORDER BY id") == before
    place.expect(path, "--update", updated=1, unchanged=1)
    updated = place.customer("a")
    assert (updated["name"], updated["email"], updated["metadata"]) == ("Acme 2", "a@a.example", '{"k":"1"}')
    assert updated["updated_at"] > updated["created_at"]
    assert sealed.changes_of(place.directory, "entity_type = 'customer'")[2:] == [
        ("updated", {"before": {"name": "Acme"}, "after": {"name": "Acme 2"}})
    ]
    assert [row[0] for row in place.rows("SELECT event_name FROM system_events ORDER BY sequence")] == [
        "customer.created", "customer.created", "customer.updated"]


def test_updates_follow_the_rules_of_a_change(place):
    def lines(*objects):
        return place.file("".join(json.dumps(thing) + "\n" for thing in objects), "c.jsonl")

    place.expect(lines({"external_id": "a", "name": "A", "email": "a@a.example", "contact": "1", "timezone": "Europe/Berlin",
                        "metadata": {"x": "1", "y": "2"}}), created=1)
    place.expect(lines({"external_id": "a", "metadata": {"y": "2", "x": "1"}, "name": None}), "--update", unchanged=1)
    place.expect(lines({"external_id": "a", "email": "", "contact": "", "metadata": {"z": "3"}}), "--update", updated=1)
    found = place.customer("a")
    assert (found["email"], found["contact"], found["metadata"], found["name"]) == ("", "", '{"z":"3"}', "A")
    place.expect(lines({"external_id": "a", "name": "", "timezone": "", "email": "x"}), "--update", refused=1, code=1)
    assert place.json_rejects("c.jsonl.rejected.jsonl")[0][0][1] == "name, email, timezone"
    assert place.customer("a") == found


def test_twice_in_one_file(place):
    place.expect(place.file("external_id,name\na,First\na,Second\na,First\n"), created=1, different=1, unchanged=1)
    place.expect(place.file("external_id,name\nb,First\nb,Second\n"), "--update", created=1, updated=1)
    assert [place.customer(key)["name"] for key in "ab"] == ["First", "Second"]


def test_an_archived_customer_is_not_there(place):
    place.expect(place.file("external_id,name\na,A\n"), created=1)
    engine.change(place.directory, "UPDATE customers SET status = 'archived'")
    place.expect(place.file("external_id,name\na,A\n"), created=1)
    assert place.rows("SELECT status FROM customers ORDER BY id") == [("archived",), ("published",)]


# ---- dry run, events, trail ----


def test_dry_run_validates_everything_and_writes_nothing(place, start_server):
    path = place.file("external_id,name,email\na,A,\nb,B,bad\n")
    for with_server in (False, True):
        if with_server:
            start_server(place.directory)
        summary = place.expect(path, "--dry-run", created=1, refused=1, code=1)
        assert summary["dry_run"] is True
    assert place.rows("SELECT count(*) FROM customers") == [(0,)]
    assert place.rows("SELECT count(*) FROM audit_log WHERE entity_type = 'customer'") == [(0,)]
    assert place.rejects()[1][:2] == ["3", "email"]


def test_quiet_events(place):
    place.expect(place.file(many(100)), "--quiet-events", created=100)
    place.expect(place.file(many(100, name="Renamed")), "--quiet-events", "--update", updated=100)
    assert place.rows("SELECT count(*) FROM system_events") == [(0,)]
    assert place.rows("SELECT action, count(*) FROM audit_log WHERE entity_type = 'customer' GROUP BY 1 ORDER BY 1") == [
        ("created", 100), ("updated", 100)]


def test_the_trail_names_the_import(place):
    summary = place.expect(place.file(many(300)), created=300)
    place.require_trail(300)
    assert re.fullmatch(r"import_[0-9A-Z]{26}", summary["import_id"])
    assert place.rows("SELECT DISTINCT request_id, actor_id FROM audit_log WHERE entity_type = 'customer'") == [
        (summary["import_id"], "")]


# ---- environments ----


def test_environments_by_name_and_id(place):
    staging = create_environment(place.directory, place.credentials.tenant_id, "Staging")
    path = place.file("external_id,name\na,A\n")
    process = place.run(path)
    assert process.returncode == 1 and "there are several environments" in process.stderr
    for listed in (place.credentials.environment_id + " (Sandbox of ", staging.environment_id + " (Staging of "):
        assert listed in process.stderr
    assert place.expect(path, "--environment", "Staging", created=1)["environment_id"] == staging.environment_id
    assert place.expect(path, "--environment", staging.environment_id, unchanged=1)
    assert place.expect(path, "--environment", "Sandbox", created=1)["environment_id"] == place.credentials.environment_id
    process = place.run(path, "--environment", "Nowhere")
    assert process.returncode == 1 and 'there is no environment "Nowhere"; there are env_' in process.stderr


def test_tenants_when_a_name_is_not_enough(place):
    other = create_tenant(place.directory, "Other & Söhne")
    path = place.file("external_id,name\na,A\n")
    process = place.run(path, "--environment", "Sandbox")
    assert process.returncode == 1 and "several environments match: env_" in process.stderr
    assert other.environment_id + " (Sandbox of Other & Söhne)" in process.stderr and "--tenant" in process.stderr
    process = place.run(path, "--environment", "Sandbox", "--tenant", "Nope")
    assert process.returncode == 1 and 'there is no tenant "Nope" with an environment; there are env_' in process.stderr
    process = place.run(path, "--environment", "Nope", "--tenant", "Other & Söhne")
    assert 'there is no environment "Nope" of tenant "Other & Söhne"; there are ' + other.environment_id in process.stderr
    found = place.expect(path, "--environment", "Sandbox", "--tenant", "Other & Söhne", created=1)
    assert found["environment_id"] == other.environment_id
    assert place.expect(path, "--tenant", place.credentials.tenant_id, created=1)["environment_id"] == place.credentials.environment_id


# ---- what a person sees ----


def test_the_summary_for_people(place):
    path = place.file("external_id,name\na,A\nb,\n")
    process = run("import", "customers", path, "--data", place.directory)
    assert process.returncode == 1
    first, *rest = process.stdout.splitlines()
    assert re.match(rf"imported {re.escape(str(path))}: 2 rows in [0-9.]+ s, [0-9,]+/s \(env_\w+, import_\w+\)$", first)
    assert [" ".join(line.split()) for line in rest] == ["1 created", f"1 refused, see {path}.rejected.csv"]


def test_the_bar_on_a_terminal_fits_its_width(place):
    import fcntl
    import pty
    import struct
    import termios

    path = place.file(many(12000))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    command = ["import", "customers", path, "--data", place.directory]
    process = subprocess.Popen([BINARY, *command], stdout=subprocess.PIPE, stderr=slave, env=environment(*command))
    os.close(slave)
    shown = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    assert process.wait(seconds(30)) == 0
    process.stdout.close()
    os.close(master)
    lines = [line.replace("\x1b[K", "") for line in shown.decode().split("\r") if "rows" in line]
    assert lines, shown
    assert all(len(line) < 60 for line in lines), lines
    assert any(re.search(r"^\[#*\.*\] [0-9,]+ rows, [0-9,]+/s, \d+ %, \d+:\d\d left", line) for line in lines), lines
    assert shown.endswith(b"\r\x1b[K")


def test_rejects_elsewhere_and_never_over_the_file(place):
    path = place.file("external_id,name\na,\n")
    place.expect(path, "--rejects", place.folder / "bad.csv", refused=1, code=1)
    assert place.rejects("bad.csv")[1][0] == "2"
    assert "would write over" in place.usage(path, "--rejects", path)
    assert path.read_text() == "external_id,name\na,\n"
    path = place.file("external_id,name\na,\nb,B\n")
    for wrong, reason in [(place.folder / "no" / "such" / "folder", "No such file or directory"), (place.folder, "Is a directory")]:
        process = place.run(path, "--rejects", wrong)
        assert process.returncode == 1 and process.stdout == ""
        assert f"refused rows could not be written to {wrong}: {reason}. Nothing was imported" in process.stderr
    assert place.rows("SELECT count(*) FROM customers") == [(0,)]
    process = place.run(path, "--rejects", "/dev/full")
    assert process.returncode == 1 and "could not be written to /dev/full: No space left on device" in process.stderr


def test_a_summary_that_cannot_be_written_is_told(place):
    path = place.file("external_id,name\na,A\n")
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            [BINARY, "import", "customers", path, "--data", place.directory],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=seconds(30), env=environment("import", "customers", "--data", place.directory),
        )
    assert process.returncode == 1
    assert process.stderr == "farthing: standard output cannot be written: No space left on device\n"
    assert place.rows("SELECT external_id FROM customers") == [("a",)]


def test_rejects_wrote_over_whatever_was_there(place):
    """Total loss by a slip: `--rejects` with the name of a database."""
    path = place.file("external_id,name\na,\nb,B\n")
    alias = place.folder / "alias"
    alias.symlink_to(place.directory / "secrets")
    link = place.folder / "link"
    os.link(place.directory / "secrets", link)
    own = [place.directory / name for name in ("farthing.db", "secrets", "lock", "farthing.db-wal", "secrets.new")] + [alias, link]
    for mine in own:
        before = mine.read_bytes() if mine.exists() else None
        said = place.usage(path, "--rejects", mine)
        assert f"over {mine}, a file of the data directory. Nothing was imported" in said
        assert (mine.read_bytes() if mine.exists() else None) == before
    other = place.file("line,of,somebody,else\n", "other.csv")
    assert f"over {other}, which is no file of them" in place.usage(path, "--rejects", other)
    assert "no file of them" in place.usage(path, "--dry-run", "--rejects", other)
    assert other.read_text() == "line,of,somebody,else\n"
    default = place.file("line,of,somebody,else\n", path.name + ".rejected.csv")
    assert "say with --rejects FILE" in place.usage(path)
    assert default.read_text() == "line,of,somebody,else\n"
    assert place.rows("SELECT count(*) FROM customers") == [(0,)]
    other.write_text("")
    place.expect(path, "--rejects", other, created=1, refused=1, code=1)
    first = other.read_bytes()
    place.expect(path, "--rejects", other, unchanged=1, refused=1, code=1)
    assert other.read_bytes() == first and first.startswith(b"line,field,reason,external_id,name\n")
    place.expect(path, "--rejects", "/dev/null", unchanged=1, refused=1, code=1)


def test_the_rejects_of_an_earlier_run_go_when_there_are_none(place):
    rejected = place.folder / "customers.csv.rejected.csv"
    place.expect(place.file("external_id,name\na,\n"), refused=1, code=1)
    path = place.file("external_id,name\na,A\n")
    place.expect(path, "--dry-run", created=1)
    assert rejected.exists()
    assert f"removed {rejected}" in place.expect(path, created=1)["stderr"]
    assert not rejected.exists()
    path = place.file('{"external_id":"b"}', "c.jsonl")
    place.expect(path, refused=1, code=1)
    place.expect(place.file('{"external_id":"b","name":"B"}', "c.jsonl"), created=1)
    assert not (place.folder / "c.jsonl.rejected.jsonl").exists()


def test_without_a_database(tmp_path):
    process = run("import", "customers", "-", "--data", tmp_path / "none", stdin="external_id,name\n")
    assert process.returncode == 1
    assert ("holds nothing of Farthing's" if engine.ON_POSTGRES else "there is no database") in process.stderr


# ---- a server that runs ----


def test_through_a_running_server(place, start_server):
    server = start_server(place.directory)
    path = place.file(many(2000))
    with Client(server.address, place.credentials.api_key) as client:
        created = client.post("/v1/customers", {"external_id": "c7", "name": "Customer 7", "email": "c7@example.com"}).json()
        place.expect(path, created=1999, unchanged=1)
        assert client.get("/v1/customers/external/c7").json()["id"] == created["id"]
        assert client.get("/v1/customers/external/c1999").json()["name"] == "Customer 1999"
        assert client.post("/v1/customers", {"external_id": "c8", "name": "x"}).status == 409
    server.stop()
    place.require_trail(2000)


def test_rows_of_every_size(place, start_server):
    """From a few bytes to nearly the limit, so that requests of every size are sent."""
    sizes = [10, 300, 1000, 5000, 16000]
    rows = "".join(f'c{i},Customer,{"x" * sizes[i % len(sizes)]},{"y" * (sizes[i // 7 % len(sizes)])}\n' for i in range(1000))
    rows += "".join(f'big{i},{"n" * 255},{"x" * 16384},' + '"' + '""' * 16384 + '"\n' for i in range(20))
    path = place.file("external_id,name,metadata.a,metadata.b\n" + rows)
    server = start_server(place.directory)
    place.expect(path, created=1020)
    place.expect(path, "--dry-run", unchanged=1020)
    server.stop()
    place.expect(path, unchanged=1020)
    place.require_trail(1020)


def test_the_route_exists_on_the_admin_socket_alone(place, start_server):
    server = start_server(place.directory)
    with Client(server.address, place.credentials.api_key) as client:
        for path in ("/admin/import/customers", "/admin/import/customers/check"):
            assert client.request("POST", path, body=b'{"external_id":"a","name":"A"}\n').status == 404
    assert place.rows("SELECT count(*) FROM customers") == [(0,)]


def admin_exchange(directory, path, body):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds(10))
        connection.connect(str(directory / "admin.sock"))
        connection.sendall(
            b"POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(body)) + body
        )
        received = b""
        while data := connection.recv(65536):
            received += data
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def test_the_route_has_limits(place, start_server):
    start_server(place.directory)
    status, body = admin_exchange(place.directory, "/admin/import/customers", b"{}\n" * 1025)
    assert status == 400 and "at most 1024 rows" in body["message"]
    status, body = admin_exchange(place.directory, "/admin/import/customers", b"\n".join([b"{}"] * 1024))
    assert status == 200 and len(body["refused"]) == 1024
    status, body = admin_exchange(place.directory, "/admin/import/customers?environment=%zz", b"")
    assert status == 400


def start_import(place, path, *arguments, **options):
    command = ["import", "customers", path, "--data", place.directory, "--json", *map(str, arguments)]
    return subprocess.Popen(
        [BINARY, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(*command), **options)


def count_customers(place):
    return place.rows("SELECT count(*) FROM customers")[0][0]


MANY = 20000


@pytest.mark.parametrize("with_server", [True, False])
def test_interrupted_and_resumed(place, start_server, with_server):
    if with_server:
        start_server(place.directory)
    path = place.file(many(MANY))
    process = start_import(place, path)
    wait_until(lambda: count_customers(place) > 500, 20, "the import to begin")
    process.send_signal(signal.SIGINT)
    output, complaint = process.communicate(timeout=seconds(30))
    summary = json.loads(output)
    assert process.returncode == 1 and "interrupted; run the same command again" in complaint
    assert not summary["complete"] and summary["created"] == count_customers(place) < MANY
    place.expect(path, created=MANY - summary["created"], unchanged=summary["created"])
    place.require_trail(MANY)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_interrupted_inside_a_line_without_end(place, form):
    """What stands in front of it goes in."""
    beginning = "external_id,name\na,Acme\n" if form == "csv" else '{"external_id":"a","name":"Acme"}\n'
    command = ["import", "customers", "-", "--format", form, "--data", place.directory, "--rejects", place.folder / "rejected"]
    written = 0

    def feed(pipe):
        nonlocal written
        pipe.write(beginning.encode())
        while True:
            written += pipe.write(bytes(1 << 16))

    process = subprocess.Popen(
        [BINARY, *command], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(*command), bufsize=0
    )
    with process, ThreadPoolExecutor(1) as pool:
        feeding = pool.submit(feed, process.stdin)
        wait_until(lambda: written > 2 << 20, 20, "the line to be longer than any row")
        process.send_signal(signal.SIGTERM)
        assert process.wait(seconds(20)) == 1
        process.stdin.close()
        assert isinstance(feeding.exception(), (BrokenPipeError, ValueError))
        complaint = process.stderr.read().decode()
    assert "was not read to its end: interrupted; run the same command again to go on" in complaint
    assert place.rows("SELECT external_id FROM customers") == [("a",)]


def test_a_header_without_an_end_ends_the_import_at_once(place):
    process = run("import", "customers", "/dev/zero", "--format", "csv", "--data", place.directory, "--rejects", place.folder / "rejected")
    assert process.returncode == 1
    assert process.stderr == "farthing: /dev/zero: the header, on line 1, is longer than 262144 bytes\n"


@pytest.mark.parametrize("with_server", [True, False])
def test_client_killed_and_resumed(place, start_server, with_server):
    server = start_server(place.directory) if with_server else None
    path = place.file(many(MANY))
    process = start_import(place, path)
    wait_until(lambda: count_customers(place) > 500, 20, "the import to begin")
    process.kill()
    process.communicate()
    process = place.run(path)
    summary = json.loads(process.stdout)
    assert process.returncode == 0 and summary["created"] + summary["unchanged"] == MANY and summary["unchanged"] > 0
    if server:
        server.stop()
    place.require_trail(MANY)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_the_server_goes_and_comes_back(place, start_server, how):
    """The import waits for it and goes on: nothing twice, nothing lost."""
    server = start_server(place.directory)
    path = place.file(many(MANY) + "bad,,\n")
    process = start_import(place, path)
    for _ in range(2):
        reached = count_customers(place)
        wait_until(lambda: count_customers(place) > reached + 1000, 20, "the import to get on")
        getattr(server, how)()
        time.sleep(0.2)
        server = start_server(place.directory)
    output, complaint = process.communicate(timeout=seconds(60))
    summary = json.loads(output)
    assert process.returncode == 1 and summary["complete"], complaint
    assert summary["created"] + summary["unchanged"] == MANY and summary["refused"] == 1
    assert [row[0] for row in place.rejects()[1:]] == [str(MANY + 2)]
    server.stop()
    place.require_trail(MANY)


class FakeServer(threading.Thread):
    """Stands on the admin socket and answers as the test says: each of `replies` is given to one request (the last one to
    all that follow), as bytes, and the connection closed behind it unless it is whole."""

    def __init__(self, directory, *replies):
        super().__init__(daemon=True)
        self.replies = list(replies)
        self.requests = []
        (directory / "admin.sock").unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(directory / "admin.sock"))
        self.listener.listen(16)
        self.start()

    def run(self):
        try:
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=[connection], daemon=True).start()
        except OSError:
            pass

    def serve(self, connection):
        with connection, connection.makefile("rb") as file:
            while head := b"".join(iter(file.readline, b"\r\n")) if file.peek(1) else b"":
                length = int(re.search(rb"Content-Length: (\d+)", head).group(1))
                self.requests.append(file.read(length))
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                connection.sendall(reply)
                if not reply.endswith(b"}"):
                    return


def fake_reply(status, body):
    text = json.dumps(body).encode()
    return b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n" % (status, len(text)) + text


def fake_counts(created):
    return fake_reply(200, {"environment_id": "env_x", "created": created, "updated": 0, "unchanged": 0, "different": 0,
                            "refused": []})


def test_a_chunk_is_sent_again_until_it_is_answered(place):
    whole = fake_counts(10)
    fake = FakeServer(
        place.directory, fake_counts(0), b"", whole[:20], whole[:-5],
        fake_reply(503, {"message": "too many writes are waiting; try again later"}), whole,
    )
    summary = place.expect(place.file(many(10)), created=10)
    assert summary["environment_id"] == "env_x"
    assert len(fake.requests) == 6 and fake.requests[0] == b""
    assert len(set(fake.requests[1:])) == 1 and fake.requests[1].count(b"\n") == 10
    fake.listener.close()


@pytest.mark.parametrize(
    "reply, expected",
    [
        (fake_reply(503, {"message": "the disk is full"}), "the disk is full; run the same command again to go on"),
        (fake_reply(503, {"message": "try again later", "details": {"reason": "disk_full"}}), "try again later (reason: disk_full); run"),
        (fake_reply(413, {"message": "the body is too large"}), "--body-bytes-max"),
        (fake_reply(400, {"message": "something is wrong", "details": {"a": "b", "c": "d"}}), "something is wrong"),
        (b"nonsense\r\n\r\n", "the server is gone"),
    ],
)
def test_a_server_that_refuses_for_good(place, reply, expected):
    fake = FakeServer(place.directory, fake_counts(0), reply)
    path = place.file(many(10))
    process = place.run(path, "--retry-seconds", 0)
    assert process.returncode == 1 and expected in process.stderr, process.stderr
    summary = json.loads(process.stdout)
    assert (summary["rows"], summary["created"], summary["not_sent"]) == (10, 0, 10)
    fake.replies = [fake_counts(0), reply]
    process = run("import", "customers", path, "--data", place.directory, "--retry-seconds", 0)
    assert " ".join(process.stdout.splitlines()[-1].split()) == "10 not sent, or sent without an answer"
    fake.listener.close()


def test_a_server_that_is_waited_for_is_told_of(place):
    busy = fake_reply(503, {"message": "the database cannot be used right now", "details": {"reason": "disk_full"}})
    fake = FakeServer(place.directory, fake_counts(0), *[busy] * 6, fake_counts(10))
    summary = place.expect(place.file(many(10)), "--retry-seconds", 50, created=10)
    assert summary["stderr"].splitlines() == [
        "farthing: the database cannot be used right now (reason: disk_full); waiting for up to 50 s",
        "farthing: the server answers again",
    ]
    fake.listener.close()


def test_a_server_that_stays_away_ends_the_import(place, start_server):
    server = start_server(place.directory)
    path = place.file(many(MANY))
    process = start_import(place, path, "--retry-seconds", 2)
    wait_until(lambda: count_customers(place) > 500, 20, "the import to begin")
    server.kill()
    output, complaint = process.communicate(timeout=seconds(30))
    assert process.returncode == 1 and "the server is gone; run the same command again to go on" in complaint
    assert "farthing: the server is gone; waiting for up to 2 s\n" in complaint
    summary = json.loads(output)
    assert not summary["complete"] and summary["not_sent"] > 0
    assert summary["rows"] == summary["created"] + summary["not_sent"]
    place.run(path)
    place.require_trail(MANY)


def test_creates_and_gets_go_on_beside_it(place, start_server):
    server = start_server(place.directory)
    process = start_import(place, place.file(many(MANY)))
    waits = []
    with Client(server.address, place.credentials.api_key) as client:
        wait_until(lambda: client.get("/v1/customers/external/c100").status == 200, 20, "the import to begin")
        number = 0
        while process.poll() is None and number < 2000:
            begun = time.monotonic()
            assert client.post("/v1/customers", {"external_id": f"beside {number}", "name": "x"}).status == 201
            assert client.get(f"/v1/customers/external/beside%20{number}").status == 200
            waits.append(time.monotonic() - begun)
            number += 1
    output, _ = process.communicate(timeout=seconds(60))
    assert json.loads(output)["created"] == MANY
    assert len(waits) > 20
    assert sorted(waits)[len(waits) // 2] < seconds(0.25), "creates are starved"
    server.stop()
    place.require_trail(MANY + number)


def test_two_imports_of_one_file_at_once(place, start_server):
    server = start_server(place.directory)
    path = place.file(many(5000))
    summaries = []

    def work(name):
        process = start_import(place, path, "--rejects", place.folder / name)
        summaries.append(json.loads(process.communicate(timeout=seconds(60))[0]))

    threads = [threading.Thread(target=work, args=[name]) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(summary["created"] for summary in summaries) == 5000
    assert sum(summary["unchanged"] for summary in summaries) == 5000
    server.stop()
    place.require_trail(5000)


ROWS_MANY = 1_000_000 if LONG else round(20_000 / SLOWDOWN)


def test_many_rows(place, start_server):
    """A million of them with --long."""
    server = start_server(place.directory)
    path = place.file(many(ROWS_MANY))
    process = start_import(place, path)
    output, complaint = process.communicate(timeout=seconds(900))
    assert process.returncode == 0 and json.loads(output)["created"] == ROWS_MANY, complaint
    status = (farthing_server.Path("/proc") / str(server.process.pid) / "status").read_text()
    kib = int(re.search(r"VmHWM:\s+(\d+)", status).group(1))
    assert kib < 256 * 1024 or SLOWDOWN != 1, "memory is bounded; a sanitizer has memory of its own"
    server.stop()
    place.require_trail(ROWS_MANY)
