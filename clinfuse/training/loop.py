"""The only training loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from clinfuse.cohort.batch import Batch, load_batch
from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import TrainingError
from clinfuse.training.augment import draw_variation, vary
from clinfuse.training.networks import TrainableNetwork
from clinfuse.training.objective import Loss
from clinfuse.training.options import TrainingOptions
from clinfuse.training.precision import training_precision
from clinfuse.training.seeds import generator
from clinfuse.training.splits import patient_folds


@final
@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The records a network is trained on, sorted by id, with their tables already prepared.

    Parameters
    ----------
    cohort : Cohort
        Only the modalities the network takes, only records that have at least one of them.
    labels : ndarray of int64, (records,) or (records, labels)
    tables : mapping of str to ndarray of float32, (records, width)
        Prepared tables of the ``ehr`` modalities.
    """

    cohort: Cohort
    labels: np.ndarray
    tables: dict[str, np.ndarray]

    def batch(self, rows: np.ndarray) -> Batch:
        """Give these records as tensors, unvaried."""
        batch = load_batch(self.cohort, rows, self.tables)
        return replace(batch, targets=torch.from_numpy(np.ascontiguousarray(self.labels[rows])))

    def training_batch(self, rows: np.ndarray, options: TrainingOptions, *, seed: int, epoch: int) -> Batch:
        """Give these records as tensors, varied and with modalities hidden as the options say."""
        batch = self.batch(rows)
        ids = [str(self.cohort.record_ids[row]) for row in rows]
        inputs = dict(batch.inputs)
        if options.augment:
            for modality in self.cohort.modalities:
                if modality.kind != "ehr":
                    drawn = draw_variation(modality, ids, seed=seed, epoch=epoch)
                    inputs[modality.name] = vary(inputs[modality.name], drawn)
        present = batch.present.clone()
        if options.hide > 0 and present.shape[1] > 1:
            hidden = [
                hidden_mask(row, options.hide, seed, r, epoch) for row, r in zip(present.numpy(), ids, strict=True)
            ]
            present = torch.from_numpy(np.stack(hidden))
        return replace(batch, inputs=inputs, present=present)


def hidden_mask(present: np.ndarray, probability: float, seed: int, record: str, draw: int) -> np.ndarray:
    """Give which modalities of one record stay, bool (modalities,): each hidden independently, never all.

    Parameters
    ----------
    present : ndarray of bool, (modalities,)
    probability : float
    seed : int
    record : str
        Record id; the draw does not depend on the record's neighbours.
    draw : int
        Epoch, or number of the masked copy.
    """
    if not present.any():
        return present.copy()
    drawer = generator(seed, "hide", record, draw)
    while True:
        kept = present & (drawer.random(len(present)) >= probability)
        if kept.any():
            return kept


@final
@dataclass(frozen=True)
class Epoch:
    """One point of the loss curve.

    Parameters
    ----------
    epoch : int
    training_loss, validation_loss : float
        The second is NaN without inner validation patients.
    learning_rate : float
    gradients : mapping of str to float
        Mean norm of the gradient of every encoder that is trained beside others, by modality, before any clipping.
    """

    epoch: int
    training_loss: float
    validation_loss: float
    learning_rate: float
    gradients: Mapping[str, float] = field(default_factory=dict)


