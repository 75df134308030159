"""An evaluation as one HTML page that needs nothing else: whoever opens the file can read it.

It fetches nothing. One script of ours filters the list of cases; the page names its hash, so that
no other one runs, whatever stands in a model's answer. Without it all is there just the same.
"""

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.report import plots
from evaluation.report.case_html import CaseWriter
from evaluation.report.pairs import Pair, best, declared, main_metric, pairs, worst
from evaluation.report.tables import facts, metrics_table, notes
from evaluation.report.verdicts import Verdict, candidates, verdict
from evaluation.results import Evaluation, Metric

if TYPE_CHECKING:
    from evaluation.gates.gate import Outcome
    from evaluation.report.drawing import Plot

SHOWN = 5
"""Worst and best pairs of a side."""
MAX_CASES_BYTES = 24_000_000
"""Of the list of all cases; the JSON has what is over it."""
PLOTTED = 4
"""Metrics with a plot of their own."""
HERE = Path(__file__).parent


def page(evaluation: Evaluation, *outcomes: "Outcome") -> str:
    """Write an evaluation, and what a gate said of its sides, as one HTML file."""
    system = _common_system(evaluation)
    writer = CaseWriter(evaluation, system)
    by_side = {name: pairs(evaluation, name) for name in candidates(evaluation)}
    verdicts = [verdict(evaluation, name) for name in reversed(by_side)]  # the newest first
    title = verdicts[0].short if verdicts else f"{evaluation.sides[0].name}, measured alone."
    sections = [
        _header(evaluation, title),
        *map(_gate, reversed(outcomes)),
        *(_said(one) if one is verdicts[0] else _closed(one.short, _said(one)) for one in verdicts),
        NAV if verdicts else "",
        f'<h2 id="metrics">What was measured</h2>{_forests(evaluation, verdicts)}',
        metrics_table(evaluation),
        _plots(evaluation, verdicts),
        _pairs(evaluation, writer, verdicts, by_side),
        _all(evaluation, writer, by_side[verdicts[0].candidate] if verdicts else []),
        f'<h2 id="run">What was run</h2>{facts(evaluation, system)}',
        f'<h2 id="notes">What to keep in mind</h2>{notes(evaluation)}',
        "<footer>Written by tunestack. The numbers, the cases and every answer are in the JSON file"
        " beside this page: tunestack evaluate --from FILE makes them again.</footer>",
    ]
    return _document(f"{title} {evaluation.suite.name}", "\n".join(filter(None, sections)))


NAV = (
    '<nav aria-label="On this page"><a href="#metrics">What was measured</a>'
    '<a href="#pairs">Worst and best</a><a href="#cases">All cases</a>'
    '<a href="#run">What was run</a><a href="#notes">What to keep in mind</a></nav>'
)


def _document(title: str, body: str) -> str:
    script = _own("page.js")
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}';"
        " base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_own('page.css')}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n<script>{script}</script>\n</body>\n</html>\n"
    )


