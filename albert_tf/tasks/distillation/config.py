"""The settings of distillation."""

from __future__ import annotations

import dataclasses
import math

from official.modeling.hyperparams import base_config

from albert_tf.errors import InputError

LOGITS, HIDDEN, ATTENTION = PARTS = ("logits", "hidden", "attention")


@dataclasses.dataclass
class DistillationConfig(base_config.Config):
    """What a run learns from a teacher, and with which weights; nothing without `teacher`.

    Attributes:
      teacher: the model to learn from, in any format: one for the same task and labels.
      labels: the weight of the loss of labels; 0 learns from the teacher only.
      logits: the weight of the divergence of softened logits.
      hidden: the weight of the squared difference of hidden states.
      attention: the weight of the divergence of attention. It needs padding to be computed.
      temperature: what logits are divided by before the softmax.
      unlabelled: files without labels, for the losses of the teacher only.
    """

    teacher: str = ""
    labels: float = 1.0
    logits: float = 1.0
    hidden: float = 1.0
    attention: float = 0.0
    temperature: float = 2.0
    unlabelled: str | list[str] = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """The losses that have a weight."""
        return tuple(name for name in PARTS if getattr(self, name))

    def check(self) -> None:
        """Raises `InputError` for the first broken rule."""
        default = DistillationConfig()
        if not self.teacher:
            for field in dataclasses.fields(self):
                value = getattr(self, field.name)
                if value != getattr(default, field.name):
                    raise InputError(
                        f"{macro(field.name)} is a setting of distillation. Received "
                        f"{macro(field.name)}={value!r:.80} and no TEACHER. Set TEACHER, or leave "
                        "it out."
                    )
            return
        for name in ("labels", *PARTS):
            value = getattr(self, name)
            if type(value) not in (int, float) or not 0 <= value < math.inf:
                raise InputError(
                    f"{macro(name)} must be the weight of a loss, 0 or more. Received "
                    f"{value!r:.80}. Set it to such as 1.0, or to 0 to leave the loss out."
                )
        if not self.parts:
            raise InputError(
                "A run with a TEACHER must learn from it. Received 0 for each of "
                f"{', '.join(map(macro, PARTS))}. Give one a weight, or leave TEACHER out."
            )
        temperature = self.temperature
        if type(temperature) not in (int, float) or not 0 < temperature < math.inf:
            raise InputError(
                "DISTILL_TEMPERATURE must be a positive number. Received "
                f"{temperature!r:.80}. Set it to such as 2.0."
            )


def macro(name: str) -> str:
    """Returns the macro of a field."""
    return name.upper() if name in ("teacher", "unlabelled") else f"DISTILL_{name.upper()}"
