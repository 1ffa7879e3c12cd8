"""Which person a key stands for; apart from the other commands, for it needs nothing but the private list."""

from __future__ import annotations

from pathlib import Path

from clinfuse.cli.screen import Screen
from clinfuse.cohort.keys import who


def run_who(key: str, cohort: Path, *, private: Path | None, screen: Screen) -> None:
    """Print the line of the private list that a key stands for: this output identifies a person."""
    folder = cohort.parent if cohort.suffix == ".toml" else cohort
    line = who(folder, key, private=private)
    screen.show("\n".join(f"{name:<10}{value}" for name, value in line.items()), line)
