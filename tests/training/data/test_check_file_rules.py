"""What the checks of a file as a whole promise: near copies, leaks, system turns, routes, kinds."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SettingsError
from tests.training.data.check_material import chat, checked, pair, told, write
from training.data import check as checking
from training.data.check import check_file, leaks, require_kind
from training.data.records import MOST_SHAPES
from training.data.rules import EVERY, QUICK, RULES, choose

LONG = "There is a market on the quay every Saturday morning where fishermen sell what the night"
LONG += " brought them and where the town meets for coffee and gossip before the boats go out again"


def changed(text: str, *places: int) -> str:
    words = text.split()
    for place in places:
        words[place] = f"other{place}"
    return " ".join(words)


def words(seed: int, count: int = 40) -> str:
    chance = random.Random(seed)
    return " ".join("".join(chance.choices("abcdefgh", k=5)) for _ in range(count))


def test_near_copies_are_found_with_the_line_they_are_near_to(tmp_path: Path) -> None:
    report = checked(
        tmp_path / "f",
        chat("What is on?", words(1)),
        chat("What is on?", LONG),
        chat("What is on?", words(2)),
        chat("What is on?", changed(LONG, 30)),
    )
    assert told(report, "duplicates") == [(4, "duplicates.near")]
    assert "as line 2" in str(report.findings)


def test_other_words_in_a_third_of_the_places_are_no_near_copy(tmp_path: Path) -> None:
    other = changed(LONG, *range(0, 33, 3))
    report = checked(tmp_path / "f", chat("What is on?", LONG), chat("What is on?", other))
    assert told(report, "duplicates") == []


def test_a_common_system_message_makes_no_near_copies(tmp_path: Path) -> None:
    records = [chat(words(n, 8), words(n + 50, 20), system=LONG * 3) for n in range(6)]
    assert told(checked(tmp_path / "f", *records), "duplicates") == []


def test_an_exact_copy_is_told_once_and_as_that(tmp_path: Path) -> None:
    report = checked(tmp_path / "f", chat("What?", LONG), chat("What?", LONG))
    assert told(report, "duplicates") == [(2, "duplicates.exact")]


def test_near_copies_are_found_among_many(tmp_path: Path) -> None:
    """Nineteen in twenty of those that share nine tenths, and none among strangers."""
    strangers = [chat(words(n, 10), words(n + 10_000, 50)) for n in range(1500)]
    copies = [chat(words(n, 10), changed(words(n + 10_000, 50), 25)) for n in range(200)]
    report = checked(tmp_path / "f", *strangers, *copies)
    lines = [line for line, rule in told(report, "duplicates") if rule == "duplicates.near"]
    assert set(lines) <= set(range(1501, 1701))
    assert len(lines) >= 190


def test_leaks_are_told_exact_and_near(tmp_path: Path) -> None:
    train = checked(tmp_path / "t", chat("What?", words(5)), chat("What?", LONG))
    validation = checked(
        tmp_path / "v",
        chat("What?", words(9)),
        chat("What?", changed(LONG, 5)),
        chat("What?", LONG),
    )
    found = [(each.line, each.rule) for each in leaks(train, validation)]
    assert found == [(2, "leakage.near"), (3, "leakage.exact")]
    assert leaks(train, checked(tmp_path / "c", chat("What?", words(9)))) == []


SMOLLM, PHI3, PHI35 = "HuggingFaceTB/SmolLM2-135M", "microsoft/Phi-3-mini", "microsoft/Phi-3.5-mini"


@pytest.mark.parametrize(
    ("base", "systems", "rule"),
    [
        (SMOLLM, ("", ""), "system.default"),
        (SMOLLM, ("Be kind.", ""), "system.default"),
        (SMOLLM, ("Be kind.", "Be kind."), ""),
        (PHI35, ("Be kind.", ""), "system.mixed"),
        (PHI35, ("", ""), ""),
        ("", ("Be kind.", ""), "system.mixed"),
        ("", ("Be kind.", "Be brief."), ""),
    ],
)
def test_the_system_turns_are_held_to_the_bases_template(
    tmp_path: Path, base: str, systems: tuple[str, str], rule: str
) -> None:
    records = [chat(f"Q{n}", f"A{n}", system=system) for n, system in enumerate(systems)]
    report = checked(tmp_path / "f", *records, base=base)
    assert told(report, "system") == ([(0, rule)] if rule else [])


@pytest.mark.parametrize(("base", "fate"), [(PHI3, "is rendered"), (PHI35, "is left out")])
def test_an_empty_system_turn_is_an_error_and_its_fate_is_said(
    tmp_path: Path, base: str, fate: str
) -> None:
    report = checked(tmp_path / "f", chat("Q", "A", system=" "), chat("R", "B"), base=base)
    assert told(report, "system.empty") == [(0, "system.empty"), (1, "system.empty")]
    assert any(fate in each.reason for each in report.findings)


def test_what_another_route_would_refuse_is_a_note_for_that_route(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.data.checks.routes.OPENAI_BYTES", 90)
    small = checked(tmp_path / "f", chat("Q", "A", id=1))
    notes = [each for each in small.findings if each.rule == "routes.openai"]
    assert len(notes) == 4 and small.is_good
    assert all(each.severity == "note" and "route openai" in each.reason for each in notes)
    marked = [b"\xef\xbb\xbf" + json.dumps(chat("Q", "A")).encode()]
    large = checked(tmp_path / "g", *marked, *(chat(f"Q{n}", "A") for n in range(12)))
    assert [each.reason for each in large.findings if each.rule == "routes.openai"] == [
        "for the route openai: 0 MB; files must be below 512 MB"
    ]


PAIR_FAULTS = [
    ({"prompt": [], "chosen": [], "rejected": []}, "`prompt` is empty"),
    ({**pair("Q", "A", "B"), "chosen": "A"}, "`chosen` is text, not a list"),
    ({**pair("Q", "A", "B"), "rejected": None}, "`rejected` is missing"),
    (pair("Q", "A", "A"), "`chosen` and `rejected` are the same"),
    (pair(" ", "A", "B"), "message 1 has no text"),
    (pair("Q", "A", ""), "rejected message 1 has no text"),
    ({**pair("Q", "A", "B"), "prompt": chat("Q", "A")["messages"]}, "`prompt` ends with"),
    ({**pair("Q", "A", "B"), "chosen": chat("A")["messages"]}, "chosen message 1 is from user"),
    (chat("Q", "A"), "a chat in a file of preferences"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "reason"), PAIR_FAULTS, ids=[each for _, each in PAIR_FAULTS])
def test_each_fault_of_a_preference_is_named_with_its_line(
    tmp_path: Path, record: dict[str, Any], reason: str
) -> None:
    report = checked(tmp_path / "f", pair("Where?", "There.", "Nowhere."), record)
    assert report.kind == "preference"
    assert any(each.line == 2 and reason in each.reason for each in report.errors), report.findings
    assert {each.line for each in report.errors} == {2}


def test_good_preferences_pass_and_copies_of_them_are_found(tmp_path: Path) -> None:
    records = [pair("Q", "A", "B"), pair("Q", "B", "A"), pair("Q", "A", "B")]
    report = checked(tmp_path / "f", *records)
    assert (report.kind, report.is_good, report.rows) == ("preference", True, 3)
    assert told(report, "duplicates") == [(3, "duplicates.exact")]


def test_a_file_of_the_wrong_kind_is_refused_both_ways(tmp_path: Path) -> None:
    chats = checked(tmp_path / "chats", chat("Q", "A"))
    pairs = checked(tmp_path / "pairs", pair("Q", "A", "B"))
    require_kind("sft", chats, chats)
    require_kind("dpo", pairs)
    with pytest.raises(SettingsError, match="pairs holds preferences"):
        require_kind("sft", chats, pairs)
    with pytest.raises(SettingsError, match="chats holds chats"):
        require_kind("dpo", chats, pairs)


def test_what_is_too_long_is_asked_of_who_can_measure(tmp_path: Path) -> None:
    def measure(record: dict[str, Any]) -> int:
        return len(record["messages"][1]["content"]) - 10

    def over(record: dict[str, Any]) -> int:
        return max(0, measure(record))

    report = checked(tmp_path / "f", chat("Q", "short"), chat("Q", "x" * 17), measure=over)
    assert told(report, "length") == [(2, "length.tokens")]
    assert "7 tokens too long" in str(report.errors[0]) and not report.is_good


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
def test_lines_are_numbered_alike_however_the_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    lines = [chat("Q", "A"), b"nope", b"", b"\r", chat("R", "B\u2028b\x85"), b"[]", chat("Q", "A")]
    whole = checked(tmp_path / "f", *lines)
    monkeypatch.setattr(checking, "BLOCK", size)
    again = checked(tmp_path / "f", *lines)
    assert again.document() == whole.document()
    assert [each.line for each in again.errors] == [2, 6]
    assert told(again, "duplicates") == [(7, "duplicates.exact")]


GOOD = st.text(min_size=1).filter(lambda text: bool(text.strip())).map(lambda text: chat("Q", text))
BAD = st.sampled_from([b"nope", b"{}", b'{"messages": 1}', b"\xff", b"[", b'"\xed\xa0\x80"'])


@given(st.lists(st.tuples(st.booleans(), GOOD, BAD), min_size=1, max_size=30))
def test_the_findings_lines_are_right(tmp_path_factory: Any, lines: list[Any]) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "f.jsonl"
    records = [good if is_good else bad for is_good, good, bad in lines]
    report = check_file(write(path, *records), fewest=1)
    wrong = {number for number, (is_good, _, _) in enumerate(lines, 1) if not is_good}
    assert {each.line for each in report.errors} == wrong
    assert report.rows == len(lines)


@given(st.binary(max_size=200), st.sampled_from(["", PHI35, SMOLLM]))
def test_no_bytes_make_any_check_stumble(tmp_path_factory: Any, content: bytes, base: str) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "f.jsonl"
    path.write_bytes(content)
    report = check_file(path, rules=EVERY, base=base)
    last = content.count(b"\n") + 1
    assert all(0 <= each.line <= last and each.fix for each in report.findings)


def test_rare_shapes_are_checked_like_common_ones(tmp_path: Path) -> None:
    many = [chat("Q", "A", **{f"key{n}": n}) for n in range(MOST_SHAPES + 5)]
    report = check_file(write(tmp_path / "f", *many, chat("Q", "A", key0=1), chat("Q")))
    assert [each.line for each in report.errors] == [MOST_SHAPES + 7]
    assert report.roles == {"user": MOST_SHAPES + 7, "assistant": MOST_SHAPES + 6}
    assert "key `key0` in 2 places is not used in training" in map(str, report.findings)


def test_rules_are_chosen_by_name_and_by_group() -> None:
    assert choose() == EVERY
    assert choose(["near,personal".replace("near", "duplicates.near")], ["personal.ip"]) >= {
        "duplicates.near", "personal.card", "roles.order"
    }  # fmt: skip
    assert not choose(["secrets"]) & {"duplicates.exact", "personal.card"}
    assert not choose(skip=["personal", "secrets.key"]) & {"personal.card", "secrets.key"}
    assert QUICK < EVERY and all(rule.fix.endswith(".") for rule in RULES.values())
    with pytest.raises(SettingsError, match="no rule nonsense"):
        choose(["nonsense"])
    with pytest.raises(SettingsError, match="roles cannot be skipped"):
        choose(skip=["roles"])


MEASURE = """
import re, sys
from pathlib import Path
from training.data.check import check_file
from training.data.rules import EVERY, QUICK

