"""What a person asked of `train`, whatever the route of the recipe."""

from dataclasses import dataclass
from pathlib import Path

from commands.session import Session
from commands.train.like import Wanted
from commands.train.ordering import default_recipe
from training.data.split import TRAIN, VALIDATION


@dataclass(frozen=True)
class Asked:
    """The options of one `train`; None or empty: not given."""

    wanted: Wanted
    like: str = ""
    follow: bool = True
    losses: int | None = None
    max_cost: float | None = None
    """USD."""
    estimate: bool = False
    probe: int | None = None
    yes: bool = False
    as_json: bool = False
    ignored: tuple[str, ...] = ()

    def recipe(self, session: Session) -> str:
        """Name the recipe: the one that was asked for, else the stack's usual one."""
        return self.wanted.recipe or default_recipe(session.stack)

    @property
    def folder(self) -> Path:
        """The folder of the data, where files are not given one by one."""
        return self.wanted.folder or Path("data/sample")

    @property
    def train_file(self) -> Path:
        """The file to learn from."""
        return self.wanted.train_file or self.folder / TRAIN

    @property
    def eval_file(self) -> Path:
        """The file to measure on; it need not be there where a service splits."""
        return self.wanted.eval_file or self.folder / VALIDATION
