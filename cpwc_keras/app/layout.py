"""How the page looks: its components in their places, its theme."""

from __future__ import annotations

from importlib.resources import files

import gradio as gr
from gradio.blocks import Block

from cpwc_keras.app import pictures
from cpwc_keras.app.choices import tracker_labels
from cpwc_keras.models.precision import PRECISIONS
from cpwc_keras.tracking.carry import REACH

MODES = {True: "Three clicks, then adjust", False: "Click every point"}
"""Of drawing: whether three clicks propose a whole contour → what it is called."""

DOWNLOADS = {
    "PDF": "Report (PDF)",
    "MP4": "Video (MP4)",
    "CSV": "Curves (CSV)",
    "JSON": "Indices (JSON)",
    "HDF5": "Points (HDF5)",
}
"""Name in `work.DOWNLOADS` → label of its button."""

_TELL = "watch('value', () => document.dispatchEvent(new CustomEvent('cpwc-{name}', {{ detail: props.value }})));"

Parts = dict[str, Block]
"""The components, by name."""


def looks() -> dict:
    """Theme and style sheet, for `launch`. Fonts are those of the visitor's system."""
    fonts = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
    blue = gr.themes.Color("#f0f6f9", "#dcebf2", "#bfdbe7", "#94c3d7", "#5fa5c1", "#2b7a9b", "#246986", "#1f5870",
                               "#1b485b", "#163a4a", "#0f2733")  # fmt: skip
    theme = gr.themes.Base(
        primary_hue=blue, secondary_hue=blue, neutral_hue="slate", font=list(fonts), font_mono=["monospace"],
        radius_size="sm", spacing_size="sm", text_size="md",
    ).set(body_background_fill="#f6f8f9", block_border_width="1px", block_label_text_weight="500",
          button_primary_background_fill="*primary_500", button_primary_background_fill_hover="*primary_600",
          button_primary_text_color="white")  # fmt: skip
    light = "() => { document.body.classList.remove('dark'); }"  # figures are made for a light page
    return {"theme": theme, "css": _asset("page.css"), "js": light}


def layout() -> Parts:
    """Lay out the page within an open `gradio.Blocks`; nothing is wired yet."""
    ui: Parts = {}
    gr.HTML("<div class='title'><h1>cpwc-keras</h1><p>Left-ventricular motion and strain from a cine loop</p>"
            f"<span class='research'>{pictures.RESEARCH_ONLY}</span></div>")  # fmt: skip
    with gr.Row(equal_height=False):
        with gr.Column(scale=7, min_width=400):
            _picture(ui)
        with gr.Column(scale=4, min_width=320):
            _loop(ui)
            _contour(ui)
            _tracking(ui)
    with gr.Column(visible=False, elem_id="results") as ui["results"]:
        _results(ui)
    gr.HTML("<div class='foot'>What you open stays on the machine that runs this page and is deleted when you close "
            "it. Names in headers and file names do not reach the downloads.</div>")  # fmt: skip
    return ui


def _picture(ui: Parts) -> None:
    ui["editor"] = gr.HTML({}, html_template=_asset("editor.html"), js_on_load=_asset("editor.js"),
                           apply_default_css=False, elem_id="editor")  # fmt: skip
    for name in ("film", "tracks"):  # for the editor, which needs them beside what it shows
        ui[name] = gr.HTML({}, html_template="", js_on_load=_TELL.format(name=name), elem_classes="unseen")
    ui["frame"] = gr.Slider(
        0, 1, 0, step=1, label="Frame", buttons=[], interactive=True, visible=False, elem_id="frame"
    )
    with gr.Row(visible=False, elem_classes="tight") as ui["marks"]:
        for name, label in (("is_ed", "Set ED here"), ("go_ed", "Go to ED"), ("is_es", "Set ES here"),
                            ("go_es", "Go to ES"), ("auto_es", "Automatic ES")):  # fmt: skip
            ui[name] = gr.Button(label, size="sm", elem_id=name.replace("_", "-"), min_width=60)


