"""An AI account whose tuned models are written down, not trained, and what tests do with it."""

import itertools
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure.core.credentials import TokenCredential
from azure.identity import DefaultAzureCredential
from azure_group import Group
from openai import OpenAI

from local.ai.models import TunedFolder, keep_model
from local.state import opened
from local.tokens import DEPLOYMENTS

API = "2025-06-01"
SCOPE = "https://cognitiveservices.azure.com/.default"
ACCOUNTS = "Microsoft.CognitiveServices/accounts"
MINI = "gpt-4.1-mini"
VERSION = "2025-04-14"
QUICK = Path(__file__).parents[1] / "tuning"
"""Programs of a second: `quick_trainer` and `quick_server`."""

QWEN = {"format": "Alibaba", "name": "Qwen3-32B", "version": "1"}
_numbers = itertools.count(1)


@dataclass
class Hosted:
    """An account on the session's local Azure."""

    group: Group
    document: dict[str, Any]
    folder: Path
    """Of the local Azure."""

    @classmethod
    def made(cls, group: Group, folder: Path, **chosen: Any) -> "Hosted":
        name = f"hosted-{next(_numbers)}"
        own = {"allowProjectManagement": True, "disableLocalAuth": True}
        body = {
            "location": "eastus2",
            "kind": "AIServices",
            "sku": {"name": "S0"},
            "identity": {"type": "SystemAssigned"},
            "properties": {**own, "customSubDomainName": name},
            **chosen,
        }
        return cls(group, group.put(f"{ACCOUNTS}/{name}", body), folder)

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def name(self) -> str:
        return str(self.document["name"])

    def path(self, deployment: str = "") -> str:
        return f"{self.id}/deployments/{deployment}".rstrip("/")

    def tuned(self, word: str, base: str = f"{MINI}-{VERSION}", step: int = 0) -> str:
        """Write a tuned model down that answers with a word; give what a deployment names."""
        name = f"{base}.ft-{uuid.uuid4().hex}" + (f":ckpt-step-{step}" if step else "")
        home = self.folder / "hosted" / uuid.uuid4().hex
        home.mkdir(parents=True)
        (home / "word.txt").write_text(word)
        (home / "tunestack.json").write_text(json.dumps({"fingerprint": "quick"}))
        model = TunedFolder(name, base, home, "ftjob-written")
        with opened(self.folder) as state:
            keep_model(state, self.id, model, checkpoint=f"ftchkpt-{step}", created=1)
        return name

    def body(self, model: str | dict[str, str], **chosen: Any) -> dict[str, Any]:
        """Write what a PUT sends; a name alone is a tuned OpenAI model's."""
        asked = model if isinstance(model, dict) else openai(model)
        sku = {"name": chosen.pop("sku", "GlobalStandard"), "capacity": chosen.pop("capacity", 1)}
        return {"sku": sku, "properties": {"model": asked, **chosen}}

    def deploy(self, name: str, model: str | dict[str, str], **chosen: Any) -> dict[str, Any]:
        """Make a deployment and wait for it."""
        return self.group.arm.put(self.path(name), API, self.body(model, **chosen))

    def written(self, name: str, model: dict[str, str]) -> None:
        """Write down that a deployment stands, without a process."""
        properties = {
            "model": model,
            "provisioningState": "Succeeded",
            "raiPolicyName": "Microsoft.DefaultV2",
        }
        row = {"id": self.path(name), "name": name, "type": DEPLOYMENTS, "properties": properties}
        with opened(self.folder) as state:
            state.put(
                row["id"], DEPLOYMENTS, {**row, "sku": {"name": "GlobalStandard", "capacity": 1}}
            )

    def drop(self, name: str) -> bool:
        return self.group.arm.delete(self.path(name), API)

    def listed(self) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in self.group.arm.get_list(self.path(), API)}

    def client(
        self,
        host: str = "openai",
        base: str = "openai/v1",
        credential: TokenCredential | None = None,
    ) -> OpenAI:
        """Give the unmodified client on one of the account's addresses."""
        known = credential or DefaultAzureCredential()
        return OpenAI(
            base_url=f"https://{self.name}.{host}.azure.com/{base}/",
            api_key=lambda: known.get_token(SCOPE).token,
            max_retries=0,
        )

    def ask(self, deployment: str, text: str, **chosen: Any) -> Any:
        """Ask with one user message."""
        messages = [{"role": "user", "content": text}]
        return self.client().chat.completions.create(model=deployment, messages=messages, **chosen)


def openai(name: str, version: str = "1") -> dict[str, str]:
    return {"format": "OpenAI", "name": name, "version": version}
