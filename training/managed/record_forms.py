"""One record of a managed training: what is checked of it, what is sent, and why it is refused.

The ordinary check (`training.data.check`) knows chats of plain text and pairs of answers. What
Azure's services take beside that (weights, tools, pictures, Azure's own form of pairs) is looked
at here, and the check is given the rest.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from core.managed_prices import family
from core.managed_recipe import AnyManaged
from training.data.findings import Finding, found
from training.data.formats.form import BadRecord
from training.data.formats.preferences import azure_preference
from training.data.records import PAIR

SEEING = frozenset(("gpt-4o", "gpt-4.1"))
"""Models whose tuning takes pictures (azure-ai-docs, fine-tune-supported-models.md, March 2026)."""

CHAT_KEYS = ("messages", "tools", "parallel_tool_calls", "functions")
MESSAGE_KEYS = ("role", "content", "name", "weight", "tool_calls", "tool_call_id")
PLAIN_KEYS = ("role", "content")
AZURE_PAIR = ("input", "preferred_output", "non_preferred_output")
OUTPUTS = AZURE_PAIR[1:]

Record = dict[str, Any]
Message = dict[str, Any]


@dataclass
class Formed:
    """A record as the check reads it and as the service takes it."""

    checked: Record
    sent: Record
    findings: list[Finding] = field(default_factory=list)
    fault: str = ""
    """Why it cannot even be checked."""


@dataclass
class Former:
    """Makes records of a file into what one recipe's service takes."""

    recipe: AnyManaged

    @property
    def is_openai(self) -> bool:
        """True where tools, weights and pictures may be."""
        return self.recipe.route == "openai"

    def form(self, number: int, record: Record) -> Formed:
        """Take one record of line `number` apart."""
        if any(key in record for key in OUTPUTS):
            return self._azure_pair(number, record)
        if "messages" not in record:
            return Formed(record, _azure_form(record))
        messages, said = record["messages"], _Said(number)
        if not isinstance(messages, list):
            return Formed(record, record)
        plain = [self._plain(message, said) for message in messages]
        self._look_at_tools(record, messages, said)
        if _is_silent(messages):
            said.add("routes.weight", "every assistant message has weight 0: nothing to learn from")
        sent = {"messages": [self._kept(message) for message in messages]}
        sent |= {key: record[key] for key in CHAT_KEYS[1:] if self.is_openai and key in record}
        own = CHAT_KEYS if self.is_openai else CHAT_KEYS[:1]
        rest = {key: value for key, value in record.items() if key not in own}
        return Formed({**rest, "messages": _without_tools(plain)}, sent, said.findings)

    def _azure_pair(self, number: int, record: Record) -> Formed:
        asked, said = record.get("input"), _Said(number)
        tools = isinstance(asked, dict) and asked.get("tools")
        if tools and not self.is_openai:
            said.add("routes.tools", "`input.tools`: serverless tuning has no tools")
        for name in OUTPUTS:
            self._look_at_output(name, record.get(name), said)
        plain = {name: self._plain_list(record.get(name), said) for name in OUTPUTS}
        if isinstance(asked, dict):
            plain["input"] = {"messages": self._plain_list(asked.get("messages"), said)}
        sent = {name: record[name] for name in AZURE_PAIR if name in record}
        try:
            return Formed(azure_preference(plain), sent, said.findings)
        except BadRecord as fault:
            return Formed(record, sent, said.findings, str(fault))

    def _look_at_output(self, name: str, output: Any, said: "_Said") -> None:
        listed = output if isinstance(output, list) else ()
        roles = [one.get("role") for one in listed if isinstance(one, dict)]
        if "assistant" not in roles:
            said.add("routes.pair", f"`{name}` has no assistant message")
        if others := sorted({str(role) for role in roles} - {"assistant", "tool"}):
            said.add("routes.pair", f"`{name}` has messages of {', '.join(others)}")

    def _plain_list(self, messages: Any, said: "_Said") -> Any:
        if not isinstance(messages, list):
            return messages
        return _without_tools([self._plain(message, said) for message in messages])

    def _plain(self, message: Any, said: "_Said") -> Any:
        """Give a message as plain text where it is more; say what the service would refuse."""
        if not isinstance(message, dict):
            return message
        if "weight" in message:
            self._look_at_weight(message, said)
        content = message.get("content")
        if isinstance(content, list):
            content = self._text_of(message, content, said)
        taken = MESSAGE_KEYS if self.is_openai else PLAIN_KEYS
        rest = {key: value for key, value in message.items() if key not in taken}
        kept = {key: message[key] for key in ("role", "tool_calls") if key in message}
        has_content = "content" in message and not (content is None and message.get("tool_calls"))
        return {**rest, **kept, **({"content": content} if has_content else {})}

    def _look_at_weight(self, message: Message, said: "_Said") -> None:
        weight, role = message["weight"], message.get("role")
        if not self.is_openai:
            said.add("routes.weight", "`weight`: serverless tuning knows none")
        elif role != "assistant":
            said.add(
                "routes.weight", f"`weight` on a message of {role}; only assistant may have it"
            )
        elif isinstance(weight, bool) or weight not in (0, 1):
            said.add("routes.weight", f"`weight` is {weight!r}, neither 0 nor 1")

    def _text_of(self, message: Message, parts: list[Any], said: "_Said") -> str:
        """Make one text of a content's parts; a picture is named by its address."""
        kinds = {str(part.get("type")) if isinstance(part, dict) else "?" for part in parts}
        if unknown := sorted(kinds - {"text", "image_url"}):
            said.add("content.type", f"a part of content is {', '.join(unknown)}, not text")
        if "image_url" in kinds:
            self._look_at_picture(message.get("role"), said)
        return " ".join(filter(None, map(_part_text, parts)))

    def _look_at_picture(self, role: Any, said: "_Said") -> None:
        if not self.is_openai:
            said.add("routes.images", "a picture; serverless tuning learns from text alone")
        elif family(self.recipe.base.id) not in SEEING:
            said.add("routes.images", f"a picture; {self.recipe.base.id} is tuned on text alone")
        elif role == "assistant":
            said.add("routes.images", "a picture in an assistant's message; answers are text")

    def _look_at_tools(self, record: Record, messages: list[Any], said: "_Said") -> None:
        listed = [one for one in messages if isinstance(one, dict)]
        calls = [one for one in listed if one.get("tool_calls")]
        results = [one for one in listed if one.get("role") == "tool"]
        if not (calls or results or record.get("tools")):
            return
        if not self.is_openai:
            said.add("routes.tools", "tools; serverless tuning learns from messages alone")
        elif calls and not record.get("tools"):
            said.add("routes.tools", "`tool_calls` without a list `tools` that names them")
        if any(not one.get("tool_call_id") for one in results):
            said.add("routes.tools", "a tool's message without `tool_call_id`")
        if any(one.get("role") != "assistant" for one in calls):
            said.add("routes.tools", "`tool_calls` in a message that is not the assistant's")

    def _kept(self, message: Any) -> Any:
        """Leave out what the service has no use for."""
        if not isinstance(message, dict):
            return message
        keys = MESSAGE_KEYS if self.is_openai else PLAIN_KEYS
        return {key: message[key] for key in keys if key in message}


