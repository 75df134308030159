"""Forms that hold two answers to one prompt: TRL's preference records and Azure OpenAI's.

Each becomes `{"prompt": [...], "chosen": [...], "rejected": [...]}`, lists of messages. Tool calls
are refused: nothing here trains on them. Whose turn it is, is left for the check to say.
"""

from collections.abc import Mapping

from training.data.formats.form import BadRecord
from training.data.formats.turns import (
    Record,
    Turn,
    beside,
    kind,
    messages,
    text,
    text_if_any,
    text_or_messages,
    transcript,
    turn,
    with_system,
)

ANSWERS = ("chosen", "rejected")


def preference(record: Record) -> Record:
    """Read TRL's form: text or messages, the prompt given or what both answers begin with.

    Raises:
        BadRecord: what is there is no preference.
    """
    chosen, rejected = (_answer(record, key) for key in ANSWERS)
    prompt = [] if record.get("prompt") is None else text_or_messages(record, "prompt", "user")
    if prompt and isinstance(record["prompt"], str):
        prompt = transcript(record["prompt"], is_open=True) or prompt
    prompt, chosen, rejected = _parted(prompt, chosen, rejected)
    prompt = with_system(prompt, text_if_any(record, "system"))
    return _made(prompt, chosen, rejected, beside(record, ("prompt", "system", *ANSWERS)))


def azure_preference(record: Record) -> Record:
    """Read Azure OpenAI's form: `input.messages`, `preferred_output`, `non_preferred_output`.

    Raises:
        BadRecord: what is there is no preference, or it is about tools.
    """
    asked = record.get("input")
    if not isinstance(asked, dict):
        raise BadRecord(f"`input` is {kind(asked)}, not an object with `messages`")
    if asked.get("tools"):
        raise BadRecord("`input.tools`: tool calls cannot be trained here")
    used = ("input", "preferred_output", "non_preferred_output")
    return _made(
        messages(asked.get("messages"), "input.messages"),
        messages(record.get("preferred_output"), "preferred_output"),
        messages(record.get("non_preferred_output"), "non_preferred_output"),
        beside(record, (*used, "prompt", *ANSWERS)),
    )


def from_answer_columns(record: Record, columns: Mapping[str, str]) -> Record:
    """Make a preference of the columns chosen for user, chosen, rejected and system.

    Raises:
        BadRecord: a column is missing in this record or holds no text.
    """
    prompt = [turn("user", text(record, columns["user"]))]
    prompt = with_system(prompt, text_if_any(record, columns.get("system", "system")))
    chosen, rejected = ([turn("assistant", text(record, columns[key]))] for key in ANSWERS)
    used = {*columns.values(), "prompt", "system", *ANSWERS}
    return _made(prompt, chosen, rejected, beside(record, used))


def _answer(record: Record, key: str) -> list[Turn]:
    value = record.get(key)
    if isinstance(value, str) and record.get("prompt") is None:
        turns = transcript(value, is_open=False)
        if not turns:
            raise BadRecord(f"`prompt` is missing, and `{key}` is no conversation that holds it")
        return turns
    return text_or_messages(record, key, "assistant")


def _parted(
    prompt: list[Turn], chosen: list[Turn], rejected: list[Turn]
) -> tuple[list[Turn], list[Turn], list[Turn]]:
    """Cut the prompt off the answers, where these are the whole conversations."""
    if not chosen or chosen[0]["role"] == "assistant":
        return prompt, chosen, rejected
    shared = _shared(chosen, rejected)
    begun = chosen[:shared]
    if prompt and begun[-len(prompt) :] != prompt:
        raise BadRecord("`chosen` and `rejected` do not begin with `prompt`")
    return begun, chosen[shared:], rejected[shared:]


def _shared(chosen: list[Turn], rejected: list[Turn]) -> int:
    """Count the turns that both begin with, up to the last that is not the assistant's."""
    count = 0
    for number, (one, other) in enumerate(zip(chosen, rejected, strict=False), 1):
        if one != other:
            break
        if one["role"] != "assistant":
            count = number
    return count


def _made(prompt: list[Turn], chosen: list[Turn], rejected: list[Turn], rest: Record) -> Record:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected, **rest}
