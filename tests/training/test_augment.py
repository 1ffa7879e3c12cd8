import numpy as np
import pytest
import torch

from clinfuse.cohort.modality import Modality
from clinfuse.training.augment import draw_variation, vary

CT = Modality("ct", "ct", (1, 16, 16, 8), unit="HU")
FILM = Modality("film", "xray", (1, 24, 24))
EEG = Modality("eeg", "eeg", (2, 4, 100), channels=("C3", "Cz", "C4", "Pz"), rate_hz=50, seconds=2)
MASK = Modality("mask", "mask", (2, 12, 12, 6), channels=("kidney", "tumour"))


@pytest.mark.parametrize("modality", [CT, FILM, EEG, MASK], ids=lambda m: m.kind)
def test_a_record_varies_alike_whatever_its_neighbours(modality):
    x = torch.randn(3, *modality.shape)
    together = vary(x, draw_variation(modality, ["a", "b", "c"], seed=1, epoch=2))
    alone = vary(x[1:2], draw_variation(modality, ["b"], seed=1, epoch=2))
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("modality", [CT, FILM, EEG, MASK], ids=lambda m: m.kind)
def test_every_epoch_draws_anew_and_the_same_one_repeats(modality):
    x = torch.randn(1, *modality.shape)
    first, again, other = (vary(x, draw_variation(modality, ["a"], seed=1, epoch=e)) for e in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, x)


def test_a_label_map_keeps_its_values_within_zero_and_one():
    x = (torch.rand(2, *MASK.shape) > 0.5).float()
    varied = vary(x, draw_variation(MASK, ["a", "b"], seed=0, epoch=0))
    assert float(varied.min()) >= 0
    assert float(varied.max()) <= 1 + 1e-6  # interpolation rounds


def test_images_are_turned_by_at_most_ten_degrees():
    angles = []
    for k in range(300):
        theta = draw_variation(FILM, [f"R{k}"], seed=0, epoch=0).theta[0].numpy()
        angles.append(np.degrees(np.arctan2(theta[1, 0], theta[0, 0])))
    assert 8 < np.abs(angles).max() <= 10


def test_left_and_right_are_exchanged_only_where_declared():
    mirrored = Modality("film", "xray", (1, 24, 24), mirror=True)
    flips = {m: set() for m in ("declared", "not")}
    for k in range(60):
        for name, modality in (("declared", mirrored), ("not", FILM)):
            theta = draw_variation(modality, [f"R{k}"], seed=0, epoch=0).theta[0]
            flips[name].add(bool(torch.linalg.det(theta[:, :2]) < 0))
    assert flips == {"declared": {True, False}, "not": {False}}


def test_the_mirror_exchanges_left_and_right_and_not_front_and_back():
    mirrored = Modality("ct", "ct", (1, 16, 16, 8), unit="HU", mirror=True)
    x = torch.zeros(1, *CT.shape)
    x[:, :, 12, 4, 4] = 1.0  # right, front, middle
    seen = set()
    for k in range(60):
        varied = vary(x, draw_variation(mirrored, [f"R{k}"], seed=0, epoch=0))[0, 0]
        i, j, _ = np.unravel_index(int(varied.argmax()), varied.shape)
        seen.add((bool(i > 8), bool(j > 8)))
    assert seen == {(True, False), (False, False)}


def test_a_signal_never_changes_its_sign():
    x = torch.ones(1, *EEG.shape) * 50
    for k in range(100):
        varied = vary(x, draw_variation(EEG, [f"R{k}"], seed=0, epoch=0))
        assert float(varied.min()) > -1


def test_channels_are_dropped_in_every_window_together():
    dropped = 0
    for k in range(200):
        varied = vary(torch.ones(1, *EEG.shape) * 50, draw_variation(EEG, [f"R{k}"], seed=0, epoch=0))
        gone = (varied == 0).all(-1)[0]
        assert torch.equal(gone[0], gone[1])
        dropped += int(gone[0].sum())
    assert 0 < dropped < 200
