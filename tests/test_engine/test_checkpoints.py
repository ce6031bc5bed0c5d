import builtins
import importlib.metadata
import logging
import pickle
import re
import zipfile
from contextlib import contextmanager

import pytest
import torch
from mmengine.logging import MMLogger
from torch import nn

from handvit.engine.checkpoints import find_latest_checkpoint, load_weights, read_checkpoint

INSTALLED = importlib.metadata.version("transformers")


class Malicious:
    """Unpickling it would write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return builtins.open, (str(self.path), "w")


class Parts(nn.Module):
    def __init__(self, *names):
        super().__init__()
        for name in names:
            self.add_module(name, nn.Linear(2, 2))


def test_read_checkpoint_executes_nothing(tmp_path):
    bait, path = tmp_path / "executed", tmp_path / "evil.pth"
    torch.save({"state_dict": {}, "meta": Malicious(bait)}, path)
    with pytest.raises(ValueError, match=r"evil\.pth: refused, nothing in it was executed.*open"):
        read_checkpoint(path)
    path.write_bytes(pickle.dumps({"state_dict": Malicious(bait)}))
    with pytest.raises(ValueError, match="refused"):
        read_checkpoint(path)
    assert not bait.exists()


def test_the_bait_would_have_worked(tmp_path):
    bait, path = tmp_path / "executed", tmp_path / "evil.pth"
    torch.save({"meta": Malicious(bait)}, path)
    torch.load(path, weights_only=False)
    assert bait.exists()


def test_read_checkpoint_names_torn_and_foreign_files(tmp_path):
    path = tmp_path / "iter_10.pth"
    torch.save({"state_dict": {"w": torch.zeros(1000)}}, path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"iter_10\.pth: cannot be read"):
        read_checkpoint(path)
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="no 'state_dict'"):
        read_checkpoint(path)
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ValueError, match=r"refused|cannot be read"):
        read_checkpoint(path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_checkpoint(tmp_path / "missing.pth")


def test_config_text_is_left_out_because_resume_would_execute_it(tmp_path):
    meta = {"config": "import os", "cfg": "x = 1", "iter": 3}
    torch.save({"state_dict": {}, "meta": meta}, tmp_path / "x.pth")
    assert read_checkpoint(tmp_path / "x.pth")["meta"] == {"iter": 3}


def test_find_latest_takes_the_newest_complete_one(tmp_path):
    assert find_latest_checkpoint(tmp_path) is None
    for iteration in (9, 10, 100):
        torch.save({"state_dict": {}, "meta": {}}, tmp_path / f"iter_{iteration}.pth")
    torch.save({"state_dict": {}, "meta": {}}, tmp_path / "best_mpjpe_cam_iter_200.pth")
    assert find_latest_checkpoint(tmp_path).name == "iter_100.pth"
    content = (tmp_path / "iter_100.pth").read_bytes()
    (tmp_path / "iter_100.pth").write_bytes(content[: len(content) // 2])
    assert not zipfile.is_zipfile(tmp_path / "iter_100.pth")
    assert find_latest_checkpoint(tmp_path).name == "iter_10.pth"


def test_a_checkpoint_with_a_flipped_byte_or_a_hole_is_passed_over(tmp_path):
    for iteration in (1, 2):
        weights = {"w": torch.arange(100.0) + iteration}
        torch.save({"state_dict": weights, "meta": {}}, tmp_path / f"iter_{iteration}.pth")
    newest = tmp_path / "iter_2.pth"
    whole, content = newest.read_bytes(), read_checkpoint(newest)["state_dict"]["w"]
    place = whole.index((torch.arange(3.0) + 2).numpy().tobytes())
    damaged = [
        whole[:place] + bytes(64) + whole[place + 64 :],
        *(_flipped(whole, place) for place in range(0, len(whole), len(whole) // 150)),
    ]
    passed_over = 0
    for version in damaged:
        newest.write_bytes(version)
        found = find_latest_checkpoint(tmp_path)
        passed_over += found.name == "iter_1.pth"
        if found == newest:  # what fills the gaps between a zip file's parts means nothing
            torch.testing.assert_close(read_checkpoint(newest)["state_dict"]["w"], content)
    assert passed_over > 50
    assert newest.exists()
    newest.write_bytes(damaged[0])
    with _logged() as lines:
        find_latest_checkpoint(tmp_path)
    (line,) = lines
    assert re.search(r"iter_2\.pth: passed over, its part .*data/0 is damaged$", line)


def _flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]


@contextmanager
def _logged():
    """Collect what the current logger is told."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def test_other_names_are_no_checkpoints_to_resume(tmp_path):
    torch.save({"state_dict": {}, "meta": {}}, tmp_path / "iter_5.pth")
    for name in ("iter_0009.pth.tmp", ".iter_9.pth.tmp", "iter_9.pth.bak", "iter_x.pth"):
        (tmp_path / name).write_bytes((tmp_path / "iter_5.pth").read_bytes())
    (tmp_path / "last_checkpoint").write_text(str(tmp_path / "iter_9.pth"))
    assert find_latest_checkpoint(tmp_path).name == "iter_5.pth"


