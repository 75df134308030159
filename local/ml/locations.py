"""Where data lies: every way to name it, turned into an account, a container and a path.

Understood: `azureml://datastores/…/paths/…` (short and long form), `azureml://jobs/…/outputs/…`,
`https://<account>.blob.core.windows.net/…`, `wasbs://…`, and ids of data and model versions
(`azureml:name:version`, `azureml:name@latest`, ARM ids).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from local.ml.workspace import bad_request
from local.state import Document, State
from local.storage.containers import container_folder, container_id, find_account
from local.world import World

BLOB_HOST = ".blob.core.windows.net"
WORKSPACE = (
    r"azureml://(?:subscriptions/[^/]+/resourcegroups/[^/]+/(?:providers/[^/]+/)?"
    r"workspaces/[^/]+/)?"
)
DATASTORE = re.compile(
    WORKSPACE + r"datastores/(?P<datastore>[^/]+)/paths/?(?P<path>.*)", re.IGNORECASE
)
JOB = re.compile(
    WORKSPACE + r"jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)/?(?:paths/)?(?P<path>.*)",
    re.IGNORECASE,
)
ASSET_ID = re.compile(
    r"/(?P<noun>data|models|codes|environments)/(?P<name>[^/]+)/versions/(?P<version>[^/]+)/?$",
    re.IGNORECASE,
)
SHORT_ID = re.compile(r"(?:azureml:)?(?P<name>[^:/@]+)(?::(?P<version>[^:/@]+)|@(?P<label>\w+))")


@dataclass(frozen=True)
class Location:
    """A blob or a folder of blobs."""

    account: str
    container: str
    path: str

    def folder(self, world: World) -> Path:
        """Give the real file or folder.

        Raises:
            Refusal: 400, the path leads out of its container.
        """
        base = container_folder(world, self.account, self.container)
        if ".." in Path(self.path).parts:
            raise bad_request(f"The path {self.path!r} leads out of its container.")
        return base / self.path.strip("/")

    def scope(self, world: World) -> str:
        """Give the resource id of the container, on which data rights are checked."""
        return container_id(find_account(world, self.account)[0], self.container)

    @property
    def name(self) -> str:
        """The last segment of the path."""
        return self.path.rstrip("/").rpartition("/")[2]

    @property
    def url(self) -> str:
        """The address of the blob or folder."""
        return f"https://{self.account}{BLOB_HOST}/{self.container}/{self.path}"


def locate(state: State, workspace: str, uri: str) -> Location:
    """Find where `uri`, in any of its forms, points to.

    Raises:
        Refusal: 400, what it names is not there, or it is of a form that is not understood.
    """
    uri = long_uri(state, workspace, uri)
    datastore = DATASTORE.fullmatch(uri)
    if datastore is not None:
        return _in_datastore(state, workspace, datastore["datastore"], datastore["path"])
    parts = urlsplit(uri)
    if parts.scheme == "https" and parts.netloc.endswith(BLOB_HOST):
        container, _, path = unquote(parts.path).lstrip("/").partition("/")
        return Location(parts.netloc.removesuffix(BLOB_HOST), container, path)
    if parts.scheme == "wasbs" and parts.hostname and parts.username:
        account = parts.hostname.removesuffix(BLOB_HOST)
        return Location(account, parts.username, unquote(parts.path).lstrip("/"))
    raise bad_request(f"The path {uri!r} is not one that can be read here.", "InvalidPath")


def long_uri(state: State, workspace: str, uri: str) -> str:
    """Replace an asset or a job's output by the datastore path or address behind it."""
    if not uri.startswith(("azureml://", "https://", "wasbs://")):
        document = _asset_of(state, workspace, uri)
        properties = document["properties"]
        return str(properties.get("dataUri") or properties.get("modelUri"))
    job = JOB.fullmatch(uri)
    return uri if job is None else _output_uri(state, workspace, job)


def artifacts_of(world: World, workspace: str, job: str) -> Location:
    """Give the place of a job's logs and of its `outputs` folder."""
    uri = f"azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.{job}"
    return locate(world.state, workspace, uri)


def find_asset(state: State, workspace: str, noun: str, reference: str) -> Document | None:
    """Find the version of an asset by `azureml:name:version`, `…@latest` or its ARM id."""
    by_id = ASSET_ID.search(reference)
    if by_id is not None:
        name, version = by_id["name"], by_id["version"]
        if by_id["noun"].lower() != noun.lower():
            return None
        return state.get(f"{workspace}/{noun}/{name}/versions/{version}")
    short = SHORT_ID.fullmatch(reference)
    if short is None:
        return None
    if short["version"]:
        return state.get(f"{workspace}/{noun}/{short['name']}/versions/{short['version']}")
    return latest(state, f"{workspace}/{noun}/{short['name']}")


def latest(state: State, container: str) -> Document | None:
    """Give the most recently created version of an asset that is not archived."""
    found = [
        document
        for _, document in state.find(below=f"{container}/versions")
        if not document["properties"].get("isArchived")
    ]
    return max(found, key=lambda one: str(one["systemData"]["createdAt"])) if found else None


def _asset_of(state: State, workspace: str, reference: str) -> Document:
    for noun in ("data", "models"):
        document = find_asset(state, workspace, noun, reference)
        if document is not None:
            return document
    raise bad_request(f"The asset {reference!r} was not found in the workspace.", "AssetNotFound")


def _in_datastore(state: State, workspace: str, name: str, path: str) -> Location:
    document = state.get(f"{workspace}/datastores/{name}")
    if document is None:
        raise bad_request(f"The datastore {name!r} was not found in the workspace.")
    properties = document["properties"]
    if properties.get("datastoreType") != "AzureBlob":
        raise bad_request(f"Datastores of type {properties.get('datastoreType')} are not played.")
    return Location(properties["accountName"], properties["containerName"], unquote(path))


def _output_uri(state: State, workspace: str, job: re.Match[str]) -> str:
    document = state.get(f"{workspace}/jobs/{job['job']}")
    if document is None:
        raise bad_request(f"The job {job['job']!r} was not found in the workspace.")
    if job["output"].lower() == "artifacts":
        return (
            "azureml://datastores/workspaceartifactstore/paths/ExperimentRun/"
            f"dcid.{document['name']}/{job['path']}"
        )
    outputs = document["properties"].get("outputs") or {}
    if job["output"] not in outputs:
        named = ", ".join(outputs) or "none"
        raise bad_request(
            f"The job {job['job']!r} has no output {job['output']!r}; it has: {named}."
        )
    uri = outputs[job["output"]].get("uri")
    if not uri:
        raise bad_request(f"The job {job['job']!r} has not written {job['output']!r} yet.")
    return f"{str(uri).rstrip('/')}/{job['path']}"
