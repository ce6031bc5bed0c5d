from handvit.engine.preflight.blocks import arguments_of, find_class, known_names, walk_blocks


class Base:
    def __init__(self, first, *, second=2):
        pass


class Passing(Base):
    def __init__(self, *, third, **settings):
        super().__init__(**settings)


class Closed(Base):
    def __init__(self, *, fourth=4):
        super().__init__(fourth)


class Open:
    def __init__(self, **anything):
        pass


def test_blocks_are_found_in_dicts_and_lists_with_their_keys():
    config = dict(
        model=dict(type="A", inner=dict(type="B"), numbers=(1, 2)),
        hooks=[dict(type="C"), dict(notype=1)],
        backbone=dict(type="D", config=dict(type="of transformers")),
    )
    found = [(block.key, block.content["type"]) for block in walk_blocks(config)]
    assert found == [("model", "A"), ("model.inner", "B"), ("hooks.0", "C"), ("backbone", "D")]


def test_data_sets_of_a_mixture_come_with_what_they_share():
    group = dict(type="M", datasets=[dict(data_root="b")])
    mixture = dict(
        type="M", shared=dict(type="S", clip_length=7), datasets=[dict(data_root="a"), group]
    )
    blocks = {block.key: block.content for block in walk_blocks(mixture, "data")}
    assert blocks["data.datasets.0"] == dict(type="S", clip_length=7, data_root="a")
    inner = blocks["data.datasets.1.datasets.0"]
    assert inner == dict(type="S", clip_length=7, data_root="b")


def test_arguments_follow_what_is_passed_on():
    assert arguments_of(Base) == ({"first": True, "second": False}, False)
    assert arguments_of(Passing) == ({"third": True, "first": True, "second": False}, False)
    assert arguments_of(Closed) == ({"fourth": False}, False)
    assert arguments_of(Open)[1]
    assert arguments_of(lambda clips: clips) == ({"clips": True}, False)


def test_classes_of_ours_and_of_mmengine_are_found():
    assert find_class("HandPoseEstimator").__name__ == "HandPoseEstimator"
    assert find_class("handvit.hand_collate").__name__ == "hand_collate"
    assert find_class("AdamW").__name__ == "AdamW"
    assert find_class("Nothing") is None
    assert {"HandMetric", "LoggerHook", "AdamW", "TokenCacheHook"} <= known_names()
