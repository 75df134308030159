"""A staged scoring program and a tiny random Phi-3, made once per test process."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.environment import stage_code

PHI3_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content']"
    " + '<|end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]


@pytest.fixture(scope="session", autouse=True)
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The scoring program as it is uploaded, importable by its flat names."""
    code = stage_code(tmp_path_factory.mktemp("deploy"))
    sys.path.insert(0, str(code))
    yield code
    sys.path.remove(str(code))


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Phi-3 of a few thousand weights with a manifest, as the job leaves it."""
    return make_model(tmp_path_factory.mktemp("model") / "outputs" / "model")


@pytest.fixture(scope="session")
def chat_model(model_folder: Path, serving: Path) -> Any:
    from chat_model import ChatModel

    return ChatModel.load(model_folder)


@pytest.fixture(scope="session")
def tokenizer(model_folder: Path) -> Any:
    """The tiny model's tokenizer, of whole bytes."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model_folder)


@pytest.fixture
def model_copy(model_folder: Path, tmp_path: Path) -> Path:
    """The model's folder, to be spoilt."""
    return shutil.copytree(model_folder, tmp_path / "model")


def make_model(folder: Path, *, context: int = 512) -> Path:
    import torch
    from transformers import Phi3Config, Phi3ForCausalLM

    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    config = Phi3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=context,
        original_max_position_embeddings=context,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
    )
    Phi3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_manifest(folder)
    return folder


def make_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(
        ["Lisbon is warm in May.", "What would you like to see there?"], trainer
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token=SPECIAL[0], pad_token=SPECIAL[0], bos_token=SPECIAL[0]
    )
    tokenizer.chat_template = PHI3_TEMPLATE
    return tokenizer


def write_manifest(folder: Path, **changes: Any) -> None:
    """Write the manifest from the very files, as the training job does."""
    from transformers import AutoTokenizer

    from core.template_fingerprint import SPECIAL_TOKENS, template_fingerprint

    tokenizer = AutoTokenizer.from_pretrained(folder)
    special = {name: getattr(tokenizer, name, None) for name in SPECIAL_TOKENS}
    manifest = {
        "fingerprint": template_fingerprint(tokenizer.chat_template, special),
        "recipe": {"name": "tiny-phi3", "model_name": "tiny-phi3"},
        "dtype": "float32",
        **changes,
    }
    (folder / "tunestack.json").write_text(json.dumps(manifest))


@pytest.fixture(scope="session")
def timed_stack(
    local_azure: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Any, Any]]:
    """The cloud and the outputs of a stack whose endpoints are scaled and expire."""
    import os

    from core.cloud import Cloud
    from core.settings import Settings
    from infra.in_process.engine import InProcess

    cloud = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("home")))
        settings = Settings(compute="cpu", person_type="ServicePrincipal", tags={"team": "nlp"})
        engine = InProcess("timed", settings, cloud)
        yield cloud, engine.up(lambda event: None)
        engine.destroy(lambda event: None)
