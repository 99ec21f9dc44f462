"""The minds of the agents: the built-in tuner, llama.cpp in process, or a local OpenAI-compatible server."""
