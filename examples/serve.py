"""Serves an exported network over HTTP: ONNX Runtime, Pillow, Starlette; neither torch nor netwright is needed where this runs.

python serve.py net.onnx 8000
curl --data-binary @picture.jpg http://127.0.0.1:8000/
"""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import onnxruntime
import uvicorn
from PIL import Image, ImageOps
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

LARGEST = 20_000_000  # bytes of a picture that is sent
FILTERS = {name: Image.Resampling[name.upper()] for name in ("nearest", "bilinear", "bicubic", "lanczos")}


class Network:
    """An exported network, and how pictures are shown to it: the file says both."""

    def __init__(self, path: str) -> None:
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        said = self.session.get_modelmeta().custom_metadata_map
        self.classes = json.loads(said["classes"])
        self.image, self.resize, self.channels = (json.loads(said[key]) for key in ("image", "resize", "channels"))
        self.mean, self.std = (np.array(json.loads(said[key]), np.float32) for key in ("mean", "std"))
        self.filter = FILTERS[said["filter"]]

    def __call__(self, data: bytes) -> list[dict[str, object]]:
        """The bytes of a picture file -> its classes, the most probable first."""
        (logits,) = self.session.run(["logits"], {"image": self.shown(data)})
        powers = np.exp(logits[0] - logits[0].max())
        shares = powers / powers.sum()
        return [{"class": self.classes[i], "probability": round(float(shares[i]), 4)} for i in np.argsort(-shares)[:5]]

    def shown(self, data: bytes) -> np.ndarray:
        """(1, channels, image, image), normalized: the shorter side is resized to `resize`, then the centre is cut out."""
        picture = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("L" if self.channels == 1 else "RGB")
        width, height = (side * self.resize // min(picture.size) for side in picture.size)
        picture = picture.resize((width, height), self.filter)
        left, top = (round((side - self.image) / 2) for side in picture.size)
        pixels = np.asarray(picture.crop((left, top, left + self.image, top + self.image)), np.float32)
        pixels = pixels.reshape(self.image, self.image, self.channels) / 255
        return ((pixels - self.mean) / self.std).transpose(2, 0, 1)[None]


def app(network: Network) -> Starlette:
    """POST a picture to / and have its classes as JSON."""

    async def classify(request: Request) -> JSONResponse:
        data = bytearray()
        async for part in request.stream():
            data += part
            if len(data) > LARGEST:
                return JSONResponse({"error": f"a picture of more than {LARGEST:,} bytes"}, 413)
        try:
            return JSONResponse(await run_in_threadpool(network, bytes(data)))
        except (OSError, ValueError, Image.DecompressionBombError):
            return JSONResponse({"error": "no picture that can be read"}, 400)

    return Starlette(routes=[Route("/", classify, methods=["POST"])])


if __name__ == "__main__":
    _, path, port = sys.argv
    uvicorn.run(app(Network(path)), host="127.0.0.1", port=int(port), log_level="warning")
