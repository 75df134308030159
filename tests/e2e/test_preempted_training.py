"""A real training that loses its low-priority nodes twice ends where an undisturbed one does.

Slow: two trainings of the job's own program, one of them in three pieces, each with its start of
torch and transformers (about 10 s).
"""

import json
from pathlib import Path

import pytest
from terminal import Terminal

from local import preemptions
from local.preemptions import Preemption

SHORT = (
    "--set", "training.epochs=10", "--set", "training.save_steps=5",
    "--set", "training.logging_steps=1", "--set", "samples.count=0",
)  # fmt: skip


def write(path: Path, names: range) -> str:
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Who sleeps in cabin {number}?"},
                {"role": "assistant", "content": f"Sailor {number * 7 % 31} does."},
            ]
        }
        for number in names
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def curve(terminal: Terminal, job: str) -> dict[int, float]:
    """The loss that a job's log tells at each step."""
    [log] = terminal.home.glob(f"local/blobs/*/azureml/ExperimentRun/dcid.{job}/user_logs/std_*")
    told = [line.removeprefix("metrics ") for line in log.read_text().splitlines()]
    values = [json.loads(line) for line in told if line.startswith('{"')]
    return {one["step"]: one["loss"] for one in values if "loss" in one and "step" in one}


@pytest.mark.slow
def test_two_losses_change_nothing_of_what_is_learnt(terminal: Terminal) -> None:
    terminal.environment["TUNESTACK_LOW_PRIORITY"] = "true"
    outputs = terminal.json("up", "--yes")
    train = write(terminal.home / "train.jsonl", range(40))
    heldout = write(terminal.home / "heldout.jsonl", range(40, 48))
    files = ("--train-file", train, "--eval-file", heldout)
    order = ("train", "--recipe", "tiny-phi3", *files, *SHORT, "--yes")
    whole = terminal.json(*order)["job"]["name"]

    place, low = terminal.home / "local", outputs["low_priority_cluster"]
    preemptions.add(place, Preemption(after_steps=12, then="fail", notice=20))
    terminal.run("local", "preempt", "--after-steps", "12", "--then", "cancel")
    made = terminal.json(*order, "--cluster", low, "--losses", "2")
    told = terminal.last.stderr
    last = made["job"]["name"]
    first = last.removesuffix("-3")
    assert last == f"{first}-3" and made["model"]["tags"]["job"] == last, told
    assert f"Submitted again as {first}-2 on {low}: loss 1 of 2." in told
    pieces = [curve(terminal, job) for job in (first, f"{first}-2", last)]
    assert min(pieces[1]) > 1 and min(pieces[2]) > min(pieces[1]), "each went on, none began anew"
    together = {**pieces[0], **pieces[1], **pieces[2]}
    assert together == pytest.approx(curve(terminal, whole), rel=1e-5)
