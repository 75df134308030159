"""ISO 8601 durations, as Azure's bodies write them: PT5S, PT1H30M, P1DT2H."""

import re

DURATION = re.compile(
    r"P(?:(?P<days>[\d.]+)D)?(?:T(?:(?P<hours>[\d.]+)H)?(?:(?P<minutes>[\d.]+)M)?"
    r"(?:(?P<seconds>[\d.]+)S)?)?"
)
UNITS = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}


def seconds(duration: str) -> float:
    """Give the seconds of a duration.

    Raises:
        ValueError: it is none.
    """
    found = DURATION.fullmatch(duration)
    if found is None or not any(found.groups()):
        raise ValueError(f"{duration!r} is no ISO 8601 duration")
    return sum(float(found[name]) * size for name, size in UNITS.items() if found[name])
