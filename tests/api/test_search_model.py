"""The search language against a model of it: random rows and random searches, answered by the server and by a few lines of
Python over the rows as the server tells them one by one."""

import json
import random
import unicodedata
from datetime import datetime
from urllib.parse import quote

import pytest

import engine
import farthing_server
from farthing_server import create_environment, run_ok, wait_until
from http_client import Client
from suites import rounds

__all__ = ["rounds"]

ROWS = 110  # more than a sample of the index needs before it says which trigrams are common
OTHER_ROWS = 12
SEARCHES = 250  # in each of the two tests
INDEX_SECONDS_MAX = 30

# Letters whose cases are of one, of two or of no characters, or of other sizes in UTF-8; letters in two forms; what patterns,
# SQL, JSON and the index' own queries and marks are made of.
PIECES = [
    *"aAbBiIkKsSzZ", "ab", "Acme", "ACME", "corp", "é", "É", "e\u0301", "ß", "ẞ", "SS", "ſ", "\u212a", "İ", "ı", "Σ", "σ", "ς",
    "ǅ", "ǆ", "ᾈ", "ᾀ", "Ⱥ", "ⱥ", "Ꭰ", "ꭰ", "Ж", "ж", "日本", "語", "😀", "𐐀", "𐐨", "\u0301", "\ue000", "\uf8ff", "\U0010ffff", "%", "_",
    "\\", "'", '"', "%%", "{", "}", "$1", "*", "^", " ", " OR ", "NEAR(", "-", "\x1f", "\x7f", "\t", "\n", "[^a]", "../", "100%",
]
TEXT_FIELDS = [
    "id", "external_id", "name", "email", "contact", "address_line1", "address_city", "address_country", "timezone", "status",
    "created_by", "updated_by", "tenant_id", "environment_id",
]
SEARCHED_FIELDS = ["external_id", "name", "email"]
INSTANT_FIELDS = ["created_at", "updated_at"]
METADATA_KEYS = ["plan", "ключ", 'a"b', "a\\b", "a.b", "😀"]
METADATA_VALUES = ["", "pro", "Pro", "ä", "%", "null", "1"]


def fold_character(character):
    """Unicode's simple case folding, as CaseFolding.txt has it, from what Python knows."""
    for folded in (character.casefold(), character.lower()):
        if len(folded) == 1:
            return folded
    return character


def fold(text):
    return "".join(map(fold_character, text))


