"""Check times and tracks: frame rate, even spacing, and jumps of the labels."""

import numpy as np

from handvit.datasets.doctor.finding import Finding, Status, grade, skipped, worst_ids
from handvit.datasets.doctor.label_table import LabelTable
from handvit.datasets.doctor.motion import WINDOW, MotionSpectrum, TrackMotion

MIN_WINDOWS = 20
#: Metres from frame to frame, root mean square; below it a hand rests.
MIN_STEP = 1e-4
#: Hz. Exploring an object takes the fingers below 2 Hz, and only trained skills such as typing go
#: above (Kunesch et al. 1989, "Invariant temporal characteristics of manipulative hand
#: movements"). Slower than 0.2 Hz, each movement would take five seconds and more.
MIN_FREQUENCY, MAX_FREQUENCY = 0.2, 2.0
#: m/s^2, root mean square. Wrist sensors call 0.43 g vigorous exercise (Hildebrand et al. 2014);
#: nobody keeps up two g.
VIGOROUS, IMPOSSIBLE = 6.0, 20.0
#: Radians from frame to frame. A video is sampled finer; beyond, frames were left out.
MAX_TURN_OF_VIDEO = 0.5
#: m/s of any keypoint; a fingertip in a fast throw or stroke.
MAX_SPEED = 6.0
#: A spike goes out and back by this much, in metres and in ordinary steps of its track.
MIN_SPIKE, MIN_SPIKE_RATIO = 0.03, 8.0
#: Median step that a spike is compared with at least, metres: label noise.
_MIN_ORDINARY_STEP = 0.002
WARN_IRREGULAR = 0.05
FAIL_JUMPS = 0.01


def check_frame_rate(table: LabelTable) -> Finding:
    """Compare the rhythm of the motion with that of people: wrong fps, times in other units."""
    name = "frame_rate"
    spectrum = TrackMotion.of(table).spectrum()
    if spectrum is None or spectrum.num_windows < MIN_WINDOWS:
        return skipped(name, f"fewer than {MIN_WINDOWS} stretches of {WINDOW} evenly spaced frames")
    if spectrum.speed * spectrum.period < MIN_STEP:
        return skipped(name, f"hands rest: less than {1000 * MIN_STEP:g} mm from frame to frame")
    status, cause = _judge_rate(spectrum)
    return Finding(
        name=name,
        status=status,
        sentence=(
            f"at the stated {1 / spectrum.period:.4g} frames/s hands move at"
            f" {spectrum.frequency:.2f} Hz (people: {MIN_FREQUENCY} to {MAX_FREQUENCY}) with"
            f" {spectrum.acceleration:.2g} m/s^2 rms (vigorous: {VIGOROUS:g}){cause}"
        ),
        numbers={
            "frames_per_second": 1 / spectrum.period,
            "frequency_hz": spectrum.frequency,
            "speed_rms_m_per_s": spectrum.speed,
            "acceleration_rms_m_per_s2": spectrum.acceleration,
            "turn_per_frame_rad": spectrum.turn_per_frame,
            "label_jitter_m": spectrum.jitter,
            "num_windows": spectrum.num_windows,
        },
    )


def _judge_rate(spectrum: MotionSpectrum) -> tuple[Status, str]:
    """Return a status and, unless it is fine, the likely cause.

    Too fast needs both a high frequency (small corrections of a resting hand have one, too) and a
    high acceleration (a fast stroke has one, too).
    """
    if spectrum.frequency < MIN_FREQUENCY:
        return Status.FAILED, "; frame_time runs too slowly: wrong fps, or not in seconds?"
    is_fast = spectrum.frequency > MAX_FREQUENCY and spectrum.acceleration > VIGOROUS
    if not is_fast:
        return Status.OK, ""
    is_sparse = spectrum.turn_per_frame > MAX_TURN_OF_VIDEO
    if is_sparse and spectrum.acceleration < IMPOSSIBLE:
        return Status.WARNING, (
            "; frames were left out and frame_time counts those that remain, or the fps is wrong:"
            " do not use speeds of these tracks"
        )
    return Status.FAILED, "; frame_time runs too fast: wrong fps?"


