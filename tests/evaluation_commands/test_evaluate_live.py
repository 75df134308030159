"""Asking what is deployed: what is kept, what is measured, what ends it and what does not."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from commands.evaluate.answers.live import collect_live
from commands.evaluate.asked import Asked
from commands.evaluate.sides.resolving import resolve
from core.errors import CloudError, Interrupted, UserError
from evaluation.cases import Case, Decoding
from evaluation.replies import Reply
from evaluation.store import AnswerStore
from tests.deploy.served import served
from tests.deploy.small_endpoint import Asked as Question
from tests.deploy.small_endpoint import SmallEndpoint, small_endpoint, streaming
from tests.evaluation_commands.live_sides import cases, is_warm_up, live_side, questions, whole

GREEDY = Decoding(max_tokens=40)
CASES = cases(6)
FILTER = {"error": {"code": "content_filter", "message": "The response was filtered …"}}


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[SmallEndpoint, SmallEndpoint]]:
    """The reference's, then the candidate's."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with small_endpoint() as base, small_endpoint() as tuned:
        yield base, tuned


def silent(side: str, done: int, of: int) -> None:
    """Say nothing of the progress."""


def collect(
    sides: list[Asked], store: AnswerStore, asked: list[Case] | None = None, told: Any = silent
) -> tuple[str, ...]:
    return collect_live(sides, CASES if asked is None else asked, GREEDY, store, told)


def kept(store: AnswerStore, side: Asked) -> list[Reply]:
    return list(store.replies(side.side, GREEDY, CASES).values())


def test_every_side_answers_every_case_and_all_of_it_is_kept(
    servers: tuple[SmallEndpoint, SmallEndpoint], tmp_path: Path
) -> None:
    sides = [live_side(server, name) for server, name in zip(servers, ("b", "t"), strict=True)]
    counts: list[tuple[str, int, int]] = []
    collect(sides, AnswerStore(tmp_path), told=lambda *one: counts.append(one))
    for side in sides:
        found = kept(AnswerStore(tmp_path), side)
        assert [one.case for one in found] == [case.id for case in CASES]
        name = side.side.name
        assert [one.text for one in found] == [f"{name} heard: {c.question}" for c in CASES]
        assert {(one.finish, one.tokens, one.prompt_tokens) for one in found} == {("stop", 3, 5)}
        assert counts.count((name, 6, 6)) == 1
        assert (name, 0, 6) in counts


def test_decoding_is_told_and_the_warm_up_counts_nowhere(
    servers: tuple[SmallEndpoint, SmallEndpoint], tmp_path: Path
) -> None:
    side, store = live_side(servers[0], "b", workers=1), AnswerStore(tmp_path)
    collect([side], store)
    first, *rest = [body for _, body in servers[0].asked]
    assert first["messages"] == [{"role": "user", "content": "Hello"}]
    assert len(rest) == len(kept(store, side)) == 6
    for body in rest:
        assert (body["temperature"], body["max_tokens"], body["stream"]) == (0, 40, True)
        assert not {"seed", "top_p", "repetition_penalty"} & body.keys()


def test_chance_is_told_with_its_seed(
    servers: tuple[SmallEndpoint, SmallEndpoint], tmp_path: Path
) -> None:
    sampled = Decoding(temperature=0.7, top_p=0.9, seed=5)
    side = live_side(servers[0], "b", workers=1)
    collect_live([side], CASES[:1], sampled, AnswerStore(tmp_path), silent)
    body = servers[0].asked[-1][1]
    assert (body["temperature"], body["top_p"], body["seed"]) == (0.7, 0.9, 5)


def test_times_are_of_the_answer_and_not_of_the_wait_before_it(
    servers: tuple[SmallEndpoint, SmallEndpoint], tmp_path: Path
) -> None:
    busy = [True]

    def answer(asked: Question) -> None:
        if is_warm_up(asked):
            streaming(asked)
        elif busy.pop() if busy else False:
            asked.whole({"error": {"code": "429", "message": "busy"}}, 429, Retry_After="1")
        else:
            asked.begin()
            time.sleep(0.1)
            asked.piece("Where")
            time.sleep(0.2)
            asked.piece(" to?", "stop")
            asked.event("[DONE]")

    servers[0].answer = answer
    side, store = live_side(servers[0], "b", workers=1), AnswerStore(tmp_path)
    collect([side], store, CASES[:1])
    (found,) = kept(store, side)
    assert found.first_token_seconds is not None
    assert found.seconds is not None
    assert 0.1 <= found.first_token_seconds < 0.3 <= found.seconds < 0.9
    assert len(questions(servers[0])) == 2


