"""Where a model comes from, what two models have in common, and the same model once more."""

import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import commands.models.price
import commands.reproduce
import deploy.endpoint
import training.follow
from commands.evaluate.asked import OnNode
from commands.evaluate.held_out import held_out
from commands.evaluate.sides.resolving import resolve
from commands.jobs.cost import JobCost
from commands.models.price import paid_for
from commands.session import Session
from core.cloud import Cloud
from core.refs import EndpointRef, ModelRef, StackOutputs
from core.settings import Settings
from deploy.endpoint import DeploymentState, EndpointState
from evaluation.cases import fingerprint
from evaluation.suites.suite import Suite
from tests.training.quick import QUICK_JOB, chats, recipe
from tests.typed_commands import run, run_json
from training.data.check import check_file
from training.evaluating import NodeSide
from training.follow import follow
from training.kept_orders import read_order
from training.lineage import read_lineage
from training.models import register
from training.submission import Order, submit


@pytest.fixture(autouse=True)
def stack(cloud: Cloud, outputs: StackOutputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the commands at the tests' stack and at the quick program; look often."""
    monkeypatch.setattr(Session, "cloud", cloud)
    monkeypatch.setattr(Session, "outputs", outputs)
    monkeypatch.setattr(Session, "settings", Settings(compute="cpu", low_priority=True))
    monkeypatch.setattr(commands.reproduce, "JOB_FOLDER", QUICK_JOB)
    monkeypatch.setattr(training.follow, "FIRST_WAIT", 0.1)
    monkeypatch.setattr(training.follow, "LONGEST_WAIT", 0.1)


@dataclass(frozen=True)
class Maker:
    """Trains quick models, without the checks of `train`, which others test."""

    cloud: Cloud
    outputs: StackOutputs
    folder: Path

    def __call__(
        self, name: str, does: str = "succeed", data: range = range(12), **more: Any
    ) -> str:
        """Train a model; give it as `name:version`."""
        chosen = recipe(does, **{"model_name": name, **more})
        train, held_out = (
            check_file(chats(self.folder / f"{part}.jsonl", numbers))
            for part, numbers in (("train", data), ("validation", range(90, 92)))
        )
        order = Order(chosen, train, held_out, "cpu", timeout_hours=0.1, code=QUICK_JOB)
        job = submit(self.cloud, self.outputs, order)
        for _ in follow(self.cloud, self.outputs, job.name, wait=lambda _: time.sleep(0.05)):
            pass
        paid = paid_for(Session("local"), job.name)
        return str(register(self.cloud, self.outputs, job.name, paid))


@pytest.fixture(scope="module")
def make(cloud: Cloud, outputs: StackOutputs, tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(cloud, outputs, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def model(make: Maker) -> str:
    """A model that the tests of this file share."""
    return make("shared")


@pytest.fixture(scope="module")
def other(make: Maker) -> str:
    """Another, of other data, which comes out otherwise each time."""
    return make("shared", does="drift far", data=range(14), training={"epochs": 7})


@pytest.fixture(scope="module")
def spent(make: Maker) -> str:
    """The name of a model that is taken away, and whose files are spoilt and mended."""
    return make("spent").partition(":")[0]


def test_a_model_tells_what_went_in_what_came_out_and_how_to_repeat_it(
    model: str, cloud: Cloud, outputs: StackOutputs
) -> None:
    name = model
    shown = run_json("models", "show", name)
    order = read_order(cloud, outputs, shown["tags"]["job"])
    assert shown["manifest"]["code_sha256"] == order.code_sha256 == shown["tags"]["code_sha256"]
    assert shown["manifest"]["data_sha256"]["train"] == order.train.sha256
    assert shown["order"]["environment"] == order.environment
    assert shown["tags"]["parameters"] == "256" and shown["tags"]["gpus"] == "T4, T4"
    assert float(shown["tags"]["price_usd"]) == 0
    told = run("models", "show", name).stdout
    for part in (
        order.code_sha256, order.train.sha256, "(12 rows)", "chat template", "tokens per second",
        "a rehearsal on this machine", f"tunestack reproduce {name}",
        f"tunestack train --like {order.job}", "learning_rate 5e-06",
    ):  # fmt: skip
        assert part in told, part
    assert "price_usd" not in told


def test_on_azure_a_model_keeps_the_price_of_its_run(model: str) -> None:
    job = run_json("models", "show", model)["tags"]["job"]
    paid = paid_for(Session("dev"), job)
    assert paid is not None and 0 < paid.usd < 0.1
    assert "1 x Standard_E16s_v3 Dedicated, 0.00 h (list prices of" in paid.source


def test_the_price_of_a_run_is_that_of_all_its_jobs_or_not_known(
    model: str, cloud: Cloud, outputs: StackOutputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = read_lineage(cloud, outputs, ModelRef.parse(model)).order
    assert order is not None
    last = order.model_copy(update={"place": order.place.model_copy(update={"number": 3})})
    asked: list[str] = []
    began = datetime(2026, 11, 21, tzinfo=UTC)

    def cost(session: Session, job: str) -> JobCost:
        asked.append(job)
        return JobCost(price, 2, began, began + timedelta(minutes=30))

    monkeypatch.setattr(commands.models.price, "find_order", lambda *of: last)
    monkeypatch.setattr(commands.models.price, "job_cost", cost)
    price: float | None = 4.0
    found = paid_for(Session("dev"), f"{order.job}-3")
    assert asked == [order.job, f"{order.job}-2", f"{order.job}-3"]
    assert found is not None and found.usd == 6 and found.source.count("2 x Standard_E16s") == 3
    price = None
    assert paid_for(Session("dev"), order.job) is None, "a part is not known"


def test_of_two_models_what_differs_is_named_and_what_does_not_is_not(
    model: str, other: str
) -> None:
    first, second = model, other
    found = run_json("models", "compare", first, second)
    assert found["recipe"] == [
        {"what": "description", "first": "succeed", "second": "drift far"},
        {"what": "training.epochs", "first": 3.0, "second": 7.0},
    ]
    assert found["verdict"] == "differs"
    same = {row["what"]: row["same"] for row in found["inputs"]}
    assert not same["training data"]
    assert same["validation data"] and same["code of the job"] and same["environment"]
    assert same["base weights"] is None, "nothing is known of it"
    assert found["libraries"] == found["machine"] == []
    assert found["answers"]["rows"][0]["same"] and found["answers"]["same"] == 1
    told = run("models", "compare", first, second).stdout
    assert "training.epochs" in told and "1 held-out questions, 1 answered alike" in told
    assert "torch" not in told


def test_a_download_fetches_only_what_is_not_here_whole(model: str, tmp_path: Path) -> None:
    name, folder = model, tmp_path / "got"
    ask = ("models", "download", name, "--folder", folder)
    weights = folder / "sub" / "weights.bin"
    first = run_json(*ask)
    assert set(first["fetched"]) == {"sub/weights.bin", "config.json", "tunestack.json"}
    assert weights.read_bytes() == bytes(range(256)) and not list(folder.rglob("*.part"))
    weights.write_bytes(bytes(256))
    time_of_config = (folder / "config.json").stat().st_mtime_ns
    again = run_json(*ask)
    assert set(again["fetched"]) == {"sub/weights.bin", "tunestack.json"}
    assert again["kept"] == ["config.json"]
    assert (folder / "config.json").stat().st_mtime_ns == time_of_config
    assert weights.read_bytes() == bytes(range(256))


def test_files_that_are_not_those_of_the_manifest_are_refused_by_name(
    spent: str, tmp_path: Path, azure_folder: Path
) -> None:
    name = spent
    path = run_json("models", "show", name)["path"].partition("/paths/")[2].strip("/")
    (stored,) = (azure_folder / "blobs").rglob(f"{path}/sub/weights.bin")
    stored.write_bytes(b"x" * 256)
    ask = ("models", "download", name, "--folder", tmp_path / "got")
    told = run(*ask, exit_code=1).stderr
    assert "sub/weights.bin: its SHA-256 is not the one of the manifest" in told
    assert "config.json" not in told.partition("sub/weights.bin: its")[2]
    stored.unlink()
    shutil.rmtree(tmp_path / "got")
    assert "sub/weights.bin: it is not among the model's files" in run(*ask, exit_code=1).stderr
    stored.write_bytes(bytes(range(256)))


def test_a_deleted_version_is_gone_and_its_job_makes_it_again(spent: str) -> None:
    name = f"{spent}:{run_json('models', 'show', spent)['version']}"
    job = run_json("models", "show", name)["tags"]["job"]
    assert "Add --yes" in run("models", "delete", name, exit_code=2).stderr
    told = run("models", "delete", spent, "--yes", exit_code=2).stderr
    assert f"Which version of {spent}?" in told
    result = run("models", "delete", name, "--yes", "--json")
    assert json.loads(result.stdout)["files_bytes"] > 256
    assert f"tunestack models register {job}" in result.stderr
    assert f"There is no model {name}." in run("models", "show", name, exit_code=1).stderr
    assert run_json("models", "register", job)["name"] == spent
    assert run_json("models", "show", spent)["manifest"]["parameters"] == 256


def test_a_model_that_is_served_is_not_deleted(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    blue = DeploymentState("blue-1", model, "Succeeded", 90, "Standard_E4s_v3", 1)
    ref = EndpointRef(name="ep", scoring_url="https://ep")
    state = EndpointState(ref, "Succeeded", (blue,))
    monkeypatch.setattr(deploy.endpoint, "find", lambda cloud, outputs: state)
    told = run("models", "delete", model, "--yes", exit_code=1).stderr
    assert f"{model} is served by blue-1 (90 % of the traffic) on the endpoint ep." in told
    assert run_json("models", "show", model)["name"] == "shared"


def test_the_same_order_again_gives_the_same_bytes(
    model: str, cloud: Cloud, outputs: StackOutputs
) -> None:
    name = model
    checked = run_json("reproduce", name, "--check-only")
    assert {check["state"] for check in checked["checks"]} == {"same"}
    made = run_json("reproduce", name, "--yes")
    assert made["verdict"] == "byte-identical" and made["files"] == []
    assert made["largest_loss_difference"] == 0
    first, second = (
        read_lineage(cloud, outputs, ModelRef.parse(one)).order for one in (name, made["again"])
    )
    assert first and second and second.place.like == first.job
    assert second.place.run == second.job != first.job
    for part in ("recipe", "train", "validation", "environment", "code_sha256", "cluster"):
        assert getattr(first, part) == getattr(second, part), part


@pytest.mark.slow
def test_a_model_that_comes_out_otherwise_is_told_as_what_it_is(other: str) -> None:
    """Slow: two more jobs."""
    name = other
    result = run("reproduce", name, "--yes", exit_code=1)
    assert f"beside {name}: differs (by " in result.stdout
    assert "sub/weights.bin" in result.stdout and "config.json" not in result.stdout
    assert "Nothing is known to have differed." in result.stderr
    assert "the losses differ (by" in result.stderr


def test_another_code_is_refused_with_both_hashes_unless_it_is_wanted(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = model
    was = run_json("models", "show", name)["order"]
    newer = tmp_path / "newer"
    shutil.copytree(QUICK_JOB, newer)
    (newer / "train.py").write_text((newer / "train.py").read_text() + "# newer\n")
    monkeypatch.setattr(commands.reproduce, "JOB_FOLDER", newer)
    before = run_json("jobs", "list")
    told = run("reproduce", name, "--yes", exit_code=2).stderr
    assert was["code_sha256"][:12] in told and was["versions"]["tunestack"] in told
    assert "--with-this-code" in told and "nothing was sent" in told
    checked = run_json("reproduce", name, "--check-only", exit_code=2)
    states = {check["what"]: check["state"] for check in checked["checks"]}
    assert states["code of the job"] == "differs" and states["environment"] == "same"
    assert run_json("jobs", "list") == before
    wanted = run_json("reproduce", name, "--check-only", "--with-this-code")
    assert wanted["checks"] == checked["checks"]


@pytest.mark.slow
def test_all_that_is_gone_or_another_is_told_at_once(
    make: Maker,
    cloud: Cloud,
    outputs: StackOutputs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Slow: a job of its own."""
    package = tmp_path / "site" / "changing_weights"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "base.gguf").write_bytes(b"GGUF")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    base = {"source": "package", "id": "Org/Base", "package": "changing_weights"}
    name = make("rooted", data=range(40, 53), base=base | {"file": "base.gguf"})
    lineage = read_lineage(cloud, outputs, ModelRef.parse(name))
    assert lineage.order is not None and lineage.order.base_model
    assert lineage.inputs["base weights"] == hashlib.sha256(b"GGUF").hexdigest()
    states = [check["state"] for check in run_json("reproduce", name, "--check-only")["checks"]]
    assert set(states) == {"same"}

    (package / "base.gguf").write_bytes(b"GGUF, a later one")
    _, asset, version = lineage.order.train.asset.split(":")
    workspace = (
        f"/subscriptions/{outputs.subscription_id}/resourceGroups/{outputs.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{outputs.workspace}"
    )
    assert cloud.arm.delete(f"{workspace}/data/{asset}/versions/{version}", "2025-12-01")
    told = run("reproduce", name, "--yes", "--with-this-code", exit_code=2).stderr
    assert "base model: Org/Base: the weights of the package changing_weights are" in told
    assert f"it was made from {hashlib.sha256(b'GGUF').hexdigest()[:12]}" in told
    assert f"training data: The data asset {asset}:{version} is not in the workspace" in told
    assert "tunestack train --like" in told


def test_an_evaluation_finds_a_model_its_base_and_what_was_held_out_of_it(
    model: str, cloud: Cloud, outputs: StackOutputs
) -> None:
    session = Session("local")
    base, tuned = resolve(session, ["base", model], live=False)
    lineage = read_lineage(cloud, outputs, ModelRef.parse(model))
    assert base.way == OnNode(NodeSide("base", lineage.job, "base"))
    assert tuned.way == OnNode(NodeSide(model, lineage.job, "model", model=model))
    assert tuned.side.identity["weights"] == fingerprint(lineage.weights)
    assert lineage.order is not None
    cases, source, notes = held_out(session, [base, tuned], None, Suite(name="none"), None)
    assert len(cases) == lineage.order.validation.rows
    assert (source.name, source.sha256) == (
        lineage.order.validation.asset, lineage.inputs["validation data"],
    )  # fmt: skip
    assert notes == (), "nothing held out was trained on"
