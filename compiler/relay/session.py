"""`InferenceSession`: a model as onnxruntime presents it."""
