"""What the program declares, as Pulumi's engine would show it to a policy pack."""

from typing import Any

from core.cloud import Person
from core.settings import parse_settings
from infra.in_process.converge import Look, run_program
from infra.in_process.record import Record
from infra.program import declare

SUBSCRIPTION = "0a1b2c3d-0000-4000-8000-00000000000f"
PERSON = Person(SUBSCRIPTION, SUBSCRIPTION, "somebody", is_person=True)

Resource = tuple[str, str, dict[str, Any]]
"""Type, name in the program, inputs."""


class Seen(Look):
    """Meets every resource of an Azure in which nothing is yet."""

    def __init__(self) -> None:
        super().__init__(None, SUBSCRIPTION, PERSON, Record.of("dev"))
        self.declared: list[Resource] = []

    def new_resource(self, args: Any) -> tuple[str | None, dict[str, Any]]:
        """Remember the inputs of what is Azure's."""
        if args.typ.startswith("azure-native:"):
            self.declared.append((args.typ, args.name, dict(args.inputs)))
        return super().new_resource(args)


def declared(**chosen: Any) -> list[Resource]:
    """Run the program with these settings; give the resources that it declares."""
    seen = Seen()
    run_program(lambda: declare(parse_settings(chosen)), seen, "dev")
    return seen.declared
