"""Forms that hold one question and one answer: prompt/completion, Alpaca, chosen columns."""

from collections.abc import Mapping

from training.data.formats.form import BadRecord
from training.data.formats.turns import (
    Record,
    Turn,
    beside,
    kind,
    text,
    text_if_any,
    text_or_messages,
    transcript,
    turn,
    with_system,
)

COLUMN_ROLES = ("user", "assistant", "system", "chosen", "rejected")


def prompt_completion(record: Record) -> Record:
    """Make a chat of `prompt` and `completion`, each text or messages.

    A prompt that is a transcript (`User: … Assistant: … User: … Assistant:`) becomes its turns.

    Raises:
        BadRecord: one of them is missing or neither text nor messages.
    """
    question = text_or_messages(record, "prompt", "user")
    if isinstance(record["prompt"], str):
        question = transcript(record["prompt"], is_open=True) or question
    answer = text_or_messages(record, "completion", "assistant")
    question = with_system(question, text_if_any(record, "system"))
    rest = beside(record, ("prompt", "completion", "system", "messages"))
    return {"messages": question + answer, **rest}


def alpaca(record: Record) -> Record:
    """Make a chat of `instruction`, `input` and `output`; `system` and `history` are honoured.

    The input follows the instruction after an empty line.

    Raises:
        BadRecord: one of them is missing or no text.
    """
    asked = [text(record, "instruction"), text_if_any(record, "input")]
    turns = [
        *_history(record.get("history")),
        turn("user", "\n\n".join(part for part in asked if part)),
        turn("assistant", text(record, "output")),
    ]
    turns = with_system(turns, text_if_any(record, "system"))
    used = ("instruction", "input", "output", "system", "history", "messages")
    return {"messages": turns, **beside(record, used)}


def _history(history: object) -> list[Turn]:
    if history is None:
        return []
    if not isinstance(history, list):
        raise BadRecord(f"`history` is {kind(history)}, not a list")
    turns = []
    for number, pair in enumerate(history, 1):
        if not (isinstance(pair, list) and [type(part) for part in pair] == [str, str]):
            raise BadRecord(f"`history`: entry {number} is not a question with its answer")
        turns += [turn("user", pair[0]), turn("assistant", pair[1])]
    return turns


def from_columns(record: Record, columns: Mapping[str, str]) -> Record:
    """Make a chat of the columns that were chosen for user, assistant and system.

    Raises:
        BadRecord: a column is missing in this record or holds no text.
    """
    turns = [
        turn("user", text(record, columns["user"])),
        turn("assistant", text(record, columns["assistant"])),
    ]
    turns = with_system(turns, text_if_any(record, columns.get("system", "system")))
    used = {*columns.values(), "messages", "system"}
    return {"messages": turns, **beside(record, used)}
