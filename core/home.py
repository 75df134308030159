"""Where this program keeps what is not Azure's and not Pulumi's: one folder, safe to delete.

`TUNESTACK_HOME`, else `.tunestack/` beside the program. It holds the rehearsal's Azure, the
in-process engine's state, environments built for rehearsals and downloaded data.
"""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
"""The folder that holds Pulumi.yaml and the program."""


def home() -> Path:
    """Give the state folder; it need not exist yet."""
    return Path(os.environ.get("TUNESTACK_HOME") or PROJECT / ".tunestack").resolve()


def environments() -> Path:
    """Give the folder of the environments that rehearsed jobs and deployments run in.

    Several homes may share one by `TUNESTACK_ENVIRONMENTS`: an environment is named by the hash
    of its packages and never changes.
    """
    return Path(os.environ.get("TUNESTACK_ENVIRONMENTS") or home() / "environments").resolve()
