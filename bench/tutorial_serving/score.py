"""Scoring as the own-GPU tutorial deploys it: a text-generation pipeline, one text at a time.

The raw text goes to the pipeline without a chat template, the whole text comes back at once, and
a second request waits for the first: what MLflow's scoring program does with the tutorial's body.
"""

import json
import os
from pathlib import Path

import torch
from transformers import pipeline


def init() -> None:
    """Load the pipeline."""
    global generate
    folder = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("config.json")).parent
    generate = pipeline("text-generation", model=str(folder), dtype=torch.bfloat16)


def run(raw: str) -> list[str]:
    """Answer the tutorial's body: a list of texts and the pipeline's parameters."""
    body = json.loads(raw)
    found = generate(body["input_data"], **body.get("params", {}))
    return [answers[0]["generated_text"] for answers in found]
