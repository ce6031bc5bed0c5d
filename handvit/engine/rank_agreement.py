"""Let all processes of a training take the same decision in the same iteration."""

from datetime import timedelta

import torch
import torch.distributed
from mmengine.dist import get_world_size


class RankAgreement:
    """Exchange small numbers, such as whether a signal came or the disk is full.

    They travel through a gloo group of their own, which works beside NCCL: they wait for no GPU,
    and meet no other collectives. All processes must build it, and then ask the same questions in
    the same order.
    """

    def __init__(self, timeout: timedelta | None = None) -> None:
        """Make the group, unless there is only one process.

        Args:
            timeout: how long a process waits for the others; None for torch's half an hour.
        """
        is_alone = get_world_size() == 1
        self._group = None
        if not is_alone:
            self._group = torch.distributed.new_group(backend="gloo", timeout=timeout)

    def largest(self, number: int) -> int:
        """Return the largest of the processes' numbers."""
        if self._group is None:
            return number
        result = torch.tensor(number)
        torch.distributed.all_reduce(result, torch.distributed.ReduceOp.MAX, group=self._group)
        return int(result)

    def smallest(self, number: int) -> int:
        """Return the smallest of the processes' numbers."""
        return -self.largest(-number)
