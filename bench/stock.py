"""A made-up year in a SQLite file, received and worked out: what benchmarks of answers read."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from bench.fill import fill
from bench.year import REGISTRY, Told, year
from registrail.compose import UseCases, use_cases
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore

FEW: Final = 2_000
MANY: Final = 200_000


def told(events: int) -> list[Told]:
    """Reports of so many events: a year of 200,000, and of fewer as many days less, so that a day is as busy."""
    return year(events=events, days=timedelta(days=max(events * 365 // MANY, 1)).days)


async def stock(folder: Path, events: int) -> Path:
    """A file with so many events; it is made if the folder has none."""
    path = folder / f"year-{events}.db"
    if not path.exists():
        making = path.with_suffix(".part")
        making.unlink(missing_ok=True)
        store = SqliteStore(str(making))
        await fill(store, told(events))
        await work_out(use_cases(store, Settings()))
        await store.close()
        making.rename(path)
    return path


async def work_out(app: UseCases) -> None:
    """Count and trace everything, without waiting for readers, of which there are none."""
    await replace(app.rebuild, grace_seconds=0).rebuild(REGISTRY)
    marks = app.summarize.marks
    await marks.clear(REGISTRY, await marks.pending(REGISTRY))
