# Aim besides the local files; needs `pip install aim`. Look with `aim up --repo work_dirs`. A
# resumed training continues its run.
visualizer = dict(
    type="Visualizer",
    vis_backends=[
        dict(type="LocalVisBackend"),
        dict(
            type="GuardedVisBackend",
            backend=dict(type="AimRunBackend", init_kwargs=dict(repo="work_dirs")),
        ),
    ],
)
