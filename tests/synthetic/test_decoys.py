"""What a synthetic cohort may hold to mislead: a second lesion, and a column that goes along with a true one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import clinfuse as cf
from clinfuse.errors import ConfigError
from clinfuse.synthetic.latent import draw_latents
from clinfuse.synthetic.planted import distractor, planted
from clinfuse.synthetic.render_ct import render_ct
from clinfuse.synthetic.render_labs import columns_of, lab_table
from clinfuse.synthetic.settings import SyntheticSettings, preset
from clinfuse.synthetic.truth import read_truth

PLAIN = preset("small", records=4000, seed=3)
DECOYS = replace(PLAIN, distractor=True, proxy=0.8)


def test_without_decoys_a_cohort_keeps_its_name() -> None:
    # The name of the demonstration's cohort before there were decoys; files are written under it.
    assert preset("demo").identity == "4959e4b56641"
    assert preset("demo", distractor=True).identity != preset("demo").identity != preset("demo", proxy=0.8).identity
    assert not {"distractor", "proxy"} & set(PLAIN.said)


def test_the_second_lesion_is_all_that_a_decoy_adds_to_a_scan() -> None:
    views = np.zeros(4)
    large = preset("demo", seed=3)
    added = render_ct(replace(large, distractor=True), 7, 0.5, views) - render_ct(large, 7, 0.5, views)
    place = np.argwhere(added > 0.9 * added.max()).mean(0) + 0.5
    found = place * (5.5, 5.5, 8.0) - (176, 176, 96)
    right, anterior, superior = distractor(large, 7).centre_mm
    assert found == pytest.approx((-right, -anterior, superior), abs=4)
    lesion = planted(large, 7, "ct").centre_mm
    assert np.linalg.norm(np.subtract(lesion, distractor(large, 7).centre_mm)) > 52  # the two never touch


def test_the_second_lesion_says_nothing_of_the_label() -> None:
    labels = draw_latents(PLAIN).labels[:120]
    contrast = []
    for row in range(120):
        added = render_ct(replace(PLAIN, distractor=True), row, 0.0, np.zeros(4)) - render_ct(
            PLAIN, row, 0.0, np.zeros(4)
        )
        contrast.append(added.max())
    assert abs(np.corrcoef(contrast, labels)[0, 1]) < 0.25
    assert np.std(contrast) > 30


def test_the_further_column_goes_along_with_crp_and_adds_nothing() -> None:
    latents = draw_latents(DECOYS)
    table, plain = lab_table(DECOYS, latents), lab_table(PLAIN, latents)
    assert table[plain.columns].equals(plain)
    both = table[["crp", "procalcitonin"]].dropna().astype(float)
    well = latents.labels[table.index.get_indexer(both.index)] == 0
    assert both[well].corr().iloc[0, 1] == pytest.approx(0.8, abs=0.03)
    true = latents.columns[:, 0]
    shown = (table["procalcitonin"].astype(float).to_numpy() - 1.2) / 0.25
    rest = shown - 0.8 * true
    seen = np.isfinite(rest)
    assert abs(np.corrcoef(rest[seen], latents.labels[seen])[0, 1]) < 0.05
    assert 0.02 < 1 - seen.mean() < 0.08


@pytest.mark.parametrize("messy", [False, True])
def test_a_cohort_with_decoys_opens_and_knows_where_they_are(tmp_path, messy: bool) -> None:
    cohort = cf.make_cohort("small", records=3, seed=4, out=tmp_path / "c", distractor=True, proxy=0.8, messy=messy)
    truth = read_truth(tmp_path / "c")
    assert (truth.settings.distractor, truth.settings.proxy) == (True, 0.8)
    ct = cohort.modality("ct")
    record = str(truth.latents.record_ids[0])
    here, there = truth.planted_mask(record, ct), truth.distractor_mask(record, ct)
    assert here.any()
    assert there.any()
    assert not (here & there).any()
    assert [c.name.split(" ")[0] for c in cohort.modality("labs").columns] == [
        c.name for c in columns_of(truth.settings)
    ]


def test_without_a_second_lesion_its_mask_is_empty(tidy_cohort, tidy) -> None:
    truth = read_truth(tidy)
    assert not truth.distractor_mask(str(truth.latents.record_ids[0]), tidy_cohort.modality("ct")).any()


@pytest.mark.parametrize("options", [{"proxy": 1.0}, {"proxy": -0.1}, {"distractor": True, "level": "embedding"}])
def test_what_cannot_be_made_is_refused(options: dict) -> None:
    with pytest.raises(ConfigError, match="SYNTHETIC_SETTING"):
        SyntheticSettings(**options)
