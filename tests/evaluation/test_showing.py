"""An evaluation as the terminal shows it, and `models compare --json` as programs read it."""

import pytest

from commands.evaluate.showing import print_evaluation
from commands.models.answers import document
from evaluation.report.pairs import pairs
from evaluation.results import Evaluation
from tests.evaluation.example import evaluation

BETTER = (
    "is better than base in 1 of 3 measures (Recommends no hotels or restaurants), worse in none."
)


@pytest.fixture(scope="module")
def example() -> Evaluation:
    return evaluation()


def test_the_verdict_is_the_last_line_and_the_table_is_short(
    example: Evaluation, capsys: pytest.CaptureFixture[str]
) -> None:
    print_evaluation(example, rows=0)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[-1] == f"tuned {BETTER}"
    assert lines[-2] == "Note: 1 case has no reply of tuned."
    assert len(lines) <= 10
    [first] = [line.split("  ") for line in lines if line.startswith("Recommends")]
    assert [cell.strip() for cell in first if cell.strip()] == [
        "Recommends no hotels or restaurants", "72 %", "100 %", "+28 points", "+16 to +40",
        "better", "McNemar (exact), corrected p < 0.001",
    ]  # fmt: skip
    assert any("ROUGE-L" in line and "too few (about 340)" in line for line in lines)


def test_the_cases_that_changed_most_come_first_losses_too(
    example: Evaluation, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = [one for one in pairs(example, "tuned") if one.rules]
    assert {one.rules for one in changed} == {-1.0, 1.0}
    print_evaluation(example, rows=len(changed))
    told = capsys.readouterr()
    assert all(one.result.case.question in told.out for one in changed)
    assert told.out.count("not kept (hard): Try the Hotel") == len(changed)
    assert f"and {60 - len(changed)} more questions: --rows 60" in told.err


def test_more_sides_stand_beside_each_other_with_a_verdict_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_evaluation(evaluation(12, ("base", "a", "b")), rows=1)
    told = capsys.readouterr().out
    assert told.splitlines()[-2:] == [f"{name} {BETTER}" for name in "ab"]
    assert "100 %  better" in told


def test_words_never_steer_the_terminal(
    example: Evaluation, capsys: pytest.CaptureFixture[str]
) -> None:
    reply = example.cases[0].replies["tuned"].model_copy(update={"text": "[red]no[/red] \x1b[2J"})
    first = example.cases[0].model_copy(
        update={"replies": {**example.cases[0].replies, "tuned": reply}}
    )
    print_evaluation(example.model_copy(update={"cases": (first,)}), rows=1)
    told = capsys.readouterr().out
    assert "[red]no[/red]" in told and "\x1b" not in told


def test_programs_get_counts_rows_and_the_verdict(example: Evaluation) -> None:
    told = document(example)
    broken = {side: sum(bool(one.found.get(side)) for one in example.cases)
              for side in ("base", "tuned")}  # fmt: skip
    for side in ("base", "tuned"):
        assert told[side]["answers"] == 60 and told[side]["empty"] == 0
        assert told[side]["breaking"] == {"hard": broken[side]}
        assert told[side]["equal_to_reference"] == 60 - broken[side]
    assert told["verdict"] == f"tuned {BETTER}"
    assert told["metrics"][0]["differences"]["tuned"]["judgement"] == "better"
    assert len(told["rows"]) == 60
    assert set(told["rows"][0]) == {"question", "messages", "reference", "base", "tuned"}
