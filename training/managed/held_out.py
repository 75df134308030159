"""Which records of a file are held out for validation, and what is said where none can be."""

from array import array

from training.data.check import FEWEST


def limit_of(places: "array[int]", share: float) -> int:
    """Give the place below which records are held out; 0: none are.

    The share's own place where it leaves ten records and holds out one; else the nearest that
    does. Equal records have one place and stay together.
    """
    limit = int(share * 2**64)
    held = sorted(place for place in places if place < limit)
    room = len(places) - FEWEST
    if not share or room <= 0:
        return 0
    if not held:
        lowest = min(places)
        return lowest + 1 if places.count(lowest) <= room else 0
    if len(held) <= room:
        return limit
    return held[room] if held[room] > held[0] else 0


def why_none(rows: int) -> str:
    """Say why nothing is held out of a file although the recipe would have it."""
    few = f"the service trains on {FEWEST} records or more, so all {rows} are needed"
    alike = "too few different records to spare one"
    why = few if rows <= FEWEST else alike
    return f"{why}: nothing is held out for validation; a file for it: --eval-file"
