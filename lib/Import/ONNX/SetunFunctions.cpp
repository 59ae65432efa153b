//===- SetunFunctions.cpp - Functions of domain ai.setun -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The bodies below are those of python/setun/functions.py, which explains them;
// test/Import/ONNX/setun-functions.test compares the two, overload by overload.
//
//===----------------------------------------------------------------------===//

#include "SetunFunctions.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace setun::onnx;
using namespace setun_onnx;

static constexpr StringRef domainName = "ai.setun";

namespace {
/// A function's text: its operands, its attributes, and a line a node.
struct Text {
  SmallVector<StringRef> operands;
  SmallVector<StringRef> attributes;
  std::vector<std::string> lines;
  void add(std::initializer_list<const char *> more) { lines.insert(lines.end(), more.begin(), more.end()); }
};
} // namespace

static bool has(ArrayRef<StringRef> words, StringRef word) { return llvm::is_contained(words, word); }

static std::optional<Text> getRMSNorm(ArrayRef<StringRef> words) {
  if (!words.empty())
    return std::nullopt;
  Text text{{"x", "gamma"}, {"epsilon"}, {}};
  text.add({"x32 = Cast<to=1>(x)", "square = Mul(x32, x32)", "axes = Constant<value_ints=[-1]>()",
            "mean = ReduceMean<keepdims=1>(square, axes)", "eps = Constant<value_float=@epsilon>()",
            "sum = Add(mean, eps)", "root = Sqrt(sum)", "n32 = Div(x32, root)", "n = CastLike(n32, x)",
            "y = Mul(n, gamma)"});
  return text;
}

static std::optional<Text> getRotaryEmbedding(ArrayRef<StringRef> words) {
  if (!words.empty())
    return std::nullopt;
  Text text{{"x", "cos", "sin"}, {}, {}};
  text.add({"one = Constant<value_ints=[1]>()", "c = Unsqueeze(cos, one)", "s = Unsqueeze(sin, one)",
            "first, second = Split<axis=-1, num_outputs=2>(x)", "a0 = Mul(first, c)", "a1 = Mul(second, s)",
            "a = Sub(a0, a1)", "b0 = Mul(second, c)", "b1 = Mul(first, s)", "b = Add(b0, b1)",
            "y = Concat<axis=-1>(a, b)"});
  return text;
}

static std::optional<Text> getAttention(ArrayRef<StringRef> words) {
  bool mask = has(words, "mask"), boolMask = has(words, "bool_mask"), causal = has(words, "causal");
  bool grouped = has(words, "grouped");
  if (mask + boolMask + causal > 1 || words.size() != size_t(mask + boolMask + causal + grouped))
    return std::nullopt;
  Text text{{"q", "k", "v"}, {"scale"}, {}};
  if (mask || boolMask)
    text.operands.push_back("mask");
  if (grouped) {
    text.add({"heads = Shape<start=1, end=2>(q)", "groups = Shape<start=1, end=2>(k)", "times = Div(heads, groups)",
              "batch = Shape<start=0, end=1>(k)", "keys = Shape<start=2, end=3>(k)",
              "two = Constant<value_ints=[2]>()"});
    text.add({"size_k = Shape<start=3, end=4>(k)", "five_k = Unsqueeze(k, two)",
              "wide_k = Concat<axis=0>(batch, groups, times, keys, size_k)", "all_k = Expand(five_k, wide_k)",
              "shape_k = Concat<axis=0>(batch, heads, keys, size_k)", "heads_k = Reshape(all_k, shape_k)"});
    text.add({"size_v = Shape<start=3, end=4>(v)", "five_v = Unsqueeze(v, two)",
              "wide_v = Concat<axis=0>(batch, groups, times, keys, size_v)", "all_v = Expand(five_v, wide_v)",
              "shape_v = Concat<axis=0>(batch, heads, keys, size_v)", "heads_v = Reshape(all_v, shape_v)"});
  }
  text.add({grouped ? "kt = Transpose<perm=[0, 1, 3, 2]>(heads_k)" : "kt = Transpose<perm=[0, 1, 3, 2]>(k)",
            "s = MatMul(q, kt)", "factor = Constant<value_float=@scale>()", "like = CastLike(factor, q)",
            "scaled = Mul(s, like)"});
  if (mask)
    text.add({"masked = Add(scaled, mask)"});
  if (boolMask || causal)
    text.add({"infinite = Constant<value_float=-inf>()", "never = CastLike(infinite, q)"});
  if (boolMask)
    text.add({"masked = Where(mask, scaled, never)"});
  if (causal)
    text.add({"zero = Constant<value_int=0>()", "one = Constant<value_int=1>()", "flat = Constant<value_ints=[0]>()",
              "rows1 = Shape<start=2, end=3>(q)", "rows = Squeeze(rows1, flat)", "columns1 = Shape<start=2, end=3>(k)",
              "columns = Squeeze(columns1, flat)", "i0 = Range(zero, rows, one)", "last = Constant<value_ints=[1]>()",
              "i = Unsqueeze(i0, last)", "j = Range(zero, columns, one)", "seen = LessOrEqual(j, i)",
              "masked = Where(seen, scaled, never)"});
  text.add({words.empty() || (grouped && words.size() == 1) ? "p = Softmax<axis=-1>(scaled)"
                                                            : "p = Softmax<axis=-1>(masked)"});
  if (boolMask)
    text.add({"lost = IsNaN(p)", "nothing = Constant<value_float=0>()", "zeros = CastLike(nothing, q)",
              "safe = Where(lost, zeros, p)"});
  text.lines.push_back(std::string("y = MatMul(") + (boolMask ? "safe" : "p") + ", " + (grouped ? "heads_v" : "v") +
                       ")");
  return text;
}

