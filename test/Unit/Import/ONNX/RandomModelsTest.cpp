//===- RandomModelsTest.cpp - Nothing in a file crashes the importer -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Models of random operators on random operands, and one good model with bytes
// changed: each is imported, or refused with exactly one error. Seeds are fixed.
//
//===----------------------------------------------------------------------===//

#include "Importer.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

#include <random>

using namespace mlir;
using namespace setun;
using namespace setun_onnx;

namespace {
struct RandomModels : testing::Test {
  std::mt19937 random{20240};
  MLIRContext context{MLIRContext::Threading::DISABLED};
  SmallString<128> path;
  int accepted = 0, refused = 0;
  std::string lastError;

  RandomModels() { EXPECT_FALSE(llvm::sys::fs::createTemporaryFile("setun-import", "onnx", path)); }
  ~RandomModels() override { llvm::sys::fs::remove(path); }

  int pick(int count) { return int(random() % unsigned(count)); }

  void import(const std::string &bytes) {
    std::error_code error;
    llvm::raw_fd_ostream(path, error, llvm::sys::fs::OF_None) << bytes;
    ASSERT_FALSE(error);
    int errors = 0;
    std::string last;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
        ++errors, last = diagnostic.str();
      return success();
    });
    OwningOpRef<ModuleOp> module = importOnnx(path, {}, &context);
    EXPECT_EQ(errors, module ? 0 : 1) << last;
    // What is accepted is sound; the importer must not have to find out at its very end.
    EXPECT_EQ(last.find("can't be written in the input contract"), std::string::npos) << last;
    lastError = last;
    ++(module ? accepted : refused);
  }
};
} // namespace

static void addTensor(GraphProto &graph, const char *name, std::vector<int64_t> dims, std::vector<int64_t> numbers) {
  TensorProto *tensor = graph.add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(TensorProto::INT64);
  for (int64_t dim : dims)
    tensor->add_dims(dim);
  for (int64_t number : numbers)
    tensor->add_int64_data(number);
}

static void addInput(GraphProto &graph, const char *name, int32_t dtype, std::vector<const char *> dims) {
  ValueInfoProto *input = graph.add_input();
  input->set_name(name);
  auto *type = input->mutable_type()->mutable_tensor_type();
  type->set_elem_type(dtype);
  type->mutable_shape();
  for (const char *dim : dims) {
    int64_t number;
    auto *entry = type->mutable_shape()->add_dim();
    if (StringRef(dim).getAsInteger(10, number))
      entry->set_dim_param(dim);
    else
      entry->set_dim_value(number);
  }
}

static const char *const values[] = {"f", "f3", "fd", "f4",   "v",     "s",   "i",   "id",
                                     "b", "u",  "n",  "axes", "shape", "one", "many"};

static ModelProto base() {
  ModelProto model;
  model.set_ir_version(10);
  auto *opset = model.add_opset_import();
  opset->set_version(24);
  auto *other = model.add_opset_import();
  other->set_domain("com.microsoft");
  other->set_version(1);
  GraphProto &graph = *model.mutable_graph();
  addInput(graph, "f", TensorProto::FLOAT, {"4", "4"});
  addInput(graph, "f3", TensorProto::FLOAT, {"2", "4", "4"});
  addInput(graph, "fd", TensorProto::FLOAT, {"a", "b", "4"});
  addInput(graph, "f4", TensorProto::FLOAT, {"2", "2", "b", "4"});
  addInput(graph, "v", TensorProto::FLOAT, {"4"});
  addInput(graph, "s", TensorProto::FLOAT, {});
  addInput(graph, "i", TensorProto::INT64, {"4", "4"});
  addInput(graph, "id", TensorProto::INT32, {"a", "1"});
  addInput(graph, "b", TensorProto::BOOL, {"a", "4"});
  addInput(graph, "u", TensorProto::UINT8, {"4", "1", "4"});
  addInput(graph, "n", TensorProto::INT8, {"0", "4"});
  addTensor(graph, "axes", {1}, {1});
  addTensor(graph, "shape", {3}, {-1, 2, 4});
  addTensor(graph, "one", {}, {1});
  addTensor(graph, "many", {4}, {0, INT64_MAX, INT64_MIN, -1});
  return model;
}

static std::string describe(const GraphProto &graph) {
  std::string text;
  for (const NodeProto &node : graph.node()) {
    text += node.op_type() + ":";
    for (const std::string &name : node.input())
      text += " " + name;
    for (const AttributeProto &attribute : node.attribute())
      text += " " + attribute.name() + "=" + std::to_string(attribute.i());
    text += "; ";
  }
  return text;
}