def check_frame_spacing(table: LabelTable) -> Finding:
    """Find frames that are missing from tracks, and tracks of other frame rates."""
    name = "frame_spacing"
    motion = TrackMotion.of(table)
    if not motion.is_step.any():
        return skipped(name, "no track has two frames")
    irregular = motion.is_step & ~motion.is_even
    share = irregular.sum() / motion.is_step.sum()
    status = grade(share, warning=WARN_IRREGULAR, failure=np.inf)
    hint = "; frames are missing or rates are mixed" if status is not Status.OK else ""
    return Finding(
        name=name,
        status=status,
        sentence=(
            f"{share:.1%} of the steps in tracks differ from the usual {motion.period:.4g} s"
            f" (warning above {WARN_IRREGULAR:.0%}){hint}"
        ),
        worst=worst_ids(table.sample_id[motion.order[1:]], irregular * motion.seconds),
        numbers={
            "irregular_share": share,
            "period_s": motion.period,
            "longest_step_s": motion.seconds[motion.is_step].max(),
        },
    )


def check_temporal_jumps(table: LabelTable) -> Finding:
    """Find labels that leave their track: too fast for a hand, or out for a frame and back."""
    name = "temporal_jumps"
    motion = TrackMotion.of(table)
    if not np.isfinite(motion.step_length).any():
        return skipped(name, "no 3D keypoints in evenly spaced frames")
    speed = np.nan_to_num(motion.step_length / motion.period)  # (N-1,)
    spike = _spikes(motion)  # (N-2,) of the frames between
    badness = np.zeros(len(table))
    badness[1:] = np.where(speed > MAX_SPEED, speed / MAX_SPEED, 0)
    badness[1:-1] = np.maximum(badness[1:-1], spike / MIN_SPIKE)
    share = (badness > 0).sum() / np.isfinite(motion.step_length).sum()
    return Finding(
        name=name,
        status=grade(share, warning=0, failure=FAIL_JUMPS),
        sentence=(
            f"{share:.2%} of the frames in tracks jump: faster than {MAX_SPEED:g} m/s, or by more"
            f" than {1000 * MIN_SPIKE:g} mm out and back (failure above {FAIL_JUMPS:.0%})"
        ),
        worst=worst_ids(table.sample_id[motion.order], badness),
        numbers={"jump_share": share, "fastest_m_per_s": speed.max()},
    )


def _spikes(motion: TrackMotion) -> np.ndarray:
    """Return how far frames stick out of their tracks, (N-2,) metres; zero for ordinary ones."""
    steps = np.diff(motion.keypoints, axis=0)  # (N-1, 21, 3)
    length = np.linalg.norm(steps, axis=-1)
    turns_back = (steps[:-1] * steps[1:]).sum(-1) < 0
    out_and_back = np.where(turns_back, np.minimum(length[:-1], length[1:]), 0)  # (N-2, 21)
    spike = np.nan_to_num(out_and_back).max(-1, initial=0)
    ordinary = np.maximum(_ordinary_step(motion), _MIN_ORDINARY_STEP)[1:-1]
    is_spike = (spike > MIN_SPIKE) & (spike > MIN_SPIKE_RATIO * ordinary)
    return np.where(is_spike & motion.is_even[:-1] & motion.is_even[1:], spike, 0)


def _ordinary_step(motion: TrackMotion) -> np.ndarray:
    """Return the median step of the track that each ordered sample belongs to, (N,) metres."""
    first = np.flatnonzero(np.concatenate([[True], ~motion.is_step]))  # of each track
    last = np.append(first[1:], len(motion.order))
    median = [
        _known_median(motion.step_length[a : b - 1]) for a, b in zip(first, last, strict=True)
    ]
    return np.repeat(median, last - first)


def _known_median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else 0.0
