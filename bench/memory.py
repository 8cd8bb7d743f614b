"""The memory of a process that exports everything."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import psutil

from bench.report import Figure, table

MEBIBYTE: Final = 1024 * 1024


def export(path: Path, folder: Path) -> list[Figure]:
    """Export all events in each format by the command line; how much memory that takes, and whether it grows."""
    rows, peaks, growths = [], [], []
    for form in ("csv", "ndjson", "parquet"):
        output = folder / f"events.{form}"
        command = [sys.executable, "-m", "registrail.local", "export", "events", "-o", str(output)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        resident: list[int] = []
        with subprocess.Popen([*command, "--storage", f"sqlite:///{path}"], env=environment) as running:  # noqa: S603
            process = psutil.Process(running.pid)
            while running.poll() is None:
                with process.oneshot():
                    resident.append(process.memory_info().rss if process.is_running() else 0)
                time.sleep(0.05)
        assert running.returncode == 0
        half = len(resident) // 2
        peak, before = max(resident), max(resident[half // 2 : half])
        peaks.append(peak / MEBIBYTE)
        growths.append(max(resident[half:]) / before)
        size = output.stat().st_size / MEBIBYTE
        rows.append([form, f"{size:.0f}", f"{peak / MEBIBYTE:.0f}", f"{growths[-1]:.2f}"])
        output.unlink()
    table("An export of all events", ["", "file MiB", "resident MiB", "second half over second quarter"], rows)
    return [
        Figure("export-resident-mib", max(peaks), 200, "at most"),
        Figure("export-growth", max(growths), 1.1, "at most"),
    ]