static std::optional<Text> getBitLinear(ArrayRef<StringRef> words) {
  if (words.empty())
    return std::nullopt;
  bool token = words[0] == "token", tensor = words[0] == "tensor", quantized = token || tensor;
  if ((!quantized && words[0] != "none") || (quantized && words.size() < 2))
    return std::nullopt;
  StringRef spelling = quantized ? words[1] : "";
  ArrayRef<StringRef> rest = words.drop_front(quantized ? 2 : 1);
  bool halfUp = has(rest, "half_up"), grouped = has(rest, "grouped"), inner = has(rest, "inner_bias"),
       bias = has(rest, "bias"), isShort = has(rest, "short");
  if (rest.size() != size_t(halfUp + grouped + inner + bias + isShort) || (inner && bias) ||
      (!quantized && (halfUp || inner || isShort)))
    return std::nullopt;
  Text text{{"x", "weight", "scale"}, {}, {}};
  if (bias || inner)
    text.operands.push_back("bias");
  const std::string x = isShort ? "x" : "x32";
  if (!isShort)
    text.add({"x32 = Cast<to=1>(x)"});
  if (quantized) {
    text.attributes = {"qmax", "eps", "low", "high"};
    if (isShort)
      text.add({"qmax32 = Constant<value_float=@qmax>()", "qmax = CastLike(qmax32, x)",
                "eps32 = Constant<value_float=@eps>()", "eps = CastLike(eps32, x)"});
    else
      text.add({"qmax = Constant<value_float=@qmax>()", "eps = Constant<value_float=@eps>()"});
    text.add({"low = Constant<value_float=@low>()", "high = Constant<value_float=@high>()"});
    if (token)
      text.add({"axes = Constant<value_ints=[-1]>()"});
    text.lines.push_back("a = Abs(" + x + ")");
    text.add({token ? "m = ReduceMax<keepdims=1>(a, axes)" : "m = ReduceMax<keepdims=0>(a)", "c = Max(m, eps)"});
    if (spelling == "divide")
      text.lines.insert(text.lines.end(), {"s = Div(qmax, c)", "v = Mul(" + x + ", s)"});
    else if (spelling == "reciprocal")
      text.lines.insert(text.lines.end(), {"r = Reciprocal(c)", "s = Mul(r, qmax)", "v = Mul(" + x + ", s)"});
    else if (spelling == "step")
      text.lines.insert(text.lines.end(), {"s = Div(c, qmax)", "v = Div(" + x + ", s)"});
    else if (spelling == "normalize")
      text.lines.insert(text.lines.end(), {"s = Div(" + x + ", c)", "v = Mul(s, qmax)"});
    else if (spelling == "scale_first")
      text.lines.insert(text.lines.end(), {"s = Mul(" + x + ", qmax)", "v = Div(s, c)"});
    else
      return std::nullopt;
    std::string v = halfUp ? "more" : "v";
    if (halfUp && isShort)
      text.add({"half32 = Constant<value_float=0.5>()", "half = CastLike(half32, x)", "more = Add(v, half)"});
    else if (halfUp)
      text.add({"half = Constant<value_float=0.5>()", "more = Add(v, half)"});
    if (isShort)
      text.lines.push_back("v32 = Cast<to=1>(" + std::exchange(v, "v32") + ")");
    text.lines.push_back((halfUp ? "rounded = Floor(" : "rounded = Round(") + v + ")");
    text.add({"i = Clip(rounded, low, high)"});
  }
  if (grouped) {
    text.attributes.push_back("block_size");
    text.add({"w = DequantizeLinear<axis=1, block_size=@block_size>(weight, scale)"});
  } else {
    text.add({"one = Constant<value_float=1>()", "w = DequantizeLinear(weight, one)"});
  }
  text.add({"wt = Transpose<perm=[1, 0]>(w)", quantized ? "p0 = MatMul(i, wt)" : "p0 = MatMul(x32, wt)"});
  StringRef last = "p0";
  auto then = [&](StringRef name, StringRef op, StringRef operand) {
    text.lines.push_back((name + " = " + op + "(" + last + ", " + operand + ")").str());
    last = name;
  };
  if (inner)
    then("p1", "Add", "bias");
  if (isShort && spelling != "normalize" && spelling != "scale_first") {
    text.add({"s32 = Cast<to=1>(s)"});
    then("p2", spelling == "step" ? "Mul" : "Div", "s32");
  } else if (quantized) {
    if (isShort)
      text.add({"c32 = Cast<to=1>(c)", "step = Div(c32, qmax32)"});
    else
      text.add({"step = Div(c, qmax)"});
    then("p2", "Mul", "step");
  }
  if (!grouped)
    then("p3", "Mul", "scale");
  if (bias)
    then("p4", "Add", "bias");
  then("y", "CastLike", "x");
  return text;
}

