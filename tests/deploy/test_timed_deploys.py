"""`deploy --expires` and `--max-instances`, typed: said, counted, kept by the next, shown."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from commands.session import Session
from core.cloud import Cloud
from core.companions import scaling_settings
from core.refs import StackOutputs
from deploy.endpoint import endpoint_name, undeploy
from deploy.releasing import rollout
from deploy.upkeep.alerts import endpoint_id
from deploy.upkeep.autoscale import read_scaling
from deploy.upkeep.expiry import clear_expiry
from tests.typed_commands import run, run_json

PROGRAM = Path(__file__).parent / "quick_serving"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--expires", "soon"), "neither a span nor a moment; for example 8h"),
        (("--expires", "2020-01-01T00:00Z"), "not 5 minutes ahead"),
        (("--expires", "91d"), "at most 90d"),
        (("--instances", 3, "--max-instances", 2), "--max-instances: 2 is less than the 3"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(
    options: tuple[Any, ...], reason: str
) -> None:
    told = run("deploy", "--stack", "dev", *options, exit_code=2).output
    assert reason in " ".join(told.split())


def test_all_that_is_wrong_is_told_at_once() -> None:
    options = ("--expires", "soon", "--instances", 3, "--max-instances", 2, "--vm-size", "huge")
    told = run("deploy", "--stack", "dev", *options, exit_code=2).output
    assert all(name in told for name in ("--expires", "--max-instances", "--vm-size"))


@pytest.fixture
def stack(
    timed_stack: tuple[Cloud, StackOutputs], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[tuple[Cloud, StackOutputs]]:
    """The stack as commands meet it: a rehearsal, whose program says its model's word."""
    from azure.ai.ml.entities import Model

    from core.settings import Settings

    cloud, outputs = timed_stack
    for word in ("one", "two"):
        folder = tmp_path / word
        folder.mkdir()
        (folder / "word.txt").write_text(word)
        tags = {"experiment": "tunestack"}
        asset = Model(
            name=f"timed-{word}", path=str(folder), type="custom_model", version="1", tags=tags
        )
        cloud.workspace(outputs).models.create_or_update(asset)
    for name, value in {
        "is_rehearsal": True,
        "cloud": cloud,
        "outputs": outputs,
        "settings": Settings(compute="cpu", person_type="ServicePrincipal"),
    }.items():
        monkeypatch.setattr(Session, name, value)
    monkeypatch.setattr(rollout.deploy, "__kwdefaults__", {"progress": print, "program": PROGRAM})
    yield cloud, outputs
    undeploy(cloud, outputs)
    clear_expiry(cloud, outputs, endpoint_name(outputs))


def deploy(word: str, *options: Any) -> dict[str, Any]:
    ignored = ("--ignore", "lifecycle.endpoint-size")
    size = ("--vm-size", "Standard_E4s_v3")
    found = run_json("deploy", "--model", f"timed-{word}", *size, *options, *ignored)
    assert isinstance(found, dict)
    return found


def test_the_next_deploy_keeps_expiry_and_bounds_and_the_old_setting_goes(
    stack: tuple[Cloud, StackOutputs],
) -> None:
    cloud, outputs = stack
    name = endpoint_name(outputs)
    first = deploy("one", "--expires", "8h", "--max-instances", 3)
    ends = datetime.fromisoformat(first["expires"])
    assert timedelta(hours=7) < ends - datetime.now(UTC) <= timedelta(hours=8)
    assert "ends by itself at" in first["expiry"]
    second = deploy("two")
    assert second["expires"] == first["expires"]
    scaling = read_scaling(cloud.arm, outputs, name, second["deployment"])
    assert scaling is not None
    assert (scaling.low, scaling.high) == (1, 3)
    assert len(scaling_settings(cloud.arm, endpoint_id(outputs, name))) == 1
    shown = run_json("endpoint", "show")
    assert shown["expires"] == first["expires"]
    third = deploy("two", "--expires", "never", "--instances", 1, "--max-instances", 1)
    assert (third["expires"], third["expiry"]) == ("", "")
    assert scaling_settings(cloud.arm, endpoint_id(outputs, name)) == []


def test_what_it_may_grow_to_is_said_and_counted(stack: tuple[Cloud, StackOutputs]) -> None:
    asked = ("deploy", "--model", "timed-one", "--vm-size", "Standard_E4s_v3", "--max-instances", 4)
    told = run(*asked, "--max-cost", 500, exit_code=2).output
    assert "a month of 4 x Standard_E4s_v3" in " ".join(told.split())
