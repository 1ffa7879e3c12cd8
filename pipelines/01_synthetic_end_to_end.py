"""Four sources, three fusions, one question: the whole path on a cohort whose best possible AUROC is known.

python pipelines/01_synthetic_end_to_end.py
clinfuse run configs/synthetic.toml            # the same question as a study, on the same cohort folder
"""

from __future__ import annotations

import argparse
from pathlib import Path

import clinfuse as cf


def main(arguments: argparse.Namespace) -> None:
    """Make the cohort, compare the fusions with the single modalities, and write both kinds of report."""
    cohort = cf.make_cohort(arguments.cohort, records=arguments.records, seed=0, out=arguments.folder)
    print(cohort)

    # Declared before anything is trained: does late fusion beat the laboratory values alone?
    options = cf.TrainingOptions(epochs=arguments.epochs)
    networks = {"ct": "small-conv", "xray": "small-conv", "eeg": "log-power"}
    models = {
        "early": cf.EarlyFusion(encoders=networks, options=options),
        "joint": cf.JointFusion(combine="concat", encoders=networks, options=options),
        "late": cf.LateFusion(combine="stacked", encoders=networks, options=options),
        **{name: cf.Unimodal(name, encoder=networks.get(name), options=options) for name in cohort.names},
    }
    result = cf.compare(cohort, models, folds=arguments.folds, seed=0, primary="late", best_single="labs")
    print(result.table().to_string(index=False))
    print(result.answer.text)

    # What is left for the same patients when a source is withheld, from models that never saw them.
    kept = cf.robustness(result["late"], cohort)
    print(kept.table().to_string(index=False))

    # Why the model said so, for the first patient with everything there is.
    out = Path(arguments.out)
    complete = cohort[int(cohort.present.sum(1).argmax())]
    attribution = cf.attribute(result["late"], complete)
    cf.write_patient_report(attribution, out / f"{complete.key}.html")
    print(cf.write_study_report(result, out / "report.html", robustness=kept, title="Synthetic, end to end"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohort", default="demo", help="demo, small or nothing-to-gain")
    parser.add_argument("--records", type=int, default=240)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--folder", default="cohorts/synthetic", help="where the cohort is written")
    parser.add_argument("--out", default="results/synthetic-script")
    main(parser.parse_args())
