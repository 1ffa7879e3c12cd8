"""The folder of one run: what is in it, and what makes it this run and no other."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from clinfuse.errors import ConfigError, StorageError
from clinfuse.evaluation.running.identity import versions
from clinfuse.study.config import Study

FORMAT = 1
_WEIGHTY = ("config.question", "hashes.code", "hashes.data", "versions", "format")


@final
@dataclass(frozen=True)
class RunFolder:
    """Where a run lies, and the names of what is in it.

    Parameters
    ----------
    path : Path
        Absolute.
    """

    path: Path

    @property
    def description(self) -> Path:
        """``run.json``: format, configuration, hashes, versions and seed."""
        return self.path / "run.json"

    @property
    def report(self) -> Path:
        """The study report."""
        return self.path / "report.html"

    @property
    def patients(self) -> Path:
        """Folder of the patient reports."""
        return self.path / "patients"

    @property
    def tables(self) -> Path:
        """Folder of the tables."""
        return self.path / "tables"

    @property
    def ledger(self) -> Path:
        """Page of what was read, joined and left out."""
        return self.path / "ledger.html"

    @property
    def journal(self) -> Path:
        """Folder of times and hosts: the only files that differ between two runs on the same inputs."""
        return self.path / "journal"

    def note(self, event: str, **facts: Any) -> None:
        """Write one line about when and where something happened into the journal."""
        self.journal.mkdir(parents=True, exist_ok=True, mode=0o700)
        line = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "event": event, **facts}
        with (self.journal / f"{platform.node() or 'host'}-{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, sort_keys=True) + "\n")

    def read(self) -> dict[str, Any]:
        """Contents of ``run.json``.

        Raises
        ------
        StorageError
            ``RUN_ABSENT``, ``RUN_FORMAT``.
        """
        try:
            described = json.loads(self.description.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise StorageError(
                "RUN_ABSENT",
                place="run folder",
                rule="a folder that holds a readable run.json",
                found="none",
                remedy="Name the results folder of a study, or start it with clinfuse run.",
            ) from None
        if not isinstance(described, dict) or described.get("format") != FORMAT:
            raise StorageError(
                "RUN_FORMAT",
                place="run.json",
                rule=f"format {FORMAT}",
                found="another format",
                remedy="Use the version that wrote the run, or run the study anew.",
            )
        return described

    def study(self) -> Study:
        """The study that the run belongs to, with absolute paths.

        Raises
        ------
        StorageError
            ``RUN_ABSENT``, ``RUN_FORMAT``.
        """
        config = self.read()["config"]
        cohort = os.path.normpath(self.path / config["cohort"])
        networks = {
            name: {**network, "weights": os.path.normpath(self.path / network["weights"])}
            if network["weights"]
            else network
            for name, network in config["networks"].items()
        }
        return Study.model_validate({**config, "cohort": cohort, "networks": networks, "results": str(self.path)})


def describe(study: Study, run: RunFolder, fingerprint: str) -> dict[str, Any]:
    """What makes a run this one: its configuration, the hashes of what enters it, and the versions that compute it.

    Parameters
    ----------
    study : Study
    run : RunFolder
    fingerprint : str
        Of the cohort's contents.

    Returns
    -------
    dict
        Of JSON values; the places of the cohort and of weights are written relative to the run, so that all can be
        moved together.
    """
    config = study.model_dump(mode="json", exclude={"results"})
    config["cohort"] = _relative(Path(study.cohort), run.path)
    for network in config["networks"].values():
        network["weights"] = _relative(Path(network["weights"]), run.path) if network["weights"] else ""
    text = json.dumps({key: value for key, value in config.items() if key != "cohort"}, sort_keys=True)
    return {
        "format": FORMAT,
        "config": config,
        "hashes": {
            "config": hashlib.sha256(text.encode()).hexdigest(),
            "data": fingerprint,
            "code": code_hash(),
        },
        "versions": versions(),
        "seed": study.seed,
    }


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Name what differs between two descriptions of a run; sections and keys only, never a value.

    Examples
    --------
    >>> differences({"seed": 1, "config": {"training": {"epochs": 2}}}, {"seed": 1, "config": {"training": {}}})
    ('config.training.epochs',)
    """
    found: list[str] = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += [f"{key}.{inner}" for inner in differences(before, after)]
        else:
            found.append(key)
    return tuple(found)


