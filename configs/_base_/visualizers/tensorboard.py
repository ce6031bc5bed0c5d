# TensorBoard besides the local files; needs `pip install tensorboard`.
visualizer = dict(
    type="Visualizer",
    vis_backends=[
        dict(type="LocalVisBackend"),
        dict(type="GuardedVisBackend", backend=dict(type="TensorboardVisBackend")),
    ],
)
