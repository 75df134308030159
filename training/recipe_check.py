"""All that can be said of a recipe before data or stack are known: every finding at once."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from core.catalog import vm_size
from core.errors import PrerequisiteError, SettingsError
from core.facts import Facts
from core.lifecycle import Kind, retirement
from core.managed_recipe import AnyManaged
from core.recipe import Recipe
from core.rules import Status
from core.settings import Settings
from training.assets import packaged_weights
from training.estimate.fixes import fixes
from training.estimate.memory import GIB
from training.estimate.offers import Fit, fit_of
from training.estimate.shapes import Shape, ShapeUnknown, shape_of
from training.estimate.work import DataSize
from training.managed import rules as managed_rules
from training.recipes import load_any_recipe

TEMPLATES = ("Phi-3-", "Phi-3.5-", "Phi-4-mini", "SmolLM2", "random")
"""Families whose chat template training/job/ can mark, or TRL does; a part of their hub ids."""

Severity = Literal["ok", "note", "warning", "error"]


@dataclass(frozen=True)
class RecipeFinding:
    """One thing about a recipe, and what mends it."""

    severity: Severity
    told: str
    fix: str = ""


@dataclass(frozen=True)
class Verdict:
    """A recipe and all that was found."""

    name: str
    findings: tuple[RecipeFinding, ...]

    @property
    def is_good(self) -> bool:
        """True where nothing hinders a training."""
        return all(finding.severity != "error" for finding in self.findings)

    def document(self) -> dict[str, Any]:
        """Give it JSON-ready."""
        findings = [asdict(finding) for finding in self.findings]
        return {"name": self.name, "is_good": self.is_good, "findings": findings}


def check_recipe(name: str, overrides: Iterable[str], size: str) -> Verdict:
    """Check a recipe by name or path, for a VM size."""
    try:
        recipe = load_any_recipe(name, overrides)
    except SettingsError as error:
        lines = str(error).splitlines()
        return Verdict(name, tuple(RecipeFinding("error", line) for line in lines))
    if isinstance(recipe, Recipe):
        found = (*_base(recipe), *_template(recipe), *_training(recipe), *_sizes(recipe, size))
    else:
        found = tuple(_managed(recipe))
    return Verdict(name, found)


def _managed(recipe: AnyManaged) -> Iterator[RecipeFinding]:
    """Find what the tables say of a model that Azure tunes itself; nobody is asked."""
    facts = Facts("", Settings(), datetime.now(UTC).date(), managed=recipe)
    words: dict[Status, Severity] = {Status.OK: "ok", Status.WARNING: "warning"}
    for rule in (managed_rules.model, managed_rules.tier, managed_rules.method):
        for found in rule(facts):
            # A model that is closed to new customers is still a recipe for the others.
            is_open = managed_rules.BEFORE in found.fix
            severity = "warning" if is_open else words.get(found.status, "error")
            yield RecipeFinding(severity, found.told, found.fix)


def _base(recipe: Recipe) -> Iterator[RecipeFinding]:
    base = recipe.base
    row = retirement(Kind.SERVERLESS, base.id)
    if row is not None and row.on <= datetime.now(UTC).date():
        told = f"{base.id}: serverless tuning ended on {row.on.isoformat()}; its weights stay open"
        yield RecipeFinding("note", told, f"{row.successor} is its successor")
    if base.source == "package":
        try:
            packaged_weights(recipe)
        except PrerequisiteError as error:
            yield RecipeFinding("error", str(error), error.hint)


def _template(recipe: Recipe) -> Iterator[RecipeFinding]:
    base = recipe.base
    if base.source == "random" or any(name.lower() in base.id.lower() for name in TEMPLATES):
        return
    yield RecipeFinding(
        "warning",
        f"{base.id}: its chat template was not tried here; the job refuses one that it cannot mark",
        "tunestack train --probe shows it in minutes",
    )


def _training(recipe: Recipe) -> Iterator[RecipeFinding]:
    """Find what is allowed and hardly meant."""
    ours = recipe.training
    if recipe.method != "full" and recipe.objective == "sft" and ours.learning_rate < 2e-5:
        told = f"training.learning_rate: {ours.learning_rate:g} is little for adapters"
        yield RecipeFinding("warning", told, "1e-4 to 2e-3 is usual")
    if recipe.method == "full" and ours.learning_rate > 1e-3 and recipe.base.source != "random":
        told = (
            f"training.learning_rate: {ours.learning_rate:g} is much for all of a model's weights"
        )
        yield RecipeFinding("warning", told, "5e-6 to 5e-5 is usual")
    if ours.packing and ours.batch_size > 1:
        told = f"training.batch_size: {ours.batch_size} packs lie in one row of the mask, squared"
        more = ours.batch_size * ours.accumulation
        yield RecipeFinding("warning", told, f"batch_size=1 and accumulation={more} learn the same")
    if recipe.method == "full" and recipe.lora != type(recipe.lora)():
        yield RecipeFinding("note", "lora: set, and the method `full` does not use it")
    if recipe.objective != "dpo" and recipe.dpo != type(recipe.dpo)():
        yield RecipeFinding("note", "dpo: set, and the objective `sft` does not use it")


def _sizes(recipe: Recipe, name: str) -> Iterator[RecipeFinding]:
    try:
        shape = shape_of(recipe.base)
    except ShapeUnknown as error:
        yield RecipeFinding("warning", str(error), error.hint)
        return
    yield from _adapters(recipe, shape)
    yield from memory_findings(recipe, shape, name)


def _adapters(recipe: Recipe, shape: Shape) -> Iterator[RecipeFinding]:
    if recipe.method == "full":
        return
    if recipe.lora.layers > shape.layers:
        told = f"lora.layers: {recipe.lora.layers}, and the model has {shape.layers}"
        yield RecipeFinding("error", told, "0 adapts all")
    wanted = recipe.lora.target_modules
    if wanted != "all-linear":
        unknown = [one for one in wanted if one.rpartition(".")[2] not in shape.modules]
        if unknown:
            told = f"lora.target_modules: the model has no {', '.join(unknown)}"
            yield RecipeFinding("error", told, f"it has {', '.join(shape.modules)}")


def memory_findings(
    recipe: Recipe, shape: Shape, name: str, data: DataSize | None = None
) -> Iterator[RecipeFinding]:
    """Say whether a run fits a VM size; nothing of a size that the catalog does not know."""
    size = vm_size(name)
    if size is None:
        return
    if recipe.method == "qlora" and not size.gpus:
        told = f"method: qlora holds weights in four bits, which {size.name} has no GPU for"
        yield RecipeFinding("error", told, "method=lora, or a size with a GPU")
        return
    memory, capacity, fit = fit_of(recipe, shape, size, data)
    span = f"{memory.low / GIB:.1f}-{memory.high / GIB:.1f} GiB of {capacity / GIB:.0f}"
    told = f"{shape.parameters:,} parameters on {size.name}: {span}, {fit}"
    ways = "; or ".join(
        f"--set {way.replace(' ', ' --set ')}" for way in fixes(recipe, shape, size, data)
    )
    if fit is Fit.YES:
        yield RecipeFinding("ok", told)
    elif fit is Fit.TIGHT:
        yield RecipeFinding("warning", told, ways)
    else:
        yield RecipeFinding("error", told, ways or "a larger size: tunestack train --estimate")
