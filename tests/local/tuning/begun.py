"""Begin a training as a server does, say that a step was told, and live on until killed.

`python begun.py FOLDER TRAIN_FILE ID`
"""

import sys
import threading
from pathlib import Path

from quick_world import QUICK_TRAINER, Heard, opened

from local.tuning import programs, running
from local.tuning.orders import TuningOrder

with opened(Path(sys.argv[1])) as world:
    programs.use(world.state, job=QUICK_TRAINER)
    heard = Heard()
    running.begin(world, sys.argv[3], TuningOrder(Path(sys.argv[2]), None), heard)
    heard.wait(lambda heard: len(heard.steps) >= 3)
    print(*(step.step for step in heard.steps), flush=True)
    threading.Event().wait()
