"""EEG and laboratory values, four in ten absent: does hiding sources while training pay when they are absent later?

python pipelines/04_eeg_and_records_missing.py
clinfuse run configs/eeg_and_records.toml      # the same question as a study, on the same cohort folder
"""

from __future__ import annotations

import argparse
from pathlib import Path

import clinfuse as cf


def main(arguments: argparse.Namespace) -> None:
    """Compare two joint models that differ only in whether sources were hidden while they trained."""
    whole = cf.make_cohort(arguments.cohort, records=arguments.records, seed=0, out=arguments.folder, missing_rate=0.4)
    cohort = whole.without("ct", "xray")
    cohort = cohort[cohort.present.any(1)]  # a record with neither source has nothing to say here
    share = cohort.present.mean(0)
    print(cohort)
    print("present: " + ", ".join(f"{name} {part:.0%}" for name, part in zip(cohort.names, share, strict=True)))

    networks = {"eeg": "log-power"}
    hidden = cf.TrainingOptions(epochs=arguments.epochs, hide=0.3)
    shown = cf.TrainingOptions(epochs=arguments.epochs, hide=0.0)
    models = {
        "hidden": cf.JointFusion(encoders=networks, options=hidden),
        "shown": cf.JointFusion(encoders=networks, options=shown),
        "late": cf.LateFusion(encoders=networks, options=hidden),
    }
    result = cf.compare(cohort, models, folds=arguments.folds, seed=0, primary="hidden")
    print(result.table().to_string(index=False))
    print(result.answer.text)
    for name in models:
        print(f"\n{name}: the same patients with sources withheld")
        print(cf.robustness(result[name], cohort).table().to_string(index=False))
    print(cf.write_study_report(result, Path(arguments.out) / "report.html", title="EEG and laboratory values"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohort", default="demo", help="demo, small or nothing-to-gain")
    parser.add_argument("--records", type=int, default=240)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--folder", default="cohorts/synthetic-missing", help="where the cohort is written")
    parser.add_argument("--out", default="results/eeg-and-records-script")
    main(parser.parse_args())
