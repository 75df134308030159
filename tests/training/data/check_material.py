"""Small files for the tests of the checks."""

import json
from pathlib import Path
from typing import Any

from training.data.check import check_file
from training.data.findings import Report
from training.data.rules import EVERY


def chat(*texts: str, system: str = "", **extra: Any) -> dict[str, Any]:
    """Make a chat of user and assistant in turn."""
    messages = [{"role": "system", "content": system}] if system else []
    for number, text in enumerate(texts):
        messages.append({"role": ("user", "assistant")[number % 2], "content": text})
    return {"messages": messages, **extra}


def pair(prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    """Make a preference."""
    return {
        "prompt": [{"role": "user", "content": prompt}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
    }


def write(path: Path, *records: Any) -> Path:
    """Write records as JSONL; bytes as they are."""
    lines = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in records]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def checked(path: Path, *records: Any, **options: Any) -> Report:
    """Write records and check them, by every rule where none are named."""
    options = {"fewest": 1, "rules": EVERY, **options}
    return check_file(write(path, *records), **options)


def told(report: Report, group: str) -> list[tuple[int, str]]:
    """Give line and rule of the findings of a group."""
    return [(each.line, each.rule) for each in report.findings if each.rule.startswith(group)]
