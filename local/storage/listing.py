"""Lists of containers and blobs, as XML, in pages."""

from itertools import islice
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from local.operations import Call
from local.storage.blobs import Blob, list_blobs
from local.storage.containers import CONTAINERS, http_date, modified

PAGE = 5000


def container_list(call: Call, account_id: str, account: str) -> bytes:
    """Write the list of an account's containers."""
    root = Element("EnumerationResults", ServiceEndpoint=_endpoint(account))
    prefix = call.query.get("prefix", "")
    SubElement(root, "Prefix").text = prefix
    containers = SubElement(root, "Containers")
    for _, document in call.world.state.find(CONTAINERS, below=account_id):
        if document["name"].startswith(prefix):
            item = SubElement(containers, "Container")
            SubElement(item, "Name").text = document["name"]
            properties = SubElement(item, "Properties")
            SubElement(properties, "Last-Modified").text = modified(document)
            SubElement(properties, "Etag").text = document["etag"]
    SubElement(root, "NextMarker")
    return _written(root)


def blob_list(call: Call, account: str, container: str) -> bytes:
    """Write a page of a container's blobs; the marker is the last name of the page before."""
    query = call.query
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    marker, size = query.get("marker", ""), min(int(query.get("maxresults", PAGE)), PAGE)
    root = Element(
        "EnumerationResults", ServiceEndpoint=_endpoint(account), ContainerName=container
    )
    for tag, value in (("Prefix", prefix), ("Marker", marker), ("Delimiter", delimiter)):
        if value:
            SubElement(root, tag).text = value
    entries = _entries(
        list(list_blobs(call.world, account, container, prefix)), prefix, delimiter, marker
    )
    page = list(islice(entries.items(), size + 1))
    blobs = SubElement(root, "Blobs")
    for name, blob in page[:size]:
        _write_entry(blobs, name, blob, "metadata" in query.get("include", ""))
    SubElement(root, "NextMarker").text = page[size - 1][0] if len(page) > size else ""
    return _written(root)


def _entries(blobs: list[Blob], prefix: str, delimiter: str, marker: str) -> dict[str, Blob | None]:
    entries: dict[str, Blob | None] = {}
    for blob in blobs:
        head, cut, _ = blob.name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        name = f"{prefix}{head}{cut}" if cut else blob.name
        if name > marker:
            entries[name] = None if cut else blob
    return entries


def _write_entry(parent: Element, name: str, blob: Blob | None, with_metadata: bool) -> None:
    item = SubElement(parent, "Blob" if blob else "BlobPrefix")
    SubElement(item, "Name").text = name
    if blob is None:
        return
    properties = SubElement(item, "Properties")
    values = {
        "Creation-Time": http_date(blob.modified),
        "Last-Modified": http_date(blob.modified),
        "Etag": blob.etag.strip('"'),
        "Content-Length": str(blob.size),
        "Content-Type": blob.content_type,
        **blob.headers,
        "BlobType": "BlockBlob",
        "AccessTier": "Hot",
        "LeaseStatus": "unlocked",
        "LeaseState": "available",
        "ServerEncrypted": "true",
    }
    for tag, value in values.items():
        SubElement(properties, tag).text = value
    metadata = SubElement(item, "Metadata") if with_metadata and blob.metadata else None
    for key, value in blob.metadata.items() if metadata is not None else ():
        SubElement(metadata, key).text = value  # type: ignore[arg-type]


def _endpoint(account: str) -> str:
    return f"https://{account}.blob.core.windows.net/"


def _written(root: Element) -> bytes:
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text
