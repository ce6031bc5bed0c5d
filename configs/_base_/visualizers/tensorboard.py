# TensorBoard besides the local files; needs `pip install tensorboard`. Look with
# `tensorboard --logdir work_dirs`; a resumed training continues its curves.
visualizer = dict(
    type="Visualizer",
    vis_backends=[
        dict(type="LocalVisBackend"),
        dict(type="GuardedVisBackend", backend=dict(type="TensorboardRunBackend")),
    ],
)
