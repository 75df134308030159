"""Which is better, is it good enough: by the command line, with the real job on the local Azure.

Slow: a training, three evaluations on a node and two endpoints; three minutes with built
environments. The model is tiny and learns a file by heart, so that what is better is known.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from terminal import Terminal

pytestmark = pytest.mark.slow

SYSTEM = "You know the crew of the ship Aurora by heart."
CREW = {
    "captain": "Ida Lund", "cook": "Omar Reyes", "pilot": "Mei Tanaka", "doctor": "Ana Duarte",
    "engineer": "Tom Okafor", "carpenter": "Lise Brun", "gunner": "Raj Patel", "clerk": "Eva Novak",
    "diver": "Sam Kite", "painter": "Nora Falk", "tailor": "Ben Amari", "singer": "Zoe Marsh",
}  # fmt: skip
WAYS = ("Who is the {}?", "Name the {}.")
SUITE = """
name: crew
says: Names of the crew, in short
decoding: {max_tokens: 24}
rules:
  - {name: brief, says: Keeps to ten words, length: {max_words: 10}}
  - {name: not_empty, says: Says something, not_empty: true}
"""
GATE = """
name: crew
suite: crew
min_cases: 10
require:
  - {metric: perplexity, better: true}
  - {metric: token_accuracy, min: 0.5}
"""


def _chat(question: str, answer: str) -> dict[str, Any]:
    told = (("system", SYSTEM), ("user", question), ("assistant", answer))
    return {"messages": [{"role": role, "content": text} for role, text in told]}


@pytest.fixture(scope="module")
def files(terminal: Terminal) -> dict[str, str]:
    """What is learned, what is asked, how it is judged."""

    def write(name: str, text: str) -> str:
        path = terminal.home / name
        path.write_text(text)
        return str(path)

    def chats(*ways: str) -> str:
        rows = (_chat(way.format(role), name) for role, name in CREW.items() for way in ways)
        return "".join(json.dumps(row) + "\n" for row in rows)

    return {
        "train": write("train.jsonl", chats(*WAYS)),
        "held": write("held.jsonl", chats("Who is the {}, please?")),
        "suite": write("crew.yaml", SUITE),
        "gate": write("gate.yaml", GATE),
        "hopeless": write("hopeless.yaml", GATE.replace("min: 0.5", "min: 1.01")),
    }


@pytest.fixture(scope="module")
def model(terminal: Terminal, files: dict[str, str]) -> Any:
    """A trained model, as `train --json` tells of it."""
    terminal.run("up", "--yes")
    order = ("train", "--recipe", "tiny-phi3", "--set", "training.save_steps=60", "--yes")
    yield terminal.json(*order, "--train-file", files["train"], "--eval-file", files["held"])
    terminal.run("destroy", "--yes")


@pytest.fixture(scope="module")
def evaluation(terminal: Terminal, files: dict[str, str], model: Any) -> Any:
    """Base against tuned on what was held out."""
    return terminal.json("evaluate", "--suite", files["suite"], "--gate", files["gate"], "--yes")


def _metrics(document: Any) -> dict[str, Any]:
    return {metric["name"]: metric for metric in document["metrics"]}


def test_a_model_that_learned_is_told_from_its_base_with_an_interval(evaluation: Any) -> None:
    perplexity = _metrics(evaluation)["perplexity"]
    assert perplexity["sides"]["tuned"]["value"] < perplexity["sides"]["base"]["value"] / 10
    difference = perplexity["differences"]["tuned"]
    assert difference["judgement"] == "better"
    assert difference["interval"]["high"] < 0
    assert _metrics(evaluation)["token_accuracy"]["sides"]["tuned"]["cases"] == len(CREW)


def test_perplexity_is_that_of_the_trainings_own_evaluation(
    terminal: Terminal, evaluation: Any, model: Any
) -> None:
    import math

    trained = terminal.json("jobs", "show", model["job"]["name"])["metrics"]["eval_loss"]
    told = _metrics(evaluation)["perplexity"]["sides"]["tuned"]["value"]
    assert math.log(told) == pytest.approx(trained, rel=1e-3)


def test_a_second_time_nobody_is_asked(
    terminal: Terminal, files: dict[str, str], evaluation: Any
) -> None:
    jobs = len(terminal.json("jobs", "list"))
    again = terminal.json("evaluate", "--suite", files["suite"], "--yes")
    assert len(terminal.json("jobs", "list")) == jobs
    assert again["metrics"] == evaluation["metrics"]


def test_the_numbers_follow_from_the_saved_answers_alone(
    terminal: Terminal, evaluation: Any
) -> None:
    folder = Path(evaluation["folder"])
    assert (folder / "index.html").read_text().startswith("<!doctype html>")
    again = terminal.json("evaluate", "--from", str(folder), "--out", str(folder / "again"))
    assert again["metrics"] == evaluation["metrics"]


def test_a_gate_that_is_missed_ends_with_its_reasons(
    terminal: Terminal, files: dict[str, str], evaluation: Any
) -> None:
    terminal.run("evaluate", "--from", evaluation["folder"], "--gate", files["hopeless"],
                 exit_code=1)  # fmt: skip
    assert "token_accuracy" in terminal.last.stderr
    assert "1.01" in terminal.last.stderr


def test_a_model_that_misses_the_gate_is_not_deployed(
    terminal: Terminal, files: dict[str, str], evaluation: Any
) -> None:
    terminal.run("deploy", "--gate", files["hopeless"], "--yes", exit_code=1)
    assert "token_accuracy" in terminal.last.stderr
    assert terminal.json("status")["endpoints"] == []


def test_one_that_passes_is_and_is_asked_where_it_answers(
    terminal: Terminal, files: dict[str, str], evaluation: Any
) -> None:
    terminal.run("deploy", "--gate", files["gate"], "--with-base", "--yes")
    live = terminal.json(
        *("evaluate", "azureml/base", "azureml/tuned", "--suite", files["suite"]),
        *("--data", files["held"], "--yes"),
    )
    found = _metrics(live)
    assert found["seconds"]["sides"]["azureml/tuned"]["cases"] == len(CREW)
    assert "perplexity" not in found
    on_node = _metrics(evaluation)["exact_match"]["sides"]["tuned"]["value"]
    assert found["exact_match"]["sides"]["azureml/tuned"]["value"] == pytest.approx(
        on_node, abs=0.1
    )


@pytest.fixture(scope="module")
def ranked(terminal: Terminal, files: dict[str, str], evaluation: Any) -> Any:
    """All checkpoints of the training, ranked."""
    return terminal.json("evaluate", "--checkpoints", "--suite", files["suite"], "--yes")


def test_checkpoints_are_ranked_and_the_choice_is_cautioned(ranked: Any) -> None:
    assert ranked["ranking"]["chosen"]
    assert any("look" in note for note in ranked["ranking"]["notes"])


def test_the_chosen_checkpoint_is_deployed_by_its_own_evaluation(
    terminal: Terminal, files: dict[str, str], ranked: Any
) -> None:
    made = terminal.json("models", "register", ranked["ranking"]["chosen"], "--yes")
    chosen = f"{made['name']}:{made['version']}"
    terminal.run("deploy", "--model", chosen, "--gate", files["gate"], "--yes")
    assert terminal.json("status")["endpoints"][0]["deployments"]
