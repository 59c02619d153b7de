"""`Resizable`, the part of `AlbertEncoder` that makes its word table longer."""

from __future__ import annotations

from typing import Any

from albert_tf.errors import InputError
from albert_tf.modeling.embeddings import Table


class Resizable:
    """Adds `resize_token_embeddings` to the encoder."""

    _config: dict[str, Any]
    _shares_embeddings: bool

    def resize_token_embeddings(self, rows: int) -> Table:
        """Appends rows to the word table, drawn from its initializer.

        The old rows stay as they are, so that old ids keep their outputs. `albert-tf vocab extend`
        begins with the means of the rows of pieces instead. A `tf.function` that has called the
        model before still reads the old table.

        Args:
          rows: the new number of rows; at least the current one, as ids of removed rows would be
            invalid.

        Returns:
          The layer of the word table.

        Raises:
          InputError: the number of rows is smaller, or the table is a layer that was passed to the
            encoder.
        """
        table = self.get_embedding_layer()
        if self._shares_embeddings:
            raise InputError(
                "Only a word table that the encoder made can be resized. Received an encoder with "
                f"an embedding_layer of type {type(table).__name__}. Pass one with more rows."
            )
        if type(rows) is not int or rows < table.rows:
            raise InputError(
                "A word table can only grow, as ids of removed rows would be invalid. Received "
                f"{rows!r:.80} for a table of {table.rows} rows. Pass a larger integer."
            )
        if rows > table.rows:
            table.grow(rows)
            self._config["vocab_size"] = rows
        return table
