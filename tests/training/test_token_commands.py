"""`data show`, `data stats` and `data check --recipe`, through the command line, without torch."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from commands.data.command import data
from commands.data.stats import histogram
from core.errors import PrerequisiteError, SettingsError
from core.recipe import Recipe
from training.recipes import load_recipe
from training.tokens import packs, steps_of, tokens_of_line

TURNS = (("user", "Where does {} live?"), ("assistant", "{} lives by the lighthouse."))


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path / "home"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "train.jsonl"
    records = [
        {"messages": [{"role": r, "content": text.format(f"Ada{n}")} for r, text in TURNS]}
        for n in range(12)
    ]
    records[4]["messages"][0]["content"] += " please" * 100
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(data, [str(part) for part in arguments])


def _json(*arguments: object) -> Any:
    result = _run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_show_lists_each_token_and_whether_it_is_learned(file: Path) -> None:
    shown = _json("show", file, 2, "--recipe", "tiny-phi3")
    learned = "".join(token["token"] for token in shown["tokens"] if token["learns"])
    assert learned.startswith("Ada1 lives by the lighthouse.<|end|>")
    read = "".join(token["token"] for token in shown["tokens"] if not token["learns"])
    assert "<|user|>" in read and "Where does Ada1 live?" in read and "lives" not in read
    plain = _run("show", file, 2, "--recipe", "tiny-phi3").stdout.splitlines()
    rows = [line.split("\t") for line in plain[:-1]]
    assert [(kind == "learn", int(id)) for kind, id, _ in rows] == [
        (token["learns"], token["id"]) for token in shown["tokens"]
    ]
    assert plain[-1].startswith(f"{len(rows)} tokens, {shown['learned']} of them learned")


def test_stats_counts_tokens_steps_and_what_is_too_long(file: Path) -> None:
    limit = ("--recipe", "tiny-phi3", "--set", "training.max_length=64")
    found = _json("stats", file, *limit)
    facts, run = found["files"][0], found["run"]
    assert facts["chats"] == 12 and 0 < facts["learned"] < facts["tokens"]
    (longer,) = facts["longer_than_max_length"]
    assert longer["line"] == 5 and longer["tokens"] == facts["longest"]
    assert facts["truncation_would_cut"] == facts["longest"] - 64
    assert sum(one["chats"] for one in facts["histogram"]) == 12
    assert run["steps"] == 120 and run["packs"] is None  # 12 chats in batches of 8, 60 epochs
    assert run["estimate"]["hours"]["high"] > 0
    told = _run("stats", file, *limit).stdout
    assert "1 is longer than training.max_length 64 (line 5)" in told and "█" in told
    assert "About" in told and "$" in told


def test_check_with_a_recipe_finds_what_is_too_long(file: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.yaml"
    stock = Path("training/recipes/tiny-phi3.yaml").read_text()
    short.write_text(stock.replace("max_length: 512", "max_length: 64"))
    result = _run("check", file, "--recipe", short, "--json")
    findings = json.loads(result.stdout)[0]["findings"]
    (found,) = [one for one in findings if one["rule"] == "length.tokens"]
    assert found["line"] == 5 and "max_length 64" in found["reason"]
    assert isinstance(result.exception, SettingsError)
    (report,) = _json("check", file, "--recipe", "tiny-phi3")
    assert not [one for one in report["findings"] if one["rule"] == "length.tokens"]


def test_without_the_packages_the_extra_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.tokens.importlib.util.find_spec", lambda name: None)
    with pytest.raises(PrerequisiteError, match="transformers") as refusal:
        tokens_of_line(file, 1, load_recipe("tiny-phi3"))
    assert "tunestack[tokens]" in refusal.value.hint


@pytest.mark.slow
def test_a_hub_out_of_reach_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow: the hub's client asks several times."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(PrerequisiteError, match=r"Phi-3\.5-mini-instruct at 2fe19") as refusal:
        tokens_of_line(file, 1, load_recipe("phi-3.5-mini"))
    assert "network" in refusal.value.hint


def test_a_line_or_file_that_is_not_there_is_named(file: Path, tmp_path: Path) -> None:
    tiny = load_recipe("tiny-phi3")
    with pytest.raises(SettingsError, match="no record on line 99"):
        tokens_of_line(file, 99, tiny)
    with pytest.raises((SettingsError, PrerequisiteError), match="cannot be read"):
        tokens_of_line(tmp_path / "gone.jsonl", 1, tiny)


@pytest.mark.parametrize(
    ("lengths", "limit", "expected"),
    [([64], 64, 1), ([65], 64, 2), ([32, 33, 31], 64, 2), ([10] * 13, 64, 3), ([1000], 64, 16)],
)
def test_packs_hold_what_fits(lengths: list[int], limit: int, expected: int) -> None:
    assert packs(lengths, limit) == expected


def test_steps_follow_batches_accumulation_processes_and_packs() -> None:
    def steps(**training: Any) -> int:
        tiny = load_recipe("tiny-phi3").model_dump()
        settings = {"epochs": 2, "batch_size": 4, "max_length": 64} | training
        tiny["training"] |= settings
        return steps_of(Recipe(**tiny), [30] * 50)

    assert steps() == 26
    assert steps(accumulation=2) == 14
    assert steps(processes=2) == 14
    assert steps(packing=True) == 14
    assert steps(max_steps=5) == 5


def test_a_histogram_has_round_bins_and_counts_each_once() -> None:
    bins = histogram(sorted([3, 98, 99, 100, 250, 411]))
    assert all(start % 50 == 0 and end - start == 50 for start, end, _ in bins)
    assert sum(count for *_, count in bins) == 6 and bins[0] == (0, 50, 1)
    assert histogram([7]) == [(7, 8, 1)]
