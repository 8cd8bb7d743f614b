"""How things go in the made-up registry of `bench.year`: scenes like those of `bench.scenes`."""

from bench.stage import PORTAL, PURGE, Stage
from registrail.instants import TICKS_PER_SECOND


def untag(stage: Stage) -> None:
    """A tag is removed, the image stays: an event without a digest. Now and then there was no such tag."""
    repository, tag, image = stage.tagged()
    if stage.rng.random() < 0.05:
        tag = "no-such-tag"
    repository.tags.pop(tag, None)
    repository.unused.append(image)
    stage.note("delete", repository, stage.hand(repository), tag=tag, sender="distribution")


def delete_image(stage: Stage) -> None:
    """An image is deleted with all its tags: an event without a tag; sometimes it names one of them."""
    repository, tag, image = stage.tagged()
    named = tag if stage.rng.random() < 0.2 else None
    repository.forget(image)
    stage.note("delete", repository, PORTAL, tag=named, digest=image.digest, media_type=image.media_type)


def delete_image_and_tags(stage: Stage) -> None:
    """The same in the open-source registry: one request, an event with the digest, then one for each tag."""
    repository, _, image = stage.tagged()
    hand, request = stage.hand(repository), stage.new_id()
    stage.note("delete", repository, hand, digest=image.digest, request_id=request, sender="distribution")
    for tag in repository.tags_of(image):
        stage.ticks += stage.rng.choice((0, 0, 1, 900, 40_000))
        stage.note("delete", repository, hand, tag=tag, request_id=request, sender="distribution")
    repository.forget(image)


def delete_repository(stage: Stage) -> None:
    """Everything is gone: an event with neither digest nor tag."""
    repository = stage.rng.choice(stage.repositories)
    repository.clear()
    stage.note("delete", repository, PORTAL)


def purge(stage: Stage) -> None:
    """A task deletes many old images to which no tag points any more, and one or the other that has a tag."""
    repository = max((stage.popular() for _ in range(3)), key=lambda one: len(one.unused))
    old, repository.unused = repository.unused[:60], repository.unused[60:]
    for image in [*old, *repository.images[: stage.rng.randrange(10)]]:
        stage.note("delete", repository, PURGE, digest=image.digest, media_type=image.media_type)
        stage.ticks += stage.rng.randrange(TICKS_PER_SECOND)
        repository.forget(image)
