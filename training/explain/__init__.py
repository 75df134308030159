"""Why a job failed: from Azure's error and the job's log to one line, a rule and a fix.

Pure: whoever asks brings the evidence. The rules are tables, ordered from what is said for certain
to what is only likely; what no rule knows is called unknown, and never guessed at.
"""

from collections.abc import Iterator, Sequence

from training.explain.evidence import UNKNOWN, Confidence, Evidence, Explanation, Rule
from training.explain.exits import EXITS
from training.explain.image import IMAGE
from training.explain.libraries import LIBRARIES
from training.explain.program import PROGRAM
from training.explain.service import SERVICE

__all__ = ["RULES", "UNKNOWN", "Confidence", "Evidence", "Explanation", "Rule", "explain"]

RULES = (*IMAGE, *SERVICE, *PROGRAM, *LIBRARIES, *EXITS)

MOST_EVIDENCE = 3
"""Lines that are shown for a rule."""


def explain(evidence: Evidence) -> Explanation:
    """Give the first rule that the evidence speaks for; a rule called `unknown` where none does."""
    if evidence.status == "Canceled" and not evidence.error:
        return Explanation(
            "canceled",
            "somebody stopped the job, or Azure did so without a reason",
            "Submit it again: tunestack train; who stopped it is in the group's activity log.",
            Confidence.LIKELY,
        )
    return next(_found(evidence), _unknown(evidence))


def _found(evidence: Evidence) -> Iterator[Explanation]:
    error = evidence.error_lines
    build = evidence.build_lines
    for rules, lines in (
        (IMAGE, (*error, *build) if evidence.is_image_build else error),
        (SERVICE, error),
        (PROGRAM, evidence.last_words),
        ((*PROGRAM, *LIBRARIES), (*evidence.log[::-1], *error)),
        (EXITS, (*error, *evidence.log[::-1])),
    ):
        yield from _matches(rules, lines)


def _matches(rules: Sequence[Rule], lines: Sequence[str]) -> Iterator[Explanation]:
    for rule in rules:
        for line in lines:
            if match := rule.pattern.search(line):
                shown = [one for one in lines if rule.pattern.search(one)][:MOST_EVIDENCE]
                yield rule.explanation(match, tuple(dict.fromkeys(shown)))
                break


def _unknown(evidence: Evidence) -> Explanation:
    said = next((line for line in evidence.log[::-1] if line.strip()), "")
    return Explanation(
        UNKNOWN,
        "No rule of tunestack knows this failure.",
        "Read the end of the log; what it says there is all that is known.",
        Confidence.NONE,
        (said,) if said else (),
    )
