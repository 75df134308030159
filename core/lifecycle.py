"""What Azure has retired or will: VM sizes, models, images and SDKs, each with its successor.

A dated table, because most of it no API tells; its age is shown with every verdict. What Azure
does tell, the dates of the models that it serves, is in core/model_dates.py and goes first.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from core.rules import Finding, Status, failed, ok, warning

AS_OF = date(2026, 11, 21)
"""When the table was last compared with its sources."""

SOON = timedelta(90)
OLD = timedelta(60)
UPDATE = "update tunestack: its table of retirements comes with the program"


class Kind(StrEnum):
    """What is retired."""

    VM_SIZE = "VM size"
    MODEL = "model of Azure OpenAI"
    SERVERLESS = "serverless model"
    IMAGE = "image"
    PACKAGE = "package"


@dataclass(frozen=True)
class Retirement:
    """The end of something that has a name."""

    kind: Kind
    pattern: str
    """A regular expression for the whole name, in any case."""
    on: date
    successor: str
    source: str
    note: str = ""


SIZES = "azure-compute-docs, sizes/retirement/retired-sizes-list.md (page of April 2026)"
GUIDES = "azure-docs, virtual-machines/sizes/migration-guides"
MODELS = "azure-ai-docs, model retirements (page of July 2026; an edition of April said 2027)"
TUNING = "training goes on for existing customers, until April 2027 at least"
A100, A10, D5 = "Standard_NC24ads_A100_v4", "Standard_NV36ads_A10_v5", "Standard_D4s_v5"
VERSION = r"(-\d{4}-\d\d-\d\d)?(\.ft-.+)?"
RETIRED = "azure-ai-docs, concepts-retired-models-content.md (page of April 2026)"
OPEN_MODELS = "gpt-oss-20b, Qwen3-32B or Llama-3.3-70B"
SERVERLESS = "azure-ai-docs, concepts-retired-models-content.md"
UBUNTU = "end of Canonical's standard support (22.04: Azure/Batch#200), and of patched images"


def _size(pattern: str, on: date, successor: str, source: str = SIZES) -> Retirement:
    return Retirement(Kind.VM_SIZE, rf"Standard_{pattern}", on, successor, source)


def _model(pattern: str, on: date) -> Retirement:
    """Give a model's end; with and without the date of a version, and what tuning adds to it."""
    return Retirement(Kind.MODEL, rf"({pattern}){VERSION}", on, OPEN_MODELS, MODELS, TUNING)


def _gone(
    pattern: str, on: date, source: str, note: str = "nobody tunes or serves it"
) -> Retirement:
    return Retirement(Kind.MODEL, rf"({pattern}){VERSION}", on, OPEN_MODELS, source, note)


def _package(name: str, on: date, successor: str, source: str, note: str = "") -> Retirement:
    return Retirement(Kind.PACKAGE, name, on, successor, source, note)


