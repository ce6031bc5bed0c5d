import json
from pathlib import Path

import pytest

from handvit.analysis import RecipeCost, measure_file
from handvit.analysis.recipe_cost import clip_length

DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo"


def test_a_recipe_in_a_file():
    cost = measure_file(DEMO / "stage2_tiny_t7.py", batch_size=2)
    assert isinstance(cost, RecipeCost)
    assert (cost.crop_size, cost.num_frames, cost.batch_size) == (96, 7, 2)
    assert {name for name, count in cost.parameters.items() if count.trainable} == {"temporal"}
    assert cost.clip_flops["backbone"] == 7 * cost.frame_flops["backbone"] > 0
    assert cost.parameters.keys() <= cost.frame_flops.keys() == cost.clip_flops.keys()
    assert json.loads(json.dumps(cost.to_json()))["memory"]["step"] == cost.memory.step


def test_what_cannot_be_measured_is_named(tmp_path):
    file = tmp_path / "odd.py"
    file.write_text(
        f"_base_ = [{str(DEMO / 'stage1_tiny.py')!r}]\noptim_wrapper = dict(type='Odd')\n"
    )
    with pytest.raises(ValueError, match=r"odd.py: optim_wrapper.type='Odd'"):
        measure_file(file)


def test_clip_length_of_nested_data_sets(vit_recipe):
    cfg = vit_recipe()
    one, seven = dict(type="HandClipDataset"), dict(type="HandClipDataset", clip_length=7)
    group = {"datasets": [{"datasets": [seven]}]}
    shared = {"datasets": [{"datasets": [one]}, one], "shared": {"clip_length": 7}}
    for dataset, wanted in ((one, 1), (seven, 7), (group, 7), (shared, 7)):
        cfg.train_dataloader.dataset = dataset
        assert clip_length(cfg) == wanted
    cfg.train_dataloader.dataset = {"datasets": [one, seven]}
    with pytest.raises(ValueError, match=r"train_dataloader.dataset: clip_length is \[1, 7\]"):
        clip_length(cfg)
