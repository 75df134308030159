"""The table of retirements: what it knows, what it says of a day, how it ages."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from core import lifecycle
from core.catalog import VM_SIZES, vm_size
from core.home import home
from core.lifecycle import AS_OF, TABLE, Kind, judged, retirement, table_age, verdict
from core.model_dates import PROVIDER, TUNABLE, tunable_models
from core.rules import Status
from tests.doctor_facts import TODAY, arm, facts, refuse, say


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize(
    ("kind", "name", "on", "successor"),
    [
        (Kind.VM_SIZE, "Standard_NC6s_v3", date(2025, 9, 30), "Standard_NC24ads_A100_v4"),
        (Kind.VM_SIZE, "standard_nv12s_V3", date(2026, 9, 30), "Standard_NV36ads_A10_v5"),
        (Kind.VM_SIZE, "Standard_DS3_v2", date(2028, 5, 1), "Standard_D4s_v5"),
        (Kind.VM_SIZE, "Standard_F8s_v2", date(2028, 11, 15), "Standard_D4s_v5"),
        (Kind.MODEL, "gpt-4o-mini", date(2026, 10, 1), lifecycle.OPEN_MODELS),
        (Kind.MODEL, "gpt-4.1", date(2026, 10, 14), lifecycle.OPEN_MODELS),
        (Kind.SERVERLESS, "x/Phi-3.5-mini-instruct", date(2025, 8, 30), "Phi-4-mini-instruct"),
        (Kind.PACKAGE, "azureml-core", date(2026, 6, 30), "azure-ai-ml"),
        (Kind.PACKAGE, "promptflow-core", date(2027, 4, 20), "Microsoft Agent Framework"),
        (Kind.IMAGE, "x/openmpi4.1.0-ubuntu20.04:1", date(2025, 5, 31), "ubuntu22.04"),
    ],
)  # fmt: skip
def test_the_table_knows_the_end_and_the_successor(
    kind: Kind, name: str, on: date, successor: str
) -> None:
    row = retirement(kind, name)
    assert row is not None
    assert (row.on, row.successor) == (on, successor)
    assert row.source


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Kind.VM_SIZE, "Standard_NC24ads_A100_v4"),
        (Kind.VM_SIZE, "Standard_NC4as_T4_v3"),
        (Kind.VM_SIZE, "Standard_D4s_v3"),
        (Kind.VM_SIZE, "Standard_E16s_v3"),
        (Kind.MODEL, "gpt-4.1-mini-2"),
        (Kind.PACKAGE, "azureml-mlflow"),
        (Kind.PACKAGE, "azureml-inference-server-http"),
        (Kind.SERVERLESS, "microsoft/Phi-4-mini-instruct"),
        (Kind.PACKAGE, "gpt-4o"),
    ],
)
def test_what_has_no_end_that_is_known_is_not_in_the_table(kind: Kind, name: str) -> None:
    assert retirement(kind, name) is None


def test_the_catalog_and_the_table_tell_the_same_of_every_size() -> None:
    for size in VM_SIZES:
        row = retirement(Kind.VM_SIZE, size.name)
        assert size.retired == (row.on if row and row.on <= AS_OF else None), size.name


def test_no_successor_is_itself_at_its_end() -> None:
    for row in TABLE:
        if row.kind is Kind.VM_SIZE:
            assert retirement(row.kind, row.successor) is None
            known = vm_size(row.successor)
            assert known is None or known.retired is None


@pytest.mark.parametrize(
    ("days", "status", "words"),
    [
        (0, Status.FAILED, "retired on 2026-09-30"),
        (400, Status.FAILED, "retired on"),
        (-1, Status.WARNING, "retires on 2026-09-30"),
        (-90, Status.WARNING, "retires on"),
        (-91, Status.OK, "retires on"),
    ],
)
def test_retired_fails_and_ninety_days_before_is_a_warning_with_the_successor(
    days: int, status: Status, words: str
) -> None:
    today = date(2026, 9, 30) + timedelta(days)
    found = verdict(Kind.VM_SIZE, "Standard_NV12s_v3", today, "tunestack:vmSize: {}")
    assert found.status is status
    assert words in found.told
    assert "successor Standard_NV36ads_A10_v5" in found.told
    assert (found.fix == "tunestack:vmSize: Standard_NV36ads_A10_v5") is (status is not Status.OK)


def test_every_verdict_shows_the_age_of_the_table() -> None:
    day = AS_OF + timedelta(3)
    for name in ("Standard_NC6s_v3", "Standard_E4s_v3"):
        told = verdict(Kind.VM_SIZE, name, day, "").told
        assert f"(table of {AS_OF.isoformat()}, 3 days old)" in told


def test_a_table_of_more_than_sixty_days_is_a_warning_to_update() -> None:
    assert table_age(AS_OF + timedelta(60)).status is Status.OK
    old = table_age(AS_OF + timedelta(61))
    assert old.status is Status.WARNING
    assert "update tunestack" in old.fix


def test_many_names_make_one_line_unless_one_is_at_its_end() -> None:
    (fine,) = judged(Kind.PACKAGE, ["torch", "trl"], TODAY, "{}")
    assert fine.told.startswith("2 packages, none at its end")
    (wrong,) = judged(Kind.PACKAGE, ["torch", "azureml-core"], TODAY, "take {}")
    assert (wrong.status, wrong.fix) == (Status.FAILED, "take azure-ai-ml")


def listed(name: str, fine_tune: str = "", version: str = "1", **more: str) -> dict[str, object]:
    ends = {"fineTune": fine_tune, "inference": fine_tune} if fine_tune else {}
    model = {"name": name, "version": version, "deprecation": ends, "capabilities": more}
    return {"kind": "OpenAI", "model": model}


def test_azures_own_dates_go_before_the_table_and_are_remembered() -> None:
    about = facts(foundry=True)
    rows = [
        listed("gpt-4.1-mini", "2027-04-14T00:00:00Z", fineTune="true"),
        listed("gpt-4.1", "2026-01-01T00:00:00Z", "1", globalFineTune="true"),
        listed("gpt-4.1", "2027-01-01T00:00:00Z", "2", globalFineTune="true"),
        listed("whisper", fineTune="false"),
    ]
    say(about, about.at_location(PROVIDER, "models"), rows)
    found = tunable_models(about)
    assert [(m.name, m.training) for m in found.models] == [
        ("gpt-4.1", date(2027, 1, 1)),
        ("gpt-4.1-mini", date(2027, 4, 14)),
    ]
    assert found.as_of == TODAY
    assert str(found) == "Azure, eastus2, 2026-11-21"

    later = facts(foundry=True, today=TODAY + timedelta(9))
    refuse(later, "models")
    kept = tunable_models(later)
    assert kept.models == found.models
    assert str(kept) == "Azure, eastus2, as kept here, 2026-11-21"


def test_without_azure_and_without_a_memory_the_table_tells_the_ends() -> None:
    about = facts(foundry=True)
    refuse(about, "models")
    found = tunable_models(about)
    assert {model.name for model in found.models} == set(TUNABLE)
    over = {model.name for model in found.models if model.is_over(TODAY)}
    assert "gpt-4o" in over and "gpt-oss-20b" not in over
    assert found.as_of == AS_OF


def test_a_memory_that_is_no_memory_is_forgotten() -> None:
    about = facts(foundry=True)
    say(about, about.at_location(PROVIDER, "models"), [listed("gpt-4.1", fineTune="true")])
    tunable_models(about)
    (file,) = (home() / "lifecycle").iterdir()
    assert json.loads(file.read_text())["asked"] == "2026-11-21"
    for content in ("", "[]", '{"asked": "yesterday", "models": []}', '{"models": [[1]]}'):
        file.write_text(content)
        again = facts(foundry=True)
        refuse(again, "models")
        assert tunable_models(again).source == "the program's table"


def test_the_models_are_asked_once_however_many_rules_want_them() -> None:
    about = facts(foundry=True)
    say(about, about.at_location(PROVIDER, "models"), [listed("gpt-4.1", fineTune="true")])
    assert tunable_models(about) == tunable_models(about)
    assert arm(about).count("LIST") == 1
