# Weights & Biases besides the local files, offline; send a run later with `wandb sync`.
visualizer = dict(
    type="Visualizer",
    vis_backends=[
        dict(type="LocalVisBackend"),
        dict(type="WandbVisBackend", init_kwargs=dict(project="handvit", mode="offline")),
    ],
)
