"""A failed job's evidence, read from the workspace, and what it says."""

from collections import deque

from core.cloud import Cloud
from core.refs import StackOutputs
from training.explain import Evidence, Explanation, explain
from training.follow import KEPT, LogLine, read_log
from training.metrics import failure_reason

EXPLAINED = ("Failed", "Canceled", "NotResponding")
"""States of a job that did not do what it should."""


def explain_job(cloud: Cloud, outputs: StackOutputs, name: str, status: str) -> Explanation:
    """Read error and log of a job that ended badly, and say why it did."""
    lines: deque[str] = deque(maxlen=KEPT)
    for event in read_log(cloud, outputs, name):
        if isinstance(event, LogLine):
            lines.append(event.text)
    return explain(Evidence(status, failure_reason(cloud, outputs, name), tuple(lines)))
