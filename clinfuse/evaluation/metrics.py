"""How good predictions are, each number by one function of labels and scores.

Cross-validated scores come from as many models as there are folds, and their scales differ. Give ``folds`` wherever it
is taken: only records that the same model scored are then compared with each other.

Labels are 0 or 1, 1 the positive class; class indices; or 0, 1 and -1 (unknown) in one column for each label.
`binary_labels` makes them of words. A threshold is always found on other records than those that are judged by it.
Every metric here has an interval: `statistic` gives it as a function of weights, for
`clinfuse.evaluation.statistics.intervals.bootstrap`.
"""

from __future__ import annotations

from clinfuse.evaluation.measures.agreement import (
    brier,
    calibration_intercept,
    calibration_slope,
    ece,
    log_loss,
    observed_expected,
    scaled_brier,
)
from clinfuse.evaluation.measures.benefit import net_benefit, net_benefit_treat_all
from clinfuse.evaluation.measures.classes import binary_labels, per_class
from clinfuse.evaluation.measures.curves import (
    calibration_curve,
    decision_curve,
    precision_recall_curve,
    roc_curve,
)
from clinfuse.evaluation.measures.decided import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    f1,
    mcc,
    npv,
    ppv,
    precision,
    predictive_values,
    recall,
    specificity,
)
from clinfuse.evaluation.measures.ranks import (
    auprc,
    auroc,
    sensitivity_at_specificity,
    specificity_at_sensitivity,
    threshold_at_sensitivity,
    threshold_at_specificity,
)
from clinfuse.evaluation.statistics.statistic import class_statistics, statistic

__all__ = [
    "accuracy",
    "auprc",
    "auroc",
    "balanced_accuracy",
    "binary_labels",
    "brier",
    "calibration_curve",
    "calibration_intercept",
    "calibration_slope",
    "class_statistics",
    "confusion_matrix",
    "decision_curve",
    "ece",
    "f1",
    "log_loss",
    "mcc",
    "net_benefit",
    "net_benefit_treat_all",
    "npv",
    "observed_expected",
    "per_class",
    "ppv",
    "precision",
    "precision_recall_curve",
    "predictive_values",
    "recall",
    "roc_curve",
    "scaled_brier",
    "sensitivity_at_specificity",
    "specificity",
    "specificity_at_sensitivity",
    "statistic",
    "threshold_at_sensitivity",
    "threshold_at_specificity",
]
