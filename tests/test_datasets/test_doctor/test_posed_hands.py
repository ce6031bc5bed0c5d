from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handvit.datasets.doctor import posed_hands
from handvit.datasets.doctor.posed_hands import PosedHands, load_hand_models
from handvit.hand_models.mano_assets import load_hand_asset, save_hand_asset


@pytest.fixture(scope="module")
def models(good_table):
    return load_hand_models(good_table.info, None)


@pytest.fixture
def mano_folder(tmp_path):
    """The open hand under MANO's name."""
    for is_right, side in ((True, "RIGHT"), (False, "LEFT")):
        asset = replace(load_hand_asset("openhand", is_right=is_right), name="mano")
        save_hand_asset(asset, tmp_path / f"MANO_{side}.npz")
    return tmp_path


def test_models_are_those_of_the_data_set(good_table, mano_folder):
    info = replace(good_table.info, fingertips="manopth")
    assert load_hand_models(replace(info, hand_model=None), mano_folder) is None
    assert load_hand_models(replace(info, hand_model="mano"), None) is None
    for hand_model in ("mano", "openhand"):
        models = load_hand_models(replace(info, hand_model=hand_model), mano_folder)
        assert {side: model.asset.is_right for side, model in models.items()} == {
            True: True,
            False: False,
        }
        assert {model.asset.name for model in models.values()} == {hand_model}
        assert models[True].fingertips == "manopth"


def test_a_folder_without_mano_is_refused(good_table):
    info = replace(good_table.info, hand_model="mano")
    with pytest.raises(ValueError, match=r"MANO_RIGHT.npz: no such file; write it with"):
        load_hand_models(info, Path("nowhere"))


def test_good_hands_fit_to_micrometres(good_table, models):
    posed = PosedHands.of(good_table, models)
    assert posed.row.tolist() == list(range(len(good_table)))
    assert posed.gap.max() < 1e-5 and posed.gap_as_stored.max() < 1e-5
    assert posed.gap_minus_mean.min() > 0.01 and posed.gap_plus_mean.min() > 0.01


def test_gaps_by_hand(good_table, models):
    """Move all wrists by 3, 0, 4 mm: the offset is left out of the other gaps."""
    root = good_table.mano_root_cam + np.float32([0.003, 0, 0.004])
    posed = PosedHands.of(replace(good_table, mano_root_cam=root), models)
    np.testing.assert_allclose(posed.gap, 0.005, atol=1e-5)
    np.testing.assert_allclose(posed.gap_as_stored, 0, atol=1e-5)


def test_unknown_keypoints_do_not_count(good_table, models):
    keypoints, valid = good_table.keypoints_cam.copy(), good_table.keypoints_cam_valid.copy()
    keypoints[:, 9], valid[:, 9] = 7.0, False
    table = replace(good_table, keypoints_cam=keypoints, keypoints_cam_valid=valid)
    assert PosedHands.of(table, models).gap.max() < 1e-5


def test_tips_count_where_their_vertices_are_known(good_table, models):
    keypoints = good_table.keypoints_cam.copy()
    keypoints[:, [4, 8, 12, 16, 20]] += 0.1
    table = replace(good_table, keypoints_cam=keypoints)
    assert PosedHands.of(table, models).gap.min() > 0.01
    nameless = replace(table, info=replace(table.info, fingertips=None))
    assert PosedHands.of(nameless, models).gap.max() < 1e-5


def test_hands_without_parameters_are_left_out(good_table, models):
    valid = good_table.mano_valid.copy()
    valid[[0, 2]] = False
    assert PosedHands.of(replace(good_table, mano_valid=valid), models).row[:2].tolist() == [1, 3]


def test_only_some_of_many_hands_are_posed(good_table, models, monkeypatch):
    monkeypatch.setattr(posed_hands, "MAX_POSED", 5)
    assert PosedHands.of(good_table, models).row.tolist() == [0, 25, 50, 76, 101]
