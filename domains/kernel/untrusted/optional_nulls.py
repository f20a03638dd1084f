"""Structs of requests that read null for an optional field as an absent field."""

import functools
from collections.abc import Callable
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

import msgspec
from msgspec import NODEFAULT

from domains.kernel.untrusted import raw_json

S = TypeVar("S", bound=msgspec.Struct)


def accepting_nulls(struct: type[S]) -> type[S]:
    """Return a subclass of the struct that reads null for an optional field as absent.

    So do the structs within it. The fields of an instance have the types that `struct` declares.
    """
    return cast("type[S]", _subclass(struct))


@functools.cache
def _subclass(struct: type[msgspec.Struct]) -> type[msgspec.Struct]:
    defaults: dict[str, Callable[[], Any]] = {}
    changed: list[tuple[str, Any, Any]] = []
    for field in msgspec.structs.fields(struct):
        type_ = _with_subclasses(field.type)
        members = _members(field.type)
        if not field.required and type(None) not in members:
            defaults[field.name] = _default_of(field)
            # A Raw contains the null. In a union with null, msgspec decodes nothing else.
            if msgspec.Raw not in members:
                type_ = Union[type_, None]  # noqa: UP007 - the type is a value
        if type_ is not field.type:
            changed.append((field.name, type_, _same_default(field)))
    if not changed and not defaults:
        return struct
    check = getattr(struct, "__post_init__", None)

    def post_init(self: msgspec.Struct) -> None:
        for name, default in defaults.items():
            if _is_null(getattr(self, name)):
                setattr(self, name, default())
        if check is not None:
            check(self)

    return msgspec.defstruct(
        struct.__name__,
        changed,
        bases=(struct,),
        kw_only=True,
        module=struct.__module__,
        namespace={"__post_init__": post_init},
    )


def _with_subclasses(type_: Any) -> Any:
    """Return the type with the subclasses of all structs in it, or itself if it has none."""
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return _subclass(type_)
    origin, arguments = get_origin(type_), get_args(type_)
    if origin is Annotated:
        inner = _with_subclasses(arguments[0])
        return type_ if inner is arguments[0] else Annotated[(inner, *arguments[1:])]
    if origin not in (list, dict, Union, UnionType):
        return type_
    replaced = tuple(map(_with_subclasses, arguments))
    if all(new is old for new, old in zip(replaced, arguments, strict=True)):
        return type_
    return (Union if origin is UnionType else origin)[replaced]


def _members(type_: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself. Without metadata."""
    origin, arguments = get_origin(type_), get_args(type_)
    if origin is Annotated:
        return _members(arguments[0])
    return arguments if origin in (Union, UnionType) else (type_,)


def _is_null(value: Any) -> bool:
    return value is None or (isinstance(value, msgspec.Raw) and value == raw_json.NULL)


def _default_of(field: msgspec.structs.FieldInfo) -> Callable[[], Any]:
    if field.default_factory is not NODEFAULT:
        return cast("Callable[[], Any]", field.default_factory)
    return lambda: field.default


def _same_default(field: msgspec.structs.FieldInfo) -> Any:
    if field.required:
        return msgspec.field(name=field.encode_name)
    return msgspec.field(default_factory=_default_of(field), name=field.encode_name)
