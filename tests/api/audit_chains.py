"""The audit trail's hashes, computed once more from what is stored, by what src/store/audit.h says alone."""

import hashlib

import engine

INSTANT = "(extract(epoch FROM occurred_at) * 1000000)::bigint" if engine.ON_POSTGRES else "occurred_at"
HASHED = ("chain", "position", "scope", "tenant_id", "entity_type", "entity_id", "action", "actor_id", "request_id",
          f"{INSTANT} AS occurred_at", "changes")
ROWS = f"SELECT {', '.join(HASHED)}, hash FROM audit_log WHERE chain > 0 ORDER BY sequence"
CHAINS = "SELECT chain, position, hash, first_position, first_hash FROM audit_chains WHERE chain > 0"


def framed(value):
    data = value.to_bytes(8, "big", signed=True) if isinstance(value, int) else value.encode()
    return len(data).to_bytes(8, "big") + data


def digest(values):
    return hashlib.sha256(b"".join(map(framed, values))).digest()


def link(previous, values):
    """The hash of a row with these values behind a row with that hash."""
    own = digest(values)
    return hashlib.sha256(framed(previous) + len(own).to_bytes(8, "big") + own).hexdigest()


def assert_whole(look):
    """`look`: a query -> its rows. Every row stands in its place, with its hash. Returns how many there are."""
    heads = {chain: (position, hash_) for chain, position, hash_, _, _ in look(CHAINS)}
    ends = {chain: (first_position - 1, first_hash) for chain, _, _, first_position, first_hash in look(CHAINS)}
    rows = look(ROWS)
    for *values, stored in rows:
        chain, position = values[:2]
        last_position, last_hash = ends[chain]
        assert position == last_position + 1, f"chain {chain} goes from position {last_position} to {position}"
        assert stored == link(last_hash, values), f"chain {chain}, position {position}: the hash is not right"
        ends[chain] = position, stored
    assert ends == heads
    return len(rows)
