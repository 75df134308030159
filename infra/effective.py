"""Makes a stack whose grants are in force: Azure's minutes are waited out by trying, not sleeping.

A new role assignment counts after up to ten minutes, and Azure says nowhere when. What can be
tried from here is tried (probes.py). Nobody can act as the identities of jobs and endpoints from
outside; their first job and deployment show it.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from core.errors import CloudError
from core.refs import StackOutputs
from infra.engine import Engine, Event, Report
from infra.granted import PROPAGATION, Granted, lacks, read_grants, utc_now
from infra.probes import RIGHTS, Probe, Refusal, probes
from infra.roles import Who
from infra.site import Site

if TYPE_CHECKING:
    from core.cloud import Cloud

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
"""Seconds between two tries: short at first, doubled each time."""
CHECKED = (Who.WORKSPACE, Who.HUB)
"""Whose rights Azure checks when it makes what they belong to."""


@dataclass(frozen=True)
class Clock:
    """How time passes; a test brings its own."""

    seconds: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = utc_now

    def tries(self) -> Iterator[float]:
        """Yield the seconds waited so far, at growing intervals, to the end of Azure's time."""
        began, pause = self.seconds(), FIRST_PAUSE
        while (waited := self.seconds() - began) < PROPAGATION.total_seconds():
            yield waited
            self.pause(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


@dataclass(frozen=True)
class Effective:
    """A stack's grants, from the `up` that makes them until they are in force."""

    site: Site
    engine: Engine
    cloud: "Cloud"
    report: Report
    clock: Clock = Clock()

    def up(self) -> StackOutputs:
        """Run the engine's `up`; again while Azure refuses our identities what they just got.

        Azure checks at the creation of a workspace or hub what its identity may do with the stores.

        Raises:
            CloudError: as the engine's `up`; what time cannot end at once.
        """
        for waited in self.clock.tries():
            try:
                return self.engine.up(self.report)
            except CloudError as refused:
                if not self._is_early(refused):
                    raise
                self._note(
                    "Azure does not count new grants yet (it takes up to 10 minutes);"
                    f" trying again, {waited:.0f} s"
                )
        return self.engine.up(self.report)

    def wait(self, outputs: StackOutputs) -> None:
        """Return when every grant is there and, as far as can be tried, in force.

        A grant that is older than Azure's ten minutes is not tried: an `up` that changed nothing
        reads the assignments alone.

        Raises:
            CloudError: a grant is missing, named with the operation that needs it; or Azure's
                time is over and a try is still refused.
        """
        found = self._read()
        if missing := lacks(found):
            again = f"tunestack up --stack {self.site.stack} makes what is missing."
            raise CloudError("\n".join(missing), hint=again)
        young = [granted for granted in found if granted.is_young(self.clock.now())]
        self._try(list(probes(self.site, self.cloud, outputs, young)))
        self._tell_of_the_rest(young)

    def _try(self, todo: list[Probe]) -> None:
        refused: dict[Probe, Refusal] = {}
        for waited in self.clock.tries():
            refused = dict(self._refused(todo))
            if not refused:
                return
            todo = list(refused)
            names = " and ".join(probe.shows for probe in todo)
            self._note(f"Waiting until {names} is in force, {waited:.0f} s")
        lines = [f"{probe.shows} is not in force yet: {r.told}" for probe, r in refused.items()]
        raise CloudError(
            "\n".join(line[0].upper() + line[1:] for line in lines),
            hint="Everything is made, and Azure's ten minutes for grants are over."
            f" tunestack up --stack {self.site.stack} goes on waiting.",
        )

    def _refused(self, todo: list[Probe]) -> Iterator[tuple[Probe, Refusal]]:
        """Ask each; what time cannot end is told once and not asked again."""
        for probe in todo:
            refusal = probe.ask()
            if refusal and refusal.passes:
                yield probe, refusal
            elif refusal:
                self._note(refusal.told)

    def _is_early(self, refused: CloudError) -> bool:
        """Tell a refusal of an identity of ours that a grant of these minutes will end."""
        told, person = str(refused), self.cloud.person()
        if not RIGHTS.search(told) or person.object_id in told:
            return False
        try:
            found = self._read()
        except CloudError:  # what cannot be read now must not hide what was refused
            return False
        now = self.clock.now()
        return any(one.grant.who in CHECKED and one.is_young(now) for one in found)

    def _read(self) -> list[Granted]:
        return read_grants(self.site, self.engine.resources(), self.cloud.arm)

    def _tell_of_the_rest(self, young: list[Granted]) -> None:
        """Name whose grants nobody can try from outside."""
        rest = [who for who in (Who.JOB, Who.ENDPOINT) if any(g.grant.who is who for g in young)]
        if rest:
            self._note(
                f"The grants of {' and '.join(rest)} are made; the first job and the first"
                " deployment show that they are in force."
            )

    def _note(self, text: str) -> None:
        self.report(Event.note(text))
