"""An AI account with the unmodified openai client on it, and short words for what tests do."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure.core.credentials import TokenCredential
from azure.identity import DefaultAzureCredential
from azure_group import Group
from openai import APIStatusError, OpenAI

SCOPE = "https://cognitiveservices.azure.com/.default"
ACCOUNTS = "Microsoft.CognitiveServices/accounts"
BASE = "gpt-4.1-mini-2025-04-14"
WITHIN = 60.0
TRAINER = Path(__file__).parents[1] / "tuning" / "quick_trainer"


@dataclass
class AiAccount:
    """An account and its client."""

    group: Group
    document: dict[str, Any]
    client: OpenAI

    @classmethod
    def made(cls, group: Group, name: str, **chosen: Any) -> "AiAccount":
        own = {"allowProjectManagement": True, "disableLocalAuth": True}
        properties = {**own, "customSubDomainName": name, **chosen.pop("properties", {})}
        body = {
            "location": "eastus2",
            "kind": "AIServices",
            "sku": {"name": "S0"},
            "identity": {"type": "SystemAssigned"},
            **chosen,
            "properties": properties,
        }
        document = group.put(f"{ACCOUNTS}/{name}", body)
        return cls(group, document, client_of(f"https://{name}.openai.azure.com/openai/v1/"))

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def name(self) -> str:
        return str(self.document["name"])

    def upload(self, content: bytes, name: str = "chats.jsonl") -> str:
        """Upload a file and wait until it is processed."""
        file = self.client.files.create(file=(name, content), purpose="fine-tune")
        return self.client.files.wait_for_processing(file.id, poll_interval=0.001).id

    def job(self, content: bytes | None = None, **chosen: Any) -> Any:
        """Order a job of two epochs on a file of its own."""
        file = chosen.pop("training_file", None) or self.upload(content or chats())
        method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}}
        return self.client.fine_tuning.jobs.create(
            **{"model": BASE, "training_file": file, "method": method, **chosen}
        )

    def until(self, id: str, *states: str) -> Any:
        """Wait until a job is in one of the states."""
        jobs = self.client.fine_tuning.jobs
        return until(lambda: jobs.retrieve(id), lambda job: job.status in states)

    def messages(self, id: str) -> list[str]:
        """List what a job has told, oldest first."""
        events = self.client.fine_tuning.jobs.list_events(id, limit=100)
        return [event.message for event in reversed(list(events))]


def until(look: Callable[[], Any], is_it: Callable[[Any], bool], *, within: float = WITHIN) -> Any:
    """Look until something is as it should be."""
    deadline = time.monotonic() + within
    while not is_it(found := look()):
        assert time.monotonic() < deadline, f"still {found}"
        time.sleep(0.02)
    return found


def client_of(url: str, credential: TokenCredential | None = None, **chosen: Any) -> OpenAI:
    known = credential or DefaultAzureCredential()
    return OpenAI(
        **{
            "base_url": url,
            "api_key": lambda: known.get_token(SCOPE).token,
            "max_retries": 0,
            **chosen,
        }
    )


def chats(rows: int = 10, last: str = "hello there") -> bytes:
    """Write a training file; the quick trainer learns the first word of the last answer."""
    answers = [f"answer {number}" for number in range(rows - 1)] + [last]
    return b"".join(
        json.dumps({"messages": [turn("user", f"question {n}"), turn("assistant", text)]}).encode()
        + b"\n"
        for n, text in enumerate(answers)
    )


def waiting(path: Path, step: int = 1, rows: int = 10) -> bytes:
    """Write a training file with which the quick trainer waits at a step until a file exists."""
    return chats(rows, f"word [wait {step} {path}]")


def pairs(rows: int = 10) -> bytes:
    """Write a file of preferences as Azure takes it."""
    return b"".join(
        json.dumps(
            {
                "input": {"messages": [turn("user", f"question {number}")]},
                "preferred_output": [turn("assistant", "kind")],
                "non_preferred_output": [turn("assistant", "rude")],
            }
        ).encode()
        + b"\n"
        for number in range(rows)
    )


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def refused(act: Callable[[], Any]) -> tuple[int, str, str]:
    """Give status, code and message of a refusal."""
    try:
        found = act()
    except APIStatusError as error:
        return error.status_code, str(error.code), error.message
    raise AssertionError(f"it was not refused: {found}")
