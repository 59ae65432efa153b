//===- InspectFolder.cpp - setun inspect of a checkpoint folder -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "InspectFolder.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;
using namespace setun;

static StringMap<const ProductFacts *> byLayer(const std::vector<ProductFacts> &products) {
  StringMap<const ProductFacts *> result;
  for (const ProductFacts &facts : products)
    result.try_emplace(facts.layer, &facts);
  return result;
}

static std::string showShape(ArrayRef<int64_t> shape) {
  std::string text;
  for (auto [i, size] : enumerate(shape))
    text += (i ? " x " : "") + std::to_string(size);
  return text.empty() ? "one" : text;
}

static std::string show(double number) {
  std::string text;
  raw_string_ostream(text) << format("%.6g", number);
  return text;
}

/// The scales that a weight's values were found to have.
static std::string showScales(const ProductFacts &facts) {
  auto [least, largest] = facts.scaleRange;
  if (facts.scales <= 1)
    return "scale " + show(largest);
  std::string unit = facts.scales == facts.rows ? "row"
                     : facts.scales % facts.rows == 0
                         ? formatv("group of {0}", facts.columns / (facts.scales / facts.rows)).str()
                         : "group";
  return formatv("a scale for each {0}, {1} to {2}", unit, show(least), show(largest));
}

/// How a weight is known to be ternary, or why it is not; empty of tensors that are no weights.
static std::string showFound(const HfTensor &tensor, const ProductFacts *facts) {
  if (tensor.product.empty())
    return "";
  if (!facts)
    return "no product";
  if (!facts->ternary)
    return "not ternary" + (facts->reason.empty() ? "" : ": " + facts->reason);
  std::string zeros = formatv(", {0:f1}% zeros", 100 * facts->zeros);
  switch (tensor.form) {
  case decoder::WeightForm::Packed:
    return formatv("ternary, packed, {0} by {1}{2}", tensor.divides ? "divided" : "multiplied",
                   show(tensor.scale.value_or(1)), zeros);
  case decoder::WeightForm::Online:
    return "ternary, quantized from its master, " + showScales(*facts) + zeros;
  case decoder::WeightForm::Plain:
    break;
  }
  return "ternary by value, " + showScales(*facts) + (tensor.scale ? ", multiplied by " + show(*tensor.scale) : "") +
         zeros;
}

static const ProductFacts *getFacts(const StringMap<const ProductFacts *> &layers, const HfTensor &tensor) {
  return tensor.product.empty() ? nullptr : layers.lookup(tensor.product);
}

void printFolder(const HfFolder &folder, const std::vector<ProductFacts> &products, raw_ostream &os) {
  StringMap<const ProductFacts *> layers = byLayer(products);
  size_t name = 6, shape = 5, file = 4, role = 4;
  for (const HfTensor &tensor : folder.tensors) {
    name = std::max(name, tensor.name.size());
    shape = std::max(shape, showShape(tensor.shape).size());
    file = std::max(file, tensor.file.size());
    role = std::max(role, tensor.role.size());
  }
  os << folder.summary << "\n";
  auto row = [&](StringRef a, StringRef b, StringRef c, StringRef d, StringRef e, StringRef f) {
    std::string line;
    raw_string_ostream(line) << left_justify(a, name) << "  " << left_justify(b, 5) << "  " << right_justify(c, shape)
                             << "  " << left_justify(d, file) << "  " << left_justify(e, role) << "  " << f;
    os << StringRef(line).rtrim() << "\n";
  };
  row("tensor", "dtype", "shape", "file", "role", "ternary");
  int64_t ternary = 0, before = 0, after = 0;
  for (const HfTensor &tensor : folder.tensors)
    row(tensor.name, tensor.dtype, showShape(tensor.shape), tensor.file, tensor.role,
        showFound(tensor, getFacts(layers, tensor)));
  for (const ProductFacts &facts : products) {
    ternary += facts.ternary;
    before += facts.before.bytes;
    after += facts.after.bytes;
  }
  os << formatv("{0} tensors, {1} products of which {2} are ternary; bytes of their weights {3} -> {4}\n",
                folder.tensors.size(), products.size(), ternary, before, after);
}

json::Object makeFolderReport(const HfFolder &folder, const std::vector<ProductFacts> &products, json::Object report) {
  StringMap<const ProductFacts *> layers = byLayer(products);
  json::Array tensors;
  for (const HfTensor &tensor : folder.tensors) {
    const ProductFacts *facts = getFacts(layers, tensor);
    json::Object entry{{"name", tensor.name},
                       {"dtype", tensor.dtype},
                       {"shape", json::Array(tensor.shape)},
                       {"file", tensor.file},
                       {"role", tensor.role},
                       {"offset", static_cast<int64_t>(tensor.offset)},
                       {"bytes", static_cast<int64_t>(tensor.length)}};
    if (!tensor.product.empty()) {
      entry["ternary"] = facts && facts->ternary;
      entry["found"] = showFound(tensor, facts);
    }
    tensors.push_back(std::move(entry));
  }
  report["summary"] = folder.summary;
  report["tensors"] = std::move(tensors);
  return report;
}
