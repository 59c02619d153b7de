"""`EmbeddingSettings`: how a model makes one vector of those of all tokens of a text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from albert_tf.config import ACTIVATIONS
from albert_tf.errors import InputError, closest

# In the order in which sentence-transformers joins the vectors of several modes; "pooled" is ours.
MODES = ("cls", "max", "mean", "mean_sqrt_len", "weighted_mean", "last", "pooled")


class Dense(NamedTuple):
    """A dense layer after the pooling.

    Attributes:
      units: the number of outputs.
      activation: one of `config.ACTIVATIONS`.
      use_bias: whether a bias is added.
      normalize_input: whether the vectors are divided by their length before the layer.
    """

    units: int
    activation: str = "tanh"
    use_bias: bool = True
    normalize_input: bool = False

    @classmethod
    def checked(cls, values: Any) -> Dense:
        """Returns the layer that a mapping of its attributes, or another `Dense`, describes.

        Raises:
          InputError: a name is unknown, or a value breaks a rule.
        """
        values = values._asdict() if isinstance(values, Dense) else values
        if not isinstance(values, Mapping) or not {"units"} <= {*values} <= {*cls._fields}:
            raise InputError(
                "A dense layer must be a dict with 'units' and, optionally, "
                f"{', '.join(cls._fields[1:])}. Received {values!r:.120}. Correct it."
            )
        layer = cls(**values)
        if type(layer.units) is not int or layer.units < 1:
            raise InputError(
                "The units of a dense layer must be a whole number of at least 1. Received "
                f"{layer.units!r:.80}. Correct it."
            )
        if layer.activation not in ACTIVATIONS:
            raise InputError(
                f"Unknown activation of a dense layer. Received {layer.activation!r:.80}. "
                f"{closest(str(layer.activation)[:80], ACTIVATIONS)}"
            )
        for name in ("use_bias", "normalize_input"):
            _check_truth(name, getattr(layer, name))
        return layer


@dataclasses.dataclass(frozen=True)
class EmbeddingSettings:
    """How vectors of tokens become one; a list or a text in place of a tuple is converted.

    Attributes:
      pooling: modes in the order of `MODES`, given in any order, also as text with commas.
      normalize: whether the vector, in the end, is divided by its length.
      dense: layers after the pooling, given as dicts of the attributes of `Dense`.
      dimensions: how many numbers of the vector are kept; None for all.

    Raises:
      InputError: a value breaks a rule.
    """

    pooling: tuple[str, ...] = ("mean",)
    normalize: bool = False
    dense: tuple[Dense, ...] = ()
    dimensions: int | None = None

    def __post_init__(self) -> None:
        """Converts and checks the values."""
        object.__setattr__(self, "pooling", modes_of(self.pooling))
        _check_truth("normalize", self.normalize)
        if not isinstance(self.dense, (list, tuple)):
            raise InputError(
                f"Dense layers must be a list with a dict for each. Received {self.dense!r:.80}."
            )
        object.__setattr__(self, "dense", tuple(map(Dense.checked, self.dense)))
        kept = self.dimensions
        if kept is not None and (type(kept) is not int or kept < 1):
            raise InputError(
                "The dimensions of vectors must be a whole number of at least 1. Received "
                f"{kept!r:.80}. Correct it, or leave it out for all."
            )

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> EmbeddingSettings:
        """Returns the settings among those of a task."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: settings[name] for name in names if name in settings})

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON values, without layers and dimensions that are not set."""
        values: dict[str, Any] = {"pooling": list(self.pooling), "normalize": self.normalize}
        if self.dense:
            values["dense"] = [layer._asdict() for layer in self.dense]
        return values if self.dimensions is None else {**values, "dimensions": self.dimensions}

    def width(self, hidden_size: int) -> int:
        """Returns the number of numbers of a vector before any are left out."""
        return self.dense[-1].units if self.dense else len(self.pooling) * hidden_size

    def size(self, hidden_size: int) -> int:
        """Returns the number of numbers of a vector.

        Raises:
          InputError: `dimensions` exceeds it.
        """
        width = self.width(hidden_size)
        if (self.dimensions or 0) > width:
            raise InputError(
                f"The dimensions of vectors must be between 1 and {width}, their size. Received "
                f"{self.dimensions}. Lower them, or leave them out for all."
            )
        return self.dimensions or width

    def weights(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yields the name and the shape of each weight, as `task_types.HeadWeight` has them."""
        inputs = f"{len(self.pooling)}H"
        for index, layer in enumerate(self.dense):
            units = str(layer.units)
            yield f"dense/{index}/kernel", (inputs, units)
            if layer.use_bias:
                yield f"dense/{index}/bias", (units,)
            inputs = units

    def steps(self, hidden_size: int) -> str:
        """Returns what is computed, step by step, for the user."""
        parts = [f"{' and '.join(self.pooling)} ({len(self.pooling) * hidden_size})"]
        for layer in self.dense:
            bias = "" if layer.use_bias else ", no bias"
            parts += ["normalize"] if layer.normalize_input else []
            parts.append(f"dense ({layer.units}, {layer.activation}{bias})")
        parts += [f"first {self.dimensions}"] if self.dimensions else []
        return ", then ".join([*parts, *(["normalize"] if self.normalize else [])])


def modes_of(pooling: str | Sequence[str]) -> tuple[str, ...]:
    """Returns the modes of a pooling, a list or names separated by commas, in the order of `MODES`.

    Raises:
      InputError: there is none, or one is unknown.
    """
    names = pooling.split(",") if isinstance(pooling, str) else pooling
    if not isinstance(names, (list, tuple)):
        raise InputError(
            f"A pooling must be the name of a mode, or a list of names. Received {names!r:.80}. "
            f"Choose of {', '.join(MODES)}."
        )
    names = [str(name).strip() for name in names]
    for name in names:
        if name not in MODES:
            raise InputError(f"Unknown pooling. Received {name!r:.80}. {closest(str(name), MODES)}")
    if not names:
        raise InputError(f"A pooling needs a mode. Received no mode. Choose of {', '.join(MODES)}.")
    return tuple(mode for mode in MODES if mode in names)


def _check_truth(name: str, value: Any) -> None:
    if type(value) is not bool:
        raise InputError(f"{name} must be true or false. Received {value!r:.80}. Correct it.")
