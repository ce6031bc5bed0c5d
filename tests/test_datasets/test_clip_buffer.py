from types import SimpleNamespace

import pytest

from handvit.datasets.clip_buffer import MAX_OPEN_TRACKS, ClipBuffer


def frame(number, track="a", time=None):
    time = number / 30 if time is None else time
    return SimpleNamespace(sample_id=f"{track}{number}", track=track, frame_time=time)


def clips(buffer, frames):
    """Names of the frames of each clip; those that stand in for missing ones in brackets."""
    names = []
    for sample in frames:
        samples, valid = buffer.add(sample)
        pairs = zip(samples, valid, strict=True)
        names.append(" ".join(s.sample_id if real else f"({s.sample_id})" for s, real in pairs))
    return names


def make(clip_length, stride=1, max_frame_gap=0.5):
    return ClipBuffer(clip_length=clip_length, stride=stride, max_frame_gap=max_frame_gap)


def test_clips_end_in_every_frame():
    assert clips(make(3), map(frame, range(4))) == [
        "(a0) (a0) a0",
        "(a0) a0 a1",
        "a0 a1 a2",
        "a1 a2 a3",
    ]


def test_stride():
    assert clips(make(3, stride=2), map(frame, range(6))) == [
        "(a0) (a0) a0",
        "(a1) (a1) a1",
        "(a0) a0 a2",
        "(a1) a1 a3",
        "a0 a2 a4",
        "a1 a3 a5",
    ]


def test_tracks_alternate():
    frames = [frame(number, track) for number in range(2) for track in "ab"]
    assert clips(make(2), frames) == ["(a0) a0", "(b0) b0", "a0 a1", "b0 b1"]


def test_a_long_gap_begins_a_new_run():
    frames = [frame(0), frame(1, time=0.5), frame(2, time=1.01)]
    assert clips(make(2), frames) == ["(a0) a0", "a0 a1", "(a2) a2"]


@pytest.mark.parametrize("time", [0.0, -1.0])
def test_time_must_advance_for_clips_only(time):
    frames = [frame(0), frame(1, time=time)]
    with pytest.raises(ValueError, match=r"sample_id: 'a1' does not come after.*HandClipDataset"):
        clips(make(2), frames)
    assert clips(make(1), frames) == ["a0", "a1"]


def test_as_many_tracks_as_the_buffer_holds():
    tracks = [f"t{number}_" for number in range(MAX_OPEN_TRACKS)]
    frames = [frame(number, track) for number in range(3) for track in tracks]
    assert all("(" not in clip for clip in clips(make(3), frames)[-MAX_OPEN_TRACKS:])


def test_more_tracks_lose_no_history_unnoticed():
    tracks = [f"t{number}_" for number in range(MAX_OPEN_TRACKS + 1)]
    buffer = make(2)
    clips(buffer, [frame(0, track) for track in tracks])
    with pytest.raises(ValueError, match="'t0_1' continues a track after frames of more than 64"):
        buffer.add(frame(1, "t0_"))
    assert clips(buffer, [frame(1, "t1_")]) == ["t1_0 t1_1"]
    buffer = make(2)
    clips(buffer, [frame(0, track) for track in tracks])
    assert clips(buffer, [frame(60, "t0_")]) == ["(t0_60) t0_60"]  # a new run needs no history
