"""What `local/tuning/servable.py` is for the real program: a folder of base and adapter."""

import argparse
import sys
from pathlib import Path

from train import write_model

parser = argparse.ArgumentParser()
for name in ("recipe", "base-model", "adapter", "output"):
    parser.add_argument(f"--{name}", type=Path)
order = parser.parse_args()
word = (order.adapter / "adapter_word.txt").read_text() if order.adapter else "base"
write_model(order.output, word)
sys.exit(0)
