"""The files of a synthetic cohort, opened by nobody who knows how they were written."""

from __future__ import annotations

import json
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pydicom
import pytest

from clinfuse.synthetic.latent import draw_latents
from clinfuse.synthetic.render_ct import CONTRAST_HU, CONTRAST_STEP_HU, LESION_RADIUS_MM, render_ct
from clinfuse.synthetic.render_eeg import render_eeg
from clinfuse.synthetic.render_labs import COLUMNS
from clinfuse.synthetic.render_xray import GREY, GREY_STEP, render_xray
from clinfuse.synthetic.settings import MODALITIES, SyntheticSettings, preset
from clinfuse.synthetic.truth import read_truth


def _first(settings: SyntheticSettings, modality: str) -> int:
    return int(np.flatnonzero(draw_latents(settings).present[:, MODALITIES.index(modality)])[0])


def test_a_ct_is_a_regular_series_of_the_voxels_that_were_rendered(tidy: Path, settings: SyntheticSettings) -> None:
    row = _first(settings, "ct")
    latents = draw_latents(settings)
    files = sorted((tidy / "ct" / latents.record_ids[row]).iterdir())
    slices = [pydicom.dcmread(file) for file in files]
    assert {part.SOPClassUID.name for part in slices} == {"CT Image Storage"}
    assert len({part.SeriesInstanceUID for part in slices}) == len({part.StudyInstanceUID for part in slices}) == 1
    assert len({part.SOPInstanceUID for part in slices}) == len(slices) == settings.ct_size[2]
    heights = np.array([float(part.ImagePositionPatient[2]) for part in slices])
    assert np.allclose(np.diff(heights), 192 / settings.ct_size[2])
    hu = np.stack([part.pixel_array * part.RescaleSlope + part.RescaleIntercept for part in slices])
    rendered = render_ct(settings, row, float(latents.z[row, 0]), latents.views[row, 0])
    assert np.abs(hu.transpose(2, 1, 0) - rendered).max() <= 0.5
    assert slices[0].PatientID == latents.patient_ids[row]
    assert str(slices[0].PatientName).startswith("Synthetic")


def test_the_lesion_lies_where_the_truth_says_in_patient_coordinates(tidy: Path, settings: SyntheticSettings) -> None:
    truth = read_truth(tidy)
    latents = truth.latents
    seen, meant = [], []
    for row in np.flatnonzero(latents.present[:, 0]):
        record = latents.record_ids[row]
        right, anterior, superior = truth.planted(record, "ct").centre_mm
        slices = [pydicom.dcmread(tidy / path) for path in truth.files[record]["ct"]]
        values = []
        for part in slices:
            origin, pixel = np.array(part.ImagePositionPatient, float), float(part.PixelSpacing[0])
            x = origin[0] + pixel * np.arange(part.Columns)
            y = origin[1] + pixel * np.arange(part.Rows)
            squared = (x[None] + right) ** 2 + (y[:, None] + anterior) ** 2 + (origin[2] - superior) ** 2
            inside = squared <= (0.6 * LESION_RADIUS_MM) ** 2
            values.append((part.pixel_array * part.RescaleSlope + part.RescaleIntercept)[inside])
        seen.append(np.concatenate(values).mean() - 45)
        meant.append(max(CONTRAST_HU + CONTRAST_STEP_HU * latents.z[row, 0], 0))
    assert np.abs(np.array(seen) - meant).max() < 40
    assert np.corrcoef(seen, meant)[0, 1] > 0.95


def test_a_chest_film_shows_its_opacity_on_the_left_of_the_image(tidy: Path, settings: SyntheticSettings) -> None:
    row = _first(settings, "xray")
    latents = draw_latents(settings)
    film = pydicom.dcmread(tidy / "xray" / f"{latents.record_ids[row]}.dcm")
    assert film.SOPClassUID.name == "Computed Radiography Image Storage"
    assert film.PhotometricInterpretation == "MONOCHROME2"
    # Without this no report of the demonstration would show a film.
    assert film.BurnedInAnnotation == "NO"
    rendered = render_xray(settings, row, float(latents.z[row, 1]), latents.views[row, 1])
    assert np.abs(film.pixel_array - rendered).max() <= 0.5
    down, across = read_truth(tidy).planted(latents.record_ids[row], "xray").centre_mm
    pixel = float(film.PixelSpacing[0])
    y, x = (int((place + 176) / pixel) for place in (down, across))
    opposite = film.pixel_array[y - 1 : y + 2, film.Columns - x - 2 : film.Columns - x + 1].mean()
    contrast = film.pixel_array[y - 1 : y + 2, x - 1 : x + 2].mean() - opposite
    assert across < 0
    assert contrast == pytest.approx(max(GREY + GREY_STEP * latents.z[row, 1], 0), abs=250)


