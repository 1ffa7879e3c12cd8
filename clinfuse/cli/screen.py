"""What a command shows: progress on standard error, results on standard output, as text or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

WIDTH = 100
Advance = Callable[[int, int], None]


@final
@dataclass(frozen=True)
class Screen:
    """Where a command writes.

    Parameters
    ----------
    quiet : bool
        No progress and no text; refusals are still printed.
    as_json : bool
        One JSON object on standard output instead of text.
    """

    quiet: bool = False
    as_json: bool = False

    @property
    def live(self) -> bool:
        """Whether somebody watches: counting on the screen is for people, not for log files."""
        return not self.quiet and sys.stderr.isatty()

    def show(self, text: str, facts: Mapping[str, Any]) -> None:
        """Print the outcome once: ``facts`` as JSON if asked for, else ``text``."""
        if self.as_json:
            sys.stdout.write(json.dumps(facts, sort_keys=True, default=str) + "\n")
        elif not self.quiet:
            sys.stdout.write(text.rstrip("\n") + "\n")

    def note(self, text: str) -> None:
        """Print a line about what is going on, on standard error."""
        if not self.quiet:
            sys.stderr.write(text + "\n")

    @contextmanager
    def progress(self, title: str) -> Iterator[Advance]:
        """Show a bar on standard error; what is given back is called with how much is done and how much there is."""
        if self.quiet:
            yield lambda done, total: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=None)

            def advance(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)

            yield advance


def ask(question: str, *, yes: bool) -> bool:
    """Ask on standard error, answered by ``--yes``, else by a person; without one the answer is no."""
    if yes:
        return True
    if not sys.stdin.isatty():
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
