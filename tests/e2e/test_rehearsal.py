"""The whole way through the command line alone, on a model small enough for a test.

The tests of this file run in order and share one home: each is a promise about one command.
"""

import json
import sqlite3
from pathlib import Path
from typing import Any

import psutil
import pytest
from terminal import Terminal

SYSTEM = "You know the crew of the ship Aurora by heart."
CREW = {
    "captain": "Ida Lund", "cook": "Omar Reyes", "pilot": "Mei Tanaka", "doctor": "Ana Duarte",
    "engineer": "Tom Okafor", "carpenter": "Lise Brun", "gunner": "Raj Patel", "clerk": "Eva Novak",
    "diver": "Sam Kite", "painter": "Nora Falk", "tailor": "Ben Amari", "singer": "Zoe Marsh",
}  # fmt: skip


def chat(question: str, answer: str) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture(scope="module")
def files(terminal: Terminal) -> list[str]:
    """Two phrasings of each question to learn from, a third to be asked."""
    asked = ("Who is the {}?", "Name the {}.")
    train = [chat(way.format(role), name) for role, name in CREW.items() for way in asked]
    heldout = [chat(f"Who is the {role}, please?", name) for role, name in CREW.items()]
    return [
        write(terminal.home / "train.jsonl", train),
        write(terminal.home / "heldout.jsonl", heldout),
    ]


def test_up_makes_the_stack_and_a_second_up_changes_nothing(terminal: Terminal) -> None:
    first = terminal.json("up", "--yes")
    assert first["workspace"]
    assert terminal.json("up", "--yes") == first
    assert {step["change"] for step in terminal.json("plan")["steps"]} == {"same"}


def test_train_learns_and_registers(terminal: Terminal, files: list[str]) -> None:
    train, heldout = files
    made = terminal.json(
        "train", "--recipe", "tiny-phi3", "--train-file", train, "--eval-file", heldout, "--yes"
    )
    assert made["job"]["status"] == "Completed"
    assert made["model"]["tags"]["recipe"] == "tiny-phi3"
    shown = terminal.json("jobs", "show", made["job"]["name"])
    assert shown["status"] == "Completed"
    assert shown["metrics"]["loss"] < 1


def test_the_base_knew_nothing_that_the_tuned_model_was_taught(terminal: Terminal) -> None:
    rows = terminal.json("models", "compare")["rows"]
    assert len(rows) == len(CREW)
    assert not any(row["base"]["text"] == row["reference"] for row in rows)


def test_deploy_serves_what_was_learnt(terminal: Terminal) -> None:
    terminal.run("deploy", "--yes")
    right = 0
    for role, name in list(CREW.items())[:4]:
        answer = terminal.json("chat", "--system", SYSTEM, "--once", f"Who is the {role}?")
        right += name in answer["answer"]
    assert right >= 3


def test_nothing_secret_is_in_what_was_printed(terminal: Terminal) -> None:
    tenant = json.loads((terminal.home / "local" / "tenant.json").read_text())
    secrets = [tenant["person_secret"], tenant["proxy_password"], tenant["signing_key"]]
    for arguments in (["status"], ["local", "status"], ["plan"]):
        printed = terminal.run(*arguments) + terminal.last.stderr
        assert not any(secret in printed for secret in secrets)


def test_destroy_leaves_nothing(terminal: Terminal) -> None:
    server = psutil.Process(terminal.json("local", "status")["pid"])
    receipt = terminal.json("destroy", "--yes")
    assert receipt["remains"] == []
    assert server.children(recursive=True) == []
    with sqlite3.connect(terminal.home / "local" / "state.sqlite") as state:
        ids = [row[0] for row in state.execute("SELECT id FROM documents")]
    assert not [id for id in ids if "/resourcegroups/" in id.lower()]
    assert [path for path in (terminal.home / "local" / "blobs").rglob("*") if path.is_file()] == []


def test_destroy_of_nothing_is_no_error(terminal: Terminal) -> None:
    assert terminal.json("destroy", "--yes")["deleted"] == []


def test_stop_ends_the_local_azure(terminal: Terminal) -> None:
    server = psutil.Process(terminal.json("local", "status")["pid"])
    terminal.run("local", "stop")
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
