//===- Layers.cpp - The layers that are measured -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Layers of BitNet b1.58 2B and of Llama 3, as importers write them: the number of
// tokens is known at run time.
//
//===----------------------------------------------------------------------===//

#include "Layers.h"

using namespace setun::bench;

/// Operations on floats of the expansion of exp (lib/Conversion/ExpandMath): two bounds, the reduction, the polynomial,
/// the two scales. Its integer operations are left out.
constexpr double kExp = 25;

static int64_t bytesOf(const std::string &element) {
  return element == "i8" ? 1 : element.back() == '4' ? 8 : element.back() == '2' ? 4 : 2;
}

int64_t Argument::size() const { return count * bytesOf(element); }

namespace {
constexpr int64_t kTokens = -1, kKeys = -2; // sizes known at run time: symbols 0 and 1

/// Writes a module and keeps account of its arguments.
class Writer {
public:
  Writer(std::string name, std::vector<int64_t> symbols) {
    layer.name = std::move(name), layer.symbols = std::move(symbols);
  }

  static std::string type(const std::string &element, const std::vector<int64_t> &sizes) {
    std::string text = "tensor<";
    for (int64_t size : sizes)
      text += (size < 0 ? "?" : std::to_string(size)) + "x";
    return text + element + ">";
  }

  /// An input %name, or an output whose empty tensor is %name.
  void input(const std::string &name, const std::string &element, const std::vector<int64_t> &sizes,
             int64_t indices = 0) {
    inputs += "%" + name + ": " + described(name, element, sizes) + ", ";
    layer.arguments.insert(layer.arguments.begin() + numInputs++, {element, count(sizes), false, indices});
  }
  void output(const std::string &name, const std::string &element, const std::vector<int64_t> &sizes) {
    outputs += (outputs.empty() ? "" : ", ") + described(name, element, sizes);
    types += (types.empty() ? "" : ", ") + type(element, sizes);
    layer.arguments.push_back({element, count(sizes), true});
    std::string dynamic;
    for (int64_t size : sizes)
      if (size < 0)
        dynamic += (dynamic.empty() ? "%s" : ", %s") + std::to_string(-1 - size);
    line("%" + name + " = tensor.empty(" + dynamic + ") : " + type(element, sizes));
  }
  void line(const std::string &text) { body += "  " + text + "\n"; }

  struct Work {
    double operations, divisions, widenings, roundings, roundingsInPlace = 0;
  };
  Layer finish(const std::string &results, const std::string &element, Work work) {
    std::string arguments = inputs;
    for (size_t i = 0; i < layer.symbols.size(); ++i) {
      std::string name = "s" + std::to_string(i);
      arguments += (i ? ", %" : "%") + name + ": index {setun.symbol = \"" + name + "\"}";
    }
    layer.source = "func.func @main(" + arguments + ")\n    -> (" + outputs + ") attributes {setun.entry} {\n" + body +
                   "  return " + results + " : " + types + "\n}\n";
    for (const Argument &argument : layer.arguments)
      layer.bytes += argument.size();
    layer.element = element;
    layer.operations = work.operations;
    layer.divisions = work.divisions;
    if (element != "f32")
      layer.widenings = work.widenings, layer.roundings = work.roundings,
      layer.roundingsInPlace = work.roundingsInPlace;
    return layer;
  }

private:
  int64_t count(const std::vector<int64_t> &sizes) const {
    int64_t all = 1;
    for (int64_t size : sizes)
      all *= size < 0 ? layer.symbols[-1 - size] : size;
    return all;
  }
  std::string described(const std::string &name, const std::string &element, const std::vector<int64_t> &sizes) const {
    std::string shape;
    for (int64_t size : sizes)
      shape += (shape.empty() ? "" : ", ") + (size < 0 ? "s" + std::to_string(-1 - size) : std::to_string(size));
    std::string symbols;
    for (size_t i = 0; i < layer.symbols.size(); ++i)
      symbols += (i ? ", s" : "s") + std::to_string(i);
    return type(element, sizes) + " {setun.name = \"" + name + "\", setun.shape = affine_map<()[" + symbols + "] -> (" +
           shape + ")>}";
  }

