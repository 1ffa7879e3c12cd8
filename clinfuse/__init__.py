"""clinfuse: does combining imaging, EEG and health records diagnose better than the best single source?

Names are loaded when they are first used, so that ``import clinfuse`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Cohort": "clinfuse.cohort.cohort",
    "PatientRecord": "clinfuse.cohort.cohort",
    "Modality": "clinfuse.cohort.modality",
    "make_cohort": "clinfuse.synthetic.make",
    "read_ct": "clinfuse.io.dicom",
    "read_xray": "clinfuse.io.dicom",
    "read_nifti": "clinfuse.io.nifti",
    "read_eeg": "clinfuse.io.eeg",
    "read_ehr": "clinfuse.io.ehr",
    "Volume": "clinfuse.io.values",
    "Radiograph": "clinfuse.io.values",
    "Signal": "clinfuse.io.values",
    "Encoder": "clinfuse.encoders.base",
    "EncoderChoice": "clinfuse.encoders.choice",
    "Operator": "clinfuse.fusion.operators.base",
    "OperatorChoice": "clinfuse.fusion.choice",
    "TokenOperator": "clinfuse.fusion.operators.base",
    "FusionClassifier": "clinfuse.training.classifiers",
    "Unimodal": "clinfuse.training.unimodal",
    "EarlyFusion": "clinfuse.training.early",
    "JointFusion": "clinfuse.training.joint",
    "LateFusion": "clinfuse.training.late",
    "Tuned": "clinfuse.training.tuned",
    "HybridFusion": "clinfuse.training.joint",
    "Calibrated": "clinfuse.training.calibrated",
    "TrainingOptions": "clinfuse.training.options",
    "train_final": "clinfuse.training.store",
    "load_model": "clinfuse.training.store",
    "Predictions": "clinfuse.evaluation.predictions",
    "CrossValidation": "clinfuse.evaluation.crossval",
    "cross_validate": "clinfuse.evaluation.crossval",
    "Comparison": "clinfuse.evaluation.compare",
    "compare": "clinfuse.evaluation.compare",
    "robustness": "clinfuse.evaluation.robustness.subsets",
    "diagnose": "clinfuse.evaluation.diagnosis.diagnose",
    "audit": "clinfuse.evaluation.audit.checks",
    "validate_externally": "clinfuse.evaluation.external.validate",
    "characteristics": "clinfuse.evaluation.characteristics",
    "subgroups": "clinfuse.evaluation.subgroups.subgroups",
    "Attribution": "clinfuse.explain.attribution",
    "attribute": "clinfuse.explain.attribution",
    "write_study_report": "clinfuse.report.study",
    "write_patient_report": "clinfuse.report.patient",
    "register": "clinfuse.fusion.register",
    "ClinfuseError": "clinfuse.errors",
}
_MODULES = {"errors": "clinfuse.errors", "metrics": "clinfuse.evaluation.metrics", "splits": "clinfuse.training.splits"}

__all__ = ["__version__", *sorted(_HOMES), *sorted(_MODULES)]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _MODULES:
        return import_module(_MODULES[name])
    message = f"module 'clinfuse' has no attribute '{name}'"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted(__all__)
