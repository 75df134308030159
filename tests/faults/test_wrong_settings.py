"""What is wrong with a request is told at once, all of it, and before anything is sent.

The local Azure runs and writes down every request, the login's too: its log must not grow.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from terminal import Terminal

from local.process import LOG

WRONG = {
    "location": "East US 2",
    "generation": 0,
    "maxNodes": 1000,
    "endpointVmSize": "large",
    "tags": ["no pair"],
}
UNKNOWN = {"maxNode": 3}


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path_factory.mktemp("home"))
    terminal.environment["TUNESTACK_STACKS"] = str(terminal.home / "stacks-of-ours")
    terminal.run("local", "start")
    yield terminal
    terminal.run("local", "stop")


@pytest.fixture(autouse=True)
def nothing_was_sent(terminal: Terminal) -> Iterator[None]:
    log = terminal.home / "local" / LOG
    before = log.read_text()
    yield
    assert log.read_text() == before


def configure(terminal: Terminal, stack: str, settings: dict[str, object]) -> None:
    folder = Path(terminal.environment["TUNESTACK_STACKS"])
    folder.mkdir(exist_ok=True)
    config = {f"tunestack:{key}": value for key, value in settings.items()}
    (folder / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": config}))


def refused(terminal: Terminal, *command: str) -> list[str]:
    """Run what must be refused as wrong; give the lines of the one error."""
    terminal.run(*command, exit_code=2)
    assert terminal.last.stdout == ""
    told = terminal.last.stderr
    assert told.count("Error: ") == 1
    return told.replace("Error: ", "").splitlines()


def said_of(lines: list[str], *subjects: str) -> list[str]:
    """Those of the subjects that have a line of their own."""
    return [name for name in subjects if any(line.startswith(f"{name}: ") for line in lines)]


COMMANDS = ("plan", "up", "destroy", "status", "train", "deploy")


@pytest.mark.parametrize(
    ("stack", "command"), [*(("local", name) for name in COMMANDS), ("dev", "up")], ids=str
)
def test_five_wrong_settings_are_five_findings(
    terminal: Terminal, stack: str, command: str
) -> None:
    configure(terminal, stack, WRONG | UNKNOWN)
    lines = refused(terminal, command, "--stack", stack)
    every = (*WRONG, *UNKNOWN)
    assert said_of(lines, *every) == list(every), lines


def test_what_only_two_settings_together_get_wrong_is_told_with_the_rest(
    terminal: Terminal,
) -> None:
    configure(terminal, "local", {"location": "East US 2", "vmSize": "Standard_E4s_v3"})
    assert said_of(refused(terminal, "up"), "location", "vmSize") == ["location", "vmSize"]


def test_init_names_every_wrong_flag_and_writes_nothing(terminal: Terminal) -> None:
    lines = refused(
        terminal, "init", "--stack", "new", "--location", "Mars", "--compute", "tpu",
        "--max-nodes", "many", "--idle-seconds", "1", "--tag", "azure=1",
    )  # fmt: skip
    every = ("location", "compute", "maxNodes", "idleSeconds", "tags")
    assert said_of(lines, *every) == list(every), lines
    assert not (Path(terminal.environment["TUNESTACK_STACKS"]) / "Pulumi.new.yaml").exists()


def test_train_names_what_is_wrong_with_the_recipe_the_data_and_the_settings(
    terminal: Terminal,
) -> None:
    configure(terminal, "local", WRONG)
    data = terminal.home / "data"
    data.mkdir()
    for name, line in (("train", '{"messages": "none"}'), ("validation", "no JSON")):
        (data / f"{name}.jsonl").write_text(line + "\n")
    lines = refused(
        terminal, "train", "--recipe", "tiny-phi3", "--data", str(data),
        "--set", "training.epochs=-1", "--set", "training.epoch=2",
    )  # fmt: skip
    told = "\n".join(lines)
    assert said_of(lines, "training.epochs", "training.epoch") == [
        "training.epochs",
        "training.epoch",
    ]
    assert all(str(data / f"{name}.jsonl") in told for name in ("train", "validation")), told
    assert said_of(lines, *WRONG) == list(WRONG), lines


def test_deploy_names_a_wrong_size_and_the_wrong_settings(terminal: Terminal) -> None:
    configure(terminal, "local", {"location": "Mars"})
    lines = refused(terminal, "deploy", "--vm-size", "Standard_NC6s_v3")
    assert "NC6s_v3" in "\n".join(lines)
    assert said_of(lines, "location") == ["location"], lines


def test_settings_of_the_environment_and_the_file_are_checked_together(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(terminal, "local", {"location": "Mars"})
    monkeypatch.setitem(terminal.environment, "TUNESTACK_MAX_NODES", "0")
    assert said_of(refused(terminal, "up"), "location", "maxNodes") == ["location", "maxNodes"]