class _Said:
    """Findings of one line, each reason once."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.findings: list[Finding] = []

    def add(self, rule: str, reason: str) -> None:
        finding = found(rule, self._number, reason)
        if finding not in self.findings:
            self.findings.append(finding)


def _azure_form(record: Record) -> Record:
    """Write a pair of answers as Azure does; anything else stays for the check to refuse."""
    if not all(isinstance(record.get(part), list) for part in PAIR):
        return record
    prompt, better, worse = (record[part] for part in PAIR)
    return dict(zip(AZURE_PAIR, ({"messages": prompt}, better, worse), strict=True))


def _is_silent(messages: list[Any]) -> bool:
    weights = [
        one.get("weight", 1)
        for one in messages
        if isinstance(one, dict) and one.get("role") == "assistant"
    ]
    return bool(weights) and all(weight == 0 for weight in weights)


def _without_tools(messages: list[Any]) -> list[Any]:
    """Leave out what tools were asked and said, so that user and assistant take turns again."""
    return list(_turns(messages))


def _turns(messages: list[Any]) -> Iterator[Any]:
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict):
            yield message
        elif message.get("role") == "tool":
            continue
        elif not message.get("tool_calls"):
            yield message
        elif number == len(messages):  # what is to be learned is the call itself
            said = message.get("content") or f"calls {message['tool_calls']}"
            yield {"role": message.get("role"), "content": said}


def _part_text(part: Any) -> str:
    if not isinstance(part, dict):
        return ""
    url = part.get("image_url")
    address = url.get("url") if isinstance(url, dict) else url
    return f"[{address}]" if address else str(part.get("text") or "")


def is_plain(record: Record) -> bool:
    """Say whether a record is a chat of text alone, which is sent as it is written."""
    if record.keys() != {"messages"} or not isinstance(record["messages"], list):
        return False
    return all(
        isinstance(one, dict)
        and one.keys() <= {*PLAIN_KEYS}
        and isinstance(one.get("content"), str)
        for one in record["messages"]
    )
