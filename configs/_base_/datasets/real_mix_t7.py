_base_ = ["real_mix.py"]
# The same data as full clips of 7 frames. A base of a base: all else must stay alike.
train_dataloader = dict(dataset=dict(shared=dict(clip_length=7, min_valid_frames=7)))
val_dataloader = dict(dataset=dict(clip_length=7))
test_dataloader = dict(dataset=dict(clip_length=7))
