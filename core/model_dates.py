"""When Azure retires the models that it tunes and serves: asked, remembered, else the table.

`GET …/Microsoft.CognitiveServices/locations/{location}/models` (2025-06-01) gives each model with
`deprecation.fineTune` and `deprecation.inference`. Dates move, so that every list carries the day
on which Azure was asked; without an answer the last one kept in our home does, then the table.
"""

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import CloudError, NotSignedIn
from core.home import home
from core.lifecycle import AS_OF, Kind, retirement
from core.managed_models import FOUNDRY

if TYPE_CHECKING:
    from core.facts import Facts

API = "2025-06-01"
PROVIDER = "Microsoft.CognitiveServices"
TUNABLE = tuple(offer.name for offer in FOUNDRY if not offer.by_invitation)
"""What Foundry tunes without an invitation."""


@dataclass(frozen=True)
class ModelDates:
    """A model's ends."""

    name: str
    training: date | None = None
    """The last day on which everybody may tune it; None: no end is known."""
    serving: date | None = None

    def is_over(self, today: date) -> bool:
        """Say whether training has ended for whoever does not tune it already."""
        return self.training is not None and self.training <= today


@dataclass(frozen=True)
class ModelList:
    """The models that a region tunes, and when that was known."""

    models: tuple[ModelDates, ...]
    as_of: date
    source: str

    def __str__(self) -> str:
        return f"{self.source}, {self.as_of.isoformat()}"


def tunable_models(facts: "Facts") -> ModelList:
    """List the tunable models of the stack's region with their ends, from the best source."""
    try:
        rows = facts.get_list(facts.at_location(PROVIDER, "models"), API)
    except (CloudError, NotSignedIn):
        rows = []
    if not rows:
        return _remembered(facts) or _shipped()
    found = ModelList(_tunable(rows), facts.today, f"Azure, {facts.settings.location}")
    _remember(found, _file(facts))
    return found


def _tunable(rows: Iterable[dict[str, Any]]) -> tuple[ModelDates, ...]:
    """Keep the latest end of each tunable model, over its versions."""
    found: dict[str, ModelDates] = {}
    for row in rows:
        model = row.get("model") or {}
        name = str(model.get("name") or "")
        if not _can_be_tuned(name, model.get("capabilities") or {}):
            continue
        ends = model.get("deprecation") or {}
        dates = ModelDates(name, _day(ends.get("fineTune")), _day(ends.get("inference")))
        found[name] = max(found.get(name, dates), dates, key=_latest)
    return tuple(found[name] for name in sorted(found))


def _can_be_tuned(name: str, capabilities: dict[str, Any]) -> bool:
    told = [str(capabilities.get(key, "")).lower() for key in ("fineTune", "globalFineTune")]
    return "true" in told or (not any(told) and name in TUNABLE)


def _latest(dates: ModelDates) -> date:
    return dates.training or date.max


def _shipped() -> ModelList:
    rows = [(name, retirement(Kind.MODEL, name)) for name in TUNABLE]
    models = tuple(ModelDates(name, row.on if row else None) for name, row in rows)
    return ModelList(models, AS_OF, "the program's table")


def _file(facts: "Facts") -> Path:
    place = facts.cloud.subscription_id if facts.cloud else "nobody"
    return home() / "lifecycle" / f"models-{place}-{facts.settings.location}.json"


def _remember(found: ModelList, file: Path) -> None:
    document = {
        "asked": found.as_of.isoformat(),
        "models": [[m.name, _text(m.training), _text(m.serving)] for m in found.models],
    }
    # A home that cannot be written costs the memory, not the answer.
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".draft")
        draft.write_text(json.dumps(document), encoding="utf-8")
        draft.replace(file)


def _remembered(facts: "Facts") -> ModelList | None:
    try:
        document = json.loads(_file(facts).read_text(encoding="utf-8"))
        models = tuple(
            ModelDates(name, _day(training), _day(serving))
            for name, training, serving in document["models"]
        )
        asked = date.fromisoformat(document["asked"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return ModelList(models, asked, f"Azure, {facts.settings.location}, as kept here")


def _day(moment: Any) -> date | None:
    text = str(moment or "")[:10]
    return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None


def _text(day: date | None) -> str:
    return day.isoformat() if day else ""
