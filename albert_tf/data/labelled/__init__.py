"""Labelled examples of fine-tuning tasks: read, tokenized, cut into windows, batched."""
