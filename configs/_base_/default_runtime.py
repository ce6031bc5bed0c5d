default_scope = "handvit"
runner_type = "HandRunner"

default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=100, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(
        type="CheckpointHook",
        by_epoch=False,
        interval=5000,
        max_keep_ckpts=3,
        save_best="mpjpe_cam",
        rule="less",
    ),
    sampler_seed=None,
    runtime_info=dict(type="RuntimeInfoHook"),
    # Entries here, not custom_hooks: a recipe's custom_hooks would replace the list.
    iter_seed=dict(type="IterSeedHook"),
    history_length=dict(type="HistoryLengthHook"),
    hand_model=dict(type="HandModelHook"),
    training_range=dict(type="TrainingRangeHook"),
    portable_checkpoint=dict(type="PortableCheckpointHook"),
)
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)
randomness = dict(seed=0)
log_processor = dict(type="LogProcessor", window_size=50, by_epoch=False)
log_level = "INFO"

load_from = None
resume = False