def test_of_an_answer_in_one_piece_nobody_says_when_it_began(
    servers: tuple[SmallEndpoint, SmallEndpoint], tmp_path: Path
) -> None:
    servers[0].answer = lambda asked: whole(asked, "Yes?", "length", completion_tokens=2)
    side, store = live_side(servers[0], "b"), AnswerStore(tmp_path)
    collect([side], store, CASES[:1])
    (found,) = kept(store, side)
    assert (found.finish, found.tokens, found.first_token_seconds) == ("length", 2, None)
    assert found.seconds is not None


def test_what_the_filter_blocks_is_a_reply_and_the_rest_goes_on(
    servers: tuple[SmallEndpoint, SmallEndpoint], tmp_path: Path
) -> None:
    def answer(asked: Question) -> None:
        question = asked.body["messages"][-1]["content"]
        if question == "Question 1?":
            asked.whole(FILTER, 400)
        elif question == "Question 2?":
            whole(asked, "", "content_filter")
        else:
            streaming(asked)

    servers[0].answer = answer
    side, store = live_side(servers[0], "b"), AnswerStore(tmp_path)
    assert collect([side], store) == ()
    found = kept(store, side)
    assert [one.finish for one in found] == ["stop", "filtered", "filtered", *["stop"] * 3]
    assert [one.seconds for one in found[1:3]] == [None, None]


def test_one_refused_question_stays_without_a_reply_and_is_told(
    servers: tuple[SmallEndpoint, SmallEndpoint], tmp_path: Path
) -> None:
    def answer(asked: Question) -> None:
        if asked.body["messages"][-1]["content"] == "Question 4?":
            asked.refuse(400, "too_long", "the conversation has 9000 tokens")
        else:
            streaming(asked)

    servers[0].answer = answer
    side, store = live_side(servers[0], "b"), AnswerStore(tmp_path)
    (note,) = collect([side], store)
    assert "b refused 1 question, which stays without a reply" in note
    assert "9000 tokens" in note
    assert store.missing(side.side, GREEDY, CASES) == [CASES[4]]


def test_a_question_at_which_the_model_breaks_does_not_end_the_evaluation(
    servers: tuple[SmallEndpoint, SmallEndpoint], tmp_path: Path
) -> None:
    def answer(asked: Question) -> None:
        if asked.body["messages"][-1]["content"] == "Question 0?":
            asked.refuse(500, "InternalServerError", "CUDA error")
        else:
            streaming(asked)

    servers[0].answer = answer
    side, store = live_side(servers[0], "b"), AnswerStore(tmp_path)
    (note,) = collect([side], store)
    assert "CUDA error" in note
    assert store.missing(side.side, GREEDY, CASES) == [CASES[0]]


def test_a_side_that_refuses_everything_is_not_asked_to_the_end(
    servers: tuple[SmallEndpoint, SmallEndpoint], tmp_path: Path
) -> None:
    def answer(asked: Question) -> None:
        if is_warm_up(asked):
            streaming(asked)
        else:
            asked.refuse(400, "invalid_parameter", "`max_tokens` must be at most 16")

    servers[0].answer = answer
    side = live_side(servers[0], "b", workers=1)
    with pytest.raises(UserError, match=r"b: .*at most 16"):
        collect([side], AnswerStore(tmp_path))
    assert len(questions(servers[0])) == 3


def test_a_lost_endpoint_keeps_what_came_and_only_the_rest_is_asked_again(
    servers: tuple[SmallEndpoint, SmallEndpoint], tmp_path: Path
) -> None:
    def answer(asked: Question) -> None:
        if len(questions(servers[1])) > 3:
            asked.refuse(401, "unauthorized", "the key is wrong")
        else:
            streaming(asked)

    servers[1].answer = answer
    sides = [live_side(server, name, 1) for server, name in zip(servers, ("b", "t"), strict=True)]
    with pytest.raises(CloudError, match="t: The endpoint refused the key") as caught:
        collect(sides, AnswerStore(tmp_path))
    assert "t 3 of 6" in caught.value.hint
    assert "asks only what is missing" in caught.value.hint
    store = AnswerStore(tmp_path)
    assert len(kept(store, sides[1])) == 3
    left = [len(store.missing(side.side, GREEDY, CASES)) for side in sides]
    for server in servers:
        server.asked.clear()
        server.answer = streaming
    collect(sides, store)
    assert [len(questions(server)) for server in servers] == left
    collect(sides, AnswerStore(tmp_path))
    assert [len(questions(server)) for server in servers] == left


def test_an_answer_that_breaks_off_is_asked_for_again(
    servers: tuple[SmallEndpoint, SmallEndpoint], tmp_path: Path
) -> None:
    breaks = [True, True]

    def answer(asked: Question) -> None:
        if not is_warm_up(asked) and breaks:
            breaks.pop()
            asked.begin()
            asked.piece("Half an")
        else:
            streaming(asked)

    servers[0].answer = answer
    side, store = live_side(servers[0], "b", workers=1), AnswerStore(tmp_path)
    collect([side], store)
    assert [one.text for one in kept(store, side)] == [f"b heard: {c.question}" for c in CASES]


