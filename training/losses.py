"""Why a job that did not complete was lost: its nodes went, or its program or a person ended it.

Only words of Azure ML's own count, never the end of a program's log that an error quotes: a
program may well print "preempted". What was read where is told in `local/preemptions.py`.
"""

import re
from datetime import datetime
from typing import Literal

from core.cloud import Cloud
from core.refs import StackOutputs
from training.metrics import Tracking

Loss = Literal["preemption", "node"]

QUOTED = re.compile(
    r"\n|The last lines:|exited with status code|exit ?code|process exited|(?<!\w)Error:\s",
    re.IGNORECASE,
)
"""Where an error begins to speak of the program, or to quote it."""

PREEMPTED = re.compile(
    r"\bPreemptionError\b|\bLow priority compute preemption\b"
    r"|\bnodes? (?:\w+ ){0,5}(?:got|was|were|been) pre-?empted",
    re.IGNORECASE,
)
NODE_LOST = re.compile(r"\bNodeLost\b")


def loss_of(status: str, reason: str) -> Loss | None:
    """Say how a job was lost by its final state and its error; None: not by its nodes.

    A job that a person cancelled has no error that names a preemption, also where Azure ML had
    started it again after one.
    """
    if status not in ("Failed", "Canceled"):
        return None
    told = QUOTED.split(reason, maxsplit=1)[0]
    if PREEMPTED.search(told):
        return "preemption"
    return "node" if NODE_LOST.search(told) else None


def hours_run(cloud: Cloud, outputs: StackOutputs, job: str) -> float | None:
    """Give how long an ended job's program ran, by Azure's run history; None: it does not say."""
    found = Tracking(cloud, outputs).history(f"runs/{job}/details") or {}
    start, end = (_moment(found.get(key)) for key in ("startTimeUtc", "endTimeUtc"))
    return None if start is None or end is None else (end - start).total_seconds() / 3600


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None
