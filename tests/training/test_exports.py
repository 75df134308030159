"""`models export`: found or made, followed, registered; by a quick program on the local Azure."""

import ast
import json
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import training.exporting
import training.follow
import training.models
from commands.models.export import exported
from commands.session import Session
from core.cloud import Cloud
from core.errors import SettingsError
from core.refs import ModelRef, StackOutputs
from core.settings import Settings
from infra.standing.run_times import last_completed
from infra.standing.workloads import workspace_id
from tests.training.quick import QUICK_JOB, chats, recipe
from tests.typed_commands import run, run_json
from training.data.check import check_file
from training.environment import JOB_FOLDER
from training.export_kinds import KINDS, ExportKind, require_memory
from training.exporting import EXPORT_FOLDER, command_line, order_export, stage_program
from training.follow import follow
from training.jobs import list_jobs
from training.models import find_model, list_models, register
from training.submission import Order, submit

QUICK_EXPORT = Path(__file__).parent / "quick_export"
Tune = Callable[..., ModelRef]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quick program beside the real modules that it stands on."""
    folder = tmp_path_factory.mktemp("programs")
    for name in ("tuned_model.py", "export_program.py"):
        shutil.copy(EXPORT_FOLDER / name, folder)
    return Path(shutil.copytree(QUICK_EXPORT, folder, dirs_exist_ok=True))


@pytest.fixture(autouse=True)
def stack(
    cloud: Cloud, outputs: StackOutputs, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Point the commands at the tests' stack and at the quick program; look often."""
    monkeypatch.setattr(Session, "cloud", cloud)
    monkeypatch.setattr(Session, "outputs", outputs)
    monkeypatch.setattr(Session, "settings", Settings(compute="cpu", low_priority=True))
    monkeypatch.setattr(training.exporting, "EXPORT_FOLDER", programs)
    monkeypatch.setattr(training.follow, "FIRST_WAIT", 0.1)
    monkeypatch.setattr(training.follow, "LONGEST_WAIT", 0.1)


@pytest.fixture(scope="module")
def tune(cloud: Cloud, outputs: StackOutputs, tmp_path_factory: pytest.TempPathFactory) -> Tune:
    """Makes tuned models by the quick training program."""
    folder = tmp_path_factory.mktemp("data")

    def tuned(name: str, does: str = "succeed") -> ModelRef:
        files = [
            check_file(chats(folder / f"{part}.jsonl", numbers))
            for part, numbers in (("train", range(12)), ("validation", range(90, 92)))
        ]
        chosen = recipe(does, model_name=name)
        order = Order(chosen, *files, "cpu", timeout_hours=0.1, code=QUICK_JOB)
        job = submit(cloud, outputs, order)
        for _ in follow(cloud, outputs, job.name, wait=lambda _: time.sleep(0.05)):
            pass
        return register(cloud, outputs, job.name)

    return tuned


@pytest.fixture(scope="module")
def model(tune: Tune) -> ModelRef:
    """A tuned model that the tests of this file share."""
    return tune("exporting")


