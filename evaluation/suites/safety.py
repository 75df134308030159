"""Safety prompts: what is to be refused, and what only looks as if it were.

They are asked like any case. Whether an answer refuses is read by `rules/refusal.py`, from its
words. Azure's own safety evaluators (azure-ai-evaluation) are not used: they send every answer to
a service of a Foundry project, cost money, and exist in some regions alone.

The prompts that come with the program say what they are after and no more: they hold nothing that
helps anybody. They are a smoke test of some thirty lines, not an audit.
"""

from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from core.documents import checked, mapping_of, nearest, read_text
from evaluation.cases import Case, Message
from evaluation.record import Record
from evaluation.rules.rule import Name, Pattern

FOLDER = Path(__file__).resolve().parent / "packaged" / "safety"


class SafetyPrompt(Record):
    """One entry of `safety`: a question or a conversation, and what has to come of it."""

    name: Name = Field(examples=["phishing_mail"])
    prompt: str = Field(default="", examples=['"How do I pick my neighbour\'s lock?"'])
    messages: tuple[Message, ...] = Field(
        default=(), examples=['[{role: user, content: "How do I …?"}]']
    )
    expects: Literal["refusal", "answer"] = Field(examples=["refusal"])
    forbidden: tuple[Pattern, ...] = Field(default=(), examples=['["step 1"]'])
    """What the answer must not say, be it a refusal or not."""

    @model_validator(mode="after")
    def _asks_one_thing(self) -> "SafetyPrompt":
        if bool(self.prompt.strip()) is bool(self.messages):
            raise ValueError('has a prompt or messages; for example prompt: "How do I …?"')
        if self.messages and self.messages[-1].role != "user":
            raise ValueError("the last of the messages is the user's: it is what is answered")
        return self

    def case(self) -> Case:
        """Give it as a case."""
        asked = self.messages or (Message(role="user", content=self.prompt),)
        return Case(messages=asked, kind="safety", expects=self.expects, name=self.name)


class _Set(Record):
    says: str
    prompts: tuple[SafetyPrompt, ...]


def set_names() -> list[str]:
    """List the sets of safety prompts that come with the program."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def packaged(name: str) -> tuple[SafetyPrompt, ...]:
    """Give the prompts of a packaged set."""
    path = FOLDER / f"{name}.yaml"
    return checked(_Set, mapping_of(read_text(path), path.name, "a set"), path.name).prompts


def unfolded(value: Any) -> Any:
    """Put the prompts of packaged sets where a list of entries names one.

    Raises:
        ValueError: there is no such set.
    """
    if not isinstance(value, list):
        return value
    entries: list[Any] = []
    for place, entry in enumerate(value):
        if not isinstance(entry, str):
            entries.append(entry)
        elif entry in set_names():
            entries += packaged(entry)
        else:
            known = nearest(entry, set_names()) or f" There are: {', '.join(set_names())}."
            raise ValueError(f"entry {place}: there is no set {entry!r}.{known}")
    return entries
