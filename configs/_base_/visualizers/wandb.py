# Weights & Biases besides the local files, offline; send a run later with `wandb sync`, or write
# mode="online". A resumed training continues its run.
visualizer = dict(
    type="Visualizer",
    vis_backends=[
        dict(type="LocalVisBackend"),
        dict(
            type="GuardedVisBackend",
            backend=dict(
                type="WandbRunBackend",
                init_kwargs=dict(
                    project="handvit",
                    mode="offline",
                    # Seconds to wait for a server, at the start and at the end.
                    settings=dict(init_timeout=60, finish_timeout=60),
                ),
            ),
        ),
    ],
)
