import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.evaluator import Evaluator

from handvit.engine.atomic_backend import AtomicLocalBackend
from handvit.engine.checkpoints import find_latest_checkpoint, read_checkpoint
from handvit.engine.hooks.hand_checkpoint_hook import VALIDATED_ITER

RECIPE = "stage1_tiny.py"
LATEST_TWO_AND_BEST = ["best_mpjpe_cam_iter_6.pth", "iter_4.pth", "iter_6.pth"]


@pytest.fixture
def errors(monkeypatch) -> list[float]:
    """What the validations find, one after the other; the last one stays."""
    found = [3.0, 2.0, 1.0]

    def evaluate(self, size):
        return {"mpjpe_cam": found.pop(0) if len(found) > 1 else found[0]}

    monkeypatch.setattr(Evaluator, "evaluate", evaluate)
    return found


@pytest.fixture
def train(build, tmp_path):
    """Train in a folder of ``tmp_path``, from its newest checkpoint; keep two and the best."""

    def run(name, **options):
        options = {"train_cfg.max_iters": 6, "default_hooks.checkpoint.max_keep_ckpts": 2} | options
        latest = find_latest_checkpoint(tmp_path / name)
        if latest is not None:
            options.update(resume=True, load_from=str(latest))
        build(RECIPE, name, options).train()
        return tmp_path / name

    return run


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.pth"))


def _info(checkpoint) -> dict[str, Any]:
    return checkpoint["message_hub"]["runtime_info"]


def _validated(path: Path) -> int:
    return _info(read_checkpoint(path)).get(VALIDATED_ITER, 0)


@pytest.fixture
def moments(monkeypatch, tmp_path) -> list[Path]:
    """Copies of the work dir ``run`` as it was before each change of a checkpoint."""
    copies = []
    put, unlink = AtomicLocalBackend.put, Path.unlink

    def copy(path):
        if Path(path).suffix == ".pth" and Path(path).parent == tmp_path / "run":
            copies.append(tmp_path / f"moment_{len(copies)}")
            shutil.copytree(tmp_path / "run", copies[-1])

    def noted_put(self, obj, filepath):
        copy(filepath)
        put(self, obj, filepath)

    def noted_unlink(self, missing_ok=False):
        copy(self)
        unlink(self, missing_ok)

    monkeypatch.setattr(AtomicLocalBackend, "put", noted_put)
    monkeypatch.setattr(Path, "unlink", noted_unlink)
    return copies


def test_a_kill_at_any_moment_loses_nothing(train, errors, moments):
    short = {"train_cfg.max_iters": 4, "default_hooks.checkpoint.max_keep_ckpts": 1}
    whole = train("run", **short)
    # Each iteration is saved before and after its validation, and its best; what is outdated goes.
    assert len(moments) == 2 * 3 + 1 + 1
    best_seen = False
    for number, moment in enumerate(moments):
        has_best = any(name.startswith("best") for name in _names(moment))
        assert has_best >= best_seen
        best_seen = has_best
        latest = find_latest_checkpoint(moment)
        assert (latest is None) == (number == 0)
        if latest is None:
            continue
        errors[:] = [3.0, 2.0][_validated(latest) // 2 :]
        assert _names(train(moment.name, **short)) == ["best_mpjpe_cam_iter_4.pth", "iter_4.pth"]
        for name in _names(moment):
            expected, found = (read_checkpoint(folder / name) for folder in (whole, moment))
            assert _weights_equal(expected, found)
            for key in (VALIDATED_ITER, "best_score"):
                assert _info(found)[key] == _info(expected)[key]


def _weights_equal(one, other) -> bool:
    return all(torch.equal(value, other["state_dict"][k]) for k, value in one["state_dict"].items())


def test_a_validation_that_is_no_better_is_noted_too(train, errors):
    errors[:] = [1.0, 2.0]
    folder = train("run")
    assert "best_mpjpe_cam_iter_2.pth" in _names(folder)
    assert _validated(folder / "iter_6.pth") == 6


def test_a_better_score_for_the_same_iteration_keeps_its_file(train, errors):
    errors[:] = [1.0, 1.0, 0.9]
    folder = train("run", **{"train_cfg.max_iters": 2})
    checkpoint = torch.load(folder / "iter_2.pth")
    del checkpoint["message_hub"]["runtime_info"][VALIDATED_ITER]  # killed before it was noted
    del checkpoint["message_hub"]["resumed_keys"][VALIDATED_ITER]
    torch.save(checkpoint, folder / "iter_2.pth")
    errors[:] = [0.5]  # as other kernels may find
    train("run", **{"train_cfg.max_iters": 2})
    assert _names(folder) == ["best_mpjpe_cam_iter_2.pth", "iter_2.pth"]


def test_a_copied_run_leaves_the_original_alone(train, errors, tmp_path):
    train("original", **{"train_cfg.max_iters": 4})
    before = _names(tmp_path / "original")
    shutil.copytree(tmp_path / "original", tmp_path / "copy")
    assert _names(train("copy")) == LATEST_TWO_AND_BEST
    assert _names(tmp_path / "original") == before


def test_several_kinds_of_best_are_kept(train, monkeypatch, tmp_path):
    found = iter([(3.0, 1.0), (2.0, 2.0), (1.0, 3.0)])
    evaluate = lambda self, size: dict(zip(("a", "b"), next(found), strict=True))  # noqa: E731
    monkeypatch.setattr(Evaluator, "evaluate", evaluate)
    train("run", **{"default_hooks.checkpoint.save_best": ["a", "b"]})
    best = ["best_a_iter_6.pth", "best_b_iter_2.pth"]
    assert _names(tmp_path / "run") == [*best, "iter_4.pth", "iter_6.pth"]


def test_what_a_killed_process_left_is_removed(train, tmp_path, errors):
    leftover = tmp_path / "run" / f".iter_1.pth.{32 * 'a'}.tmp"
    leftover.parent.mkdir()
    leftover.touch()
    train("run", **{"train_cfg.max_iters": 2})
    assert not leftover.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"default_hooks.checkpoint.interval": 5}, r"checkpoint\.interval=5 .*counts=2.* to 6$"),
        ({"default_hooks.checkpoint.save_begin": 1}, r"checkpoint\.save_begin=1 is no multiple"),
        ({"train_cfg.val_interval": 3}, r"train_cfg\.val_interval=3 is no multiple.* to 4$"),
    ],
)
def test_intervals_between_two_steps_are_refused(train, options, message):
    with pytest.raises(ValueError, match=message):
        train("run", **{"optim_wrapper.accumulative_counts": 2, **options})


def test_no_checkpoints_but_the_last_need_no_multiple(train, tmp_path, errors):
    options = {"default_hooks.checkpoint.interval": -1, "train_cfg.max_iters": 3}
    train("run", **{"optim_wrapper.accumulative_counts": 2, **options})
    assert "iter_3.pth" in os.listdir(tmp_path / "run")
