"""The model in the container: found, checked against its manifest, loaded, and made to answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import Engine, Piece
from model_folder import UnusableModel, model_name, read_manifest
from prompts import Prompts
from sampling import Message, Sampling

RUNTIMES = ("transformers", "openvino")


@dataclass(frozen=True)
class Writing:
    """An answer under way."""

    prompt: str
    """The conversation as the model's template renders it."""
    prompt_tokens: int
    pieces: Iterator[Piece]

    def close(self) -> None:
        """Give the answer up, if it has not ended."""
        close = getattr(self.pieces, "close", None)
        if close:
            close()


@dataclass(frozen=True)
class ChatModel:
    """A loaded model with its prompts, whichever engine runs it."""

    name: str
    prompts: Prompts
    engine: Engine

    @classmethod
    def load(cls, folder: Path) -> "ChatModel":
        """Load the model in `folder` with the engine that its manifest asks for.

        Raises:
            UnusableModel: its files are not what was trained, or cannot be loaded.
        """
        manifest = read_manifest(folder)
        runtime = manifest.get("runtime", "transformers")
        if runtime not in RUNTIMES:
            raise UnusableModel(
                f"The manifest names the runtime {runtime!r}, which this scoring program does not"
                f" know (it knows {', '.join(RUNTIMES)}): deploy with a newer tunestack."
            )
        prompts = Prompts.load(folder, manifest)
        return cls(model_name(manifest), prompts, _engine(runtime, folder, manifest, prompts))

    def check(self) -> None:
        """Make the model answer once.

        Raises:
            UnusableModel: it computes something that is no number, or writes nothing.
        """
        self.engine.check()

    def write(self, messages: tuple[Message, ...], sampling: Sampling, deadline: float) -> Writing:
        """Begin to answer a conversation before `deadline` (monotonic seconds).

        Raises:
            Refused: the conversation is too long, or holds the template's control tokens.
        """
        prompt = self.prompts.prompt(messages)
        question = self.prompts.question(prompt, sampling, deadline)
        return Writing(prompt, len(question.tokens), self.engine.write(question))


def _engine(runtime: str, folder: Path, manifest: dict[str, Any], prompts: Prompts) -> Engine:
    # Each runtime's packages are in its own environment alone.
    if runtime == "openvino":
        from openvino_engine import OpenVinoEngine

        return OpenVinoEngine.load(folder, manifest, prompts)
    from batching import BatchingEngine

    return BatchingEngine.load(folder, manifest, prompts)