static std::optional<Text> getText(StringRef name, StringRef overload) {
  SmallVector<StringRef> words;
  if (!overload.empty())
    overload.split(words, '.');
  using Getter = std::optional<Text> (*)(ArrayRef<StringRef>);
  auto getter = llvm::StringSwitch<Getter>(name)
                    .Case("RMSNorm", getRMSNorm)
                    .Case("RotaryEmbedding", getRotaryEmbedding)
                    .Case("Attention", getAttention)
                    .Case("BitLinear", getBitLinear)
                    .Default(nullptr);
  return getter ? getter(words) : std::nullopt;
}

static void print(llvm::raw_ostream &out, const AttributeProto &attribute) {
  out << attribute.name() << "=";
  if (!attribute.ref_attr_name().empty())
    out << "@" << attribute.ref_attr_name();
  else if (attribute.type() == AttributeProto::INT)
    out << attribute.i();
  else if (attribute.type() == AttributeProto::FLOAT)
    out << llvm::format("%.9g", attribute.f());
  else if (attribute.type() == AttributeProto::INTS)
    out << "[" << llvm::join(llvm::map_range(attribute.ints(), [](int64_t i) { return std::to_string(i); }), ", ")
        << "]";
  else
    out << "?"; // no standard body has one
}

static std::string print(const NodeProto &node) {
  std::string text;
  llvm::raw_string_ostream out(text);
  out << llvm::join(node.output(), ", ") << " = " << node.domain() << (node.domain().empty() ? "" : ":")
      << node.op_type() << (node.overload().empty() ? "" : "!");
  if (node.attribute_size()) {
    out << "<";
    llvm::interleave(
        node.attribute(), [&](const AttributeProto &attribute) { print(out, attribute); }, [&] { out << ", "; });
    out << ">";
  }
  out << "(" << llvm::join(node.input(), ", ") << ")";
  return text;
}

bool setun::onnx::isSetunFunction(const FunctionProto &function) {
  StringRef name = function.name();
  return function.domain() == domainName &&
         (name == "RMSNorm" || name == "RotaryEmbedding" || name == "Attention" || name == "BitLinear");
}

