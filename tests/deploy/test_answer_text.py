"""Streamed pieces never cut a character or a stop text, and make up the whole answer."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

WORDS = st.lists(
    st.sampled_from(["Lisbon ", "é", "旅", "🧭", "\n", "  ", "a", "ab", "b", "END", "E", "ND"]),
    max_size=24,
)
STOPS = st.lists(
    st.sampled_from(["END", "ab", "\n", "旅🧭", "a b", "ENDE"]), max_size=3, unique=True
)


def pieces_of(tokenizer: Any, tokens: list[int], stops: tuple[str, ...]) -> list[str]:
    from answer_text import AnswerText

    text = AnswerText(tokenizer, stops)
    pieces = []
    for token in tokens:
        pieces.append(text.push(token))
        if text.is_stopped:
            return pieces
    return [*pieces, text.rest()]


@settings(deadline=None, max_examples=300)
@given(words=WORDS, stops=STOPS)
def test_pieces_make_up_the_answer_up_to_its_stop_text(
    tokenizer: Any, words: list[str], stops: list[str]
) -> None:
    text = "".join(words)
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
    pieces = pieces_of(tokenizer, tokens, tuple(stops))
    assert not any("\ufffd" in piece for piece in pieces)
    joined = "".join(pieces)
    assert not any(stop in joined for stop in stops)
    assert text.startswith(joined) or text.lstrip().startswith(joined)
    if not stops:
        assert joined == text.strip()


@settings(deadline=None, max_examples=200)
@given(words=WORDS, stop=st.sampled_from(["END", "ab", "\n", "旅"]))
def test_one_stop_text_cuts_where_a_search_in_the_whole_would(
    tokenizer: Any, words: list[str], stop: str
) -> None:
    text = "".join(words)
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
    pieces = pieces_of(tokenizer, tokens, (stop,))
    assert "".join(pieces) == text.partition(stop)[0].strip()


@settings(deadline=None, max_examples=200)
@given(numbers=st.lists(st.integers(0, 380), max_size=40))
def test_any_tokens_at_all_give_text(tokenizer: Any, numbers: list[int]) -> None:
    pieces = pieces_of(tokenizer, numbers, ())
    whole = tokenizer.decode(numbers, skip_special_tokens=True)
    unfinished = "".join(pieces)
    assert whole.strip().startswith(unfinished)
    rest = whole.strip()[len(unfinished) :]
    assert all(mark == "\ufffd" or mark.isspace() for mark in rest)


def test_what_may_become_a_stop_text_is_held_back_no_longer_than_needed(tokenizer: Any) -> None:
    from answer_text import AnswerText

    text = AnswerText(tokenizer, ("END",))
    assert [text.push_text(part) for part in ("aE", "N", "x", "E", "ND", "more")] == [
        *("a", "", "ENx", "", "", ""),
    ]
    assert text.is_stopped
