"""Kept answers: what a kill, another process, a full disk and a second answer leave of them."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.errors import UserError
from evaluation.cases import Case, Decoding, Message
from evaluation.replies import Reply
from evaluation.sides import Side
from evaluation.store import AnswerStore

SIDE = Side(name="tuned", identity={"model": "travel:3"})
GREEDY = Decoding()


def case(number: int, reference: str = "") -> Case:
    question = Message(role="user", content=f"Question {number}?")
    return Case(messages=(question,), reference=reference)


def reply(of: Case, text: str, side: Side = SIDE, reference: str = "") -> Reply:
    return Reply(case=of.id, side=side.key, decoding=GREEDY.id, text=text, reference=reference)


def the_file(folder: Path) -> Path:
    return folder / f"{SIDE.key}-{GREEDY.id}.jsonl"


def test_an_answer_is_found_again_by_side_decoding_and_question(tmp_path: Path) -> None:
    AnswerStore(tmp_path).add(reply(case(1), "Yes?"))
    store = AnswerStore(tmp_path)
    found = store.get(SIDE.key, GREEDY.id, case(1).id)
    assert found is not None
    assert found.text == "Yes?"
    assert store.get(SIDE.key, GREEDY.id, case(2).id) is None
    assert store.get(SIDE.key, Decoding(temperature=1).id, case(1).id) is None
    assert store.get(Side(name="tuned", identity={"model": "travel:4"}).key, GREEDY.id,
                     case(1).id) is None  # fmt: skip


def test_a_side_of_another_name_has_the_answers_of_the_same_identity(tmp_path: Path) -> None:
    AnswerStore(tmp_path).add(reply(case(1), "Yes?"))
    same = SIDE.model_copy(update={"name": "travel:3"})
    assert AnswerStore(tmp_path).missing(same, GREEDY, [case(1), case(2)]) == [case(2)]


def test_missing_cases_keep_their_order_and_come_once(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path)
    store.add(reply(case(2), "Yes?"))
    cases = [case(3), case(2), case(1), case(3)]
    assert store.missing(SIDE, GREEDY, cases) == [case(3), case(1)]


def test_the_first_of_two_answers_counts(tmp_path: Path) -> None:
    store, other = AnswerStore(tmp_path), AnswerStore(tmp_path)
    store.add(reply(case(1), "first"))
    other.add(reply(case(1), "second"))
    with the_file(tmp_path).open("a") as file:
        file.write(reply(case(1), "third").model_dump_json() + "\n")
    for one in (store, other, AnswerStore(tmp_path)):
        found = one.get(SIDE.key, GREEDY.id, case(1).id)
        assert found is not None
        assert found.text == "first"


def test_a_line_that_a_kill_cut_off_costs_that_line_alone(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path)
    store.add(reply(case(1), "one"))
    whole = reply(case(2), "two").model_dump_json().encode()
    with the_file(tmp_path).open("ab") as file:
        file.write(whole[: len(whole) // 2])
    assert AnswerStore(tmp_path).missing(SIDE, GREEDY, [case(1), case(2)]) == [case(2)]
    AnswerStore(tmp_path).add(reply(case(3), "three"))
    store.add(reply(case(2), "two, again"))
    found = AnswerStore(tmp_path).replies(SIDE, GREEDY, [case(1), case(2), case(3)])
    assert [one.text for one in found.values()] == ["one", "two, again", "three"]


def test_a_line_cut_inside_a_character_is_passed_over(tmp_path: Path) -> None:
    the_file(tmp_path).write_bytes('{"case": "ü'.encode()[:-1])
    store = AnswerStore(tmp_path)
    store.add(reply(case(1), "one"))
    assert store.missing(SIDE, GREEDY, [case(1)]) == []


def test_an_answer_scored_against_another_reference_is_asked_anew(tmp_path: Path) -> None:
    before, after = case(1, "It opens at nine."), case(1, "It opens at ten.")
    assert before.id == after.id
    store = AnswerStore(tmp_path)
    store.add(reply(before, "At nine?", reference=before.reference_id))
    assert store.missing(SIDE, GREEDY, [before]) == []
    assert store.missing(SIDE, GREEDY, [after]) == [after]
    store.add(reply(after, "At nine?", reference=after.reference_id))
    for one in (before, after):
        found = AnswerStore(tmp_path).replies(SIDE, GREEDY, [one])[one.id]
        assert found.reference == one.reference_id


def test_an_answer_without_a_score_holds_for_every_reference(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path)
    store.add(reply(case(1), "Yes?"))
    assert store.missing(SIDE, GREEDY, [case(1, "No.")]) == []


def test_threads_lose_nothing(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path)

    def add(first: int) -> None:
        for number in range(first, first + 50):
            store.add(reply(case(number), "x" * 5000))

    threads = [threading.Thread(target=add, args=(first,)) for first in (0, 25, 50, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cases = [case(number) for number in range(150)]
    assert AnswerStore(tmp_path).missing(SIDE, GREEDY, cases) == []
    assert the_file(tmp_path).read_bytes().count(b"\n") == 150


ADDING = """
import sys
from pathlib import Path
from evaluation.replies import Reply
from evaluation.store import AnswerStore
store = AnswerStore(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for number in range(100):
    store.add(Reply(case=f"{number:016}", side=sys.argv[2], decoding=sys.argv[3],
                    text=sys.argv[4] * 5000))
"""


def test_two_processes_lose_nothing_and_keep_one_answer_each(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ADDING, str(tmp_path), SIDE.key, GREEDY.id]
    both = [
        subprocess.Popen([*command, letter], text=True, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
        for letter in "ab"
    ]  # fmt: skip
    for one in both:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in both:
        one.communicate("go\n", timeout=30)
        assert one.returncode == 0
    lines = [Reply.model_validate_json(line) for line in the_file(tmp_path).open()]
    assert sorted(line.case for line in lines) == [f"{number:016}" for number in range(100)]


def test_only_the_owner_may_read_what_customers_said(tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    AnswerStore(folder).add(reply(case(1), "Yes?"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(the_file(folder).stat().st_mode) == 0o600


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = AnswerStore(tmp_path)
    store.add(reply(case(1), "one"))
    write = os.write

    def full(descriptor: int, content: bytes) -> int:
        write(descriptor, content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("evaluation.store.os.write", full)
    with pytest.raises(UserError, match="No space left on device"):
        store.add(reply(case(2), "two"))
    monkeypatch.undo()
    assert the_file(tmp_path).read_bytes().endswith(b"}\n")
    store.add(reply(case(2), "two"))
    assert AnswerStore(tmp_path).missing(SIDE, GREEDY, [case(1), case(2)]) == []


def test_a_file_that_was_deleted_meanwhile_is_asked_for_anew(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path)
    store.add(reply(case(1), "one"))
    the_file(tmp_path).unlink()
    assert store.missing(SIDE, GREEDY, [case(1)]) == [case(1)]
    store.add(reply(case(1), "again"))
    assert store.missing(SIDE, GREEDY, [case(1)]) == []


def test_a_note_is_kept_once_with_the_answers_that_it_is_about(tmp_path: Path) -> None:
    for _ in range(2):
        AnswerStore(tmp_path).note(SIDE, GREEDY, "takes no temperature")
    assert AnswerStore(tmp_path).notes(SIDE, GREEDY) == ("takes no temperature",)
    assert AnswerStore(tmp_path).notes(SIDE, Decoding(max_tokens=9)) == ()
