"""Rules about what a training job starts from: base model, hub, image, packages."""

from collections.abc import Iterator

from core.errors import PrerequisiteError
from core.facts import Facts
from core.images import Pinned
from core.lifecycle import OLD, OPEN_MODELS, Kind, age, retirement
from core.model_dates import tunable_models
from core.recipe import BaseModelSource
from core.rules import Finding, Rule, failed, ok, warning
from training.assets import packaged_weights
from training.environment import JOB_FOLDER
from training.estimate import ShapeUnknown, shape_of
from training.model_hub import Answer, ask_hub
from training.recipe_check import memory_findings


def base_model(facts: Facts) -> Iterator[Finding]:
    """Say until when the recipe's base model is to be had: open weights have no end."""
    recipe = facts.recipe
    if recipe is None:
        return
    base = recipe.base
    if base.source == "package":
        yield _packaged(facts)
    elif base.source == "random":
        yield ok(f"{base.id} is made by the job")
    else:
        yield _open_weights(base, facts)


def _packaged(facts: Facts) -> Finding:
    assert facts.recipe is not None
    try:
        packaged_weights(facts.recipe)
    except PrerequisiteError as error:
        return failed(str(error), error.hint)
    base = facts.recipe.base
    return ok(f"{base.id} comes in the installed package {base.package}")


def _open_weights(base: BaseModelSource, facts: Facts) -> Finding:
    """Judge open weights; that a service gave them up matters to who tunes by that service."""
    row = retirement(Kind.SERVERLESS, base.id)
    if row is None or row.on > facts.today:
        return ok(f"{base.id}: open weights, no end is known ({age(facts.today)})")
    told = (
        f"{base.id}: serverless tuning ended on {row.on.isoformat()}, successor {row.successor};"
        f" {row.note} ({age(facts.today)})"
    )
    return (
        warning(told, f"--recipe phi-4-mini tunes {row.successor}")
        if facts.settings.hub
        else ok(told)
    )


def served_models(facts: Facts) -> Iterator[Finding]:
    """Say which models Foundry still tunes for everybody; for stacks that have it."""
    if not facts.settings.foundry:
        return
    found = tunable_models(facts)
    over = [model for model in found.models if model.is_over(facts.today)]
    left = [model.name for model in found.models if model not in over]
    told = ", ".join(f"{model.name} since {model.training}" for model in over)
    if not left:
        yield failed(
            f"no model is tuned for new customers any more: {told} ({found})",
            "another tunestack:location, or a recipe for your own cluster",
        )
    elif over:
        yield warning(
            f"for existing customers only: {told}; for everybody: {', '.join(left)} ({found})",
            f"take {OPEN_MODELS}",
        )
    else:
        yield ok(f"tuned: {', '.join(left)} ({found})")
    if facts.today - found.as_of > OLD:
        yield warning(f"these dates are of {found.as_of.isoformat()}", "sign in, and ask again")


def hub_reach(facts: Facts) -> Iterator[Finding]:
    """Say whether the hub answers; it is the node that downloads, so a silence stops nothing."""
    if (answer := _hub_answer(facts)) is None:
        return
    if answer.is_reached:
        yield ok(f"{answer.hub} answers")
    else:
        told = answer.reason or f"HTTP {answer.status}"
        yield warning(
            f"{answer.hub} does not answer here ({told}); a node downloads the base model from it",
            "check the network, or HF_ENDPOINT",
        )


def hub_revision(facts: Facts) -> Iterator[Finding]:
    """Say whether the hub has the pinned revision, and whether a node may have it."""
    answer = _hub_answer(facts)
    if answer is None or not answer.is_reached:
        return
    assert facts.recipe is not None
    base = facts.recipe.base
    name = f"{base.id} at {base.revision[:12]}"
    if answer.status == 200 and not answer.is_gated:
        yield ok(f"{name} is on the hub")
    elif answer.status == 200:
        yield warning(
            f"{name} is gated: a node downloads it with a token of who accepted its licence",
            f"{answer.hub}/{base.id}, and a recipe of a model without",
        )
    elif answer.status in (401, 403):
        yield failed(f"{name}: the hub refuses it ({answer.status})", f"{answer.hub}/{base.id}")
    elif answer.status == 404:
        yield failed(f"{name} is not on the hub", f"{answer.hub}/{base.id}/commits/main has it")
    else:
        yield warning(f"{name}: the hub says {answer.status} {answer.reason}")


def _hub_answer(facts: Facts) -> Answer | None:
    """Ask once for both rules; None where the recipe takes nothing from a hub."""
    if facts.recipe is None or facts.recipe.base.source != "hub":
        return None
    base = facts.recipe.base
    answer: Answer = facts.once(("hub", base.id), lambda: ask_hub(base.id, base.revision))
    return answer


def memory_fits(facts: Facts) -> Iterator[Finding]:
    """Hold what the recipe's run needs against the memory of the job's nodes.

    Nothing is found where the base model's shapes or the size are not known. The data is not
    looked at, so that only a run stops that does not fit whatever its records are.
    """
    if facts.recipe is None:
        return
    try:
        shape = shape_of(facts.recipe.base, asks=facts.cloud is not None)
    except ShapeUnknown:
        return
    size = facts.node.vm_size if facts.node else facts.settings.cluster_vm_size
    for one in memory_findings(facts.recipe, shape, size):
        if one.severity == "error":
            yield failed(one.told, one.fix)
        else:
            yield ok(one.told) if one.severity == "ok" else warning(one.told, one.fix)


TRAIN = frozenset({"train"})
NODE = Pinned(JOB_FOLDER, lambda facts: facts.settings.compute, "training/job")
RULES = (
    Rule("lifecycle.base-model", base_model, stops=TRAIN, needs_azure=False),
    Rule("lifecycle.served-models", served_models, warns=frozenset({"up"}), needs_azure=False),
    Rule("memory.fits", memory_fits, stops=TRAIN, needs_azure=False),
    Rule("hub.reach", hub_reach, warns=TRAIN, needs_azure=False),
    Rule("hub.revision", hub_revision, stops=TRAIN, needs_azure=False),
    Rule("lifecycle.image", NODE.image_lasts, stops=TRAIN, needs_azure=False, of_nodes=True),
    Rule("image.tag", NODE.image_is_there, stops=TRAIN, needs_azure=False, of_nodes=True),
    Rule(
        "lifecycle.job-packages", NODE.packages_last, stops=TRAIN, needs_azure=False, of_nodes=True
    ),
)
