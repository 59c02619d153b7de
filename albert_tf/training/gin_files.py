"""Gin files: where they lie, how the command line overrides them, and clear errors.

Gin stays at this edge: no function of this package is decorated for it. Files import what they
configure (`from __gin__ import dynamic_registration`), and recipes name the macros a user sets.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib.util  # noqa: F401  gin 0.5.0 uses it without importing it.
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gin
from absl import logging

from albert_tf.errors import InputError, closest

_PACKAGE = Path(__file__).resolve().parents[1]
# The checkout first, then the installed package: export/ and experiments/ stand at the top of the
# one and inside the other.
ROOTS = tuple(r for r in (_PACKAGE.parent, _PACKAGE) if (r / "experiments" / "runs").is_dir())


def recipes() -> dict[str, Path]:
    """Returns the launchable files of experiments/recipes by name without `.gin`."""
    return {
        path.stem: path
        for root in reversed(ROOTS)
        for path in sorted((root / "experiments" / "recipes").glob("*.gin"))
    }


def resolve(name: str) -> Path:
    """Returns the gin file for a path, a path below the folder of experiments/, or a recipe name.

    Raises:
      InputError: there is none.
    """
    candidates = [Path(name).expanduser(), *(root / name for root in ROOTS)]
    for path in candidates:
        if path.is_file():
            return path.resolve()
    known = recipes()
    if name in known:
        return known[name]
    raise InputError(
        "--gin_file must be an existing file or the name of a recipe. "
        f"Received {name!r}. {closest(Path(name).stem, known)}"
    )


def parse(files: Sequence[str], overrides: Sequence[str]) -> None:
    """Parses gin files, then overrides, into gin's global configuration, and checks it whole.

    Args:
      files: paths or recipe names; later files win.
      overrides: "NAME=VALUE" with a macro or a binding; a VALUE that is no Python literal, `@` or
        `%` reference is taken as a string, so that shells need no second quotes.

    Raises:
      InputError: a file is missing, a name is unknown, or a required macro is not set.
    """
    gin.clear_config()
    for root in ROOTS:
        gin.add_config_file_search_path(str(root))
    paths = [str(resolve(name)) for name in files]
    try:
        with _without_notices():
            gin.parse_config_files_and_bindings(paths, [], finalize_config=False)
        gin.parse_config([_binding(override) for override in overrides])
    except InputError:
        raise
    except (ValueError, TypeError, SyntaxError, OSError, AttributeError, ImportError) as error:
        raise InputError(
            f"Gin files and overrides must name what exists. Received {list(files)} with "
            f"{list(overrides)}: {_first_lines(error)} Check the spelling against "
            "experiments/README.md."
        ) from error
    _check_required()
    gin.finalize()


def configured(function: Callable) -> Callable:
    """Returns `function` with the arguments that the parsed files bind.

    Raises:
      InputError: no file binds it.
    """
    name = f"{function.__module__}.{function.__name__}"
    if not any(name.endswith(selector) for _, selector in gin.config._CONFIG):
        raise InputError(
            f"Gin files must configure {name}. Received files "
            "that do not. Include one of experiments/runs/."
        )
    configurable = gin.get_configurable(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return configurable(*args, **kwargs)
        except InputError as error:  # without the lines that gin adds about itself
            raise InputError(str(error).split("\n  In call to configurable")[0]) from error

    return call


def macros() -> dict[str, object]:
    """Returns the macros that the parsed files define, with their values."""
    return {
        scope: values["value"]
        for (scope, selector), values in gin.config._CONFIG.items()
        if selector == "gin.macro" and "value" in values
    }


def _binding(override: str) -> str:
    name, equals, value = override.partition("=")
    if not equals or not name:
        raise InputError(
            f"An override must read --gin.NAME=VALUE. Received --gin.{override}. Add the value."
        )
    if re.fullmatch(r"[A-Z][A-Z0-9_]*", name) and name not in macros():
        raise InputError(
            f"An override must set a macro that the gin files define. Received {name!r}. "
            f"{closest(name, macros())}"
        )
    return f"{name} = {value if _is_gin_value(value) else repr(value)}"


def _is_gin_value(value: str) -> bool:
    if value.startswith(("@", "%")):
        return True
    try:
        ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return False
    return True


def _check_required() -> None:
    required = sorted(
        name for name, value in macros().items() if str(value).strip() == "%gin.REQUIRED"
    )
    if required:
        raise InputError(
            f"Required macros must be set. Received no value for {', '.join(required)}. Add "
            + " ".join(f"--gin.{name}=VALUE" for name in required)
            + "."
        )


@contextlib.contextmanager
def _without_notices() -> Iterator[None]:
    """Gin logs an error for each place of the search path where an include does not lie."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.FATAL)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _first_lines(error: Exception, count: int = 3) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:count])