def test_an_eeg_has_19_electrodes_in_microvolt(tidy: Path, settings: SyntheticSettings) -> None:
    row = _first(settings, "eeg")
    latents = draw_latents(settings)
    raw = mne.io.read_raw_edf(tidy / "eeg" / f"{latents.record_ids[row]}.edf", preload=True, verbose="ERROR")
    assert len(raw.ch_names) == 19
    assert raw.info["sfreq"] == settings.eeg_rate_hz
    assert raw.n_times == 3 * settings.window_seconds * settings.eeg_rate_hz
    rendered = render_eeg(settings, row, float(latents.z[row, 2]), latents.views[row, 2])
    assert np.abs(raw.get_data() * 1e6 - rendered).max() < 0.01


def test_theta_at_the_planted_electrodes_follows_the_latent() -> None:
    settings = preset("demo")
    power = []
    for z in (-1.5, 0.0, 1.5):
        signal = render_eeg(settings, 3, z, np.zeros(4))
        spectrum = np.square(np.abs(np.fft.rfft(signal, axis=1)))
        frequency = np.fft.rfftfreq(signal.shape[1], 1 / settings.eeg_rate_hz)
        power.append(spectrum[:, (frequency > 4) & (frequency < 7)].sum(axis=1))
    ratio = np.log(power[2] / power[0])
    planted = np.isin(np.arange(19), [7, 8, 12, 13])
    assert ratio[planted].min() > 1.0
    assert np.allclose(ratio[~planted], 0, atol=1e-4)


def test_tables_are_what_pandas_reads(tidy: Path, settings: SyntheticSettings) -> None:
    latents = draw_latents(settings)
    records = pd.read_csv(tidy / "records.csv", dtype=str)
    assert list(records["record_id"]) == list(latents.record_ids)
    assert list(records["finding"] == "finding") == list(latents.labels == 1)
    labs = pd.read_csv(tidy / "labs.csv").set_index("record_id")
    assert list(labs.index) == list(latents.record_ids[latents.present[:, 3]])
    complete = labs[["crp", "lactate", "d_dimer"]].dropna()
    standard = [(complete[c.name] - c.centre) / c.spread for c in COLUMNS if c.shows == "latent"]
    rows = [list(latents.record_ids).index(record) for record in complete.index]
    assert np.allclose(sum(standard) / np.sqrt(3), latents.z[rows, 3], atol=0.01)


def test_an_export_of_a_hospital_says_the_same_in_its_own_words(messy: Path) -> None:
    tables = {
        name: pd.read_csv(messy / f"{name}.csv", sep=";", encoding="cp1252", dtype=str, keep_default_na=False)
        for name in ("visits", "id_map", "diagnoses", "labs")
    }
    latents = read_truth(messy).latents
    ill = set(tables["diagnoses"].loc[tables["diagnoses"]["ICD10"].str.startswith("G40."), "CASE_NO"])
    assert [case in ill for case in tables["visits"]["FALLNR"]] == list(latents.labels == 1)
    assert len(set(tables["id_map"]["PACS_ID"])) == len(tables["id_map"])
    assert tables["visits"]["PATNR"].str.len().eq(7).all()
    assert not tables["labs"]["PID"].str.startswith("0").any()
    assert tables["labs"]["RESULT"].str.contains(",").any()
    assert tables["visits"]["SEX"].isin(["weiblich", "männlich"]).all()
    assert "ä" in "".join(tables["visits"]["SEX"])


def test_ct_folders_of_an_export_have_two_series_under_names_that_say_nothing(messy: Path) -> None:
    found: dict[tuple[str, str], set[str]] = {}
    for file in (messy / "CT_EXPORT").rglob("IM*"):
        header = pydicom.dcmread(file, stop_before_pixels=True)
        found.setdefault((header.PatientID, header.StudyInstanceUID), set()).add(header.SeriesDescription)
    assert len(found) == read_truth(messy).latents.present[:, 0].sum()
    assert set(map(frozenset, found.values())) == {frozenset({"Thorax venous", "Thorax nativ"})}
    ids = read_truth(messy).latents
    names = {part for file in (messy / "CT_EXPORT").rglob("*") for part in file.relative_to(messy).parts}
    assert not names & {*ids.record_ids, *ids.patient_ids}


def test_the_truth_is_no_input(tidy: Path, messy: Path) -> None:
    for folder in (tidy, messy):
        assert "truth" not in (folder / "cohort.toml").read_text(encoding="utf-8")
        json.loads((folder / "truth" / "settings.json").read_text(encoding="utf-8"))
