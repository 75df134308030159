"""Data assets are named by their content, and go up once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.cloud import Cloud
from core.errors import UserError
from core.refs import StackOutputs
from training import assets
from training.assets import ensure_data, file_sha256, read_data


def test_the_same_content_goes_up_once_and_another_makes_a_version(
    cloud: Cloud, outputs: StackOutputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    really = assets.uploaded

    def counted(send: Callable[[], Any]) -> Any:
        sent.append("asset")
        return really(send)

    monkeypatch.setattr(assets, "uploaded", counted)

    def ensured(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_text(text)
        return ensure_data(cloud, outputs, "tunestack-once", path, file_sha256(path))

    first = ensured("train.jsonl", "one\n")
    assert ensured("train.jsonl", "one\n") == first
    assert ensured("renamed.jsonl", "one\n") == first
    assert len(sent) == 1
    assert ensured("train.jsonl", "two\n") != first
    assert len(sent) == 2
    versions = cloud.workspace(outputs).data.list(name="tunestack-once")
    assert len(list(versions)) == 2


def test_a_files_content_comes_back_as_it_went_up(
    cloud: Cloud, outputs: StackOutputs, tmp_path: Path
) -> None:
    path = tmp_path / "held out.jsonl"
    path.write_text('{"text": "Grüße"}\n', encoding="utf-8")
    asset = ensure_data(cloud, outputs, "tunestack-back", path, file_sha256(path))
    assert read_data(cloud, outputs, asset) == path.read_bytes()
    with pytest.raises(UserError, match="tunestack-back:0 is not in the workspace"):
        read_data(cloud, outputs, "azureml:tunestack-back:0")