def instant(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


TEXT_OPERATORS = {
    "eq": lambda held, sought: held == sought,
    "neq": lambda held, sought: held != sought,
    "contains": lambda held, sought: fold(sought) in fold(held),
    "not_contains": lambda held, sought: fold(sought) not in fold(held),
    "starts_with": lambda held, sought: fold(held).startswith(fold(sought)),
    "ends_with": lambda held, sought: fold(held).endswith(fold(sought)),
}
ARRAY_OPERATORS = {
    "in": lambda held, sought: not sought or held in sought,
    "not_in": lambda held, sought: not sought or held not in sought,
}
DATE_OPERATORS = {
    "eq": lambda held, sought: held == sought,
    "neq": lambda held, sought: held != sought,
    "lt": lambda held, sought: held < sought,
    "lte": lambda held, sought: held <= sought,
    "gt": lambda held, sought: held > sought,
    "gte": lambda held, sought: held >= sought,
    "before": lambda held, sought: held < sought,
    "after": lambda held, sought: held > sought,
}


def meets(row, condition):
    held, value = row.get(condition["field"]), condition["value"]
    if value.get("array") == []:
        return True
    if held is None:
        return False
    if "array" in value:
        return ARRAY_OPERATORS[condition["operator"]](held, value["array"])
    if "date" in value:
        return DATE_OPERATORS[condition["operator"]](instant(held), instant(value["date"]))
    return TEXT_OPERATORS[condition["operator"]](held, value["string"])


def matches(row, search):
    wanted = search.get("metadata") or {}
    return (
        row["status"] == (search.get("status") or "published")
        and all(meets(row, condition) for condition in search.get("filters", []))
        and (not search.get("customer_ids") or row["id"] in search["customer_ids"])
        and (not search.get("external_ids") or row["external_id"] in search["external_ids"])
        and (not search.get("external_id") or row["external_id"] == search["external_id"])
        and (not search.get("email") or fold(row["email"]) == fold(search["email"]))
        and (not wanted or (row["metadata"] is not None and wanted.items() <= row["metadata"].items()))
        and ("start_time" not in search or instant(row["created_at"]) >= instant(search["start_time"]))
        and ("end_time" not in search or instant(row["created_at"]) <= instant(search["end_time"]))
    )


def sort_key(row, field):
    """What is unset counts as the largest; texts are compared by their code points."""
    held = row.get(field)
    if held is None:
        return (1, b"")
    return (0, instant(held) if field in INSTANT_FIELDS else held.encode())


def answer(rows, search):
    """The ids of the page, and the total."""
    default = {"field": "created_at", "direction": search.get("order", "desc")}
    # The environment and the tenant of all rows are the same; they give no direction to the id behind them.
    sorts = [sort for sort in search.get("sort", []) if sort["field"] not in ("tenant_id", "environment_id")] + [default]
    sorts = [sort for i, sort in enumerate(sorts) if sort["field"] not in [before["field"] for before in sorts[:i]]]
    found = [row for row in rows if matches(row, search)]
    for sort in [*sorts, {"field": "id", "direction": sorts[-1].get("direction")}][::-1]:
        found.sort(key=lambda row: sort_key(row, sort["field"]), reverse=sort.get("direction") == "desc")
    offset, limit = search.get("offset", 0), search.get("limit") or 50
    return [row["id"] for row in found[offset : offset + limit]], len(found)


# ---- making rows and searches ----


class Chance(random.Random):
    def text(self, pieces_max):
        return "".join(self.choices(PIECES, k=self.randint(0, pieces_max)))

    def metadata(self):
        if self.random() < 0.3:
            return None
        return {key: self.choice(METADATA_VALUES) for key in self.sample(METADATA_KEYS, self.randint(0, 3))}

    def email(self):
        return self.choice(["", "", "Info@Example.com", "o'brien_%+tag@EXAMPLE.com", f"kilo.{self.randint(1, 9)}@sub.Example.org"])

    def row(self, number):
        row = {
            "external_id": f"{self.text(4)}{number}{self.text(3)}",
            "name": self.text(6) or "x",
            "email": self.email(),
            "address_line1": self.text(2),
            "address_city": self.choice(["", "Köln", "KÖLN", "Pune"]),
            "address_country": self.choice(["", "DE", "IN"]),
            "timezone": self.choice(["UTC", "Europe/Berlin"]),
        }
        if self.random() < 0.5:
            row["contact"] = self.text(3)[:20]
        if (metadata := self.metadata()) is not None:
            row["metadata"] = metadata
        return row

    def other_case(self, text):
        """The same letters, or almost: what is the same in the end is for the model to say."""
        return "".join(self.choice([character, character, character.lower(), character.upper()]) for character in text)

    def part(self, text):
        start = self.randint(0, len(text))
        return text[start : start + self.randint(0, 6)]

    def needle(self, rows, field):
        """Mostly a part of what a row has, at its start, its end or between, in other cases."""
        held = self.choice(rows).get(field) or ""
        kind = self.random()
        if kind < 0.1:
            return self.text(2)
        if kind < 0.25:
            return held
        if kind < 0.4:
            return self.other_case(held[: self.randint(0, 5)])
        if kind < 0.55:
            return self.other_case(held[-self.randint(1, 5) :])
        return self.other_case(self.part(held))

    def date(self, rows, field):
        return self.choice(rows)[field]

    def condition(self, rows):
        kind = self.random()
        if kind < 0.2:
            field = self.choice(INSTANT_FIELDS)
            return self.typed(field, self.choice(list(DATE_OPERATORS)), "date", self.date(rows, field))
        field = self.choice(SEARCHED_FIELDS if kind < 0.6 else TEXT_FIELDS)
        if self.random() < 0.2:
            held = [row[field] for row in self.sample(rows, self.randint(0, 6)) if field in row]
            return self.typed(field, self.choice(list(ARRAY_OPERATORS)), "array", held)
        return self.typed(field, self.choice(list(TEXT_OPERATORS)), "string", self.needle(rows, field))

    def typed(self, field, operator, member, value):
        condition = {"field": field, "operator": operator, "value": {member: value}}
        if self.random() < 0.5:
            condition["data_type"] = member
        return condition

    def sort(self):
        sort = {"field": self.choice(TEXT_FIELDS + INSTANT_FIELDS)}
        if self.random() < 0.8:
            sort["direction"] = self.choice(["asc", "desc"])
        return sort

    def search(self, rows):
        search = {"filters": [self.condition(rows) for _ in range(self.choice([0, 1, 1, 1, 2, 2, 3]))]}
        optional = {
            "limit": lambda: self.choice([0, 1, 2, 7, 50, 1000]),
            "offset": lambda: self.choice([0, 1, 3, 40, 1000]),
            "order": lambda: self.choice(["asc", "desc"]),
            "sort": lambda: [self.sort() for _ in range(self.randint(0, 3))],
            "status": lambda: self.choice(["", "published", "archived", "deleted", "nothing's"]),
        }
        rare = {
            "customer_ids": lambda: [self.choice(rows)["id"] for _ in range(self.randint(0, 30))],
            "external_ids": lambda: [self.choice(rows)["external_id"] for _ in range(self.randint(0, 30))],
            "external_id": lambda: self.choice(["", self.choice(rows)["external_id"]]),
            "email": lambda: self.other_case(self.email()),
            "metadata": self.metadata,
            "start_time": lambda: min(self.date(rows, "created_at") for _ in range(3)),
            "end_time": lambda: max(self.date(rows, "created_at") for _ in range(3)),
        }
        search.update({name: make() for name, make in optional.items() if self.random() < 0.4})
        search.update({name: make() for name, make in rare.items() if self.random() < 0.1})
        if "start_time" in search and "end_time" in search and instant(search["end_time"]) < instant(search["start_time"]):
            del search["end_time"]
        return {name: value for name, value in search.items() if value is not None}


# ---- the world ----


class World:
    """Two environments with random customers, some of which were created at the same instant or are archived."""

    def __init__(self, directory, seed):
        self.chance = Chance(seed)
        self.directory = directory
        self.first = farthing_server.init(directory)
        self.other = create_environment(directory, self.first.tenant_id, "other")
        self.server, self.client = None, None
        self.start()
        self.ids = [self.create(number)["id"] for number in range(ROWS)]
        for number in range(OTHER_ROWS):
            self.client.create(self.chance.row(number), key=self.other.api_key)
        self.stop()
        self.let_rows_be_of_one_instant()
        archived = ", ".join(f"'{customer_id}'" for customer_id in self.chance.sample(self.ids, ROWS // 6))
        engine.change(directory, f"UPDATE customers SET status = 'archived' WHERE id IN ({archived})")
        self.start()
        self.rows = [self.read(customer_id) for customer_id in self.ids]
        self.other_rows = self.client.get("/v1/customers", key=self.other.api_key).json()["items"]
        assert len(self.other_rows) == OTHER_ROWS

    def let_rows_be_of_one_instant(self):
        if engine.ON_POSTGRES:
            hundredths = "to_timestamp(floor(extract(epoch FROM created_at) * 100) / 100)"
        else:
            hundredths = "created_at - created_at % 10000"
        engine.change(self.directory, f"UPDATE customers SET created_at = {hundredths}")

    def start(self):
        self.server = farthing_server.Server(self.directory)
        self.client = Client(self.server.address, self.first.api_key)

    def stop(self):
        self.client.close()
        self.server.stop()

    def create(self, number):
        return self.client.create(self.chance.row(number))

    def read(self, customer_id):
        reply = self.client.get(f"/v1/customers/{customer_id}")
        assert reply.status == 200, reply
        row = reply.json()
        del row["integrations"]
        return row

    def add(self):
        row = self.read(self.create(len(self.rows) + 1000)["id"])
        self.rows.append(row)
        return row

    def rename(self):
        """Some customers have other names: their old ones are in the index."""
        path = self.directory.parent / "renamed.jsonl"
        chosen = [row for row in self.chance.sample(self.rows, 20) if row["status"] == "published"]
        lines = [json.dumps({"external_id": row["external_id"], "name": self.chance.text(6) or "y"}) for row in chosen]
        path.write_text("\n".join(lines) + "\n")
        where = ["--data", self.directory, "--environment", self.first.environment_id]
        run_ok("import", "customers", path, *where, "--update")
        for row in chosen:
            row.update(self.read(row["id"]))

    def wait_for_index(self):
        if not engine.ON_POSTGRES:
            noted = "SELECT count(*) FROM customers_unindexed"
            wait_until(lambda: engine.tuples(self.directory, noted) == [(0,)], INDEX_SECONDS_MAX, "the index to catch up")

    def check(self, search):
        reply = self.client.post("/v1/customers/search", search)
        assert reply.status == 200, (search, reply)
        self.compare(search, reply.json())

    def compare(self, search, page):
        ids, total = answer(self.rows, search)
        found = [item["id"] for item in page["items"]]
        known = {row["id"]: row for row in self.rows}
        assert found == ids, f"{json.dumps(search)}: found, or missing, or in another place: " + json.dumps(
            [known.get(i, i) for i in set(found) ^ set(ids)]
        )
        assert page["pagination"]["total"] == total, search
        assert all(item == known[item["id"]] for item in page["items"]), search

    def search(self):
        strangers = self.chance.random() < 0.1
        return self.chance.search(self.rows + self.other_rows if strangers else self.rows)


@pytest.fixture(scope="module")
def world(tmp_path_factory, request):
    given = request.config.getoption("--seed", default=None)
    seed = given if given is not None else random.SystemRandom().getrandbits(32)
    world = World(tmp_path_factory.mktemp("model") / "data", seed)
    world.seed = seed
    yield world
    world.stop()


def test_random_searches(world, rounds):
    print(f"seed {world.seed}")  # --seed repeats it
    world.wait_for_index()
    for _ in range(rounds(SEARCHES)):
        world.check(world.search())


def test_random_searches_while_rows_come_and_change(world, rounds):
    """Each search sees what was written before it, whether an index has it already or not."""
    print(f"seed {world.seed}")
    for turn in range(rounds(SEARCHES)):
        if turn % 40 == 5:
            world.rename()
        if turn % 3 == 0:
            row = world.add()
            field = world.chance.choice(SEARCHED_FIELDS)
            world.check({"filters": [world.chance.typed(field, "contains", "string", world.chance.part(row[field]))]})
        world.check(world.search())


def test_random_lists(world, rounds):
    """The same by a query string."""
    print(f"seed {world.seed}")
    for _ in range(rounds(SEARCHES // 3)):
        search = world.search()
        del search["filters"]
        search.pop("metadata", None)
        parameters = []
        for name, value in search.items():
            if name == "sort":
                entries = [f"{sort['field']}:{sort.get('direction', 'asc')}" for sort in value]
                parameters.append(f"sort={','.join(entries)}")
            elif isinstance(value, list):
                # A comma ends an id, so that no external id of the rows has one.
                escaped = [quote(text, safe="") for text in value]
                parameters += [f"{name}={','.join(escaped[:5])}", *(f"{name}={text}" for text in escaped[5:])]
            else:
                parameters.append(f"{name}={quote(str(value), safe='')}")
        reply = world.client.get("/v1/customers?" + "&".join(parameters))
        if len("&".join(parameters)) > 15_000:
            assert reply.status in (200, 414)
        else:
            assert reply.status == 200, (search, reply)
            world.compare(search, reply.json())


def test_the_model_folds_as_unicode_does():
    assert unicodedata.unidata_version >= "14"
    assert fold("ẞßſ\u212aİΣςᾈǅȺ") == "ßßskİσσᾀǆⱥ"
