"""What a live comparison asks: the travel lab's five questions, or a file of chats.

The tutorial (MicrosoftLearning/mslearn-ai-studio, "fine-tune a language model") has a person put
these five, under this system message, to the base and to the tuned model and look at both.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import SettingsError

SYSTEM = (
    "You are an AI travel assistant that helps people plan their trips. Your objective is to offer"
    " support for travel-related inquiries, such as visa requirements, weather forecasts, local"
    " attractions, and cultural norms. You should not provide any hotel, flight, rental car or"
    " restaurant recommendations. Ask engaging questions to help someone plan their trip and think"
    " about what they want to do on their holiday."
)
TRAVEL = (
    "Where in Rome should I stay?",
    "I'm mostly there for the food. Where should I stay to be within walking distance of affordable"
    " restaurants?",
    "What are some local delicacies I should try?",
    "When is the best time of year to visit in terms of the weather?",
    "What's the best way to get around the city?",
)
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Question:
    """A conversation whose last turn is to be answered."""

    messages: tuple[dict[str, str], ...]
    reference: str = ""
    """How it was answered in the file; empty where it was not."""


def travel_questions(system: str | None = None) -> list[Question]:
    """Give the lab's questions, each a conversation of its own; `system` takes the lab's place."""
    return [_under(SYSTEM if system is None else system, (_user(text),)) for text in TRAVEL]


def read_questions(path: Path, system: str | None = None) -> list[Question]:
    """Read chats, a line `{"messages": [...]}` each; a last answer becomes the reference.

    `system` takes the place of the file's own system messages.

    Raises:
        SettingsError: the file cannot be read, is empty, or lines are no chats; names them all.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # JSON may hold other breaks
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--questions: {path} cannot be read: {error}") from error
    found, wrong = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(_question(json.loads(line), system))
        except (ValueError, LookupError, TypeError) as error:
            wrong.append(f"--questions: {path}, line {number}: {error}")
    if wrong or not found:
        raise SettingsError(
            "\n".join(wrong) or f"--questions: {path} holds no question.",
            hint='Each line is a chat: {"messages": [{"role": "user", "content": "…"}]}',
        )
    return found


def _question(record: Any, system: str | None) -> Question:
    messages = [_message(one) for one in record["messages"]]
    reference = ""
    if messages and messages[-1]["role"] == "assistant":
        reference = messages.pop()["content"]
    if not messages or messages[-1]["role"] != "user":
        raise ValueError("the last message before the answer is not the user's")
    if system is None:
        return Question(tuple(messages), reference)
    asked = tuple(one for one in messages if one["role"] != "system")
    return _under(system, asked, reference)


def _message(one: Any) -> dict[str, str]:
    role, content = one["role"], one["content"]
    if role not in ROLES or not isinstance(content, str) or not content.strip():
        raise ValueError("a message has a role (system, user or assistant) and a text")
    return {"role": role, "content": content}


def _under(system: str, messages: tuple[dict[str, str], ...], reference: str = "") -> Question:
    opening = ({"role": "system", "content": system},) if system else ()
    return Question((*opening, *messages), reference)


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}
