"""Chest film and laboratory values, each with its own model: six ways of combining their predictions.

python pipelines/03_xray_and_records_late.py
clinfuse run configs/xray_and_records.toml     # the same question as a study, on the same cohort folder
"""

from __future__ import annotations

import argparse
from pathlib import Path

import clinfuse as cf

POOLS = ("stacked", "mean", "weighted", "logit mean", "evidence", "majority vote")


def main(arguments: argparse.Namespace) -> None:
    """Compare the pools; the models of the single modalities are the same for all of them and are fitted once."""
    whole = cf.make_cohort(arguments.cohort, records=arguments.records, seed=0, out=arguments.folder)
    cohort = whole.without("ct", "eeg")
    cohort = cohort[cohort.present.any(1)]  # a record with neither source has nothing to say here
    print(cohort)

    options = cf.TrainingOptions(epochs=arguments.epochs)
    networks = {"xray": "small-conv"}
    models = {pool: cf.LateFusion(combine=pool, encoders=networks, options=options) for pool in POOLS}
    models["xray"] = cf.Unimodal("xray", encoder="small-conv", options=options)
    # One pool is declared; the others are there to look at, not to choose from afterwards.
    result = cf.compare(cohort, models, folds=arguments.folds, seed=0, primary="stacked")
    print(result.table().to_string(index=False))
    print(result.answer.text)

    # A late model answers when a source is absent, because the pool takes what is present.
    print(cf.robustness(result["stacked"], cohort).table().to_string(index=False))
    print(cf.write_study_report(result, Path(arguments.out) / "report.html", title="Chest film and laboratory values"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohort", default="demo", help="demo, small or nothing-to-gain")
    parser.add_argument("--records", type=int, default=240)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--folder", default="cohorts/synthetic", help="where the cohort is written")
    parser.add_argument("--out", default="results/xray-and-records-script")
    main(parser.parse_args())
