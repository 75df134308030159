"""A real model, where it comes from, and the same once more: the real job on the local Azure.

Slow: two trainings and a stack, a minute and a half with a built environment. What a GPU, or
several processes, would make of the same order is not run here.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from terminal import Terminal

pytestmark = pytest.mark.slow

SHORT = ("--set", "training.epochs=4", "--set", "samples.count=3")


@pytest.fixture(scope="module")
def files(terminal: Terminal) -> list[str]:
    """Conversations to learn from and others to be asked."""

    def write(name: str, way: str) -> str:
        path = terminal.home / name
        turns = [
            [{"role": "user", "content": way.format(number)},
             {"role": "assistant", "content": f"The lamp is number {number * 7}."}]
            for number in range(16)
        ]  # fmt: skip
        path.write_text("".join(json.dumps({"messages": turn}) + "\n" for turn in turns))
        return str(path)

    return [write("train.jsonl", "Which lamp is at {}?"), write("held.jsonl", "And lamp {}, then?")]


@pytest.fixture(scope="module")
def model(terminal: Terminal, files: list[str]) -> Any:
    """What `models show --json` tells of a trained model."""
    terminal.run("up", "--yes")
    ask = ("train", "--recipe", "tiny-phi3", "--train-file", files[0], "--eval-file", files[1])
    made = terminal.json(*ask, *SHORT, "--yes")["model"]
    yield terminal.json("models", "show", f"{made['name']}:{made['version']}")
    terminal.run("destroy", "--yes")


def test_the_manifest_tells_what_really_went_in(model: Any, files: list[str]) -> None:
    manifest, order = model["manifest"], model["order"]
    assert manifest["code_sha256"] == order["code_sha256"] == model["tags"]["code_sha256"]
    hashes = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in files]
    assert list(manifest["data_sha256"].values()) == hashes
    assert manifest["packages"].keys() >= {"torch", "trl", "tokenizers", "numpy", "safetensors"}
    assert len(manifest["packages"]) > 40
    assert manifest["settings"]["training"]["epochs"] == 4
    assert manifest["parameters"] == int(model["tags"]["parameters"]) > 100_000
    assert manifest["machine"]["torch"] and manifest["machine"]["cpu"]
    assert manifest["machine"]["gpus"] == [] and manifest["world_size"] == 1
    assert manifest["metrics"]["tokens"] > 0 and manifest["metrics"]["seconds"] > 0


def test_the_model_is_downloaded_and_every_byte_is_the_manifests(
    terminal: Terminal, model: Any
) -> None:
    name = f"{model['name']}:{model['version']}"
    got = terminal.json("models", "download", name)
    folder = terminal.home / got["folder"]
    assert got["unverified"] == []
    for file, expected in model["manifest"]["files_sha256"].items():
        assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == expected, file
    assert terminal.json("models", "download", name)["fetched"] == ["tunestack.json"]


def test_made_again_it_is_the_same_to_the_byte(terminal: Terminal, model: Any) -> None:
    name = f"{model['name']}:{model['version']}"
    again = terminal.json("reproduce", name, "--yes")
    assert again["verdict"] == "byte-identical", again
    assert again["largest_loss_difference"] == 0
    assert not any(again["known_to_differ"].values()), again["known_to_differ"]
    compared = terminal.json("models", "compare", name, again["again"])
    assert compared["verdict"] == "byte-identical" and compared["recipe"] == []
    assert all(row["same"] for row in compared["inputs"] if row["first"])
    answers = compared["answers"]
    assert answers["same"] == len(answers["rows"]) == 3


def test_another_seed_is_no_reproduction_and_is_told_as_one_field(
    terminal: Terminal, model: Any
) -> None:
    more = ("--set", "training.seed=7", "--yes")
    other = terminal.json("train", "--like", model["order"]["job"], *more)["model"]
    name, second = f"{model['name']}:{model['version']}", f"{other['name']}:{other['version']}"
    compared = terminal.json("models", "compare", name, second)
    assert compared["verdict"] == "differs" and compared["largest_loss_difference"] > 1e-3
    assert [row["what"] for row in compared["recipe"]] == ["training.seed"]
