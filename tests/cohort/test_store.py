"""What lies in a folder is what the cohort has: files read once, refusals counted, and found again elsewhere."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clinfuse.cohort import store
from clinfuse.cohort.cohort import Cohort, PatientRecord
from clinfuse.errors import ClinfuseError, DataError
from clinfuse.io.policies import POLICIES
from clinfuse.io.values import Signal, Volume

NAMES = ("kidney", "eeg", "labs")


class TestFolder:
    def test_what_is_present_is_what_could_be_read(self, cohort: Cohort) -> None:
        assert cohort.shape == (8, 3)
        assert cohort.names == NAMES
        expected = np.ones((8, 3), dtype=bool)
        expected[1, 0] = expected[2, 1] = expected[4, 2] = False
        np.testing.assert_array_equal(cohort.present, expected)
        assert cohort.arrays("kidney").dtype == np.uint8
        assert cohort.arrays("eeg").shape == (8, 3, 2, 64)

    def test_absent_inputs_are_zeros_and_absent_features_nan(self, cohort: Cohort) -> None:
        for column, name in enumerate(NAMES):
            absent = ~cohort.present[:, column]
            if name != "labs":
                assert not cohort.arrays(name)[absent].any()
                assert not cohort.network_input(name, absent).any()
            values = cohort.features(name).values
            assert np.isnan(values[absent]).all()
            assert not np.isnan(values[~absent]).all(axis=1).any()

    def test_a_short_recording_is_masked_and_counted(self, cohort: Cohort) -> None:
        mask = cohort.window_mask("eeg")
        assert mask[3].tolist() == [True, True, False]
        assert mask[0].all()
        assert not mask[2].any()
        noted = [entry for entry in cohort.ledger.entries if entry.note]
        assert [(entry.code, entry.key) for entry in noted] == [("EEG_WINDOWS", "R-KEY403")]
        assert not cohort.network_input("eeg", [3])[0, 2].any()

    def test_the_order_of_the_records_changes_nothing(self, opened: Callable[..., Cohort]) -> None:
        one, other = opened(), opened([3, 1, 7, 0, 2, 6, 5, 4])
        assert one.fingerprint == other.fingerprint
        left, right = one.sorted_by_id(), other.sorted_by_id()
        np.testing.assert_array_equal(left.record_ids, right.record_ids)
        np.testing.assert_array_equal(left.labels, right.labels)
        np.testing.assert_array_equal(left.present, right.present)
        for name in NAMES:
            np.testing.assert_array_equal(left.arrays(name), right.arrays(name))
            np.testing.assert_array_equal(left.features(name).values, right.features(name).values)

    def test_a_damaged_file_is_refused_counted_and_the_rest_goes_on(
        self, folder: Path, opened: Callable[..., Cohort]
    ) -> None:
        (folder / "mask_5.nii").write_bytes(b"not an image")
        (folder / "eeg_6.edf").unlink()
        cohort = opened()
        assert not cohort.present[5, 0]
        assert not cohort.present[6, 1]
        assert cohort.present[5, 1]
        refused = {(e.source, e.key): e.code for e in cohort.ledger.entries if not e.note}
        assert set(refused) == {("kidney", "R-KEY405"), ("eeg", "R-KEY406")}
        assert "refused, kidney: " + refused["kidney", "R-KEY405"] in repr(cohort)
        assert sum(cohort.ledger.refused.values()) == 2

    def test_strict_stops_at_the_first_refused_file_and_names_it_by_key(
        self, folder: Path, opened: Callable[..., Cohort]
    ) -> None:
        (folder / "mask_5.nii").write_bytes(b"not an image")
        with pytest.raises(DataError, match="modality kidney, record R-KEY405") as caught:
            opened(strict=True)
        assert "mask_5" not in str(caught.value)
        opened()
        with pytest.raises(DataError, match="modality kidney, record R-KEY405"):
            opened(strict=True)

    def test_a_modality_nobody_could_read_stops_the_run(self, folder: Path, opened: Callable[..., Cohort]) -> None:
        for file in folder.glob("mask_*.nii"):
            file.write_bytes(b"not an image")
        with pytest.raises(DataError, match=r"SOURCE_UNREADABLE.*kidney.*7 refused"):
            opened()

    def test_a_file_that_is_not_there_is_an_error_without_its_name(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="NIFTI_OPEN") as caught:
            store.opened("mask", [tmp_path / "Smith.nii"], POLICIES["mask"]())
        assert "Smith" not in str(caught.value)

    def test_what_files_say_of_themselves_is_kept_for_the_audit(self, cohort: Cohort) -> None:
        eeg = cohort.properties("eeg")
        assert eeg["duration_s"].tolist()[:2] == [4, 4]
        assert eeg["duration_s"][3] == 2
        assert np.isnan(eeg["duration_s"][2])
        kidney = cohort.properties("kidney")
        assert kidney["slices"][0] == 8
        assert kidney["spacing_z_mm"][0] == 2
        assert (kidney["bytes"].dropna() > 0).all()
        assert cohort.properties("labs").shape == (8, 0)

    def test_the_folder_can_move(self, folder: Path, opened: Callable[..., Cohort], cohort: Cohort) -> None:
        for file in folder.glob("*.nii"):
            os.utime(file, (1, 1))
        assert opened().fingerprint == cohort.fingerprint

    def test_another_pixel_is_another_fingerprint(
        self, folder: Path, opened: Callable[..., Cohort], cohort: Cohort
    ) -> None:
        (folder / "mask_0.nii").write_bytes((folder / "mask_5.nii").read_bytes())
        assert opened().fingerprint != cohort.fingerprint

    def test_record_values_come_from_the_files(self, cohort: Cohort) -> None:
        record = cohort["400"]
        assert isinstance(record, PatientRecord)
        assert isinstance(record.load("kidney"), Volume)
        signal = record.load("eeg")
        assert isinstance(signal, Signal)
        assert signal.seconds == 4
        labs = record.load("labs")
        assert labs["CRP"] == 0
        assert np.isnan(labs["sodium"])
        with pytest.raises(DataError, match="RECORD_ABSENT"):
            cohort["401"].load("kidney")

    def test_a_file_that_went_away_is_named_by_key(self, folder: Path, cohort: Cohort) -> None:
        (folder / "eeg_0.edf").unlink()
        with pytest.raises(ClinfuseError, match="modality eeg, record R-KEY400"):
            cohort["400"].load("eeg")

    def test_the_only_file_of_a_new_patient_may_be_damaged(self, folder: Path, opened: Callable[..., Cohort]) -> None:
        (folder / "mask_5.nii").write_bytes(b"not an image")
        assert opened([5]).present.tolist() == [[False, True, True]]


_ELSEWHERE = """
import pickle, sys
cohort = pickle.load(sys.stdin.buffer)
print(cohort.fingerprint, cohort.present.sum(), cohort.arrays("kidney").sum())
"""


class TestFromFolder:
    def test_a_described_folder_is_the_cohort_it_describes(self, hospital: Path, opened: Callable[..., Cohort]) -> None:
        found, expected = Cohort.from_folder(hospital), opened()
        np.testing.assert_array_equal(found.record_ids, expected.record_ids)
        np.testing.assert_array_equal(found.labels, expected.labels)
        np.testing.assert_array_equal(found.present, expected.present)
        assert found.names == expected.names
        assert found.folder == hospital.resolve()
        for name in NAMES:
            np.testing.assert_array_equal(found.arrays(name), expected.arrays(name))

    def test_it_arrives_in_another_process_as_it_was(self, hospital: Path) -> None:
        part = Cohort.from_folder(hospital)[[6, 0, 3]].withhold(np.tile([True, False, True], (3, 1)))
        sent = pickle.dumps(part)
        assert len(sent) < 2000
        answer = subprocess.run(
            [sys.executable, "-c", _ELSEWHERE], input=sent, capture_output=True, check=True, timeout=120
        ).stdout.split()
        assert answer[0].decode() == part.fingerprint
        assert [int(number) for number in answer[1:]] == [part.present.sum(), part.arrays("kidney").sum()]

    def test_a_changed_folder_is_noticed_by_the_other_process(
        self, hospital: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent = pickle.dumps(Cohort.from_folder(hospital))
        monkeypatch.setattr(store, "_OPEN", {})
        assert len(pickle.loads(sent)) == 8
        (hospital / "mask_0.nii").unlink()
        monkeypatch.setattr(store, "_OPEN", {})
        with pytest.raises(DataError, match="COHORT_CHANGED"):
            pickle.loads(sent)

    def test_progress_is_counted_in_keys_of_nobody(self, hospital: Path, capsys: pytest.CaptureFixture[str]) -> None:
        Cohort.from_folder(hospital, progress=True)
        said = capsys.readouterr().err
        assert "preparing kidney 8/8" in said
        assert "mask_" not in said
