"""Models of transformers: logits alone, or with a cache as operands and results."""

from __future__ import annotations

import contextlib
import typing

import torch
from torch import Tensor, nn

from setun import observe
from setun.errors import ExportError

if typing.TYPE_CHECKING:
    from setun.caches import Plan


def is_transformer(module: nn.Module) -> bool:
    return any(cls.__name__ == "PreTrainedModel" for cls in type(module).__mro__) and hasattr(module, "config")


def _mask(tokens: int, keys: int, past: int | Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Positions [S] of the tokens and the mask [1, 1, S, T] that lets each see itself and what came before."""
    positions = torch.arange(tokens) + past if isinstance(past, Tensor) else torch.arange(past, past + tokens)
    visible = torch.arange(keys)[None] <= positions[:, None]
    return positions, torch.where(visible, 0.0, float("-inf")).to(dtype)[None, None]


class _Wrapper(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        # A prepared mask says the same for all layers; with windows, transformers makes its own.
        config = model.config.get_text_config()
        kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
        self.prepares = kinds == {"full_attention"} and not getattr(config, "sliding_window", None)

    def options(self, ids: Tensor, keys: int, past: int | Tensor) -> dict[str, Tensor]:
        positions, mask = _mask(ids.shape[1], keys, past, self.model.dtype)
        return {"position_ids": positions[None], **({"attention_mask": mask} if self.prepares else {})}


class Plain(_Wrapper):
    """input_ids [B, S] -> logits [B, S, V]."""

    def forward(self, input_ids: Tensor) -> Tensor:
        options = self.options(input_ids, input_ids.shape[1], 0)
        return self.model(input_ids=input_ids, use_cache=False, **options).logits


class Dynamic(_Wrapper):
    """input_ids [B, S], a key and a value [B, G, P, D] a layer -> logits, the grown keys and values."""

    def forward(self, input_ids: Tensor, past: list[tuple[Tensor, Tensor]]) -> tuple:
        from transformers import DynamicCache

        cache = DynamicCache(past)
        length = past[0][0].shape[2]
        options = self.options(input_ids, length + input_ids.shape[1], length)
        logits = self.model(input_ids=input_ids, past_key_values=cache, use_cache=True, **options).logits
        return logits, [(layer.keys, layer.values) for layer in cache.layers]


class Static(_Wrapper):
    """input_ids [B, S], keys and values [B, G, room, D], the number of tokens in them -> logits, the same."""

    def __init__(self, model: nn.Module, room: int) -> None:
        super().__init__(model)
        self.room = room

    def forward(self, input_ids: Tensor, past: list[tuple[Tensor, Tensor]], position: Tensor) -> tuple:
        from transformers import StaticCache

        cache = StaticCache(config=self.model.config, max_cache_len=self.room)
        for layer, (keys, values) in zip(cache.layers, past):
            layer.lazy_initialization(keys, values)
            layer.keys, layer.values = keys.clone(), values.clone()
            layer.cumulative_length = position.clone()
        options = self.options(input_ids, self.room, position)
        logits = self.model(input_ids=input_ids, past_key_values=cache, use_cache=True, **options).logits
        return logits, [(layer.keys, layer.values) for layer in cache.layers], position + input_ids.shape[1]


@contextlib.contextmanager
def prepare(model: nn.Module, args: tuple, kwargs: dict, dynamic_shapes: typing.Any, cache: typing.Any,
            input_names: typing.Any, output_names: typing.Any) -> typing.Iterator[Plan]:  # fmt: skip
    from setun.caches import Plan

    ids = args[0] if args else kwargs.get("input_ids")
    others = [name for name in kwargs if name != "input_ids"]
    if not isinstance(ids, Tensor) or ids.dim() != 2 or len(args) > 1 or others:
        raise ExportError("a model of transformers is exported by its input_ids [B, S] alone")
    config = model.config.get_text_config()
    dims = (
        (dynamic_shapes.get("input_ids") if isinstance(dynamic_shapes, dict) else dynamic_shapes[0])
        if dynamic_shapes
        else None
    )
    with _attention(model):
        if cache is None:
            yield Plan(
                Plain(model),
                (ids,),
                {},
                (dims,) if dims else None,
                list(input_names or ["input_ids"]),
                list(output_names or ["logits"]),
                "model.",
            )
            return
        with observe.quiet():
            made = model(input_ids=ids, use_cache=True).past_key_values
        layers = range(config.num_hidden_layers)
        if [type(layer).__name__ for layer in made.layers] != ["DynamicLayer"] * len(layers):
            raise ExportError("only caches of full attention are supported")
        size = [(layer.keys.shape, layer.values.shape, layer.keys.dtype) for layer in made.layers]
        pairs = [f"{i}.{kind}" for i in layers for kind in ("key", "value")]
        inputs = [*(input_names or ["input_ids"]), *(f"past_key_values.{p}" for p in pairs)]
        outputs = [*(output_names or ["logits"]), *(f"present.{p}" for p in pairs)]
        kind, _, room = str(cache).partition(":")
        if kind == "dynamic" and not room:
            entry = lambda shape, dtype: torch.zeros(shape[0], shape[1], 2, shape[3], dtype=dtype)
            past = [(entry(k, t), entry(v, t)) for k, v, t in size]
            growing = {**({0: dims[0]} if dims and 0 in dims else {}), 2: torch.export.Dim("past", min=0, max=1 << 20)}
            shapes = {"input_ids": dims, "past": [(growing, growing) for _ in layers]}
            yield Plan(Dynamic(model), (ids, past), {}, shapes, inputs, outputs, "model.")
        elif kind == "static" and room.isdigit() and int(room) >= ids.shape[1]:
            room = int(room)
            past = [
                (torch.zeros(*k[:2], room, k[3], dtype=t), torch.zeros(*v[:2], room, v[3], dtype=t)) for k, v, t in size
            ]
            shapes = {"input_ids": dims, "past": [({}, {}) for _ in layers], "position": {}} if dims else None
            position = torch.zeros((), dtype=torch.int64)
            yield Plan(
                Static(model, room),
                (ids, past, position),
                {},
                shapes,
                [*inputs, "past.position"],
                [*outputs, "present.position"],
                "model.",
            )
        else:
            raise ExportError(f"cache={cache!r} is not known: 'dynamic', or 'static:N' with room for N tokens")


@contextlib.contextmanager
def _attention(model: nn.Module) -> typing.Iterator[None]:
    """Attention as one operator, which the file keeps as one function."""
    before = getattr(model.config, "_attn_implementation", None)
    try:
        if before != "sdpa":
            with contextlib.suppress(ValueError, ImportError, AttributeError):  # models without it stay as they are
                model.set_attn_implementation("sdpa")
        yield
    finally:
        if before is not None and before != model.config._attn_implementation:
            model.set_attn_implementation(before)
