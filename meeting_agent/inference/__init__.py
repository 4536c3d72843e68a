"""Models that answer: loading them, the engine, chat formats, numbers read from digits, the litellm provider."""
