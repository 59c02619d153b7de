"""Finds gin files, applies overrides from the command line, and reports errors clearly.

Gin is used in this module only: no function of this package has a gin decorator. Instead, gin files
import the functions that they configure (`from __gin__ import dynamic_registration`), and recipes
list the macros that users set.
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
# The checkout comes before the installed package. export/ and experiments/ are at the top level of
# a checkout, but inside the installed package.
ROOTS = tuple(r for r in (_PACKAGE.parent, _PACKAGE) if (r / "experiments" / "runs").is_dir())


def recipes() -> dict[str, Path]:
    """Returns the gin files in experiments/recipes, keyed by their name without `.gin`."""
    return {
        path.stem: path
        for root in reversed(ROOTS)
        for path in sorted((root / "experiments" / "recipes").glob("*.gin"))
    }


def resolve(name: str) -> Path:
    """Returns the gin file for a path, a path such as experiments/optim/lamb.gin, or a recipe name.

    Raises:
      InputError: there is no such file or recipe.
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
    """Parses gin files and then overrides into gin's global configuration, and checks the result.

    Args:
      files: paths or recipe names. Later files take precedence.
      overrides: "NAME=VALUE", where NAME is a macro or a binding. A VALUE that is neither a Python
        literal nor a reference with `@` or `%` is taken as a string, so that strings need no extra
        quotes in a shell.

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
            "Gin files and overrides may use existing names only. Received "
            f"{list(files)} with {list(overrides)}: {_first_lines(error)} Check the spelling "
            "against experiments/README.md."
        ) from error
    _check_required()
    gin.finalize()


def configured(function: Callable) -> Callable:
    """Returns `function` with the arguments that are bound in the parsed files.

    Raises:
      InputError: the files do not configure the function.
    """
    name = f"{function.__module__}.{function.__name__}"
    if not any(name.endswith(selector) for _, selector in gin.config._CONFIG):
        raise InputError(
            f"Gin files must configure {name}. Received files "
            "that do not. Include a file from experiments/runs/."
        )
    configurable = gin.get_configurable(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return configurable(*args, **kwargs)
        except InputError as error:  # drop the lines that gin appends to the message
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
            "An override must have the form --gin.NAME=VALUE. Received "
            f"--gin.{override}. Add the value."
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
            f"Required macros must be set. Missing: {', '.join(required)}. Add "
            + " ".join(f"--gin.{name}=VALUE" for name in required)
            + "."
        )


@contextlib.contextmanager
def _without_notices() -> Iterator[None]:
    """Silences gin, which logs an error for each folder of its search path without the file."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.FATAL)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _first_lines(error: Exception, count: int = 3) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:count])
