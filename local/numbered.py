"""Numbered rules as documents of the state: another process can set one while the Azure runs.

What a rule says is its own module's; here is how rules are numbered, listed and taken back.
"""

from local.state import Document, State


def listed(state: State, kind: str) -> list[tuple[int, Document]]:
    """List the rules of a kind by their numbers."""
    rows = state.within(f"{kind}:")
    return sorted(((int(id.rpartition("/")[2]), row) for id, row in rows), key=lambda row: row[0])


def next_number(state: State, kind: str) -> int:
    """Give the number of a rule to come."""
    return max((number for number, _ in listed(state, kind)), default=0) + 1


def store(state: State, kind: str, number: int, document: Document) -> None:
    """Set a rule, or its counters anew."""
    state.put(_key(kind, number), kind, document)


def remove(state: State, kind: str, number: int | None) -> int:
    """Take one rule back, or all; give how many there were."""
    gone = [one for one, _ in listed(state, kind) if number in (None, one)]
    for one in gone:
        state.delete(_key(kind, one))
    return len(gone)


def _key(kind: str, number: int) -> str:
    return f"{kind}:/{number}"
