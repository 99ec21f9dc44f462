"""What is remembered, in Chroma: accepted kernels and papers."""
