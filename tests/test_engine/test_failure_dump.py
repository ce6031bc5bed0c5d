from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from torch import nn

from handvit.engine.failure_dump import (
    Findings,
    module_modes,
    read_failure,
    set_modes,
    whole_weights,
    write_failure,
)
from handvit.engine.replay import find_tensors
from handvit.structures import HandCrops, HandTokens


@pytest.fixture
def runner():
    model = nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(2)).sum().backward()
    optimizer.step()
    cfg = Config(dict(model=dict(type="X", pair=(1, 2)), default_scope="handvit"))
    return SimpleNamespace(model=model, optim_wrapper=optimizer, cfg=cfg, seed=3)


def test_all_of_an_iteration_comes_back(runner, make_batch, tmp_path):
    batch = make_batch(num_hands=2, num_frames=3)
    larger = torch.zeros(2, 3, 160, 200, 3 + 5, dtype=torch.uint8)  # as the loader lends it
    larger[..., :3] = batch.image.permute(0, 1, 3, 4, 2)
    batch = batch._replace(image=larger[..., :3].permute(0, 1, 4, 2, 3))
    path = tmp_path / "failures" / "iter_1_rank0.pt"
    findings = Findings(["loss_x"], [], ["weight"])
    weights = whole_weights(runner.model)
    write_failure(
        path,
        runner,
        iteration=6,
        batch=batch,
        random_state={"a": 1},
        weights=weights,
        findings=findings,
    )
    failure = read_failure(path)
    found, expected = (list(find_tensors(each)) for each in (failure["batch"], batch))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert failure["batch"].labels.sample_id == batch.labels.sample_id
    assert failure["batch"].labels.mano._fields == batch.labels.mano._fields
    assert failure["findings"] == findings
    assert (failure["iter"], failure["seed"], failure["rank"]) == (6, 3, 0)
    assert failure["config"]["model"]["pair"] == [1, 2]
    torch.testing.assert_close(failure["state_dict"], dict(runner.model.state_dict()))
    expected = runner.optim_wrapper.state_dict()
    torch.testing.assert_close(failure["optimizer"]["state"], expected["state"])
    assert path.stat().st_size < larger.numel()  # the rest of the lent memory stayed behind


def test_crops_of_a_token_cache_come_back(runner, make_batch, tmp_path):
    labels = make_batch(num_hands=2).labels
    corners = labels.bbox_xyxy[..., :2]
    tokens = HandTokens(torch.ones(2, 1, 0, 8), torch.ones(2, 1, 6, 8), (2, 3))
    no_pixels = torch.zeros(2, 1, 0, 32, 32)
    crops = HandCrops(
        no_pixels, labels.bbox_xyxy, corners, corners, corners, labels.is_right, labels, tokens
    )
    path = tmp_path / "iter_1_rank0.pt"
    write_failure(
        path,
        runner,
        iteration=0,
        batch=crops,
        random_state={},
        weights={},
        findings=Findings([], [], []),
    )
    found = read_failure(path)["batch"]
    assert isinstance(found, HandCrops)
    assert found.tokens.grid == (2, 3)
    torch.testing.assert_close(list(find_tensors(found)), list(find_tensors(crops)))


def test_modes_are_taken_over():
    def build():
        return nn.Sequential(nn.Dropout(0.1), nn.Linear(1, 1), nn.Sequential(nn.BatchNorm1d(1)))

    model, copy = build(), build()
    model[0].p = 0.0
    model[1].requires_grad_(False)
    model[2].eval()
    set_modes(copy, module_modes(model))
    assert module_modes(copy) == module_modes(model)
    assert (copy[0].p, copy[1].weight.requires_grad, copy[2][0].training) == (0.0, False, False)
    assert copy.training


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "other.pt"
    torch.save({"kind": "something else"}, path)
    with pytest.raises(ValueError, match=r"other\.pt: is no failure"):
        read_failure(path)
    torch.save(print, path)  # torch refuses to load functions
    with pytest.raises(ValueError, match=r"other\.pt: is no failure"):
        read_failure(path)
    with pytest.raises(ValueError, match=r"absent\.pt: no such file"):
        read_failure(tmp_path / "absent.pt")
