"""How a program that trains nothing runs on its node: its log, and how it ends.

Ends with 0 when its work is done, 1 with a line `error: …`, 75 with a line `stopped by the node: …`
when SIGTERM ended it.
"""

import logging
import os
import sys
import warnings
from collections.abc import Callable

from failure import JobError, explain
from notice import EXIT_CODE as STOPPED
from notice import Stopped, notice

log = logging.getLogger("job")


def run(work: Callable[[], None], *, stopped: str) -> int:
    """Do the work and give the exit code; `stopped` says what the node's notice has left."""
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.WARNING, force=True)
    log.setLevel(logging.INFO)
    warnings.simplefilter("ignore", FutureWarning)
    warnings.filterwarnings("ignore", message="Could not find a config file")  # of a GGUF base
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it misses kernels of the hub's
    try:
        with notice.heard():
            work()
    except Stopped:
        log.info("stopped by the node: %s", stopped)
        return STOPPED
    except Exception as error:
        log.log(logging.DEBUG if isinstance(error, JobError) else logging.ERROR, "", exc_info=True)
        log.error("error: %s", explain(error))
        return 1
    return 0


def settle() -> None:
    """Set what has to be before torch is imported, in a process of one's own."""
    # What these imports compile is kept: seconds less the next time on the same machine.
    sys.dont_write_bytecode = False
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
