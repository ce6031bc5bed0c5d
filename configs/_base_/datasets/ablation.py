# Synthetic open hands as single images, small ones: decoding must not cost more than training.
train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type="InfiniteMixtureSampler"),
    collate_fn=dict(type="handvit.hand_collate"),
    dataset=dict(type="HandClipDataset", data_root="data/ablation/train"),
)
test_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="handvit.hand_collate"),
    dataset=dict(type="HandClipDataset", data_root="data/ablation/test"),
)
# Nothing is chosen by validation: the last checkpoint counts.
val_dataloader = test_dataloader
test_evaluator = dict(type="HandMetric", hand_model=dict(type="ManoLayer", source="openhand"))
val_evaluator = test_evaluator