TEST_F(RandomModels, Operators) {
  static const char *const ints[] = {"axis",
                                     "keepdims",
                                     "to",
                                     "allowzero",
                                     "transA",
                                     "transB",
                                     "upper",
                                     "k",
                                     "K",
                                     "N",
                                     "bits",
                                     "block_size",
                                     "num_heads",
                                     "q_num_heads",
                                     "kv_num_heads",
                                     "is_causal",
                                     "batch_dims",
                                     "num_outputs",
                                     "start",
                                     "end",
                                     "largest",
                                     "exclusive",
                                     "reverse",
                                     "fmod",
                                     "noop_with_empty_axes",
                                     "dtype",
                                     "interleaved",
                                     "rotary_embedding_dim"};
  static const int64_t numbers[] = {0, 1, 2, 3, 4, -1, -2, 7, 9, 16, INT64_MAX, INT64_MIN, 1 << 20};
  llvm::ArrayRef<onnx::OpRow> families[] = {
#define FAMILY(family) onnx::get##family##Ops(),
#include "Families.def"
#undef FAMILY
  };
  for (int round = 0; round < 2500; ++round) {
    ModelProto model = base();
    GraphProto &graph = *model.mutable_graph();
    std::vector<std::string> known(std::begin(values), std::end(values));
    for (int i = 0, count = 1 + pick(3); i < count; ++i) {
      llvm::ArrayRef<onnx::OpRow> family = families[pick(std::size(families))];
      const onnx::OpRow &row = family[pick(family.size())];
      NodeProto &node = *graph.add_node();
      node.set_op_type(row.name);
      node.set_domain(row.domain);
      int most = row.maxInputs < 0 ? 4 : row.maxInputs;
      for (int k = 0, inputs = row.minInputs + pick(most - row.minInputs + 1); k < inputs; ++k)
        node.add_input(pick(20) ? known[pick(known.size())] : std::string());
      for (int k = 0; k < 4; ++k) {
        node.add_output("r" + std::to_string(i) + "_" + std::to_string(k));
        if (pick(4))
          break;
      }
      for (int k = pick(5); k > 0; --k) {
        AttributeProto &attribute = *node.add_attribute();
        attribute.set_name(ints[pick(std::size(ints))]);
        attribute.set_type(AttributeProto::INT);
        attribute.set_i(numbers[pick(std::size(numbers))]);
      }
      if (!pick(3)) {
        AttributeProto &attribute = *node.add_attribute();
        attribute.set_name(pick(2) ? "perm" : "axes");
        attribute.set_type(AttributeProto::INTS);
        for (int k = pick(4); k > 0; --k)
          attribute.add_ints(numbers[pick(8)]);
      }
      for (const std::string &name : node.output())
        known.push_back(name);
    }
    for (const NodeProto &node : graph.node())
      graph.add_output()->set_name(node.output(0));
    SCOPED_TRACE(describe(graph));
    import(model.SerializeAsString());
  }
  // Both ways must really have been taken.
  EXPECT_GT(accepted, 100);
  EXPECT_GT(refused, 100);
}

TEST_F(RandomModels, Bytes) {
  ModelProto model = base();
  GraphProto &graph = *model.mutable_graph();
  auto node = [&](const char *op, std::vector<const char *> in, const char *out) {
    NodeProto *node = graph.add_node();
    node->set_op_type(op);
    for (const char *name : in)
      node->add_input(name);
    node->add_output(out);
  };
  node("Reshape", {"fd", "shape"}, "r");
  node("MatMul", {"r", "f"}, "m");
  node("Softmax", {"m"}, "p");
  node("Shape", {"fd"}, "sh");
  node("Gather", {"sh", "axes"}, "g");
  node("Expand", {"s", "g"}, "e");
  node("Gather", {"f", "i"}, "w");
  node("Slice", {"f3", "one", "axes", "axes"}, "x");
  for (const char *name : {"p", "e", "w", "g"})
    graph.add_output()->set_name(name);
  std::string good = model.SerializeAsString();
  import(good);
  ASSERT_EQ(accepted, 1) << lastError;
  for (int round = 0; round < 1500; ++round) {
    std::string bytes = good;
    for (int changes = 1 + pick(4); changes > 0; --changes) {
      int at = pick(bytes.size());
      switch (pick(4)) {
      case 0:
        bytes[at] = char(random());
        break;
      case 1:
        bytes[at] = char(bytes[at] ^ (1 << pick(8)));
        break;
      case 2:
        bytes.erase(at, 1 + pick(8));
        break;
      default:
        bytes.insert(at, bytes.substr(pick(bytes.size()), pick(16)));
      }
    }
    SCOPED_TRACE(round);
    import(bytes);
    if (HasFatalFailure() || HasNonfatalFailure())
      return;
  }
}
