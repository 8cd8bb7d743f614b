"""What is said about runs. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from torture.oracle import Findings
from torture.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run went.

    Attributes:
        met: how often requests to the store met each fault.
        answers: how often the sender met each status; 0 is no answer.
    """

    plan: Plan
    findings: Findings
    seconds: float
    lives: int = 0
    met: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)


def details(outcome: Outcome) -> Iterator[str]:
    """A line about a run, and one for each thing that is wrong."""
    plan = outcome.plan
    answers = " ".join(f"{status or 'none'}={count}" for status, count in sorted(outcome.answers.items()))
    met = " ".join(f"{fault}={count}" for fault, count in sorted(outcome.met.items()) if fault != "none")
    yield (
        f"seed {plan.seed}: {plan.engine}, {plan.hosts} hosts started {outcome.lives} times, "
        f"{outcome.findings.acknowledged:,} events, {outcome.findings.history_rows:,} history rows, "
        f"{outcome.seconds:.1f} s; "
        f"answers {answers or 'none'}; faults {met or 'none'}"
    )
    for problem in outcome.findings.problems:
        yield f"seed {plan.seed}: {problem}"


def verdict(outcomes: Sequence[Outcome], seed: int) -> str:
    """The last line."""
    findings = [outcome.findings for outcome in outcomes]
    failed = [str(outcome.plan.seed) for outcome in outcomes if not outcome.findings.innocent]
    sums = {name: sum(getattr(found, name) for found in findings) for name in ("missing", "double", "miscounted")}
    counts = ", ".join(f"{count:,} {name}" for name, count in sums.items())
    rows = sum(found.history_wrong for found in findings)
    ending = f"FAILED (seeds {', '.join(failed)})" if failed else "PASSED"
    acknowledged = sum(found.acknowledged for found in findings)
    return (
        f"torture: {len(outcomes)} runs, {acknowledged:,} events acknowledged, {counts}, "
        f"{rows:,} history rows wrong, seed {seed}: {ending}"
    )
