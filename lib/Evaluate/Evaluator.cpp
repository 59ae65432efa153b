//===- Evaluator.cpp - Runs a slice at compile time -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The slice's text is parsed into a context of the evaluator's own: whatever lowering makes of it is gone with the
// evaluator, and the caller's context may be in the middle of a pass.

#include "setun/Evaluate/Evaluator.h"

#include "setun/Evaluate/HostJit.h"
#include "setun/Evaluate/SlicePipeline.h"

#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Alignment.h"

using namespace mlir;
using namespace setun;

static constexpr size_t kAlignment = 64;

namespace {

/// What the call needs to know of one argument or result.
struct Signature {
  SmallVector<int64_t> shape;
  size_t elementBytes;

  size_t getBytes() const {
    size_t bytes = elementBytes;
    for (int64_t size : shape)
      bytes *= size;
    return bytes;
  }

  /// The descriptor of a contiguous memref: two pointers, an offset, sizes and strides.
  SmallVector<int64_t> makeDescriptor(const char *data) const {
    auto address = static_cast<int64_t>(reinterpret_cast<uintptr_t>(data));
    SmallVector<int64_t> descriptor = {address, address, 0};
    llvm::append_range(descriptor, shape);
    descriptor.append(shape.size(), 1);
    for (int64_t i = static_cast<int64_t>(shape.size()) - 2, base = 3 + shape.size(); i >= 0; --i)
      descriptor[base + i] = descriptor[base + i + 1] * shape[i + 1];
    return descriptor;
  }
};

struct Compiled {
  std::string error; // of a slice that cannot be compiled, so that it is tried once
  HostJit::Entry entry;
  SmallVector<Signature> arguments, results;
};

} // namespace

struct Evaluator::Impl {
  Impl() : context(makeRegistry(), MLIRContext::Threading::DISABLED) {}

  static DialectRegistry makeRegistry() {
    DialectRegistry registry;
    registerSliceDialects(registry);
    return registry;
  }

  llvm::Expected<Compiled> compile(StringRef text);

  MLIRContext context;
  HostJit jit;
  llvm::StringMap<Compiled> cache;
};

Evaluator::Evaluator() : impl(std::make_unique<Impl>()) {}
Evaluator::~Evaluator() = default;
unsigned Evaluator::getNumCompiled() const { return impl->cache.size(); }

std::string Evaluator::print(ModuleOp module) {
  OpPrintingFlags flags;
  // A driver's printing options must not reach this text.
  flags.elideLargeElementsAttrs(INT64_MAX).elideLargeResourceString(INT64_MAX).enableDebugInfo(false);
  std::string text;
  llvm::raw_string_ostream os(text);
  module->print(os, flags);
  return text;
}

static llvm::Expected<SmallVector<Signature>> getSignatures(TypeRange types) {
  SmallVector<Signature> signatures;
  for (Type type : types) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor || !tensor.hasStaticShape() || !tensor.getElementType().isIntOrIndexOrFloat())
      return llvm::createStringError("a slice's argument or result must be a static tensor of numbers");
    Type element = tensor.getElementType();
    size_t bits = element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
    signatures.push_back({SmallVector<int64_t>(tensor.getShape()), llvm::divideCeil(bits, 8)});
  }
  return signatures;
}

llvm::Expected<Compiled> Evaluator::Impl::compile(StringRef text) {
  std::string messages;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
      messages += (messages.empty() ? "" : "; ") + diagnostic.str();
    return success();
  });
  auto fail = [&] { return llvm::createStringError(messages.empty() ? "cannot lower the slice" : messages); };
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  auto slice = module ? module->lookupSymbol<func::FuncOp>("slice") : func::FuncOp();
  if (!slice)
    return fail();
  auto arguments = getSignatures(slice.getArgumentTypes()), results = getSignatures(slice.getResultTypes());
  if (!arguments || !results)
    return llvm::joinErrors(arguments.takeError(), results.takeError());

  Builder builder(&context);
  std::string name = "slice" + std::to_string(cache.size());
  slice.setName(name);
  slice->setAttr("llvm.emit_c_interface", builder.getUnitAttr());
  for (unsigned i = 0; i < slice.getNumArguments(); ++i) // parameters may be read-only pages of a file
    slice.setArgAttr(i, bufferization::BufferizationDialect::kWritableAttrName, builder.getBoolAttr(false));
  PassManager pm(&context);
  buildSlicePipeline(pm);
  if (failed(pm.run(*module)))
    return fail();
  auto entry = jit.compile(*module, name);
  if (!entry)
    return llvm::joinErrors(fail(), entry.takeError());
  return Compiled{"", *entry, std::move(*arguments), std::move(*results)};
}

llvm::Expected<Evaluator::Results> Evaluator::evaluate(StringRef text, ArrayRef<ArrayRef<char>> arguments) {
  auto [entry, isNew] = impl->cache.try_emplace(text);
  Compiled &slice = entry->second;
  if (isNew) {
    llvm::Expected<Compiled> compiled = impl->compile(text);
    slice = compiled ? std::move(*compiled) : Compiled{llvm::toString(compiled.takeError()), nullptr, {}, {}};
  }
  if (!slice.error.empty())
    return llvm::createStringError(slice.error);
  if (arguments.size() != slice.arguments.size())
    return llvm::createStringError("the slice takes %zu arguments, not %zu", slice.arguments.size(), arguments.size());

  Results results;
  SmallVector<SmallVector<int64_t>> descriptors;
  auto allocate = [](size_t bytes) {
    return llvm::WritableMemoryBuffer::getNewUninitMemBuffer(std::max<size_t>(bytes, 1), "", llvm::Align(kAlignment));
  };
  Results aligned;
  for (auto [signature, bytes] : llvm::zip(slice.arguments, arguments)) {
    if (bytes.size() != signature.getBytes())
      return llvm::createStringError("an argument of the slice has %zu bytes, not %zu", bytes.size(),
                                     signature.getBytes());
    const char *data = bytes.data();
    if (reinterpret_cast<uintptr_t>(data) % signature.elementBytes != 0) { // as a file may have it
      aligned.push_back(allocate(bytes.size()));
      llvm::copy(bytes, aligned.back()->getBufferStart());
      data = aligned.back()->getBufferStart();
    }
    descriptors.push_back(signature.makeDescriptor(data));
  }
  for (const Signature &signature : slice.results) {
    results.push_back(allocate(signature.getBytes()));
    descriptors.push_back(signature.makeDescriptor(results.back()->getBufferStart()));
  }
  SmallVector<void *> pointers;
  for (SmallVector<int64_t> &descriptor : descriptors)
    pointers.push_back(descriptor.data());
  slice.entry(pointers.data());
  return results;
}
