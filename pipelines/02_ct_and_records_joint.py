"""CT and laboratory values in one network: joint fusion, what each source adds, and how training went.

python pipelines/02_ct_and_records_joint.py
clinfuse run configs/ct_and_records.toml       # the same question as a study, on the same cohort folder
"""

from __future__ import annotations

import argparse
from pathlib import Path

import clinfuse as cf


def main(arguments: argparse.Namespace) -> None:
    """Compare two ways of joining an image with a table."""
    whole = cf.make_cohort(arguments.cohort, records=arguments.records, seed=0, out=arguments.folder)
    cohort = whole.without("xray", "eeg")
    cohort = cohort[cohort.present.any(1)]  # a record with neither source has nothing to say here
    print(cohort)

    options = cf.TrainingOptions(epochs=arguments.epochs, hide=0.3)
    networks = {"ct": "small-conv"}
    models = {
        # Joint, type I: both sources have an encoder that is trained. Type II: the table enters as it is.
        "joint I": cf.JointFusion(combine="gated", kind="I", encoders=networks, options=options),
        "joint II": cf.JointFusion(combine="concat", kind="II", encoders=networks, options=options),
        "ct": cf.Unimodal("ct", encoder="small-conv", options=options),
    }
    for name, model in models.items():
        print(f"{name:10}{model.taxonomy()}")
    result = cf.compare(cohort, models, folds=arguments.folds, seed=0, primary="joint I")
    print(result.table().to_string(index=False))
    print(result.answer.text)

    # Loss of every network by epoch: whether training had settled when it stopped.
    for (repeat, fold), curves in result["joint I"].losses.items():
        for network, curve in curves.items():
            first, last = curve[0]["training_loss"], curve[-1]["training_loss"]
            print(f"fold {repeat}-{fold}  {network}: {first:.3f} -> {last:.3f} in {len(curve)} epochs")
    print(cf.write_study_report(result, Path(arguments.out) / "report.html", title="CT and laboratory values"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohort", default="demo", help="demo, small or nothing-to-gain")
    parser.add_argument("--records", type=int, default=240)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--folder", default="cohorts/synthetic", help="where the cohort is written")
    parser.add_argument("--out", default="results/ct-and-records-script")
    main(parser.parse_args())
