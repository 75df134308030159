"""How a request may ask the model to write: parameters, their limits, and the refusal of others."""

import math
from dataclasses import dataclass
from typing import Any

MAX_NEW_TOKENS = 4096
DEFAULT_NEW_TOKENS = 256
MAX_STOPS = 16
MAX_STOP_LENGTH = 256

PARAMETERS = (
    "temperature",
    "top_p",
    "max_new_tokens",
    "do_sample",
    "seed",
    "stop",
    "return_full_text",
)


Message = dict[str, str]
"""A turn of a conversation: its `role` and its `content`."""


class Refused(Exception):
    """The request cannot be answered as it is; becomes a 4xx (or 503) with a reason."""

    def __init__(self, code: str, message: str, *, status: int = 400, retry_after: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True)
class Sampling:
    """How the model shall answer."""

    temperature: float = 0.0
    """0 is greedy: the same question gets the same answer."""
    top_p: float = 1.0
    max_new_tokens: int | None = None
    """None: `DEFAULT_NEW_TOKENS`, or fewer where the context has no room for them."""
    seed: int | None = None
    stop: tuple[str, ...] = ()
    full_text: bool = False
    """Put what the answer follows in front of it."""


def generation(parameters: Any, path: str) -> Sampling:
    """Read generation parameters; `path` is where they stand in the body.

    Without `do_sample`, a temperature or a `top_p` asks for sampling; nothing asks for greedy.
    """
    if not isinstance(parameters, dict):
        raise Refused("invalid_parameter", f"`{path}` must be an object.")
    given = {name: value for name, value in parameters.items() if value is not None}
    only(given, PARAMETERS, path)
    temperature = _number(given, "temperature", 0, 2, path)
    top_p = _number(given, "top_p", 0, 1, path)
    if top_p == 0:
        raise Refused("invalid_parameter", f"`{_at(path, 'top_p')}` must be above 0.")
    wants_sampling = temperature is not None or top_p is not None
    does_sample = flag(given, "do_sample", wants_sampling, path)
    return Sampling(
        temperature=(1.0 if temperature is None else temperature) if does_sample else 0.0,
        top_p=1.0 if top_p is None else top_p,
        max_new_tokens=whole(given, "max_new_tokens", 1, MAX_NEW_TOKENS, path),
        seed=whole(given, "seed", 0, 2**63 - 1, path),
        stop=_stops(given.get("stop"), path),
        full_text=flag(given, "return_full_text", False, path),
    )


def only(given: dict[str, Any], known: tuple[str, ...], path: str) -> None:
    """Refuse names that are not known, and say which are."""
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise Refused(
            "unknown_field",
            f"Unknown in {path or 'the body'}: {', '.join(unknown)[:200]}."
            f" Known: {', '.join(known)}.",
        )


def _number(given: dict[str, Any], name: str, low: float, high: float, path: str) -> float | None:
    value = given.get(name)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:
        raise Refused(
            "invalid_parameter", f"`{_at(path, name)}` must be a number from {low} to {high}."
        )
    return float(value)


def whole(given: dict[str, Any], name: str, low: int, high: int, path: str) -> int | None:
    """Read a whole number within limits; None where it is absent."""
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise Refused(
            "invalid_parameter", f"`{_at(path, name)}` must be a whole number from {low} to {high}."
        )
    return value


def flag(given: dict[str, Any], name: str, default: bool, path: str) -> bool:
    """Read a truth value."""
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise Refused("invalid_parameter", f"`{_at(path, name)}` must be true or false.")
    return value


def _stops(value: Any, path: str) -> tuple[str, ...]:
    texts = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or len(texts) > MAX_STOPS:
        raise Refused(
            "invalid_parameter", f"`{_at(path, 'stop')}` must be at most {MAX_STOPS} texts."
        )
    for text in texts:
        if not isinstance(text, str) or not 0 < len(text) <= MAX_STOP_LENGTH:
            raise Refused(
                "invalid_parameter",
                f"`{_at(path, 'stop')}` must hold texts of 1 to {MAX_STOP_LENGTH} characters.",
            )
    return tuple(texts)


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
