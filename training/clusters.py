"""Which of the stack's clusters a job runs on: the main one, or another that is asked for."""

from core.catalog import vm_size
from core.environments import Device
from core.errors import SettingsError
from core.refs import ClusterRef, StackOutputs


def find_cluster(outputs: StackOutputs, name: str) -> ClusterRef:
    """Look one of the stack's clusters up by its name.

    Raises:
        SettingsError: the last `up` made no such cluster; lists those that it made.
    """
    found = outputs.clusters.get(name)
    if found is None:
        known = ", ".join(outputs.clusters) or outputs.cluster
        raise SettingsError(
            f"--cluster: {name!r} is none of this stack's clusters: {known}.",
            hint="tunestack init --set clusters=SIZE, then tunestack up, makes another.",
        )
    return found


def device_of(cluster: ClusterRef, otherwise: Device) -> Device:
    """Say what the cluster's nodes train on; `otherwise` where the size is not in the catalog."""
    known = vm_size(cluster.vm_size)
    if known is None:
        return otherwise
    return "gpu" if known.gpus else "cpu"
