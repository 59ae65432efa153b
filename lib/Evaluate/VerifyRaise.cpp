//===- VerifyRaise.cpp - A raise computes what its original computed -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Evaluate/VerifyRaise.h"

#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Dialect/Utils/Proof.h"
#include "setun/Evaluate/Passes.h"
#include "setun/Evaluate/ProofSlice.h"
#include "setun/Evaluate/SampleInputs.h"

#include "llvm/Support/Format.h"
#include <cmath>

using namespace mlir;
using namespace setun;

namespace setun {
#define GEN_PASS_DEF_VERIFYRAISE
#include "setun/Evaluate/Passes.h.inc"
} // namespace setun

namespace {

/// How far two ways of computing one thing may be apart.
struct Tolerance {
  double relative; // to the largest magnitude of a row
  double absolute; // what is left of precision among denormals

  /// At least two units of the last place of the narrowest float type in which `function` computes.
  Tolerance(func::FuncOp function, double relative) : relative(relative), absolute(0) {
    function.walk([&](Operation *op) {
      for (Type type : op->getResultTypes())
        if (auto element = dyn_cast<FloatType>(getElementTypeOrSelf(type))) {
          double ulp = std::ldexp(1.0, 1 - static_cast<int>(element.getFPMantissaWidth()));
          double normal = llvm::APFloat::getSmallestNormalized(element.getFloatSemantics()).convertToDouble();
          this->relative = std::max(this->relative, 2 * ulp);
          absolute = std::max(absolute, 64 * ulp * normal);
        }
    });
  }
};

struct Difference {
  int64_t index;
  double original, raised;
};

} // namespace

/// The first element that differs by more than the tolerance.
static std::optional<Difference> compare(RankedTensorType type, const char *original, const char *raised,
                                         const Tolerance &tolerance) {
  Type element = type.getElementType();
  int64_t count = type.getNumElements(), width = getElementBytes(element);
  int64_t row = type.getRank() ? std::max<int64_t>(type.getShape().back(), 1) : 1;
  for (int64_t first = 0; first < count; first += row) {
    double largest = 0;
    for (int64_t i = first; i < first + row; ++i)
      if (double magnitude = std::abs(loadElement(element, original + i * width)); std::isfinite(magnitude))
        largest = std::max(largest, magnitude);
    for (int64_t i = first; i < first + row; ++i) {
      double a = loadElement(element, original + i * width), b = loadElement(element, raised + i * width);
      bool isSame = a == b || (std::isnan(a) && std::isnan(b)) ||
                    (isa<FloatType>(element) && std::isfinite(a) &&
                     std::abs(a - b) <= std::max(tolerance.absolute, tolerance.relative * largest));
      if (!isSame)
        return Difference{i, a, b};
    }
  }
  return std::nullopt;
}

static llvm::Expected<std::unique_ptr<llvm::WritableMemoryBuffer>> run(Evaluator &evaluator, const ProofSlice &slice,
                                                                       ArrayRef<std::vector<char>> inputs) {
  SmallVector<ArrayRef<char>> arguments(inputs.begin(), inputs.end());
  arguments.append(slice.parameters.begin(), slice.parameters.end());
  auto results = evaluator.evaluate(slice.text, arguments);
  if (!results)
    return results.takeError();
  return std::move(results->front());
}

static std::string describeIndex(RankedTensorType type, int64_t index) {
  std::string text;
  for (int64_t size : llvm::reverse(type.getShape())) {
    text = std::to_string(index % size) + (text.empty() ? "" : ",") + text;
    index /= size;
  }
  return "[" + text + "]";
}

LogicalResult RaiseVerifier::verify(func::FuncOp original, func::FuncOp raised) {
  Location loc = raised.getLoc();
  auto kind = raised->getAttrOfType<StringAttr>("setun.raise");
  std::string what = kind ? "raise to " + kind.getValue().str() : "raise";
  auto skip = [&](llvm::Twine why) {
    emitWarning(loc) << "this " << what << " is not verified: " << why;
    return success();
  };
  if (original.getFunctionType() != raised.getFunctionType() || original.getNumResults() != 1)
    return emitError(loc) << "this " << what << " changes the type of what it computes";
  auto sizes = SampleSizes::find(original);
  if (!sizes)
    return skip("no sizes were found that fit its operations");
  auto before = ProofSlice::make(original, original, *sizes), after = ProofSlice::make(raised, original, *sizes);
  if (!before || !after)
    return skip(llvm::toString(llvm::joinErrors(before.takeError(), after.takeError())));
  if (!done.insert(before->text + after->text).second)
    return success();
  RankedTensorType result = before->result;
  Tolerance allowed(original, tolerance);
  for (Sample sample : kSamples) {
    std::vector<std::vector<char>> inputs;
    for (RankedTensorType type : before->inputs)
      inputs.push_back(makeSample(type, sample, inputs.size() + 1));
    auto expected = run(evaluator, *before, inputs), actual = run(evaluator, *after, inputs);
    if (!expected || !actual)
      return skip(llvm::toString(llvm::joinErrors(expected.takeError(), actual.takeError())));
    auto difference = compare(result, (*expected)->getBufferStart(), (*actual)->getBufferStart(), allowed);
    if (!difference)
      continue;
    std::string values;
    llvm::raw_string_ostream(values) << llvm::format("%.9g, the original gives %.9g", difference->raised,
                                                     difference->original);
    return emitError(loc) << "this " << what << " changes the result: on " << getName(sample) << ", element "
                          << describeIndex(result, difference->index) << " is " << values;
  }
  return success();
}

namespace {

struct VerifyRaise : setun::impl::VerifyRaiseBase<VerifyRaise> {
  using VerifyRaiseBase::VerifyRaiseBase;

  void runOnOperation() override {
    RaiseVerifier verifier(tolerance);
    bool isRight = true;
    SymbolTable symbols(getOperation());
    for (auto raised : getOperation().getOps<func::FuncOp>())
      if (auto name = raised->getAttrOfType<FlatSymbolRefAttr>("setun.raised_from")) {
        auto original = symbols.lookup<func::FuncOp>(name.getValue());
        if (!original) {
          raised.emitError("is raised from @") << name.getValue() << ", which is not there";
          return signalPassFailure();
        }
        isRight &= succeeded(verifier.verify(original, raised));
      }
    for (auto function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (isProof(function))
        function.erase();
    if (!isRight)
      signalPassFailure();
  }
};

} // namespace