def test_ctrl_c_keeps_what_came_and_waits_for_no_slow_answer(
    servers: tuple[SmallEndpoint, SmallEndpoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commands.evaluate.answers.live.LEAVING_SECONDS", 0.2)
    reached, leave = threading.Event(), threading.Event()

    def answer(asked: Question) -> None:
        if len(questions(servers[0])) > 2:
            reached.set()
            leave.wait(20)
        streaming(asked)

    def press() -> None:
        assert reached.wait(10)
        os.kill(os.getpid(), signal.SIGINT)

    servers[0].answer = answer
    side = live_side(servers[0], "b", workers=1)
    thread = threading.Thread(target=press)
    thread.start()
    began = time.monotonic()
    try:
        with pytest.raises(Interrupted) as caught:
            collect([side], AnswerStore(tmp_path))
    finally:
        leave.set()
        thread.join()
    assert time.monotonic() - began < 10
    assert "b 2 of 6" in caught.value.hint
    assert len(kept(AnswerStore(tmp_path), side)) >= 2


def test_a_model_that_takes_no_temperature_is_asked_without_and_that_is_told(
    servers: tuple[SmallEndpoint, SmallEndpoint], tmp_path: Path
) -> None:
    def answer(asked: Question) -> None:
        if "max_tokens" in asked.body:
            told = "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
            asked.refuse(400, "unsupported_parameter", f"{told} 'max_completion_tokens' instead.")
        elif "temperature" in asked.body:
            told = "Unsupported value: 'temperature' does not support 0 with this model."
            asked.refuse(400, "unsupported_value", told)
        else:
            streaming(asked)

    servers[0].answer = answer
    side, store = live_side(servers[0], "o4", workers=1), AnswerStore(tmp_path)
    (note,) = collect([side], store)
    assert note == "o4 takes no temperature: there its own default counts."
    assert store.notes(side.side, GREEDY) == (note,)
    assert servers[0].asked[-1][1]["max_completion_tokens"] == 40
    assert len(kept(store, side)) == len(questions(servers[0])) == 6


def test_a_fast_side_does_not_run_ahead_of_a_slow_one(
    servers: tuple[SmallEndpoint, SmallEndpoint], tmp_path: Path
) -> None:
    gaps: list[int] = []

    def slow(asked: Question) -> None:
        if not is_warm_up(asked):
            time.sleep(0.03)
            gaps.append(len(questions(servers[1])) - len(questions(servers[0])))
        streaming(asked)

    servers[0].answer = slow
    sides = [live_side(server, name) for server, name in zip(servers, ("b", "t"), strict=True)]
    many = cases(20)
    collect_live(sides, many, GREEDY, AnswerStore(tmp_path), silent)
    assert len(gaps) == 20
    assert max(gaps) <= 4, "two ahead, and two of the slow side's on their way to it"


def test_tunestack_serve_is_an_address_to_evaluate(
    servers: tuple[SmallEndpoint, SmallEndpoint], tmp_path: Path
) -> None:
    session: Any = SimpleNamespace(stack="dev")  # no stack is asked
    with served(servers[0].directory(), tmp_path / "votes.jsonl") as running:
        asked = resolve(session, [f"{running.base_url}#tuned"], live=False)
        store = AnswerStore(tmp_path / "answers")
        collect(list(asked), store)
    found = kept(store, asked[0])
    assert [one.text for one in found] == [f"v3-tuned heard: {c.question}" for c in CASES]
    assert all(one.first_token_seconds is not None for one in found)


def test_a_lost_endpoint_does_not_wait_for_a_slow_one(
    servers: tuple[SmallEndpoint, SmallEndpoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commands.evaluate.answers.live.LEAVING_SECONDS", 0.2)
    reached, leave = threading.Event(), threading.Event()

    def slow(asked: Question) -> None:
        if not is_warm_up(asked):
            reached.set()
            leave.wait(20)
        streaming(asked)

    def lost(asked: Question) -> None:
        if is_warm_up(asked):
            streaming(asked)
        else:
            assert reached.wait(10)
            asked.refuse(401, "unauthorized", "the key is wrong")

    servers[0].answer, servers[1].answer = slow, lost
    sides = [live_side(server, name, 1) for server, name in zip(servers, ("b", "t"), strict=True)]
    began = time.monotonic()
    try:
        with pytest.raises(CloudError, match="refused the key"):
            collect(sides, AnswerStore(tmp_path))
    finally:
        leave.set()
    assert time.monotonic() - began < 10
