# 100k iterations with batches of 32 hands, bfloat16.
# With more GPUs each iteration sees more, unless total_samples=3_200_000 keeps what one GPU sees.
sample_schedule = dict(total_samples=None, reference_batch=32, lr_exponent=0.0)
train_cfg = dict(type="ResumableIterTrainLoop", max_iters=100_000, val_interval=5000)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="BF16OptimWrapper",
    constructor="PartLRConstructor",
    optimizer=dict(type="AdamW", lr=1e-4, weight_decay=1e-4),
    paramwise_cfg=dict(part_lr=dict(backbone=1e-5)),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=5000),
    dict(
        type="CosineAnnealingLR",
        eta_min_ratio=0.01,
        by_epoch=False,
        begin=5000,
        end=100_000,
        T_max=95_000,
    ),
]
# Here, because default_hooks belong to default_runtime.py. A recipe's list replaces this one.
custom_hooks = [
    dict(type="DropoutWarmupHook", part="head", num_iters=10_000),
    dict(
        type="HandEMAHook",
        # The plain mean of all weights at first, then an average over about 5000 iterations.
        ema_type="MomentumAnnealingEMA",
        momentum=2e-4,  # the weight of what is new
        gamma=1,
        update_buffers=True,  # average batch-norm statistics too
    ),
]
