"""How the bad images are read: through the section of ``cohort.toml`` that declares them, and prepared."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

from clinfuse.cohort.declarations import SOURCES, FileSource
from clinfuse.cohort.declare import modality_of
from clinfuse.cohort.kinds import kind_of
from clinfuse.io.policies import POLICIES
from clinfuse.io.readers import read_files


def reading(kind: str, **settings: object) -> Callable[[Path, str], tuple[str, ...]]:
    """A reader of one file for a modality with these settings and, if one is given, an accepted line."""

    def read(file: Path, line: str) -> tuple[str, ...]:
        said = {"kind": kind, "files": "{record_id}", **settings, **tomllib.loads(line)}
        source = SOURCES[kind].model_validate(said)
        assert isinstance(source, FileSource)
        modality = modality_of(kind, source)
        value = read_files(kind, [file], POLICIES[kind].of(source))
        prepared = kind_of(modality).prepare(value, modality)
        assert prepared.array.shape == modality.shape
        return tuple(remark.code for remark in (*value.remarks, *prepared.remarks))

    return read
