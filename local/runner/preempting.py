"""A job whose low-priority nodes may be taken away: when that is, and what is noted then."""

import re
from pathlib import Path

from local import preemptions
from local.cores import is_low_priority
from local.preemptions import Preemption
from local.runner.job_record import note
from local.runner.processes import Child, Exit
from local.world import World

LOOK = 0.05
"""Seconds between two looks at the rules; taken only on low-priority clusters."""

STEP = re.compile(r'"step": *(\d+)')
WARNING = "Low priority compute preemption warning: a node has been preempted."
"""As people quote it from the studio's page of a job (hi-ml's guide)."""

REASON = (
    "AzureMLCompute job failed. PreemptionError: Nodes of this job got pre-empted. Check if the run"
    " has failed or restarted. Reason: Received pre-emption warning signal"
)
"""The error of a job that ended so, with the code UserError (azure-docs issue 66288)."""


class Preempted(Exception):
    """The job has lost its nodes; its processes are gone."""

    def __init__(self, preemption: Preemption) -> None:
        super().__init__(REASON)
        self.then = preemption.then


class Watch:
    """Waits for a job's processes, and takes its nodes away where a rule says so."""

    def __init__(self, world: World, id: str, compute_id: str, log: Path) -> None:
        self._world, self._id, self._log = world, id, log
        compute = world.state.get(compute_id)
        self._is_low = compute is not None and is_low_priority(compute)
        self._offset = 0
        self._partial = ""
        self._steps: set[int] = set()

    def wait(self, child: Child) -> Exit:
        """Wait for the end of the processes.

        Raises:
            Preempted: they were ended because the nodes went.
        """
        lost: Preemption | None = None
        while True:
            end = child.wait(LOOK if self._is_low and lost is None else None)
            if end is not None:
                break
            lost = self._due()
            if lost is not None:
                child.preempt(lost.notice)
        if lost is not None and end.reason == "preempted":
            note(self._world, self._id, warnings=[{"source": "AmlCompute", "message": WARNING}])
            raise Preempted(lost)
        return end

    def _due(self) -> Preemption | None:
        lines = self._new_lines()
        self._steps.update(int(step) for line in lines for step in STEP.findall(line))
        name = self._id.rpartition("/")[2]
        return preemptions.take(self._world.state, name, lines, len(self._steps))

    def _new_lines(self) -> list[str]:
        if not self._log.exists():
            return []
        with self._log.open("rb") as file:
            file.seek(self._offset)
            content = file.read()
        self._offset += len(content)
        *lines, self._partial = (self._partial + content.decode(errors="replace")).split("\n")
        return lines
