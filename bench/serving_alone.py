"""What an answer of one token takes without HTTP; run by bench/serving.py.

python bench/serving_alone.py CODE MODEL
"""

import json
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROUNDS = 220
WARM = 20
QUESTION = "Write a long story about a walk through Oslo, chapter 1."


def main() -> None:
    """Print the median seconds."""
    sys.path.insert(0, sys.argv[1])
    from chat_model import ChatModel  # type: ignore[import-not-found]
    from scoring import respond  # type: ignore[import-not-found]

    with ThreadPoolExecutor(1) as aside:  # as score.py does it
        loaded = aside.submit(ChatModel.load, Path(sys.argv[2])).result()
    body = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 1}
    raw, took = json.dumps(body).encode(), []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        status = respond(loaded, "POST", raw)[0]
        took.append(time.perf_counter() - began)
        assert status == 200
    print(statistics.median(took[WARM:]))


if __name__ == "__main__":
    main()
