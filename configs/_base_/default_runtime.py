default_scope = "handvit"
runner_type = "HandRunner"

default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=100, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(
        type="HandCheckpointHook",
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
    # Products of float32 with all their digits: the hand model's, and float32 evaluations.
    tf32=dict(type="TF32Hook", enabled=False),
    batch_norm_sync=dict(type="BatchNormSyncHook"),
    history_length=dict(type="HistoryLengthHook"),
    hand_model=dict(type="HandModelHook"),
    token_cache=dict(type="TokenCacheHook"),
    sample_count=dict(type="SampleCountHook"),
    training_range=dict(type="TrainingRangeHook"),
    finite_guard=dict(type="FiniteGuardHook"),
    loss_spike=dict(type="LossSpikeHook"),
    watchdog=dict(type="WatchdogHook"),
    run_summary=dict(type="RunSummaryHook"),
    throughput=dict(type="ThroughputHook"),
    portable_checkpoint=dict(type="PortableCheckpointHook"),
)
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    # Seconds; more than one process ever lets the others wait, as when it saves a checkpoint.
    dist_cfg=dict(backend="nccl", timeout=300),
)
randomness = dict(seed=0)
log_processor = dict(type="ProgressLogProcessor", window_size=50, by_epoch=False)
log_level = "INFO"

load_from = None
resume = False