TABLE = (
    _size(r"NC(6|12|24|24r)(_Promo)?", date(2023, 9, 6), A100, GUIDES),
    _size(r"NC(6|12|24|24r)s_v2", date(2023, 9, 6), A100, GUIDES),
    _size(r"ND(6|12|24|24r)s", date(2023, 9, 6), A100, GUIDES),
    _size(r"NV(6|12|24)(_Promo)?", date(2023, 9, 6), A10, GUIDES),
    _size(r"NC(6|12|24|24r)s_v3", date(2025, 9, 30), A100),
    _size(r"NV\d+s_v3", date(2026, 9, 30), A10),
    _size(r"NV\d+as_v4", date(2026, 9, 30), A10),
    _size(r"DS?\d+(-\d+)?(_v2)?(_Promo)?", date(2028, 5, 1), D5),
    _size(r"L\d+s", date(2028, 5, 1), "Standard_L8s_v3"),
    _size(r"A\d+m?_v2", date(2028, 11, 15), D5),
    _size(r"B\d+(ls|s|ms)", date(2028, 11, 15), "Standard_B4s_v2"),
    _size(r"F\d+(s|s_v2)?", date(2028, 11, 15), D5),
    _size(r"GS?\d+(-\d+)?", date(2028, 11, 15), "Standard_E16s_v5"),
    _size(r"L\d+s_v2", date(2028, 11, 15), "Standard_L8s_v3"),
    _model(r"gpt-4o(-mini)?", date(2026, 10, 1)),
    _model(r"gpt-4\.1(-mini|-nano)?", date(2026, 10, 14)),
    _model(r"o4-mini", date(2026, 10, 16)),
    _gone(r"gpt-4(-32k)?(-0314|-0613)?", date(2025, 6, 6), RETIRED),
    _gone(r"gpt-35-turbo-16k(-0613)?", date(2025, 4, 30), RETIRED),
    _gone(r"gpt-35-turbo-(0301|0613)", date(2025, 2, 13), RETIRED),
    _gone(
        r"gpt-(35|3\.5)-turbo(-1106|-0125)?", date(2026, 7, 7), MODELS,
        "the schedule of that day has it no more",
    ),
    _gone(r"babbage-002|davinci-002", date(2025, 1, 27), RETIRED),
    Retirement(
        Kind.SERVERLESS, r"(.*/)?Phi-3-medium-.*", date(2025, 8, 30), "Phi-4",
        SERVERLESS, "the weights stay open: a recipe on a cluster of one's own is not touched",
    ),
    Retirement(
        Kind.SERVERLESS, r"(.*/)?Phi-3(\.5)?-.*", date(2025, 8, 30), "Phi-4-mini-instruct",
        SERVERLESS, "the weights stay open: a recipe on a cluster of one's own is not touched",
    ),
    Retirement(Kind.IMAGE, r".*ubuntu18\.04.*", date(2023, 5, 31), "ubuntu22.04", UBUNTU),
    Retirement(Kind.IMAGE, r".*ubuntu20\.04.*", date(2025, 5, 31), "ubuntu22.04", UBUNTU),
    Retirement(Kind.IMAGE, r".*ubuntu22\.04.*", date(2027, 6, 30), "ubuntu24.04", UBUNTU),
    _package(
        r"azureml-(core|sdk|train(-core|-automl.*)?|pipeline.*|defaults|dataprep)",
        date(2026, 6, 30), "azure-ai-ml", "learn.microsoft.com, SDK v1 deprecation",
    ),
    _package(
        r"azure-cli-ml", date(2025, 9, 30), "the `ml` extension",
        "learn.microsoft.com, CLI v1 deprecation",
    ),
    _package(
        r"azure-ai-inference", date(2026, 8, 26), "openai, or azure-ai-projects 2",
        "azure-sdk-for-python; one page says 2026-05-30",
    ),
    _package(
        r"promptflow(-.*)?", date(2027, 4, 20), "Microsoft Agent Framework",
        "learn.microsoft.com, migrate-prompt-flow-to-agent-framework", "read-only from then on",
    ),
)  # fmt: skip


def retirement(kind: Kind, name: str, table: Sequence[Retirement] = TABLE) -> Retirement | None:
    """Find what the table says of a name; None where it knows of no end."""
    for row in table:
        if row.kind is kind and re.fullmatch(row.pattern, name, re.IGNORECASE):
            return row
    return None


def verdict(
    kind: Kind, name: str, today: date, fix: str, table: Sequence[Retirement] = TABLE
) -> Finding:
    """Judge a name: retired has failed, 90 days or less to go is a warning.

    `fix` says where another is chosen; `{}` in it stands for the successor.
    """
    row = retirement(kind, name, table)
    if row is None:
        return ok(f"{name}: no end is known ({age(today)})")
    told = _told(name, row, today)
    if row.on <= today:
        return failed(told, fix.format(row.successor))
    return warning(told, fix.format(row.successor)) if row.on - today <= SOON else ok(told)


def judged(
    kind: Kind, names: Sequence[str], today: date, fix: str, table: Sequence[Retirement] = TABLE
) -> list[Finding]:
    """Judge many names; what is well is one line for all of them."""
    found = [verdict(kind, name, today, fix, table) for name in names]
    told = [finding for finding in found if finding.status is not Status.OK]
    if told or len(names) == 1:
        return told or found
    return [ok(f"{len(names)} {kind}s, none at its end ({age(today)})")]


def age(today: date, as_of: date = AS_OF) -> str:
    """Write how old the table is."""
    days = (today - as_of).days
    old = "today's" if days == 0 else f"{days} day{'s' * (days != 1)} old"
    return f"table of {as_of.isoformat()}, {old}"


def table_age(today: date) -> Finding:
    """Warn of a table that is older than 60 days: dates move."""
    if today - AS_OF > OLD:
        return warning(f"the {age(today)}", UPDATE)
    return ok(f"the {age(today)}, has {len(TABLE)} ends in it")


def _told(name: str, row: Retirement, today: date) -> str:
    word = "retired on" if row.on <= today else "retires on"
    note = f"; {row.note}" if row.note else ""
    return f"{name} {word} {row.on.isoformat()}, successor {row.successor}{note} ({age(today)})"
