"""The file of votes: only grows, survives kills, has one writer, and is read back and counted."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import SettingsError, UserError
from evaluation.questions.votes import Tally, read_votes, tally, writing


def answer(id: str, side: str = "tuned", model: str = "travel:3", text: str = "Hi.") -> Any:
    messages = [{"role": "user", "content": "Hello?"}]
    told = {"id": id, "side": side, "deployment": f"{side}-1", "model": model}
    return {**told, "messages": messages, "text": text, "finish": "stop", "tokens": 2}


def vote(verdict: str, *answers: Any, about: str = "") -> dict[str, Any]:
    judged = answers or (answer("a"),)
    return {
        "stack": "dev",
        "endpoint": "ep",
        "kind": "thumb" if len(judged) == 1 else "preference",
        "verdict": verdict,
        "about": about or judged[0]["id"],
        "parameters": {"temperature": 0.5, "stop": ["END"]},
        "answers": judged,
    }


def test_what_is_written_is_read_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "votes.jsonl"
    pair = (answer("a", text="eins\u2028zwei\n\U0001f600"), answer("b", "base", "travel-base:3"))
    with writing(path) as writer:
        first = writer.append(vote("up"))
        second = writer.append(vote("better", *pair, about="b"))
        assert writer.count == 2
    found = read_votes(path)
    assert found.votes == (first, second)
    assert found.unreadable == ()
    assert found.votes[1].answers[0].text == "eins\u2028zwei\n\U0001f600"
    assert [json.loads(line)["format"] for line in path.read_bytes().split(b"\n")[:-1]] == [1, 1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_votes_are_counted_by_model_and_the_last_one_about_an_answer_counts(
    tmp_path: Path,
) -> None:
    pair = (answer("a"), answer("b", "base", "travel-base:3"))
    with writing(tmp_path / "v") as writer:
        for each in (
            vote("up", answer("c")),
            vote("down", answer("c")),
            vote("up", answer("d")),
            vote("withdrawn", answer("d")),
            vote("up", answer("e", "base", "")),
            vote("better", *pair, about="a"),
            vote("better", *reversed(pair), about="b"),
        ):
            writer.append(each)
        assert writer.count == 3
    found = read_votes(tmp_path / "v")
    assert len(found.votes) == 7
    assert tally(found.standing()) == {
        "travel:3": Tally(down=1, worse=1),
        "base-1": Tally(up=1),
        "travel-base:3": Tally(better=1),
    }
    with writing(tmp_path / "v") as writer:
        assert writer.count == 3


def test_a_line_that_a_kill_cut_off_costs_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "v"
    with writing(path) as writer:
        writer.append(vote("up"))
        writer.append(vote("up", answer("b")))
    whole = path.read_bytes()
    for cut in (1, 40, len(whole.split(b"\n")[1])):
        path.write_bytes(whole[:-cut])
        with writing(path) as writer:
            writer.append(vote("down", answer("c")))
        found = read_votes(path)
        # Cut by its newline alone, the line is whole.
        ids = ["a", "c"] if cut > 1 else ["a", "b", "c"]
        assert [each.about for each in found.votes] == ids
        assert found.unreadable == ((2,) if cut > 1 else ())


def test_a_second_writer_is_refused_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "v"
    script = (
        "import sys, pathlib\nfrom evaluation.questions.votes import writing\n"
        "with writing(pathlib.Path(sys.argv[1])):\n  print('has it', flush=True)\n"
        "  sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"has it\n"
        with pytest.raises(UserError, match="written by another process"), writing(path):
            pass
        other.kill()
    with writing(path) as writer:
        writer.append(vote("up"))


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with writing(tmp_path / "v") as writer:
        writer.append(vote("up"))
        before = (tmp_path / "v").read_bytes()

        def full(descriptor: int, data: bytes) -> int:
            monkeypatch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
            return write(descriptor, data[:30])

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="full"):
            writer.append(vote("up", answer("b")))
        monkeypatch.undo()
        assert (tmp_path / "v").read_bytes() == before
        writer.append(vote("up", answer("c")))
    assert [each.about for each in read_votes(tmp_path / "v").votes] == ["a", "c"]


@pytest.mark.parametrize(
    ("spoilt", "found"),
    [
        ({"verdict": "better"}, "a thumb is up or down"),
        ({"about": "z"}, "`about` must be the id"),
        ({"kind": "preference"}, "about 2 answer"),
        ({"answers": []}, "answers"),
        ({"parameters": {"temperature": float("nan")}}, "parameters.temperature"),
        ({"parameters": {"api_key": "x"}}, "parameters.api_key"),
        ({"answers": [answer("a") | {"text": "\ud800"}]}, "answers.0.text"),
        ({"secret": 1}, "secret"),
    ],
)
def test_what_is_no_vote_is_refused_by_field_and_not_repeated(
    tmp_path: Path, spoilt: dict[str, Any], found: str
) -> None:
    with writing(tmp_path / "v") as writer:
        with pytest.raises(SettingsError, match=found) as caught:
            writer.append(vote("up") | spoilt)
        assert "Hello?" not in str(caught.value)
        assert writer.count == 0
    assert (tmp_path / "v").read_bytes() == b""


@settings(max_examples=100)
@given(content=st.binary(max_size=300))
def test_any_bytes_are_read_as_votes_or_unreadable_lines(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any-votes"
    path.write_bytes(content)
    found = read_votes(path)
    assert len(found.votes) + len(found.unreadable) <= content.count(b"\n") + 1


def test_no_file_holds_no_votes_and_a_folder_is_an_error(tmp_path: Path) -> None:
    assert read_votes(tmp_path / "none").votes == ()
    with pytest.raises(UserError, match="cannot be read"):
        read_votes(tmp_path)
    with pytest.raises(UserError, match="cannot be written"), writing(tmp_path):
        pass
