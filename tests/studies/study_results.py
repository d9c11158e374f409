"""Plausible results without a tracker: hearts that shorten, and trackers of known strengths that follow them."""

import numpy as np

from cpwc_keras.studies.results import CaseInfo, CaseResult

TRACKERS = ("zero", "fft-xcorr", "farneback", "dis", "cpwc-us", "runs/my <best>.weights.h5")
_SHARE = {"zero": 0.0, "fft-xcorr": 0.72, "farneback": 0.85, "dis": 0.9, "cpwc-us": 0.97}
"""Part of the true motion that a tracker finds."""

SPACING = (0.5, 0.6)
VENDORS = ("ESAOTE", "GE Vingmed Ultrasound", "Philips Medical Systems", "TOSHIBA_MEC_US")


def results(kind="motion", cases=3, trackers=TRACKERS, dataset=None, variants=None, vendors=("",), fail=()):
    """Results of every tracker on every case.

    Args:
        kind: "motion", "contours" or "loop".
        cases: how many of each variant and vendor.
        trackers: names.
        dataset: name; None takes one that fits the kind.
        variants: of the cases; None takes "clean" where motion is known.
        vendors: of the cases.
        fail: (tracker, number of the case) that could not be measured.
    """
    dataset = dataset or {"motion": "sequences", "contours": "ted", "loop": "loops"}[kind]
    variants = variants or ("clean" if kind == "motion" else "",)
    made = []
    for tracker in trackers:
        for number in range(cases):
            for variant in variants:
                for vendor in vendors:
                    name = "_".join(part for part in (f"patient{number:04d}", vendor[:6], variant) if part)
                    case = CaseInfo(name, dataset, kind, f"patient{number:04d}", vendor, "A4C", variant)
                    if (tracker, number) in fail:
                        made.append(CaseResult(tracker, case, error=f"{name}: pair 3 is NaN & < useless >."))
                    else:
                        made.append(result(tracker, case, number))
    return made


def result(tracker, case, number):
    """A heart decided by the number alone, followed by the tracker with errors of its own."""
    heart = np.random.default_rng(number)
    noise = np.random.default_rng([number, sum(map(ord, tracker)), len(case.variant), len(case.vendor)])
    share = max(0.0, _SHARE.get(tracker, 0.95) - 0.05 * (case.variant == "reverberation"))
    beats = 1 if case.kind != "loop" else 4
    frames = 2 if case.dataset == "camus stills" else int(heart.integers(18, 34)) * beats
    beat, es = frames / beats, 1 if case.dataset == "camus stills" else int(frames / beats * 0.38)
    phase = np.arange(frames) / beat % 1 if frames > 2 else np.array([0, 0.38])
    squeeze = np.where(phase < 0.38, np.sin(np.pi / 2 * phase / 0.38), np.cos(np.pi / 2 * (phase - 0.38) / 0.62)) ** 2
    gls = heart.uniform(-24, -9)
    truth = contours(gls, squeeze)
    tracked = contours(gls * share + noise.normal(0, 0.8), squeeze) - 0.01 * np.arange(frames)[:, None, None] * share
    tracked += noise.normal(0, 0.4 * share, (1, 1, 2)) * squeeze[:, None, None]
    strain_true, strain = gls * squeeze, gls * share * squeeze + noise.normal(0, 0.25 * share, frames)
    strain[0] = 0
    scalars = {"disagreement_mm": 0.06 * share * noise.uniform(0.7, 1.3), "seconds_per_pair": noise.uniform(0.02, 0.4)}
    curves = {"strain": strain, "mapse": 0.7 * strain, "contours": tracked}
    if case.kind == "loop":
        ends = np.arange(1, beats + 1) * beat - 1
        closure = -0.6 * np.arange(1, beats + 1) * share * noise.uniform(0.5, 3)
        curves |= {"closure_frame": ends, "closure_percent": closure, "drift_mm": np.abs(closure) * 0.4}
        curves["strain"] = strain + np.interp(np.arange(frames), [0, *ends], [0, *closure])
        scalars["peak_percent"] = float(strain[: int(beat)].min())
        return CaseResult(tracker, case, frames, 0, None, SPACING, 48.0, scalars, curves)
    distance = 0.3 + (1 - share) * 3 * noise.uniform(0.6, 1.4)
    d_m = distance * squeeze + noise.uniform(0, 0.2, frames)
    d_m[0] = np.nan
    position = np.linspace(0, 1, 101)
    curves |= {
        "references": truth,
        "strain_true": strain_true,
        "mapse_true": 0.7 * strain_true,
        "d_m_mm": d_m,
        "d_h_mm": 2.4 * d_m,
        "profile_mm": distance * (0.6 + 0.5 * np.sin(np.pi * position) ** 2 + 0.3 * noise.normal() * (0.5 - position)),
    }
    scalars |= {
        "d_m_mm": float(np.nanmean(d_m)),
        "d_h_mm": float(np.nanmean(2.4 * d_m)),
        "gls_percent": float(strain.min()),
        "gls_true_percent": float(gls * squeeze.max()),
        "mapse_percent": float(0.7 * strain.min()),
        "mapse_true_percent": float(0.7 * gls * squeeze.max()),
    }
    if case.kind == "motion":
        epe = (0.05 + 0.25 * (1 - share)) * noise.gamma(6, 1 / 6, frames - 1)
        segments_true = strain_true[:, None] * heart.uniform(0.6, 1.3, 6)
        curves["epe_mm"] = epe
        curves["segments_true"] = segments_true
        curves["segments"] = segments_true * share + noise.normal(0, 1.2, (frames, 6))
        scalars["epe_mm"] = float(epe.mean())
        scalars["epe_forward_mm"] = float(epe.mean() * 1.1)
        scalars["cumulative_epe_mm"] = float(epe.mean() * 9)
        scalars["segments_mae_percent"] = float(np.abs(curves["segments"] - segments_true)[es].mean())
    if number == 2 and tracker == "dis":
        scalars["gls_percent"] = float("nan")
    return CaseResult(tracker, case, frames, 0, es, SPACING, 48.0, scalars, curves)


def contours(gls, squeeze, n=37):
    """(T, n, 2) half ellipses whose base comes towards the apex and whose walls come together."""
    angle = np.linspace(np.pi, 2 * np.pi, n)
    length, width = 90 * (1 + gls / 100 * squeeze), 34 * (1 + 1.4 * gls / 100 * squeeze)
    x = 80 + width[:, None] * np.cos(angle)
    y = 40 + length[:, None] * (1 + np.sin(angle))
    return np.stack([x, y], -1)


def frames_of(case_frames=34, height=180, width=160):
    """(T, H, W) smooth speckle in a sector, the same every time."""
    noise = np.random.default_rng(0).normal(size=(2, height, width))
    y, x = np.mgrid[:height, :width]
    inside = np.abs(x - width / 2) < 10 + 0.55 * y
    image = np.hypot(*noise) * 0.22 * inside
    return np.repeat(np.clip(image, 0, 1).astype(np.float32)[None], case_frames, axis=0)
