"""The model in the container: found, checked against its manifest, loaded, and made to answer.

A prompt is always rendered by the model's own chat template, the one that it was trained with.
"""

import logging
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from bodies import Message, Reply
from jinja2 import TemplateError
from model_folder import MANIFEST, UnusableModel, check_fingerprint, model_name, read_manifest
from sampling import DEFAULT_NEW_TOKENS, Refused, Sampling
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    StoppingCriteria,
    StoppingCriteriaList,
)

MAX_CONTEXT = 16_384
"""Tokens of question and answer together, where the model itself allows more: the cache for
them has to fit beside the weights."""
PROBE = ({"role": "user", "content": "Hello"},)

log = logging.getLogger("azmlinfsrv.tunestack")


@dataclass
class ChatModel:
    """A loaded model that answers one conversation at a time."""

    name: str
    tokenizer: Any
    model: Any
    system_message: str = ""
    """The system turn that every training conversation began with; empty where they differed."""
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def load(cls, folder: Path) -> "ChatModel":
        """Load the model in `folder` after comparing its template with its manifest.

        Raises:
            UnusableModel: the manifest cannot be read, or the fingerprint differs.
        """
        manifest = read_manifest(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        check_fingerprint(tokenizer, manifest)
        device, dtype = _placement(manifest)
        log.info("loading %s as %s on %s", folder, dtype, device)
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            attn_implementation="sdpa",
            use_safetensors=True,
            local_files_only=True,
        )
        return cls(
            model_name(manifest),
            tokenizer,
            model.to(device).eval(),
            str(manifest.get("system_message") or ""),
        )

    def check(self) -> None:
        """Make the model answer once.

        Raises:
            UnusableModel: it computes something that is no number, or writes nothing.
        """
        with self._turn, torch.inference_mode():
            inputs = self._encode(self.prompt(PROBE))
            logits = self.model(**inputs).logits
            if not torch.isfinite(logits).all():
                raise UnusableModel("The model computes NaN or infinity for a short question.")
            config = self._generation(Sampling(max_new_tokens=8), 60.0)
            config.min_new_tokens = 4
            written = self.model.generate(**inputs, generation_config=config)
        new = written[0, inputs["input_ids"].shape[1] :]
        special = set(self.tokenizer.all_special_ids)
        if not any(token not in special for token in new.tolist()):
            raise UnusableModel("The model writes nothing for a short question.")

    def as_trained(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """Begin a conversation that brings no system turn with the one of training, if it had one.

        Without it a tuned model is asked in a way that it never saw, and answers as its base.
        """
        if not self.system_message or any(turn["role"] == "system" for turn in messages):
            return messages
        return ({"role": "system", "content": self.system_message}, *messages)

    def prompt(self, messages: tuple[Message, ...]) -> str:
        """Render a conversation by the model's own template, open for its answer."""
        try:
            text: str = self.tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=True
            )
        except TemplateError as error:
            raise Refused(
                "invalid_messages", f"The model's chat template refuses the messages: {error}"
            ) from error
        return text

    def reply(self, messages: tuple[Message, ...], sampling: Sampling, deadline: float) -> Reply:
        """Answer a conversation before `deadline` (monotonic seconds), alone on the model.

        Raises:
            Refused: the conversation is too long, holds the template's control tokens, or its
                turn does not come in time.
        """
        self._refuse_control_tokens(messages)
        prompt = self.prompt(self.as_trained(messages))
        inputs = self._encode(prompt)
        length = self._length(inputs["input_ids"].shape[1], sampling.max_new_tokens)
        if not self._turn.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise Refused("busy", "Other requests are being answered.", status=429, retry_after=5)
        try:
            seconds = deadline - time.monotonic()
            return self._generate(prompt, inputs, replace(sampling, max_new_tokens=length), seconds)
        finally:
            self._turn.release()

    def _generate(self, prompt: str, inputs: Any, sampling: Sampling, seconds: float) -> Reply:
        if seconds <= 0:
            raise Refused(
                "out_of_time", "No time is left for this answer; ask for less.", status=503
            )
        if sampling.seed is not None:
            torch.manual_seed(sampling.seed)
        start = inputs["input_ids"].shape[1]
        with torch.inference_mode():
            written = self.model.generate(
                **inputs,
                generation_config=self._generation(sampling, seconds),
                stopping_criteria=StoppingCriteriaList(
                    [StopAtText(self.tokenizer, sampling.stop, start)] if sampling.stop else []
                ),
            )
        new = written[0, start:].tolist()
        text, is_stopped = _cut(self._decode(new), sampling.stop)
        is_finished = is_stopped or (bool(new) and new[-1] in self._end_tokens())
        return Reply(text.strip(), prompt, "stop" if is_finished else "length", start, len(new))

    def _generation(self, sampling: Sampling, seconds: float) -> GenerationConfig:
        end = self._end_tokens()
        settings: dict[str, Any] = {"do_sample": False}
        if sampling.temperature > 0:
            settings = {
                "do_sample": True,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": 0,
            }
        pad = self.tokenizer.pad_token_id
        return GenerationConfig(
            max_new_tokens=sampling.max_new_tokens,
            max_time=seconds,
            eos_token_id=end,
            pad_token_id=end[0] if pad is None else pad,
            # Saved with the model where its samples were written with one.
            repetition_penalty=self.model.generation_config.repetition_penalty or 1.0,
            **settings,
        )

    def _end_tokens(self) -> list[int]:
        """List the tokens that end an answer: the model's, the tokenizer's and the template's."""
        own = self.model.generation_config.eos_token_id
        found = [] if own is None else [own] if isinstance(own, int) else list(own)
        found += [self.tokenizer.eos_token_id, self._turn_end()]
        return sorted({token for token in found if token is not None})

    def _turn_end(self) -> int | None:
        """Find the special token that the template puts right after an answer, if it does."""
        mark = "tunestackmark"
        messages = [*PROBE, {"role": "assistant", "content": mark}]
        text = self.tokenizer.apply_chat_template(messages, tokenize=False)
        tail = self.tokenizer(text.partition(mark)[2], add_special_tokens=False)["input_ids"]
        return tail[0] if tail and tail[0] in self.tokenizer.added_tokens_decoder else None

    def _encode(self, prompt: str) -> Any:
        # The template has already written whatever stands at the start.
        return self.tokenizer(prompt, add_special_tokens=False, return_tensors="pt").to(
            self.model.device
        )

    def _decode(self, tokens: list[int]) -> str:
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
        own = getattr(self.model.config, "max_position_embeddings", None) or MAX_CONTEXT
        context = min(own, MAX_CONTEXT)
        length = min(DEFAULT_NEW_TOKENS, context - prompt_tokens) if wanted is None else wanted
        if length < 1 or prompt_tokens + length > context:
            answer = "an answer" if wanted is None else f"{wanted} of answer"
            raise Refused(
                "context_length_exceeded",
                f"{prompt_tokens} tokens of question and {answer} are more than the {context}"
                " that fit.",
            )
        return length


