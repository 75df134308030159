"""`train` by a managed route, as a person types it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from commands.session import Session
from core.settings import Settings
from tests.training.managed_commands.conftest import Trained
from tests.typed_commands import run, run_json
from training.follow import Status

Folder = Callable[..., Path]
REACHED = "training.managed.openai.service.OpenAITuning.submit"


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a command opens the cloud."""

    def opened(self: Session) -> None:
        raise AssertionError("the cloud was opened")

    monkeypatch.setattr(Session, "cloud", property(opened))
    monkeypatch.setattr(Session, "outputs", property(opened))
    monkeypatch.setattr(Session, "settings", Settings(foundry=True))


@pytest.fixture
def never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where an order reaches the service."""

    def sent(*of: object) -> None:
        raise AssertionError("an order was sent")

    monkeypatch.setattr(REACHED, sent)


@pytest.mark.usefixtures("managed")
def test_a_recipe_names_the_route_and_train_goes_the_whole_way(chats: Folder) -> None:
    shown = run("train", "--recipe", "travel-gpt", "--data", chats())
    assert "of its 20 records are held out" in shown.stderr
    assert "The job runs on this machine and costs nothing. On Azure:" in shown.stderr
    assert "Submitted ftjob-" in shown.stderr
    assert "step 15" in shown.stderr and "Completed" in shown.stderr
    model = shown.stdout.removeprefix("Model ").strip()
    assert model.startswith("gpt-oss-20b.ft-") and model.endswith("-ft-travel:1")
    assert f"tunestack deploy --model {model}" in shown.stderr


@pytest.mark.usefixtures("managed")
def test_a_job_that_nobody_waits_for_is_followed_later(chats: Folder) -> None:
    made = run_json("train", "--recipe", "gpt-oss-20b", "--data", chats(), "--no-follow")
    assert made["model"] is None
    name = made["job"]["name"]
    first = run("jobs", "logs", name, "--follow")
    assert "step 15" in first.stderr
    assert "tunestack deploy --model gpt-oss-20b.ft-" in first.stderr
    # Who was cut off while following sees all of it again, and nothing twice.
    again = run("jobs", "logs", name, "--follow").stderr
    assert again.count("step 15") == first.stderr.count("step 15") == 1


@pytest.mark.usefixtures("managed")
def test_who_asks_again_is_told_of_the_job_that_is_there_before_a_second_is_made(
    chats: Folder, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    ask = ("train", "--recipe", "travel-gpt", "--data", chats(f"[wait {go}]"), "--no-follow")
    first = run_json(*ask)["job"]["name"]
    told = " ".join(run(*ask).stderr.split())
    assert f"{first} (" in told and "tunes gpt-oss-20b on this file already" in told
    assert f"tunestack jobs logs {first} --follow --stack local" in told
    assert told.index(first) < told.index("Submitted")
    other = run(*ask[:-1], "--set", "validation_share=0.3", "--no-follow").stderr
    assert "already" not in other, "another file is another training"
    go.touch()


@pytest.mark.usefixtures("managed")
def test_ctrl_c_leaves_the_job_running_and_says_how_to_come_back(
    chats: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*of: object) -> Iterator[object]:
        yield Status("Running")
        raise KeyboardInterrupt

    go = tmp_path / "go"
    monkeypatch.setattr("commands.managed.following.follow", interrupt)
    folder = chats(f"[wait {go}]")
    shown = run("train", "--recipe", "travel-gpt", "--data", folder, exit_code=130)
    assert "goes on, and costs while it runs." in shown.stderr
    name = shown.stderr.partition("Submitted ")[2].split()[0]
    assert f"tunestack jobs logs {name} --follow" in shown.stderr
    assert run_json("jobs", "show", name)["status"] in ("Queued", "Running")
    go.touch()
    monkeypatch.undo()


@pytest.mark.usefixtures("never")
def test_what_a_cluster_alone_has_is_refused_by_name_with_every_other_finding(
    tmp_path: Path,
) -> None:
    (tmp_path / "train.jsonl").write_text("nope\n" + "{}\n" * 3)
    told = run(
        "train", "--recipe", "travel-gpt", "--data", tmp_path, "--cluster", "big", "--timeout", 3,
        "--losses", 2, "--probe", 20, exit_code=2,
    ).stderr  # fmt: skip
    assert "--cluster, --timeout, --losses, --probe: Azure's own service tunes" in told
    assert "line 1: not JSON" in told


@pytest.mark.usefixtures("managed")
def test_like_a_managed_job_names_the_command_that_orders_the_same(trained: Trained) -> None:
    made = trained["openai"]
    told = run("train", "--like", made.job, "--yes", exit_code=1).stderr
    assert f"{made.job} was tuned by Azure's own service (route openai)" in told
    assert f"tunestack train --recipe {made.recipe} --data FOLDER" in told


@pytest.mark.usefixtures("never")
def test_a_wrong_recipe_hides_nothing_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("nope\n" * 12)
    told = run(
        "train", "--recipe", "travel-gpt", "--data", tmp_path, "--set", "suffix=ft.a-much-too-long",
        "--set", "tier=Cheap", exit_code=2,
    ).stderr  # fmt: skip
    assert "tier: Input should be" in told
    assert "line 1: not JSON" in told


@pytest.mark.usefixtures("never")
def test_nine_examples_are_refused_before_anything_is_sent(chats: Folder) -> None:
    told = run("train", "--recipe", "travel-gpt", "--data", chats(rows=9), exit_code=2).stderr
    assert "10" in told


@pytest.mark.usefixtures("never")
def test_without_data_the_command_that_gets_some_is_named(tmp_path: Path) -> None:
    told = run("train", "--recipe", "travel-gpt", "--data", tmp_path, exit_code=2).stderr
    assert "tunestack data get sample" in told


@pytest.mark.usefixtures("never")
def test_a_training_file_named_alone_is_not_measured_on_the_samples_validation_file(
    chats: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = chats(rows=30) / "train.jsonl"
    (tmp_path / "data/sample").mkdir(parents=True)
    (tmp_path / "data/sample/validation.jsonl").write_text("not for me\n")
    monkeypatch.chdir(tmp_path)
    shown = run("train", "--recipe", "gpt-4.1-mini", "--train-file", train, "--estimate")
    assert "of its 30 records are held out" in shown.stderr


@pytest.mark.usefixtures("never")
def test_an_estimate_needs_no_cloud_and_tells_training_and_hosting(chats: Folder) -> None:
    ask = ("train", "--recipe", "gpt-4.1-mini", "--data", chats(), "--estimate")
    shown = run(*ask).stdout
    assert "tokens x 3 epochs x $" in shown
    assert "$1.70 (GlobalStandard) an hour, asked or not" in shown
    assert "2026-03-19 (azure-ai-docs, how-to-fine-tuning-cost-management)" in shown
    found = run_json(*ask)
    assert found["usd"] == pytest.approx(found["tokens"] * 3 * found["rate"] / 1e6)
    assert found["hosting_per_hour"] == {"DeveloperTier": 0.0, "GlobalStandard": 1.7}


@pytest.mark.usefixtures("managed", "never_sent")
def test_a_training_that_costs_more_than_allowed_is_refused(
    chats: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = ("train", "--data", chats(), "--yes", "--ignore", "managed.model")
    told = run(*ask, "--recipe", "gpt-4.1-mini", "--max-cost", 0, exit_code=2).stderr
    assert "--max-cost 0: tuning gpt-4.1-mini-2025-04-14 on 19 records would be $0.0" in told
    told = run(*ask, "--recipe", "travel-gpt", "--max-cost", 9, exit_code=2).stderr
    assert "what tuning gpt-oss-20b on 19 records costs is not known" in told
    assert "leave --max-cost out" in told


@pytest.mark.usefixtures("managed", "never_sent")
@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (("gpt-4.1-mini",), "take gpt-oss-20b, Qwen3-32B or Llama-3.3-70B"),
        (("phi-4-mini-serverless", "base.id=Phi-3.5-mini-instruct"), "ended on 2025-08-30"),
        (("phi-4-mini-serverless", "base.id=Phi-3.5-mini-instruct"), "--recipe phi-3.5-mini"),
        (("travel-gpt", "base.id=gpt-9"), "Foundry tunes no model gpt-9"),
        (("travel-gpt", "tier=Standard"), "--set tier=GlobalStandard"),
    ],
)
def test_a_model_that_is_closed_or_unknown_is_refused_with_the_choices(
    chats: Folder, ask: tuple[str, ...], told: str
) -> None:
    recipe, *overrides = ask
    sets = [word for override in overrides for word in ("--set", override)]
    shown = run("train", "--recipe", recipe, *sets, "--data", chats(), exit_code=3)
    assert "nothing was sent" in shown.stderr
    assert told in " ".join(shown.stderr.split())


@pytest.mark.usefixtures("managed")
def test_a_stack_without_the_feature_names_the_setting(
    chats: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "settings", Settings())
    told = run("train", "--recipe", "travel-gpt", "--data", chats(), exit_code=3).stderr
    assert "tunestack init --stack local --set foundry=true" in told


@pytest.mark.usefixtures("managed", "never_sent")
def test_what_costs_is_asked_on_azure(chats: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands.managed.training.preflight", lambda *of, **more: None)
    told = run(
        "train", "--stack", "dev", "--recipe", "travel-gpt", "--data", chats(), exit_code=2
    ).stderr
    assert "Submit the job?" in told and "Add --yes" in told
