"""What may happen in the made-up registry of `bench.year`. Every scene begins at the stage's time and notes events.

Here things come and are tagged; how they go is in `bench.removals`, and how often each happens in `bench.year`.
"""

from typing import Final

from bench.stage import COSIGN, HELM, HELM_CHART, OCI_INDEX, Hand, Image, Repository, Stage
from registrail.events import BLOB_MEDIA_TYPE
from registrail.instants import TICKS_PER_SECOND

_REFERRERS: Final = (".sig", ".sig", ".sig", ".att", ".sbom", "")


def commit(stage: Stage) -> None:
    """A pipeline pushes one image with a tag of its own, and moves `latest`; sometimes by digest first, or signed."""
    repository = stage.popular()
    hand, image = stage.hand(repository), stage.image()
    repository.keep(image)
    if stage.rng.random() < 0.15:
        stage.push(repository, hand, image)
    stage.push(repository, hand, image, stage.ci_tag())
    if stage.rng.random() < 0.8:
        stage.push(repository, hand, image, "latest")
    if stage.rng.random() < 0.06:
        _sign(stage, repository, hand, image)


def several_platforms(stage: Stage) -> None:
    """Two or three manifests by digest, then their index with tags; sometimes its untagged echo."""
    repository = stage.popular()
    hand, index = stage.hand(repository), stage.image(OCI_INDEX)
    platforms = [stage.image() for _ in range(stage.rng.choice((2, 2, 3)))]
    for platform in platforms:
        stage.push(repository, hand, platform)
    if stage.rng.random() < 0.15:
        stage.push(repository, hand, index)
    for tag in [stage.ci_tag(), "latest", "main"][: stage.rng.choice((1, 2, 2, 3))]:
        stage.push(repository, hand, index, tag)
    if stage.rng.random() < 0.3:
        stage.push(repository, hand, index)
    if stage.rng.random() < 0.1:
        _sign(stage, repository, hand, stage.rng.choice((index, index, platforms[0])))
    for image in (*platforms, index):
        repository.keep(image)


def with_layers(stage: Stage) -> None:
    """What the open-source registry tells of a push: every layer and config, one mounted, and the manifest."""
    repository = stage.popular()
    hand, index = stage.hand(repository), stage.image(OCI_INDEX)
    platforms = [stage.image() for _ in range(stage.rng.choice((1, 2)))]
    for platform in platforms:
        for number in range(4):
            action = "mount" if number == 0 and stage.rng.random() < 0.3 else "push"
            layer = stage.image(BLOB_MEDIA_TYPE)
            stage.note(action, repository, hand, digest=layer.digest, media_type=BLOB_MEDIA_TYPE, sender="distribution")
            stage.ticks += stage.rng.randrange(TICKS_PER_SECOND)
        stage.push(repository, hand, platform, stage.ci_tag() if len(platforms) == 1 else None)
        repository.keep(platform)
    if len(platforms) > 1:
        stage.push(repository, hand, index, stage.ci_tag())
        repository.keep(index)


def pushed_again(stage: Stage) -> None:
    """Nothing new: the same digest under the same tag."""
    repository, tag, image = stage.tagged()
    stage.push(repository, stage.hand(repository), image, tag)


def retag(stage: Stage) -> None:
    """Some image becomes `stable`, or what a team calls so; sometimes by two tags within the same 100 ns."""
    repository, image = stage.some_image()
    hand, tags = stage.hand(repository), stage.rng.sample(["stable", "staging", "production", "canary"], 2)
    begin = stage.ticks
    stage.push(repository, hand, image, tags[0])
    if stage.rng.random() < 0.1:
        stage.ticks = begin
        stage.push(repository, hand, image, tags[1])


def release(stage: Stage) -> None:
    """An image gets a version."""
    repository, image = stage.some_image()
    tag = f"v{stage.rng.randrange(4)}.{stage.rng.randrange(40)}.{stage.rng.randrange(10)}"
    stage.push(repository, stage.hand(repository), image, tag)


def promotion(stage: Stage) -> None:
    """A digest goes to another repository, under the same tag."""
    origin, tag, image = stage.tagged()
    number = stage.repositories.index(origin)
    target = stage.repositories[(number + 1) % len(stage.repositories)]
    stage.push(target, stage.hand(origin), image, tag)
    target.keep(image)


def rollback(stage: Stage) -> None:
    """`stable` points to something, then to something older, and soon to the first again."""
    repository, image = stage.some_image()
    older = stage.rng.choice(repository.images)
    hand = stage.hand(repository)
    for target in (image, older, image)[: stage.rng.choice((2, 3))]:
        stage.push(repository, hand, target, "stable")
        stage.ticks += stage.rng.randrange(3600 * TICKS_PER_SECOND)


def photo_finish(stage: Stage) -> None:
    """Two pipelines move one tag within the same 100 ns: which was first is decided by the ids."""
    repository = stage.popular()
    images = [stage.image(), stage.image()]
    begin = stage.ticks
    for image in images:
        stage.ticks = begin
        stage.push(repository, repository.hand, image, "nightly")
        repository.keep(image)


def signature(stage: Stage) -> None:
    """An image is signed, or described, some time after its push."""
    repository, image = stage.some_image()
    _sign(stage, repository, COSIGN, image)


def quarantine(stage: Stage) -> None:
    """An image has to wait before it is pushed."""
    repository = stage.popular()
    image, tag = stage.image(), stage.ci_tag()
    stage.note("quarantine", repository, repository.hand, tag=tag, digest=image.digest, size=image.size)
    stage.ticks += stage.rng.randrange(600 * TICKS_PER_SECOND)
    stage.push(repository, repository.hand, image, tag)
    repository.keep(image)


def undated(stage: Stage) -> None:
    """A push that does not say when it was."""
    repository, tag, image = stage.tagged()
    stage.note("push", repository, repository.hand, tag=tag, digest=image.digest, dated=False)


def without_digest(stage: Stage) -> None:
    """A push that does not say of what."""
    repository = stage.popular()
    stage.note("push", repository, repository.hand, tag=stage.rng.choice(("edge", "nightly")))


def pull(stage: Stage) -> None:
    """Somebody fetches an image and a layer of it."""
    repository, tag, image = stage.tagged()
    hand = Hand(None, "containerd/1.7", None)
    stage.note("pull", repository, hand, tag=tag, digest=image.digest, sender="distribution")
    layer = stage.image(BLOB_MEDIA_TYPE)
    stage.note("pull", repository, hand, digest=layer.digest, media_type=BLOB_MEDIA_TYPE, sender="distribution")


def chart(stage: Stage) -> None:
    """A legacy chart comes, and sometimes an older one goes, named by tag and digest."""
    repository, image = stage.popular(), stage.image(HELM_CHART)
    tag = f"{repository.name.partition('/')[2]}-0.{stage.rng.randrange(200)}.0.tgz"
    stage.note("chart_push", repository, HELM, tag=tag, digest=image.digest, media_type=HELM_CHART, size=image.size)
    repository.charts.append((tag, image))
    if stage.rng.random() < 0.4:
        stage.rest()
        tag, image = repository.charts.pop(0)
        stage.note("chart_delete", repository, HELM, tag=tag, digest=image.digest, media_type=HELM_CHART)


def _sign(stage: Stage, repository: Repository, hand: Hand, image: Image) -> None:
    tag = f"{image.digest.replace(':', '-')}{stage.rng.choice(_REFERRERS)}"
    stage.push(repository, hand, stage.image(), tag)
