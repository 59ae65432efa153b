"""BitLinear and transformer blocks as people write them in torch."""

import torch
import torch.nn as nn
import torch.nn.functional as F


def quantize_activations(x, top=127.0):
    scale = top / x.abs().max(dim=-1, keepdim=True).values.clamp_(min=1e-5)
    return (x * scale).round().clamp_(-128, 127) / scale


def quantize_weights(w, measure=torch.mean):
    scale = 1.0 / measure(w.abs()).clamp_(min=1e-5)
    return (w * scale).round().clamp_(-1, 1) / scale


class RMSNorm(nn.Module):
    def __init__(self, size, eps=1e-5):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.rand(size) + 0.5), eps

    def forward(self, x):
        h = x.float()
        return self.weight * (h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + self.eps)).to(x.dtype)


class BitLinear(nn.Module):
    """The FAQ's training form, with or without its straight-through estimators."""

    def __init__(self, k, n, ste=True, norm=True, bias=False, measure=torch.mean, top=127.0):
        super().__init__()
        self.weight = nn.Parameter(0.05 * torch.randn(n, k))
        self.bias = nn.Parameter(torch.randn(n)) if bias else None
        self.norm = RMSNorm(k) if norm else nn.Identity()
        self.ste, self.measure, self.top = ste, measure, top

    def forward(self, x):
        x, w = self.norm(x), self.weight
        xq, wq = quantize_activations(x, self.top), quantize_weights(w, self.measure)
        if self.ste:
            xq, wq = x + (xq - x).detach(), w + (wq - w).detach()
        return F.linear(xq, wq, self.bias)


class Deferred(nn.Module):
    """Inference form: trits in a buffer, scales applied after the product."""

    def __init__(self, k, n, how="divide", store=torch.float32, via_int8=False):
        super().__init__()
        w = 0.05 * torch.randn(n, k)
        scale = w.abs().mean()
        self.register_buffer("weight", (w / scale).round().clamp(-1, 1).to(store))
        self.register_buffer("weight_scale", (1 / scale if how == "divide" else scale).reshape(1))
        self.how, self.via_int8 = how, via_int8

    def forward(self, x):
        scale = 127 / x.abs().max(dim=-1, keepdim=True).values.clamp(min=1e-5)
        q = (x * scale).round().clamp(-128, 127)
        if self.via_int8:
            q = q.to(torch.int8).to(x.dtype)
        if self.how == "divide":
            return F.linear(q, self.weight.to(x.dtype)) / (scale * self.weight_scale)
        return F.linear(q / scale, self.weight.to(x.dtype)) * self.weight_scale


