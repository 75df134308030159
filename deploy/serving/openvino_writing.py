"""OpenVINO GenAI's pipeline: loaded with room for many answers, and stepped token by token."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy
import openvino_genai
from free_memory import free_memory
from openvino import Tensor
from openvino_settings import BLOCK, MAX_ANSWERS, PROPERTIES, tokens_that_fit

FINISH = {
    openvino_genai.GenerationFinishReason.STOP: "stop",
    openvino_genai.GenerationFinishReason.LENGTH: "length",
}


@dataclass
class Writing:
    """The answers that are being written, each under its number."""

    pipeline: Any
    handles: dict[int, Any] = field(default_factory=dict)
    left: set[int] = field(default_factory=set)

    def take(self, number: int, tokens: tuple[int, ...], settings: dict[str, Any]) -> None:
        """Begin an answer with the next step.

        Raises:
            RuntimeError: OpenVINO refuses the settings.
        """
        config = openvino_genai.GenerationConfig()
        for name, value in settings.items():
            setattr(config, name, value)
        prompt = Tensor(numpy.array([tokens], dtype=numpy.int64))
        self.handles[number] = self.pipeline.add_request(number, prompt, config)

    def leave(self, number: int) -> None:
        """End an answer with the next step, if it has not ended."""
        if number in self.handles:
            self.handles[number].cancel()
            self.left.add(number)

    def step(self) -> list[tuple[int, list[int], str]]:
        """Write a token of each answer; give what came: number, tokens, and how it ended.

        An answer that is left ends as `left`, one that OpenVINO dropped as `failed`, and one with
        probabilities that are no numbers as `no number`.
        """
        self.pipeline.step()
        return [news for number in list(self.handles) if (news := self._read(number))]

    def _read(self, number: int) -> tuple[int, list[int], str] | None:
        handle, tokens, finish = self.handles[number], [], ""
        while handle.can_read():
            for output in handle.read().values():
                tokens += output.generated_ids
                finish = FINISH.get(output.finish_reason, finish)
                if not all(map(math.isfinite, output.generated_log_probs)):
                    finish = "no number"
        if number in self.left:
            finish = "left"
        elif not finish and handle.get_status() != openvino_genai.GenerationStatus.RUNNING:
            finish = "failed"
        if finish:
            if finish == "no number":
                handle.cancel()
            del self.handles[number]
            self.left.discard(number)
        return (number, tokens, finish) if tokens or finish else None


def load(folder: Path, context: int) -> tuple[Any, int]:
    """Load the pipeline; give it and how many tokens of all answers it has room for.

    The room is fixed before the weights are there. They take twice their size on disk, as they are
    mapped and put in another order: 4.1 GB were seen for a model of 2.0.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    weights = (folder / "openvino_model.bin").stat().st_size
    room = tokens_that_fit(config, free_memory() - 2 * weights, context)
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.num_kv_blocks = max(1, room // BLOCK)
    scheduler.max_num_seqs = MAX_ANSWERS
    # A conversation's next turn repeats all before it.
    scheduler.enable_prefix_caching = True
    pipeline = openvino_genai.ContinuousBatchingPipeline(folder, scheduler, "CPU", PROPERTIES)
    return pipeline, room