class StopAtText(StoppingCriteria):  # type: ignore[misc]
    """Stops once one of the texts was written.

    transformers' own `stop_strings` first maps the whole vocabulary against each new set of
    texts: seconds for 200,000 tokens, while everyone waits.
    """

    def __init__(self, tokenizer: Any, texts: tuple[str, ...], start: int) -> None:
        self._tokenizer = tokenizer
        self._texts = texts
        self._start = start
        # A character takes at most four tokens: one for each byte.
        self._window = 4 * max(len(text) for text in texts) + 4

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        """Say for each row (there is one) whether it has come to a text."""
        first = max(self._start, input_ids.shape[1] - self._window)
        tail = self._tokenizer.decode(input_ids[0, first:], skip_special_tokens=True)
        is_there = any(text in tail for text in self._texts)
        return torch.full((input_ids.shape[0],), is_there, device=input_ids.device)


def _placement(manifest: dict[str, Any]) -> tuple[str, Any]:
    if torch.cuda.is_available():
        return "cuda", torch.bfloat16
    if Path("/dev/nvidiactl").exists():
        raise UnusableModel(
            f"There is a GPU, but torch {torch.__version__} (CUDA {torch.version.cuda}) cannot"
            " use it: its driver is probably too old."
        )
    dtype = getattr(torch, str(manifest.get("dtype", "float32")).removeprefix("torch."), None)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise UnusableModel(f"{MANIFEST} names no dtype: {manifest.get('dtype')!r}.")
    return "cpu", dtype if _computes_in(dtype) else torch.float32


def _computes_in(dtype: torch.dtype) -> bool:
    """Say whether this processor is fast in `dtype`; float32 holds what a shorter one held."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    fast = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return dtype is torch.float32 or (dtype is torch.bfloat16 and fast)


def _cut(text: str, stops: tuple[str, ...]) -> tuple[str, bool]:
    ends = [text.find(stop) for stop in stops if stop in text]
    return (text[: min(ends)], True) if ends else (text, False)
