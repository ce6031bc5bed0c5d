from handvit.engine.preflight.blocks import walk_blocks


def test_blocks_are_found_in_dicts_and_lists_with_their_keys_and_owners():
    config = dict(
        model=dict(type="A", inner=dict(type="B"), numbers=(1, 2)),
        hooks=[dict(type="C"), dict(notype=1)],
        backbone=dict(type="D", config=dict(type="of transformers")),
    )
    found = [(block.key, block.type, block.owner) for block in walk_blocks(config)]
    assert found == [
        ("model", "A", None),
        ("model.inner", "B", "A"),
        ("hooks.0", "C", None),
        ("backbone", "D", None),
    ]


def test_what_should_be_a_block_but_has_no_type_is_found():
    config = dict(
        default_hooks=dict(timer=dict(interval=1), logger=None),
        model=dict(
            type="A",
            temporal=dict(num_layers=2),
            losses=dict(loss_rot=dict(weight=1), loss_root=dict(type="B", weight=2)),
        ),
        optim_wrapper=dict(type="C", clip_grad=dict(max_norm=1)),
    )
    found = {block.key: block.owner for block in walk_blocks(config) if block.type is None}
    assert found == {
        "default_hooks.timer": "default_hooks",
        "model.temporal": "A",
        "model.losses.loss_rot": "losses",
    }


def test_data_sets_of_a_mixture_come_with_what_they_share():
    group = dict(type="M", datasets=[dict(data_root="b")])
    mixture = dict(
        type="M", shared=dict(type="S", clip_length=7), datasets=[dict(data_root="a"), group]
    )
    blocks = {block.key: block.content for block in walk_blocks(mixture, "data")}
    assert blocks["data.datasets.0"] == dict(type="S", clip_length=7, data_root="a")
    inner = blocks["data.datasets.1.datasets.0"]
    assert inner == dict(type="S", clip_length=7, data_root="b")
