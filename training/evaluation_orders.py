"""An evaluation on a node as data: who answers what, and what its program is told.

Nothing is asked of Azure here; evaluating.py does that.
"""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from core.environments import digest
from training.kept_orders import KeptOrder, checkpoints_uri

if TYPE_CHECKING:
    from azure.ai.ml.entities import Environment

EVALUATION_TAG = "tunestack-evaluation"
"""On a job: which evaluation it is, by its content; it trains nothing."""

EVALUATED, ASKED = "evaluated", "asked"
"""Tags for people: who answers, and how many cases."""

PROGRAM, ORDER_FILE, CASES_FILE = "evaluate.py", "evaluation.json", "cases.jsonl"
ANSWERS = "answers"
"""The job's output: a folder for each side, with files of lines."""


@dataclass(frozen=True)
class NodeSide:
    """Weights that lie in the workspace."""

    name: str
    """Unique in an order; names the side in what comes back."""
    job: str
    """The training job: its order says recipe, base model and template."""
    kind: Literal["base", "model", "checkpoint"]
    model: str = ""
    """`name:version`, where kind is `model`."""
    step: int = 0
    """Where kind is `checkpoint`."""


@dataclass(frozen=True)
class EvaluationOrder:
    """An evaluation to be: some sides of one training job, the same cases for all of them."""

    kept: KeptOrder
    """The order of the training job."""
    sides: tuple[NodeSide, ...]
    weights: dict[str, str]
    """When a model `name:version` was registered, and where it lies: once it is deleted, the next
    one may get the same version."""
    cases: bytes
    """JSONL: `{"id", "messages", "reference"}`, and `"sides"` where not all are asked."""
    decoding: dict[str, Any]
    system_message: str | None
    """What every training conversation began with; None: the program finds out."""
    environment: "Environment"
    program: str
    """Names the program by its content: code and packages."""
    cluster: str

    @cached_property
    def id(self) -> str:
        """Give twelve digits of everything that decides what comes back."""
        told = {
            "sides": sorted((asdict(side) for side in self.sides), key=lambda side: side["name"]),
            "weights": self.weights,
            "cases": digest(self.cases),
            "decoding": self.decoding,
            "system_message": self.system_message,
            "program": self.program,
        }
        return digest(json.dumps(told, sort_keys=True).encode())

    @property
    def tags(self) -> dict[str, str]:
        """What finds the evaluation again."""
        return {EVALUATION_TAG: self.id}

    @property
    def needs_texts(self) -> bool:
        """Tell whether the program reads the training file: for what nobody wrote down."""
        return self.kept.recipe.base.source == "random" or self.system_message is None


def program_order(order: EvaluationOrder) -> str:
    """Give what the program reads: the recipe, who answers, and how."""
    told = {
        "recipe": order.kept.recipe.model_dump(mode="json"),
        "system_message": order.system_message,
        "decoding": order.decoding,
        "sides": [
            {
                "name": side.name,
                "kind": side.kind,
                "step": side.step,
                "model": _input_of(order, side),
            }
            for side in order.sides
        ],
    }
    return json.dumps(told, ensure_ascii=False, indent=2)


def command_line(order: EvaluationOrder) -> str:
    """Give the command that the node runs, with Azure ML's placeholders."""
    parts = [f"python {PROGRAM} --order {ORDER_FILE} --cases {CASES_FILE}"]
    for name in inputs(order):
        place = f"${{{{inputs.{name}}}}}"
        is_model = name.startswith("model_")
        parts.append(
            f"--model {name}={place}" if is_model else f"--{name.replace('_', '-')} {place}"
        )
    return " ".join([*parts, f"--answers ${{{{outputs.{ANSWERS}}}}}"])


def inputs(order: EvaluationOrder) -> dict[str, Any]:
    """Give what is mounted for the program, by the names of its options."""
    from azure.ai.ml import Input

    found: dict[str, Any] = {}
    kinds = {side.kind for side in order.sides}
    if order.kept.base_model:
        path = order.kept.base_model
        found["base_model"] = Input(type="custom_model", path=path, mode="ro_mount")
    for side in order.sides:
        if name := _input_of(order, side):
            path = f"azureml:{side.model}"
            found[name] = Input(type="custom_model", path=path, mode="ro_mount")
    if "checkpoint" in kinds:
        path = checkpoints_uri(order.kept.place.run or order.kept.job)
        found["checkpoints"] = Input(type="uri_folder", path=path, mode="ro_mount")
    if order.needs_texts:
        path = order.kept.train.asset
        found["train_file"] = Input(type="uri_file", path=path, mode="ro_mount")
    return found


def _input_of(order: EvaluationOrder, side: NodeSide) -> str:
    """Name the input that a side's weights come by; empty for those that have none of their own."""
    return f"model_{order.sides.index(side)}" if side.kind == "model" else ""
