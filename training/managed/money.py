"""What a managed training will cost, before it is ordered.

Charged are the tokens of the training file times the epochs; the validation file, waiting in the
queue and safety checks are not (azure-ai-docs, fine-tuning cost management). The same holds for
DPO, whose records count with both answers.
"""

from dataclasses import dataclass

from core.managed_prices import TokenQuote, hosting, training
from core.managed_recipe import AnyManaged, OpenAIRecipe
from training.managed.contract import ManagedOrder

AIMED_EPOCHS, MOST_EPOCHS = 3, 25
FEWEST_SEEN, MOST_SEEN = 100, 25_000
"""How OpenAI's cookbook reckons what `auto` epochs come to: three, more where the examples seen
would be fewer than 100, fewer where they would be more than 25,000. Azure tells no rule of its
own; its cost page has a run of 500 examples for which it took two."""


@dataclass(frozen=True)
class Estimate:
    """What a training is expected to cost and how that comes about."""

    usd: float | None
    """None: no rate is known."""
    tokens: int
    """In the training file, once through."""
    epochs: int
    rate: float | None
    """USD for a million trained tokens."""
    source: str
    """Where the rate comes from, with its date; empty where there is none."""
    told: tuple[str, ...]
    """Sentences for a person: the sum, what was assumed, what is not in it."""


def training_cost(order: ManagedOrder) -> Estimate:
    """Estimate what an order's training costs."""
    recipe, tokens = order.recipe, order.train.tokens
    epochs = expected_epochs(recipe, order.train.rows)
    quote = training(recipe.base.id, tier_of(recipe))
    usd = None if quote is None else tokens * epochs * quote.per_million / 1e6
    return Estimate(
        usd=usd,
        tokens=tokens,
        epochs=epochs,
        rate=quote.per_million if quote else None,
        source=str(quote.source) if quote else "",
        told=tuple(_told(order, epochs, quote, usd)),
    )


def hosting_per_hour(model: str, sku: str) -> float | None:
    """Give what a tuned model's deployment costs an hour without a token; None: not known."""
    quote = hosting(model, sku)
    return quote.per_hour if quote else None


def expected_epochs(recipe: AnyManaged, rows: int) -> int:
    """Give the recipe's epochs; where the service decides, what it is taken to decide."""
    chosen = recipe.training.epochs
    if chosen != "auto":
        return chosen
    if rows * AIMED_EPOCHS < FEWEST_SEEN:
        return min(MOST_EPOCHS, FEWEST_SEEN // max(rows, 1))
    if rows * AIMED_EPOCHS > MOST_SEEN:
        return max(1, MOST_SEEN // rows)
    return AIMED_EPOCHS


def tier_of(recipe: AnyManaged) -> str:
    """Give the tier that a recipe's training is priced by."""
    return recipe.tier if isinstance(recipe, OpenAIRecipe) else "Serverless"


def _told(
    order: ManagedOrder, epochs: int, quote: TokenQuote | None, usd: float | None
) -> list[str]:
    recipe, tokens = order.recipe, order.train.tokens
    trained = f"{tokens:,} tokens x {epochs} epoch{'s' * (epochs != 1)}"
    what = f"{recipe.base.id}, {tier_of(recipe)}"
    if quote is None or usd is None:
        lines = [f"Training: {trained}; no public price of {what} is known."]
    else:
        lines = [
            f"Training: ${usd:,.2f} = {trained} x ${quote.per_million:,.2f} a million ({what})."
        ]
        note = f"; at most: {quote.note}" if quote.note else ""
        lines.append(f"The rate: {quote.source}{note}.")
    lines.append("Tokens are estimated from the text, 4 bytes each; the service counts its own.")
    if recipe.training.epochs == "auto":
        lines.append(f"Epochs are the service's choice; {epochs} is what OpenAI's rule comes to.")
    lines.append("Not in it: the hours and tokens of a deployment. Validation costs nothing.")
    return lines