bool setun::onnx::hasStandardBody(const FunctionProto &function) {
  std::optional<Text> text = getText(function.name(), function.overload());
  auto equal = [](const auto &names, const auto &expected) {
    return llvm::equal(names, expected, [](StringRef a, StringRef b) { return a == b; });
  };
  if (!text || !equal(function.input(), text->operands) || !equal(function.output(), ArrayRef<StringRef>("y")) ||
      !equal(function.attribute(), text->attributes) || function.attribute_proto_size())
    return false;
  // The operators mean the same from opset 18, where reductions take their axes as an operand.
  for (const OperatorSetIdProto &import : function.opset_import())
    if ((import.domain().empty() || import.domain() == "ai.onnx") && import.version() < 18)
      return false;
  return llvm::equal(function.node(), text->lines,
                     [](const NodeProto &node, const std::string &line) { return print(node) == line; });
}

/// Sizes of which one would stretch to the other; the operators know that of batches alone.
static bool stretches(AffineExpr a, AffineExpr b) { return (constantOf(a) == 1) != (constantOf(b) == 1); }

/// RotaryEmbedding's tables are [B or 1, S, D / 2].
static bool fitsRotary(ArrayRef<Tensor *> operands) {
  const Tensor &x = *operands[0];
  std::optional<int64_t> whole = x.rank() == 4 ? constantOf(x.shape[3]) : std::nullopt;
  return whole && isFloat(x.dtype) && llvm::all_of(operands.drop_front(), [&](Tensor *t) {
           return t->rank() == 3 && t->dtype == x.dtype && !stretches(t->shape[1], x.shape[2]) &&
                  (constantOf(t->shape[0]) == 1 || !stretches(t->shape[0], x.shape[0])) &&
                  constantOf(t->shape[2]).value_or(0) * 2 == *whole;
         });
}

static bool fitsAttention(ArrayRef<Tensor *> operands) {
  return isFloat(operands[0]->dtype) && llvm::all_of(operands.take_front(3), [&](Tensor *t) {
           return t->rank() == 4 && t->dtype == operands[0]->dtype && !stretches(t->shape[0], operands[0]->shape[0]);
         });
}

std::optional<NodeProto> setun::onnx::getOperator(const NodeProto &call, ArrayRef<Tensor *> operands) {
  StringRef name = call.op_type(), overload = call.overload();
  if (llvm::is_contained(operands, nullptr))
    return std::nullopt;
  // The call gives what the text uses, and nothing else.
  std::optional<Text> text = getText(name, overload);
  if (!text || operands.size() != text->operands.size() || size_t(call.attribute_size()) != text->attributes.size() ||
      !llvm::all_of(call.attribute(), [&](const auto &a) { return has(text->attributes, a.name()); }))
    return std::nullopt;

  NodeProto node = call;
  node.clear_domain(), node.clear_overload();
  if (name == "RMSNorm") {
    node.set_op_type("RMSNormalization");
    bool fits = isFloat(operands[0]->dtype) && operands[0]->rank() > 0 && operands[1]->rank() == 1 &&
                operands[0]->dtype == operands[1]->dtype &&
                !stretches(operands[0]->shape.back(), operands[1]->shape[0]);
    return fits ? std::optional(node) : std::nullopt;
  }
  if (name == "RotaryEmbedding")
    return fitsRotary(operands) ? std::optional(node) : std::nullopt;
  if (name == "Attention") {
    if (overload.contains("causal")) {
      AttributeProto &causal = *node.add_attribute();
      causal.set_name("is_causal"), causal.set_type(AttributeProto::INT), causal.set_i(1);
    }
    return fitsAttention(operands) ? std::optional(node) : std::nullopt;
  }
  // Without a quantizer of ours there is nothing to say that the body does not say.
  if (overload.starts_with("none") || overload.contains("half_up") || overload.contains("grouped") ||
      overload.contains("short"))
    return std::nullopt;
  bool fits =
      isFloat(operands[0]->dtype) && operands[0]->rank() >= 2 && operands[1]->rank() == 2 && operands[2]->rank() <= 1 &&
      llvm::all_of(operands.drop_front(2), [](Tensor *t) { return t->dtype == TensorProto::FLOAT && t->rank() <= 1; });
  node.set_domain(domainName.str()), node.set_overload(overload.str());
  return fits ? std::optional(node) : std::nullopt;
}