def peak():  # of this program; getrusage counts its parent's, too
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

rules = EVERY if sys.argv[3] == "every" else QUICK
check_file(Path(sys.argv[1]), rules=rules)
before = peak()
report = check_file(Path(sys.argv[2]), rules=rules)
print(peak() - before, report.rows)
"""


def _grown(tmp_path: Path, rows: int, which: str) -> tuple[int, int]:
    """Give the bytes by which ten times the rows raise the peak, and the rows beyond."""

    if not Path("/proc/self/status").exists():
        pytest.skip("there is no /proc to read the peak from")

    def file(name: str, count: int) -> Path:
        path = tmp_path / name
        with path.open("w") as out:
            for number in range(count):
                chance = random.Random(number)
                text = " ".join("".join(chance.choices("abcdefgh", k=6)) for _ in range(14))
                out.write(json.dumps(chat(text, text[::-1])) + "\n")
        return path

    small, large = file("small", rows), file("large", 10 * rows)
    argv = [sys.executable, "-c", MEASURE, str(small), str(large), which]
    root = Path(__file__).parents[3]
    env = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
    done = subprocess.run(argv, cwd=root, env=env, check=True, capture_output=True, text=True)
    grown, counted = map(int, done.stdout.split())
    assert counted == 10 * rows
    return grown, 9 * rows


FORM, ALL = 72, 72 + 80
"""Bytes a record at most: the table of copies while it doubles, the sketches while sorted."""


@pytest.mark.parametrize(("which", "each"), [("quick", FORM), ("every", ALL)])
def test_ten_times_the_records_take_only_the_tables_memory(
    tmp_path: Path, which: str, each: int
) -> None:
    # Eight megabytes for what a file of one block does not need yet; texts kept would be twenty.
    grown, beyond = _grown(tmp_path, 5000, which)
    assert grown <= each * beyond + (8 << 20)


@pytest.mark.slow
@pytest.mark.parametrize(("which", "each"), [("quick", FORM), ("every", ALL)])
def test_memory_is_flat_at_two_hundred_thousand_records(
    tmp_path: Path, which: str, each: int
) -> None:
    """Slow: writes and checks 200,000 records, so that bytes a record stand out from the rest."""
    grown, beyond = _grown(tmp_path, 20_000, which)
    assert grown <= each * beyond
