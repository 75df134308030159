"""What a side gave for a case: its answer, how fast, and how likely it found the reference."""

from typing import Literal

from pydantic import Field

from evaluation.record import Record, Text

Finish = Literal["stop", "length", "filtered", ""]


class Reply(Record):
    """One line of saved answers."""

    case: str
    """`Case.id`."""
    side: str
    """`Side.key`."""
    decoding: str
    """`Decoding.id`."""
    text: Text
    finish: Finish = ""
    """Why it ended; `filtered`: the service's content filter took the prompt or the answer."""
    tokens: int | None = Field(default=None, ge=0)
    """Of the answer, counted by the side's own tokenizer."""
    prompt_tokens: int | None = Field(default=None, ge=0)
    seconds: float | None = Field(default=None, ge=0)
    """From the question to the last word; of a batch on a node, the batch's time over its size."""
    first_token_seconds: float | None = Field(default=None, ge=0)
    asked: str = ""
    """When it was asked where it is deployed, ISO 8601 in UTC: latencies of another day are not of
    the same load."""
    reference: str = ""
    """`Case.reference_id` of what `nll` is of: a case that was answered otherwise meanwhile is
    scored anew. Empty where nothing was scored."""
    nll: float | None = None
    """Sum over the reference's tokens of -ln p, in nats: what training calls loss, not averaged.
    The tokens are those that training learns from (the assistant's last turn with its end)."""
    scored_tokens: int | None = Field(default=None, ge=0)
    """How many tokens `nll` is a sum over."""
    correct_tokens: int | None = Field(default=None, ge=0)
    """Of how many of them the side's likeliest token was the reference's."""
