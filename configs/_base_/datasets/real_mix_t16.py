_base_ = ["real_mix.py"]
# The same data as full clips of 16 frames. A base of a base: all else must stay alike.
train_dataloader = dict(
    batch_size=16, dataset=dict(shared=dict(clip_length=16, min_valid_frames=16))
)
val_dataloader = dict(batch_size=32, dataset=dict(clip_length=16))
test_dataloader = dict(batch_size=32, dataset=dict(clip_length=16))
