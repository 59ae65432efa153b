//===- Descriptor.h - The model as the runtime sees it -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_COMPILER_DESCRIPTOR_H
#define SETUN_COMPILER_DESCRIPTOR_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/IR/Module.h"

namespace setun {

/// What include/setun-rt/abi.h says of a model, gathered from the attributes of @main (docs/contracts.md).
struct ModelDescriptor {
  struct Symbol {
    std::string name;
    uint32_t kind;
  };
  struct Argument {
    std::string name, outputName;
    uint32_t kind, dtype;
    int32_t axis = -1, position = -1;
    llvm::SmallVector<int64_t> dims;
  };
  std::string name, weightsFile; ///< weightsFile empty: appended
  std::vector<Symbol> symbols;
  std::vector<Argument> arguments;
  uint64_t weightsSize = 0, dataOffset = 0, headerHash = 0, textOffset = 0, textSize = 0;
  uint64_t parameters = 0; ///< elements of the weights, before they are packed
  int64_t defaultCapacity = 0;
};

/// Reads the entry function of the ternary stage. Fails with a diagnostic on an element type the runtime has no name
/// for.
llvm::FailureOr<ModelDescriptor> describeModel(mlir::func::FuncOp entry);

/// Adds the constant `setun_model` to `module`, with one setun_level for each of `levels` (name and feature mask),
/// whose entry points, and whose setun_device_code if it has any, stand in the module already.
void emitDescriptor(const ModelDescriptor &model, llvm::ArrayRef<std::pair<std::string, uint64_t>> levels,
                    llvm::Module &module);

} // namespace setun

#endif // SETUN_COMPILER_DESCRIPTOR_H
