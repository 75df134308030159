"""The folders of other tests whose means these use: the terminal's, and the engine's rig."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / name) for name in ("e2e", "engine", "training")]
