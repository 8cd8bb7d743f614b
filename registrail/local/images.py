"""Tiny images, made without a network or a daemon: OCI image layouts that skopeo can push.

https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from registrail.local.simulate import OCI_INDEX, OCI_MANIFEST

_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

Descriptor = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image on disk.

    Attributes:
        source: what skopeo calls it.
        digest: of its manifest, or of its index if it has several platforms.
        platforms: the digests of an index's manifests.
    """

    source: str
    digest: str
    platforms: tuple[str, ...] = ()


def write_image(directory: Path, name: str, content: str, *, platforms: Sequence[str] = ("amd64",)) -> Image:
    """Write the layout of an image with one file that holds `content`; the same content has the same digest.

    More than one platform makes an index.
    """
    layout = directory / name
    (layout / "blobs" / "sha256").mkdir(parents=True)
    manifests = [_write_manifest(layout, content, platform) for platform in platforms]
    top = manifests[0]
    if len(manifests) > 1:
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
        top = _write_blob(layout, OCI_INDEX, _json(index))
    entry = {**top, "annotations": {"org.opencontainers.image.ref.name": "image"}}
    (layout / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    (layout / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [entry]}))
    parts = tuple(str(manifest["digest"]) for manifest in manifests) if len(manifests) > 1 else ()
    return Image(source=f"oci:{layout}:image", digest=str(top["digest"]), platforms=parts)


def _write_manifest(layout: Path, content: str, platform: str) -> Descriptor:
    tar = _tar(f"{content} for {platform}\n".encode())
    layer = _write_blob(layout, _LAYER, gzip.compress(tar, mtime=0))
    config = {
        "architecture": platform,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [_digest(tar)]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _write_blob(layout, _CONFIG, _json(config)),
        "layers": [layer],
    }
    written = _write_blob(layout, OCI_MANIFEST, _json(manifest))
    return {**written, "platform": {"architecture": platform, "os": "linux"}}


def _write_blob(layout: Path, media_type: str, blob: bytes) -> Descriptor:
    digest = _digest(blob)
    (layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).write_bytes(blob)
    return {"mediaType": media_type, "digest": digest, "size": len(blob)}


def _tar(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("hello.txt")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
