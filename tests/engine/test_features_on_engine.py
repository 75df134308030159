"""Budget and monitoring by plain `pulumi`: what is set once is left alone, and all of it goes."""

import json
from pathlib import Path

import pytest
from engine_rig import Project

STACK = "watchful"
UP = ("up", "--yes", "--skip-preview")


@pytest.fixture(scope="module", autouse=True)
def stack(project: Project) -> None:
    project.init(STACK, budget=50, monitoring=True, alertEmails=["nlp@example.com"])
    project.pulumi(*UP, "-s", STACK)


def test_a_second_up_has_nothing_to_do(project: Project) -> None:
    assert project.steps(STACK) == {}
    titles = {row["type"].rpartition(":")[2] for row in project.resources(STACK)}
    assert {"Budget", "DiagnosticSetting", "ActionGroup"} <= titles


def test_a_budget_that_began_in_another_month_is_left_alone(
    project: Project, tmp_path: Path
) -> None:
    state = json.loads(project.pulumi("stack", "export", "-s", STACK))
    (budget,) = (
        row for row in state["deployment"]["resources"] if row["type"].endswith(":Budget")
        if row["type"].startswith("azure-native:")
    )  # fmt: skip
    for side in ("inputs", "outputs"):
        budget[side]["timePeriod"]["startDate"] = "2025-03-01T00:00:00Z"
    file = tmp_path / "state.json"
    file.write_text(json.dumps(state))
    project.pulumi("stack", "import", "-s", STACK, "--file", str(file))
    assert project.steps(STACK) == {}


def test_everything_goes(project: Project) -> None:
    project.pulumi("destroy", "--yes", "--skip-preview", "--run-program", "-s", STACK)
    assert project.resources(STACK) == []
