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
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gin

from albert_tf.errors import InputError, closest
from albert_tf.training import gin_values

_PACKAGE = Path(__file__).resolve().parents[1]
# The checkout comes before the installed package. export/ and experiments/ are at the top level of
# a checkout, but inside the installed package.
ROOTS = tuple(r for r in (_PACKAGE.parent, _PACKAGE) if (r / "experiments" / "runs").is_dir())
_INCLUDE = re.compile(r"""^(\s*include\s+)(["'])(.+?)\2""", re.MULTILINE)
_MACRO = re.compile(r"^([\w/]+)[ \t]*=", re.MULTILINE)
_USED = re.compile(r"%([\w/.]+)")
_SCOPED = re.compile(r"@([\w/]+)/")
# What a file or value can raise in gin's parser and in the modules that it imports.
_INVALID = (
    *(ValueError, TypeError, SyntaxError, OSError, AttributeError, ImportError, LookupError),
    *(NameError, RecursionError, MemoryError, tokenize.TokenError),
)


def recipes() -> dict[str, Path]:
    """Returns the gin files in experiments/recipes, keyed by their name without `.gin`."""
    return {
        path.stem: path
        for root in reversed(ROOTS)
        for path in sorted((root / "experiments" / "recipes").glob("*.gin"))
    }


def resolve(name: str, including: Path | None = None) -> Path:
    """Returns the gin file for a path, a path such as experiments/optim/lamb.gin, or a recipe name.

    Args:
      name: the path or name.
      including: the file with the `include` statement, if any; paths may be relative to its folder.

    Raises:
      InputError: there is no such file or recipe.
    """
    beside = [including.parent / name] if including else []
    for path in (*beside, Path(name).expanduser(), *(root / name for root in ROOTS)):
        with contextlib.suppress(OSError):  # The name is too long for a path.
            if path.is_file():
                return path.resolve()
    known = recipes()
    if name in known:
        return known[name]
    rule = f"An include in '{including}'" if including else "--gin_file"
    raise InputError(
        f"{rule} must be an existing file or the name of a recipe. "
        f"Received {name[:200]!r}. {closest(Path(name[:200]).stem, known)}"
    )


def shown(path: Path) -> str:
    """Returns the path of a gin file for messages: that in experiments/, or the path as it is."""
    for root in ROOTS:
        if path.is_relative_to(root / "experiments"):
            return str(path.relative_to(root))
    return str(path)


def parse(files: Sequence[str], overrides: Sequence[str]) -> None:
    """Parses gin files and then overrides into gin's global configuration, and checks the result.

    Args:
      files: paths or recipe names. Later files take precedence.
      overrides: "NAME=VALUE", where NAME is a macro or a binding. A VALUE that is neither a Python
        literal nor a reference with `@` or `%` is taken as a string, so that strings need no extra
        quotes in a shell.

    Raises:
      InputError: a file is missing, a name is unknown, a value has the wrong type, or a required
        macro is not set.
    """
    gin.clear_config()
    paths = [str(resolve(name)) for name in files]
    texts = [*_packaged(), *overrides]
    with parsing(files, overrides):
        with _reading(texts):
            gin.parse_config_files_and_bindings(paths, [], finalize_config=False)
        gin.parse_config([_binding(override) for override in overrides])
    _check_used(texts)
    gin_values.check(gin.config._CONFIG, dict(o.split("=", 1) for o in overrides))
    # gin.finalize() would do less, and then forbid imports that register functions with gin, as
    # the conversion to Model Garden's format has.
    _check_required()


@contextlib.contextmanager
def parsing(files: Sequence[object], overrides: Sequence[str] = ()) -> Iterator[None]:
    """Turns the errors of gin's parser, and of the modules that it imports, into `InputError`."""
    try:
        yield
    except InputError as error:
        raise InputError(_without_location(error)) from error
    except _INVALID as error:
        raise InputError(
            "Gin files and overrides may use existing names only. Received "
            f"{[str(file) for file in files]} with {list(overrides)}: {_first_lines(error)} Check "
            "the spelling against the list that `albert-tf train --macros` prints."
        ) from error


