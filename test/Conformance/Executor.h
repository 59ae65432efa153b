//===- Executor.h - Ways to run a level's kernels -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Natively in this process, by emulation in this process, or in a process of
// another machine. What runs (Cases.h) and how are apart.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TEST_CONFORMANCE_EXECUTOR_H
#define SETUN_TEST_CONFORMANCE_EXECUTOR_H

#include "KernelCompiler.h"
#include "OperandMemory.h"

#include "llvm/Support/Error.h"

namespace setun::conformance {

/// An operand of a call; its elements lie in the suite's OperandMemory.
struct Operand {
  void *data;
  int64_t rank, sizes[2], strides[2];

  static Operand vector(void *data, int64_t size) { return {data, 1, {size, 0}, {1, 0}}; }
  static Operand matrix(void *data, int64_t rows, int64_t cols, int64_t stride) {
    return {data, 2, {rows, cols}, {stride, 1}};
  }
};

/// Functions that are ready to run, numbered.
class Kernels {
public:
  virtual ~Kernels() = default;
  /// Calls one. The error says how it died, for instance by touching what is not its own.
  virtual llvm::Error call(size_t function, llvm::ArrayRef<Operand> operands) = 0;
};

enum class Way { Native, Emulated, Remote };
llvm::StringRef toString(Way way);

/// A level's products, run one way.
struct Subject {
  const TargetLevel *level;
  Products products;
  Way way;
  std::string getName() const;
};
/// For GoogleTest's messages.
void PrintTo(const Subject &subject, std::ostream *os);

/// What the command line asks for.
struct Options {
  uint32_t seed = 2024;
  double more = 1;                                          // times as many random cases
  int64_t most = INT64_MAX;                                 // multiply-adds of the largest case
  std::string levels;                                       // a regular expression; empty: all
  std::vector<std::pair<std::string, std::string>> runners; // architecture and command, in place of what is found
};
Options &getOptions();

/// Every level with its best instructions, and with additions alone where that is other code: natively where it is of
/// this machine's architecture, in another process where it is not, and by emulation where it uses instructions or does
/// not run natively.
std::vector<Subject> getSubjects();

class Executor {
public:
  virtual ~Executor() = default;
  /// Compiles `source`; the functions are numbered as `names` has them. Null after a message on stderr.
  virtual std::unique_ptr<Kernels> compile(llvm::StringRef source, llvm::ArrayRef<std::string> names) = 0;
};

/// The error says what this machine lacks to run the subject.
llvm::Expected<std::unique_ptr<Executor>> makeExecutor(const Subject &subject, OperandMemory &memory);
llvm::Expected<std::unique_ptr<Executor>> makeHostExecutor(const Subject &subject);
llvm::Expected<std::unique_ptr<Executor>> makeDeviceExecutor(const Subject &subject, OperandMemory &memory);
llvm::Expected<std::unique_ptr<Executor>> makeRemoteExecutor(const Subject &subject, OperandMemory &memory);

} // namespace setun::conformance

#endif // SETUN_TEST_CONFORMANCE_EXECUTOR_H
