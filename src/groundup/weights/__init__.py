"""Models on the disk: Hugging Face folders in and out, and the checkpoints of a run."""
