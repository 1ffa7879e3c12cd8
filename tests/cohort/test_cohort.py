"""A cohort is ordered, immutable and joined by id: every view of it agrees with every other."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfuse.cohort import store
from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.modality import Column, Modality
from clinfuse.errors import ConfigError, DataError
from clinfuse.io.values import Radiograph, Signal, Volume

NAMES = ("kidney", "eeg", "labs")


def synthetic(records: int = 12, seed: int = 0) -> Cohort:
    draw = np.random.default_rng(seed)
    return Cohort.from_arrays(
        {
            "ct": draw.normal(size=(records, 1, 3, 3, 3)).astype(np.float32),
            "eeg": draw.normal(size=(records, 2, 2, 16)).astype(np.float32),
            "labs": draw.normal(size=(records, 4)),
        },
        present=draw.uniform(size=(records, 3)) > 0.3,
        labels=np.arange(records) % 2,
        record_ids=[f"r{k:02d}" for k in draw.permutation(records)],
        patient_ids=[f"p{k // 2}" for k in range(records)],
        kinds={"ct": "ct", "eeg": "eeg", "labs": "ehr"},
    )


class TestPickle:
    def test_a_cohort_travels_as_a_place_never_as_pixels(self, cohort: Cohort) -> None:
        part = cohort[[5, 0, 3]].without("labs")
        sent = pickle.dumps(part)
        assert len(sent) < 2000
        assert b"R-KEY" not in sent
        back = pickle.loads(sent)
        assert back.fingerprint == part.fingerprint
        assert back.names == part.names
        np.testing.assert_array_equal(back.record_ids, part.record_ids)
        np.testing.assert_array_equal(back.arrays("eeg"), part.arrays("eeg"))

    def test_what_is_withheld_stays_withheld(self, cohort: Cohort) -> None:
        mask = np.random.default_rng(0).uniform(size=cohort.shape) > 0.5
        for whole in (cohort, synthetic(8)):
            part = whole.withhold(mask)
            back = pickle.loads(pickle.dumps(part))
            np.testing.assert_array_equal(back.present, part.present)
            assert back.fingerprint == part.fingerprint != whole.fingerprint

    def test_arrays_travel_with_their_own_rows_only(self) -> None:
        whole = synthetic(200)
        part = whole[[7, 2]]
        sent = pickle.dumps(part)
        assert len(sent) < len(pickle.dumps(whole)) / 5
        back = pickle.loads(sent)
        assert back.fingerprint == part.fingerprint
        np.testing.assert_array_equal(back.arrays("ct"), part.arrays("ct"))
        assert not back.arrays("ct").flags.writeable

    def test_a_folder_that_changed_is_not_taken_for_the_old_one(
        self, cohort: Cohort, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent = pickle.dumps(cohort)
        other = cohort._store
        monkeypatch.setattr(store, "_OPEN", {})
        monkeypatch.setattr(store, "open_folder", lambda *_, **__: other)
        assert pickle.loads(sent).fingerprint == cohort.fingerprint
        monkeypatch.setattr(other, "key", "another")
        with pytest.raises(DataError, match="COHORT_CHANGED"):
            pickle.loads(sent)


class TestChoosing:
    @given(rows=st.lists(st.integers(-12, 11), unique_by=lambda k: k % 12))
    @settings(max_examples=60, deadline=None)
    def test_every_column_is_chosen_alike(self, rows: list[int]) -> None:
        cohort = synthetic()
        part = cohort[rows]
        assert len(part) == len(rows)
        index = np.array(rows, dtype=int)
        for column in ("record_ids", "patient_ids", "keys", "labels", "present", "sites", "times", "groups"):
            np.testing.assert_array_equal(getattr(part, column), getattr(cohort, column)[index])
        for name in cohort.names:
            np.testing.assert_array_equal(part.arrays(name), cohort.arrays(name)[index])
            np.testing.assert_array_equal(part.features(name).values, cohort.features(name).values[index])
        np.testing.assert_array_equal(part.window_mask("eeg"), cohort.window_mask("eeg")[index])

    def test_rows_can_be_said_in_many_ways(self) -> None:
        cohort = synthetic()
        wanted = cohort.record_ids[[2, 5]]
        mask = np.zeros(12, dtype=bool)
        mask[[2, 5]] = True
        for key in ([2, 5], np.array([2, 5]), mask, mask.tolist(), wanted, list(wanted), slice(2, 6, 3)):
            np.testing.assert_array_equal(cohort[key].record_ids, wanted)
        for key in (([2, 5], ...), ([2, 5], slice(None))):
            np.testing.assert_array_equal(cohort[key].record_ids, wanted)
        record = cohort[str(wanted[0])]
        assert record.record_id == cohort[2].record_id == cohort[cohort.keys[2]].record_id == cohort[-10].record_id
        assert [r.record_id for r in cohort] == cohort.record_ids.tolist()

    @pytest.mark.parametrize(
        ("key", "code"),
        [
            ([0, 0], "COHORT_ROW_TWICE"),
            (12, "COHORT_ROW"),
            ([12], "COHORT_ROW"),
            ("nobody", "RECORD_UNKNOWN"),
            (np.zeros(5, dtype=bool), "COHORT_INDEX"),
            (([0], 1), "COHORT_INDEX"),
            (np.array([0.5]), "COHORT_INDEX"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, key: object, code: str) -> None:
        with pytest.raises(DataError, match=code):
            synthetic()[key]

    def test_an_unknown_id_is_not_repeated_in_the_message(self) -> None:
        with pytest.raises(DataError, match="RECORD_UNKNOWN") as caught:
            synthetic().position("Smith, John")
        assert "Smith" not in str(caught.value)

    @given(seed=st.integers(0, 100))
    @settings(max_examples=20, deadline=None)
    def test_withheld_rows_are_zeros_and_nothing_can_be_made_present(self, seed: int) -> None:
        cohort = synthetic()
        mask = np.random.default_rng(seed).uniform(size=cohort.shape) > 0.5
        part = cohort.withhold(mask)
        np.testing.assert_array_equal(part.present, cohort.present & mask)
        for column, name in enumerate(cohort.names):
            gone = ~part.present[:, column]
            if name == "labs":
                assert np.isnan(part.arrays(name)[gone]).all()
            else:
                assert not part.arrays(name)[gone].any()
                assert not part.network_input(name, np.arange(12))[gone].any()
                np.testing.assert_array_equal(part.arrays(name)[~gone], cohort.arrays(name)[~gone])
            assert np.isnan(part.features(name).values[gone]).all()
        assert not part.window_mask("eeg")[~part.present[:, 1]].any()
        again = part[3:9].without("ct")
        np.testing.assert_array_equal(again.present, part.present[3:9, 1:])

    def test_a_mask_of_another_shape_or_type_is_refused(self) -> None:
        cohort = synthetic()
        for mask in (np.ones((12, 2), dtype=bool), np.ones((12, 3))):
            with pytest.raises(DataError, match="COHORT_WITHHOLD"):
                cohort.withhold(mask)

    def test_leaving_modalities_out(self) -> None:
        cohort = synthetic()
        assert cohort.without("eeg").names == ("ct", "labs")
        with pytest.raises(ConfigError, match="MODALITY_UNKNOWN"):
            cohort.without("pet")
        with pytest.raises(DataError, match="COHORT_EMPTY"):
            cohort.without("ct", "eeg", "labs")

    def test_nothing_can_be_written_to(self, cohort: Cohort) -> None:
        for made in (cohort, synthetic(), synthetic()[[3, 1]]):
            columns = [
                made.present,
                made.labels,
                made.record_ids,
                made.rows,
                made.arrays("eeg"),
                made.window_mask("eeg"),
            ]
            for array in [*columns, made.features("labs").values]:
                with pytest.raises(ValueError, match="read-only"):
                    array[0] = 0

    def test_a_given_array_is_copied(self) -> None:
        labs = np.zeros((2, 2))
        cohort = Cohort.from_arrays({"labs": labs}, labels=[0, 1], kinds={"labs": "ehr"})
        labs[0, 0] = 5
        assert cohort.arrays("labs")[0, 0] == 0

    def test_only_signals_have_windows(self) -> None:
        for cohort in (synthetic(), synthetic()[[3, 1]]):
            with pytest.raises(DataError, match=r"\[WINDOWS_NONE\]"):
                cohort.window_mask("labs")

    def test_it_is_no_array(self) -> None:
        with pytest.raises(DataError, match="COHORT_ARRAY"):
            np.asarray(synthetic())


class TestArrays:
    def test_nan_is_absence(self) -> None:
        eeg = np.ones((3, 2, 1, 8))
        eeg[1] = np.nan
        eeg[2, 1] = np.nan
        labs = np.array([[np.nan, 1.0], [2.0, 3.0], [np.nan, np.nan]])
        cohort = Cohort.from_arrays({"eeg": eeg, "labs": labs}, labels=[0, 1, 1], kinds={"eeg": "eeg", "labs": "ehr"})
        assert cohort.present.tolist() == [[True, True], [False, True], [True, False]]
        assert cohort.window_mask("eeg").tolist() == [[True, True], [False, False], [True, False]]
        assert cohort.arrays("eeg").dtype == np.float32
        assert np.isfinite(cohort.arrays("eeg")).all()

    def test_a_missing_channel_or_window_axis_is_added(self) -> None:
        shapes = {"ct": (2, 3, 3, 3), "xray": (2, 4, 4), "eeg": (2, 3, 8)}
        cohort = Cohort.from_arrays(
            {name: np.full(shape, 0.5, dtype=np.float32) for name, shape in shapes.items()},
            labels=[0, 1],
            kinds={name: name for name in shapes},
        )
        assert [m.shape for m in cohort.modalities] == [(1, 3, 3, 3), (1, 4, 4), (1, 3, 8)]
        kinds = [type(cohort[0].load(name)) for name in shapes]
        assert kinds == [Volume, Radiograph, Signal]
        assert all(np.isfinite(cohort.features(name).values).all() for name in shapes)

    def test_network_input_is_scaled_by_the_settings(self) -> None:
        kind = Modality("ct", "ct", (1, 2, 2, 2), centre=100.0, spread=50.0)
        cohort = Cohort.from_arrays(
            {"ct": np.full((2, 1, 2, 2, 2), 200, dtype=np.int16)}, labels=[0, 1], kinds={"ct": kind}
        )
        assert cohort.arrays("ct").dtype == np.int16
        found = cohort.network_input("ct", [1, 1, 0])
        assert found.shape == (3, 1, 2, 2, 2)
        assert found.dtype == np.float32
        assert (found == 2).all()

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"labels": [0, 1]}, "ARRAY_LENGTH"),
            ({"labels": [0.5, 1, 0]}, "ARRAY_LABELS"),
            ({"labels": [0, 1, 2]}, "LABEL_RANGE"),
            ({"kinds": {"labs": "ct"}}, "MODALITY_SHAPE"),
            ({"kinds": {"labs": "pet"}}, "MODALITY_KIND"),
            ({"kinds": {"other": "ehr"}}, "ARRAY_KINDS"),
            ({"kinds": {"labs": Modality("labs", "ehr", (1,), columns=(Column("a"),))}}, "ARRAY_SHAPE"),
            ({"present": np.ones((3, 2), dtype=bool)}, "ARRAY_PRESENT"),
            ({"present": np.ones((3, 1))}, "ARRAY_PRESENT"),
            ({"record_ids": ["a", "a", "b"]}, "RECORD_TWICE"),
            ({"arrays": {"labs": np.array([[1.0], [np.inf], [0.0]])}}, "ARRAY_FINITE"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, change: dict[str, object], code: str) -> None:
        said = {"arrays": {"labs": np.ones((3, 2))}, "labels": [0, 1, 0], "kinds": {"labs": "ehr"}, **change}
        with pytest.raises((DataError, ConfigError), match=code):
            Cohort.from_arrays(said.pop("arrays"), **said)

    def test_every_column_has_its_declaration(self) -> None:
        assert Modality("labs", "ehr", (1,), columns=(Column("a"),)).shape == (1,)
        with pytest.raises(ConfigError, match=r"\[MODALITY_COLUMNS\].*found 1 declarations"):
            Modality("labs", "ehr", (2,), columns=(Column("a"),))

    @pytest.mark.parametrize("column", ["patient_ids", "keys", "labels", "sites", "times", "splits", "attributes"])
    def test_every_record_stands_in_every_column(self, cohort: Cohort, column: str) -> None:
        records = cohort._store.records
        with pytest.raises(DataError, match=r"\[RECORD_LENGTHS\]"):
            replace(records, **{column: getattr(records, column)[:-1]})

    def test_an_image_that_is_partly_nan_is_refused(self) -> None:
        ct = np.ones((2, 1, 2, 2, 2))
        ct[0, 0, 0, 0, 0] = np.nan
        with pytest.raises(DataError, match="ARRAY_FINITE"):
            Cohort.from_arrays({"ct": ct}, labels=[0, 1], kinds={"ct": "ct"})

    def test_several_labels(self) -> None:
        cohort = Cohort.from_arrays(
            {"labs": np.ones((3, 1))},
            labels=np.array([[0, 1], [1, 1], [-1, 0]]),
            kinds={"labs": "ehr"},
            classes=("stroke", "bleed"),
            task="multilabel",
        )
        assert cohort[1].has_label
        assert not cohort[2].has_label
        assert cohort[1].label.tolist() == [1, 1]
        assert "stroke 1, bleed 2" in repr(cohort)

    def test_there_is_no_folder(self, cohort: Cohort) -> None:
        assert not synthetic().has_folder
        assert cohort.has_folder
        with pytest.raises(DataError, match="COHORT_FOLDER"):
            _ = synthetic().folder

    def test_the_order_of_arrays_changes_nothing(self) -> None:
        cohort = synthetic()
        assert cohort[::-1].fingerprint == cohort.fingerprint
        assert cohort[1:].fingerprint != cohort.fingerprint
        assert cohort.without("ct").fingerprint != cohort.fingerprint
        np.testing.assert_array_equal(cohort[::-1].sorted_by_id().arrays("ct"), cohort.sorted_by_id().arrays("ct"))


class TestSummary:
    def test_text_says_who_is_here_and_what_they_have(self, cohort: Cohort) -> None:
        text = repr(cohort)
        assert "8 records of 4 patients, 4 (50 %) with the finding (yes), 2 sites" in text
        assert "input 9 records = 8 used + 1 excluded" in text
        assert "together: all 5" in text
        assert "noted, eeg: EEG_WINDOWS 1" in text
        assert "400" not in text

    def test_html_is_escaped(self) -> None:
        evil = "<script>alert(1)</script>"
        cohort = Cohort.from_arrays(
            {evil: np.ones((2, 1))}, labels=[0, 1], kinds={evil: "ehr"}, classes=("no", evil), sites=[evil, "b"]
        )
        html = cohort._repr_html_()
        assert "<script>" not in html
        assert "&lt;script&gt;" in html

    def test_an_empty_choice_can_still_be_shown(self) -> None:
        assert "0 records of 0 patients" in repr(synthetic()[[]])

    def test_attributes_follow_the_rows(self, cohort: Cohort) -> None:
        pd.testing.assert_frame_equal(cohort[[1, 0]].attributes, pd.DataFrame({"sex": ["f", "m"]}))
        assert cohort[1].attributes["sex"] == "f"
        assert repr(cohort[0]) == "PatientRecord(R-KEY400: kidney, eeg, labs)"