def settle(
    run: RunFolder, described: Mapping[str, Any], *, touched: int, agreed: bool, finished: int = 0
) -> tuple[str, ...]:
    """Write ``run.json`` once; where it stands and finished work would be lost, only with agreement.

    Parameters
    ----------
    run : RunFolder
    described : mapping
        From `describe`.
    touched : int
        Finished tasks that would be done again.
    agreed : bool
        Whether somebody agreed to that, or to going on with other code.
    finished : int
        Finished tasks of the run, whether they would be done again or not: what is changed while there are some was
        changed by somebody who could have seen results.

    Returns
    -------
    tuple of str
        Keys of the study file, and ``data``, that were ever changed when tasks were finished already; kept in
        ``run.json`` as ``changed_after``.

    Raises
    ------
    ConfigError
        ``RUN_CHANGED``: nobody agreed; the error lists what changed and what it touches.
    StorageError
        ``RUN_WRITE``, ``RUN_FORMAT``.
    """
    since: tuple[str, ...] = ()
    if _stands(run.description):
        before = run.read()
        since = tuple(before.pop("changed_after", ()))
        changed = differences(before, described)
        if not changed and touched == 0:
            return since
        if finished:
            since = tuple(sorted({*since, *_telling(changed)}))
        if not agreed and (touched > 0 or any(name.startswith(_WEIGHTY) for name in changed)):
            words = ", ".join(_in_words(changed)) or "its files"
            raise ConfigError(
                "RUN_CHANGED",
                place="results folder",
                rule="the question, settings, data and versions that its finished tasks were made with",
                found=f"changes in {words}; {touched} finished tasks would be done again",
                remedy="Repeat with --yes to go on like that, or choose another results folder.",
            )
    write_json(run.description, {**described, "changed_after": list(since)} if since else described)
    return since


def _in_words(changed: tuple[str, ...]) -> list[str]:
    """What changed, by the names a user knows; ``hashes.config`` and ``seed`` only repeat what ``config`` says."""
    known = {"hashes.data": "the data", "hashes.code": "the code of clinfuse", "format": "the format of run folders"}
    said = [known.get(name, name) for name in changed if name not in ("hashes.config", "seed")]
    return [
        f"the version of {name.removeprefix('versions.')}"
        if name.startswith("versions.")
        else name.removeprefix("config.")
        for name in said
    ]


def _telling(changed: tuple[str, ...]) -> list[str]:
    """Of what changed, that which a result depends on, in the words of the study file."""
    names = [name.removeprefix("config.") for name in changed if name.startswith("config.")]
    silent_ones = ("report", "cohort", "results")
    said = [name for name in names if name.partition(".")[0] not in silent_ones]
    return [*said, "data"] if "hashes.data" in changed else said


def write_json(file: Path, value: object) -> None:
    """Write JSON whole or not at all, with sorted keys.

    Raises
    ------
    StorageError
        ``RUN_WRITE``.
    """
    write_whole(file, (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())


def write_whole(file: Path, content: bytes) -> None:
    """Write bytes whole or not at all: into a neighbour, to the disk, then renamed.

    Raises
    ------
    StorageError
        ``RUN_WRITE``.
    """
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise _unwritable(file) from None


def _stands(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:  # a name that is too long for the file system
        raise _unwritable(file) from None


def _unwritable(file: Path) -> StorageError:
    return StorageError(
        "RUN_WRITE",
        place=file.name,
        rule="a results folder that can be written, with room left",
        found="one that cannot",
        remedy="Free some space or choose another results folder; the same command goes on where it was.",
    )


def code_hash() -> str:
    """SHA-256 of the package's own source files."""
    package = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*")):
        if file.suffix in (".py", ".html", ".toml") and "__pycache__" not in file.parts:
            digest.update(file.relative_to(package).as_posix().encode())
            digest.update(hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).digest())
    return digest.hexdigest()


def _relative(cohort: Path, run: Path) -> str:
    try:
        return Path(os.path.relpath(cohort, run)).as_posix()
    except ValueError:  # another drive
        return cohort.as_posix()
