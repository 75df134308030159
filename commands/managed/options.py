"""What a deployment may choose that Azure's services run: as options, and as they were chosen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, cast, get_args

import click

from core.errors import SettingsError
from deploy.managed.contract import Sku

SKUS = tuple(sku for sku in get_args(Sku) if sku != "Consumption")
CAPACITY = 5
"""Thousands of tokens a minute."""

OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--sku", type=click.Choice(SKUS, case_sensitive=False),
        help="Kind of a Foundry deployment.  [default: as it stands; else DeveloperTier, which"
        " Azure deletes after 24 h, or GlobalStandard for open models]",
    ),
    click.option(
        "--capacity", type=click.IntRange(1), metavar="THOUSANDS",
        help="Thousands of tokens a minute of a Foundry deployment.  [default: as it stands, else"
        f" {CAPACITY}]",
    ),
    click.option(
        "--content-filter", default="", metavar="NAME",
        help="Content filter of a Foundry deployment.  [default: as it stands, else the stack's"
        " own]",
    ),
    click.option(
        "--content-safety/--no-content-safety", default=None,
        help="Whether a serverless endpoint filters content.  [default: as it stands, else it"
        " does]",
    ),
    click.option(
        "--name", default="", metavar="NAME",
        help="Of a managed deployment.  [default: that of what serves the model, else after the"
        " model]",
    ),
    click.option(
        "--checkpoint", type=click.IntRange(1), metavar="STEP",
        help="Serve a managed model as it was at this step.",
    ),
)  # fmt: skip
"""In the order of the help."""

OF_ROUTE = {
    "openai": ("sku", "capacity", "content_filter", "name", "checkpoint", "with_base"),
    "serverless": ("content_safety", "auth", "name", "checkpoint", "with_base"),
    "azureml": (
        "vm_size", "instances", "max_instances", "runtime", "auth", "canary", "expires", "keep",
        "with_base",
    ),
}  # fmt: skip
"""The options that a route's deployments take."""
SERVED_BY = {
    "openai": "a Foundry deployment",
    "serverless": "a serverless endpoint",
    "azureml": "an online endpoint on machines of one's own",
}


@dataclass(frozen=True)
class HostingChoices:
    """What a person has chosen for a managed deployment; None or empty: not chosen."""

    sku: Sku | None = None
    capacity: int | None = None
    content_filter: str = ""
    content_safety: bool | None = None
    name: str = ""
    checkpoint: int | None = None
    auth: str = ""
    with_base: bool = False

    @classmethod
    def of(cls, chosen: Mapping[str, Any]) -> "HostingChoices":
        """Take what is for managed deployments out of all that was chosen."""
        mine = {name: value for name, value in chosen.items() if name in cls.__dataclass_fields__}
        return cls(**cast(Any, {name: value for name, value in mine.items() if value is not None}))


def hosting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add every option of `OPTIONS`."""
    return reduce(lambda made, option: option(made), reversed(OPTIONS), command)


def refuse_others(model: str, route: str, chosen: Mapping[str, Any]) -> None:
    """Refuse the options that a model's route does not know, all at once.

    Raises:
        SettingsError: names them, and those that there are.
    """
    given = [
        name for name, value in chosen.items()
        if value is not None and value is not False and value != ""
    ]  # fmt: skip
    given += [name for name in ("content_safety",) if chosen.get(name) is False]
    wrong = [name for name in dict.fromkeys(given) if name not in OF_ROUTE[route]]
    if not wrong:
        return
    told = "\n".join(f"{flag(name)}: not for {SERVED_BY[route]}" for name in wrong)
    raise SettingsError(
        f"{model} is served by {SERVED_BY[route]}:\n{told}",
        hint=f"It takes {', '.join(map(flag, OF_ROUTE[route]))}.",
    )


def flag(name: str) -> str:
    """Write an option as it is typed."""
    return f"--{name.replace('_', '-')}"