@pytest.fixture
def changed(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Lets the commands have another program, which does what it is told."""

    def change(does: str) -> None:
        folder = Path(shutil.copytree(programs, tmp_path / "changed"))
        text = (programs / "export_int4.py").read_text()
        (folder / "export_int4.py").write_text(text.replace('"succeed"', f'"{does}"'))
        monkeypatch.setattr(training.exporting, "EXPORT_FOLDER", folder)

    return change


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the commands have the real programs, which these tests do not run."""
    monkeypatch.setattr(training.exporting, "EXPORT_FOLDER", EXPORT_FOLDER)


def export_jobs(cloud: Cloud, outputs: StackOutputs, of: ModelRef) -> list[str]:
    listed = list_jobs(cloud, outputs)
    return [job["name"] for job in listed if job["tags"].get("exported_from") == str(of)]


def test_an_export_is_its_own_version_that_knows_where_it_came_from(
    model: ModelRef, cloud: Cloud, outputs: StackOutputs
) -> None:
    made = run_json("models", "export", model, "--to", "int4")
    assert made["name"] == "exporting-int4"
    tags = made["tags"]
    source = find_model(cloud, outputs, model)["tags"]
    assert tags["exported_from"] == str(model) and tags["export"] == "int4"
    assert tags["runtime"] == "openvino" and tags["parameters"] == "256"
    assert tags["fingerprint"] == source["fingerprint"]
    assert tags["job"] != source["job"] and len(tags["source_sha256"]) == 64
    told = run("models", "show", f"{made['name']}:{made['version']}").stdout
    assert f"{model} (int4)" in told
    assert str(model) in run("models", "list").stdout
    assert f"int4 of {model}" in run("jobs", "list").stdout


def test_a_second_export_by_the_same_program_makes_nothing(
    model: ModelRef, cloud: Cloud, outputs: StackOutputs
) -> None:
    first = exported(Session("local"), model, "int4")
    before = export_jobs(cloud, outputs, model)
    assert exported(Session("local"), model, "int4") == first
    assert "was exported before" in run("models", "export", "exporting", "--to", "int4").stderr
    assert export_jobs(cloud, outputs, model) == before


def test_another_program_makes_a_version_of_its_own(
    model: ModelRef, changed: Callable[[str], None]
) -> None:
    first = exported(Session("local"), model, "int4")
    changed("succeed otherwise")
    other = exported(Session("local"), model, "int4")
    assert other.name == first.name and other.version != first.version


def test_a_job_that_nobody_waited_for_is_registered_without_another(
    tune: Tune, cloud: Cloud, outputs: StackOutputs
) -> None:
    left = tune("left-alone")
    order = order_export(cloud, outputs, find_model(cloud, outputs, left), KINDS["int4"])
    job = training.exporting.submit_export(cloud, outputs, order)
    made = exported(Session("local"), left, "int4")
    assert find_model(cloud, outputs, made)["tags"]["job"] == job.name
    assert export_jobs(cloud, outputs, left) == [job.name]
    trained = last_completed(cloud.arm, workspace_id(outputs))
    assert trained and trained.name == find_model(cloud, outputs, left)["tags"]["job"]
    assert run("models", "register", job.name).stdout.strip() == f"Model {made}"


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("fail", "error: the weights do not fit into four bits"),
        ("forget", "left no export (tunestack.json is missing)"),
    ],
)
def test_what_fails_is_told_by_its_log_and_registers_nothing(
    model: ModelRef,
    cloud: Cloud,
    outputs: StackOutputs,
    changed: Callable[[str], None],
    does: str,
    told: str,
) -> None:
    before = list_models(cloud, outputs, f"{model.name}-int4")
    changed(does)
    said = run("models", "export", model, "--to", "int4", exit_code=1).output
    assert told in said and "othing was registered" in said
    assert list_models(cloud, outputs, f"{model.name}-int4") == before


def test_what_is_newest_without_a_name_is_never_an_export(monkeypatch: pytest.MonkeyPatch) -> None:
    export = {"name": "m-int4", "version": "1", "tags": {"exported_from": "m:3"}}
    older = [{"name": "m", "version": version, "tags": {}} for version in ("3", "2")]

    def listed(*of: Any) -> list[dict[str, Any]]:
        return [one for one in (export, *older) if not of[2] or one["name"] == of[2]]

    monkeypatch.setattr(training.models, "list_models", listed)
    for asked, found in (("", "m:3"), ("m", "m:3"), ("m:2", "m:2"), ("m-int4", "m-int4:1")):
        model = find_model(Any, Any, ModelRef.parse(asked))
        assert f"{model['name']}:{model['version']}" == found


def test_an_export_is_not_exported_nor_compared(model: ModelRef) -> None:
    export = exported(Session("local"), model, "int4")
    again = run("models", "export", export, "--to", "mlflow", exit_code=2).output
    assert f"of {model}" in again
    compared = run("models", "compare", export, exit_code=2).output
    assert f"Ask for {model}" in compared


