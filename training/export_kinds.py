"""The forms that a tuned model can be exported to, and what making them takes."""

from dataclasses import dataclass

from core.catalog import vm_size
from core.errors import SettingsError

GIB = 2**30


@dataclass(frozen=True)
class ExportKind:
    """A form that a tuned model can be exported to."""

    name: str
    says: str
    """What it is, for people."""
    program: str
    """The file in training/export/ that makes it."""
    requirements: str
    """Its list of packages there; empty: the training job's environment."""
    runtime: str
    """The `runtime` tag of what it makes; empty: any that serves a tuned model."""
    memory_gb: tuple[float, float]
    """Peak of the program: what it takes at all, and what each billion parameters adds."""
    minutes: tuple[float, float]
    """The same of its time on two cores."""
    measured: str
    """What both figures were measured on."""
    model_type: str = "custom_model"
    is_of_base: bool = False
    """It is made of the base model, by the order that the tuned one came from."""
    reads_model: bool = True
    """It reads the tuned model's own files."""
    stands_on: tuple[str, ...] = ()
    """Further programs in training/export/ that its own imports."""

    def needs_gb(self, parameters: int) -> float:
        """Give the memory in GB that an export of such a model takes."""
        return self.memory_gb[0] + self.memory_gb[1] * parameters / 1e9

    def takes_minutes(self, parameters: int) -> float:
        """Give the minutes that the program takes."""
        return self.minutes[0] + self.minutes[1] * parameters / 1e9


KINDS = {
    kind.name: kind
    for kind in (
        ExportKind(
            "int4",
            "four-bit weights for OpenVINO, on processors without a GPU",
            "export_int4.py",
            "requirements-int4.txt",
            "openvino",
            (1.3, 2.45),
            (0.5, 0.42),
            "models of 0.1 and 3.8 billion parameters, 2026-11",
        ),
        ExportKind(
            "mlflow",
            "an MLflow model, which Azure ML deploys without code",
            "export_mlflow.py",
            "requirements-mlflow.txt",
            "mlflow",
            (0.7, 4.2),
            (0.5, 0.5),
            "a model of 0.1 billion parameters, 2026-11; larger ones by their weights",
            model_type="mlflow_model",
        ),
        ExportKind(
            "base",
            "the base model as it was before tuning, served like the tuned one",
            "export_base.py",
            "",
            "",
            (1.0, 6.2),
            (0.5, 0.5),
            "a model of 0.1 billion parameters, 2026-11; larger ones by their weights",
            is_of_base=True,
            reads_model=False,
        ),
        ExportKind(
            "vllm",
            "the base model and the adapter of a LoRA training, both answered by one vLLM",
            "export_vllm.py",
            "",
            "vllm",
            (1.0, 6.2),
            (0.5, 0.5),
            "the same work as the base alone",
            is_of_base=True,
            stands_on=("export_base.py",),
        ),
    )
}

CHECKPOINT = ExportKind(
    "checkpoint",
    "a kept checkpoint as the model that its training would have left",
    "keep.py",
    "",
    "",
    (1.0, 6.2),
    (0.5, 0.5),
    "the same work as exporting the base",
)
"""No form of its own: a version of the tuned model itself, made by training/job/keep.py."""


def require_memory(kind: ExportKind, parameters: int | None, size: str) -> str:
    """Say what an export needs and what a node has.

    Raises:
        SettingsError: the node is too small; gives both figures and a size that serves.
    """
    known = vm_size(size)
    if parameters is None or known is None:
        what = "the model's parameters" if parameters is None else f"the memory of {size}"
        return f"Whether its memory is enough cannot be told: {what} are not known here."
    needed, has = kind.needs_gb(parameters), known.memory_gib * GIB / 1e9
    told = f"{needed:.1f} GB of memory for {parameters / 1e9:.2g} billion parameters"
    if needed > has:
        raise SettingsError(
            f"--cluster: the export needs {told}; a node of {known.name} has {has:.1f} GB."
            f" (Measured on {kind.measured}.)",
            hint="Take a cluster of a larger size: tunestack init --set clusters=Standard_E8s_v3,"
            " tunestack up, then --cluster. Nothing was sent.",
        )
    return f"It needs {told}; {known.name} has {has:.1f} GB."
