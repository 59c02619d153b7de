"""Pretraining records: built from documents, counted, and read for training."""
