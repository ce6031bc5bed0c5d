# About five minutes on one CPU core.
train_cfg = dict(type="ResumableIterTrainLoop", max_iters=2500, val_interval=2500)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    constructor="PartLRConstructor",
    optimizer=dict(type="AdamW", lr=5e-4, weight_decay=1e-4, fused=True),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(
        type="CosineAnnealingLR", eta_min_ratio=0.01, by_epoch=False, begin=50, end=2500, T_max=2450
    ),
]
