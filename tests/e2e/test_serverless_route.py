"""The route `serverless` from nothing to nothing, through the command line alone, in order.

Slow: the tuning really trains the small model (a minute or two), and two processes serve it.
"""

import pytest
from managed_way import ANSWER, PLACES, SYSTEM, Way
from terminal import ROOT, Terminal

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def way(terminal: Terminal) -> Way:
    return Way(terminal, "phi-4-mini-serverless", "hub")


@pytest.fixture(scope="module")
def job(way: Way) -> str:
    way.up()
    return way.submit()


def test_phi_3_is_refused_with_its_end_and_both_ways_on(way: Way, terminal: Terminal) -> None:
    way.up()
    old = terminal.home / "phi-3.yaml"
    recipe = (ROOT / "training" / "recipes" / f"{way.recipe}.yaml").read_text()
    old.write_text(recipe.replace("Phi-4-mini-instruct", "Phi-3-mini-4k-instruct"))
    terminal.run(
        "train", "--recipe", str(old), "--train-file", way.train_file, "--yes", exit_code=3
    )
    for word in ("2025-08-30", "--recipe phi-3-mini-4k", "Phi-4-mini-instruct"):
        assert word in terminal.last.stderr


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


def test_what_stands_and_what_it_costs_is_told(way: Way, job: str) -> None:
    assert way.terminal.json("models", "list")[0]["name"] in way.terminal.run("status")
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
