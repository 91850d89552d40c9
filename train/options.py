"""Command line options made of the fields of a pydantic model."""

import argparse
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo


def add_options(parser: argparse.ArgumentParser, model: type[BaseModel], title: str) -> None:
    """Give a parser one option per field of a model, and per field of a model within it.

    Options that were not given are absent from the parsed namespace; values stay text until the model checks them.
    """
    group = parser.add_argument_group(title)
    for name, field in model.model_fields.items():
        if _is_model(field):
            add_options(parser, field.annotation, field.description or name)  # type: ignore[arg-type]
        else:
            _add_option(group, name, field)


def given_options(options: argparse.Namespace, model: type[BaseModel]) -> dict[str, Any]:
    """The values that were given for a model's fields, nested as the model is."""
    given: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if _is_model(field):
            if inner := given_options(options, field.annotation):  # type: ignore[arg-type]
                given[name] = inner
        elif hasattr(options, name):
            value = getattr(options, name)
            given[name] = dict(value) if _origin(field) is dict else value
    return given


def _add_option(group: argparse._ArgumentGroup, name: str, field: FieldInfo) -> None:
    flag, text = f"--{name.replace('_', '-')}", (field.description or "").replace("%", "%%")
    kind: dict[str, Any] = {"default": argparse.SUPPRESS}
    if field.default not in (None, (), {}, "") and not _holds_models(field):
        text += f" (default: {field.default})"
    if field.annotation is bool:
        kind["action"] = argparse.BooleanOptionalAction
    elif _origin(field) is dict:
        kind |= {"nargs": "+", "type": _key_and_value, "metavar": "NAME=VALUE"}
    elif _origin(field) is tuple:
        kind |= {"nargs": "*", "metavar": "PATH" if _elements(field) is str else name.removesuffix("s").upper()}
        kind |= {"type": _stage} if name == "stages" else {}
    elif _origin(field) is Literal:
        kind["choices"] = get_args(field.annotation)
    else:
        kind["metavar"] = "N" if field.annotation is int else name.rsplit("_", 1)[-1].upper()
    group.add_argument(flag, dest=name, help=text, **kind)


def _key_and_value(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, yaml.safe_load(value)


def _stage(text: str) -> dict[str, str]:
    """`5:1e-4` or `5:1e-4:block5_conv1`."""
    parts = text.split(":", 2)
    if len(parts) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not EPOCHS:RATE or EPOCHS:RATE:TRAINABLE")
    return dict(zip(("epochs", "learning_rate", "trainable"), parts, strict=False))


def _origin(field: FieldInfo) -> Any:
    return get_origin(field.annotation)


def _elements(field: FieldInfo) -> Any:
    """The type of a tuple's elements."""
    return get_args(field.annotation)[0]


def _holds_models(field: FieldInfo) -> bool:
    return _origin(field) is tuple and isinstance(_elements(field), type) and issubclass(_elements(field), BaseModel)


def _is_model(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
