"""Accessibility as axe-core sees it: the rules of WCAG 2.2, levels A and AA."""

from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

SOURCE: Final = Path(__file__).parents[2] / "tools" / "vendor" / "node_modules" / "axe-core" / "axe.min.js"
LEVELS: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")


def violations(page: Page) -> list[str]:
    """Each violated rule with the elements that violate it."""
    page.evaluate(SOURCE.read_text("utf-8"))
    options = {"runOnly": {"type": "tag", "values": [*LEVELS]}, "resultTypes": ["violations"]}
    found: dict[str, Any] = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{rule['id']}: {node['html'][:200]}: {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
