//===- SetunFunctions.h - Functions of domain ai.setun -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// setun.export writes parts of a model as local functions, by name. A name alone
// says nothing: a call is taken for its name only if the function's body is, line
// by line, the one that python/setun/functions.py writes.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_ONNX_SETUNFUNCTIONS_H
#define SETUN_LIB_IMPORT_ONNX_SETUNFUNCTIONS_H

#include "Node.h"

namespace setun::onnx {

/// Whether the function bears one of the names that setun.export gives.
bool isSetunFunction(const setun_onnx::FunctionProto &function);

/// Whether the function is what its name and overload stand for.
bool hasStandardBody(const setun_onnx::FunctionProto &function);

/// A call with a standard body as a node of the default domain, or of ai.setun for a BitLinear; nothing where inlining
/// the body serves as well or the operands are of another kind than the operator's.
std::optional<setun_onnx::NodeProto> getOperator(const setun_onnx::NodeProto &call, llvm::ArrayRef<Tensor *> operands);

/// The handler's row of ai.setun:BitLinear. It is in no table: a node without a function is no BitLinear.
const OpRow &getBitLinearRow();

} // namespace setun::onnx

#endif // SETUN_LIB_IMPORT_ONNX_SETUNFUNCTIONS_H
