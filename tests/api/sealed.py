"""What the database holds of customers, opened: the texts of the audit trail and the outbox as they were sealed."""

import json
import subprocess

import engine
from farthing_server import BINARY

TOOL = BINARY.parent / "tests/support/farthing-open-sealed"


def opened(directory, rows):
    """The objects that texts hold: each row is (what the text belongs to, the text), as in store/customer_key.h. One of a
    customer who is erased is None."""
    secrets = dict(engine.tuples(directory, "SELECT id, secret FROM customer_keys"))
    stored = [(about, text if isinstance(text, str) else json.dumps(text, separators=(",", ":"))) for about, text in rows]
    lines = []
    for about, text in stored:
        sealed = json.loads(text).get("sealed")
        lines.append(f"{secrets.get(sealed.split(':')[0], '') if sealed else ''}\t{about}\t{text}\n")
    done = subprocess.run([TOOL], input="".join(lines), capture_output=True, text=True, check=True)
    plain = done.stdout.split("\n")[:-1]
    assert len(plain) == len(stored)
    return [
        json.loads(text) if "sealed" not in json.loads(text) else json.loads(answer) if answer else None
        for (_, text), answer in zip(stored, plain)
    ]


def changes_of(directory, condition):
    """(action, changes) of the rows of the audit trail, in the order of their writing."""
    rows = engine.tuples(directory, f"SELECT action, entity_id, changes FROM audit_log WHERE {condition} ORDER BY sequence")
    return list(zip([action for action, _, _ in rows], opened(directory, [row[1:] for row in rows])))


def payloads_of(directory, condition="1 = 1"):
    """The payloads of the outbox, in the order of their writing."""
    return opened(directory, engine.tuples(directory, f"SELECT id, payload FROM system_events WHERE {condition} ORDER BY sequence"))
