# InterHand2.6M, DexYCB, HO3D v3 and HOT3D as single frames; shards under data/shards/.
train_dataloader = dict(
    batch_size=32,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(
        type="InfiniteMixtureSampler",
        # Metres: near and far hands have equal shares, whatever a data set has most of.
        order=dict(type="BalancedOrder", column="root_depth", edges=[0.3, 0.45, 0.6, 0.8, 1.1]),
    ),
    collate_fn=dict(type="handvit.hand_collate"),
    dataset=dict(
        type="MixtureDataset",
        shared=dict(
            type="HandClipDataset",
            row_filter=dict(
                type="RowFilter", min_keypoints_img=11, min_bbox_size=24.0, max_mano_residual=0.015
            ),
        ),
        weights=[0.75, 0.25],  # seen from outside, egocentric
        datasets=[
            dict(
                type="MixtureDataset",
                weights=[8, 4, 3],
                datasets=[
                    dict(data_root="data/shards/interhand26m_train"),
                    dict(data_root="data/shards/dexycb_s0_train"),
                    dict(data_root="data/shards/ho3d_v3_train"),
                ],
            ),
            dict(data_root="data/shards/hot3d_train"),
        ],
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="handvit.hand_collate"),
    dataset=dict(type="HandClipDataset", data_root="data/shards/dexycb_s0_val"),
)
test_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="handvit.hand_collate"),
    dataset=dict(type="HandClipDataset", data_root="data/shards/dexycb_s0_test"),
)
val_evaluator = dict(
    type="HandMetric",
    hand_model=dict(type="ManoLayer", source="data/mano/MANO_RIGHT.npz"),
    left_hand_model=dict(type="ManoLayer", source="data/mano/MANO_LEFT.npz"),
)
test_evaluator = val_evaluator
