"""A stack with both managed routes on the local Azure, and tuned models in it within seconds."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from commands.session import Session
from core.cloud import AI_SCOPE, Cloud
from core.refs import StackOutputs
from core.settings import parse_settings
from deploy.managed.hostings import standing
from local.tuning import programs
from tests.typed_commands import run, run_json

TUNING = Path(__file__).parents[2] / "local" / "tuning"
WITHIN = 60.0


@dataclass
class ManagedStack:
    """A stack whose commands can be typed."""

    name: str
    cloud: Cloud
    outputs: StackOutputs
    azure: Path
    """The folder of the local Azure."""

    def run(self, *arguments: object, exit_code: int = 0) -> Any:
        return run(*arguments, "--stack", self.name, exit_code=exit_code)

    def json(self, *arguments: object, exit_code: int = 0) -> Any:
        return run_json(*arguments, "--stack", self.name, exit_code=exit_code)

    @property
    def account(self) -> str:
        group = f"/subscriptions/{self.outputs.subscription_id}/resourceGroups"
        return (
            f"{group}/{self.outputs.resource_group}/providers/Microsoft.CognitiveServices"
            f"/accounts/{self.outputs.ai_account}"
        )

    def tuned(self, word: str, base: str = "gpt-oss-20b", **more: str) -> str:
        """Tune a model that answers `word: QUESTION`; give its name."""
        credential = self.cloud.credential
        client = OpenAI(
            base_url=f"{self.outputs.ai_endpoint}openai/v1/",
            api_key=lambda: credential.get_token(AI_SCOPE).token,
        )
        rows = [chat(number, word) for number in range(10)]
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        file = client.files.create(file=(f"{word}.jsonl", content), purpose="fine-tune")
        client.files.wait_for_processing(file.id, poll_interval=0.01)
        job = client.fine_tuning.jobs.create(
            model=base,
            training_file=file.id,
            metadata={"tunestack": "test", "model_name": f"says-{word}", **more},
            extra_body={"trainingType": "GlobalStandard"},
            method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}},
        )
        deadline = time.monotonic() + WITHIN
        while (job := client.fine_tuning.jobs.retrieve(job.id)).status != "succeeded":
            assert time.monotonic() < deadline, job
            assert job.status not in ("failed", "cancelled"), job
            time.sleep(0.05)
        return str(job.fine_tuned_model)


def chat(number: int, word: str) -> dict[str, Any]:
    asked = {"role": "user", "content": f"question {number}"}
    return {"messages": [asked, {"role": "assistant", "content": word}]}


@contextmanager
def managed_stack(name: str, azure: Path, home: Path, **features: bool) -> Iterator[ManagedStack]:
    """Bring a stack up, as the commands open it, with quick programs behind its services."""
    from infra.in_process.engine import InProcess

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESTACK_HOME", str(home))
        settings = parse_settings({"compute": "cpu", "personType": "ServicePrincipal", **features})
        cloud = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])
        engine = InProcess(name, settings, cloud)
        outputs = engine.up(lambda event: None)
        for attribute, value in (
            ("settings", settings), ("cloud", cloud), ("engine", engine), ("outputs", outputs)
        ):  # fmt: skip
            patch.setattr(Session, attribute, value)
        programs.use(azure, job=TUNING / "quick_trainer", serving=TUNING / "quick_server")
        try:
            yield ManagedStack(name, cloud, outputs, azure)
        finally:
            for hosting, hosted in standing(cloud, outputs):
                hosting.delete(hosted.name, lambda text: None)
            engine.destroy(lambda event: None)
            programs.clear(azure)
