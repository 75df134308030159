"""Files that a run logs through MLflow: the run history hands out signed addresses of blobs.

What azureml-mlflow asks for, by experiment id or name; the files are the job's own, in the same
folder as its logs.
"""

from pathlib import Path
from typing import Any

from local.ml.locations import Location, artifacts_of
from local.ml.workspace import PATH, TYPE, bad_request, workspace
from local.operations import ML_API, Call, Refusal, operation
from local.world import World

RIGHT = f"{TYPE}/experiments/runs"
ARTIFACTS = f"/history/v1.0{PATH}/experiments/{{experiment}}/runs/{{run}}/artifacts"
BY_ID = f"/history/v1.0{PATH}/experimentids/{{experiment}}/runs/{{run}}/artifacts"


def list_files(call: Call) -> dict[str, Any]:
    """List a run's files."""
    base = _place(call).folder(call.world)
    found = sorted(path for path in base.rglob("*") if path.is_file())
    return {"value": [_described(call, str(path.relative_to(base))) for path in found]}


def begin_files(call: Call) -> dict[str, Any]:
    """Make room for files: an address for each that the run may write to."""
    asked = [str(item.get("path") or "") for item in call.body.get("paths") or []]
    if not asked or not all(asked):
        raise bad_request("The body needs a list `paths`, each with a path.")
    return {
        "artifacts": {path: _described(call, path) for path in asked},
        "artifactContentInformation": {path: _address(call, path, "rcw") for path in asked},
        "errors": {},
    }


def read_file(call: Call) -> dict[str, Any]:
    """Give the address of one file to read from."""
    path = call.query.get("path", "")
    if not (_checked(_place(call), path, call.world)).is_file():
        raise Refusal(404, "UserError", f"The run {call.parameters['run']} has no file {path}.")
    return _address(call, path, "r")


for _base in (ARTIFACTS, BY_ID):
    for _method, _route, _right, _handler, _note in (
        ("GET", "", "read", list_files, "the files of the run's job"),
        ("POST", "/batch/metadata", "write", begin_files, "addresses signed for a day"),
        ("GET", "/contentinfo", "read", read_file, "an address signed for a day"),
    ):
        operation(_method, _base + _route, host=ML_API, action=f"{RIGHT}/{_right}", note=_note)(
            _handler
        )


def _place(call: Call) -> Location:
    return artifacts_of(call.world, str(workspace(call)["id"]), call.parameters["run"])


def _checked(place: Location, path: str, world: World) -> Path:
    """Give the real file.

    Raises:
        Refusal: 400, the path leads out of the run.
    """
    return Location(place.account, place.container, f"{place.path.rstrip('/')}/{path}").folder(
        world
    )


def _described(call: Call, path: str) -> dict[str, Any]:
    _checked(_place(call), path, call.world)
    run = call.parameters["run"]
    return {"origin": "ExperimentRun", "container": f"dcid.{run}", "path": path}


def _address(call: Call, path: str, letters: str) -> dict[str, Any]:
    from urllib.parse import quote

    from local.storage.rights import sas

    place = _place(call)
    signature = sas(call.world, place.account, place.container, letters)
    url = f"{place.url.rstrip('/')}/{quote(path)}?{signature}"
    return {**_described(call, path), "contentUri": url}
