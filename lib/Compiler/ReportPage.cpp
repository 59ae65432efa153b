//===- ReportPage.cpp - The report as a page -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// One self-contained file: style and pictures (SVG) are in it.

#include "setun/Compiler/Report.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace setun;
namespace json = llvm::json;

static constexpr llvm::StringLiteral kHead = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Setun report</title><style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; color: #1b1f23 }
table { border-collapse: collapse; width: 100% } td, th { padding: .25em .6em; text-align: right; border-bottom: 1px solid #e1e4e8; white-space: nowrap }
td:first-child, th:first-child, td.reason, td.form { text-align: left } tr.dense { color: #777 }
svg text { font: 13px system-ui, sans-serif } .before { fill: #c9d1d9 } .after { fill: #2f81f7 }
</style></head><body>
)";

static std::string escape(llvm::StringRef text) {
  std::string escaped;
  llvm::raw_string_ostream os(escaped);
  llvm::printHTMLEscaped(text, os);
  return escaped;
}

/// 1234567 as "1.23 M".
static std::string shortNumber(double value) {
  static constexpr const char *units[] = {"", " k", " M", " G", " T"};
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < std::size(units)) {
    value /= 1000;
    ++unit;
  }
  return llvm::formatv(unit == 0 ? "{0:f0}{1}" : "{0:f2}{1}", value, units[unit]);
}

static double number(const json::Object &object, llvm::StringRef key) { return object.getNumber(key).value_or(0); }

/// A pair of bars, before over after, for each total.
static void printBars(const json::Object &total, llvm::raw_ostream &os) {
  static constexpr std::pair<const char *, const char *> rows[] = {{"bytes", "bytes of weights"},
                                                                   {"multiplications", "multiplications"},
                                                                   {"additions", "additions"},
                                                                   {"picojoules_45nm", "pJ at 45 nm"},
                                                                   {"picojoules_7nm", "pJ at 7 nm"}};
  os << "<svg width=\"100%\" height=\"270\" role=\"img\" aria-label=\"totals before and after\">\n";
  int y = 10;
  for (auto [key, label] : rows) {
    double before = number(total, (key + std::string("_before"))), after = number(total, (key + std::string("_after")));
    double scale = before > 0 ? 55 / std::max(before, after) : 0;
    os << llvm::formatv("<text x=\"0\" y=\"{0}\">{1}</text>", y + 20, label)
       << llvm::formatv("<rect class=\"before\" x=\"18%\" y=\"{0}\" width=\"{1:f2}%\" height=\"16\"/>", y,
                        before * scale)
       << llvm::formatv("<text x=\"{0:f2}%\" y=\"{1}\">{2}</text>", 19 + before * scale, y + 13, shortNumber(before))
       << llvm::formatv("<rect class=\"after\" x=\"18%\" y=\"{0}\" width=\"{1:f2}%\" height=\"16\"/>", y + 18,
                        after * scale)
       << llvm::formatv("<text x=\"{0:f2}%\" y=\"{1}\">{2}</text>\n", 19 + after * scale, y + 31, shortNumber(after));
    y += 52;
  }
  os << "</svg>\n";
}

static void printRow(const json::Object &layer, llvm::raw_ostream &os) {
  const json::Object &before = *layer.getObject("before"), &after = *layer.getObject("after");
  bool ternary = layer.getString("kind") == llvm::StringRef("ternary");
  os << llvm::formatv("<tr class=\"{0}\"><td>{1}</td><td>{2} × {3}</td><td>{4}</td>", *layer.getString("kind"),
                      escape(*layer.getString("name")), *layer.getInteger("rows"), *layer.getInteger("columns"),
                      *layer.getString("activation"));
  if (!ternary) {
    os << "<td class=\"reason\" colspan=\"6\">dense: " << escape(*layer.getString("reason")) << "</td></tr>\n";
    return;
  }
  const json::Array &range = *layer.getArray("scale_range");
  os << llvm::formatv("<td>{0}</td>", layer.getInteger("scales").value_or(0) == 1
                                          ? llvm::formatv("{0:f5}", *range[0].getAsNumber()).str()
                                          : llvm::formatv("{0} scales", layer.getInteger("scales").value_or(0)).str())
     << llvm::formatv("<td>{0:f1} %</td>", 100 * number(layer, "zeros"))
     << llvm::formatv("<td>{0}</td>", shortNumber(number(after, "additions")))
     << llvm::formatv("<td>{0} → {1}</td>", shortNumber(number(before, "multiplications")),
                      shortNumber(number(after, "multiplications")))
     << llvm::formatv("<td>{0} → {1}</td>", shortNumber(number(before, "bytes")), shortNumber(number(after, "bytes")))
     << llvm::formatv("<td>{0:f1} ×</td></tr>\n", number(before, "picojoules_7nm") / number(after, "picojoules_7nm"));
}

/// One row for each level and number of tokens of a product.
static void printKernel(const json::Object &kernel, llvm::raw_ostream &os) {
  std::string layers;
  for (const json::Value &layer : *kernel.getArray("layers"))
    layers += (layers.empty() ? "" : ", ") + escape(*layer.getAsString());
  const json::Array &forms = *kernel.getArray("forms");
  bool first = true;
  for (const json::Value &value : forms) {
    const json::Object &form = *value.getAsObject();
    os << "<tr>";
    if (first)
      os << llvm::formatv("<td rowspan=\"{0}\">{1}<br>{2} × {3}, encoding {4}</td>", forms.size(), layers,
                          *kernel.getInteger("rows"), *kernel.getInteger("columns"), *kernel.getString("encoding"));
    first = false;
    os << llvm::formatv("<td>{0}</td><td>{1}</td><td class=\"form\">{2}</td>", escape(*form.getString("level")),
                        *form.getInteger("tokens"), escape(*form.getString("form")))
       << llvm::formatv("<td>{0}</td><td>{1}</td><td>{2:f1}</td><td>{3}</td></tr>\n",
                        shortNumber(number(form, "predicted_bytes")),
                        shortNumber(number(form, "predicted_instructions")),
                        number(form, "predicted_nanoseconds") / 1000, *form.getString("bound"));
  }
}

void setun::printReportPage(const json::Object &report, llvm::raw_ostream &os) {
  os << kHead
     << llvm::formatv(
            "<h1>{0}</h1><p>Compiled for {1}, products: {2}. {3} products are ternary, {4} dense. Counts are for one "
            "token, in the ternary products; grey before, blue after.</p>\n",
            escape(*report.getString("model")), escape(*report.getString("target")),
            escape(*report.getString("products")), *report.getInteger("ternary_products"),
            *report.getInteger("dense_products"));
  printBars(*report.getObject("total"), os);
  os << "<h2>Layers</h2><table><tr><th>layer</th><th>shape</th><th>activations</th><th>scale</th><th>zeros</"
        "th><th>additions</th>"
        "<th>multiplications</th><th>bytes</th><th>energy, 7 nm</th></tr>\n";
  for (const json::Value &layer : *report.getArray("layers"))
    printRow(*layer.getAsObject(), os);
  os << "</table>\n<h2>Kernels</h2><table><tr><th>layers</th><th>level</th><th>tokens</th><th class=\"form\">form</"
        "th><th>bytes</th><th>instructions</th><th>µs, one thread</th><th>bound</th></tr>\n";
  for (const json::Value &kernel : *report.getArray("kernels"))
    printKernel(*kernel.getAsObject(), os);
  os << "</table><p>Bytes, instructions and times are predictions of the target's cost model. Energy of arithmetic by "
        "the energy table of arXiv 2310.11453; memory traffic is not in it. With "
        "products "
        "'best' a level may do additions by multiply-add instructions where that is faster (the forms tell); "
        "with 'addsub' none does.</p></body></html>\n";
}
