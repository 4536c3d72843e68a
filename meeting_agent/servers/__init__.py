"""OpenAI-compatible servers: reading their answers and explaining their errors."""
