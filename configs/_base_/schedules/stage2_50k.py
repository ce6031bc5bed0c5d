# 50k iterations of the temporal encoder alone, with batches of 32 clips, bfloat16.
# With more GPUs each iteration sees more, unless total_samples=1_600_000 keeps what one GPU sees.
sample_schedule = dict(total_samples=None, reference_batch=32, lr_exponent=0.0)
train_cfg = dict(type="ResumableIterTrainLoop", max_iters=50_000, val_interval=5000)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="BF16OptimWrapper",
    constructor="PartLRConstructor",
    optimizer=dict(type="AdamW", lr=1e-4, weight_decay=1e-4),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=2000),
    dict(
        type="CosineAnnealingLR",
        eta_min_ratio=0.01,
        by_epoch=False,
        begin=2000,
        end=50_000,
        T_max=48_000,
    ),
]
