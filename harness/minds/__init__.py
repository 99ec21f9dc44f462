"""Who thinks: the built-in tuner, llama.cpp in process, an OpenAI-compatible local server."""
