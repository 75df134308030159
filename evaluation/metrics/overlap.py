"""How much an answer has in common with the reference: words, phrases, characters.

Read where the file has a reference, of held-out and preference cases. High overlap is not being
right, and low overlap not being wrong; of two models on the same cases it tells which writes more
as the file does.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from evaluation.cases import Case
from evaluation.metrics.definition import Definition, Statistics, is_everyday, text_of, yes
from evaluation.numbers.statistics import Array, OfSums
from evaluation.replies import Reply
from evaluation.sides import Side

ORDERS = 4
"""Phrases of one to four words, as BLEU counts them."""
CHARACTERS = 6
"""Runs of one to six characters, as chrF counts them."""
RECALL_COUNTS = 2**2
"""chrF2: recall counts twice as much as precision, and their F is of the squares."""
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


class _Signs(dict[int, str]):
    """What becomes of each sign of a text, as `str.translate` asks for it; decided once a sign."""

    def __init__(self, becomes: Callable[[str], str]) -> None:
        super().__init__()
        self._becomes = becomes

    def __missing__(self, code: int) -> str:
        return self.setdefault(code, self._becomes(chr(code)))


def _is_punctuation(sign: str) -> bool:
    return sign in "$+<=>^`|~" or unicodedata.category(sign).startswith("P")


_UNPUNCTUATED = _Signs(lambda sign: "" if _is_punctuation(sign) else sign)
_WORDS_APART = _Signs(lambda sign: sign if unicodedata.category(sign)[0] in "LMN" else " ")


def normalised(text: str) -> str:
    """Normalise as SQuAD does: lower case, no punctuation, no English article, single spaces.

    Punctuation of all scripts goes, not ASCII's alone.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_UNPUNCTUATED)).split())


def words(text: str) -> list[str]:
    """Split at all but letters, their marks and digits, in lower case.

    Of English it is what rouge-score's own tokenizer gives, which knows a to z and digits alone.
    """
    return text.lower().translate(_WORDS_APART).split()


def exact_match(case: Case, side: Side, reply: Reply) -> Statistics | None:
    """Tell whether the answer is the reference, both normalised."""
    if not _has_reference(case):
        return None
    return yes(normalised(text_of(reply)) == normalised(case.reference))


def f1(case: Case, side: Side, reply: Reply) -> Statistics | None:
    """Give SQuAD's F1: the harmonic mean of the words' precision and recall, both normalised."""
    if not _has_reference(case):
        return None
    said, wanted = (Counter(normalised(text).split()) for text in (text_of(reply), case.reference))
    if not said or not wanted:
        return yes(said == wanted)
    return 2 * (said & wanted).total() / (said.total() + wanted.total()), 1.0


def rouge(length: int, case: Case, reply: Reply) -> Statistics | None:
    """Give the F-measure of ROUGE by runs of so many words."""
    if not _has_reference(case):
        return None
    said, wanted, found = in_common(words(text_of(reply)), words(case.reference), length)[-1]
    return 2 * found / max(said + wanted, 1), 1.0


def rouge_l(case: Case, side: Side, reply: Reply) -> Statistics | None:
    """Give the F-measure of the longest words in common that stand in the same order."""
    if not _has_reference(case):
        return None
    said, wanted = words(text_of(reply)), words(case.reference)
    if not said or not wanted:
        return 0.0, 1.0
    return 2 * in_same_order(said, wanted) / (len(said) + len(wanted)), 1.0


def in_common(
    said: Sequence[str], wanted: Sequence[str], longest: int
) -> list[tuple[int, int, int]]:
    """Count runs of one to `longest` neighbours: those said, those wanted, and those in both.

    A run is in both as often as it is in either. Counting in Python takes five times as long.
    """
    both = (*said, *wanted)
    known = {one: rank for rank, one in enumerate(dict.fromkeys(both))}
    ids = np.fromiter(map(known.__getitem__, both), dtype=np.intp, count=len(both))
    mine, its = ids[: len(said)], ids[len(said) :]
    last_of_mine, last_of_its, counts = mine, its, []
    for length in range(1, longest + 1):
        if length > 1:  # A run is known by the shorter one it begins with, and what follows.
            last_of_mine, last_of_its = last_of_mine[1:], last_of_its[1:]
            longer = (mine[:-1] * len(known) + last_of_mine, its[:-1] * len(known) + last_of_its)
            ranks = np.unique(np.concatenate(longer), return_inverse=True)[1]
            mine, its = ranks[: len(longer[0])], ranks[len(longer[0]) :]
        found = (np.bincount(runs, minlength=len(ids)) for runs in (mine, its))
        counts.append((len(mine), len(its), int(np.minimum(*found).sum())))
    return counts


def in_same_order(one: Sequence[str], other: Sequence[str]) -> int:
    """Count the words of the longest common subsequence.

    rouge-score fills a table of all pairs of words, which takes minutes for a thousand long
    answers; this keeps a row of it in the bits of one number (Hyyrö 2004), of the shorter text:
    a number for each of its words.
    """
    one, other = sorted((one, other), key=len)
    places: dict[str, int] = defaultdict(int)
    for place, word in enumerate(one):
        places[word] |= 1 << place
    everywhere = row = (1 << len(one)) - 1
    for word in other:
        here = row & places.get(word, 0)
        row = ((row + here) | (row - here)) & everywhere
    return len(one) - row.bit_count()