@cache
def _own(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _header(evaluation: Evaluation, title: str) -> str:
    count = len(evaluation.cases)
    parts = (
        f"Suite {evaluation.suite.name}",
        f"{count:,} case{'s' if count != 1 else ''} of {evaluation.data.name}",
        f"stack {evaluation.stack}" if evaluation.stack else "",
        evaluation.made,
    )
    told = escape(" · ".join(part for part in parts if part))
    return f'<p class="quiet small">{told}</p><h1>{escape(title)}</h1>'


def _gate(outcome: "Outcome") -> str:
    word = "passed" if outcome.passed else "failed"
    failed = [check.reason for check in outcome.checks if not check.passed]
    met = [check.reason for check in outcome.checks if check.passed]
    return (
        f'<section class="gate {word}"><strong>{escape(outcome.candidate)} {word} the gate'
        f" {escape(outcome.gate)}</strong>{_list('✗', failed)}"
        f"<details><summary>{len(met)} of {len(outcome.checks)} checks met</summary>"
        f"{_list('✓', met)}</details></section>"
    )


def _list(mark: str, reasons: Iterable[str]) -> str:
    items = "".join(f"<li>{mark} {escape(reason)}</li>" for reason in reasons)
    return f"<ul>{items}</ul>" if items else ""


def _said(said: Verdict) -> str:
    items = "".join(
        f'<li><span class="word {one.kind.split()[-1]}">{one.kind}</span> {escape(one.text)}</li>'
        for one in said.sentences
    )
    return f'<ul class="said">{items}</ul>'


def _closed(title: str, content: str) -> str:
    """Write what is said of further sides: their names stand, the rest opens."""
    return f'<details class="others"><summary>{escape(title)}</summary>{content}</details>'


def _forests(evaluation: Evaluation, verdicts: Sequence[Verdict]) -> str:
    drawn = [plots.forest(evaluation, one.candidate) for one in verdicts]
    first, *others = [one.html() if one else "" for one in drawn] or [""]
    more = "".join(others)
    closed = _closed("The other sides", f'<div class="plots">{more}</div>') if more else ""
    return f'<div class="forest">{first}</div>{closed}'


def _plots(evaluation: Evaluation, verdicts: Sequence[Verdict]) -> str:
    shown = _plotted(evaluation)
    drawn: list[Plot | None] = [plots.over_sides(evaluation, metric) for metric in shown]
    drawn += [
        plots.changes(evaluation, one.candidate, metric) for one in verdicts[:1] for metric in shown
    ]
    drawn += [plots.latency(evaluation)]
    found = "".join(one.html() for one in drawn if one is not None)
    return f'<h3>How it is spread</h3><div class="plots">{found}</div>' if found else ""


def _plotted(evaluation: Evaluation) -> list[Metric]:
    """Choose what is plotted case by case: the rules first, then what orders the cases."""
    rules = [one for one in evaluation.metrics if one.name.startswith("rule.")]
    main = main_metric(evaluation)
    rest = [one for one in evaluation.metrics if one.name in ("perplexity", "f1", "exact_match")]
    chosen = [*rules[:2], *([main] if main else []), *rest]
    return list({metric.name: metric for metric in chosen}.values())[:PLOTTED]


def _pairs(
    evaluation: Evaluation,
    writer: CaseWriter,
    verdicts: Sequence[Verdict],
    by_side: Mapping[str, Sequence[Pair]],
) -> str:
    """Write the worst and best pairs: of the first side open, of the others closed."""
    told = [
        (one.candidate, _extremes(evaluation, writer, one.candidate, by_side[one.candidate]))
        for one in verdicts
    ]
    more = "".join(_closed(name, text) for name, text in told[1:])
    return f'<h2 id="pairs">Worst and best</h2>{told[0][1]}{more}' if told else ""


def _extremes(
    evaluation: Evaluation, writer: CaseWriter, candidate: str, found: Sequence[Pair]
) -> str:
    sides, name = (evaluation.sides[0].name, candidate), escape(candidate)
    parts = []
    for title, kind, chosen in (
        (f"Where {name} lost most", "largest loss", worst(found, SHOWN)),
        (f"Where {name} gained most", "largest gain", best(found, SHOWN)),
    ):
        cards = "".join(
            writer.card(one.result, one.number, sides, f"{place}. {kind}")
            for place, one in enumerate(chosen, 1)
        )
        parts.append(f"<h3>{title}</h3>{cards or '<p class=quiet>Nowhere.</p>'}")
    counts = Counter(one.change for one in found)
    told = (
        f"Of {len(found):,} cases that both answered, {name} gained on {counts['gained']:,}, lost"
        f" on {counts['lost']:,}, and {counts['equal']:,} came out equal; ordered by"
        f" {escape(declared(evaluation))}."
    )
    return f"<p>{told}</p>{''.join(parts)}"


def _all(evaluation: Evaluation, writer: CaseWriter, found: Sequence[Pair]) -> str:
    changed = {one.number: one.change for one in found}
    written: list[str] = []
    size = 0
    for number, result in enumerate(evaluation.cases, 1):
        block = writer.closed(result, number, changed.get(number, "equal"))
        size += len(block.encode())
        if size > MAX_CASES_BYTES:
            break
        written.append(block)
    left = len(evaluation.cases) - len(written)
    more = f"<p>{left:,} more cases are in the JSON file: a page of them all is too long.</p>"
    return (
        f'<h2 id="cases">All cases</h2>{FILTER}<div class="all">{"".join(written)}</div>'
        f"{more if left else ''}"
    )


FILTER = (
    '<form class="filter" hidden><label>Words in question or answers'
    '<input type="search" autocomplete="off"></label><label>Cases<select>'
    '<option value="">all</option><option value="lost">lost</option>'
    '<option value="gained">gained</option><option value="broken">a rule was broken</option>'
    '<option value="missing">an answer is missing</option>'
    '<option value="kind-safety">safety prompts</option></select></label>'
    '<output class="quiet small" aria-live="polite"></output></form>'
)


def _common_system(evaluation: Evaluation) -> str:
    """Give the system message that more than half of the cases have."""
    texts = Counter(
        message.content
        for result in evaluation.cases
        for message in result.case.messages[:1]
        if message.role == "system"
    )
    text, count = texts.most_common(1)[0] if texts else ("", 0)
    return text if 2 * count > len(evaluation.cases) else ""
