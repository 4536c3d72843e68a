"""Inference: loading models, the engine, chat formats, numbers read from digits, and the litellm provider."""
