//===- States.cpp - Which outputs are the next value of which inputs -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// Told by the user, by the form of the graph (a cache that grows by Concat or is
// written by a scatter), or by the names that exporters give.
//
//===----------------------------------------------------------------------===//

#include "Importer.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace setun::onnx;
using namespace setun_onnx;

/// The common part of the two names of one cache: "input.past_key_values.0.key" and "present.0.key" give ".0.key".
/// Nothing if no word says that the value is of the past or of the present.
static std::optional<std::string> cacheName(StringRef name, bool isInput) {
  name.consume_front(isInput ? "input." : "output.");
  static const StringRef past[] = {"past_key_values", "past_key_value", "past"};
  static const StringRef present[] = {"present_key_values", "present_key_value", "present", "past_key_values"};
  for (StringRef word : isInput ? ArrayRef(past) : ArrayRef(present))
    if (size_t at = name.find(word); at != StringRef::npos)
      return (name.take_front(at) + name.drop_front(at + word.size())).str();
  return std::nullopt;
}

bool setun::onnx::isStatePair(StringRef input, StringRef output) {
  std::optional<std::string> a = cacheName(input, true), b = cacheName(output, false);
  return a && b && *a == *b;
}

std::string setun::onnx::modulePath(const NodeProto &node) {
  for (const auto &property : node.metadata_props()) {
    if (property.key() != "pkg.torch.onnx.name_scopes")
      continue;
    // A Python list of strings; the last is the node, the one before it the module.
    SmallVector<StringRef> parts;
    StringRef rest = property.value();
    while (true) {
      size_t open = rest.find_first_of("'\"");
      if (open == StringRef::npos)
        break;
      size_t close = rest.find(rest[open], open + 1);
      if (close == StringRef::npos)
        break;
      parts.push_back(rest.slice(open + 1, close));
      rest = rest.drop_front(close + 1);
    }
    if (parts.size() >= 2)
      return parts[parts.size() - 2].str();
  }
  return "";
}

LogicalResult Importer::findStates(ArrayRef<Tensor *> outputs, SmallVectorImpl<FoundState> &states) {
  auto indexOfInput = [&](StringRef name) {
    auto found = llvm::find_if(inputs, [&](const Input &input) { return input.name == name; });
    return found == inputs.end() ? -1 : int(found - inputs.begin());
  };
  auto outputName = [&](int output) -> StringRef { return model.graph().output(output).name(); };
  auto taken = [&](int input, int output) {
    return llvm::any_of(states, [&](const FoundState &s) { return s.input == input || s.output == output; });
  };
  /// The dimension that grows, -1 if the shapes are equal; nothing if these two can't be one state.
  auto growth = [&](int input, int output) -> std::optional<int64_t> {
    const Tensor &out = *outputs[output];
    int64_t axis = -1;
    if (out.dtype != inputs[input].dtype || out.shape.size() != inputs[input].declared.size())
      return std::nullopt;
    for (int64_t i = 0; i < out.rank(); ++i) {
      AffineExpr before = sizes.canonical(inputs[input].declared[i]);
      if (sizes.equal(before, out.shape[i]))
        continue;
      if (axis >= 0 || !isa<AffineSymbolExpr>(before))
        return std::nullopt;
      axis = i;
    }
    return axis;
  };

  for (const auto &[in, out] : options.states) {
    int input = indexOfInput(in), output = -1;
    for (int i = 0; i < int(outputs.size()); ++i)
      if (outputName(i) == out)
        output = i;
    std::string what = "state '" + in + ":" + out + "': ";
    if (input < 0)
      return fail(what + "there is no input '" + in + "'");
    if (output < 0)
      return fail(what + "there is no output '" + out + "'");
    if (taken(input, output))
      return fail(what + "one of the two is part of another state");
    std::optional<int64_t> axis = growth(input, output);
    if (!axis)
      return fail(what +
                  "the two have different element types, or shapes that differ in more than one growing dimension");
    states.push_back({input, output, *axis});
  }
  if (!options.detectStates)
    return success();
  for (int output = 0; output < int(outputs.size()); ++output) {
    int input = outputs[output]->stateOf;
    if (input < 0 || taken(input, output))
      continue;
    if (std::optional<int64_t> axis = growth(input, output))
      states.push_back({input, output, *axis});
  }
  for (int input = 0; input < int(inputs.size()); ++input)
    for (int output = 0; output < int(outputs.size()); ++output)
      if (!taken(input, output) && isStatePair(inputs[input].name, outputName(output)))
        if (std::optional<int64_t> axis = growth(input, output))
          states.push_back({input, output, *axis});
  return success();
}
