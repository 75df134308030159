"""Numbers as a person reads them: values, differences, intervals and p by their metric's unit."""

from evaluation.results import Interval, Metric

NONE = "–"
Unit = str


def value_of(value: float | None, unit: Unit) -> str:
    """Write a value: `72.0 %`, `0.413`, `1.85 s`, `$0.0021`."""
    if value is None:
        return NONE
    if unit == "share":
        return f"{_trimmed(100 * value, 1)} %"
    if unit == "USD":
        return f"${value:,.2f}" if abs(value) >= 1 or value == 0 else f"${value:.2g}"
    return f"{_plain(value, unit)}{_suffix(unit)}"


def difference_of(value: float | None, unit: Unit) -> str:
    """Write a difference, always with its sign: `+28 points`, `-0.021`."""
    if value is None:
        return NONE
    if unit == "share":
        return f"{_signed(_trimmed(100 * value, 1))} points"
    if unit == "USD":
        return ("-" if value < 0 else "+") + value_of(abs(value), unit)
    return f"{_signed(_plain(value, unit))}{_suffix(unit)}"


def interval_of(interval: Interval | None, unit: Unit, *, signed: bool = True) -> str:
    """Write an interval without its unit: `+16 to +40`."""
    if interval is None:
        return NONE
    return " to ".join(_bound(bound, unit, signed) for bound in (interval.low, interval.high))


def p_of(p: float | None) -> str:
    """Write a p-value: `p = 0.031`, `p < 0.001`."""
    if p is None:
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {_trimmed(p, 3)}"


def margin_of(metric: Metric) -> str:
    """Write the difference that does not matter."""
    return difference_of(metric.margin, metric.unit).lstrip("+")


def share_of(confidence: float) -> str:
    """Write a confidence: `95 %`."""
    return f"{_trimmed(100 * confidence, 1)} %"


def _bound(value: float, unit: Unit, signed: bool) -> str:
    scaled = _trimmed(100 * value, 1) if unit == "share" else _plain(value, unit)
    return _signed(scaled) if signed else scaled


def _plain(value: float, unit: Unit) -> str:
    if unit in ("points", "tokens"):
        return f"{value:,.1f}"
    if unit in ("score", "nats"):
        return f"{value:.3f}"
    return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _suffix(unit: Unit) -> str:
    return {"seconds": " s", "tokens": " tokens", "nats": " nats", "points": ""}.get(unit, "")


def _trimmed(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _signed(text: str) -> str:
    """Put a plus before what is more than nought, as it is written."""
    if not text.strip("-0.,"):
        return text.lstrip("-")
    return text if text.startswith("-") else f"+{text}"
