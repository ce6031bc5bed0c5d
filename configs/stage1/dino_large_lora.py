_base_ = [
    "../_base_/models/camera_space.py",
    "../_base_/datasets/real_mix.py",
    "../_base_/schedules/stage1_100k.py",
    "../_base_/default_runtime.py",
]
# For one small GPU: only rank-16 updates of queries and values, and the parts behind, are trained.
model = dict(
    backbone=dict(
        type="HFViT",
        pretrained="data/weights/dinov2-large",
        gradient_checkpointing=True,
        lora=dict(rank=16, alpha=16),
    ),
)
train_dataloader = dict(batch_size=16)
# The updates start at zero and take a larger rate than weights that are already good.
optim_wrapper = dict(paramwise_cfg=dict(part_lr=dict(backbone=1e-4)))
