"""The estimate's memory against what a whole training process really takes."""

import subprocess
import sys

import pytest

from core.recipe import Recipe
from training.estimate import DataSize
from training.estimate.known_shapes import KNOWN
from training.estimate.memory import memory_of
from training.estimate.shapes import from_config

SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
PROGRAM = """
import resource, sys
import torch, trl.kernels.chunked_logprob, trl.trainer.utils as fused
from transformers import LlamaConfig, LlamaForCausalLM
fused._use_triton = lambda device: True  # as training/job does: learned tokens only
model = LlamaForCausalLM(LlamaConfig(**{sizes}))
fused.add_fused_lm_head(model, outputs=("log_probs", "entropy", "is_top1"))
optimiser = torch.optim.AdamW(model.parameters(), fused=True)
ids = torch.randint(0, 49152, ({rows}, {length}))
for _ in range(2):
    model(input_ids=ids, labels=ids, fused_lm_head=True).loss.backward()
    optimiser.step()
    optimiser.zero_grad()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "length"), [(1, 128), (2, 512)])
def test_a_smollm2_process_takes_what_is_predicted(rows: int, length: int) -> None:
    """Slow: two training steps of 135 million weights in float32, in a process of their own."""
    sizes = {key: value for key, value in KNOWN[SMOLLM2].items() if key != "model_type"}
    program = PROGRAM.format(sizes=sizes, rows=rows, length=length)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=500
    )
    measured = int(done.stdout.split()[-1])
    base = {"source": "random", "id": "none"}
    asked = Recipe.model_validate(
        {
            "name": "r", "description": "", "model_name": "r", "base": base, "method": "full",
            "training": {"batch_size": rows, "max_length": length, "precision": "float32"},
        }
    )  # fmt: skip
    data = DataSize(rows=1, bytes=5 * length, longest=length)
    found = memory_of(asked, from_config(KNOWN[SMOLLM2], ""), "cpu", data)
    assert found.low * 0.9 < measured < found.high * 1.1, (found.low, measured, found.high)
