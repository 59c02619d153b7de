"""Checks the values of a gin configuration against the signatures of what they configure.

The type of a macro is that of the arguments and dataclass fields that it is bound to.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import math
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import gin

from albert_tf.errors import InputError, closest

Config = dict[tuple[str, str], dict[str, Any]]  # gin's: values by argument, by scope and selector
Reference = gin.config.ConfigurableReference
_MACRO = "gin.macro"
_UNSET = object()


def check(config: Config, texts: Mapping[str, str]) -> None:
    """Checks all values, and converts them where the type leaves no doubt: 8.0 to 8, 7 to "7".

    Args:
      config: the parsed configuration; its values are replaced.
      texts: the values of macros and bindings from the command line as they were typed.

    Raises:
      InputError: a value has the wrong type, a macro is unknown, or references form a circle.
    """
    for key in list(config):
        _check_references(config, key, ())
    for (scope, selector), values in config.items():
        hints = {} if selector == _MACRO else _hints(config, scope, selector)
        for argument, value in values.items():
            name = f"{_shown(scope, selector)}.{argument}"
            values[argument] = _typed(config, value, hints.get(argument, Any), name, texts)


def _check_references(config: Config, key: tuple[str, str], above: tuple) -> None:
    if key in above:
        circle = [_shown(*k) for k in (*above[above.index(key) :], key)]
        raise InputError(
            "Values must not refer to each other in a circle. Received "
            f"{' -> '.join(circle)}. Set one of them to a value."
        )
    for reference in gin.config.iterate_references(_bindings(config, *key)):
        if _is_macro(reference) and reference.config_key not in config:
            macros = [scope for scope, selector in config if selector == _MACRO]
            name = reference.config_key[0]
            raise InputError(
                f"A reference with % must name a macro. Received %{name} in {_shown(*key)}. "
                f"{closest(name, macros)}"
            )
        if reference.evaluate:
            _check_references(config, reference.config_key, (*above, key))


def _bindings(config: Config, scope: str, selector: str) -> dict[str, Any]:
    """Returns the values that apply in a scope, as gin merges them."""
    parts, values = scope.split("/") if scope else [], {}
    if selector == _MACRO:
        return dict(config.get((scope, selector), {}))
    for count in range(len(parts) + 1):
        values |= config.get(("/".join(parts[:count]), selector), {})
    return values


def _shown(scope: str, selector: str) -> str:
    # The last part of a selector is enough to find it in a file.
    name = selector.rpartition(".")[2]
    return scope if selector == _MACRO else "/".join(filter(None, (scope, name)))


def _is_macro(value: Any) -> bool:
    return isinstance(value, Reference) and value.configurable.selector == _MACRO


def _hints(config: Config, scope: str, selector: str) -> dict[str, Any]:
    """Returns the types of arguments; `**fields` are those of the dataclass that they go into."""
    function = gin.config._REGISTRY[selector].wrapped
    hints = _annotations(function)
    if dataclasses.is_dataclass(function) or not any(
        parameter.kind is inspect.Parameter.VAR_KEYWORD
        for parameter in inspect.signature(function).parameters.values()
    ):
        return hints
    fields = _annotations(hints.get("return"))
    for value in _bindings(config, scope, selector).values():
        while _is_macro(value):
            value = config[value.config_key]["value"]
        if isinstance(value, Reference):
            fields |= _hints(config, *value.config_key)
    return {**fields, **hints}


def _annotations(function: Any) -> dict[str, Any]:
    if isinstance(function, type) and not dataclasses.is_dataclass(function):
        function = function.__init__
    try:
        return typing.get_type_hints(function) if callable(function) else {}
    except NameError:  # The annotation of another package is only for type checkers.
        return {}


def _typed(config: Config, value: Any, hint: Any, name: str, texts: Mapping[str, str]) -> Any:
    if isinstance(value, Reference):
        if _is_macro(value):
            (macro, _), values = value.config_key, config[value.config_key]
            values["value"] = _typed(config, values["value"], hint, macro, texts)
        return value
    if any(True for _ in gin.config.iterate_references({"": value})):
        return value
    types_ = list(_members(hint))
    if any(_fits(value, type_) for type_ in types_):
        return value
    for type_ in types_:
        typed = next((text for key, text in texts.items() if f".{key}".endswith(f".{name}")), "")
        converted = _converted(value, type_, typed)
        if converted is not _UNSET:
            return converted
    raise InputError(
        f"{name} must be {' or '.join(dict.fromkeys(map(_words, types_)))}. Received "
        f"{_short(f'{name}={value!r}')}. Set another value."
    )


def _members(hint: Any) -> Iterator[Any]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        for member in typing.get_args(hint):
            yield from _members(member)
    else:
        yield hint


def _item(type_: Any) -> Any:
    """Returns the type of the items of a list or sequence; None if `type_` is neither."""
    origin = typing.get_origin(type_) or type_
    if origin not in (list, tuple, collections.abc.Sequence):
        return None
    return (*typing.get_args(type_), Any)[0]


def _fits(value: Any, type_: Any) -> bool:
    if type_ is type(None):
        return value is None
    if type_ in (bool, str):
        return isinstance(value, type_)
    if type_ is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    if type_ is float:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and math.isfinite(value)
    if (item := _item(type_)) is not None:
        return isinstance(value, (list, tuple)) and all(_fits(v, item) for v in value)
    if dataclasses.is_dataclass(type_):
        return isinstance(value, type_)
    return True  # Any, or a type that gin files do not set.


def _converted(value: Any, type_: Any, text: str) -> Any:
    is_number = isinstance(value, (int, float))
    if type_ is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if type_ is str and is_number:
        return text or str(value)  # As it was typed: 007 or 1.50.
    if _item(type_) is str:
        if isinstance(value, str):  # Words without quotes, such as [a,b] in a shell.
            return _split(value)
        if isinstance(value, (list, tuple)) and all(
            isinstance(v, (str, int, float)) for v in value
        ):
            plain = text and not re.search("""['"\\\\]""", text)
            return _split(text) if plain else [str(item) for item in value]
    return _UNSET


def _split(text: str) -> list[str]:
    text = text.strip()
    if text[:1] + text[-1:] in ("[]", "()"):
        text = text[1:-1]
    return [part.strip().strip("\"'") for part in text.split(",") if part.strip()]


def _words(type_: Any) -> str:
    named = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}
    if type_ is type(None):
        return "None"
    if (item := _item(type_)) is not None:
        words = {str: "texts", int: "whole numbers", float: "numbers"}
        return f"a list of {words.get(item, 'values')}"
    if dataclasses.is_dataclass(type_):
        return f"a reference to a {type_.__name__}, such as @{type_.__name__}()"
    return named.get(type_, str(type_))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 200 else f"{text[:200]}..."
