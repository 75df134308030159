"""Rules about a managed training: its model, region, tier and method, before money is spent.

A model that is closed to new customers stops `train`; who tuned it before goes on with
`--ignore managed.model`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from core.facts import Facts
from core.lifecycle import Kind, Retirement, age, retirement
from core.managed_models import (
    AS_OF,
    FOUNDRY,
    SERVERLESS,
    FoundryOffer,
    foundry_namesake,
    foundry_offer,
    serverless_offer,
)
from core.managed_prices import family
from core.managed_recipe import OpenAIRecipe, ServerlessRecipe
from core.model_dates import API, PROVIDER, ModelDates, ModelList, tunable_models
from core.model_quota import ASK, listed, token_quotas
from core.rules import Finding, Rule, failed, ok, unknown, warning
from training.managed.services import FEATURE

OWN_GPU = "on a GPU of your own the same data trains {}: --recipe {}"
BEFORE = "if this subscription tuned it before: --ignore managed.model"


def feature(facts: Facts) -> Iterator[Finding]:
    """Say whether the stack has what the recipe's route needs."""
    if facts.managed is None:
        return
    needed = FEATURE[facts.managed.route]
    if getattr(facts.settings, needed):
        yield ok(f"the stack has the feature {needed}")
    else:
        yield failed(
            f"the route {facts.managed.route} needs the feature {needed}",
            f"tunestack init --stack {facts.stack} --set {needed}=true, then tunestack up",
        )


def model(facts: Facts) -> Iterator[Finding]:
    """Say whether the recipe's base model is tuned at all, and still for everybody."""
    recipe = facts.managed
    if isinstance(recipe, ServerlessRecipe):
        yield _serverless_model(facts, recipe.base.id)
    elif isinstance(recipe, OpenAIRecipe):
        yield _foundry_model(facts, recipe.base.id)


def _serverless_model(facts: Facts, id: str) -> Finding:
    row = retirement(Kind.SERVERLESS, id)
    if row and row.on <= facts.today:
        return failed(_ended(id, row, facts), _choices(id, row))
    if offer := serverless_offer(id):
        return ok(f"{offer.name} is tuned in hub projects ({age(facts.today, AS_OF)})")
    names = ", ".join(offer.name for offer in SERVERLESS)
    return failed(f"{id} is not tuned in hub projects", f"one of {names}")


def _ended(id: str, row: Retirement, facts: Facts) -> str:
    return (
        f"serverless tuning of {id} ended on {row.on.isoformat()}, successor {row.successor}"
        f" ({age(facts.today)})"
    )


def _choices(id: str, row: Retirement) -> str:
    """Name the two ways on: the same weights on a GPU of one's own, or the successor here."""
    name = id.rpartition("/")[2]
    recipe = "phi-3.5-mini" if "3.5" in name or "mini" not in name else "phi-3-mini-4k"
    own = OWN_GPU.format("the open weights" if "mini" in name else "a model of that family", recipe)
    return f"{own}; or --set base.id={row.successor}"


def _foundry_model(facts: Facts, id: str) -> Finding:
    row = retirement(Kind.MODEL, id)
    offer = foundry_offer(id)
    namesake = foundry_namesake(id)
    if offer is None and namesake is None and row and row.on <= facts.today:
        told = f"{id} was retired on {row.on.isoformat()}, {row.note} ({age(facts.today)})"
        return failed(told, f"take {row.successor}")
    found = tunable_models(facts)
    dates = _dates(found, id)
    if offer is None and (dates is None or namesake):
        return _not_tuned(id, found)
    if dates is None:
        dates = ModelDates(id, row.on if row else None)
    if dates.is_over(facts.today):
        successor = row.successor if row else "one that is open"
        told = f"{id} is tuned for existing customers only since {dates.training} ({found})"
        return failed(told, f"take {successor}; {BEFORE}")
    until = f" until {dates.training}" if dates.training else ""
    return ok(f"{id} is tuned for everybody{until} ({found})")


def _dates(found: ModelList, id: str) -> ModelDates | None:
    names = (family(id), id.partition(".ft-")[0].lower())
    return next((dates for dates in found.models if dates.name.lower() in names), None)


def _not_tuned(id: str, found: ModelList) -> Finding:
    if offer := foundry_namesake(id):
        return failed(f"{id} is not a version that is tuned ({found})", f"take {offer.id}")
    names = ", ".join(offer.id for offer in FOUNDRY if "rft" not in offer.methods)
    return failed(f"Foundry tunes no model {id} ({found})", f"one of {names}")


