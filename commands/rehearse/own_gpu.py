"""The rehearsal of the route `azureml`: our job on a cluster, our program behind an endpoint."""

from pathlib import Path

from commands.rehearse.step import ON_LOCAL, Step, data, doctor, folder, sample_files
from core.catalog import vm_size
from core.settings import Settings

RECIPE = "rehearsal"


def steps(recipe: str, question: str) -> list[Step]:
    """List the steps up to the chat; `recipe` is what the training step tunes."""
    train, heldout = sample_files()
    hourly = _hourly()
    return [
        doctor(recipe),
        Step(
            "The stack",
            ("up", *ON_LOCAL, "--yes"),
            "The Pulumi program makes workspace, storage, identities, grants and cluster.",
            "some minutes; it stands for cents a day, the cluster at no node",
        ),
        *data(),
        Step(
            "The training",
            (
                *("train", *ON_LOCAL, "--recipe", recipe, "--yes"),
                *("--train-file", train, "--eval-file", heldout),
            ),
            "Uploads data and code, submits an Azure ML job, follows it, registers the model.",
            f"a node starts in about 5 minutes; {hourly} while the job runs",
        ),
        Step(
            "The comparison",
            ("models", "compare", *ON_LOCAL, "--html", str(comparison())),
            "Held-out questions, answered by both models in that job: which is better, surely?",
            "free",
        ),
        Step(
            "The report",
            ("jobs", "report", *ON_LOCAL, "--folder", str(report())),
            "Losses, speed, memory, verdict and samples of that job, as a page and a picture.",
            "free; the studio shows the job's own copy in its output `report`",
        ),
        Step(
            "The endpoint",
            ("deploy", *ON_LOCAL, "--yes"),
            "An online endpoint with an identity of its own; traffic moves when it has answered.",
            f"about 10 minutes; {hourly} until it is deleted",
        ),
        Step(
            "The chat",
            ("chat", *ON_LOCAL, "--once", question),
            "The endpoint answers through the model's own chat template.",
            "free beside the endpoint",
        ),
    ]


def comparison() -> Path:
    """Say where the comparison's page is written."""
    return folder() / "comparison.html"


def report() -> Path:
    """Say where the training's page is written."""
    return folder() / "report"


def _hourly() -> str:
    size = Settings().cluster_vm_size
    known = vm_size(size)
    price = known.price_per_hour if known else None
    return f"{size}, ${price:.2f} an hour" if price else size
