"""A program: the MLflow server of one workspace, on a socket in its temporary folder.

`python mlflow_server.py DATABASE TEMPLATE`. It is MLflow's own Flask application; what it keeps is
in DATABASE. An empty database takes MLflow over a second to lay out, so TEMPLATE is one that was
laid out before; where it is missing, it is made.
"""

import os
import shutil
import sys
from pathlib import Path

SOCKET = "mlflow.sock"
"""In the folder that TMPDIR names: a socket's path may have 107 bytes, and that one is short."""

ARTIFACTS = "azureml://experiments"


def main(database: Path, template: Path) -> None:
    """Serve until the process is ended."""
    if not database.exists() and template.exists():
        _copy(template, database)
    address = f"sqlite:///{database}"
    os.environ.update(
        _MLFLOW_SERVER_FILE_STORE=address,
        _MLFLOW_SERVER_ARTIFACT_ROOT=ARTIFACTS,
        MLFLOW_DISABLE_TELEMETRY="true",
        DO_NOT_TRACK="true",
    )
    from mlflow.server import app, handlers
    from werkzeug.serving import run_simple

    handlers.initialize_backend_stores(address, None, ARTIFACTS)
    if not template.exists():
        _copy(database, template)
    run_simple(f"unix://{os.environ['TMPDIR']}/{SOCKET}", 0, app, threaded=True)


def _copy(source: Path, target: Path) -> None:
    """Copy whole or not at all; several of these programs may do it at once."""
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copyfile(source, unfinished)
    unfinished.replace(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