def train(
    network: TrainableNetwork, data: TrainingRows, objective: Loss, *, options: TrainingOptions, seed: int
) -> tuple[Epoch, ...]:
    """Train a network in place and give its loss curve.

    Parameters
    ----------
    network : TrainableNetwork
    data : TrainingRows
    objective : Loss
    options : TrainingOptions
    seed : int

    Returns
    -------
    tuple of Epoch
        With ``patience`` the best state is restored, and training may stop before ``options.epochs``.

    Raises
    ------
    TrainingError
        ``TRAIN_DIVERGED``: the loss is no finite number.
    """
    train_rows, validation_rows = _inner_rows(data, options, seed)
    device = options.torch_device
    network.to(device)

    def loss_of(batch: Batch) -> Tensor:
        inputs = {name: x.to(device) for name, x in batch.inputs.items()}
        masks = {name: mask.to(device) for name, mask in batch.window_masks.items()}
        targets = batch.targets.to(device)
        answers = network.answers(inputs, masks, batch.present.to(device))
        weights = answers.weights or (1.0,) * len(answers.logits)
        losses = [
            weight * objective.loss(logits.float(), targets, rows)
            for weight, (logits, rows) in zip(weights, answers.logits, strict=True)
        ]
        return torch.stack(losses).sum() + answers.penalty

    first = data.training_batch(train_rows[: options.batch_size], options, seed=seed, epoch=0)
    network.train()
    dtype = training_precision(network, lambda: loss_of(first), asked=options.precision)
    steps = math.ceil(len(train_rows) / options.batch_size)
    optimiser = torch.optim.AdamW(network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _schedule(options, steps * options.epochs))
    curve: list[Epoch] = []
    best, best_state = math.inf, copy.deepcopy(network.state_dict())
    for epoch in range(options.epochs):
        rows = _order(data, train_rows, options, seed, epoch)
        rate = optimiser.param_groups[0]["lr"]
        network.train()
        total = 0.0
        norms = np.zeros(len(network.encoders_by_name()))
        for chosen in np.array_split(rows, steps):
            batch = data.training_batch(chosen, options, seed=seed, epoch=epoch)
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
                loss = loss_of(batch)
            value, norm = _step(network, loss, optimiser, options)
            total += value * len(chosen)
            norms += norm * len(chosen)
            schedule.step()
        validation = _validation_loss(network, data, validation_rows, loss_of, options)
        gradients = dict(zip(network.encoders_by_name(), (norms / len(rows)).tolist(), strict=True))
        curve.append(Epoch(epoch, total / len(rows), validation, rate, gradients))
        if options.patience == 0:
            continue
        if validation < best:
            best, best_state = validation, copy.deepcopy(network.state_dict())
        elif epoch - min(curve, key=lambda e: e.validation_loss).epoch >= options.patience:
            break
    if options.patience:
        network.load_state_dict(best_state)
    network.eval().cpu()
    return tuple(curve)


def _step(
    network: TrainableNetwork, loss: Tensor, optimiser: torch.optim.Optimizer, options: TrainingOptions
) -> tuple[float, np.ndarray]:
    """Take one step; give the loss and the norm of each encoder's gradient before it is clipped."""
    value = float(loss.detach())
    if not math.isfinite(value):
        raise TrainingError(
            "TRAIN_DIVERGED",
            place="training",
            rule="the loss must stay a finite number",
            found="NaN or infinity",
            remedy="Lower learning_rate, or look at the audit of the inputs.",
        )
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    norms = np.array([_gradient_norm(encoder) for encoder in network.encoders_by_name().values()])
    torch.nn.utils.clip_grad_norm_(network.parameters(), options.clip)
    optimiser.step()
    return value, norms


def _gradient_norm(module: nn.Module) -> float:
    return float(torch.nn.utils.get_total_norm([p.grad for p in module.parameters() if p.grad is not None]))


def _schedule(options: TrainingOptions, steps: int) -> Callable[[int], float]:
    warm = max(1, round(options.warm_up * steps))

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        if options.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm))))

    return factor


def _inner_rows(data: TrainingRows, options: TrainingOptions, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rows = np.arange(len(data.cohort))
    if options.patience == 0:
        return rows, rows[:0]
    folds = max(2, round(1 / options.validation))
    train_rows, validation = patient_folds(
        data.labels, data.cohort.groups, data.cohort.record_ids, folds=folds, seed=seed
    )[0]
    return train_rows, validation


def _order(data: TrainingRows, rows: np.ndarray, options: TrainingOptions, seed: int, epoch: int) -> np.ndarray:
    drawer = generator(seed, "order", epoch)
    if options.class_weight != "sampled" or data.labels.ndim == 2:
        return drawer.permutation(rows)
    share = 1 / _records_of_the_class(data.labels[rows], data.cohort.groups[rows])
    return drawer.choice(rows, size=len(rows), replace=True, p=share / share.sum())


def _records_of_the_class(labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Give how many records of a row's class there would be if every patient had as many as this row's, (rows,)."""
    names, owner = np.unique(groups, return_inverse=True)
    pairs, pair, records = np.unique(labels * len(names) + owner, return_inverse=True, return_counts=True)
    patients = np.bincount(pairs // len(names))
    return patients[labels] * records[pair]


def _validation_loss(
    network: TrainableNetwork,
    data: TrainingRows,
    rows: np.ndarray,
    loss_of: Callable[[Batch], Tensor],
    options: TrainingOptions,
) -> float:
    if len(rows) == 0:
        return math.nan
    network.eval()
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(rows), 64):
            chosen = rows[start : start + 64]
            total += float(loss_of(data.batch(chosen))) * len(chosen)
    return total / len(rows)