def configured(function: Callable, scope: str = "") -> Callable:
    """Returns `function` with the arguments that are bound in the parsed files, in a gin scope.

    Raises:
      InputError: the files do not configure the function.
    """
    registered = gin.config._REGISTRY
    # Modules may be imported under other names, so the selector need not be the function's path.
    if not any(registered[selector].wrapped is function for _, selector in gin.config._CONFIG):
        name = f"{function.__module__}.{function.__name__}"
        raise InputError(
            f"Gin files must configure {name}. Received files "
            "that do not. Include a file from experiments/runs/."
        )
    configurable = gin.get_configurable(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            with gin.config_scope(scope or None):
                return configurable(*args, **kwargs)
        except InputError as error:  # drop the lines that gin appends to the message
            raise InputError(_without_location(error)) from error

    return call


def macros() -> dict[str, object]:
    """Returns the macros that the parsed files define, with their values."""
    return {
        scope: values["value"]
        for (scope, selector), values in gin.config._CONFIG.items()
        if selector == "gin.macro" and "value" in values
    }


def split_override(override: str, known: Iterable[str]) -> tuple[str, str]:
    """Returns the name of an override and its value as gin files write it.

    Raises:
      InputError: the override is not NAME=VALUE, or NAME is neither a known macro nor a binding.
    """
    name, equals, value = override.partition("=")
    if not equals or not name:
        raise InputError(
            "An override must have the form --gin.NAME=VALUE. Received "
            f"--gin.{override}. Add the value."
        )
    if "." not in name and name not in known:
        raise InputError(
            f"An override must set a macro that the gin files define. Received {name!r}. "
            f"{closest(name, known)}"
        )
    return name, value if _is_gin_value(value) else repr(value)


def _binding(override: str) -> str:
    return " = ".join(split_override(override, macros()))


def _is_gin_value(value: str) -> bool:
    if value.startswith(("@", "%")):
        return True
    try:
        ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return False
    return True


def _check_used(texts: list[str]) -> None:
    """Raises `InputError` for a macro or a scope that nothing refers to, such as a misspelt one."""
    used = {name for text in texts for name in _USED.findall(text)}
    known = used | {name for text in _packaged() for name in _MACRO.findall(text)}
    scopes = {scope for text in texts for scope in _SCOPED.findall(text)}
    scopes |= {scope.rsplit("/", count)[0] for scope in scopes for count in range(scope.count("/"))}
    for scope, selector in gin.config._CONFIG:
        if selector == "gin.macro" and scope not in known:
            raise InputError(
                "A gin file must set macros that a binding uses. Received "
                f"{scope!r}, which none uses. {closest(scope, used)}"
            )
        if selector != "gin.macro" and scope and scope not in scopes:
            raise InputError(
                "A binding in a scope must have a reference to that scope. Received "
                f"'{scope}/{selector}', but no @{scope}/... in the files. {closest(scope, scopes)}"
            )


@functools.cache
def _packaged() -> tuple[str, ...]:
    """Returns the texts of all gin files of this package."""
    files = sorted(file for root in ROOTS for file in (root / "experiments").rglob("*.gin"))
    return tuple(file.read_text(encoding="utf-8") for file in files)


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


def read_text(path: str | Path) -> str:
    """Returns the text of a gin file."""
    return Path(path).read_text(encoding="utf-8")


def check_no_circle(path: str | Path, including: Sequence[str | Path]) -> None:
    """Raises `InputError` if a file is one of those that include it."""
    if path in including:
        circle = [*including[including.index(path) :], path]
        raise InputError(
            "Gin files must not include each other in a circle. Received "
            f"{' -> '.join(map(str, circle))}. Remove an include."
        )


@contextlib.contextmanager
def _reading(texts: list[str]) -> Iterator[None]:
    """Lets gin read files through `resolve`, and adds the text of each file to `texts`."""
    opened: list[str] = []

    @contextlib.contextmanager
    def read(path: str) -> Iterator[io.StringIO]:
        check_no_circle(path, opened)
        text = read_text(path)
        texts.append(text)
        opened.append(path)
        text = _INCLUDE.sub(lambda m: f"{m[1]}{str(resolve(m[3], Path(path)))!r}", text)
        file = io.StringIO(text)
        file.name = path  # for the locations in gin's errors
        yield file
        opened.pop()

    before = gin.config._FILE_READERS[:]
    gin.config._FILE_READERS[:] = [(read, lambda path: True)]
    try:
        yield
    finally:
        gin.config._FILE_READERS[:] = before


def _without_location(error: Exception) -> str:
    """Returns the message of an error without the lines that gin appends to it."""
    return re.split(r"\n  In (?:call to|file|bindings)", str(error))[0]


def _first_lines(error: Exception, count: int = 3) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:count])
