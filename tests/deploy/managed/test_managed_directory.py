"""What `serve` knows of managed deployments: those that came, went, or moved meanwhile."""

from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from deploy.access import Access
from deploy.managed.contract import Hosted
from deploy.web.directory import Way
from deploy.web.managed_directory import ManagedDirectory, Pair
from deploy.web.refusals import Refused


class Hosting:
    """Opens a deployment, and counts how often."""

    route = "serverless"

    def __init__(self) -> None:
        self.opened: list[str] = []

    def access(self, hosted: Hosted) -> Access:
        self.opened.append(hosted.url)
        return Access(hosted.ref(), lambda: SecretStr(f"key of {hosted.url}"))


def hosted(name: str, **known: Any) -> Hosted:
    fields: dict[str, Any] = {"model": name, "serves": "tuned", "state": "Online", **known}
    return Hosted(
        name=name, route="serverless", url=fields.pop("url", f"https://{name}/"), **fields
    )


@pytest.fixture
def hosting() -> Hosting:
    return Hosting()


def way(directory: ManagedDirectory, name: str) -> Way:
    return anyio.run(directory.way, name)


def look_again(directory: ManagedDirectory) -> None:
    anyio.run(lambda: directory.refresh(older_than=0))


def test_the_newest_that_answers_is_tuned_and_each_is_found_by_its_name(hosting: Hosting) -> None:
    standing: list[Pair] = [
        (hosting, hosted("old", created="2026-01-01")),  # type: ignore[list-item]
        (hosting, hosted("new", created="2026-02-01")),  # type: ignore[list-item]
        (hosting, hosted("soon", created="2026-03-01", state="Creating")),  # type: ignore[list-item]
    ]
    directory = ManagedDirectory("prj", lambda: standing)
    names = [found.name for id in ("tuned", "old") if (found := directory.known(id))]
    assert names == ["new", "old"]
    assert directory.known("base") is None and directory.known("soon") is None


def test_a_key_is_read_once_until_the_deployment_is_another(hosting: Hosting) -> None:
    standing: list[Pair] = [(hosting, hosted("one"))]  # type: ignore[list-item]
    directory = ManagedDirectory("prj", lambda: standing)
    assert way(directory, "one").url == way(directory, "one").url == "https://one/"
    standing[0] = (hosting, hosted("one", url="https://elsewhere/"))  # type: ignore[assignment]
    look_again(directory)
    assert way(directory, "one").url == "https://elsewhere/"
    assert hosting.opened == ["https://one/", "https://elsewhere/"]


def test_what_was_deleted_while_it_was_asked_is_refused_by_name(hosting: Hosting) -> None:
    standing: list[Pair] = [(hosting, hosted("one")), (hosting, hosted("two"))]  # type: ignore[list-item]
    directory = ManagedDirectory("prj", lambda: standing)
    del standing[0]
    look_again(directory)
    with pytest.raises(Refused, match="'one' is none of tuned, two"):
        way(directory, "one")
