"""Answers that another tool has written: a file of conversations and the reply to each.

    {"messages": [{"role": "user", "content": "..."}], "reply": "..."}

A line is matched to a case by its messages; what nobody asks is passed over.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import ConfigDict, Field, ValidationError

from commands.evaluate.asked import Asked, Saved
from core.errors import SettingsError
from evaluation.cases import Case, Decoding, Message
from evaluation.record import Record
from evaluation.replies import Reply
from evaluation.store import AnswerStore

SHOWN = 10
"""Findings of a file that are listed."""

ELSEWHERE = "The answers of {} were written elsewhere: how they were decoded is not known."


class SavedReply(Record):
    """A line; fields that it does not know are another tool's business."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    messages: tuple[Message, ...] = Field(min_length=1)
    reply: str
    tokens: int | None = Field(default=None, ge=0)
    prompt_tokens: int | None = Field(default=None, ge=0)
    seconds: float | None = Field(default=None, ge=0)


def read_saved(path: Path) -> dict[str, SavedReply]:
    """Read a file's lines by `Case.id`; of two about the same messages the first counts.

    Raises:
        SettingsError: it cannot be read, or lines are no replies; each, without what they say.
    """
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8: {error.reason}.") from error
    found: dict[str, SavedReply] = {}
    wrong: list[str] = []
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            one = SavedReply.model_validate(json.loads(line))
            found.setdefault(Case(messages=one.messages).id, one)
        except (ValueError, ValidationError) as error:
            wrong.append(f"{path}, line {number}: {_why(error)}")
    if wrong or not found:
        raise _no_replies(path, wrong)
    return found


def collect_saved(
    asked: Asked, cases: Sequence[Case], decoding: Decoding, store: AnswerStore
) -> None:
    """Put a file's replies to these cases into the store.

    Raises:
        SettingsError: the file is not readable, or answers none of the cases.
    """
    assert isinstance(asked.way, Saved)
    found = read_saved(asked.way.path)
    if not any(case.id in found for case in cases):
        raise SettingsError(
            f"{asked.way.path}: none of its {len(found)} replies is to one of the"
            f" {len(cases)} questions.",
            hint="Its `messages` must be those of --data without the last answer, the system"
            " message among them.",
        )
    store.note(asked.side, decoding, ELSEWHERE.format(asked.side.name))
    for case in store.missing(asked.side, decoding, cases):
        if (one := found.get(case.id)) is not None:
            store.add(
                Reply(
                    case=case.id,
                    side=asked.side.key,
                    decoding=decoding.id,
                    text=one.reply,
                    tokens=one.tokens,
                    prompt_tokens=one.prompt_tokens,
                    seconds=one.seconds,
                )
            )


def _why(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return "no JSON"
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the line'}: {first['msg']}"


def _no_replies(path: Path, wrong: list[str]) -> SettingsError:
    shown = wrong[:SHOWN] or [f"{path} holds no reply."]
    if len(wrong) > SHOWN:
        shown.append(f"… and {len(wrong) - SHOWN} lines more")
    return SettingsError(
        "\n".join(shown), hint='A line is {"messages": [{"role", "content"}, …], "reply": "…"}'
    )
