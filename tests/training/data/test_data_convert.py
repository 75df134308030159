"""What `tunestack data convert` promises: whole or not at all, nothing lost unsaid."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import COMMANDS, help_text
from commands.root import command_line

CSV = 'question,answer,id\n"Where\nto?",To the sea.,1\n,Nobody asked.,2\nWhen?,At six.,3\n'
FAQ = "--columns=user=question,assistant=answer"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faq.csv").write_text(CSV)

    def run(*arguments: str, code: int = 0) -> Result:
        cli = command_line(COMMANDS, help_text())
        result = CliRunner().invoke(cli, ["data", "convert", *arguments])
        assert result.exit_code == code, result.output
        return result

    return run


def records(path: str) -> list[Any]:
    return [json.loads(line) for line in Path(path).read_bytes().splitlines()]


def test_a_record_that_cannot_be_trained_on_stops_it_and_nothing_is_written(run: Any) -> None:
    result = run("faq.csv", FAQ, code=2)
    assert "1 of 3 records cannot be trained on; nothing was written" in result.stderr
    assert "--skip-bad" in result.stderr
    assert "4     message 1 has no text" in result.stdout
    assert not list(Path().glob("data/*"))


def test_bad_records_are_left_out_when_asked_and_told_by_line(run: Any) -> None:
    document = json.loads(run("faq.csv", FAQ, "--skip-bad", "--json").stdout)
    assert (document["rows"], document["to"]) == (2, "data/faq.jsonl")
    assert document["left_out"] == [{"line": 4, "reason": "message 1 has no text"}]
    assert document["check"]["rows"] == 2 and document["check"]["is_good"]
    made = records("data/faq.jsonl")
    assert [record["id"] for record in made] == ["1", "3"]
    assert made[0]["messages"][0]["content"] == "Where\nto?"


def test_json_has_every_record_that_was_refused(run: Any) -> None:
    Path("many.jsonl").write_text('{"messages": []}\n' * 100)
    result = run("many.jsonl", "--json", code=2)
    assert [one["line"] for one in json.loads(result.stdout)["left_out"]] == list(range(1, 101))
    assert "and 80 more" in run("many.jsonl", code=2).stdout


def test_a_second_time_changes_nothing_and_a_changed_file_is_kept(run: Any) -> None:
    run("faq.csv", FAQ, "--skip-bad")
    run("faq.csv", FAQ, "--skip-bad")
    Path("data/faq.jsonl").write_text("mine\n")
    refused = run("faq.csv", FAQ, "--skip-bad", code=2)
    assert "data/faq.jsonl would be overwritten and differs" in refused.stderr
    assert Path("data/faq.jsonl").read_text() == "mine\n"
    assert [path.name for path in Path("data").iterdir()] == ["faq.jsonl"]
    run("faq.csv", FAQ, "--skip-bad", "--force")
    assert len(records("data/faq.jsonl")) == 2


def test_limit_system_and_target_are_honoured(run: Any) -> None:
    run("faq.csv", FAQ, "--limit", "1", "--system", "Be kind.", "--to", "sub/out.jsonl")
    (record,) = records("sub/out.jsonl")
    assert record["messages"][0] == {"role": "system", "content": "Be kind."}


def test_preferences_are_checked_as_preferences(run: Any) -> None:
    pair = {"prompt": "Where to?", "chosen": "To the sea.", "rejected": "No idea."}
    lines = [pair, pair | {"rejected": pair["chosen"]}]
    Path("in.jsonl").write_text("\n".join(map(json.dumps, lines)))
    document = json.loads(run("in.jsonl", "--skip-bad", "--json").stdout)
    assert document["check"]["is_good"] and document["rows"] == 1
    assert "are the same" in document["left_out"][0]["reason"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["faq.csv"], "--columns user=question,assistant=answer"),
        (["faq.csv", "--columns", "question"], "is not ROLE=COLUMN"),
        (["faq.csv", "--columns", "user=qestion,assistant=answer"], "Did you mean question?"),
        (["faq.csv", FAQ, "--to", "faq.csv", "--force"], "overwritten by its own conversion"),
        (["faq.csv", FAQ, "--to", "faq.csv/x.jsonl"], "cannot write there"),
        (["nope.csv"], "nope.csv: No such file"),
        (["hub:nope"], "hub:OWNER/NAME"),
    ],
)
def test_a_wrong_request_ends_with_two_and_says_what_helps(
    run: Any, arguments: list[str], says: str
) -> None:
    assert says in run(*arguments, code=2).stderr
    assert Path("faq.csv").read_text() == CSV
