"""Carry out a plan with any number of processes; the files come out the same.

A shard is the unit of work. What was finished before an interruption is not made again.
"""

from collections.abc import Iterator
from pathlib import Path

from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.datasets.shards.shard_pool import Report, check_num_workers, write_shards
from handvit.datasets.shards.shard_writer import finalize, is_finished, write_shard
from handvit.datasets.synthetic.generator import HandGenerator
from handvit.datasets.synthetic.plan import SyntheticPlan
from handvit.structures import HandSample


def produce(root: Path, plan: SyntheticPlan, *, num_workers: int, report: Report) -> DatasetInfo:
    """Make a synthetic data set, or the rest of one that was begun.

    Args:
        num_workers: processes; a single one is this one.
        report: called with numbers of new samples; first with those that were there already.

    Raises:
        ValueError: ``num_workers`` is below 1, or the folder holds something else than a part of
            this plan.
    """
    check_num_workers(num_workers)
    plan.claim(root)
    shards = plan.shards()
    todo = [number for number in range(len(shards)) if not is_finished(root, number)]
    report(plan.num_frames - sum(spec.num_frames for number in todo for spec in shards[number]))
    generator = HandGenerator(plan.limits, image_size=plan.image_size)

    def write(number: int, report: Report) -> None:
        def counted() -> Iterator[HandSample]:
            for sample in generator.generate(shards[number]):
                yield sample
                report(1)

        write_shard(root, number, counted())

    write_shards(todo, write, num_workers=num_workers, report=report)
    return finalize(root, plan.info, num_shards=len(shards))
