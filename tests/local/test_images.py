import hashlib
import json
from pathlib import Path

from registrail.local.images import write_image


def test_the_same_content_has_the_same_digest(tmp_path: Path) -> None:
    """Nothing of the machine or the clock gets into an image."""
    one = write_image(tmp_path, "one", "hello")
    two = write_image(tmp_path, "two", "hello")
    other = write_image(tmp_path, "other", "good-bye")
    assert one.digest == two.digest != other.digest


def test_every_blob_is_named_by_its_digest(tmp_path: Path) -> None:
    """A layout's blobs are addressed by their content, and the top one is the image's digest."""
    image = write_image(tmp_path, "many", "hello", platforms=("amd64", "arm64"))
    blobs = {blob.name: blob.read_bytes() for blob in (tmp_path / "many" / "blobs" / "sha256").iterdir()}
    assert set(blobs) == {hashlib.sha256(content).hexdigest() for content in blobs.values()}
    index = json.loads(blobs[image.digest.removeprefix("sha256:")])
    assert tuple(manifest["digest"] for manifest in index["manifests"]) == image.platforms
    assert [manifest["platform"]["architecture"] for manifest in index["manifests"]] == ["amd64", "arm64"]
