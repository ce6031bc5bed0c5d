_base_ = [
    "../_base_/models/camera_space.py",
    "../_base_/datasets/real_mix.py",
    "../_base_/schedules/stage1_100k.py",
    "../_base_/default_runtime.py",
]
# Tokens of four depths, stochastic depth, and early layers that learn more slowly.
model = dict(
    backbone=dict(
        type="HFViT",
        pretrained="data/weights/dinov2-large",
        fusion=dict(type="LayerFusion", layers=(6, 12, 18, 24)),
        drop_path=0.1,
    ),
)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=dict(backbone=0.9)))
