from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from sklearn.metrics import roc_auc_score

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.contract import read_contract
from clinfuse.errors import ConfigError
from clinfuse.study.config import load_study

ROOT = Path(__file__).parent.parent.parent
PIPELINES = ROOT / "pipelines"
NUMBERED = sorted(PIPELINES.glob("0[1-9]_*.py"))
CONFIGS = sorted((ROOT / "configs").glob("*.toml"))
DATA = Path(os.environ.get("CLINFUSE_TEST_DATA", ROOT.parent / "shared" / "data"))


def run(*arguments: str, at: Path) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=at, env=environment, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.name)
def test_every_study_file_can_be_carried_out(file: Path) -> None:
    study = load_study(file)
    models = study.build_models()
    assert study.primary in models
    assert all(model.taxonomy() for model in models.values())


def test_the_late_elastic_average_is_the_mean_of_a_calibrated_network_and_an_elastic_net() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 2
    ct, labs = rng.standard_normal((48, 1, 12, 12, 12)).astype(np.float32), rng.standard_normal((48, 4))
    ct += labels[:, None, None, None, None]
    labs[:, 0] += labels
    cohort = Cohort.from_arrays({"ct": ct, "labs": labs}, labels=labels, kinds={"ct": "ct", "labs": "ehr"})
    study = load_study(ROOT / "configs" / "late_elastic_average.toml")
    short = study.model_copy(update={"training": study.training.model_copy(update={"epochs": 1})})
    model = short.build_models()[study.primary].fit(cohort)
    assert model.models_["labs"].learner.to_state()["learner"] == "elastic-net"
    encoded = model.encode(cohort)
    pool = model.pool_
    each = [
        model.probabilities(pool.prior + pool.offsets_[m] + pool.slopes_[m] * (encoded.values[name] - pool.prior))
        for m, name in enumerate(("ct", "labs"))
    ]
    np.testing.assert_allclose(model.predict_proba(cohort), np.mean(each, axis=0), rtol=0, atol=1e-5)
    assert roc_auc_score(labels, model.predict_proba(cohort)[:, 1]) > 0.7


@pytest.mark.parametrize("script", NUMBERED, ids=lambda file: file.name)
def test_every_script_is_short_and_has_its_study_file(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert 40 <= len(text.splitlines()) <= 80
    (study,) = re.findall(r"clinfuse run (configs/\w+\.toml)", text)
    assert (ROOT / study).exists()
    assert not re.findall(r"^(?:from|import) clinfuse\.", text, re.MULTILINE)


def test_the_demo_of_the_repository_is_that_of_the_package() -> None:
    shipped = load_study(ROOT / "clinfuse" / "study" / "demo.toml")
    shown = load_study(ROOT / "configs" / "demo.toml")
    assert shown.model_dump(exclude={"cohort", "results"}) == shipped.model_dump(exclude={"cohort", "results"})
    assert Path(shown.cohort) == ROOT / "demo" / "cohort" / "cohort.toml"
    assert Path(shown.results) == ROOT / "demo" / "results"


@pytest.mark.slow
@pytest.mark.parametrize("script", NUMBERED, ids=lambda file: file.name)
def test_every_script_runs(script: Path, tmp_path: Path) -> None:
    small = ["--cohort", "small", "--records", "32", "--epochs", "1", "--folds", "2"]
    said = run(str(script), *small, "--folder", "cohort", "--out", "out", at=tmp_path)
    assert "AUROC" in said
    assert (tmp_path / "out" / "report.html").exists()


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINFUSE_RECORDS", "32")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(PIPELINES / "00_first_steps.ipynb", as_version=4)
    NotebookClient(notebook, timeout=250, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert (tmp_path / "results" / "first-steps" / "report.html").exists()
    assert all(cell.outputs or "=" in cell.source for cell in notebook.cells if cell.cell_type == "code")


def test_the_notebook_is_kept_without_outputs() -> None:
    notebook = nbformat.read(PIPELINES / "00_first_steps.ipynb", as_version=4)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")


@pytest.mark.skipif(not (DATA / "kits19").exists(), reason=f"no kits19 in {DATA}")
def test_kits19_declares_every_column_and_refuses_what_came_after(tmp_path: Path) -> None:
    run(str(PIPELINES / "prepare_kits19.py"), str(DATA / "kits19"), "kits", "--patients", "12", at=tmp_path)
    file = tmp_path / "kits" / "cohort.toml"
    contract = read_contract(file)
    columns = contract.modalities["history"].columns  # type: ignore[union-attr]
    assert columns["radiographic_size"].known == columns["surgery_type"].known == "after"
    assert columns["age_at_nephrectomy"].known == "before"
    header = (tmp_path / "kits" / "kits.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert set(header) - {"case_id", "stage"} == set(columns)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("inputs = [\n", 'inputs = [\n  "pathologic_size",\n'), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"LEAK_AFTER.*pathologic_size"):
        read_contract(file)


@pytest.mark.skipif(not (DATA / "eegmat").exists(), reason=f"no eegmat in {DATA}")
def test_eegmat_gives_two_records_of_a_person_and_sixty_seconds_of_each(tmp_path: Path) -> None:
    run(str(PIPELINES / "prepare_eegmat.py"), str(DATA / "eegmat"), "eegmat", "--patients", "3", at=tmp_path)
    cohort = Cohort.from_folder(tmp_path / "eegmat")
    assert (len(cohort), len(set(cohort.patient_ids))) == (6, 3)
    assert cohort.labels.tolist() == [0, 1] * 3
    assert cohort.modality("eeg").shape[0] * cohort.modality("eeg").seconds == 60
    assert cohort.window_mask("eeg").all()


def test_the_tables_of_the_results_hold_what_a_run_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = runpy.run_path(str(PIPELINES / "results.py"))
    row = {"taxonomy": "late, stacked", "records": 240, "patients": 210, "events": 84, "value": 0.8512, "low": 0.79}
    row |= {"high": 0.91, "ceiling": 0.893, "oracle": 0.88}
    metrics = [{**row, "model": model, "metric": kind} for model in script["MODELS"] for kind in ("auroc", "brier")]
    answer = {"verdict": "yes", "difference": 0.07, "low": 0.02, "high": 0.12, "p": 0.008}
    for folder in ("seed-3", "nothing-3"):
        (tmp_path / folder).mkdir()
        said = {"metrics": metrics, "answer": answer, "seconds": 232}
        (tmp_path / folder / "said.json").write_text(json.dumps(said), encoding="utf-8")
    script["main"]([3], tmp_path, [])
    text = capsys.readouterr().out
    line = "| late | late, stacked | 240 | 210 | 84 | 0.85 (0.79 to 0.91) | 0.89 | 0.88 | 0.851 |"
    assert line in text
    assert text.count("| +0.070 (+0.020 to +0.120) | 0.008 | yes | 232 s |") == 2
