"""``mask``: columns that nobody may read as they are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.secrets import register_secret
from sluiceway.sql.primitives import call
from sluiceway.transforms.base import Step, StepContext
from sluiceway.transforms.common import col, current, mapping_fields

__all__ = ["Mask", "Method"]

_BLOCK = 64  # of SHA-256, in bytes (RFC 2104)


class Method(BaseModel):
    """How one column is masked; exactly one of these."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hmac: SecretStr | None = Field(None, description="HMAC-SHA256 with this key: equal values stay equal")
    hash: bool | None = Field(None, description="SHA-256 without a key: guessable values can be found again")
    partial: int | None = Field(None, ge=0, description="keep this many characters at the end, * before them")
    redact: str | bool | None = Field(None, description="this text (or ***) instead of every value")
    nullify: bool | None = Field(None, description="NULL instead of every value")

    @model_validator(mode="after")
    def _one(self) -> Method:
        given = [name for name in type(self).model_fields if getattr(self, name) not in (None, False)]
        if self.partial == 0 and self.partial is not False:
            given.append("partial") if "partial" not in given else None
        if len(given) != 1:
            raise ValueError("a mask is one of hmac, hash, partial, redact, nullify")
        if self.hmac is not None and len(self.hmac.get_secret_value()) < 8:
            raise ValueError("the key of hmac needs 8 characters at least")
        return self

    @property
    def name(self) -> str:
        return next(n for n in type(self).model_fields if getattr(self, n) not in (None, False))


class Mask(Step):
    """Hides values; NULL stays NULL. ``hmac`` keeps joins working and can't be undone without the key;
    a plain ``hash`` of a guessable value (a phone number, a date of birth) can be found by trying.

    .. code-block:: yaml

        - mask: {email: {hmac: "${MASK_KEY}"}, phone: partial, name: redact}
    """

    kind: ClassVar[str] = "mask"

    columns: dict[str, Method] = Field(description="column: hmac, hash, partial, redact or nullify")

    @classmethod
    def parse(cls, value: Any, options: Mapping[str, Any]) -> Step:
        return cls.model_validate({**mapping_fields(value, "columns", ("columns",)), **options})

    @field_validator("columns", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """``phone: partial`` says ``phone: {partial: 4}``."""
        words: dict[str, dict[str, Any]] = {
            "hash": {"hash": True},
            "partial": {"partial": 4},
            "redact": {"redact": True},
            "nullify": {"nullify": True},
        }
        if not isinstance(value, dict):
            return value
        return {k: dict(words[v]) if isinstance(v, str) and v in words else v for k, v in value.items()}

    def masked(self) -> tuple[str, ...]:
        """The columns that this step hides."""
        return tuple(self.columns)

    def compile(self, ctx: StepContext) -> exp.Query:
        ctx.schema.require(self.columns, ctx.where)
        methods = {name.casefold(): method for name, method in self.columns.items()}
        chosen = []
        for name in ctx.schema.names:
            method = methods.get(name.casefold())
            if method is None:
                chosen.append(col(name))
            else:
                masked = exp.alias_(_masked(name, method, ctx), name, quoted=True)
                masked.meta["masks"] = name  # for lineage: the value came from there, unreadable
                chosen.append(masked)
        return exp.select(*chosen).from_(current(ctx))


def _masked(name: str, method: Method, ctx: StepContext) -> Any:
    if method.nullify:
        type_ = exp.DataType.build(ctx.schema[name].type, dialect="duckdb")
        return exp.Cast(this=exp.null(), to=type_)
    if ctx.schema[name].family == "nested":
        raise PlanError(
            f"{name} is {ctx.schema[name].type}; only nullify can hide it",
            where=ctx.where,
            hint="flatten it first, or mask it with nullify",
        )
    text = call("string_of", col(name), ctx.schema[name].type, "exact")
    if method.redact:
        shown = method.redact if isinstance(method.redact, str) else "***"
        return _unless_null(name, exp.Literal.string(shown))
    if method.partial is not None:
        return call("hide", text, method.partial)
    if method.hmac is not None:
        return _hmac(text, method.hmac.get_secret_value(), ctx)
    return call("sha256", text)


def _hmac(text: exp.Expr, key: str, ctx: StepContext) -> exp.Expr:
    """RFC 2104: the two padded keys are bound, never in SQL text."""
    register_secret(key)
    inner, outer = _pads(key.encode())
    return call("hmac_sha256", text, ctx.bind(inner), ctx.bind(outer))


def _pads(key: bytes) -> tuple[bytes, bytes]:
    if len(key) > _BLOCK:
        key = hashlib.sha256(key).digest()
    key = key.ljust(_BLOCK, b"\0")
    return bytes(b ^ 0x36 for b in key), bytes(b ^ 0x5C for b in key)


def _unless_null(name: str, value: exp.Expr) -> exp.Expr:
    return exp.Case().when(exp.not_(col(name).is_(exp.null())), value)
