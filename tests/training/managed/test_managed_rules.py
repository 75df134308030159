"""Rules of a managed training: each as it is well, as it fails, and where Azure does not answer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.facts import Facts
from core.managed_recipe import OpenAIRecipe, ServerlessRecipe
from core.model_dates import PROVIDER
from core.rules import Finding, Status
from tests.doctor_facts import AI, facts, found, one, refuse, say, say_usages
from training.managed.rules import RULES, tuned_tokens

OPEN, CLOSED = "2027-10-14T00:00:00Z", "2026-10-14T00:00:00Z"


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path / "home"))


def about(
    base: str = "gpt-4.1-mini-2025-04-14", location: str = "northcentralus", **recipe: Any
) -> Facts:
    """Facts of a stack with everything, and a recipe of the route openai."""
    document = {"route": "openai", "name": "o", "description": "", "model_name": "m", **recipe}
    made = OpenAIRecipe.model_validate({**document, "base": {"id": base}})
    return replace(facts(location=location, hub=True, foundry=True), managed=made)


def phi(base: str = "Phi-4-mini-instruct", location: str = "eastus2") -> Facts:
    document = {"route": "serverless", "name": "s", "description": "", "model_name": "m"}
    made = ServerlessRecipe.model_validate({**document, "base": {"id": base}})
    return replace(facts(location=location, hub=True), managed=made)


def lists(of: Facts, *models: tuple[str, str, str, dict[str, str]]) -> Facts:
    """Let Azure list models: name, version, end of training, capabilities."""
    rows = [
        {
            "model": {
                "name": name,
                "version": version,
                "deprecation": {"fineTune": end},
                "capabilities": capabilities,
            }
        }
        for name, version, end, capabilities in models
    ]
    say(of, of.at_location(PROVIDER, "models"), rows)
    return of


TUNES = {"fineTune": "true"}


def failed(of: Facts, id: str) -> Finding:
    finding = one(RULES, id, of)
    assert finding.status is Status.FAILED
    assert finding.fix
    return finding


def fine(of: Facts, id: str) -> Finding:
    finding = one(RULES, id, of)
    assert finding.status is Status.OK, finding
    return finding


def test_without_a_managed_recipe_there_is_no_line_of_one() -> None:
    for rule in RULES:
        assert found(RULES, rule.id, facts(hub=True, foundry=True)) == []


def test_the_stack_needs_the_routes_feature() -> None:
    fine(about(), "managed.feature")
    fine(phi(), "managed.feature")
    bare = replace(about(), settings=facts().settings)
    assert "--set foundry=true" in failed(bare, "managed.feature").fix
    bare = replace(phi(), settings=facts().settings)
    assert "--set hub=true" in failed(bare, "managed.feature").fix


@pytest.mark.parametrize("base", ["Phi-3.5-mini-instruct", "microsoft/Phi-3-mini-4k-instruct"])
def test_phi_3_is_refused_with_the_day_it_ended_and_two_ways_on(base: str) -> None:
    finding = failed(phi(base), "managed.model")
    assert f"serverless tuning of {base} ended on 2025-08-30" in finding.told
    own = "phi-3.5-mini" if "3.5" in base else "phi-3-mini-4k"
    assert f"the same data trains the open weights: --recipe {own}" in finding.fix
    assert "--set base.id=Phi-4-mini-instruct" in finding.fix


def test_phi_3_medium_is_followed_by_phi_4() -> None:
    assert "--set base.id=Phi-4" in failed(phi("Phi-3-medium-4k-instruct"), "managed.model").fix


@pytest.mark.parametrize(
    "base", ["Phi-4-mini-instruct", "Phi-4", "microsoft/phi-4", "Ministral-3B"]
)
def test_what_hub_projects_tune_is_well(base: str) -> None:
    fine(phi(base), "managed.model")


def test_an_unknown_model_is_refused_with_those_that_are_tuned() -> None:
    finding = failed(phi("Mistral-large"), "managed.model")
    assert "Phi-4-mini-instruct, Phi-4" in finding.fix
    finding = failed(about("gpt-9"), "managed.model")
    assert "Foundry tunes no model gpt-9" in finding.told
    assert "gpt-oss-20b" in finding.fix


def test_a_model_is_open_until_the_day_that_azure_tells() -> None:
    of = lists(about(), ("gpt-4.1-mini", "2025-04-14", OPEN, TUNES))
    finding = fine(of, "managed.model")
    assert "for everybody until 2027-10-14 (Azure, northcentralus, 2026-11-21)" in finding.told


def test_a_closed_model_is_refused_and_told_how_who_had_it_goes_on() -> None:
    of = lists(about(), ("gpt-4.1-mini", "2025-04-14", CLOSED, TUNES))
    finding = failed(of, "managed.model")
    assert "existing customers only since 2026-10-14" in finding.told
    assert "--ignore managed.model" in finding.fix
    assert "gpt-oss-20b" in finding.fix


def test_without_azures_dates_the_programs_table_decides() -> None:
    of = about("gpt-4o-2024-08-06")
    refuse(of, "/models")
    finding = failed(of, "managed.model")
    assert "since 2026-10-01 (the program's table" in finding.told
    open_model = about("gpt-oss-20b")
    refuse(open_model, "/models")
    fine(open_model, "managed.model")


@pytest.mark.parametrize(
    ("base", "day"),
    [("gpt-4", "2025-06-06"), ("gpt-4-0613", "2025-06-06"), ("gpt-35-turbo-0613", "2025-02-13"),
     ("gpt-35-turbo-0125", "2026-07-07")],
)  # fmt: skip
def test_the_tutorials_gpt_4_is_gone_for_everybody(base: str, day: str) -> None:
    finding = failed(about(base), "managed.model")
    assert f"{base} was retired on {day}" in finding.told
    assert "--ignore" not in finding.fix


def test_another_version_than_the_tuned_one_is_named() -> None:
    finding = failed(about("gpt-4o-2024-05-13"), "managed.model")
    assert finding.fix == "take gpt-4o-2024-08-06"


def test_a_model_that_was_tuned_before_is_judged_by_its_base() -> None:
    of = about("gpt-4.1-mini-2025-04-14.ft-0e208cf3-travel")
    lists(of, ("gpt-4.1-mini", "2025-04-14", OPEN, TUNES))
    fine(of, "managed.model")
    fine(of, "managed.offered")


def test_serverless_tuning_is_done_in_six_regions() -> None:
    for place in ("eastus", "eastus2", "northcentralus", "southcentralus", "westus", "westus3"):
        fine(phi(location=place), "managed.region")
    finding = failed(phi(location="swedencentral"), "managed.region")
    assert "not in swedencentral" in finding.told


@pytest.mark.parametrize(
    ("base", "regions"),
    [
        ("gpt-4.1-2025-04-14", {"northcentralus", "swedencentral"}),
        ("gpt-4o-2024-08-06", {"northcentralus", "swedencentral", "eastus2"}),
    ],
)
def test_standard_training_stays_in_its_regions(base: str, regions: set[str]) -> None:
    for place in ("northcentralus", "swedencentral", "eastus2", "westus"):
        of = about(base, place, tier="Standard")
        if place in regions:
            fine(of, "managed.region")
        else:
            assert "tier=GlobalStandard" in failed(of, "managed.region").fix
        assert found(RULES, "managed.region", about(base, place)) == []


def test_what_azure_lists_in_the_region_is_offered() -> None:
    fine(lists(about(), ("gpt-4.1-mini", "2025-04-14", OPEN, TUNES)), "managed.offered")
    fine(lists(about(), ("gpt-4.1-mini", "2025-04-14", OPEN, {})), "managed.offered")
    other = lists(about(), ("gpt-4.1", "2025-04-14", OPEN, TUNES))
    assert "does not list gpt-4.1-mini" in failed(other, "managed.offered").told


def test_azures_flag_against_our_table_is_a_warning_as_it_is_false_for_open_models() -> None:
    of = lists(about("gpt-oss-20b"), ("gpt-oss-20b", "1", OPEN, {"fineTune": "false"}))
    assert one(RULES, "managed.offered", of).status is Status.WARNING
    of = lists(about("gpt-9"), ("gpt-9", "1", OPEN, {"fineTune": "false"}))
    assert "not to be tuned" in failed(of, "managed.offered").told


def test_what_azure_does_not_say_is_unknown() -> None:
    silent = lists(about())
    assert one(RULES, "managed.offered", silent).status is Status.UNKNOWN
    refused = about()
    refuse(refused, "/models")
    assert one(RULES, "managed.offered", refused).status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("base", "tier", "is_well"),
    [
        ("gpt-4.1-mini-2025-04-14", "Developer", True),
        ("gpt-4.1-mini-2025-04-14", "Standard", True),
        ("gpt-oss-20b", "GlobalStandard", True),
        ("gpt-oss-20b", "Developer", False),
        ("Qwen3-32B", "Standard", False),
    ],
)
def test_developer_and_standard_are_not_for_open_models(
    base: str, tier: str, is_well: bool
) -> None:
    of = about(base, tier=tier)
    if is_well:
        fine(of, "managed.tier")
    else:
        finding = failed(of, "managed.tier")
        assert "only GlobalStandard" in finding.told


def test_pairs_are_for_models_that_learn_from_them() -> None:
    fine(about(objective="dpo"), "managed.method")
    finding = failed(about("gpt-4o-mini-2024-07-18", objective="dpo"), "managed.method")
    assert "learns by sft, not by dpo" in finding.told
    assert "gpt-4o-2024-08-06" in finding.fix
    assert "learns by rft" in failed(about("o4-mini-2025-04-16"), "managed.method").told


def test_no_tokens_for_tuned_models_is_said_before_training_and_stops_nothing() -> None:
    (rule,) = [rule for rule in RULES if rule.id == "quota.tuned-model"]
    assert rule.concerns("train") and "train" not in rule.stops
    of = about()
    row = "OpenAI.GlobalStandard.gpt-4.1-mini-finetune"
    say_usages(of, (row, 0, 0), ("OpenAI.GlobalStandard.gpt-4.1-mini", 0, 900), provider=AI)
    finding = failed(of, rule.id)
    assert f"{row} 0 of 0" in finding.told
    assert tuned_tokens(of, "gpt-4.1-mini-2025-04-14") == replace(finding, rule="")
    full = about()
    say_usages(full, (row, 50, 50), provider=AI)
    failed(full, rule.id)


def test_tokens_for_tuned_models_are_told_and_missing_rows_are_unknown() -> None:
    of = about()
    say_usages(of, ("OpenAI.Standard.gpt-4.1-mini-finetune", 5, 250), provider=AI)
    assert "245 of 250" in fine(of, "quota.tuned-model").told
    bare = about()
    say_usages(bare, ("OpenAI.Standard.gpt-4.1-mini", 5, 250), provider=AI)
    assert one(RULES, "quota.tuned-model", bare).status is Status.UNKNOWN
    refused = about()
    refuse(refused, "/usages")
    assert one(RULES, "quota.tuned-model", refused).status is Status.UNKNOWN


def test_a_managed_training_is_not_asked_for_nodes_of_its_own() -> None:
    from commands.preflight import all_rules

    asked = {rule.id: rule for rule in all_rules() if rule.concerns("train")}
    nodes = {id for id, rule in asked.items() if rule.of_nodes}
    assert nodes == {
        "quota.cluster", "quota.low-priority", "lifecycle.vm-size", "lifecycle.image", "image.tag",
        "lifecycle.job-packages",
    }  # fmt: skip
    assert {rule.id for rule in RULES} <= asked.keys()
    left = [rule for rule in asked.values() if not rule.of_nodes and rule.id.startswith("quota")]
    assert [rule.id for rule in left] == ["quota.tuned-model"]
