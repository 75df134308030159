"""Parts of a page, each read for itself: what Azure refuses is noted, and the rest comes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from core.errors import CloudError, UserError

Part = Literal["answers", "runs", "models", "cost", "resources"]
"""The sections of the page."""

T = TypeVar("T")


@dataclass
class Reader:
    """Reads parts, and keeps why some could not be read; for several threads at once."""

    refused: list[dict[str, str]] = field(default_factory=list)

    def read(self, part: Part, what: str, ask: Callable[[], T], otherwise: T) -> T:
        """Give what `ask` finds, or `otherwise`, and note the reason beside `part`."""
        try:
            return ask()
        except UserError as error:
            code = f" ({error.code})" if isinstance(error, CloudError) and error.code else ""
            self.refused.append({"part": part, "what": what, "reason": f"{error}{code}"})
            return otherwise
