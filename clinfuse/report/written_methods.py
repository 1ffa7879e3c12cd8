"""The methods paragraph of a manuscript, made of what lies in the run: what is not known there is not said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clinfuse.report.artefacts import Artefacts
from clinfuse.report.html import RESEARCH_ONLY, clean, percent
from clinfuse.report.manuscript import INTERVALS, METRIC_NAMES
from clinfuse.report.methods import HUANG
from clinfuse.report.written_inputs import input_sentences

_PACKAGES = {"torch": "PyTorch", "monai": "MONAI", "numpy": "NumPy", "scipy": "SciPy", "lightgbm": "LightGBM"}
_FILLS = {"skip": "leaves absent modalities out"}
_LABEL_ROWS = {
    "negative": "A patient without an entry counts as without the finding.",
    "exclude": "A patient without an entry was left out.",
}
_VISITS = {
    "all": "Every record of a patient was used.",
    "first": "Of each patient the first record was used.",
    "last": "Of each patient the last record was used.",
}

_SEARCHES = {
    "grid": "by trying every combination",
    "random": "from {tries} combinations drawn at random",
    "halving": "by successive halving over epochs",
    "optuna": "from {tries} combinations that Optuna proposed",
}


def methods_document(artefacts: Artefacts) -> str:
    """Give the text of ``methods.txt``: one paragraph to a subject, and none where nothing is known.

    Parameters
    ----------
    artefacts : Artefacts
        Of a finished run.
    """
    subjects = {
        "Cohort": _cohort(artefacts),
        "Inputs": input_sentences(artefacts),
        "Models": _models(artefacts),
        "Missing modalities": _missing(artefacts),
        "Validation": _validation(artefacts),
        "Statistics": _statistics(artefacts),
        "Software": _software(artefacts),
    }
    told = {name: " ".join(sentence for sentence in sentences if sentence) for name, sentences in subjects.items()}
    parts = [f"{name}. {text}" for name, text in told.items() if text]
    return clean("\n\n".join([*parts, HUANG, RESEARCH_ONLY]), 100_000) + "\n"


def _cohort(artefacts: Artefacts) -> Iterator[str]:
    known = artefacts.value("cohort.json") or {}
    if {"records", "patients"} <= set(known):
        sites = f" from {known['sites']} sites" if known.get("sites", 0) > 1 else ""
        yield f"The cohort holds {known['records']} records of {known['patients']} patients{sites}."
    years = known.get("years") or []
    if years:
        yield f"Index times lie in {years[0]}." if years[0] == years[1] else f"Index times lie in {_span(years)}."
    if known.get("records_in", 0) > known.get("records", 0):
        codes = ", ".join(f"{code} {count}" for code, count in known.get("excluded", {}).items())
        left = known["records_in"] - known["records"]
        yield f"Of {known['records_in']} records in the export {left} were left out{f' ({codes})' if codes else ''}."
    if known.get("events") is not None and known.get("labelled"):
        events, labelled = known["events"], known["labelled"]
        share = percent(events / labelled)
        yield f"The outcome is {known['classes'][-1]}, present in {events} of {labelled} records ({share})."
    elif known.get("classes"):
        kind = "labels" if known["task"] == "multilabel" else "classes"
        yield f"The outcome has the {kind} {_list(known['classes'])}."
    yield from _rules(known.get("rules") or {})


def _span(years: list[int]) -> str:
    return f"the years {years[0]} to {years[1]}"


def _rules(rules: dict[str, Any]) -> Iterator[str]:
    if rules.get("index_time"):
        yield "Each record has an index time, the moment of the prediction."
    yield _VISITS.get(str(rules.get("per_patient")), "")
    label = rules.get("label") or {}
    if label.get("window"):
        yield f"The outcome counts from {_window(label['window'])} around the index time."
    yield _LABEL_ROWS.get(str(label.get("no_row")), "")
    if label.get("follow_up"):
        yield "Records whose follow-up ended before that window were left out unless the finding was seen before."


def _window(ends: list[str]) -> str:
    return f"{ends[0]} to {ends[1]}".replace("-", "−")


def _models(artefacts: Artefacts) -> Iterator[str]:
    rows = artefacts.value("metrics.json") or []
    kinds = {str(row["model"]): str(row["taxonomy"]) for row in rows}
    fused = [f"{name} ({kind})" for name, kind in kinds.items() if kind != "single"]
    single = [name for name, kind in kinds.items() if kind == "single"]
    if fused:
        yield f"Fusion models, classed after Huang et al. (2020): {_list(fused)}."
    if single:
        yield f"Each modality was also modelled alone: {_list(single)}."
    for name in (*single, *(name for name in kinds if name not in single)):
        yield _model(artefacts, name)
        yield _search(artefacts, name)
    yield _training(artefacts, list(kinds))
    sections = artefacts.value("run.json", "config", "models") or {}
    for name, section in sections.items():
        if name in kinds and section.get("calibration", "none") != "none":
            pattern = ", one for each set of modalities present" if section.get("calibration_by") == "pattern" else ""
            yield f'Probabilities of {name} were calibrated in inner folds by "{section["calibration"]}"{pattern}.'


def _model(artefacts: Artefacts, name: str) -> str:
    files = artefacts.matching(f"folds/0-0/{name}/model/model.json")
    learned = artefacts.value(files[0], "learned") if files else None
    if not isinstance(learned, dict):
        return ""
    if artefacts.value(f"folds/0-0/{name}/task.json", "multimodal"):
        return _fusion(artefacts, name)
    if {"learner", "encoder"} & set(_searched(artefacts, name)):
        return ""
    own = _innermost(learned)
    network = (own.get("choice") or {}).get("name")
    weights = artefacts.weights(f"folds/0-0/{name}/model/arrays.safetensors")
    if network and weights:
        return f"Alone, {name} is read by the network {network} ({weights:,} weights)."
    learner = own.get("learner")
    if not isinstance(learner, dict):
        return ""
    each = learner.get("each") or []
    read = f"{each[0]['learner']}, one for each label" if each else learner["learner"]
    return f"Alone, {name} is read by the learner {read}."


def _innermost(state: dict[str, Any]) -> dict[str, Any]:
    """What a stored model holds of the network or learner itself, whatever is wrapped around it."""
    for key in ("learned", "model"):
        if isinstance(state.get(key), dict):
            return _innermost(state[key])
    return state


def _parameters(artefacts: Artefacts, name: str) -> dict[str, Any]:
    """Fixed settings of a model, those of the model inside where it is calibrated or tuned; not what folds chose."""
    asked = artefacts.value(f"folds/0-0/{name}/key.json", "settings", "parameters") or {}
    while isinstance(asked.get("model"), dict):
        asked = asked["model"].get("parameters") or {}
    chosen = {one.partition(".")[0] for one in _searched(artefacts, name)}
    return {key: value for key, value in asked.items() if key not in chosen}


def _searched(artefacts: Artefacts, name: str) -> dict[str, Any]:
    """Settings that were searched for, with what was tried."""
    asked = artefacts.value(f"folds/0-0/{name}/key.json", "settings", "parameters") or {}
    return dict(asked.get("settings") or {}) if "search" in asked else {}


def _search(artefacts: Artefacts, name: str) -> str:
    settings = _searched(artefacts, name)
    if not settings:
        return ""
    asked = artefacts.value(f"folds/0-0/{name}/key.json", "settings", "parameters")
    how = _SEARCHES.get(str(asked["search"]), str(asked["search"])).format(tries=asked.get("tries"))
    judged = {"log_loss": "log loss", "auroc": "AUROC"}.get(str(asked.get("metric")), str(asked.get("metric")))
    return (
        f"Of the model {name}, {_list(sorted(settings))} {'was' if len(settings) == 1 else 'were'} chosen inside every "
        f"fold {how}, by {judged} on {asked.get('inner_folds')} inner folds of its training patients."
    )


def _fusion(artefacts: Artefacts, name: str) -> str:
    asked = _parameters(artefacts, name)
    combine, learner, fill, cells = (asked.get(key) for key in ("combine", "learner", "fill", "cells"))
    said = [f'combines by "{combine}"'] if isinstance(combine, str) else []
    said += [f'learns by "{learner}"'] if isinstance(learner, str) else []
    said += [_FILLS.get(fill, f'fills absent modalities by "{fill}"')] if isinstance(fill, str) else []
    said += [f'fills missing cells of tables by "{cells}"'] if isinstance(cells, str) else []
    return f"The model {name} {_list(said)}." if said else ""


def _training(artefacts: Artefacts, names: list[str]) -> str:
    keys = (_parameters(artefacts, name).get("options") for name in names)
    options = next((one for one in keys if isinstance(one, dict)), None)
    if options is None or not _trains(artefacts):
        return ""
    stop = (
        f"at most {options['epochs']} epochs, stopped when the loss of {percent(float(options['validation']))} of the "
        f"training patients, held back for this, had not fallen for {options['patience']} epochs"
        if int(options["patience"])
        else f"{options['epochs']} epochs"
    )
    weighed = {"balanced": "; classes were weighed equally", "sampled": "; classes were drawn equally"}
    corrected = ", and the logits corrected back to the prevalence" if options["class_weight"] in weighed else ""
    pictured = any(one["kind"] != "ehr" for one in artefacts.value("cohort.json", "modalities") or [])
    varied = "; training images and signals were varied at random" if options.get("augment") and pictured else ""
    return (
        f"Networks were trained with AdamW (learning rate {options['learning_rate']}, weight decay "
        f"{options['weight_decay']}, batches of {options['batch_size']}, {options['schedule']} schedule) for {stop}"
        f"{weighed.get(options['class_weight'], '')}{corrected}{varied}."
    )


def _trains(artefacts: Artefacts) -> bool:
    """Whether any model of the first fold has loss curves, as every network has."""
    return any(artefacts.value(file) for file in artefacts.matching("folds/0-0/*/losses.json"))


def _hidden(artefacts: Artefacts) -> float:
    """Probability with which the fusions hid modalities in training; 0 where it is not known."""
    asked = artefacts.value("run.json", "config", "missing", "hide")
    if asked is not None:
        return float(asked)
    fused = (row["model"] for row in artefacts.value("metrics.json") or [] if row["taxonomy"] != "single")
    said = (_parameters(artefacts, name).get("options") for name in fused)
    return max((float(one["hide"]) for one in said if isinstance(one, dict) and "hide" in one), default=0.0)


def _missing(artefacts: Artefacts) -> Iterator[str]:
    known = artefacts.value("cohort.json") or {}
    if known.get("complete") is not None and known.get("records"):
        yield f"All modalities are present in {known['complete']} of {known['records']} records."
        yield "Records with missing modalities were kept; an absent modality is masked and never made up by hand."
    hidden = _hidden(artefacts)
    if hidden > 0:
        yield f"In training, fusions had each present modality hidden with probability {hidden:g}."
    asked = artefacts.value("run.json", "config", "missing", "report") or []
    if artefacts.matching("tables/withheld.*"):
        yield "Every set of modalities was withheld from the declared model on the same held-out records."
    if "rates" in asked:
        yield "Modalities were also made to go missing at random at rising rates."


def _validation(artefacts: Artefacts) -> Iterator[str]:
    drawn = artefacts.value("splits.json", "scheme") or _asked(artefacts)
    told = _divided(drawn)
    if told:
        yield told
        yield "All records of a patient are on one side of every split."
        yield "Everything that is learned, scaling and filling of tables included, was learned in training folds only."
    inner = artefacts.value("run.json", "config", "validation", "inner_folds")
    if inner:
        yield f"What needed held-out predictions inside a training fold used {inner} inner folds by patient."
    question = artefacts.value("run.json", "config", "question", "primary")
    late = [name for name in artefacts.value("run.json", "changed_after") or [] if name.startswith("question")]
    if question:
        when = "was changed when results could already be seen" if late else "was declared before training"
        fusion = question[0] if question[0] == "best fusion" else f"{question[0]} fusion"
        yield f"The question, {fusion} against {question[1]}, {when}."
        chosen = [side for side in question if side in ("best fusion", "best single")]
        if chosen:
            said = f"The {' and the '.join(chosen)}{'' if chosen[-1] == 'best fusion' else ' modality'}"
            verb = "was" if len(chosen) == 1 else "were"
            yield f"{said} {verb} chosen anew for every fold by AUROC in inner folds of its training patients."


def _asked(artefacts: Artefacts) -> dict[str, Any]:
    """The scheme that a study file asks for, where the run holds no list of its splits."""
    asked = artefacts.value("run.json", "config", "validation") or {}
    seed = artefacts.value("run.json", "seed")
    kind = "holdout" if asked.get("holdout") else asked.get("kind", "folds")
    return {"validation": kind, **asked, "seed": seed} if asked else {}


def _divided(scheme: dict[str, Any]) -> str:
    rounds = f", repeated {scheme['repeats']} times" if scheme.get("repeats", 1) > 1 else ""
    drawn = f" (seed {scheme['seed']})" if scheme.get("seed") is not None else ""
    told = {
        "folds": f"{scheme.get('folds')}-fold cross-validation, stratified by outcome{rounds}{drawn}",
        "holdout": f"patients held out, 15 % of all, stratified by outcome{rounds}{drawn}",
        "sites": "leaving out one site at a time",
        "temporal": "testing on the patients who came last",
        "column": "a split declared in the data",
    }.get(str(scheme.get("validation")))
    return f"Performance was estimated by {told}." if told else ""


def _statistics(artefacts: Artefacts) -> Iterator[str]:
    rows = artefacts.value("metrics.json") or []
    found = {str(row["metric"]) for row in rows}
    named = [name for metric, name in METRIC_NAMES.items() if metric in found]
    if named:
        yield f"Measured on held-out records: {_list(named)}."
        yield "AUROC and AUPRC compare records of one fold only, which one model has scored."
        yield f"{INTERVALS.replace('In brackets 95 %', 'Numbers are given with 95 %')}"
    if "auroc difference" in found:
        yield (
            "Fusions were compared with the single modality on the same records by a paired bootstrap of patients, "
            "widened alike; p values other than that of the declared question are adjusted by Holm's method."
        )


def _software(artefacts: Artefacts) -> Iterator[str]:
    versions = artefacts.value("run.json", "versions") or {}
    if versions.get("clinfuse"):
        code = artefacts.value("run.json", "hashes", "code")
        others = [f"{word} {versions[name]}" for name, word in _PACKAGES.items() if versions.get(name)]
        others += [f"scikit-learn {versions['scikit-learn']}"] if versions.get("scikit-learn") else []
        python = f" on Python {versions['python']}" if versions.get("python") else ""
        built = f" (code {code[:12]})" if code else ""
        yield f"Analyses were run with clinfuse {versions['clinfuse']}{built}{python}, with {_list(others)}."
    seed = artefacts.value("run.json", "seed")
    if seed is not None:
        yield f"Every random draw derives from the seed {seed}; the same inputs give the same bits."


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
