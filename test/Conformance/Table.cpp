//===- Table.cpp - Which ran how -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Table.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace setun;
using namespace setun::conformance;

namespace {
struct Row {
  std::string name, way, note;
  int64_t cases;
  double seconds;
};
} // namespace

static std::vector<Row> rows;

void setun::conformance::record(const Subject &subject, int64_t cases, double seconds, llvm::StringRef note) {
  std::string name = Variant{subject.level, subject.products, false}.name(), way = toString(subject.way).str();
  auto row = llvm::find_if(rows, [&](const Row &row) { return row.name == name && row.way == way; });
  if (row == rows.end())
    row = rows.insert(rows.end(), Row{name, way, "", 0, 0});
  row->cases += cases;
  row->seconds += seconds;
  if (!note.empty())
    row->note = note;
}

void setun::conformance::printTable() {
  if (rows.empty())
    return;
  std::error_code failure;
  const char *path = std::getenv("SETUN_CONFORMANCE_TABLE");
  llvm::raw_fd_ostream file(path ? path : "-", failure, llvm::sys::fs::OF_Append);
  std::string lines;
  llvm::raw_string_ostream log(lines);
  int64_t total = 0;
  llvm::outs() << llvm::format("%-32s %-9s %9s %8s\n", "level, products", "way", "cases", "seconds");
  for (const Row &row : rows) {
    llvm::outs() << llvm::format("%-32s %-9s %9ld %8.1f  ", row.name.c_str(), row.way.c_str(), long(row.cases),
                                 row.seconds)
                 << row.note << "\n";
    log << row.name << '|' << row.way << '|' << row.cases << '|' << llvm::format("%.1f", row.seconds) << '|' << row.note
        << '\n';
    total += row.cases;
  }
  llvm::outs() << total << " cases\n";
  if (path && !failure)
    file << lines;
}
