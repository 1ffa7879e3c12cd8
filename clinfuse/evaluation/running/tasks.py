"""One finished task on disk: a model of one fold, written whole or not at all, and verified before it is believed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

from clinfuse.errors import ClinfuseError, StorageError
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.running.identity import canonical, file_digest

State = Literal["absent", "done", "foreign", "damaged"]
_DONE = "DONE"
_UNFINISHED = ".unfinished"


@final
@dataclass(frozen=True, eq=False)
class TaskFolder:
    """The folder of one model of one fold.

    Parameters
    ----------
    folder : Path
        ``…/folds/<repeat>-<fold>/<model>``.
    key : mapping
        Everything that enters the task, as JSON values.
    """

    folder: Path
    key: Mapping[str, Any]

    def state(self) -> State:
        """Say whether the task is finished with this very key, finished with another, damaged, or not there."""
        done = self.folder / _DONE
        try:
            if not done.is_file():
                return "absent"
            digests = json.loads(done.read_text(encoding="ascii"))
            sound = all(file_digest(self.folder / name) == value for name, value in digests.items())
            if not sound or "key.json" not in digests:
                return "damaged"
            same = (self.folder / "key.json").read_text(encoding="ascii") == canonical(self.key)
        except (OSError, ValueError, AttributeError):
            return "damaged"
        return "done" if same else "foreign"

    def write(
        self,
        predictions: Predictions,
        about: Mapping[str, Any],
        losses: Mapping[str, Any],
        save: Callable[[Path], None],
    ) -> None:
        """Write the task whole: into a folder of its own, to disk, under its name, and last the list of digests.

        Parameters
        ----------
        predictions : Predictions
        about : mapping
            JSON values: taxonomy, modalities, whether the model is stored.
        losses : mapping
            Loss curves by network, JSON values.
        save : callable
            Writes the model into the folder it is given, or nothing.

        Raises
        ------
        StorageError
            ``TASK_WRITE``.
        """
        unfinished = self.folder.with_name(f"{_UNFINISHED}-{self.folder.name}-{os.getpid()}")
        try:
            remove(unfinished)
            unfinished.mkdir(parents=True)
            predictions.to_parquet(unfinished / "predictions.parquet")
            for name, content in (("key.json", self.key), ("task.json", about), ("losses.json", losses)):
                (unfinished / name).write_text(canonical(content), encoding="ascii", newline="\n")
            save(unfinished / "model")
            names = sorted(file.relative_to(unfinished).as_posix() for file in unfinished.rglob("*") if file.is_file())
            digests = {name: file_digest(unfinished / name) for name in names}
            for name in names:
                _to_disk(unfinished / name)
            remove(self.folder)
            unfinished.rename(self.folder)
            self._finish(digests)
        except OSError as error:
            # What stands in the way of the folder may stand in the way of its removal, too.
            with contextlib.suppress(OSError):
                remove(unfinished)
            if isinstance(error, ClinfuseError):
                raise
            raise _refusal("TASK_WRITE", self.folder, "must be writable", "a failed write") from None

    def _finish(self, digests: Mapping[str, str]) -> None:
        unfinished = self.folder / f".{_DONE}"
        unfinished.write_text(canonical(digests), encoding="ascii", newline="\n")
        _to_disk(unfinished)
        unfinished.replace(self.folder / _DONE)
        _to_disk(self.folder)
        _to_disk(self.folder.parent)

    def predictions(self) -> Predictions:
        """Read the held-out predictions."""
        return Predictions.from_parquet(self.folder / "predictions.parquet")

    def about(self) -> dict[str, Any]:
        """Read what was said of the task: taxonomy, modalities, whether the model is stored."""
        return self._json("task.json")

    def losses(self) -> dict[str, Any]:
        """Read the loss curves by network."""
        return self._json("losses.json")

    def _json(self, name: str) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads((self.folder / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            raise _refusal("TASK_READ", self.folder, f"must hold {name}", "none that can be read") from None
        return content


def check_resumable(tasks: list[TaskFolder], *, redo: bool) -> None:
    """Refuse to go on in a results folder that holds something else, unless ``redo`` says to replace it.

    Raises
    ------
    StorageError
        ``TASK_DAMAGED``: files that are not what was written. ``TASK_FOREIGN``: results of other data, settings or
        versions.
    """
    states = [task.state() for task in tasks]
    refused: tuple[tuple[State, str, str], ...] = (
        ("damaged", "TASK_DAMAGED", "are not what was written"),
        ("foreign", "TASK_FOREIGN", "come from other data, settings or versions"),
    )
    for state, code, found in refused:
        if states.count(state) and not redo:
            first = tasks[states.index(state)].folder
            raise StorageError(
                code,
                place=f"fold {first.parent.name}, model {first.name}",
                rule="finished tasks must be those of this very study",
                found=f"{states.count(state)} of {len(states)} tasks that {found}",
                remedy="Use another results folder, or allow these tasks to be done again (redo=True).",
            )


def sweep(fold: Path) -> None:
    """Remove what killed processes left unfinished in the folder of a fold; only while its lock is held."""
    for orphan in fold.glob(f"{_UNFINISHED}-*"):
        remove(orphan)


def remove(folder: Path) -> None:
    """Remove a folder with all it holds, if it is there; without its list of digests first, so it is never believed."""
    (folder / _DONE).unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)


def _to_disk(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except PermissionError:
        if path.is_dir():
            # Windows opens no folder; its rename is already durable.
            return
        raise
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refusal(code: str, folder: Path, rule: str, found: str) -> StorageError:
    return StorageError(
        code,
        place=f"fold {folder.parent.name}, model {folder.name}",
        rule=rule,
        found=found,
        remedy="Check the disk and its permissions, then run again.",
    )
