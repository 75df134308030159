"""From a conversation to the tokens that the model sees: its own template, its own limits.

A prompt is always rendered by the model's own chat template, the one that it was trained with.
Needs tokenizer and configuration, never torch: every runtime can use it.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine import Question
from jinja2 import TemplateError
from model_folder import UnusableModel, check_fingerprint
from sampling import DEFAULT_NEW_TOKENS, Message, Refused, Sampling
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

MAX_CONTEXT = 16_384
"""Tokens of question and answer together, where the model itself allows more: the cache for
them has to fit beside the weights."""
PROBE: tuple[Message, ...] = ({"role": "user", "content": "Hello"},)
"""What a model is asked before it gets ready."""


@dataclass(frozen=True)
class Prompts:
    """A model's tokenizer and what its files say about prompts and answers."""

    tokenizer: Any
    context: int
    """Tokens of question and answer together."""
    end_tokens: tuple[int, ...]
    """Those that end an answer: the model's, the tokenizer's and the template's."""
    system_message: str = ""
    """The system turn that every training conversation began with; empty where they differed."""

    @classmethod
    def load(cls, folder: Path, manifest: dict[str, Any]) -> "Prompts":
        """Load the tokenizer in `folder` after comparing its template with the manifest.

        Raises:
            UnusableModel: it cannot be read, or the fingerprint differs.
        """
        tokenizer = _read(AutoTokenizer, folder)
        check_fingerprint(tokenizer, manifest)
        config = _read(AutoConfig, folder).get_text_config()
        own = getattr(config, "max_position_embeddings", None) or MAX_CONTEXT
        return cls(
            tokenizer,
            min(own, MAX_CONTEXT),
            _end_tokens(tokenizer, _model_end(folder, config)),
            str(manifest.get("system_message") or ""),
        )

    def as_trained(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """Begin a conversation that brings no system turn with the one of training, if it had one.

        Without it a tuned model is asked in a way that it never saw, and answers as its base.
        """
        if not self.system_message or any(turn["role"] == "system" for turn in messages):
            return messages
        return ({"role": "system", "content": self.system_message}, *messages)

    def prompt(self, messages: tuple[Message, ...]) -> str:
        """Render a conversation by the model's own template, open for its answer.

        Raises:
            Refused: a message holds the template's control tokens, or the template refuses them.
        """
        self._refuse_control_tokens(messages)
        try:
            text: str = self.tokenizer.apply_chat_template(
                list(self.as_trained(messages)), tokenize=False, add_generation_prompt=True
            )
        except TemplateError as error:
            raise Refused(
                "invalid_messages", f"The model's chat template refuses the messages: {error}"
            ) from error
        return text

    def question(self, prompt: str, sampling: Sampling, deadline: float) -> Question:
        """Put a rendered prompt as tokens, with an answer's length that fits the context.

        Raises:
            Refused: question and answer are longer than the context.
        """
        tokens = self.encode(prompt)
        length = self._length(len(tokens), sampling.max_new_tokens)
        return Question(tokens, replace(sampling, max_new_tokens=length), deadline)

    def probe(self, new_tokens: int, deadline: float) -> Question:
        """Ask what a model is asked before it gets ready."""
        return self.question(self.prompt(PROBE), Sampling(max_new_tokens=new_tokens), deadline)

    def encode(self, prompt: str) -> tuple[int, ...]:
        """Give the tokens of a rendered prompt."""
        # The template has already written whatever stands at the start.
        return tuple(self.tokenizer(prompt, add_special_tokens=False)["input_ids"])

    def decode(self, tokens: list[int]) -> str:
        """Give the text of an answer's tokens, without special ones."""
        text: str = self.tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    def _refuse_control_tokens(self, messages: tuple[Message, ...]) -> None:
        """Refuse texts that would open or close a turn: they could speak as someone else."""
        template = self.tokenizer.chat_template
        marks = [
            token.content
            for token in self.tokenizer.added_tokens_decoder.values()
            if token.special and token.content in template
        ]
        for message in messages:
            for mark in marks:
                if mark in message["content"]:
                    raise Refused(
                        "control_token",
                        f"A message holds {mark}, which the model's chat template uses;"
                        " send the plain text, the template is applied here.",
                    )

    def _length(self, prompt_tokens: int, wanted: int | None) -> int:
        """Give how many tokens an answer may have; refuse what does not fit."""
        room = self.context - prompt_tokens
        length = min(DEFAULT_NEW_TOKENS, room) if wanted is None else wanted
        if length < 1 or length > room:
            answer = "an answer" if wanted is None else f"{wanted} of answer"
            raise Refused(
                "context_length_exceeded",
                f"{prompt_tokens} tokens of question and {answer} are more than the"
                f" {self.context} that fit.",
            )
        return length


def _read(kind: Any, folder: Path) -> Any:
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # tokenizers raises nothing narrower
        raise UnusableModel(
            f"The model's files in {folder} cannot be read: {type(error).__name__}: {error}"
        ) from error


def _model_end(folder: Path, config: Any) -> list[int]:
    """List the tokens that the model itself ends at."""
    own = getattr(config, "eos_token_id", None)
    if (folder / "generation_config.json").exists():
        own = _read(GenerationConfig, folder).eos_token_id
    return [] if own is None else [own] if isinstance(own, int) else list(own)


def _end_tokens(tokenizer: Any, own: list[int]) -> tuple[int, ...]:
    """List what ends an answer: the model's, the tokenizer's and the template's tokens."""
    found = [*own, tokenizer.eos_token_id, _turn_end(tokenizer)]
    return tuple(sorted({token for token in found if token is not None}))


def _turn_end(tokenizer: Any) -> int | None:
    """Find the special token that the template puts right after an answer, if it does."""
    mark = "tunestackmark"
    messages = [*PROBE, {"role": "assistant", "content": mark}]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    tail = tokenizer(text.partition(mark)[2], add_special_tokens=False)["input_ids"]
    return tail[0] if tail and tail[0] in tokenizer.added_tokens_decoder else None
