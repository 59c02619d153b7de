"""Text before it is tokenized: documents, sentences, and the corpus that Python packages hold."""
