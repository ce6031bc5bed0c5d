import pytest

from handvit.datasets.hand_clip_dataset import HandClipDataset
from handvit.datasets.mixture_dataset import MixtureDataset
from handvit.registry import DATASETS


@pytest.fixture(scope="module")
def roots(make_shards):
    return (
        make_shards(name="first", num_tracks=2),
        make_shards(name="second", num_tracks=1, hand_model=None),
        make_shards(name="third", num_tracks=1, hand_model="mano"),
    )


def _config(root, **arguments):
    return {"type": "HandClipDataset", "data_root": str(root), **arguments}


def test_parts_follow_one_another(roots):
    mixture = DATASETS.build(
        {
            "type": "MixtureDataset",
            "datasets": [_config(roots[0]), _config(roots[1], indices=4)],
            "weights": [1, 3],
        }
    )
    assert len(mixture) == len(mixture.columns) == 16
    assert mixture.sizes == (12, 4) and mixture.weights == (0.25, 0.75)
    names = [mixture[index].samples[0].sample_id.split("/")[0] for index in range(16)]
    assert names == ["first"] * 12 + ["second"] * 4
    frames = [mixture[index].samples[0].sample_id.split("/")[3] for index in (0, 11, 12, 15)]
    assert frames == ["00000", "00005", "00000", "00003"]


def test_metainfo_names_the_hand_model_of_the_labels(roots):
    parts = [HandClipDataset(root) for root in roots[:2]]
    info = MixtureDataset(parts, weights=[1, 1]).metainfo
    assert info["name"] == "first+second" and info["hand_model"] == "openhand"
    assert info["datasets"] == [part.metainfo for part in parts]


@pytest.mark.parametrize("weights", [[1], [1, 0], [1, -1], [1, float("nan")], []])
def test_bad_weights(roots, weights):
    with pytest.raises(ValueError, match="weights: "):
        MixtureDataset([_config(root) for root in roots[:2]], weights=weights)


def test_parts_must_agree(roots):
    with pytest.raises(ValueError, match=r"hand_model: .*'third': 'mano'"):
        MixtureDataset([_config(root) for root in roots], weights=[1, 1, 1])
    with pytest.raises(ValueError, match=r"clip_length: \[1, 7\] differ"):
        MixtureDataset([_config(roots[0]), _config(roots[0], clip_length=7)], weights=[1, 1])
