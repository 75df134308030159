"""Which programs train and serve for the managed services here: this product's own, or a test's.

`training/job` and `deploy/serving` are named by their folders and never imported. Others are set
as a document of the state, so that another process can set them while the local Azure runs, and
they survive a restart.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from core.environments import pins
from core.home import PROJECT
from local.state import Place, opened

KEY = "tuning:/programs"
KIND = "tuningPrograms"
JOB = PROJECT / "training" / "job"
SERVING = PROJECT / "deploy" / "serving"


@dataclass(frozen=True)
class Programs:
    """Two folders, each with `environment.json` and its list of packages."""

    job: Path
    """Has `train.py`."""
    serving: Path
    """Has `score.py`."""


def use(place: Place, *, job: Path | None = None, serving: Path | None = None) -> None:
    """Have trainings and deployments that begin from now on run other programs."""
    with opened(place) as state:
        named = dict(state.get(KEY) or {})
        named |= {"job": str(job)} if job else {}
        named |= {"serving": str(serving)} if serving else {}
        state.put(KEY, KIND, named)


def clear(place: Place) -> None:
    """Have this product's own programs run again."""
    with opened(place) as state:
        state.delete(KEY)


def programs(place: Place) -> Programs:
    """Give the folders that are in force."""
    with opened(place) as state:
        named = state.get(KEY) or {}
    return Programs(Path(named.get("job", JOB)), Path(named.get("serving", SERVING)))


def environment_of(folder: Path) -> dict[str, str]:
    """Give the environment that a folder pins, for a processor, as `environments.build` reads it.

    The list is the one that a job of the same program has, so that it is built once.
    """
    image, conda = pins("tunestack-managed", folder, "cpu")
    return {"image": image, "condaFile": json.dumps(conda)}
