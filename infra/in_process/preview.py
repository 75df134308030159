"""A plan made by reading Azure, with no Pulumi command line and changing nothing."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from core.settings import Settings
from infra.arm_types import TYPES
from infra.engine import Plan, grant_rows
from infra.in_process.record import Record
from infra.prices import prices
from infra.site import Site

if TYPE_CHECKING:
    from core.arm import Arm
    from core.cloud import Person
    from infra.in_process.converge import Look

Declare = Callable[..., Mapping[str, Any]]

NOBODY = "00000000-0000-0000-0000-000000000000"


def look(
    site: Site,
    arm: "Arm | None",
    person: "Person",
    record: Record,
    engine: str,
    declare: Declare | None = None,
) -> "Look":
    """Run the program against what is in Azure; without `arm`, against nothing.

    Its steps come by type and name, not in the order in which Azure happened to answer.
    """
    from infra.in_process.converge import Look, run_program
    from infra.program import declare as everything

    program = declare or everything
    seen = Look(arm, site.subscription, person, record)
    run_program(lambda: program(site.settings, engine=engine), seen, site.stack)
    order = list(TYPES)
    seen.steps.sort(key=lambda step: (order.index(seen.met[step.id.lower()].kind.token), step.name))
    return seen


def offline_plan(stack: str, settings: Settings, engine: str, note: str) -> Plan:
    """Say what the program declares, for who is not signed in; Azure is not asked."""
    from core.cloud import Person

    site = Site(settings, NOBODY, stack)
    nobody = Person(NOBODY, NOBODY, "nobody", is_person=True)
    seen = look(site, None, nobody, Record.of(stack), engine)
    return Plan(stack, tuple(seen.steps), grant_rows(site), prices(settings), note)
