"""The rehearsal's own certificate authority, and certificates for the names that it plays.

The authority's key stays on this machine, in the world's folder, readable by its owner alone;
nothing is added to the system's or the user's trusted certificates.
"""

import os
import ssl
from functools import lru_cache
from pathlib import Path

import certifi
import trustme

from local.tenant import write_private


def authority(folder: Path) -> trustme.CA:
    """Read the world's certificate authority, making it at the first call."""
    certificate, key = folder / "ca.pem", folder / "ca.key"
    if not (certificate.exists() and key.exists()):
        made = trustme.CA(organization_name="tunestack rehearsal")
        write_private(key, made.private_key_pem.bytes().decode())
        made.cert_pem.write_to_path(str(certificate))
    return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())


def write_bundle(folder: Path, environment: dict[str, str]) -> Path:
    """Write the bundle for clients: what this machine trusts already, and the authority."""
    trusted = next(
        (
            Path(environment[name])
            for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
            if Path(environment.get(name, "")).is_file()
        ),
        Path(certifi.where()),
    )
    bundle = folder / "ca-bundle.pem"
    draft = bundle.with_suffix(f".{os.getpid()}")
    draft.write_bytes(trusted.read_bytes() + b"\n" + (folder / "ca.pem").read_bytes())
    draft.replace(bundle)
    return bundle


def server_context(ca: trustme.CA) -> ssl.SSLContext:
    """Make a TLS context that shows each caller a certificate for the name that it asked for."""

    @lru_cache(maxsize=256)
    def context_for(name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert(name).configure_cert(context)
        return context

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name:
            connection.context = context_for(name.lower())

    first = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(first)
    first.sni_callback = choose
    return first
