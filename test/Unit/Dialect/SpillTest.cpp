//===- SpillTest.cpp - Large constants outside of memory -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/Utils/Spill.h"

#include "gtest/gtest.h"
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

using namespace setun;

namespace {

/// Memory of this process, in KiB, of the kind `name` of /proc/self/status.
long getMemory(const std::string &name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(name + ":", 0) == 0)
      return std::stol(line.substr(name.size() + 1));
  return 0;
}

/// $TMPDIR while this object lives.
struct TemporaryFolder {
  std::string before = getenv("TMPDIR") ? getenv("TMPDIR") : "";
  explicit TemporaryFolder(const std::string &path) { setenv("TMPDIR", path.c_str(), 1); }
  ~TemporaryFolder() { before.empty() ? unsetenv("TMPDIR") : setenv("TMPDIR", before.c_str(), 1); }
};

std::vector<char> makeBytes(size_t size) {
  std::vector<char> bytes(size);
  for (size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<char>(i * 31 + (i >> 12));
  return bytes;
}

TEST(Spill, KeepsBytesAndNoMemory) {
  std::string folder = std::filesystem::temp_directory_path() / ("setun-spill-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  {
    TemporaryFolder temporary(folder);
    std::vector<char> bytes = makeBytes(64 << 20);
    long before = getMemory("VmRSS");
    std::vector<mlir::AsmResourceBlob> blobs;
    for (int i = 0; i < 4; ++i)
      blobs.push_back(copyToBlob(bytes));
    EXPECT_LT(getMemory("VmRSS") - before, 32 << 10) << "256 MiB lie in files";
    EXPECT_TRUE(std::filesystem::is_empty(folder)) << "the files have no names";
    for (const mlir::AsmResourceBlob &blob : blobs)
      EXPECT_TRUE(blob.getData() == llvm::ArrayRef<char>(bytes));
    restBlob(blobs[2]);
    EXPECT_TRUE(blobs[2].getData() == llvm::ArrayRef<char>(bytes)) << "rest does not forget";
  }
  std::filesystem::remove_all(folder);
}

TEST(Spill, IsMemoryWhereThereIsNoFile) {
  TemporaryFolder temporary("/nowhere/at/all");
  for (size_t size : {size_t(0), size_t(5), size_t(3) << 20}) {
    std::vector<char> bytes = makeBytes(size);
    mlir::AsmResourceBlob blob = copyToBlob(bytes);
    EXPECT_TRUE(blob.getData() == llvm::ArrayRef<char>(bytes)) << size;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(blob.getData().data()) % 64, 0u);
  }
}

TEST(Spill, SmallOnesAreMemory) {
  TemporaryFolder temporary("/nowhere/at/all");
  EXPECT_EQ(allocateBlob(1000).getData().size(), 1000u);
}

} // namespace
