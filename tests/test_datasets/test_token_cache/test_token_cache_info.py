from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from handvit.datasets import HandClipDataset
from handvit.datasets.token_cache import TokenCacheInfo
from handvit.datasets.token_cache.cached_frames import CachedFrames
from handvit.datasets.token_cache.token_cache_info import (
    BEGUN_FILE,
    INFO_FILE,
    CachedPart,
    describe_model,
    digest_weights,
)


@pytest.fixture
def model() -> nn.Module:
    model = nn.Module()
    model.backbone, model.neck = nn.BatchNorm1d(3), nn.Linear(3, 3)
    model.requires_grad_(False)
    model.hand_model = SimpleNamespace(identity="openhand:0")
    model.data_preprocessor = SimpleNamespace(
        crop_size=28, expand=1.3, mean=torch.tensor([0.5]), std=torch.tensor([0.2])
    )
    return model


@pytest.fixture
def fitting(info, model) -> TokenCacheInfo:
    return replace(info, **describe_model(model))


def test_it_comes_back(info, tmp_path):
    info.begin(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"no {INFO_FILE}"):
        TokenCacheInfo.load(tmp_path)
    info.finish(tmp_path)
    assert TokenCacheInfo.load(tmp_path) == info
    assert not (tmp_path / BEGUN_FILE).exists()


def test_the_same_cache_is_gone_on_with_and_another_is_not(info, tmp_path):
    info.begin(tmp_path)
    info.begin(tmp_path)
    with pytest.raises(ValueError, match="was begun with another seed, dtype; remove the folder"):
        replace(info, seed=1, dtype="bfloat16").begin(tmp_path)


def test_a_damaged_description_is_named(info, tmp_path):
    (tmp_path / INFO_FILE).write_text('{"parts": []}')
    with pytest.raises(ValueError, match=r"token_cache\.json: must have the keys \['parts'"):
        TokenCacheInfo.load(tmp_path)


def test_the_model_that_made_it_is_accepted(fitting, model, tmp_path):
    fitting.check_model(model, tmp_path)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("spatial_weights", lambda m: m.neck.weight[0, 0].add_(1e-6)),
        ("spatial_weights", lambda m: m.backbone.running_mean.add_(1e-6)),
        ("crop_size", lambda m: setattr(m.data_preprocessor, "crop_size", 56)),
        ("expand", lambda m: setattr(m.data_preprocessor, "expand", 1.5)),
        ("mean", lambda m: m.data_preprocessor.mean.add_(0.1)),
        ("std", lambda m: m.data_preprocessor.std.add_(0.1)),
        ("hand_model", lambda m: setattr(m.hand_model, "identity", "mano:1")),
    ],
)
def test_another_model_is_refused(fitting, model, tmp_path, name, change):
    change(model)
    with pytest.raises(ValueError, match=rf"made with {name} .*write the cache anew"):
        fitting.check_model(model, tmp_path)


def test_a_model_that_learns_in_space_is_refused(fitting, model, tmp_path):
    model.neck.requires_grad_(True)
    with pytest.raises(ValueError, match=r"model\.frozen lacks \['neck'\]"):
        fitting.check_model(model, tmp_path)


def test_digests_tell_weights_apart():
    one, other = nn.Linear(2, 2), nn.Linear(2, 2)
    assert digest_weights(one) == digest_weights(one) != digest_weights(other)
    other.load_state_dict(one.state_dict())
    assert digest_weights(one) == digest_weights(other)
    assert digest_weights(one) != digest_weights(one.to(torch.float64))


def test_parts_name_their_data_and_what_was_chosen(shards_root):
    def part(**options):
        dataset = HandClipDataset(shards_root, **options)
        frames = CachedFrames.of(dataset)
        return CachedPart.of(dataset, frames, number=3, weight=0.5)

    one = part(clip_length=3)
    assert one == part(clip_length=3)
    assert (one.folder, one.weight, one.num_frames, one.clip_length) == ("part03", 0.5, 24, 3)
    assert one.metainfo["name"] == "tiny"
    assert len({one.data, part(indices=23).data, part(indices=list(range(1, 24))).data}) == 3


def test_clips_may_not_look_further_back(info):
    (part,) = info.parts  # clips of three, two apart
    part.check_reach("cache", clip_length=5, stride=1)
    with pytest.raises(ValueError, match=r"cache/part00: .* look 5 frames back, the cache 4"):
        part.check_reach("cache", clip_length=6, stride=1)
