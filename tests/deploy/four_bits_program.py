"""Ask OpenVINO's engine as the container would, and print what came of it as JSON.

python four_bits_program.py CODE FOLDER
"""

import json
import logging
import sys
import time
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from engine import Question
from model_folder import UnusableModel, read_manifest
from openvino_engine import OpenVinoEngine
from prompts import Prompts
from sampling import Sampling

ASKED = [f"What is there to see in May, number {index}?" for index in range(8)]


def main() -> None:
    """Load, check, ask one by one and all at once, and print."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    folder = Path(sys.argv[2])
    manifest = read_manifest(folder)
    prompts = Prompts.load(folder, manifest)
    try:
        engine = OpenVinoEngine.load(folder, manifest, prompts)
        engine.check()
    except UnusableModel as error:
        print(json.dumps({"refused": str(error)}))
        return

    def ask(text: str, **sampling: object) -> tuple[str, int, str]:
        return told(begin(text, **sampling))

    def begin(text: str, **sampling: object) -> object:
        prompt = prompts.prompt(({"role": "user", "content": text},))
        chosen = Sampling(**{"max_new_tokens": 24, **sampling})  # type: ignore[arg-type]
        question: Question = prompts.question(prompt, chosen, time.monotonic() + 60)
        return engine.write(question)

    def told(answer: object) -> tuple[str, int, str]:
        pieces = list(answer)  # type: ignore[call-overload]
        return "".join(piece.text for piece in pieces), pieces[-1].tokens, pieces[-1].finish

    alone = [ask(text) for text in ASKED]
    print(
        json.dumps(
            {
                "torch": "torch" in sys.modules,
                "alone": alone,
                "again": [ask(text) for text in ASKED],
                "at once": [told(answer) for answer in [begin(text) for text in ASKED]],
                "seeded": [ask("a", temperature=1.5, seed=7)[0] for _ in range(2)],
                "unseeded": [ask("a", temperature=1.5)[0] for _ in range(4)],
                "stopped": ask(ASKED[0], stop=(alone[0][0][2:4],)),
            }
        )
    )
    engine.close()


if __name__ == "__main__":
    main()
