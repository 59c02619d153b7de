"""Which tokens are masked, and what is written there: by the builder and in the graph."""
