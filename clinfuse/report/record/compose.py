"""From an explanation and what the run knows to the contents of a page: only what a page may say."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from clinfuse.cohort.modality import VOLUME_KINDS
from clinfuse.explain.values import Attribution, Check, ModalityAttribution
from clinfuse.report import pictures
from clinfuse.report.allowed import described_text, name_text
from clinfuse.report.record.about import NOTHING, About
from clinfuse.report.record.page import Badge, Drawn, Fact, RecordPage, Source, Subset
from clinfuse.report.record.sources import drawn_source


def record_page(attribution: Attribution, about: About = NOTHING) -> RecordPage:
    """Give the contents of a record's page.

    Parameters
    ----------
    attribution : Attribution
    about : About
        What the run knows beside it.
    """
    a = attribution
    volumes = sum(part.has_map and part.modality.kind in VOLUME_KINDS for part in a.parts)
    return RecordPage(
        record=name_text(a.record),
        patient=name_text(a.patient),
        model=name_text(a.model),
        taxonomy=name_text(a.taxonomy),
        positive=name_text(a.positive),
        version=version("clinfuse"),
        seed=a.seed,
        run=tuple(Fact(name=name, text=name_text(text)) for name, text in about.run),
        held_out=a.held_out,
        probability=a.probability,
        prior_probability=a.prior_probability,
        logit=a.logit,
        prior_logit=a.prior_logit,
        range=about.range,
        threshold=about.threshold,
        classes=about.classes,
        outcome=name_text(about.outcome),
        group=name_text(about.group),
        blind=about.blind,
        described=tuple(Fact(name=name_text(n), text=described_text(n, value)) for n, value in a.described),
        shares=Drawn.of(pictures.waterfall(a.prior_logit, [(p.name, p.share, p.present) for p in a.parts], a.logit)),
        sources=tuple(_source(a, part, about, volumes) for part in a.parts),
        subsets=_subsets(a, about),
        unusual=about.unusual,
        badges=(*_badges(a.checks, "record"), *_badges(about.checks, "run")),
        steps=a.steps,
        model_card=about.model_card,
    )


def _source(a: Attribution, part: ModalityAttribution, about: About, volumes: int) -> Source:
    if part.present:
        # What a run was checked for holds for every map of it.
        points = getattr(a, "points", {}).get(part.name)
        return drawn_source(part, (*a.checks, *about.checks), about, volumes=volumes, points=points)
    refused = about.refused.get(part.name, "")
    return Source(
        name=name_text(part.name),
        kind=part.modality.kind,
        state="refused" if refused else "absent",
        words=name_text(refused),
        share=0.0,
    )


def _badges(checks: Sequence[Check], about: str) -> tuple[Badge, ...]:
    return tuple(
        Badge.model_validate({"name": c.name, "passed": bool(c.passed), "text": c.text, "about": about}) for c in checks
    )


def _subsets(a: Attribution, about: About) -> tuple[Subset, ...]:
    """Every set of present sources, larger ones first; where the run has not asked for them, those without one."""
    order = [part.name for part in a.parts if part.present]
    found = [(names, p) for names, p in about.subsets if names <= set(order)]
    if not found:
        found = [(frozenset(order) - {name}, p) for name, p in a.without.items()]
        found = [(frozenset(order), a.probability), *found] if found else []
    if found and all(names for names, _ in found):
        found.append((frozenset(), a.prior_probability))
    places = {name: place for place, name in enumerate(order)}
    found.sort(key=lambda one: (-len(one[0]), sorted(places.get(name, -1) for name in one[0])))
    return tuple(Subset(sources=tuple(name_text(n) for n in order if n in names), probability=p) for names, p in found)
