# Real crops of one left hand without MANO labels: frames 0-349 train, 350-436 test.
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="InfiniteMixtureSampler"),
    collate_fn=dict(type="handvit.hand_collate"),
    dataset=dict(type="HandClipDataset", data_root="data/handgraph/train"),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=1,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="handvit.hand_collate"),
    # 32 of the training frames: can the model fit real images?
    dataset=dict(
        type="HandClipDataset",
        data_root="data/handgraph/train",
        indices=list(range(0, 350, 11))[:32],
    ),
)
test_dataloader = dict(
    batch_size=64,
    num_workers=1,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="handvit.hand_collate"),
    dataset=dict(type="HandClipDataset", data_root="data/handgraph/test"),
)
val_evaluator = dict(type="HandMetric", hand_model=dict(type="ManoLayer", source="openhand"))
test_evaluator = val_evaluator
