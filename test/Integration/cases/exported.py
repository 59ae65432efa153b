"""Modules exported by torch.onnx: both exporters, opsets 17 to 24, folded and unfolded."""

import contextlib
import io

import torch

from cases import modules as m
from cases.registry import Case, case


class TieWatch(torch.overrides.TorchFunctionMode):
    """Smallest distance of any rounded value from a tie, in units of what float error could bridge."""

    def __init__(self):
        super().__init__()
        self.gap = 1e9

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in (torch.round, torch.Tensor.round):
            value = args[0].detach().double()
            unit = 1e-3 if value.abs().max() > 8 else 2e-5  # activations, weights
            self.gap = min(self.gap, float(((value - value.floor()) - 0.5).abs().min()) / unit)
        return function(*args, **(kwargs or {}))


def flatten(x):
    return [t for y in x for t in flatten(y)] if isinstance(x, (tuple, list)) else [x]


def to_numpy(t):
    return t.float().numpy() if t.dtype in (torch.bfloat16, torch.float16) else t.numpy()


def export(make, arguments, dtype=None, dynamo=True, **options):
    """Exports the first seeded module whose rounded values are clear of ties."""
    torch.set_num_threads(1)
    for seed in range(400):
        torch.manual_seed(seed)
        module, args = make().eval(), arguments()
        if dtype:
            module, args = module.to(dtype), tuple(t.to(dtype) for t in args)
        watch = TieWatch()
        with torch.no_grad(), watch:
            outputs = module(*args)
        if dtype or watch.gap > 1:
            break
    buffer = io.BytesIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        if dynamo:
            torch.onnx.export(module, args, dynamo=True, **options).save(buffer)
        else:
            torch.onnx.export(module, args, buffer, dynamo=False, **options)
    inputs = {str(i): to_numpy(t) for i, t in enumerate(flatten(args))}  # named by the driver, from the graph
    return Case(buffer.getvalue(), inputs, [to_numpy(t) for t in flatten(outputs)], watch.gap > 1 and not dtype)


def normal(*shape):
    return lambda: (torch.randn(*shape),)


def dynamic(**dims):
    return {name: {axis: torch.export.Dim(dim) for axis, dim in axes.items()} for name, axes in dims.items()}


@case("ternary", 1, "opset 18, folded: the weight is a [K, N] initializer named val_N, with the noise of a folded estimator")
def ste_folded():
    return export(lambda: m.BitLinear(48, 40), normal(2, 3, 48), opset_version=18)


@case("ternary", 1, "above 8192 elements: the master weight keeps its name, its quantizer stays in the graph")
def ste_unfolded():
    return export(lambda: m.BitLinear(96, 120), normal(1, 2, 96), opset_version=20)


@case("ternary", 1, "before the exporter's optimizer: Constant, CastLike, Max and Min for a clamp, Squeeze, Identity")
def unoptimised():
    return export(lambda: m.BitLinear(48, 40), normal(2, 3, 48), optimize=False)


@case("ternary", 1, "rank 2 with bias: Gemm(transB=1), the weight stays [N, K]")
def gemm_bias():
    return export(lambda: m.BitLinear(96, 120, ste=False, norm=False, bias=True), normal(3, 96), opset_version=21)


@case("ternary", 1, "rank 3 with bias, dynamic batch and sequence")
def dynamic_bias():
    return export(lambda: m.BitLinear(96, 120, ste=False, bias=True), normal(2, 3, 96), dynamic_shapes=dynamic(x={0: "batch", 1: "seq"}))


@case("ternary", 1, "opset 23, the only one at which the exporter fuses RMSNormalization")
def rms_norm_23():
    return export(lambda: m.BitLinear(96, 120, ste=False), normal(2, 2, 96), opset_version=23)


@case("ternary", 1, "opset 24: the norm decomposed again")
def rms_norm_24():
    return export(lambda: m.BitLinear(96, 120, ste=False), normal(2, 2, 96), opset_version=24)


@case("ternary", 1, "128/absmax and a median scale, written as a sort (TopK + Gather)")
def absmedian_128():
    median = lambda a: a.flatten().sort().values[(a.numel() - 1) // 2]
    return export(lambda: m.BitLinear(96, 120, ste=False, norm=False, measure=median, top=128.0), normal(2, 2, 96))


@case("ternary", 1, "one activation scale a tensor, 128 levels, trits left unscaled, scales multiplied in after the bias")
def per_tensor_128():
    return export(lambda: m.PerTensor(96, 120), normal(1, 2, 96))


@case("ternary", 1, "trits in a float buffer, both scales divided out after the product")
def deferred_divide():
    return export(lambda: m.Deferred(96, 120), normal(2, 2, 96))


@case("ternary", 1, "trits in a float buffer, activation scale divided before, weight scale multiplied after")
def deferred_multiply():
    return export(lambda: m.Deferred(96, 120, "multiply"), normal(2, 2, 96))


@case("ternary", 1, "trits in an int8 buffer: Cast and Transpose on the way to MatMul")
def deferred_int8_buffer():
    return export(lambda: m.Deferred(96, 120, store=torch.int8, via_int8=True), normal(2, 2, 96))


@case("ternary", 1, "packed uint8, four rows a byte, unpacked by BitwiseAnd, BitShift and ScatterND")
def packed_uint8():
    return export(lambda: m.Packed(256, 136), normal(1, 1, 256))


@case("ternary", 1, "packed uint8, small: the shifts are folded and only ScatterND of slices is left")
def packed_uint8_folded():
    return export(lambda: m.Packed(64, 32), normal(1, 2, 64))


@case("ternary", 1, "bf16: casts around Abs, Max for Clip, rounding done in bf16")
def bf16():
    return export(lambda: m.BitLinear(96, 120, ste=False), normal(1, 2, 96), dtype=torch.bfloat16)


@case("ternary", 1, "TorchScript exporter: axes as attributes at opset 17, Clip with an empty input, names with slashes")
def torchscript_17():
    return export(lambda: m.BitLinear(96, 120), normal(1, 2, 96), dynamo=False, opset_version=17, input_names=["x"], output_names=["y"])


def lm_arguments(past=True, tokens=1, batch=1):
    def make():
        ids = torch.randint(0, 61, (batch, tokens))
        positions = torch.arange(3, 3 + tokens).expand(batch, tokens).contiguous()
        return (ids, positions) + (([(torch.randn(1, 2, 3, 8), torch.randn(1, 2, 3, 8))],) if past else ())

    return make


@case("ternary", 7, "one-layer language model, prefill, opset 20: attention decomposed, one quantizer for q|k|v, tied head")
def lm_prefill():
    return export(m.LM, lm_arguments(False, 5), opset_version=20)


@case("ternary", 7, "the same at opset 24: Attention-24, SiLU gate, dynamic batch and sequence")
def lm_prefill_attention24():
    shapes = dynamic(ids={0: "batch", 1: "seq"}, pos={0: "batch", 1: "seq"})
    return export(lambda: m.LM(relu2=False), lm_arguments(False, 3, 2), opset_version=24, dynamic_shapes=shapes)


@case("ternary", 7, "decode step: caches as graph inputs and outputs, Concat on axis 2")
def lm_decode_cache():
    past = torch.export.Dim("past")
    return export(lambda: m.LM(sdpa=False), lm_arguments(), dynamic_shapes={"ids": None, "pos": None, "past": [({2: past}, {2: past})]})
