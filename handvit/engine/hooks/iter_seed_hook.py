"""Make each iteration's random numbers a function of the seed, the rank and the iteration."""

import random

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from handvit.registry import HOOKS


@HOOKS.register_module()
class IterSeedHook(Hook):
    """Reseed before each training iteration.

    MMEngine saves no random state, and validation consumes some; with this hook a resumed run
    draws the same augmentation and dropout as one that was never interrupted.
    """

    priority = "VERY_HIGH"

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Seed torch, numpy and random."""
        seed_iteration(runner.seed, get_rank(), runner.iter)


def seed_iteration(seed: int, rank: int, iteration: int) -> None:
    """Seed torch, numpy and random for one iteration of one process."""
    sequence = np.random.SeedSequence([seed, rank, iteration])
    for_torch, for_numpy, for_random = (int(s) for s in sequence.generate_state(3))
    torch.manual_seed(for_torch)
    np.random.seed(for_numpy)
    random.seed(for_random)
