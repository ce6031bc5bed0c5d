import numpy as np

from handvit.datasets.synthetic.hand_paint import hand_paint
from handvit.hand_models.mano_assets import load_hand_asset


def test_parts_are_where_they_belong():
    asset = load_hand_asset("openhand")
    paint = hand_paint(asset)
    for mask in paint:
        assert mask.shape == (778,) and mask.min() >= 0 and mask.max() <= 1
    # The palm faces -y: on the fingers and the palm, height tells the sides apart.
    assert np.corrcoef(paint.palm, asset.v_template[:, 1])[0, 1] < -0.3
    assert (paint.knuckles[paint.palm > 0.9] < 0.1).all()


def test_every_finger_has_a_nail_on_its_back():
    asset = load_hand_asset("openhand")
    nails = hand_paint(asset).nails > 0
    for joint in (3, 6, 9, 12, 15):
        nail = nails & (asset.weights[:, joint] > 0.5)
        finger = asset.weights[:, joint] > 0.5
        assert 2 <= nail.sum() <= 0.4 * finger.sum()
    assert not (nails & (hand_paint(asset).palm > 0.5) & (asset.weights[:, 15] < 0.5)).any()
