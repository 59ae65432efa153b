//===- Rewrite.h - A GPU kernel made a function of the host -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The kernel becomes `void NAME(Thread *, const void *params)`. Each intrinsic of NVPTX
// has a handler that puts code of the host in its place: arithmetic in line, meetings
// of threads as calls of the machine.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_NVPTX_EMULATOR_REWRITE_H
#define SETUN_LIB_TARGET_NVPTX_EMULATOR_REWRITE_H

#include "Machine.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

namespace setun::nvptx::emulator {

/// Writes the code that stands for a kernel's intrinsics.
class Rewriter {
public:
  Rewriter(CompiledKernel &kernel, llvm::LLVMContext &context) : builder(context), kernel(kernel) {}

  llvm::IRBuilder<> builder;
  CompiledKernel &kernel;
  llvm::Value *thread = nullptr, *block = nullptr; // pointers, known from the function's start on

  Site &addSite(const llvm::Twine &what);
  /// A field of Thread or Block.
  llvm::Value *loadField(llvm::Value *object, size_t offset, llvm::Type *type, bool constant = true);
  /// Puts a value of 32 or 64 bits into in[slot].
  void pass(unsigned slot, llvm::Value *value);
  void pass(unsigned slot, uint32_t value) { pass(slot, builder.getInt32(value)); }
  llvm::Value *result(unsigned slot, llvm::Type *type);
  void call(void (*function)(Thread *, const Site *), const Site &site);
  /// A call of a function of the C library or of Numbers.cpp.
  llvm::Value *callHost(llvm::StringRef name, llvm::Type *type, llvm::ArrayRef<llvm::Value *> arguments);
  llvm::Value *pointerBits(llvm::Value *pointer) { return builder.CreatePtrToInt(pointer, builder.getInt64Ty()); }
  llvm::Value *unary(llvm::Intrinsic::ID id, llvm::Value *value) { return builder.CreateUnaryIntrinsic(id, value); }
  llvm::Value *binary(llvm::Intrinsic::ID id, llvm::Value *a, llvm::Value *b) {
    return builder.CreateBinaryIntrinsic(id, a, b);
  }
  /// A struct or single value of `type`, of these fields.
  llvm::Value *pack(llvm::Type *type, llvm::ArrayRef<llvm::Value *> fields);
};

/// Code for one call, in front of it: what takes the call's place, or null for void. `name` is what follows
/// "llvm.nvvm.".
using Handler = llvm::Value *(*)(Rewriter & rewriter, llvm::CallInst &call, llvm::StringRef name);

/// The handler of an intrinsic, or null: what the emulator does not know. Each file knows its own family.
Handler lookupHandler(llvm::StringRef name);
Handler lookupRegister(llvm::StringRef name);   // RewriteRegisters.cpp: special registers, memory, fences
Handler lookupCollective(llvm::StringRef name); // RewriteCollectives.cpp
Handler lookupInteger(llvm::StringRef name);    // RewriteIntegers.cpp
Handler lookupFloat(llvm::StringRef name);      // RewriteFloats.cpp
Handler lookupGroup(llvm::StringRef name);      // RewriteGroups.cpp: products of four warps
Handler lookupGroupAssembly(llvm::StringRef text);
/// The handler of inline assembly, by its text.
Handler lookupAssembly(llvm::StringRef text);

/// Whether the module holds nothing but what can be rewritten; the error names what cannot.
llvm::Error checkModule(llvm::Module &module);
/// Name, parameters and limits of each kernel.
llvm::Expected<std::vector<KernelInfo>> describeKernels(llvm::Module &module);
/// Makes the kernel named in `kernel.info`, whose module holds nothing else that is defined, a function of the host
/// with its own name. `checks`: with checks of addresses.
llvm::Error rewriteKernel(llvm::Module &module, CompiledKernel &kernel, bool checks);
/// Whether the registers of all products of four warps are ordered by fences.
llvm::Error checkGroups(const llvm::Function &function);
/// Puts checks before the loads and stores of a kernel's function.
void checkAccesses(llvm::Function &function, Rewriter &rewriter);

/// Functions that rewritten code may call, by name: for the linker.
std::vector<std::pair<llvm::StringRef, void *>> getHostFunctions();

} // namespace setun::nvptx::emulator

#endif // SETUN_LIB_TARGET_NVPTX_EMULATOR_REWRITE_H
