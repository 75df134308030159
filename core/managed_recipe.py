"""Recipes of the two managed routes: Azure tunes, and its services say what can be chosen.

`serverless` tunes open models in a classic hub project, `openai` tunes in a Foundry account. A
recipe of one's own cluster is `core.recipe`'s; `route` tells the three apart.

Azure publishes hardly any limit of a hyperparameter. Those here refuse what is surely a slip,
before anything is sent; what passes them the service may still refuse.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from core.recipe import Part, Recipe

Route = Literal["azureml", "serverless", "openai"]
Auto = Literal["auto"]
"""The service decides."""


class HostedModel(Part):
    """A model that Azure keeps and tunes itself; its weights never leave the service."""

    id: str = Field(
        min_length=1,
        description="As the service names it: Phi-4-mini-instruct, gpt-4.1-mini-2025-04-14 …",
    )


class ManagedRecipe(Part):
    """What the recipes of both managed routes have."""

    name: str
    description: str
    model_name: str = Field(
        pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,60}$",
        description="What the tuned model is to be known by.",
    )
    base: HostedModel
    objective: Literal["sft", "dpo"] = Field(
        "sft", description="sft: learn the assistant's turns; dpo: learn from pairs of answers."
    )
    validation_share: float = Field(
        0.1,
        ge=0,
        lt=0.5,
        description="Share of the training file that is held out where no validation file is"
        " given; 0: none.",
    )


class ServerlessTraining(Part):
    """Hyperparameters of a serverless fine-tuning job; the limits are ours, no page has any."""

    epochs: int = Field(3, ge=1, le=10)
    learning_rate: float = Field(2e-5, gt=0, lt=1)
    batch_size: int = Field(
        1, ge=1, le=32, description="Multiplies the batch that the service has by itself."
    )


class ServerlessRecipe(ManagedRecipe):
    """A serverless fine-tuning job in a hub project."""

    route: Literal["serverless"]
    training: ServerlessTraining = ServerlessTraining()

    @model_validator(mode="after")
    def _can_be_done(self) -> "ServerlessRecipe":
        if self.objective == "dpo":
            raise ValueError("objective: serverless tuning learns from chats alone (sft)")
        return self


LIMITS = {
    "epochs": (1, 50),
    "batch_size": (1, 256),
    "learning_rate_multiplier": (1e-5, 10),
    "beta": (1e-5, 2),
}
"""Of OpenAI's API reference, not of Azure: 1 to 50 epochs, batches of up to 256, beta up to 2. It
only asks that the multiplier be above 0; that it ends at 10 is ours. Azure says of the batch that
its most depends on the model (azure-ai-docs, fine-tuning-oai-sdk.md, September 2025)."""


class OpenAITraining(Part):
    """Hyperparameters of a fine-tuning job of Azure OpenAI; `auto` leaves one to the service."""

    epochs: int | Auto = Field("auto", description="1 to 50, or auto.")
    batch_size: int | Auto = Field("auto", description="1 to 256, or auto.")
    learning_rate_multiplier: float | Auto = Field(
        "auto", description="Multiplies the service's own rate; 0.02 to 0.2 is advised."
    )
    beta: float | Auto = Field(
        "auto", description="dpo: how closely the model is held to the one it starts from."
    )
    seed: int | None = Field(
        None, ge=0, le=2**31 - 1, description="A 32-bit number; none: the service makes one."
    )

    @model_validator(mode="after")
    def _within_limits(self) -> "OpenAITraining":
        if reasons := list(self._wrong()):
            raise ValueError("\n".join(reasons))
        return self

    def _wrong(self) -> Iterator[str]:
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if value != "auto" and not low <= value <= high:
                yield f"{name}: {value} is not within {low:g} and {high:g}"


Tier = Literal["Standard", "GlobalStandard", "Developer"]

TRAINING_TYPES: Mapping[Tier, str] = {
    "Standard": "Standard",
    "GlobalStandard": "GlobalStandard",
    "Developer": "developerTier",
}
"""What a job's `trainingType` is for each tier (azure-ai-docs, fine-tuning-oai-sdk.md, September
2025). For the third the page's prose has `Developer` and its example `developerTier`; people
report the first refused and the second taken. None of them was tried on Azure here."""

_TIERS: Mapping[str, Tier] = {
    "0": "Standard",
    "1": "GlobalStandard",
    **{word.lower(): tier for tier, sent in TRAINING_TYPES.items() for word in (tier, sent)},
}


def tier_named(word: object) -> Tier | None:
    """Read a tier as any page or answer of Azure spells it, numbers included; None: no tier."""
    return _TIERS.get(str(word).lower())


LONGEST_SUFFIX = 18
"""Characters. Azure's how-to says 18 and its REST reference 40: the shorter is safe in both."""


class OpenAIRecipe(ManagedRecipe):
    """A fine-tuning job in a Foundry account, through OpenAI's API."""

    route: Literal["openai"]
    tier: Tier = Field(
        "GlobalStandard",
        description="Where training may run: Standard stays in the region, GlobalStandard and"
        " Developer may run anywhere and cost less; Developer may be interrupted.",
    )
    suffix: str = Field(
        "",
        description=f"At the end of the tuned model's name; {LONGEST_SUFFIX} characters, no dots.",
    )
    training: OpenAITraining = OpenAITraining()

    @model_validator(mode="after")
    def _suffix_fits(self) -> "OpenAIRecipe":
        wrong = [
            sign
            for sign in self.suffix
            if not (sign.isascii() and (sign.isalnum() or sign in "-_"))
        ]
        reasons = []
        if len(self.suffix) > LONGEST_SUFFIX:
            reasons.append(f"suffix: {len(self.suffix)} characters; at most {LONGEST_SUFFIX}")
        if wrong:
            reasons.append(f"suffix: {''.join(wrong)!r} is not allowed: letters, digits, - and _")
        if self.objective != "dpo" and self.training.beta != "auto":
            reasons.append("training.beta: belongs to dpo")
        if reasons:
            raise ValueError("\n".join(reasons))
        return self


AnyManaged = ServerlessRecipe | OpenAIRecipe
AnyRecipe = Annotated[Recipe | ServerlessRecipe | OpenAIRecipe, Field(discriminator="route")]
"""A recipe of any route; where none is named it is `azureml`."""

OF_ROUTE: dict[str, type[Recipe] | type[ServerlessRecipe] | type[OpenAIRecipe]] = {
    "azureml": Recipe,
    "serverless": ServerlessRecipe,
    "openai": OpenAIRecipe,
}