class Packed(nn.Module):
    """uint8 holding four rows a byte (row i * N/4 + r in bits 2i), unpacked by slice assignment on every call."""

    def __init__(self, k, n):
        super().__init__()
        t = torch.randint(0, 3, (4, n // 4, k), dtype=torch.uint8)
        self.register_buffer("weight", t[0] | t[1] << 2 | t[2] << 4 | t[3] << 6)
        self.register_buffer("weight_scale", torch.tensor([25.0]))

    def forward(self, x):
        rows, k = self.weight.shape
        unpacked = torch.zeros(4 * rows, k, dtype=torch.uint8)
        for i in range(4):
            unpacked[i * rows:(i + 1) * rows] = (self.weight & (3 << 2 * i)) >> (2 * i)
        scale = 127 / x.abs().max(dim=-1, keepdim=True).values.clamp(min=1e-5)
        q = (x * scale).round().clamp(-128, 127).to(torch.int8)
        return F.linear(q.to(x.dtype), unpacked.to(x.dtype) - 1) / (self.weight_scale * scale)


class PerTensor(nn.Module):
    """One activation scale for the whole tensor, 128 levels a side, scales multiplied in after the bias."""

    def __init__(self, k, n):
        super().__init__()
        self.weight, self.bias = nn.Parameter(0.05 * torch.randn(n, k)), nn.Parameter(torch.randn(n))

    def forward(self, x):
        g, b = x.abs().max().clamp(min=1e-6), self.weight.abs().mean().clamp(min=1e-6)
        q = torch.clamp(torch.round(x * 128 / g), -128, 127)
        return F.linear(q, torch.clamp(torch.round(self.weight / b), -1, 1), self.bias) * (b * g / 128)


def rotate(x):
    a, b = x.chunk(2, -1)
    return torch.cat((-b, a), -1)


class Attention(nn.Module):
    def __init__(self, d, heads, kv, size, sdpa):
        super().__init__()
        linear = lambda k, n: BitLinear(k, n, ste=False, norm=False)
        self.q, self.k, self.v, self.o = linear(d, heads * size), linear(d, kv * size), linear(d, kv * size), linear(heads * size, d)
        self.sub, self.shape, self.sdpa = RMSNorm(heads * size), (heads, kv, size), sdpa

    def forward(self, x, cos, sin, mask, past):
        b, s, _ = x.shape
        heads, kv, size = self.shape
        q, k, v = (p(x).view(b, s, -1, size).transpose(1, 2) for p in (self.q, self.k, self.v))
        q, k = q * cos + rotate(q) * sin, k * cos + rotate(k) * sin
        if past is not None:
            k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
        kk, vv = (t[:, :, None].expand(-1, -1, heads // kv, -1, -1).reshape(b, heads, -1, size) for t in (k, v))
        if self.sdpa:
            o = F.scaled_dot_product_attention(q, kk, vv, attn_mask=mask)
        else:
            o = (q @ kk.transpose(2, 3) * size**-0.5 + mask).softmax(-1, dtype=torch.float32).to(q.dtype) @ vv
        return self.o(self.sub(o.transpose(1, 2).reshape(b, s, -1))), (k, v)


class Block(nn.Module):
    def __init__(self, d, f, heads=4, kv=2, size=8, relu2=True, sdpa=True):
        super().__init__()
        linear = lambda k, n: BitLinear(k, n, ste=False, norm=False)
        self.n1, self.n2, self.sub = RMSNorm(d), RMSNorm(d), RMSNorm(f)
        self.attn = Attention(d, heads, kv, size, sdpa)
        self.gate, self.up, self.down, self.relu2 = linear(d, f), linear(d, f), linear(f, d), relu2

    def forward(self, x, cos, sin, mask, past=None):
        a, cache = self.attn(self.n1(x), cos, sin, mask, past)
        x = x + a
        h = self.n2(x)
        g = F.relu(self.gate(h)).square() if self.relu2 else F.silu(self.gate(h))
        return x + self.down(self.sub(g * self.up(h))), cache


class LM(nn.Module):
    """Token ids, positions and (key, value) a layer in; logits and the grown caches out."""

    def __init__(self, vocab=61, d=32, f=48, layers=1, size=8, **options):
        super().__init__()
        self.embed = nn.Embedding(vocab, d)
        self.layers = nn.ModuleList([Block(d, f, size=size, **options) for _ in range(layers)])
        self.norm, self.size = RMSNorm(d), size

    def forward(self, ids, pos, past=None):
        p = 0 if past is None else past[0][0].shape[2]
        n = ids.shape[1]
        inverse = 1.0 / (10000.0 ** (torch.arange(0, self.size, 2, dtype=torch.float32) / self.size))
        f = (pos[..., None].float() * inverse)[:, None]
        f = torch.cat((f, f), -1)
        mask = torch.where(torch.arange(p + n)[None] <= (torch.arange(n) + p)[:, None], 0.0, float("-inf"))[None, None]
        x, caches = self.embed(ids), []
        for i, layer in enumerate(self.layers):
            x, cache = layer(x, f.cos(), f.sin(), mask, None if past is None else past[i])
            caches.append(cache)
        y = F.linear(self.norm(x), self.embed.weight)
        return y if past is None else (y, caches)
