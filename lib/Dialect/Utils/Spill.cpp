//===- Spill.cpp - Large constants outside of memory -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/Utils/Spill.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace mlir;
using namespace setun;

static constexpr size_t kLeast = 1 << 20;
static constexpr size_t kAlignment = 64;

static size_t getPage() { return llvm::sys::Process::getPageSizeEstimate(); }

/// Maps `size` bytes of a new file that has no name any longer, or gives nullptr.
static void *mapFile(size_t size) {
  std::optional<std::string> folder = llvm::sys::Process::GetEnv("TMPDIR");
  llvm::SmallString<128> model(folder && !folder->empty() ? *folder : "/var/tmp"), path;
  llvm::sys::path::append(model, "setun-%%%%%%%%.weights");
  int file;
  if (llvm::sys::fs::createUniqueFile(model, file, path))
    return nullptr;
  ::unlink(path.c_str());
  // All of it is reserved now: a disk that is full must not be found out by writing to the mapping.
  void *memory = MAP_FAILED;
  if (posix_fallocate(file, 0, static_cast<off_t>(size)) == 0)
    memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  return memory == MAP_FAILED ? nullptr : memory;
}

AsmResourceBlob setun::allocateBlob(size_t size) {
  void *memory = size >= kLeast ? mapFile(size) : nullptr;
  if (!memory)
    return HeapAsmResourceBlob::allocate(size, kAlignment);
  auto unmap = [](void *data, size_t size, size_t) { munmap(data, size); };
  return AsmResourceBlob(llvm::MutableArrayRef<char>(static_cast<char *>(memory), size), getPage(), unmap,
                         /*dataIsMutable=*/true);
}

AsmResourceBlob setun::copyToBlob(ArrayRef<char> bytes) {
  AsmResourceBlob blob = allocateBlob(bytes.size());
  llvm::copy(bytes, blob.getMutableData().begin());
  restBlob(blob);
  return blob;
}

void setun::restBlob(const AsmResourceBlob &blob) {
  // Of allocateBlob's, those that are aligned to pages are mapped. Pages of a shared mapping stay in the file.
  if (blob.getDataAlignment() == getPage())
    (void)madvise(const_cast<char *>(blob.getData().data()), blob.getData().size(), MADV_DONTNEED);
}
