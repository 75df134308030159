"""Whether the subscription tuned models before: Azure closes retired models to those who did not.

The subscription of a local Azure is new unless somebody says otherwise; that is a document of the
state, so that another process can say it while the local Azure runs.
"""

from local.models import Model
from local.state import Place, opened

KEY = "setting:/trainedBefore"


def has_trained_before(place: Place) -> bool:
    """Tell whether the subscription counts as one that tuned models before they retired."""
    with opened(place) as state:
        return bool((state.get(KEY) or {}).get("yes"))


def set_trained_before(place: Place, yes: bool) -> None:
    """Let the subscription count as an old customer of tuning, or as a new one again."""
    with opened(place) as state, state.transaction():
        state.put(KEY, "setting", {"yes": yes})


def is_closed(place: Place, model: Model) -> bool:
    """Tell whether this subscription can tune a base model no more."""
    return model.is_over() and not has_trained_before(place)