def test_load_weights_copies_and_strips_the_ddp_prefix():
    source, target = Parts("backbone"), Parts("backbone")
    state = {f"module.{name}": value for name, value in source.state_dict().items()}
    assert load_weights(target, state, path="x", allow_new_parts=False) == []
    torch.testing.assert_close(target.state_dict(), source.state_dict(), rtol=0, atol=0)


def test_load_weights_adds_whole_trainable_parts_only_when_asked():
    state = Parts("backbone").state_dict()
    model = Parts("backbone", "temporal")
    assert load_weights(model, state, path="x", allow_new_parts=True) == ["temporal"]
    with pytest.raises(ValueError, match=r"2 missing: temporal\.bias, temporal\.weight"):
        load_weights(model, state, path="x", allow_new_parts=False)
    model.temporal.requires_grad_(False)
    with pytest.raises(ValueError, match=r"temporal\.bias"):
        load_weights(model, state, path="x", allow_new_parts=True)


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        (("backbone", "head"), r"fit .*: it lacks the spatial module neck; 2 missing: neck\."),
        (("backbone", "neck", "head", "temporal"), None),
        (("backbone", "neck", "head"), None),
    ],
)
def test_a_spatial_module_is_never_new_even_if_all_is_trained(checkpoint, message):
    model, state = Parts("backbone", "neck", "head", "temporal"), Parts(*checkpoint).state_dict()
    if message is None:
        load_weights(model, state, path="x", allow_new_parts=True)
    else:
        with pytest.raises(ValueError, match=message):
            load_weights(model, state, path="x", allow_new_parts=True)


@pytest.mark.parametrize(
    ("transformers", "message"),
    [
        (
            "5.0.1",
            rf"written with transformers 5\.0\.1, this is {INSTALLED}.*transformers==5\.0\.1$",
        ),
        (INSTALLED, r"or stage\?$"),
        (None, r"or stage\?$"),
    ],
)
def test_weights_of_another_transformers_say_so_if_they_do_not_fit(transformers, message):
    model, state = Parts("backbone"), Parts("backbone").state_dict()
    options = dict(path="x", allow_new_parts=False, transformers=transformers)
    load_weights(model, state, **options)
    state["backbone.query"] = state.pop("backbone.weight")
    with pytest.raises(ValueError, match=message):
        load_weights(model, state, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("backbone.bias"), r"1 missing: backbone\.bias"),
        (
            lambda state: state.update({"backbone.new": torch.zeros(1)}),
            "model: it has another backbone; 1 unexpected",
        ),
        (
            lambda state: state.update({"backbone.bias": torch.zeros(3)}),
            r"backbone\.bias \(3,\) instead of \(2,\)",
        ),
    ],
)
def test_load_weights_refuses_what_does_not_fit(change, message):
    model = Parts("backbone")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = Parts("backbone").state_dict()
    change(state)
    with pytest.raises(ValueError, match=message):
        load_weights(model, state, path="x", allow_new_parts=True)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
