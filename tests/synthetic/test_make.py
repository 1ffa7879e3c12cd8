from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, DataError, StorageError
from clinfuse.synthetic.folder import write_cohort
from clinfuse.synthetic.latent import draw_latents
from clinfuse.synthetic.layout import plan_layout
from clinfuse.synthetic.make import make_cohort
from clinfuse.synthetic.settings import MODALITIES, SyntheticSettings, preset
from clinfuse.synthetic.truth import has_truth, read_truth, truth_of


def _hashes(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.mark.parametrize("messy", [False, True])
def test_the_same_settings_give_the_same_bytes(messy: bool, tmp_path: Path) -> None:
    settings = preset("small", records=5, messy=messy, damaged_files=1, excluded=1)
    assert _hashes(write_cohort(tmp_path / "a", settings)) == _hashes(write_cohort(tmp_path / "b", settings))


def test_further_records_leave_the_files_of_the_first_as_they_are(tmp_path: Path) -> None:
    few = _hashes(write_cohort(tmp_path / "few", preset("small", records=4)))
    more = _hashes(write_cohort(tmp_path / "more", preset("small", records=7)))
    images = [name for name in few if name.startswith(("ct/", "xray/", "eeg/"))]
    assert images
    assert all(few[name] == more[name] for name in images)


def test_a_cohort_that_was_interrupted_is_made_whole(tmp_path: Path) -> None:
    settings = preset("small", records=4)
    whole = _hashes(write_cohort(tmp_path / "whole", settings))

    def stop(done: int, records: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        write_cohort(tmp_path / "cut", settings, progress=stop)
    assert not has_truth(tmp_path / "cut")
    with pytest.raises(StorageError, match=r"\[TRUTH_ABSENT\]"):
        read_truth(tmp_path / "cut")
    assert _hashes(write_cohort(tmp_path / "cut", settings)) == whole


def test_a_finished_cohort_is_used_again(tmp_path: Path) -> None:
    settings = preset("small", records=3)
    folder = write_cohort(tmp_path / "cohort", settings)
    file = next((folder / "xray").iterdir())
    before = file.stat().st_mtime_ns
    calls: list[int] = []
    write_cohort(folder, settings, progress=lambda done, records: calls.append(done))
    assert calls == []
    assert file.stat().st_mtime_ns == before


@pytest.mark.parametrize("other", ["another cohort", "a letter"])
def test_a_folder_with_something_else_is_left_alone(other: str, tmp_path: Path) -> None:
    if other == "a letter":
        (tmp_path / "letter.txt").write_text("Dear colleague", encoding="utf-8")
    else:
        write_cohort(tmp_path, preset("small", records=2))
    before = _hashes(tmp_path)
    with pytest.raises(ConfigError, match=r"\[SYNTHETIC_FOLDER\]"):
        make_cohort("small", records=3, out=tmp_path)
    assert _hashes(tmp_path) == before


def test_a_cohort_of_embeddings_has_no_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[SYNTHETIC_LEVEL\]"):
        write_cohort(tmp_path, preset("embedding", records=5))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["settings.json", "latents.csv", "files.json"])
@pytest.mark.parametrize("content", ["", "3", "[3]", '{"a": 1}', "a,b\n1,2\n"])
def test_a_truth_that_was_changed_is_not_believed(tidy: Path, tmp_path: Path, name: str, content: str) -> None:
    shutil.copytree(tidy / "truth", tmp_path / "truth")
    read_truth(tmp_path)
    (tmp_path / "truth" / name).write_text(content, encoding="utf-8")
    with pytest.raises(StorageError, match=r"\[TRUTH_READ\]"):
        read_truth(tmp_path)


def test_both_forms_of_a_cohort_give_the_same_arrays_and_labels(tidy_cohort: Cohort, messy_cohort: Cohort) -> None:
    assert tidy_cohort.names == messy_cohort.names == MODALITIES
    assert np.array_equal(tidy_cohort.labels, messy_cohort.labels)
    assert np.array_equal(tidy_cohort.present, messy_cohort.present)
    for name in MODALITIES:
        one, other = tidy_cohort.arrays(name), messy_cohort.arrays(name)
        assert one.dtype == other.dtype
        assert np.array_equal(one, other, equal_nan=name == "labs"), name
    patients = [dict.fromkeys(c.patient_ids) for c in (tidy_cohort, messy_cohort)]
    numbers = [
        [list(p).index(i) for i in c.patient_ids] for p, c in zip(patients, (tidy_cohort, messy_cohort), strict=True)
    ]
    assert numbers[0] == numbers[1]


def test_presence_and_labels_are_those_that_were_drawn(tidy_cohort: Cohort, settings: SyntheticSettings) -> None:
    latents = draw_latents(settings)
    assert list(tidy_cohort.record_ids) == list(latents.record_ids)
    assert np.array_equal(tidy_cohort.labels, latents.labels)
    assert np.array_equal(tidy_cohort.present, latents.present)
    assert tidy_cohort.ledger.records_excluded == 0


def test_the_truth_comes_back_bit_for_bit(tidy: Path, settings: SyntheticSettings) -> None:
    truth, drawn = read_truth(tidy), draw_latents(settings)
    assert truth.settings == settings
    for field in drawn.__dataclass_fields__:
        assert np.array_equal(getattr(truth.latents, field), getattr(drawn, field)), field


def test_damaged_files_are_refused_and_excluded_records_counted(tmp_path: Path) -> None:
    settings = preset("small", records=12, damaged_files=2, excluded=3)
    latents = draw_latents(settings)
    damaged = plan_layout(settings, latents).damaged
    assert list(damaged.sum(axis=0)) == [1, 1, 0, 0]
    for messy in (False, True):
        cohort = make_cohort("small", records=12, damaged_files=2, excluded=3, messy=messy, out=tmp_path / str(messy))
        assert np.array_equal(cohort.present, latents.present & ~damaged)
        assert (cohort.ledger.records_in, cohort.ledger.records_used) == (15, 12)


def test_a_share_of_files_can_be_damaged() -> None:
    settings = preset("small", records=400, damage_rate=0.1)
    latents = draw_latents(settings)
    damaged = plan_layout(settings, latents).damaged
    assert 0.06 < damaged[:, :3].sum() / latents.present[:, :3].sum() < 0.14
    assert not damaged[:, 3].any()


def test_the_oracle_reader_finds_the_latents_in_the_files(tmp_path: Path) -> None:
    cohort = make_cohort("small", records=40, out=tmp_path / "oracle")
    truth = read_truth(cohort.folder)
    scores = truth.oracle_scores(cohort)
    latents = truth.latents
    for m, name in enumerate(MODALITIES):
        here = cohort.present[:, m]
        assert np.isnan(scores.evidence[~here, m]).all()
        seen, meant, labels = scores.evidence[here, m], latents.evidence[here, m], latents.labels[here]
        centred = [v - np.where(labels == 1, v[labels == 1].mean(), v[labels == 0].mean()) for v in (seen, meant)]
        assert np.corrcoef(centred)[0, 1] > 0.95, name
    assert truth.ceiling_of(cohort) > 0.85
    assert scores.auroc() > 0.8
    assert scores.auroc(("labs",)) < scores.auroc() + 0.1


def test_both_forms_have_the_same_oracle_and_ceiling(
    tidy_cohort: Cohort, messy_cohort: Cohort, tidy: Path, messy: Path
) -> None:
    one, other = read_truth(tidy), read_truth(messy)
    assert one.ceiling_of(tidy_cohort) == other.ceiling_of(messy_cohort)
    assert np.array_equal(one.oracle_scores(tidy_cohort).logit(), other.oracle_scores(messy_cohort).logit())


def test_planted_masks_lie_on_the_signal_of_the_prepared_inputs(tidy: Path, tidy_cohort: Cohort) -> None:
    truth = read_truth(tidy)
    contrasts: dict[str, list[float]] = {"ct": [], "xray": []}
    latents: dict[str, list[float]] = {"ct": [], "xray": []}
    for row, record in enumerate(tidy_cohort.record_ids):
        for m, name in enumerate(("ct", "xray")):
            if tidy_cohort.present[row, m]:
                mask = truth.planted_mask(record, tidy_cohort.modality(name))
                assert mask.shape == tidy_cohort.modality(name).shape
                assert 0.002 < mask.mean() < 0.05
                contrasts[name].append(float(tidy_cohort.arrays(name)[row][mask].mean()))
                latents[name].append(truth.latents.z[row, m])
    for name, seen in contrasts.items():
        assert np.corrcoef(seen, latents[name])[0, 1] > 0.85, name


@pytest.mark.parametrize("form", ["tidy", "messy"])
def test_planted_channels_and_columns(form: str, request: pytest.FixtureRequest) -> None:
    folder, cohort = request.getfixturevalue(form), request.getfixturevalue(f"{form}_cohort")
    truth, record = read_truth(folder), cohort.record_ids[0]
    eeg = truth.planted_mask(record, cohort.modality("eeg"))
    assert {cohort.modality("eeg").channels[c] for c in np.flatnonzero(eeg[0, :, 0])} == {"T7", "C3", "P7", "P3"}
    assert list(np.flatnonzero(truth.planted_mask(record, cohort.modality("labs")))) == [0, 1, 2]


def test_ceiling_of_records_with_what_is_withheld(tidy: Path, tidy_cohort: Cohort) -> None:
    truth = read_truth(tidy)
    nothing = np.zeros((len(tidy_cohort), 4), dtype=bool)
    assert truth.ceiling(MODALITIES, nothing, records=tidy_cohort.record_ids) == 0.5
    assert truth.ceiling_of(tidy_cohort.without("labs")) < truth.ceiling_of(tidy_cohort)
    assert truth.ceiling(MODALITIES) == pytest.approx(0.912, abs=0.001)
    present = tidy_cohort.present[:, 3]
    assert truth.ceiling(("labs",), tidy_cohort.present[present]) == pytest.approx(0.849, abs=0.001)
    with pytest.raises(DataError, match=r"\[SYNTHETIC_RECORD\]"):
        truth.ceiling(MODALITIES, records=["R9999"])
    with pytest.raises(ConfigError, match=r"\[SYNTHETIC_MODALITY\]"):
        truth.planted(tidy_cohort.record_ids[0], "mri")


def test_ceiling_without_a_closed_form_asks_for_the_records() -> None:
    truth = truth_of(preset("embedding", records=300, mechanism="MNAR"))
    assert 0.5 < truth.ceiling(("ct",)) < truth.ceiling(MODALITIES) <= 1
    with pytest.raises(DataError, match=r"\[SYNTHETIC_RECORDS\]"):
        truth.ceiling(MODALITIES, np.ones((10, 4), dtype=bool))


def test_without_a_folder_the_cohort_lies_in_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cohort = make_cohort("small", records=6)
    assert cohort.folder.parent == tmp_path / "cohorts"
    assert cohort.folder.name == f"small-{preset('small', records=6).identity}"
    assert has_truth(cohort.folder)