def region(facts: Facts) -> Iterator[Finding]:
    """Say whether the stack's region does this training, as far as the tables tell."""
    recipe, place = facts.managed, facts.settings.location
    if isinstance(recipe, ServerlessRecipe) and (offer := serverless_offer(recipe.base.id)):
        yield _in(place, offer.regions, f"hub projects tune {offer.name}")
    elif isinstance(recipe, OpenAIRecipe) and recipe.tier == "Standard":
        found = foundry_offer(recipe.base.id)
        if found and found.standard:
            finding = _in(place, found.standard, f"Standard training of {found.name} is done")
            yield replace(finding, fix=f"{finding.fix} or tier=GlobalStandard".strip())


def _in(place: str, regions: Sequence[str], what: str) -> Finding:
    if place in regions:
        return ok(f"{what} in {place}")
    return failed(f"{what} in {', '.join(regions)}, not in {place}", f"location={regions[0]}")


def offered(facts: Facts) -> Iterator[Finding]:
    """Say whether Azure itself lists the model in the stack's region, and as one to tune."""
    recipe, place = facts.managed, facts.settings.location
    if not isinstance(recipe, OpenAIRecipe):
        return
    rows = [
        row.get("model") or {} for row in facts.get_list(facts.at_location(PROVIDER, "models"), API)
    ]
    if not rows:
        yield unknown(f"Azure lists no models for {place}")
        return
    base = recipe.base.id.partition(".ft-")[0].lower()
    same = [row for row in rows if base in _names(row)]
    told = [str((row.get("capabilities") or {}).get(key, "")).lower()
            for row in same for key in ("fineTune", "globalFineTune")]  # fmt: skip
    if not same:
        yield failed(f"Azure does not list {base} in {place}", "another location or model")
    elif "true" in told or (not any(told) and foundry_offer(base)):
        yield ok(f"Azure lists {base} in {place}, to be tuned")
    elif foundry_offer(base):  # Azure's own flag is false for open models that it does tune
        yield warning(f"Azure lists {base} in {place}, and does not say that it is tuned there")
    else:
        yield failed(f"Azure lists {base} in {place}, but not to be tuned", "another model")


def _names(row: dict[str, Any]) -> tuple[str, str]:
    name = str(row.get("name") or "").lower()
    return name, f"{name}-{row.get('version')}".lower()


def tier(facts: Facts) -> Iterator[Finding]:
    """Say whether the model is tuned in the recipe's tier."""
    recipe = facts.managed
    if not isinstance(recipe, OpenAIRecipe) or not (offer := foundry_offer(recipe.base.id)):
        return
    tiers = _tiers(offer)
    if recipe.tier in tiers:
        yield ok(f"{offer.name} is tuned in the tier {recipe.tier}")
    else:
        yield failed(
            f"{offer.name} is not tuned in the tier {recipe.tier}, only {', '.join(tiers)}",
            "--set tier=GlobalStandard",
        )


def _tiers(offer: FoundryOffer) -> list[str]:
    tiers = ["GlobalStandard"]
    return ["Standard"] * bool(offer.standard) + tiers + ["Developer"] * offer.developer


def method(facts: Facts) -> Iterator[Finding]:
    """Say whether the model learns in the way that the recipe asks for."""
    recipe = facts.managed
    if not isinstance(recipe, OpenAIRecipe) or not (offer := foundry_offer(recipe.base.id)):
        return
    if recipe.objective in offer.methods:
        yield ok(f"{offer.name} learns by {recipe.objective}")
        return
    others = [one.id for one in FOUNDRY if recipe.objective in one.methods]
    yield failed(
        f"{offer.name} learns by {', '.join(offer.methods)}, not by {recipe.objective}",
        f"one of {', '.join(others)}",
    )


def quota(facts: Facts) -> Iterator[Finding]:
    """Say whether a model that the recipe tunes could be deployed; training needs no quota."""
    if isinstance(facts.managed, OpenAIRecipe):
        yield tuned_tokens(facts, facts.managed.base.id)


def tuned_tokens(facts: Facts, model: str) -> Finding:
    """Say how many thousands of tokens a minute deployments of models tuned from one have left."""
    name = family(model)
    rows = [row for row in token_quotas(facts) if row.is_tuned and row.model == name]
    if not rows:
        return unknown(f"Azure tells no quota for deployments of a tuned {name}", ASK)
    if any(row.free for row in rows):
        return ok(f"thousands of tokens a minute left for tuned models: {listed(rows)}")
    return failed(f"what is tuned from {name} could not be deployed: {listed(rows)}", ASK)


TRAIN = frozenset({"train"})
RULES = (
    Rule("managed.feature", feature, stops=TRAIN, needs_azure=False),
    Rule("managed.model", model, stops=TRAIN, needs_azure=False),
    Rule("managed.region", region, stops=TRAIN, needs_azure=False),
    Rule("managed.offered", offered, stops=TRAIN),
    Rule("managed.tier", tier, stops=TRAIN, needs_azure=False),
    Rule("managed.method", method, stops=TRAIN, needs_azure=False),
    Rule("quota.tuned-model", quota, warns=TRAIN),
)
