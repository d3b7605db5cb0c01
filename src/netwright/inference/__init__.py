"""Networks that are trained, as they run: folded, compiled, in ONNX files, in eight bits."""
