# Synthetic open hands: mostly single images, which vary more than the frames of sequences.
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="InfiniteMixtureSampler"),
    collate_fn=dict(type="handvit.hand_collate"),
    dataset=dict(
        type="MixtureDataset",
        weights=[0.9, 0.1],
        datasets=[
            dict(type="HandClipDataset", data_root="data/quickstart/train_singles"),
            dict(type="HandClipDataset", data_root="data/quickstart/train_sequences"),
        ],
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=1,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="handvit.hand_collate"),
    dataset=dict(type="HandClipDataset", data_root="data/quickstart/val"),
)
test_dataloader = dict(
    batch_size=64,
    num_workers=1,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="handvit.hand_collate"),
    dataset=dict(type="HandClipDataset", data_root="data/quickstart/test"),
)
val_evaluator = dict(type="HandMetric", hand_model=dict(type="ManoLayer", source="openhand"))
test_evaluator = val_evaluator
