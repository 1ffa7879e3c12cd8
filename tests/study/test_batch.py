"""Records that are explained together are chosen by a rule that is printed and that the folder is named after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clinfuse.errors import ConfigError, DataError
from clinfuse.evaluation.compare import Comparison
from clinfuse.report.patient import read_page
from clinfuse.study.batch import GROUPS, listed, parsed, picked
from clinfuse.study.config import load_study
from clinfuse.study.explained import explain_records
from clinfuse.study.folder import describe, settle
from clinfuse.study.outcome import read_comparison
from clinfuse.study.run import prepare
from clinfuse.study.work import Work
from tests.study.conftest import STUDY, write_cohort


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Work, Comparison]:
    folder = tmp_path_factory.mktemp("batch")
    write_cohort(folder / "cohort")
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    work = prepare(load_study(folder / "study.toml"))
    settle(work.run, describe(work.study, work.run, work.cohort.fingerprint), touched=0, agreed=False)
    assert len(list(work.do())) == 12
    return work, read_comparison(work)


@pytest.mark.parametrize("text", ["", "tp", "tp=0", "tp=5,xx=2", "disagree=3,tp=1", "tp=-1", "tp=5;fp=5", "tp=123456"])
def test_other_rules_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="EXPLAIN_PICK"):
        parsed(text)


def test_groups_are_what_their_names_say(done: tuple[Work, Comparison]) -> None:
    _, comparison = done
    batch = picked(comparison, "late", "tp=3,fp=2,fn=2,tn=3", seed=7)
    held = comparison["late"].predictions.select(repeat=0)
    for key, group in batch.groups.items():
        row = int(np.flatnonzero(held.record == key)[0])
        event, yes = bool(held.y_true[row]), bool(held.probabilities[row, 1] >= 0.5)
        assert group == GROUPS[{(1, 1): "tp", (0, 1): "fp", (1, 0): "fn", (0, 0): "tn"}[event, yes]]
    assert batch.name == "tp3-fp2-fn2-tn3-seed7"
    assert "with seed 7" in batch.rule
    assert set(picked(comparison, "late", "tp=3", seed=7).keys) < set(batch.keys)
    assert batch == picked(comparison, "late", "tp=3,fp=2,fn=2,tn=3", seed=7)


def test_the_disputed_are_those_on_which_fusions_differ_most(done: tuple[Work, Comparison]) -> None:
    _, comparison = done
    batch = picked(comparison, "late", "disagree=4")
    said = {}
    for name in ("late", "early"):
        held = comparison[name].predictions.select(repeat=0)
        for key, p in zip(held.record.tolist(), held.probabilities[:, 1].tolist(), strict=True):
            said.setdefault(key, []).append(p)
    apart = {key: abs(a - b) for key, (a, b) in said.items()}
    assert len(batch.keys) == 4
    assert min(apart[key] for key in batch.keys) >= max(v for key, v in apart.items() if key not in batch.keys)
    assert "late, early differ most" in batch.rule


def test_a_list_is_read_by_id_or_key_and_its_folder_tells_no_id(done: tuple[Work, Comparison], tmp_path: Path) -> None:
    work, _ = done
    file = tmp_path / "list.txt"
    key = work.cohort["V003"].key
    file.write_text(f"# mine\nV002\n\n{key}\nV002\n", encoding="utf-8")
    batch = listed(file, work.cohort)
    assert batch.keys == (work.cohort["V002"].key, key)
    file.write_text(f"{batch.keys[0]}\n{key}\n", encoding="utf-8")
    assert listed(file, work.cohort).name == batch.name
    file.write_text("V999\n", encoding="utf-8")
    with pytest.raises(DataError, match="RECORD_UNKNOWN"):
        listed(file, work.cohort)


@pytest.mark.parametrize("content", [b"", b"# nobody\n", b"\xff\xfe\x00"])
def test_a_list_of_nobody_is_refused(done: tuple[Work, Comparison], tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="EXPLAIN_RECORDS"):
        listed(file, done[0].cohort)


def test_blind_pages_keep_outcome_and_group_back_and_stand_in_the_order_of_keys(done: tuple[Work, Comparison]) -> None:
    work, comparison = done
    batch = picked(comparison, "late", "tp=1,tn=1", seed=1, blind=True)
    assert list(batch.keys) == sorted(batch.keys)
    pages = explain_records(work, comparison, batch, model="late")
    assert pages[0].parent == work.run.patients / "tp1-tn1-seed1-blind"
    index = (pages[0].parent / "index.html").read_text(encoding="utf-8")
    for page in pages:
        text, contents = page.read_text(encoding="utf-8"), read_page(page.with_suffix(".json"))
        assert contents.blind
        assert contents.group == batch.groups[contents.record]
        assert text.count(contents.group) == 1
        assert index.count(f"<summary>show</summary><span>{contents.outcome}, {contents.group}</span></details>") == 1
        assert (
            f"<summary>show what was found</summary><span>{contents.outcome} ({contents.group})</span></details>"
            in text
        )
    assert f"How they were chosen: {batch.rule}." in index
    again = [page.read_bytes() for page in pages]
    assert again == [page.read_bytes() for page in explain_records(work, comparison, batch, model="late")]
