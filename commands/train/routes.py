"""Who trains: the recipe's route decides, and this table says who that is."""

from collections.abc import Callable

from commands.managed import training as managed
from commands.session import Session
from commands.train import own
from commands.train.asked import Asked
from training.recipes import route_of

Trainer = Callable[[Session, Asked], None]

TRAINERS: dict[str, Trainer] = {
    "azureml": own.train,
    "serverless": managed.train,
    "openai": managed.train,
}


def trainer(session: Session, asked: Asked) -> Trainer:
    """Give who trains by the route of the recipe; `--like` takes an earlier own job's recipe.

    A recipe that cannot be read has no route: it is refused where all findings are told at once.
    """
    if asked.like and not asked.wanted.recipe:
        return TRAINERS["azureml"]
    route = route_of(asked.recipe(session), asked.wanted.overrides)
    return TRAINERS.get(route, own.train)
