from __future__ import annotations

from pathlib import Path

import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.synthetic.folder import write_cohort
from clinfuse.synthetic.settings import SyntheticSettings, preset


@pytest.fixture(scope="session")
def settings() -> SyntheticSettings:
    return preset("small", records=20, seed=5)


@pytest.fixture(scope="session")
def tidy(settings: SyntheticSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("tidy"), settings)


@pytest.fixture(scope="session")
def messy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("messy"), preset("small", records=20, seed=5, messy=True))


@pytest.fixture(scope="session")
def tidy_cohort(tidy: Path) -> Cohort:
    return Cohort.from_folder(tidy)


@pytest.fixture(scope="session")
def messy_cohort(messy: Path) -> Cohort:
    return Cohort.from_folder(messy)
