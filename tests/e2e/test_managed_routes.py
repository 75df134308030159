"""Both managed routes from nothing to nothing, through the command line alone, each in order.

Slow: each tuning really trains the small model (a minute or two), and two processes serve it.
"""

from collections.abc import Iterator

import pytest
from managed_way import ANSWER, PLACES, SYSTEM, Way
from terminal import ROOT, Terminal

pytestmark = pytest.mark.slow
ROUTES = {"openai": ("travel-gpt", "foundry"), "serverless": ("phi-4-mini-serverless", "hub")}


def of(*routes: str) -> pytest.MarkDecorator:
    """Walk these routes, each on a home of its own."""
    return pytest.mark.parametrize("way", routes, indirect=True, scope="module")


both = of(*ROUTES)


@pytest.fixture(scope="module")
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    terminal = Terminal(tmp_path_factory.mktemp(request.param))
    way = Way(terminal, *ROUTES[request.param])
    way.up()
    yield way
    terminal.run("local", "stop")


@pytest.fixture(scope="module")
def job(way: Way) -> str:
    return way.submit()


@of("serverless")
def test_phi_3_is_refused_with_its_end_and_both_ways_on(way: Way) -> None:
    old = way.terminal.home / "phi-3.yaml"
    recipe = (ROOT / "training" / "recipes" / f"{way.recipe}.yaml").read_text()
    old.write_text(recipe.replace("Phi-4-mini-instruct", "Phi-3-mini-4k-instruct"))
    way.terminal.run(
        "train", "--recipe", str(old), "--train-file", way.train_file, "--yes", exit_code=3
    )
    for word in ("2025-08-30", "--recipe phi-3-mini-4k", "Phi-4-mini-instruct"):
        assert word in way.terminal.last.stderr


@both
def test_nothing_is_sent_when_the_file_has_nine_examples(way: Way) -> None:
    few = way.terminal.home / "few.jsonl"
    few.write_text("".join((way.terminal.home / "train.jsonl").read_text().splitlines(True)[:9]))
    way.terminal.run(
        "train", "--recipe", way.recipe, "--train-file", str(few), "--yes", exit_code=2
    )
    assert "10" in way.terminal.last.stderr
    assert way.terminal.json("jobs", "list") == []


@both
def test_a_killed_follower_loses_nothing_and_the_job_goes_on(way: Way, job: str) -> None:
    assert "loss" in way.follow_and_be_killed(job)
    assert "loss" in way.follow(job)
    assert way.state(job)["status"] == "Completed"


@both
def test_the_training_has_learned_from_the_uploaded_file(way: Way, job: str) -> None:
    shown = way.state(job)
    loss = shown["curve"]["loss"]
    assert loss["last"]["value"] < loss["first"]["value"] / 2
    assert shown["trained_tokens"] > 0


@of("openai")
def test_the_last_three_epochs_can_be_deployed(way: Way, job: str) -> None:
    kept = way.terminal.json("jobs", "checkpoints", job)
    assert len(kept) == 2  # the third is the model itself
    assert all(":ckpt-step-" in one["name"] for one in kept)


@both
def test_base_and_tuned_answer_and_differ(way: Way, job: str) -> None:
    way.terminal.run("deploy", "--with-base", "--yes")
    asked = ("--system", SYSTEM, "--temperature", "0", "--max-tokens", "40")
    question = f"Tell me about {PLACES[0]}."
    answers = {
        side: way.terminal.json("chat", "--model", side, *asked, "--once", question)["answer"]
        for side in ("tuned", "base")
    }
    assert answers["tuned"].startswith(ANSWER.format(PLACES[0])[:10])
    assert not answers["base"].startswith("Ahoy")


@of("openai")
def test_the_tutorials_questions_are_put_to_both_and_the_hard_rule_is_counted(
    way: Way, job: str
) -> None:
    compared = way.terminal.json("models", "compare", "--max-tokens", "48")
    assert len(compared["rows"]) == 5
    assert {"base", "tuned"} <= set(compared)


@both
def test_what_stands_and_what_it_costs_is_told(way: Way, job: str) -> None:
    name = way.terminal.json("models", "list")[0]["tags"].get("model_name", way.recipe)
    assert name in way.terminal.run("status")
    kinds = {item["kind"] for item in way.terminal.json("cost")["items"]}
    assert {"deployment", "tuning"} <= kinds


@both
def test_a_served_model_is_not_deleted(way: Way, job: str) -> None:
    model = way.terminal.json("models", "list")[0]
    name = f"{model['name']}:{model['version']}"
    way.terminal.run("models", "delete", name, "--yes", exit_code=1)
    assert "undeploy" in way.terminal.last.stderr


@both
def test_destroy_leaves_nothing(way: Way, job: str) -> None:
    way.terminal.run("destroy", "--yes")
    assert "Nothing remains" in way.terminal.last.stdout + way.terminal.last.stderr
    way.terminal.run("local", "stop")
    assert way.processes() == []
