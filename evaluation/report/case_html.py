"""A case as HTML: what was asked, the reference, every answer, what broke a rule, the scores.

Whatever a person or a model wrote goes through `escape`: it stays text.
"""

from collections.abc import Sequence
from html import escape

from evaluation.report.numbers import value_of
from evaluation.results import CaseResult, Evaluation, Found

FLAGS = {"lost": "worse", "gained": "better"}


class CaseWriter:
    """Writes the cases of one evaluation."""

    def __init__(self, evaluation: Evaluation, common_system: str) -> None:
        self.evaluation = evaluation
        self.sides = [side.name for side in evaluation.sides]
        self.common_system = common_system
        """The system message of most cases: told once on the page, not in each."""
        self.rules = {
            metric.name.removeprefix("rule."): metric.title
            for metric in evaluation.metrics
            if metric.name.startswith("rule.")
        }

    def card(self, result: CaseResult, number: int, sides: Sequence[str], head: str) -> str:
        """Write a case that stands open, with some of the sides."""
        return (
            f'<article class="case"><header><span class="small quiet">{escape(head)} ·'
            f" {self._origin(result, number)}</span>"
            f'<span class="asked">{escape(result.case.question)}</span></header>'
            f"{self._body(result, sides)}</article>"
        )

    def closed(self, result: CaseResult, number: int, change: str) -> str:
        """Write a case that opens when it is clicked, with all sides."""
        broken = [name for name in self.sides if result.found.get(name)]
        missing = [name for name in self.sides if name not in result.replies]
        flags = [_word(FLAGS[change])] if change in FLAGS else []
        flags += [f'<span class="word worse">{escape(name)}: rule</span>' for name in broken]
        flags += [f'<span class="word few">no {escape(name)}</span>' for name in missing]
        classes = " ".join(
            ["case", change, *(["broken"] if broken else []), *(["missing"] if missing else []),
             f"kind-{result.case.kind}"]
        )  # fmt: skip
        return (
            f'<details class="{classes}"><summary><span class="number">{number}</span>'
            f'<span class="asked">{escape(result.case.question)}</span>{"".join(flags)}</summary>'
            f"{self._body(result, self.sides)}</details>"
        )

    def _origin(self, result: CaseResult, number: int) -> str:
        name = f", {escape(result.case.name)}" if result.case.name else ""
        expects = f", {result.case.expects} expected" if result.case.expects else ""
        return f"case {number}{name}{expects}"

    def _body(self, result: CaseResult, sides: Sequence[str]) -> str:
        columns = [_column("reference", _text(result.case.reference))] * bool(result.case.reference)
        columns += [self._answer(result, name) for name in sides]
        return (
            f"{self._earlier(result)}"
            f'<div class="answers">{"".join(columns)}</div>{self._scores(result, sides)}'
        )

    def _earlier(self, result: CaseResult) -> str:
        turns = [
            f"<p><strong>{message.role}</strong> {escape(message.content)}</p>"
            for message in result.case.messages[:-1]
            if not (message.role == "system" and message.content == self.common_system)
        ]
        if not turns:
            return ""
        return (
            f'<details class="turns"><summary>What came before</summary>{"".join(turns)}</details>'
        )

    def _answer(self, result: CaseResult, name: str) -> str:
        reply = result.replies.get(name)
        if reply is None:
            return _column(name, '<p class="quiet">No answer.</p>')
        found = result.found.get(name, ())
        text = _text(reply.text, found) if reply.text.strip() else '<p class="quiet">Empty.</p>'
        ended = {"length": "cut off at the limit", "filtered": "taken by the content filter"}
        why = ended.get(reply.finish, "")
        note = f'<p class="quiet small">({why})</p>' if why else ""
        return _column(name, text + note + self._breaches(found))

    def _breaches(self, found: Sequence[Found]) -> str:
        texts: dict[str, list[str]] = {}
        for one in found:
            texts.setdefault(self.rules.get(one.rule, one.rule), []).append(one.text)
        return "".join(
            f'<p class="breach"><strong>✗ Not kept: {escape(rule)}.</strong>'
            f" {escape('; '.join(quoted)[:300])}</p>"
            for rule, quoted in texts.items()
        )

    def _scores(self, result: CaseResult, sides: Sequence[str]) -> str:
        rows = []
        for metric in self.evaluation.metrics:
            by = result.scores.get(metric.name) or {}
            values = [by.get(name) for name in sides]
            if any(value is not None for value in values):
                cells = "".join(f"<td>{_score(value, metric.unit)}" for value in values)
                rows.append(f"<tr><th scope=row>{escape(metric.title)}{cells}")
        if not rows:
            return ""
        heads = "".join(f"<th scope=col>{escape(name)}" for name in sides)
        table = f"<table><thead><tr><td>{heads}<tbody>{''.join(rows)}</table>"
        return f'<div class="scores wide">{table}</div>'


def _score(value: float | None, unit: str) -> str:
    """Write a case's own score; of yes and no the word."""
    if unit == "share" and value in (0.0, 1.0):
        return "yes" if value else "no"
    return value_of(value, unit)


def _word(word: str) -> str:
    return f'<span class="word {word}">{word}</span>'


def _column(title: str, content: str) -> str:
    return f"<div><h4>{escape(title)}</h4>{content}</div>"


def _text(text: str, found: Sequence[Found] = ()) -> str:
    """Write a text with what broke a rule marked in it, where it stands there word for word."""
    spans: list[tuple[int, int]] = []
    for one in found:
        at = text.find(one.text) if one.text else -1
        if at >= 0 and len(one.text) < len(text):
            spans.append((at, at + len(one.text)))
    parts, end = [], 0
    for start, stop in sorted(spans):
        if start >= end:
            parts += [escape(text[end:start]), f"<mark>{escape(text[start:stop])}</mark>"]
            end = stop
    return f'<p class="text">{"".join(parts)}{escape(text[end:])}</p>'
