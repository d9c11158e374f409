"""Synthetic ultrasound sequences with exactly known motion (paper, section II-A).

A *template* (`templates`) says how bright the tissue is and how the heart moves. *Scatterers* (`scatterers`) are drawn
from it: a still background, and a myocardium that moves with the mesh. An *engine* (`exact` or `surrogate`, by name in
`engines`) turns the scatterers of a frame into beamformed signals, and the *display* (`display`) those into a picture.
`pipeline` makes whole sequences of it, `run` many of them. Because engines are linear, artifacts that stand still
(`reverberation`) are simulated once and added to every frame.
"""
