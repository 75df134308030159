"""The route `openai` from nothing to nothing, through the command line alone, in order.

Slow: the tuning really trains the small model (a minute or two), and two processes serve it.
"""

import pytest
from managed_way import ANSWER, PLACES, SYSTEM, Way
from terminal import Terminal

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def way(terminal: Terminal) -> Way:
    return Way(terminal, "travel-gpt", "foundry")


@pytest.fixture(scope="module")
def job(way: Way) -> str:
    way.up()
    return way.submit()


def test_nothing_is_sent_when_the_file_has_nine_examples(way: Way) -> None:
    way.up()
    few = way.terminal.home / "few.jsonl"
    few.write_text("".join((way.terminal.home / "train.jsonl").read_text().splitlines(True)[:9]))
    way.terminal.run(
        "train", "--recipe", way.recipe, "--train-file", str(few), "--yes", exit_code=2
    )
    assert "10" in way.terminal.last.stderr
    assert way.terminal.json("jobs", "list") == []


def test_a_killed_follower_loses_nothing_and_the_job_goes_on(way: Way, job: str) -> None:
    assert "loss" in way.follow_and_be_killed(job)
    told = way.follow(job)
    assert "loss" in told
    assert way.state(job)["status"] == "Completed"


def test_the_training_has_learned_from_the_uploaded_file(way: Way, job: str) -> None:
    shown = way.state(job)
    loss = shown["curve"]["loss"]
    assert loss["last"]["value"] < loss["first"]["value"] / 2
    assert shown["trained_tokens"] > 0


def test_the_last_three_epochs_can_be_deployed(way: Way, job: str) -> None:
    kept = way.terminal.json("jobs", "checkpoints", job)
    assert len(kept) == 2  # the third is the model itself
    assert all(":ckpt-step-" in one["name"] for one in kept)


def test_base_and_tuned_answer_and_differ(way: Way, job: str) -> None:
    way.terminal.run("deploy", "--with-base", "--yes")
    asked = ("--system", SYSTEM, "--temperature", "0", "--max-tokens", "40")
    question = f"Tell me about {PLACES[0]}."
    both = {
        side: way.terminal.json("chat", "--model", side, *asked, "--once", question)["answer"]
        for side in ("tuned", "base")
    }
    assert both["tuned"].startswith(ANSWER.format(PLACES[0])[:10])
    assert not both["base"].startswith("Ahoy")


def test_the_tutorials_questions_are_put_to_both_and_the_hard_rule_is_counted(
    way: Way, job: str
) -> None:
    compared = way.terminal.json("models", "compare", "--max-tokens", "48")
    assert len(compared["rows"]) == 5
    assert {"base", "tuned"} <= set(compared)


def test_what_stands_and_what_it_costs_is_told(way: Way, job: str) -> None:
    assert "travel" in way.terminal.run("status")
    assert way.terminal.json("cost")["items"]


def test_a_served_model_is_not_deleted(way: Way, job: str) -> None:
    model = way.terminal.json("models", "list")[0]
    name = f"{model['name']}:{model['version']}"
    way.terminal.run("models", "delete", name, "--yes", exit_code=1)
    assert "undeploy" in way.terminal.last.stderr


def test_destroy_leaves_nothing(way: Way, job: str) -> None:
    way.terminal.run("destroy", "--yes")
    assert "Nothing remains" in way.terminal.last.stdout + way.terminal.last.stderr
    way.terminal.run("local", "stop")
    assert way.processes() == []
