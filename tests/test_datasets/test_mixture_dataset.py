import pytest

from handvit.datasets import mixture_dataset
from handvit.datasets.hand_clip_dataset import HandClipDataset
from handvit.datasets.hand_collate import hand_collate
from handvit.datasets.mixture_dataset import MixtureDataset
from handvit.datasets.row_selection import NoClipError
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


def test_a_batch_is_made_of_single_clips(roots):
    parts = [_config(root, clip_length=3) for root in roots[:2]]
    mixture = MixtureDataset(parts, weights=[1, 1])
    indices = [17, 0, 12, 11, 5]
    batch = hand_collate(mixture.__getitems__(indices))
    expected = hand_collate([mixture[index] for index in indices])
    assert batch.labels.sample_id == expected.labels.sample_id
    assert (batch.image == expected.image).all()
    assert (batch.labels.frame_valid == expected.labels.frame_valid).all()


def test_metainfo_names_the_hand_model_of_the_labels(roots):
    parts = [HandClipDataset(root) for root in roots[:2]]
    info = MixtureDataset(parts, weights=[1, 1]).metainfo
    assert info["name"] == "first+second" and info["hand_model"] == "openhand"
    assert info["datasets"] == [part.metainfo for part in parts]


@pytest.mark.parametrize("weights", [[1], [1, 0], [1, -1], [1, float("nan")], []])
def test_bad_weights(roots, weights):
    with pytest.raises(ValueError, match="weights: "):
        MixtureDataset([_config(root) for root in roots[:2]], weights=weights)


def test_what_is_shared_reaches_every_part_and_those_of_groups(roots):
    """A block's own values come first, and so do those of a group for its parts."""
    first, second = ({"data_root": str(root)} for root in roots[:2])
    inner = {"type": "MixtureDataset", "datasets": [first, second], "weights": [1, 1]}
    shared = {"type": "HandClipDataset", "clip_length": 3, "indices": 4}
    mixture = MixtureDataset(
        [{**inner, "shared": {"indices": 2}}, {**first, "indices": 5}, inner],
        weights=[1, 1, 1],
        shared=shared,
    )
    assert [dataset.clip_length for dataset in mixture.datasets] == [3] * 5
    assert mixture.sizes == (2, 2, 5, 4, 4)


def test_built_parts_take_nothing_from_what_is_shared(roots):
    part = HandClipDataset(roots[0])
    mixture = MixtureDataset([part], weights=[1], shared={"clip_length": 3})
    assert mixture.datasets == [part] and part.clip_length == 1


def test_parts_must_agree(roots):
    with pytest.raises(ValueError, match=r"hand_model: .*'third': 'mano'"):
        MixtureDataset([_config(root) for root in roots], weights=[1, 1, 1])
    with pytest.raises(ValueError, match=r"clip_length: \[1, 7\] differ"):
        MixtureDataset([_config(roots[0]), _config(roots[0], clip_length=7)], weights=[1, 1])


def test_groups_share_out_their_weight(roots, make_shards):
    other = make_shards(name="fourth", num_tracks=1)
    mixture = MixtureDataset(
        [
            {
                "type": "MixtureDataset",
                "datasets": [_config(roots[0]), _config(other)],
                "weights": [30, 10],
            },
            _config(roots[1]),
        ],
        weights=[0.6, 0.4],
    )
    assert mixture.weights == pytest.approx((0.45, 0.15, 0.4))
    assert mixture.sizes == (12, 6, 6) and mixture.part.tolist() == [0] * 12 + [1] * 6 + [2] * 6
    names = [part["name"] for part in mixture.metainfo["datasets"]]
    assert names == ["first", "fourth", "second"]
    assert mixture[18].samples[0].sample_id.startswith("second/")


def test_groups_are_held_to_the_same_agreement(roots):
    group = {"type": "MixtureDataset", "datasets": [_config(roots[0])], "weights": [1]}
    with pytest.raises(ValueError, match="hand_model: "):
        MixtureDataset([group, _config(roots[2])], weights=[1, 1])


def test_parts_without_a_full_clip_are_left_out(roots, make_shards, monkeypatch):
    log = []
    monkeypatch.setattr(mixture_dataset, "print_log", lambda text, **_: log.append(text))
    short = make_shards(name="short", num_frames=3)
    full = {"clip_length": 4, "min_valid_frames": 4}
    parts = [_config(short, **full), _config(roots[0], **full), _config(roots[1], **full)]
    mixture = MixtureDataset(parts, weights=[0.5, 0.3, 0.2])
    assert mixture.weights == pytest.approx((0.6, 0.4)) and mixture.sizes == (6, 3)
    assert len(log) == 1 and log[0].startswith("left out: short: 12 of 12 frames")

    group = {"type": "MixtureDataset", "datasets": parts[:1], "weights": [1]}
    assert MixtureDataset([group, *parts[1:]], weights=[0.5, 0.3, 0.2]).sizes == (6, 3)
    with pytest.raises(NoClipError, match="no data set of the mixture has a clip: short: 12 of 12"):
        MixtureDataset(parts[:1], weights=[1])


def test_a_filter_that_leaves_nothing_is_an_error_in_a_mixture_too(roots):
    strict = _config(roots[1], row_filter={"type": "RowFilter", "min_bbox_size": 1e4})
    with pytest.raises(
        ValueError, match=r"row_filter: second: RowFilter leaves out 6 of 6"
    ) as error:
        MixtureDataset([_config(roots[0]), strict], weights=[1, 1])
    assert not isinstance(error.value, NoClipError)
