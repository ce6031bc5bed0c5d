import pickle

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from handvit.engine.checkpoints import read_checkpoint
from handvit.engine.hooks import PortableCheckpointHook
from handvit.engine.hooks.portable_checkpoint_hook import from_plain, to_plain


def _checkpoint():
    history = HistoryBuffer([1.0, 2.0], [1, 3], max_length=5)
    return {
        "state_dict": {"w": torch.ones(2)},
        "meta": {"iter": np.int64(7), "cfg": "x = 1"},
        "message_hub": {"log_scalars": {"loss": history}, "runtime_info": {"eta": np.float64(3)}},
        "param_schedulers": [{"last_step": 3, "_last_value": (np.float32(0.5),)}],
    }


def test_mmengine_still_needs_the_hook(tmp_path):
    torch.save(_checkpoint(), tmp_path / "x.pth")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "x.pth", weights_only=True)


def test_a_checkpoint_survives_the_safe_loader(tmp_path):
    checkpoint, hook = _checkpoint(), PortableCheckpointHook()
    hook.before_save_checkpoint(None, checkpoint)
    torch.save(checkpoint, tmp_path / "x.pth")
    loaded = read_checkpoint(tmp_path / "x.pth")
    hook.after_load_checkpoint(None, loaded)
    history = loaded["message_hub"]["log_scalars"]["loss"]
    assert isinstance(history, HistoryBuffer)
    assert history.mean() == 3 / 4  # sum of values over sum of counts
    assert history.max_length == 5
    assert loaded["meta"]["iter"] == 7
    assert loaded["message_hub"]["runtime_info"]["eta"] == 3.0
    assert loaded["param_schedulers"] == [{"last_step": 3, "_last_value": [0.5]}]


def test_plain_values_pass_through():
    value = {"a": [1, "b", None, True], "c": torch.zeros(2)}
    plain = to_plain(value)
    assert plain["a"] == value["a"]
    assert plain["c"] is value["c"]
    assert from_plain({"x": 1}) == {"x": 1}
    assert to_plain(np.arange(3)).tolist() == [0, 1, 2]