def _loop(ui: Parts) -> None:
    gr.HTML("<div class='step'>1 · Loop</div>")
    ui["file"] = gr.File(show_label=False, height=124, elem_id="loop-file")
    with gr.Row(elem_classes="tight"):
        ui["example"] = gr.Button("Try the example loop", size="sm", elem_id="example", min_width=120)
        ui["close"] = gr.Button("Close and delete", size="sm", elem_id="close", min_width=120, visible=False)
    ui["facts"] = gr.HTML("")
    with gr.Accordion("Pixel spacing and frame rate", open=False, elem_id="scale") as ui["scale"]:
        ui["scale_help"] = gr.HTML("<p class='help'>Open a loop first.</p>")
        with gr.Row(elem_classes="tight"):
            ui["row_mm"] = gr.Textbox("", label="Row, mm", placeholder="as read", min_width=80, max_lines=1)
            ui["col_mm"] = gr.Textbox("", label="Column, mm", placeholder="as row", min_width=80, max_lines=1)
            ui["rate"] = gr.Textbox("", label="Frames/s", placeholder="as read", min_width=80, max_lines=1)
        ui["apply"] = gr.Button("Use these", size="sm", elem_id="apply")


def _contour(ui: Parts) -> None:
    gr.HTML("<div class='step'>2 · Contour at end-diastole</div>")
    ui["mode"] = gr.Radio(list(MODES.values()), value=MODES[True], show_label=False, container=False)
    with gr.Row(elem_classes="tight"):
        ui["undo"] = gr.Button("Undo", size="sm", elem_id="undo", min_width=56)
        ui["clear"] = gr.Button("Clear", size="sm", elem_id="clear", min_width=56)
        ui["contour_file"] = gr.UploadButton("Open contour", size="sm", elem_id="contour-file", min_width=92)
        ui["save"] = gr.Button("Save contour", size="sm", elem_id="save", min_width=92)
        ui["save_file"] = gr.DownloadButton("", elem_id="save-file", elem_classes="unseen")


def _tracking(ui: Parts) -> None:
    gr.HTML("<div class='step'>3 · Tracking</div>")
    with gr.Accordion("Settings", open=False):
        choices = [(label, name) for name, label in tracker_labels().items()]
        ui["tracker"] = gr.Dropdown(choices, value=choices[0][1], label="Tracker", elem_id="tracker")
        ui["precision"] = gr.Radio(list(PRECISIONS), value=PRECISIONS[0], label="Precision of a network",
                                   info="bfloat16 is nearly twice as fast on processors that know it")  # fmt: skip
        ui["reach"] = gr.Slider(1, 10, REACH, step=1, label="Reach, frames", buttons=[],
                                info="Frames between two images that are compared; 1: always neighbours")  # fmt: skip
        ui["composition"] = gr.Checkbox(True, label="Average forward and backward motion")
        ui["dense"] = gr.Checkbox(False, label="Keep the motion of every pixel in the HDF5 (slower)")
    with gr.Row(elem_classes="tight"):
        ui["track"] = gr.Button("Track", variant="primary", elem_id="track", min_width=80)
        ui["cancel"] = gr.Button("Cancel", interactive=False, elem_id="cancel", min_width=80)
    ui["status"] = gr.HTML("", elem_id="status")


def _results(ui: Parts) -> None:
    ui["mind"] = gr.HTML("")
    ui["headline"] = gr.HTML("")
    with gr.Tabs():
        with gr.Tab("Overlay"):
            ui["video"] = gr.Video(show_label=False, loop=True, autoplay=True, height=520, buttons=[], elem_id="video")
            ui["speed"] = gr.HTML("")
        with gr.Tab("Curves"):
            ui["curves"] = gr.HTML("")
        with gr.Tab("Regional strain"):
            ui["regions"] = gr.HTML("")
            gr.HTML("<p class='help'>The segments have the names of the four-chamber view, whatever the view is.</p>")
        with gr.Tab("Motion"):
            ui["motion"] = gr.HTML("", elem_id="motion")
            ui["motion_frame"] = gr.Slider(0, 1, 0, step=1, label="From frame", buttons=[], elem_id="motion-frame")
        with gr.Tab("Numbers"):
            ui["table"] = gr.HTML("")
    gr.HTML("<div class='step'>Download</div>")
    with gr.Row(elem_classes="tight"):
        for name, label in DOWNLOADS.items():
            ui[name] = gr.DownloadButton(label, size="sm", elem_id=f"download-{name.lower()}", min_width=100)


def _asset(name: str) -> str:
    return (files("cpwc_keras.app") / name).read_text(encoding="utf-8")
