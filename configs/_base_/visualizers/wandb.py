# Weights & Biases besides the local files. Set WANDB_MODE=offline on machines without network and
# send the run later with `wandb sync`.
visualizer = dict(
    type="Visualizer",
    vis_backends=[
        dict(type="LocalVisBackend"),
        dict(type="WandbVisBackend", init_kwargs=dict(project="handvit")),
    ],
)
