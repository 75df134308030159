"""Tokens and requests a minute, by a deployment's capacity."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hosted import Hosted
from openai import RateLimitError

from local import clock

_tests = itertools.count(1)


@pytest.fixture(scope="module")
def deployed(standing: Hosted) -> Iterator[None]:
    """Let the deployment have 1000 tokens and 6 requests a minute, and no other test's count."""
    model = standing.listed()["word"]["properties"]["model"]
    standing.deploy("word", model, capacity=1)
    yield
    standing.deploy("word", model, capacity=100)


@pytest.fixture
def later(azure_folder: Path) -> Iterator[Callable[[float], None]]:
    """Set the clock by seconds, from a minute on that no other test has counted in."""
    start = 1000.0 * next(_tests)
    clock.set_ahead(azure_folder, start)
    yield lambda seconds: clock.set_ahead(azure_folder, start + seconds)
    clock.set_ahead(azure_folder, 0)


@pytest.fixture
def small(standing: Hosted, deployed: None, later: Any) -> Callable[..., Any]:
    return lambda text, **chosen: standing.ask("word", text, **chosen)


def limited(act: Callable[[], Any]) -> RateLimitError:
    with pytest.raises(RateLimitError) as caught:
        act()
    return caught.value


def test_tokens_are_counted_over_a_minute(
    small: Callable[..., Any], later: Callable[[float], None]
) -> None:
    small("hello", max_tokens=900)
    later(20)
    small("word " * 700)
    error = limited(lambda: small("hello", max_tokens=900))
    assert error.code == "429"
    assert (
        "exceeded token rate limit of your current AIServices S0 pricing tier. Please retry after"
        in error.message
    )
    headers = error.response.headers
    seconds = int(headers["retry-after"])
    assert 30 < seconds <= 61
    assert headers["policy-id"] == "DeploymentRatelimit-Token"
    assert headers["x-rate-limit-reset-tokens"] == str(seconds)
    later(20 + seconds)
    small("hello", max_tokens=900)


def test_a_request_of_more_than_a_minutes_worth_is_never_answered(
    small: Callable[..., Any],
) -> None:
    error = limited(lambda: small("hello", max_tokens=2000))
    assert error.response.headers["retry-after"] == "86400"


def test_requests_are_counted_over_a_minute(
    small: Callable[..., Any], later: Callable[[float], None]
) -> None:
    for _ in range(6):
        small("hi")
    error = limited(lambda: small("hi"))
    assert "exceeded call rate limit" in error.message
    assert error.response.headers["policy-id"] == "DeploymentRatelimit-Call"
    later(61)
    assert small("hi").choices


def test_a_stream_counts_by_what_it_used(small: Callable[..., Any]) -> None:
    list(small("hello", max_tokens=900, stream=True))
    list(small("hello", max_tokens=900, stream=True))
