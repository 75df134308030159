"""A tuned model in OpenVINO's form with four-bit weights, for processors without a GPU.

    python export_int4.py --exported-from NAME:VERSION --model DIR --output DIR

Symmetric, every matrix of the layers in groups of 128; embedding and last layer have eight bits.
The result is not kept before it has answered a question in the library that serves it.
"""

import argparse
import gc
import logging
import os
import sys
from pathlib import Path

GROUP = 128
"""Weights that share a scale; where a matrix is not a multiple wide, nncf takes half as many."""
PROPERTIES = {"INFERENCE_PRECISION_HINT": "f32"}
"""As it is served: without it a model of 0.1 billion parameters answered wrongly."""
PROBE = "What is the capital of France?"

log = logging.getLogger("export")


def export(order: argparse.Namespace, began: float) -> None:
    """Convert, check and describe."""
    from tuned_model import check_template, copy_tokenizer, read_tuned, write_manifest

    tuned = read_tuned(order.exported_from, order.model)
    order.output.mkdir(parents=True, exist_ok=True)
    log.info("%s: its files and its template are those of training", tuned.name)
    convert(tuned.folder, order.output)
    copy_tokenizer(tuned.folder, order.output)
    check_template(order.output, tuned.manifest)
    gc.collect()
    check_answers(order.output)
    facts = {
        "runtime": "openvino",
        "dtype": "float32",
        "weights": "int4",
        "quantization": {"group_size": GROUP, "symmetric": True, "ratio": 1.0},
    }
    write_manifest(order.output, tuned, "int4", began, facts)


def convert(source: Path, target: Path) -> None:
    """Write the model, its tokenizer and its detokenizer as OpenVINO's."""
    from optimum.exporters.openvino.convert import export_tokenizer
    from optimum.intel import OVModelForCausalLM, OVWeightQuantizationConfig
    from transformers import AutoTokenizer

    log.info("converting to four bits, groups of %d", GROUP)
    settings = OVWeightQuantizationConfig(
        bits=4, sym=True, group_size=GROUP, ratio=1.0, group_size_fallback="adjust"
    )
    model = OVModelForCausalLM.from_pretrained(
        source, export=True, compile=False, quantization_config=settings, local_files_only=True
    )
    model.save_pretrained(target)
    tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True)
    export_tokenizer(tokenizer, target)


def check_answers(folder: Path) -> None:
    """Make the result answer once.

    Raises:
        ExportError: it writes nothing.
    """
    import openvino_genai
    from tuned_model import ExportError

    pipeline = openvino_genai.LLMPipeline(str(folder), "CPU", **PROPERTIES)
    written = str(
        pipeline.generate(PROBE, min_new_tokens=4, max_new_tokens=16, do_sample=False)
    ).strip()
    log.info("it answers: %s", " ".join(written.split()))
    if not written:
        raise ExportError("the converted model writes nothing for a short question")


if __name__ == "__main__":
    # The library reports its use to its maker unless this package is missing; it then runs as well.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    os.environ["HF_HUB_OFFLINE"] = "1"
    from export_program import run

    sys.exit(run(export, sys.argv[1:], ("model",)))
