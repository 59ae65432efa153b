//===- OperandMemory.cpp - Operands between pages that must not be touched -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OperandMemory.h"

#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

using namespace setun::conformance;

OperandMemory::OperandMemory() {
  file = memfd_create("setun-operands", 0); // children inherit it
  void *all = mmap(nullptr, SETUN_MEMORY_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  base = static_cast<uint8_t *>(all);
  bool good = file >= 0 && ftruncate(file, SETUN_MEMORY_SIZE) == 0 && all != MAP_FAILED;
  for (int i = 0; good && i < SETUN_REGIONS; ++i)
    good = mmap(base + SETUN_REGION_START(i), SETUN_REGION_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file,
                SETUN_REGION_START(i)) != MAP_FAILED;
  if (good)
    return;
  std::perror("no memory for the operands");
  std::exit(1);
}

OperandMemory::~OperandMemory() {
  munmap(base, SETUN_MEMORY_SIZE);
  close(file);
}
