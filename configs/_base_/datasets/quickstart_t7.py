# Clips of 7 frames from the synthetic sequences; tested on the same frames as stage 1.
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="InfiniteMixtureSampler"),
    collate_fn=dict(type="handvit.hand_collate"),
    dataset=dict(
        type="HandClipDataset", data_root="data/quickstart/train_sequences", clip_length=7
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=1,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="handvit.hand_collate"),
    dataset=dict(type="HandClipDataset", data_root="data/quickstart/val", clip_length=7),
)
test_dataloader = dict(
    batch_size=16,
    num_workers=1,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="handvit.hand_collate"),
    dataset=dict(type="HandClipDataset", data_root="data/quickstart/test", clip_length=7),
)
val_evaluator = dict(type="HandMetric", hand_model=dict(type="ManoLayer", source="openhand"))
test_evaluator = val_evaluator
