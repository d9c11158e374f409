"""How the page looks: its components in their places, its theme."""

from __future__ import annotations

from importlib.resources import files

from cpwc_keras.app import pictures, work
from cpwc_keras.models.precision import PRECISIONS
from cpwc_keras.tracking.carry import REACH

MODES = {True: "Three clicks, then adjust", False: "Every point"}
"""Of drawing: whether three clicks propose a whole contour → what it is called."""


def looks(gradio) -> dict:
    """Theme and style sheet, for `launch`. Fonts are those of the visitor's system."""
    fonts = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
    blue = gradio.themes.Color("#f0f6f9", "#dcebf2", "#bfdbe7", "#94c3d7", "#5fa5c1", "#2b7a9b", "#246986", "#1f5870",
                               "#1b485b", "#163a4a", "#0f2733")  # fmt: skip
    theme = gradio.themes.Base(
        primary_hue=blue, secondary_hue=blue, neutral_hue="slate", font=list(fonts), font_mono=["monospace"],
        radius_size="sm", spacing_size="sm", text_size="md",
    ).set(body_background_fill="#f6f8f9", block_border_width="1px", block_label_text_weight="500",
          button_primary_background_fill="*primary_500", button_primary_background_fill_hover="*primary_600",
          button_primary_text_color="white")  # fmt: skip
    light = "() => { document.body.classList.remove('dark'); }"  # figures are made for a light page
    return {"theme": theme, "css": _asset("page.css"), "js": light}


class Parts(dict):
    """The components, by name."""

    __getattr__ = dict.__getitem__


def layout(gr) -> Parts:
    """Lay out the page within an open `gradio.Blocks`; nothing is wired yet."""
    ui = Parts()
    gr.HTML("<div class='title'><h1>cpwc-keras</h1><p>Left-ventricular motion and strain from a cine loop</p>"
            f"<span class='research'>{pictures.RESEARCH_ONLY}</span></div>")  # fmt: skip
    with gr.Row(equal_height=False):
        with gr.Column(scale=7, min_width=480):
            ui["editor"] = gr.HTML({}, html_template=_asset("editor.html"), js_on_load=_asset("editor.js"),
                                   apply_default_css=False, elem_id="editor")  # fmt: skip
            ui["frame"] = gr.Slider(
                0, 1, 0, step=1, label="Frame", buttons=[], interactive=True, visible=False, elem_id="frame"
            )
            with gr.Row(visible=False) as ui["marks"]:
                ui["is_ed"] = gr.Button("Frame is ED", size="sm", elem_id="is-ed")
                ui["is_es"] = gr.Button("Frame is ES", size="sm", elem_id="is-es")
                ui["auto_es"] = gr.Button("ES from tracked area", size="sm", elem_id="auto-es")
                ui["go_ed"] = gr.Button("Go to ED", size="sm", elem_id="go-ed")
        with gr.Column(scale=4, min_width=340):
            gr.HTML("<div class='step'>1 · Loop</div>")
            ui["file"] = gr.File(show_label=False, height=120, elem_id="loop-file")
            ui["example"] = gr.Button("Try the example loop", size="sm", elem_id="example")
            ui["facts"] = gr.HTML("")
            with gr.Accordion("Pixel spacing and frame rate", open=False):
                with gr.Row():
                    ui["row_mm"] = gr.Number(None, label="Row, mm", min_width=70)
                    ui["col_mm"] = gr.Number(None, label="Column, mm", min_width=70)
                    ui["rate"] = gr.Number(None, label="Frames / s", min_width=70)
                ui["apply"] = gr.Button("Use these", size="sm", elem_id="apply")
            gr.HTML("<div class='step'>2 · Contour at end-diastole</div>")
            ui["mode"] = gr.Radio(list(MODES.values()), value=MODES[True],
                                  show_label=False, container=False)  # fmt: skip
            with gr.Row():
                ui["undo"] = gr.Button("Undo", size="sm", elem_id="undo", min_width=60)
                ui["clear"] = gr.Button("Clear", size="sm", elem_id="clear", min_width=60)
                ui["contour_file"] = gr.UploadButton("Open a contour", size="sm", elem_id="contour-file", min_width=110)
                ui["save"] = gr.Button("Save it", size="sm", elem_id="save", min_width=70)
                ui["save_file"] = gr.DownloadButton("", elem_id="save-file", elem_classes="unseen")
            gr.HTML("<div class='step'>3 · Tracking</div>")
            with gr.Accordion("Settings", open=False):
                names = work.trackers()
                ui["tracker"] = gr.Dropdown(names, value=names[0], label="Tracker", elem_id="tracker")
                ui["precision"] = gr.Radio(list(PRECISIONS), value=PRECISIONS[0], label="Precision of a network")
                ui["reach"] = gr.Slider(1, 10, REACH, step=1, label="Reach, frames", buttons=[])
                ui["composition"] = gr.Checkbox(True, label="Average forward and backward motion")
                ui["dense"] = gr.Checkbox(False, label="Keep the motion of every pixel in the HDF5 (slower)")
            with gr.Row():
                ui["track"] = gr.Button("Track", variant="primary", elem_id="track")
                ui["cancel"] = gr.Button("Cancel", interactive=False, elem_id="cancel")
            ui["status"] = gr.HTML("", elem_id="status")
    with gr.Column(visible=False, elem_id="results") as ui["results"]:
        ui["headline"] = gr.HTML("")
        with gr.Tabs():
            with gr.Tab("Overlay"):
                ui["video"] = gr.Video(
                    show_label=False, loop=True, autoplay=True, height=520, buttons=[], elem_id="video"
                )
            with gr.Tab("Curves"):
                ui["curves"] = gr.HTML("")
            with gr.Tab("Regional strain"):
                ui["regions"] = gr.HTML("")
            with gr.Tab("Motion"):
                ui["motion"] = gr.HTML("", elem_id="motion")
                ui["motion_frame"] = gr.Slider(0, 1, 0, step=1, label="From frame", buttons=[], elem_id="motion-frame")
            with gr.Tab("Numbers"):
                ui["table"] = gr.HTML("")
        with gr.Row():
            for name in work.DOWNLOADS:
                ui[name] = gr.DownloadButton(name, size="sm", elem_id=f"download-{name.lower()}", min_width=80)
        ui["mind"] = gr.HTML("")
    gr.HTML("<div class='foot'>What you open stays on the machine that runs this page and is deleted when you close "
            "it. Names in headers and file names do not reach the downloads.</div>")  # fmt: skip
    return ui


def _asset(name: str) -> str:
    return (files("cpwc_keras.app") / name).read_text(encoding="utf-8")