  Layer layer;
  size_t numInputs = 0;
  std::string inputs, outputs, types, body;
};

std::string tensor(const std::string &element, const std::vector<int64_t> &sizes) {
  return Writer::type(element, sizes);
}

/// [M, K] times [N, K] transposed; sums in f32, the result rounded to f32 or to the element.
Layer dense(int64_t n, int64_t k, const std::string &element, int64_t tokens) {
  Writer w("dense " + std::to_string(n) + "x" + std::to_string(k) + " " + element + ", M " + std::to_string(tokens),
           {tokens});
  std::string x = tensor(element, {kTokens, k}), weight = tensor(element, {n, k}), y = tensor("f32", {kTokens, n});
  w.input("x", element, {kTokens, k});
  w.input("w", element, {n, k});
  w.output("y", "f32", {kTokens, n});
  w.line("%zero = arith.constant 0.0 : f32");
  w.line("%init = linalg.fill ins(%zero : f32) outs(%y : " + y + ") -> " + y);
  w.line("%r = linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, "
         "affine_map<(m, n, k) -> (m, n)>] ins(%x, %w : " +
         x + ", " + weight + ") outs(%init : " + y + ") -> " + y);
  double weights = double(n) * k;
  return w.finish("%r", element, {2 * weights * tokens, 0, weights + double(tokens) * k, 0});
}

/// The same with a [K, N] weight.
Layer denseColumns(int64_t n, int64_t k, const std::string &element, int64_t tokens) {
  Writer w("dense [K, N] " + std::to_string(n) + "x" + std::to_string(k) + " " + element + ", M " +
               std::to_string(tokens),
           {tokens});
  std::string x = tensor(element, {kTokens, k}), weight = tensor(element, {k, n}), y = tensor("f32", {kTokens, n});
  w.input("x", element, {kTokens, k});
  w.input("w", element, {k, n});
  w.output("y", "f32", {kTokens, n});
  w.line("%zero = arith.constant 0.0 : f32");
  w.line("%init = linalg.fill ins(%zero : f32) outs(%y : " + y + ") -> " + y);
  w.line("%r = linalg.matmul ins(%x, %w : " + x + ", " + weight + ") outs(%init : " + y + ") -> " + y);
  double weights = double(n) * k;
  return w.finish("%r", element, {2 * weights * tokens, 0, weights + double(tokens) * k, 0});
}

Layer attention(int64_t heads, int64_t groups, const std::string &element, int64_t queries, int64_t keys) {
  Writer w("attention " + std::to_string(heads) + "/" + std::to_string(groups) + " heads " + element + ", " +
               std::to_string(queries) + " x " + std::to_string(keys),
           {queries, keys});
  std::string q = tensor(element, {1, heads, kTokens, 128}), k = tensor(element, {1, groups, kKeys, 128});
  w.input("q", element, {1, heads, kTokens, 128});
  w.input("k", element, {1, groups, kKeys, 128});
  w.input("v", element, {1, groups, kKeys, 128});
  w.output("y", element, {1, heads, kTokens, 128});
  w.line("%past = arith.subi %s1, %s0 : index");
  w.line("%r = nn.attention ins(%q, %k, %v : " + q + ", " + k + ", " + k + ") past(%past) outs(%y : " + q +
         ") {causal, scale = 0.088388346 : f32} -> " + q);
  double pairs = double(heads) * queries * (keys - (queries - 1) / 2.0);
  double cache = 2.0 * groups * keys * 128, rows = double(heads) * queries * 128;
  return w.finish("%r", element, {pairs * (4 * 128 + kExp + 4), 0, cache + rows, rows});
}

Layer norm(const std::string &element, int64_t tokens, int64_t k) {
  Writer w("rms norm " + element + ", " + std::to_string(tokens) + " x " + std::to_string(k), {tokens});
  std::string x = tensor(element, {kTokens, k});
  w.input("x", element, {kTokens, k});
  w.input("g", element, {k});
  w.output("y", element, {kTokens, k});
  w.line("%r = nn.rms_norm ins(%x, %g : " + x + ", " + tensor(element, {k}) + ") outs(%y : " + x +
         ") {epsilon = 1.0e-5 : f32} -> " + x);
  double all = double(tokens) * k;
  return w.finish("%r", element, {3 * all, all, 3 * all, 2 * all});
}

Layer normQuantize(const std::string &element, int64_t tokens, int64_t k) {
  Writer w("rms norm + quantize " + element + ", " + std::to_string(tokens) + " x " + std::to_string(k), {tokens});
  std::string x = tensor(element, {kTokens, k}), q = tensor("i8", {kTokens, k}), c = tensor(element, {kTokens});
  w.input("x", element, {kTokens, k});
  w.input("g", element, {k});
  w.output("q", "i8", {kTokens, k});
  w.output("c", element, {kTokens});
  w.line("%r:2 = ternary.norm_quantize ins(%x, %g : " + x + ", " + tensor(element, {k}) + ") outs(%q, %c : " + q +
         ", " + c + ") {spelling = #ternary<spelling divide>, norm_eps = 1.0e-5 : f32} -> " + q + ", " + c);
  // Square and sum, times gamma; |x|, max; scale, two bounds, round.
  double all = double(tokens) * k;
  return w.finish("%r#0, %r#1", element, {9 * all, all, 5 * all, 3 * all});
}

Layer quantize(const std::string &element, int64_t tokens, int64_t k) {
  Writer w("quantize " + element + ", " + std::to_string(tokens) + " x " + std::to_string(k), {tokens});
  std::string x = tensor(element, {kTokens, k}), q = tensor("i8", {kTokens, k}), c = tensor(element, {kTokens});
  w.input("x", element, {kTokens, k});
  w.output("q", "i8", {kTokens, k});
  w.output("c", element, {kTokens});
  w.line("%r:2 = ternary.quantize ins(%x : " + x + ") outs(%q, %c : " + q + ", " + c +
         ") {spelling = #ternary<spelling divide>} -> " + q + ", " + c);
  double all = double(tokens) * k;
  return w.finish("%r#0, %r#1", element, {6 * all, 0, 2 * all, all});
}

Layer rotary(const std::string &element, int64_t tokens, bool interleaved) {
  Writer w(std::string("rotary ") + (interleaved ? "interleaved " : "") + element + ", 20 heads x " +
               std::to_string(tokens),
           {tokens});
  std::string x = tensor(element, {1, 20, kTokens, 128}), c = tensor(element, {1, kTokens, 64});
  w.input("x", element, {1, 20, kTokens, 128});
  w.input("c", element, {1, kTokens, 64});
  w.input("s", element, {1, kTokens, 64});
  w.output("y", element, {1, 20, kTokens, 128});
  w.line("%r = nn.rotary_embedding ins(%x, %c, %s : " + x + ", " + c + ", " + c + ") outs(%y : " + x + ")" +
         (interleaved ? " {interleaved}" : "") + " -> " + x);
  double all = 20.0 * 128 * tokens;
  return w.finish("%r", element, {3 * all, 0, 2 * all, all});
}

Layer siluGate(const std::string &element, int64_t tokens, int64_t n) {
  Writer w("silu gate " + element + ", " + std::to_string(tokens) + " x " + std::to_string(n), {tokens});
  std::string t = tensor(element, {kTokens, n});
  w.input("g", element, {kTokens, n});
  w.input("u", element, {kTokens, n});
  w.output("y", element, {kTokens, n});
  w.line("%one = arith.constant 1.0 : " + element);
  w.line("%ones = linalg.fill ins(%one : " + element + ") outs(%y : " + t + ") -> " + t);
  w.line("%n = arith.negf %g : " + t);
  w.line("%e = math.exp %n : " + t);
  w.line("%d = arith.addf %e, %ones : " + t);
  w.line("%i = arith.divf %ones, %d : " + t);
  w.line("%m = arith.mulf %g, %i : " + t);
  w.line("%r = arith.mulf %m, %u : " + t);
  double all = double(tokens) * n;
  return w.finish("%r", element, {(kExp + 4) * all, all, 2 * all, all, 4 * all});
}

/// What follows a product: its integers to floats, two scales, a residual.
Layer epilogue(const std::string &element, int64_t tokens, int64_t n) {
  Writer w("epilogue " + element + ", " + std::to_string(tokens) + " x " + std::to_string(n), {tokens});
  std::string t = tensor(element, {kTokens, n}), a = tensor("i32", {kTokens, n});
  w.input("a", "i32", {kTokens, n});
  w.input("c", element, {kTokens});
  w.input("x", element, {kTokens, n});
  w.output("y", element, {kTokens, n});
  w.line("%f = arith.sitofp %a : " + a + " to " + t);
  w.line("%cs = linalg.broadcast ins(%c : " + tensor(element, {kTokens}) + ") outs(%y : " + t + ") dimensions = [1]");
  w.line("%p = arith.mulf %f, %cs : " + t);
  w.line("%r = arith.addf %p, %x : " + t);
  double all = double(tokens) * n;
  return w.finish("%r", element, {3 * all, 0, all, all, 2 * all});
}

Layer softmax(int64_t rows, int64_t n) {
  Writer w("softmax f32, " + std::to_string(rows) + " x " + std::to_string(n), {rows});
  std::string t = tensor("f32", {kTokens, n}), s = tensor("f32", {kTokens});
  w.input("x", "f32", {kTokens, n});
  w.output("y", "f32", {kTokens, n});
  w.line("%zero = arith.constant 0.0 : f32");
  w.line("%low = arith.constant 0xFF800000 : f32");
  w.line("%e = tensor.empty(%s0) : " + s);
  w.line("%lows = linalg.fill ins(%low : f32) outs(%e : " + s + ") -> " + s);
  w.line("%zeros = linalg.fill ins(%zero : f32) outs(%e : " + s + ") -> " + s);
  w.line("%max = linalg.reduce { arith.maximumf } ins(%x : " + t + ") outs(%lows : " + s + ") dimensions = [1]");
  w.line("%maxs = linalg.broadcast ins(%max : " + s + ") outs(%y : " + t + ") dimensions = [1]");
  w.line("%d = arith.subf %x, %maxs : " + t);
  w.line("%p = math.exp %d : " + t);
  w.line("%sum = linalg.reduce { arith.addf } ins(%p : " + t + ") outs(%zeros : " + s + ") dimensions = [1]");
  w.line("%sums = linalg.broadcast ins(%sum : " + s + ") outs(%y : " + t + ") dimensions = [1]");
  w.line("%r = arith.divf %p, %sums : " + t);
  double all = double(rows) * n;
  return w.finish("%r", "f32", {(kExp + 3) * all, all, 0, 0});
}

Layer embedding(const std::string &element, int64_t tokens, int64_t rows, int64_t k) {
  Writer w("embedding " + element + ", " + std::to_string(tokens) + " x " + std::to_string(k), {tokens});
  std::string ids = tensor("i64", {kTokens}), table = tensor(element, {rows, k}), y = tensor(element, {kTokens, k});
  w.input("ids", "i64", {kTokens}, rows);
  w.input("t", element, {rows, k});
  w.output("y", element, {kTokens, k});
  w.line("%r = nn.embedding ins(%ids, %t : " + ids + ", " + table + ") outs(%y : " + y + ") -> " + y);
  Layer layer = w.finish("%r", element, {0, 0, 0, 0});
  layer.bytes = 2.0 * layer.arguments.back().size(); // of the table, the rows that are read
  return layer;
}

/// [S, H, D] to [H, S, D], as before and after attention.
Layer transpose(const std::string &element, int64_t tokens) {
  Writer w("transpose " + element + ", " + std::to_string(tokens) + " x 20 heads", {tokens});
  std::string x = tensor(element, {kTokens, 20, 128}), y = tensor(element, {20, kTokens, 128});
  w.input("x", element, {kTokens, 20, 128});
  w.output("y", element, {20, kTokens, 128});
  w.line("%r = linalg.transpose ins(%x : " + x + ") outs(%y : " + y + ") permutation = [1, 0, 2]");
  return w.finish("%r", element, {0, 0, 0, 0});
}
} // namespace