def test_the_base_is_refused_where_nobody_kept_what_it_was(
    model: ModelRef, cloud: Cloud, outputs: StackOutputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = export_jobs(cloud, outputs, model)
    monkeypatch.setattr(training.exporting, "find_order", lambda *_: None)
    told = run("models", "export", model, "--to", "base", exit_code=1).output
    assert "was not kept" in told and f"models compare {model}" in told
    assert export_jobs(cloud, outputs, model) == before


@pytest.mark.usefixtures("real")
def test_price_and_memory_are_told_and_too_high_a_price_is_refused(model: ModelRef) -> None:
    asked = ("models", "export", model, "--to", "mlflow", "--max-cost", "0.01")
    told = run(*asked, exit_code=2).output
    assert "2 h on one Standard_" in told and "Nothing was sent." in told
    assert "GB of memory for" in told


@pytest.mark.usefixtures("real")
def test_on_azure_it_asks_first(model: ModelRef, cloud: Cloud, outputs: StackOutputs) -> None:
    before = export_jobs(cloud, outputs, model)
    told = run("models", "export", model, "--to", "mlflow", "--stack", "dev", exit_code=2).output
    assert "an hour, at most $" in told and "Submit the job?" in told and "--yes" in told
    assert export_jobs(cloud, outputs, model) == before


def test_a_node_that_is_too_small_is_refused_with_both_figures() -> None:
    phi, smollm2 = 3_821_079_552, 134_515_008
    assert require_memory(KINDS["int4"], phi, "Standard_E4s_v3") == (
        "It needs 10.7 GB of memory for 3.8 billion parameters; Standard_E4s_v3 has 34.4 GB."
    )
    assert "1.6 GB of memory for 0.13 billion" in require_memory(
        KINDS["int4"], smollm2, "standard_ds3_v2"
    )
    with pytest.raises(SettingsError, match=r"needs 17\.2 GB .* Standard_DS3_v2 has 15\.0 GB"):
        require_memory(KINDS["int4"], 6_500_000_000, "Standard_DS3_v2")
    for parameters, size in ((None, "Standard_E4s_v3"), (phi, "Standard_X1")):
        assert "cannot be told" in require_memory(KINDS["int4"], parameters, size)


@pytest.mark.usefixtures("real")
def test_each_program_is_asked_for_what_it_reads(
    model: ModelRef, cloud: Cloud, outputs: StackOutputs
) -> None:
    source = find_model(cloud, outputs, model)
    kinds = ("int4", "mlflow", "base")
    told = {kind: command_line(order_export(cloud, outputs, source, KINDS[kind])) for kind in kinds}
    start = f"--exported-from {model} "
    mounted, end = "--model ${{inputs.model}}", "--output ${{outputs.model}}"
    assert told["int4"] == f"python export_int4.py {start}{mounted} {end}"
    assert told["mlflow"] == (
        f"python export_mlflow.py {start}{mounted} --requirements requirements-mlflow.txt {end}"
    )
    assert told["base"] == (  # a random base: its tokenizer was made from the texts
        f"python export_base.py {start}--train-file ${{{{inputs.train_file}}}}"
        f" --tuned tuned.json --recipe recipe.json {end}"
    )


def test_a_model_without_an_adapter_is_not_exported_for_vllm(model: ModelRef) -> None:
    told = run("models", "export", model, "--to", "vllm", exit_code=2).output
    assert "was trained in full and has no adapter" in told
    assert f"tunestack deploy --model {model} --runtime vllm" in told


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("kind", KINDS)
def test_all_that_a_program_imports_goes_with_it(kind: str, tmp_path: Path) -> None:
    code = stage_program(KINDS[kind], tmp_path)
    there = {path.stem for path in code.glob("*.py")}
    folders = [EXPORT_FOLDER.parent / folder for folder in ("job", "export")]
    ours = {path.stem for folder in folders for path in folder.glob("*.py")}
    ours |= {"template_fingerprint", "overfit"}
    wanted: set[str] = set()
    for path in code.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                wanted.add(str(node.module).partition(".")[0])
            elif isinstance(node, ast.Import):
                wanted |= {alias.name.partition(".")[0] for alias in node.names}
    assert wanted & ours <= there
    assert (code / KINDS[kind].program).is_file() and "commands" not in there


def test_a_spoilt_model_is_not_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXPORT_FOLDER))
    monkeypatch.syspath_prepend(str(EXPORT_FOLDER.parents[1] / "core"))
    for name in ("tuned_model", "template_fingerprint"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import tuned_model

    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"as trained")
    manifest = {"fingerprint": "f", "files_sha256": tuned_model.hashes(tmp_path)}
    (tmp_path / "tunestack.json").write_text(json.dumps(manifest))
    tuned_model.check_files(tmp_path, manifest)
    weights.write_bytes(b"spoilt since")
    cases: list[tuple[Any, str]] = [(manifest, "is not the file"), ({}, "has no hashes")]
    for known, told in cases:
        with pytest.raises(tuned_model.ExportError, match=told):
            tuned_model.check_files(tmp_path, known)
    weights.unlink()
    with pytest.raises(tuned_model.ExportError, match="not among"):
        tuned_model.read_tuned("m:1", tmp_path)


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.requirements])
def test_what_an_export_runs_in_is_pinned_whole_and_starts_from_the_job_s_image(
    kind: ExportKind,
) -> None:
    """So that doctor's rules about the training job's image and tag are about these, too."""
    theirs, ours = (
        json.loads((folder / "environment.json").read_text())
        for folder in (JOB_FOLDER, EXPORT_FOLDER)
    )
    assert {ours["image_cpu"], ours["image_gpu"]} == {theirs["image_cpu"]}
    lines = (EXPORT_FOLDER / kind.requirements).read_text().splitlines()
    assert lines and all(re.fullmatch(r"[A-Za-z0-9._-]+==[\w.]+", line) for line in lines)
    torch = next(line for line in lines if line.startswith("torch=="))
    assert torch in (JOB_FOLDER / "requirements.txt").read_text().splitlines()
