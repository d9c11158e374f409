"""Whose data the converted files hold, and under what licence."""

from __future__ import annotations

from dataclasses import dataclass

_NON_COMMERCIAL = "CC BY-NC-SA 4.0: what is made from it, trained networks included, must not be used commercially"
_NOT_STATED = "not stated where we could read it; ask the publishers before passing it on"


@dataclass(frozen=True)
class Origin:
    """A published dataset.

    Attributes:
        title: as its publishers call it.
        licence: and what follows from it.
        citation: the article to be cited.
        motion: "ground truth", or "contours" where nodes of the mesh follow the wall's shape and not its tissue.
    """

    title: str
    licence: str
    citation: str
    motion: str


ORIGINS = {
    "medicaid": Origin(
        "MEDICAID",
        _NOT_STATED,
        "Evain et al., Motion estimation by deep learning in 2D echocardiography: synthetic dataset and validation, "
        "IEEE TMI 41(8), 2022",
        "ground truth",
    ),
    "alessandrini": Origin(
        "Alessandrini 2018",
        _NOT_STATED,
        "Alessandrini et al., Realistic vendor-specific synthetic ultrasound data for quality assurance of 2-D speckle "
        "tracking echocardiography: simulation pipeline and open access database, IEEE TUFFC 65(3), 2018",
        "ground truth",
    ),
    "camus": Origin(
        "CAMUS",
        _NON_COMMERCIAL,
        "Leclerc et al., Deep learning for segmentation using an open large-scale dataset in 2D echocardiography, "
        "IEEE TMI 38(9), 2019",
        "contours",
    ),
    "ted": Origin(
        "TED",
        _NON_COMMERCIAL,
        "Painchaud et al., Echocardiography segmentation with enforced temporal consistency, IEEE TMI 41(10), 2022; "
        "the recordings are those of CAMUS: Leclerc et al., IEEE TMI 38(9), 2019",
        "contours",
    ),
}
"""By the name of the dataset."""
