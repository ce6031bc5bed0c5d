import cv2
import numpy as np
import torch

from handvit.engine.checkpoints import read_checkpoint

STAGE1, STAGE2 = "stage1_tiny.py", "stage2_tiny_t7.py"
PICTURES = dict(type="TrainingPictureHook", interval=2, num_hands=2)


def test_pictures_of_the_batch_reach_the_tracker_at_the_interval(build, tmp_path):
    build(STAGE1, "run", {"custom_hooks": [PICTURES]}).train()
    files = sorted((tmp_path / "run").glob("*/vis_data/vis_image/train_hands_*.png"))
    assert [file.stem.split("_")[-1] for file in files] == ["0", "2"]
    first, second = (cv2.imread(str(file)) for file in files)
    rows, gap = 2, 4
    assert first.shape == (rows * (32 + 20 + gap) + gap, 4 * 32 + 2 * gap, 3)
    assert np.abs(first.astype(int) - second).mean() > 5  # another batch
    annotation, prediction = first[30:50, 4:36], first[30:50, 4 + 64 : 36 + 64]
    assert (annotation != prediction).any()


def test_training_is_the_same_with_pictures(build, tmp_path):
    for recipe in (STAGE1, STAGE2):
        states = []
        for name, hooks in (("without", []), ("with", [PICTURES])):
            folder = f"{recipe[:6]}_{name}"
            build(recipe, folder, {"custom_hooks": hooks}).train()
            states.append(read_checkpoint(tmp_path / folder / "iter_4.pth")["state_dict"])
        torch.testing.assert_close(states[1], states[0], rtol=0, atol=0)


def test_modes_are_left_as_they_were(build):
    runner = build(STAGE1, "run", {"custom_hooks": [PICTURES], "model.frozen": ["neck"]})
    runner.train()
    runner.model.train()
    modes = {name: module.training for name, module in runner.model.named_modules()}
    assert modes["head"] and modes["backbone"] and not modes["neck"]
    assert not runner.model._forward_pre_hooks
