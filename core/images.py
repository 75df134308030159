"""The images that nodes and containers start from: the tag that a folder pins, and is it there.

A tag of Azure ML's images begins with the day of its patches, `20260715.v1`. An image may be
deprecated without notice and then gets none any more (Azure/AzureML-Containers, README); which tags
there are, the registry tells everybody.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from core.environments import Device
from core.facts import Facts
from core.lifecycle import Kind, judged, verdict
from core.rules import Finding, Status, failed, ok, unknown, warning

SECONDS = 5.0
SCHEME = "https"
AGED = timedelta(180)
"""Patches are published every few weeks; half a year without them is worth a word."""


@dataclass(frozen=True)
class Image:
    """An image's reference, taken apart."""

    registry: str
    repository: str
    tag: str

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}:{self.tag}"

    @property
    def patched(self) -> date | None:
        """The day in its tag; None where there is none."""
        found = re.match(r"(\d{4})(\d\d)(\d\d)\b", self.tag)
        return date(*(int(part) for part in found.groups())) if found else None


def pinned_image(folder: Path, device: Device) -> Image:
    """Read the image that a folder's environment.json pins for a kind of node."""
    chosen = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    place, _, tag = str(chosen[f"image_{device}"]).rpartition(":")
    registry, _, repository = place.partition("/")
    return Image(registry, repository, tag)


def pinned_packages(folder: Path, device: Device) -> list[str]:
    """List the names of the packages that a folder's list pins for a kind of node."""
    chosen = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    file = folder / str(chosen.get(f"requirements_{device}", "requirements.txt"))
    lines = file.read_text(encoding="utf-8").splitlines()
    found = [re.match(r"[A-Za-z0-9._-]+", line) for line in lines]
    return [match[0] for match in found if match]


@dataclass(frozen=True)
class Pinned:
    """What a folder pins for the nodes or containers that run it: questions for rules."""

    folder: Path
    device: Callable[[Facts], Device]
    shown: str
    """The folder as a person finds it."""

    def image_lasts(self, facts: Facts) -> Iterator[Finding]:
        """Judge the image that it starts from."""
        yield from lasting(facts, self._image(facts), self._image_fix)

    def image_is_there(self, facts: Facts) -> Iterator[Finding]:
        """Say whether the registry still has that image."""
        yield from there(facts, self._image(facts), self._image_fix)

    def packages_last(self, facts: Facts) -> Iterator[Finding]:
        """Judge the packages that it installs."""
        names = pinned_packages(self.folder, self.device(facts))
        fix = f"{self.shown}/requirements.in: {{}} instead"
        yield from judged(Kind.PACKAGE, names, facts.today, fix)

    def _image(self, facts: Facts) -> Image:
        return pinned_image(self.folder, self.device(facts))

    @property
    def _image_fix(self) -> str:
        return f"{self.shown}/environment.json: {{}} image"


def lasting(facts: Facts, image: Image, fix: str) -> Iterator[Finding]:
    """Judge an image by the table of retirements, and by the day of its patches."""
    found = verdict(Kind.IMAGE, str(image), facts.today, fix)
    yield found
    age = facts.today - image.patched if image.patched else timedelta(0)
    if found.status is Status.OK and age > AGED:
        yield warning(f"{image} has no patches of the last {age.days} days", fix.format("a newer"))


def there(facts: Facts, image: Image, fix: str) -> Iterator[Finding]:
    """Ask the registry whether the tag is still there; nobody signs in for that."""
    told = facts.once(("image", str(image)), lambda: _tags(image))
    if isinstance(told, str):
        yield unknown(f"whether {image} is still there could not be asked: {told}")
    elif image.tag in told:
        yield ok(f"{image} is there")
    else:
        newest = ", ".join(sorted(told)[-3:])
        yield failed(f"{image} is not there any more; the newest: {newest}", fix.format("a newer"))


def _tags(image: Image) -> list[str] | str:
    """List a repository's tags; a text says why they could not be had."""
    import httpx

    address = f"{SCHEME}://{image.registry}/v2/{image.repository}/tags/list"
    try:
        answer = httpx.get(address, timeout=SECONDS, follow_redirects=True)
        return [str(tag) for tag in answer.raise_for_status().json()["tags"]]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
