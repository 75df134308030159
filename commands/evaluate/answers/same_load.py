"""Whether sides were asked at the same time: of latencies of two days the load is not the same."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from statistics import median

from evaluation.replies import Reply

APART_SECONDS = 15 * 60.0
"""Kept answers that are older against the other side's are told."""

Replies = Mapping[str, Mapping[str, Reply]]
"""By the side's name and the case's id."""


def asked_apart(names: Sequence[str], replies: Replies) -> Iterator[str]:
    """Say which sides were timed at another time than the first, the reference."""
    reference = replies.get(names[0], {}) if names else {}
    for name in names[1:]:
        apart = _apart(reference, replies.get(name, {}))
        if apart > APART_SECONDS:
            hours = apart / 3600
            told = f"{hours / 24:.0f} days" if hours > 48 else f"{hours:.1f} h"
            yield (
                f"{names[0]} and {name} were asked {told} apart, since answers are kept: their"
                " latencies are not of the same load."
            )


def _apart(reference: Mapping[str, Reply], other: Mapping[str, Reply]) -> float:
    """Give the median of the seconds between the two replies to a case; 0 where none has both."""
    seconds = [
        abs((_moment(reference[case]) - _moment(other[case])).total_seconds())
        for case in reference.keys() & other.keys()
        if reference[case].asked and other[case].asked
    ]
    return median(seconds) if seconds else 0.0


def _moment(reply: Reply) -> datetime:
    return datetime.fromisoformat(reply.asked)
