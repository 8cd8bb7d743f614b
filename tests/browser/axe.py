"""Accessibility as axe-core sees it: the rules of WCAG 2.2, levels A and AA."""

from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

SOURCE: Final = Path(__file__).parents[2] / "tools" / "vendor" / "node_modules" / "axe-core" / "axe.min.js"
LEVELS: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
ALIKE: Final = "tbody tr:nth-child(n+16)"
"""Rows like those before; to look at all of them takes half a minute a page."""


def violations(page: Page, rule: str | None = None) -> list[str]:
    """Each violated rule, or only one, with the elements that violate it."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(SOURCE.read_text("utf-8"))
    chosen = {"type": "rule", "values": [rule]} if rule else {"type": "tag", "values": [*LEVELS]}
    options = {"runOnly": chosen, "resultTypes": ["violations"]}
    found: dict[str, Any] = page.evaluate(f"options => axe.run({{ exclude: ['{ALIKE}'] }}, options)", options)
    return [
        f"{violated['id']}: {node['html'][:200]}: {node['failureSummary']}"
        for violated in found["violations"]
        for node in violated["nodes"]
    ]
