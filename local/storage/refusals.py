"""The blob service's refusals that several of its modules give."""

from local.operations import Call, Refusal


def container_not_found() -> Refusal:
    """Make the refusal for a container that is not there."""
    return Refusal(404, "ContainerNotFound", "The specified container does not exist.")


def blob_not_found() -> Refusal:
    """Make the refusal for a blob that is not there."""
    return Refusal(404, "BlobNotFound", "The specified blob does not exist.")


def not_played(call: Call) -> Refusal:
    """Make the refusal for what Azure's service does and this one does not."""
    parts = {key: call.query[key] for key in ("restype", "comp") if key in call.query}
    return Refusal(
        400,
        "UnsupportedOperation",
        f"The local Azure does not play {call.request.method} {call.path} with {parts or 'this'}.",
    )
