"""A training that a managed service orders: it runs, tells, stops, goes on, fails, is forgotten."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from quick_world import QUICK_TRAINER, Heard, opened, until

from local import services
from local.runner.environments import parse
from local.tuning import former_node, programs, running, small_model
from local.tuning.orders import TuningOrder
from local.world import World
from training.environment import JOB_FOLDER, build_environment

ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a"
ID = f"{ACCOUNT}/fineTuning/ftjob-1"
Chats = Callable[..., Path]
STEP_4 = '"step": 4'
"""In the log of a program that waits before its fifth step: it is made, and told with the next."""


def order(train: Path, **more: object) -> TuningOrder:
    return TuningOrder(train, **{"validation": train, **more})  # type: ignore[arg-type]


def test_a_training_tells_each_update_once_and_leaves_a_model_for_every_last_epoch(
    world: World, chats: Chats
) -> None:
    heard = Heard()
    running.begin(world, ID, order(chats(), epochs=4, epoch_checkpoints=3), heard)
    outcome = heard.outcome()
    assert (outcome.kind, outcome.reason, heard.begins) == ("succeeded", "", 1)
    assert [step.step for step in heard.steps] == list(range(1, 13))
    assert heard.steps == list(outcome.curve)
    assert all(step.steps == 12 and step.train_loss and step.train_accuracy for step in heard.steps)
    measured = [step.step for step in heard.steps if step.valid_loss is not None]
    assert measured == [3, 6, 9, 12]
    assert [one.step for one in outcome.checkpoints] == [12, 9, 6]
    assert outcome.checkpoints[0].folder == outcome.model
    assert all(one.measured == outcome.curve[one.step - 1] for one in outcome.checkpoints)
    assert outcome.tokens > 0 and outcome.seconds > 0
    assert outcome.model is not None and (outcome.model / "word.txt").read_text() == "hello"
    manifest = json.loads((outcome.model / "tunestack.json").read_text())
    assert "system_message" not in manifest, "the managed services put none before a question"
    until(lambda: not running.is_running(world, ID))


def test_without_a_validation_file_nothing_is_said_of_validation(
    world: World, chats: Chats
) -> None:
    heard = Heard()
    running.begin(world, ID, order(chats(), validation=None, epochs=2), heard)
    outcome = heard.outcome()
    assert outcome.kind == "succeeded" and len(outcome.curve) == 6
    assert {step.valid_loss for step in outcome.curve} == {None}
    assert {step.valid_accuracy for step in outcome.curve} == {None}


def test_a_stopped_training_keeps_its_step_and_goes_on_from_there_without_its_file(
    world: World, chats: Chats, tmp_path: Path
) -> None:
    gate, heard = tmp_path / "gate", Heard()
    train = chats(more=f"[wait 5 {gate}]")
    running.begin(world, ID, order(train), heard)
    until(lambda: STEP_4 in running.read_log(world, ID))
    running.begin(world, ID, order(train), heard)  # it runs: nothing
    running.stop(world, ID)
    stopped = heard.outcome()
    assert stopped.kind == "stopped" and stopped.model is None
    assert [one.step for one in stopped.checkpoints] == [4, 3]
    assert [step.step for step in heard.steps] == [1, 2, 3, 4]
    gate.touch()
    train.unlink()
    running.begin(world, ID, order(train), heard)
    outcome = heard.outcome()
    assert (outcome.kind, heard.begins) == ("succeeded", 2)
    assert [step.step for step in heard.steps] == list(range(1, 10))
    assert [one.step for one in outcome.checkpoints] == [9, 6, 4, 3], "three epochs, and the stop"
    assert outcome.seconds > stopped.seconds


def test_a_training_taken_up_again_while_it_stops_waits_until_it_has(
    world: World, chats: Chats, tmp_path: Path
) -> None:
    gate, heard = tmp_path / "gate", Heard()
    asked = order(chats(more=f"[wait 5 {gate}]"))
    running.begin(world, ID, asked, heard)
    heard.wait(lambda heard: heard.begins == 1)
    running.stop(world, ID)
    gate.touch()
    running.begin(world, ID, asked, heard)
    heard.wait(lambda heard: len(heard.outcomes) == 2)
    assert [one.kind for one in heard.outcomes] == ["stopped", "succeeded"]
    assert [step.step for step in heard.steps] == list(range(1, 10))


def test_what_a_killed_server_leaves_can_be_stopped_with_its_step_goes_on_and_repeats_nothing(
    world: World, chats: Chats, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    train = chats(more=f"[wait 5 {gate}]")
    argv = [sys.executable, str(Path(__file__).with_name("begun.py"))]
    root = Path(__file__).resolve().parents[3]
    server = subprocess.Popen(
        [*argv, str(world.folder), str(train), ID],
        stdout=subprocess.PIPE,
        cwd=root,
        env=dict(os.environ, PYTHONPATH=str(root)),
        text=True,
    )
    with server:
        assert server.stdout is not None
        told = [int(step) for step in server.stdout.readline().split()]
        until(lambda: STEP_4 in running.read_log(world, ID))
        server.kill()
    assert told[:3] == [1, 2, 3]
    with (running.folder(world, ID) / "curve.jsonl").open("a") as curve:
        curve.write('{"step": 99, "ste')  # killed in the middle of a line
    heard = Heard()
    running.begin(world, ID, TuningOrder(train, None), heard)
    running.stop(world, ID)
    stopped = heard.outcome()
    assert stopped.kind == "stopped", "at once, or before it has begun"
    assert [one.step for one in stopped.checkpoints] == [4, 3], "what the killed one's saved"
    gate.touch()
    running.begin(world, ID, TuningOrder(train, None), heard)
    outcome = heard.outcome()
    assert outcome.kind == "succeeded"
    known = [step.step for step in outcome.curve]
    assert known == list(range(1, 10))
    assert [step.step for step in heard.steps] == known[-len(heard.steps) :]
    assert not {1, 2, 3} & {step.step for step in heard.steps}
    assert outcome.checkpoints[0].step == 9


def test_a_former_servers_program_that_does_not_end_is_ended(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as hung:
        former_node.note(tmp_path, hung.pid)
        former_node.wait_until_gone(tmp_path, 0.1)
        assert hung.wait(10) == -signal.SIGKILL
    former_node.wait_until_gone(tmp_path, 0.1)


def test_a_server_that_ends_tells_no_end_and_the_next_one_goes_on(
    chats: Chats, tmp_path: Path
) -> None:
    gate, folder = tmp_path / "gate", tmp_path / "azure"
    asked, first, second = order(chats(more=f"[wait 5 {gate}]")), Heard(), Heard()
    with opened(folder) as world:
        programs.use(world.state, job=QUICK_TRAINER)
        running.begin(world, ID, asked, first)
        first.wait(lambda heard: len(heard.steps) >= 3)
    assert first.outcomes == []
    gate.touch()
    with opened(folder) as world:
        running.begin(world, ID, asked, second)
        assert second.outcome().kind == "succeeded"
    told = [step.step for step in (*first.steps, *second.steps)]
    assert told == list(range(1, 10))


def test_a_training_that_fails_says_why_and_can_be_tried_again(world: World, chats: Chats) -> None:
    heard = Heard()
    running.begin(world, ID, order(chats(more="[fail 5]")), heard)
    outcome = heard.outcome()
    assert (outcome.kind, outcome.model) == ("failed", None)
    assert "exit code 1" in outcome.reason
    assert outcome.reason.rstrip().endswith("error: the file asked for it")
    assert [one.step for one in outcome.checkpoints] == [3], "what it reached is there"
    assert "error: the file asked for it" in running.read_log(world, ID)


def test_a_training_goes_on_from_a_tuned_model_and_from_a_checkpoint(
    world: World, chats: Chats
) -> None:
    heard = Heard()
    running.begin(world, ID, order(chats("red"), epochs=2), heard)
    first = heard.outcome()
    words = {}
    for number, start in enumerate((first.model, first.checkpoints[-1].folder)):
        running.begin(world, f"{ID}-{number}", order(chats("blue"), start=start), heard)
        model = heard.outcome().model
        assert model is not None
        words[number] = (model / "word.txt").read_text()
    assert words == {0: "red+blue", 1: "red@3+blue"}
    recipe = json.loads((running.folder(world, f"{ID}-0") / "recipe.json").read_text())
    assert recipe["base"]["source"] == "hub" and len(recipe["base"]["revision"]) == 40


def test_what_is_forgotten_or_goes_with_its_account_leaves_nothing(
    world: World, chats: Chats, tmp_path: Path
) -> None:
    asked = order(chats(more=f"[wait 2 {tmp_path / 'gate'}]"))
    for end in (
        lambda: running.forget(world, ID),
        lambda: world.processes.end_below(ACCOUNT),
    ):
        heard = Heard()
        running.begin(world, ID, asked, heard)
        heard.wait(lambda heard: len(heard.steps) > 0 or heard.begins > 0)
        assert running.is_running(world, ID)
        end()
        assert not running.is_running(world, ID)
        assert not running.folder(world, ID).exists()
        assert heard.outcome().kind == "stopped"


def test_a_listener_that_fails_ends_the_training_and_its_program(
    world: World, chats: Chats, tmp_path: Path
) -> None:
    class Broken(Heard):
        def stepped(self, step: object) -> None:
            raise ValueError("no room")

    heard = Broken()
    running.begin(world, ID, order(chats(more=f"[wait 4 {tmp_path / 'gate'}]")), heard)
    assert heard.outcome().reason == "ValueError: no room"
    until(lambda: not running.is_running(world, ID))


def test_the_small_model_has_the_rehearsals_environment_so_that_it_is_built_once() -> None:
    ours = parse(programs.environment_of(programs.JOB)["condaFile"])
    theirs = build_environment("cpu", JOB_FOLDER)
    assert ours == parse(json.dumps(theirs.conda_file))


def test_pairs_get_the_recipe_of_preference_optimisation(chats: Chats) -> None:
    asked = TuningOrder(chats(), None, objective="dpo", beta=0.3, epochs=2, batch_size=3)
    recipe = small_model.recipe_for(asked, rows=10)
    assert (recipe.objective, recipe.dpo.beta, recipe.training.save_steps) == ("dpo", 0.3, 4)
    assert small_model.weights().name == recipe.base.file


def test_other_programs_are_set_in_the_state_and_taken_back(tmp_path: Path) -> None:
    programs.use(tmp_path, job=QUICK_TRAINER)
    assert programs.programs(tmp_path) == programs.Programs(QUICK_TRAINER, programs.SERVING)
    programs.clear(tmp_path)
    assert programs.programs(tmp_path).job == programs.JOB == JOB_FOLDER


def test_every_service_takes_up_what_it_left_and_only_its_own(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "some_services"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "one.py").write_text("resumed = []\ndef resume(world):\n    resumed.append(world)\n")
    (package / "two.py").write_text("from some_services.one import resume\n")
    (package / "three.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(services, "SERVICES", ("some_services",))
    world.processes.resume(world)
    assert sys.modules["some_services.one"].resumed == [world]
