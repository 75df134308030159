"""What jobs leave behind in the workspace's storage: logs and named outputs, read as blobs.

The SDK's own download wants whole outputs and finished jobs; here one file of a model, or the
log of a running job, can be read. The person's identity does the reading, no key.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.azure_errors import operation
from core.cloud import Cloud
from core.errors import UserError
from core.refs import StackOutputs

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

LOG_STORE = "workspaceartifactstore"
OUTPUT_STORE = "workspaceblobstore"


@dataclass(frozen=True)
class BlobFolder:
    """A folder of blobs: a container and a prefix that ends with a slash."""

    container: "ContainerClient"
    prefix: str

    def names(self) -> list[str]:
        """List what is in it, by path relative to the folder."""
        from azure.core.exceptions import ResourceNotFoundError

        with operation(f"list {self.prefix}"):
            try:
                found = list(self.container.list_blob_names(name_starts_with=self.prefix))
            except ResourceNotFoundError:  # the container comes with the first job
                return []
        return [name.removeprefix(self.prefix) for name in found]

    def sizes(self) -> dict[str, int]:
        """Give what is in it, by path relative to the folder, with its bytes."""
        from azure.core.exceptions import ResourceNotFoundError

        with operation(f"list {self.prefix}"):
            try:
                found = list(self.container.list_blobs(name_starts_with=self.prefix))
            except ResourceNotFoundError:  # the container comes with the first job
                return {}
        return {str(blob.name).removeprefix(self.prefix): int(blob.size) for blob in found}

    def write(self, name: str, content: bytes) -> None:
        """Write one file, over what was there."""
        with operation(f"write {self.prefix}{name}"):
            self.container.upload_blob(self.prefix + name, content, overwrite=True)

    def read(self, name: str) -> bytes | None:
        """Read one file; None where there is none."""
        from azure.core.exceptions import ResourceNotFoundError

        with operation(f"read {self.prefix}{name}"):
            try:
                content: bytes = self.container.download_blob(self.prefix + name).readall()
            except ResourceNotFoundError:
                return None
        return content

    def read_from(self, name: str, offset: int) -> bytes:
        """Read what a growing file has got since `offset`; nothing where it has not grown."""
        from azure.core.exceptions import HttpResponseError

        with operation(f"read {self.prefix}{name}"):
            try:
                blob = self.container.download_blob(self.prefix + name, offset=offset)
                content: bytes = blob.readall()
            except HttpResponseError as error:
                if error.status_code not in (404, 416):
                    raise
                return b""
        return content

    def download(self, folder: Path) -> Iterator[tuple[str, int]]:
        """Write every file below `folder`; yield each name and size once it is there."""
        for name in self.names():
            target = (folder / name).resolve()
            if not target.is_relative_to(folder.resolve()):
                raise UserError(f"The output names a file outside its folder: {name}")
            yield name, self.fetch(name, target)

    def fetch(self, name: str, target: Path) -> int:
        """Write one file to `target`, whole or not at all; give its bytes."""
        partial = target.with_name(target.name + ".part")
        with operation(f"download {self.prefix}{name}"):
            stream = self.container.download_blob(self.prefix + name, max_concurrency=4)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with partial.open("wb") as file:
                    size = stream.readinto(file)
                partial.replace(target)
            except OSError as error:
                raise UserError(f"{target} cannot be written: {error.strerror}.") from error
        return size


def log_folder(cloud: Cloud, outputs: StackOutputs, job: str) -> BlobFolder:
    """Give the folder that Azure ML writes a job's logs to."""
    return BlobFolder(_container(cloud, outputs, LOG_STORE), f"ExperimentRun/dcid.{job}/")


def blob_folder(
    cloud: Cloud, outputs: StackOutputs, path: str, store: str = OUTPUT_STORE
) -> BlobFolder:
    """Give a folder of the workspace's own blob store, or another; the path ends with a slash."""
    return BlobFolder(_container(cloud, outputs, store), path)


def output_folder(cloud: Cloud, outputs: StackOutputs, job: Any, output: str) -> BlobFolder:
    """Give the folder of a job's named output; `job` is the SDK's entity.

    Where the job does not tell its path, it is Azure ML's default one.
    """
    store, path = output_place(job, output)
    return BlobFolder(_container(cloud, outputs, store), path)


def output_place(job: Any, output: str) -> tuple[str, str]:
    """Give the datastore and the folder path (ending with a slash) of a named output."""
    path = str(getattr((job.outputs or {}).get(output), "path", None) or "")
    found = re.search(r"datastores/([^/]+)/paths/(.+)", path)
    if not found or "${{" in path:
        return OUTPUT_STORE, f"azureml/{job.name}/{output}/"
    return found[1], found[2].rstrip("/") + "/"


def _container(cloud: Cloud, outputs: StackOutputs, store: str) -> "ContainerClient":
    from azure.storage.blob import ContainerClient

    with operation(f"read the datastore {store}"):
        datastore = cloud.workspace(outputs).datastores.get(store)
    return ContainerClient(
        f"https://{datastore.account_name}.blob.{datastore.endpoint or 'core.windows.net'}",
        datastore.container_name,
        credential=cloud.credential,
    )
