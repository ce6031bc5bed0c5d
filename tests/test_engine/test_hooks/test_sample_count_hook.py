import re
from types import SimpleNamespace

import pytest
from torch.utils.data import IterableDataset

from handvit.datasets.hand_clip_dataset import HandClipDataset
from handvit.datasets.infinite_sampler import InfiniteMixtureSampler
from handvit.engine.checkpoints import read_checkpoint
from handvit.engine.hooks import sample_count_hook
from handvit.engine.hooks.sample_count_hook import SampleCountHook

RECIPE = "stage1_tiny.py"


class Stream(IterableDataset):
    def __iter__(self):
        return iter(())


class FakeRunner:
    """What the hook asks a Runner for."""

    _load_from = "iter_2.pth"

    def __init__(self, *, batch_size, num_workers=0, is_stream=False, resume=True):
        self.train_dataloader = SimpleNamespace(
            dataset=Stream() if is_stream else [], batch_size=batch_size, num_workers=num_workers
        )
        self._resume = resume


@pytest.fixture
def resume(monkeypatch):
    """Return ``resume(was, now, is_stream, resume)`` of (processes, batch size, workers)."""

    def go_on(was, now, is_stream=False, resume=True):
        hook, checkpoint = SampleCountHook(), {"meta": {}}
        for count, size, workers in (was, now):
            monkeypatch.setattr(sample_count_hook, "get_world_size", lambda count=count: count)
            runner = FakeRunner(
                batch_size=size, num_workers=workers, is_stream=is_stream, resume=resume
            )
            if not checkpoint["meta"]:
                hook.before_save_checkpoint(runner, checkpoint)
        hook.after_load_checkpoint(runner, checkpoint)

    return go_on


def test_the_same_number_of_samples_goes_on(resume):
    resume((8, 32, 4), (8, 32, 2))
    resume((8, 32, 4), (4, 64, 4))
    resume((8, 32, 4), (2, 32, 4), resume=False)


def test_another_number_of_samples_is_refused(resume):
    with pytest.raises(ValueError) as error:
        resume((8, 32, 4), (4, 32, 4))
    assert str(error.value) == (
        "checkpoint iter_2.pth: was trained with 8 processes x batch size 32 (num_workers 4), and"
        " this run has 4 processes x batch size 32 (num_workers 4), so that it would go on"
        " elsewhere in the data and in its schedule; resume it as it was, or set"
        " train_dataloader.batch_size=64, or start a new run from its weights with load_from"
    )
    with pytest.raises(ValueError, match="as it was, or start a new run"):
        resume((8, 32, 4), (3, 32, 4))


@pytest.mark.parametrize("now", [(4, 64, 4), (8, 32, 2)])
def test_a_stream_needs_all_as_it_was(resume, now):
    resume((8, 32, 4), (8, 32, 4), is_stream=True)
    with pytest.raises(ValueError, match="as it was, or start a new run"):
        resume((8, 32, 4), now, is_stream=True)


def test_processes_and_batch_sizes_make_up_for_each_other(shards_root, monkeypatch):
    """What justifies it: iterations of as many samples have the same samples."""
    dataset = HandClipDataset(shards_root)
    seen = {}
    for num_processes, size in ((1, 8), (2, 4), (4, 2)):
        drawn = []
        for rank in range(num_processes):
            place = (rank, num_processes)
            monkeypatch.setattr(
                "handvit.datasets.infinite_sampler.get_dist_info", lambda p=place: p
            )
            sampler = InfiniteMixtureSampler(dataset, seed=0)
            sampler.set_start(3, batch_size=size)  # resumed
            order = iter(sampler)
            drawn += [next(order) for _ in range(size)]
        seen[num_processes] = sorted(drawn)
    assert seen[1] == seen[2] == seen[4]


def test_a_training_says_what_it_sees_and_refuses_another_batch(build, tmp_path, capfd):
    options = {"log_level": "INFO", "optim_wrapper.accumulative_counts": 2}
    runner = build(RECIPE, "run", options)
    runner.train()
    line = "Training: 12 samples in 4 iterations of 1 x 3 (1 times the recipe's); 6 samples for a"
    (log,) = (tmp_path / "run").glob("*/*.log")
    assert line in log.read_text()
    path = tmp_path / "run" / "iter_2.pth"
    assert read_checkpoint(path)["meta"]["batch"]["num_samples"] == 3
    options |= {"resume": True, "load_from": str(path)}
    build(RECIPE, "run", options).train()
    with pytest.raises(ValueError, match=re.escape("set train_dataloader.batch_size=3,")):
        build(RECIPE, "run", options | {"train_dataloader.batch_size": 2}).train()