def bleu(case: Case, side: Side, reply: Reply) -> Statistics | None:
    """Give sacrebleu's counts: phrases found by length, phrases said, words said and wanted."""
    if not _has_reference(case):
        return None
    said, wanted = _bleu_words(text_of(reply)), _bleu_words(case.reference)
    counts = in_common(said, wanted, ORDERS)
    return (
        *(float(found) for _, _, found in counts), *(float(total) for total, _, _ in counts),
        float(len(said)), float(len(wanted)),
    )  # fmt: skip


def _bleu_words(text: str) -> list[str]:
    return str(_bleu_tokenizer()(text.rstrip())).split()


@lru_cache(maxsize=1)
def _bleu_tokenizer() -> Any:
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    return Tokenizer13a()  # type: ignore[no-untyped-call]


def bleu_of(sums: Array) -> Array:
    """Give the BLEU of a whole set from its counts, smoothed as sacrebleu does by default."""
    rows = np.atleast_2d(sums)
    scores = [_bleu(row) for row in rows.round().astype(int).tolist()]
    return np.array(scores).reshape(sums.shape[:-1])


def _bleu(counts: list[int], one_answer: bool = False) -> float:
    from sacrebleu.metrics.bleu import BLEU

    found, said = counts[:ORDERS], counts[ORDERS : 2 * ORDERS]
    score = BLEU.compute_bleu(
        found,
        said,
        sys_len=counts[-2],
        ref_len=counts[-1],
        smooth_method="exp",
        effective_order=one_answer,
    )
    return float(score.score)


def _bleu_of_each(rows: Array) -> Array:
    return np.array([_bleu(row, one_answer=True) for row in rows.astype(int).tolist()])


def chrf(case: Case, side: Side, reply: Reply) -> Statistics | None:
    """Give chrF's counts, by length of run: said, wanted, and found in both."""
    if not _has_reference(case):
        return None
    answer, reference = ("".join(text.split()) for text in (text_of(reply), case.reference))
    counts = [
        # As sacrebleu does: where the reference is too short for a run, none was said.
        (said if wanted else 0, wanted, found)
        for said, wanted, found in in_common(answer, reference, CHARACTERS)
    ]
    return tuple(float(count) for order in zip(*counts, strict=True) for count in order)


def chrf_of(sums: Array) -> Array:
    """Give the chrF2 of a whole set from its counts."""
    said, wanted, found = np.split(sums, 3, axis=-1)
    counted = (said > 0) & (wanted > 0)
    orders = np.maximum(counted.sum(axis=-1), 1)
    precision = np.where(counted, found / np.maximum(said, 1), 0).sum(axis=-1) / orders
    recall = np.where(counted, found / np.maximum(wanted, 1), 0).sum(axis=-1) / orders
    bottom = RECALL_COUNTS * precision + recall
    top = 100 * (1 + RECALL_COUNTS) * precision * recall
    return np.asarray(np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0))


def _has_reference(case: Case) -> bool:
    return is_everyday(case) and bool(case.reference.strip())


_AVERAGED = (
    "0 to 1, averaged over cases: the F-measure as rouge-score has it, without a stemmer. Words are"
    " split at what is no letter or digit: of scripts without spaces, read chrF instead."
)

OVERLAP = (
    Definition(
        "exact_match", "Exact match", "share", "higher", 0.02, exact_match,
        "Share of answers that are the reference once case, punctuation, the articles a, an, the"
        " and spaces are set aside (SQuAD's way). For short, factual answers.",
        is_share=True,
    ),
    Definition(
        "f1", "Word F1", "score", "higher", 0.01, f1,
        "Words that answer and reference share, normalised as for exact match (SQuAD's F1), 0 to 1,"
        " averaged over cases.",
    ),
    *(
        Definition(
            name, title, "score", "higher", 0.01,
            lambda case, side, reply, length=length: rouge(length, case, reply),  # type: ignore[misc]
            f"{what} with the reference, {_AVERAGED}",
        )
        for name, length, title, what in (
            ("rouge_1", 1, "ROUGE-1", "Words in common"),
            ("rouge_2", 2, "ROUGE-2", "Pairs of neighbouring words in common"),
        )
    ),
    Definition(
        "rouge_l", "ROUGE-L", "score", "higher", 0.01, rouge_l,
        f"Most words in common with the reference that stand in the same order, {_AVERAGED}",
    ),
    Definition(
        "bleu", "BLEU", "points", "higher", 1.0, bleu,
        "Phrases of one to four words in common with the reference, 0 to 100, over all answers"
        " together (sacrebleu, tokenizer 13a). The test compares case by case.",
        OfSums(bleu_of), own=_bleu_of_each,
    ),
    Definition(
        "chrf", "chrF", "points", "higher", 1.0, chrf,
        "Runs of one to six characters in common with the reference, 0 to 100, over all answers"
        " together (sacrebleu's chrF2). Works in every script.",
        OfSums(chrf_of),
    ),
)  # fmt: skip
