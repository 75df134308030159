"""Cases out of files: chats as training data has them, preference pairs, and votes of `serve`.

The last answer of a chat is the reference and is not asked; of a pair it is the chosen one, of a
vote the preferred one. A question that stands in a file several times is asked once. Tool calls
are not evaluated: they are refused by line, not left out unseen.
"""

import codecs
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import orjson

from core.errors import SettingsError
from evaluation.cases import Case, Kind, Message, Role
from evaluation.questions.votes import Vote, read_votes

MOST_TOLD = 20
"""Lines that an error names; it counts the rest."""
HINT = 'A line is a chat: {"messages": [{"role": "user", "content": "…"}, …]}; other forms become'
HINT += " chats with `tunestack data convert`."


def read_cases(path: Path, *, system: str = "", limit: int = 0, seed: int = 0) -> list[Case]:
    """Read what a file has to ask, in its order, each question once.

    A file is one of chats and preference pairs, or one of votes (its first line says which).
    `system` takes the place of the file's own system messages. `limit` (0: all) takes a sample
    that `seed` and the questions decide, not their places: lines that are added to a file push
    out few of those that were taken before.

    Raises:
        SettingsError: it cannot be read, has nothing to ask, or lines are no cases; names them.
    """
    lines = _lines(path)
    read = _voted(path, lines) if _holds_votes(lines) else _chats(path, lines)
    cases = once(under(case, system) for case in read)
    if not cases:
        raise SettingsError(f"{path} holds nothing to ask.", hint=HINT)
    return sample(cases, limit, seed)


def provided(cases: Iterable[Case], system: str) -> list[Case]:
    """Give a system message to those that have none; what becomes the same is asked once."""
    return once(with_system(case, system) for case in cases)


def with_system(case: Case, system: str) -> Case:
    """Give a case a system message, unless it has one of its own."""
    has_own = any(message.role == "system" for message in case.messages)
    return case if has_own else under(case, system)


def under(case: Case, system: str) -> Case:
    """Put a system message over a case in place of its own; an empty one changes nothing."""
    if not system:
        return case
    asked = tuple(message for message in case.messages if message.role != "system")
    return _with(case, messages=(Message(role="system", content=system), *asked))


def once(cases: Iterable[Case]) -> list[Case]:
    """Leave out what is asked again; the first of them counts, or the first with a reference."""
    kept: dict[str, Case] = {}
    for case in cases:
        before = kept.setdefault(case.id, case)
        if case.reference and not before.reference:
            kept[case.id] = case
    return list(kept.values())


def sample(cases: list[Case], limit: int, seed: int) -> list[Case]:
    """Take `limit` cases by the hash of seed and content, in their order; 0 takes all."""
    if not 0 < limit < len(cases):
        return cases
    chosen = sorted(cases, key=lambda case: hashlib.sha256(f"{seed}:{case.id}".encode()).digest())
    taken = {case.id for case in chosen[:limit]}
    return [case for case in cases if case.id in taken]


def _lines(path: Path) -> list[tuple[int, bytes]]:
    """Give the lines that hold something, with their numbers."""
    try:
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    # JSON may hold other breaks than the line feed.
    return [(n, line) for n, line in enumerate(content.split(b"\n"), 1) if line.strip()]


def _holds_votes(lines: list[tuple[int, bytes]]) -> bool:
    for _, line in lines:
        record = _object(line)
        if record is not None:
            return "verdict" in record and "answers" in record
    return False


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return record if isinstance(record, dict) else None


def _chats(path: Path, lines: list[tuple[int, bytes]]) -> list[Case]:
    cases, wrong = [], []
    for number, line in lines:
        try:
            cases.append(_chat(line, number))
        except ValueError as error:
            wrong.append((number, str(error)))
    _refuse(path, wrong)
    return cases


def _chat(line: bytes, number: int) -> Case:
    """Read a chat or a pair.

    Raises:
        ValueError: what is wrong, without what the person wrote.
    """
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg}") from error
    kind, turns = _turns(record)
    messages = [_message(turn, place) for place, turn in enumerate(turns, 1)]
    answered = bool(messages) and messages[-1].role == "assistant"
    reference = messages.pop().content if answered else ""
    if not messages or messages[-1].role != "user":
        raise ValueError("no question of the user before the answer")
    name = f"line {number}"
    return Case(messages=tuple(messages), reference=reference, kind=kind, name=name)


def _turns(record: Any) -> tuple[Kind, list[Any]]:
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    if record.get("tools") or record.get("functions"):
        raise ValueError("has tools: tool calls are not evaluated")
    kind: Kind = "held-out"
    parts = ["messages"]
    if "messages" not in record and "chosen" in record:
        kind, parts = "preference", ["prompt", "chosen"]
    turns: list[Any] = []
    for part in parts:
        if not isinstance(record.get(part), list):
            raise ValueError(f"`{part}` is missing or no list")
        turns += record[part]
    return kind, turns


def _message(turn: Any, place: int) -> Message:
    if not isinstance(turn, dict):
        raise ValueError(f"message {place} is no object")
    role, content = turn.get("role"), turn.get("content")
    if role == "tool" or turn.get("tool_calls") or turn.get("function_call"):
        raise ValueError(f"message {place} is of a tool call: tool calls are not evaluated")
    if role not in get_args(Role):
        raise ValueError(f"message {place} has a role that is none of {', '.join(get_args(Role))}")
    if not isinstance(content, str) or not content.strip():
        raise ValueError(f"message {place} has no text")
    return Message(role=role, content=content)


def _voted(path: Path, lines: list[tuple[int, bytes]]) -> list[Case]:
    """Give the standing votes' questions, the latest vote first; a better answer is a reference.

    A line that a kill cut off is left out, as `serve` does; one of another program is not.
    """
    votes = read_votes(path)
    whole = dict(lines)
    others = [number for number in votes.unreadable if _object(whole.get(number, b"")) is not None]
    _refuse(path, [(number, "no vote, in a file of votes") for number in others])
    return list(_voted_cases(reversed(votes.standing())))


def _voted_cases(votes: Iterable[Vote]) -> Iterator[Case]:
    for vote in votes:
        answer = next(each for each in vote.answers if each.id == vote.about)
        yield Case(
            messages=tuple(Message(**turn.model_dump()) for turn in answer.messages),
            reference="" if vote.verdict == "down" else answer.text,
            kind="preference",
            name=f"vote {vote.about}",
        )


def _refuse(path: Path, wrong: list[tuple[int, str]]) -> None:
    if not wrong:
        return
    told = [f"{path}, line {number}: {reason}" for number, reason in wrong[:MOST_TOLD]]
    if len(wrong) > MOST_TOLD:
        told.append(f"{path}: {len(wrong) - MOST_TOLD} more lines are no cases")
    raise SettingsError("\n".join(told), hint=HINT)


def _with(case: Case, **changes: Any) -> Case:
    """Change a case; a copy of it would keep the id of what was asked before."""
    return Case.model_validate(
        {**{key: getattr(case, key) for key in Case.model_fields}, **changes}
    )
