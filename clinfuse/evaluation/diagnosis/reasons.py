"""A diagnosis in plain sentences: each follows from an interval, and says which."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from clinfuse.evaluation.answer import MARGIN
from clinfuse.evaluation.statistics.intervals import Estimate

if TYPE_CHECKING:
    from clinfuse.evaluation.diagnosis.diagnose import Diagnosis, Interaction, ModalityRole


def reasons(found: Diagnosis) -> tuple[str, ...]:
    """Give the result, its reasons modality by modality, and what the modalities say together."""
    unread = (_unread(found.model, role, len(found.roles)) for role in found.roles if role.gap.low > 0)
    unused = (_unused(found.model, role) for role in found.roles if role.shuffled.low <= 0)
    return (_result(found), *unused, *unread, _together(found.model, found.interaction))


def _result(found: Diagnosis) -> str:
    one = found.difference
    verb = "is not shown to beat"
    if one.low > 0:
        verb = "beats"
    elif one.value <= 0:
        verb = "does not beat"
    said = f"{found.model} {verb} {found.rival} alone: AUROC {one.values[0]:.2f} against {one.values[1]:.2f}"
    return f"{said}, {_signed(one.estimate)}."


def _unused(model: str, role: ModalityRole) -> str:
    said = f"{model} gains nothing that can be shown from {role.modality}: exchanged between patients it costs"
    alone = "alone it tells the classes apart" if role.alone.low > 0.5 else "alone it says nothing that can be shown"
    return f"{said} {_signed(role.shuffled)}; {alone}, AUROC {role.alone}."


def _unread(model: str, role: ModalityRole, modalities: int) -> str:
    said = f"{model} reads {role.modality} worse than a model of its own: AUROC {role.kept.value:.2f} when given it"
    said = f"{said} alone, against {role.alone.value:.2f}, a gap of {_signed(role.gap)}"
    if math.isnan(role.gradient):
        return f"{said}."
    share = f"{100 * role.gradient:.0f} % of the gradient reached its encoder, 1 in {modalities} would be even"
    return f"{said}; {share}. Losses of single heads (auxiliary) or hiding modalities more often may help."


def _together(model: str, found: Interaction) -> str:
    if found.additive:
        return (
            f"{model} adds its modalities up, so it could not use an interaction between them: "
            'ask early fusion with trees (kind = "I") or joint fusion with combine = "gated" whether there is one.'
        )
    sums = f"a sum of one term for each modality reaches AUROC {found.added:.2f} of {found.whole:.2f}"
    if found.present:
        return f"Interaction present in {model}: {sums}; what modalities say together is worth {_signed(found.gain)}."
    if found.gain.high > MARGIN:
        return f"Cannot tell whether modalities interact in {model}: {sums}, {_signed(found.gain)}."
    return f"No interaction found in {model}, late fusion would do: {sums}, {_signed(found.gain)}."


def _signed(estimate: Estimate) -> str:
    return f"{estimate.value:+.2f} ({estimate.low:.2f} to {estimate.high:.2f})".replace("-0.00", "0.00")