std::vector<Layer> setun::bench::getLayers(bool quick) {
  std::vector<Layer> all;
  int64_t n = quick ? 80 : 32000, large = quick ? 72 : 128256 / 4, k = quick ? 72 : 2560, wide = quick ? 100 : 6912;
  int64_t many = quick ? 5 : 32, keys = quick ? 40 : 2048, queries = quick ? 9 : 128;
  for (const char *element : {"f32", "f16", "bf16"}) {
    all.push_back(dense(n, k, element, 1));
    all.push_back(dense(n / 8, k, element, many));
    all.push_back(dense(n / 8, k, element, 4));
    all.push_back(attention(20, 20, element, 1, keys));
    all.push_back(attention(20, 5, element, 1, keys));
    all.push_back(attention(20, 5, element, queries, queries));
    all.push_back(norm(element, many, k));
    all.push_back(normQuantize(element, many, k));
    all.push_back(quantize(element, many, wide));
    all.push_back(rotary(element, many, false));
    all.push_back(siluGate(element, many, wide));
    all.push_back(epilogue(element, many, k));
  }
  all.push_back(dense(large, k, "f32", 1));
  all.push_back(denseColumns(n / 8, k, "f32", 1));
  all.push_back(denseColumns(n / 8, k, "f32", 4));
  all.push_back(denseColumns(n / 8, k, "f32", many));
  all.push_back(denseColumns(n / 8, k, "f16", many));
  all.push_back(rotary("f32", many, true));
  all.push_back(softmax(many, quick ? 50 : 2048));
  all.push_back(embedding("f16", many, quick ? 30 : 4000, k));
  all.push_back(transpose("f32", queries));
  all.push_back(transpose("f16", queries));
  return all;
}
