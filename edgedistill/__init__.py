"""From an accurate network to the int8 ONNX model that runs on your device within budget, with proof."""
