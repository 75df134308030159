"""Which base models can be tuned, how and where.

The methods are those of the table of 6 October 2026 (see `local.models`). Four of the refusals are
Azure's words as quoted in documentation and public threads; the others are worded here.
"""

from dataclasses import dataclass
from typing import Literal

from local.ai.models import TunedFolder, find_model, model_of
from local.ai.records import invalid
from local.customers import is_closed
from local.models import REGIONAL, Model
from local.state import Document, State

Method = Literal["supervised", "dpo"]
METHODS = ("supervised", "dpo")
PREFERENCES = ("gpt-4o", "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano")
REINFORCED = ("o4-mini",)
TIERS = {
    "": "Standard",
    "0": "Standard",
    "standard": "Standard",
    "1": "GlobalStandard",
    "globalstandard": "GlobalStandard",
    "developer": "developerTier",
    "developertier": "developerTier",
}


@dataclass(frozen=True)
class Base:
    """What a job tunes."""

    name: str
    """Of the base model, also where a tuned one is tuned further."""
    tuned: TunedFolder | None


def tier_of(asked: object) -> str:
    """Give a training type as Azure writes it: any case, or the numbers 0 and 1; absent: Standard.

    Raises:
        Refusal: 400, there is no such type.
    """
    found = TIERS.get("" if asked is None else str(asked).lower())
    if found is None or isinstance(asked, bool):
        raise invalid(f"trainingType: '{asked}' is none of Standard, GlobalStandard, developerTier")
    return found


def check_base(state: State, account: Document, asked: str, method: Method, tier: str) -> Base:
    """Find what is to be tuned, and refuse what the service does not tune like that.

    Raises:
        Refusal: 400; see the module.
    """
    tuned = find_model(state, account["id"], asked)
    name = tuned.base if tuned else asked
    model = model_of(name)
    if model is None:
        raise invalid("The specified base model does not support fine-tuning.")
    if model.name in REINFORCED:
        raise invalid(f"Finetuning with {asked} requires the reinforcement method of finetuning.")
    if method == "dpo" and model.name not in PREFERENCES:
        raise invalid(f"The specified base model {asked} does not support the dpo method.")
    if is_closed(state, model):
        raise invalid(
            f"The specified base model {asked} was retired on {model.retired}; only subscriptions"
            " that have fine-tuned it before can fine-tune it. (The rehearsal's can be made one:"
            " tunestack local customer --trained-before)"
        )
    _check_tier(model, asked, tier, str(account.get("location")))
    return Base(name, tuned)


def _check_tier(model: Model, asked: str, tier: str, location: str) -> None:
    is_regional = model.format == "OpenAI" and location in REGIONAL
    if tier == "Standard" and not is_regional:
        raise invalid(
            f"The specified base model {asked} does not support fine-tuning with Standard"
            " TrainingType."
        )
    if tier == "developerTier" and model.format != "OpenAI":
        raise invalid(f"The specified base model {asked} does not support the developer tier.")
