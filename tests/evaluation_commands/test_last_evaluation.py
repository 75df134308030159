"""What `models show` tells of the newest kept evaluation: found, none, or not readable."""

from types import SimpleNamespace
from typing import Any

import pytest

from commands.evaluate import keeping
from commands.evaluate.keeping import keep
from commands.models.last_evaluation import evaluation_line, last_evaluation
from core.errors import CloudError
from tests.evaluation.example import judged
from tests.evaluation_commands.memory_storage import Blobs

SESSION: Any = SimpleNamespace(stack="dev", cloud=None, outputs=None, is_rehearsal=False)


@pytest.fixture
def blobs(monkeypatch: pytest.MonkeyPatch) -> Blobs:
    found = Blobs()
    monkeypatch.setattr(keeping, "blob_folder", found.folder)
    return found


def test_the_newest_evaluation_is_told_with_day_suite_and_verdict(blobs: Blobs) -> None:
    keep(SESSION, judged(count=60, made="2026-11-20T08:00:00Z"), "")
    keep(SESSION, judged(count=60), "")
    found = last_evaluation(SESSION, "travel:3", "job@40")
    assert found is not None
    (verdict,) = found["verdicts"]
    assert verdict.startswith("tuned is better than base")
    assert evaluation_line(found) == f"2026-11-22, suite travel, 60 questions: {verdict}"


def test_without_an_evaluation_nothing_is_told(blobs: Blobs) -> None:
    assert last_evaluation(SESSION, "travel:3") is None
    assert evaluation_line(None) == ""


def test_one_that_cannot_be_read_is_told_and_hides_nothing_else(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(SESSION, judged(), "")
    blobs.files = dict.fromkeys(blobs.files, b"{}")
    assert "none that this version" in evaluation_line(last_evaluation(SESSION, "travel:3"))

    def refused(*given: Any) -> None:
        raise CloudError("no right to read it")

    monkeypatch.setattr(keeping, "blob_folder", refused)
    with pytest.raises(CloudError, match="no right"):
        last_evaluation(SESSION, "travel:3")
