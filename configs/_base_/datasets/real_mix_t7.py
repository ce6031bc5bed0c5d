# InterHand2.6M, DexYCB, HO3D v3 and HOT3D as clips of 7 frames; shards under data/shards/.
train_dataloader = dict(
    batch_size=32,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type="InfiniteMixtureSampler"),
    collate_fn=dict(type="handvit.hand_collate"),
    dataset=dict(
        type="MixtureDataset",
        weights=[0.4, 0.2, 0.15, 0.25],
        datasets=[
            dict(type="HandClipDataset", data_root="data/shards/interhand26m_train", clip_length=7),
            dict(type="HandClipDataset", data_root="data/shards/dexycb_s0_train", clip_length=7),
            dict(type="HandClipDataset", data_root="data/shards/ho3d_v3_train", clip_length=7),
            dict(type="HandClipDataset", data_root="data/shards/hot3d_train", clip_length=7),
        ],
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="handvit.hand_collate"),
    dataset=dict(type="HandClipDataset", data_root="data/shards/dexycb_s0_val", clip_length=7),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type="HandMetric",
    hand_model=dict(type="ManoLayer", source="data/mano/MANO_RIGHT.npz"),
    left_hand_model=dict(type="ManoLayer", source="data/mano/MANO_LEFT.npz"),
)
test_evaluator = val_evaluator
