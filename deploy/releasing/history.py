"""What served before: a short history in the endpoint's tags, newest first, for `rollback`.

It is written in the same request that moves the traffic, so that neither is without the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from core.refs import ModelRef
from deploy.endpoint import DeploymentState

TAG = "former-{}"
LONGEST = 250
"""Characters of a tag's value that Azure surely keeps."""
ENTRIES = 5
LEAVING = "leaving"
"""The tag that names, while a rollback is under way, the deployment that it takes away."""

Tags = dict[str, str | None]


@dataclass(frozen=True)
class Former:
    """A deployment that had all traffic once: enough to make it again."""

    model: ModelRef
    vm_size: str
    runtime: str
    instances: int
    when: str
    """When another took its place, ISO 8601."""

    @classmethod
    def of(cls, deployment: DeploymentState, now: datetime | None = None) -> "Former":
        """Note a deployment that gives its place up now."""
        return cls(
            ModelRef.parse(deployment.model),
            deployment.vm_size,
            deployment.runtime,
            deployment.instances,
            (now or datetime.now(UTC)).isoformat(timespec="seconds"),
        )

    def is_of(self, deployment: DeploymentState) -> bool:
        """Say whether a deployment serves the same in the same way, however often."""
        wanted = (str(self.model), self.vm_size.lower(), self.runtime)
        return wanted == (deployment.model, deployment.vm_size.lower(), deployment.runtime)

    def text(self) -> str:
        """Write it as a tag's value; empty where it would not fit whole."""
        words = (self.model, self.vm_size, self.runtime, self.instances, self.when)
        text = " ".join(map(str, words))
        return text if len(text) <= LONGEST else ""

    @classmethod
    def read(cls, text: str) -> "Former | None":
        """Read a tag's value; None where somebody wrote something else there."""
        words = text.split(" ")
        if len(words) != 5 or not words[3].isdigit() or ":" not in words[0]:
            return None
        return cls(ModelRef.parse(words[0]), words[1], words[2], int(words[3]), words[4])


def read(tags: Mapping[str, str]) -> list[Former]:
    """Read an endpoint's history, newest first."""
    found = (tags.get(TAG.format(number)) for number in range(1, ENTRIES + 1))
    return [former for text in found if text and (former := Former.read(text))]


def pushed(tags: Mapping[str, str], former: DeploymentState) -> Tags:
    """Give the tags with one more entry; the oldest gives way."""
    return _written([Former.of(former), *read(tags)])


def popped(tags: Mapping[str, str], to: DeploymentState) -> Tags:
    """Give the tags once the endpoint is back at `to`: that entry and newer ones are gone."""
    entries = read(tags)
    places = [place for place, entry in enumerate(entries) if entry.is_of(to)]
    return _written(entries[places[0] + 1 :] if places else entries)


def _written(entries: Sequence[Former]) -> Tags:
    texts = [text for entry in entries if (text := entry.text())][:ENTRIES]
    return {
        TAG.format(number): texts[number - 1] if number <= len(texts) else None
        for number in range(1, ENTRIES + 1)
    }
