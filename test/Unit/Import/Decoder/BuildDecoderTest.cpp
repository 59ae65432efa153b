//===- BuildDecoderTest.cpp - Descriptions of decoders to IR -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Models.h"

#include "setun/Dialect/NN/IR/NN.h"
#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Pipelines/Registration.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace setun;
using namespace setun::decoder;

namespace {

class BuildDecoder : public testing::Test {
protected:
  static void SetUpTestSuite() { setun::registerPasses(); }
  BuildDecoder() : context(makeRegistry()), location(UnknownLoc::get(&context)) {}

  static Shape twoLayers() {
    Shape shape;
    shape.layers = 2;
    return shape;
  }

  static DialectRegistry makeRegistry() {
    DialectRegistry registry;
    setun::registerDialects(registry);
    return registry;
  }

  /// The model in the input contract, which the contract's verifier has looked at.
  OwningOpRef<ModuleOp> build(const Model &model, const Options &options = {}) {
    OwningOpRef<ModuleOp> module = buildDecoder(model, options, location);
    EXPECT_TRUE(module);
    if (module)
      run(*module, "setun-verify-contract{stage=input}");
    return module;
  }

  /// The same in the ternary contract; every raise is verified unless another test has done so.
  OwningOpRef<ModuleOp> raise(const Model &model, bool verifies = true) {
    OwningOpRef<ModuleOp> module = build(model);
    if (module)
      run(*module, verifies ? "setun-input-to-ternary{verify-raise=true}" : "setun-input-to-ternary");
    return module;
  }

  void run(ModuleOp module, StringRef pipeline) {
    PassManager pm(&context);
    ASSERT_TRUE(succeeded(parsePassPipeline(pipeline, pm)));
    EXPECT_TRUE(succeeded(pm.run(module))) << pipeline.str();
  }

  /// The one diagnostic of a description that does not fit.
  std::string refuse(const Model &model, const Options &options = {}) {
    std::vector<std::string> messages;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      messages.push_back(diagnostic.str());
      return success();
    });
    EXPECT_FALSE(buildDecoder(model, options, location));
    EXPECT_EQ(messages.size(), 1u);
    return messages.empty() ? "" : messages.front();
  }

  template <typename Op> static int count(ModuleOp module) {
    int result = 0;
    module.walk([&](Op) { ++result; });
    return result;
  }
  template <typename Op> static Op find(ModuleOp module) {
    Op found;
    module.walk([&](Op op) { found = found ? found : op; });
    return found;
  }

  /// Every linear layer of the model as `change` makes it.
  template <typename Change> static void forEachLinear(Model &model, Change change) {
    for (Layer &layer : model.layers) {
      for (Linear *linear : {&layer.attention.q, &layer.attention.k, &layer.attention.v, &layer.attention.o,
                             &layer.mlp.up, &layer.mlp.down})
        change(*linear);
      if (layer.mlp.gate)
        change(*layer.mlp.gate);
    }
  }

  MLIRContext context;
  Location location;
  WeightFile file;
};

TEST_F(BuildDecoder, PackedLinearsBecomeTernaryProducts) {
  OwningOpRef<ModuleOp> module = raise(makeModel(file, twoLayers()));
  EXPECT_EQ(count<ternary::MatmulOp>(*module), 14);
  EXPECT_EQ(count<linalg::MatmulOp>(*module), 1); // the head
  EXPECT_EQ(count<nn::RmsNormOp>(*module), 9);
  EXPECT_EQ(count<nn::AttentionOp>(*module), 2);
  EXPECT_EQ(count<nn::RotaryEmbeddingOp>(*module), 4);
  EXPECT_EQ(count<ternary::QuantizeOp>(*module), 8); // q, k and v share one; gate and up share one
  module->walk([](ternary::MatmulOp op) { EXPECT_TRUE(getElementTypeOrSelf(op.getX().getType()).isInteger(8)); });
}

TEST_F(BuildDecoder, RowsOfPackedWeightsNeedNotBeAMultipleOfFour) {
  Shape shape;
  shape.hidden = 33, shape.inner = 47, shape.heads = 3, shape.keyHeads = 1, shape.headSize = 10;
  OwningOpRef<ModuleOp> module = raise(makeModel(file, shape));
  EXPECT_EQ(count<ternary::MatmulOp>(*module), 7);
}

TEST_F(BuildDecoder, MastersBecomeTernaryProducts) {
  for (Element element : {Element::F32, Element::F16, Element::BF16}) {
    Model model = makeModel(file);
    forEachLinear(model, [&](Linear &linear) {
      linear.form = WeightForm::Online;
      linear.scale.reset();
      linear.weight = file.floats(linear.name + ".weight", {linear.rows, linear.columns}, element, 0.02f);
    });
    OwningOpRef<ModuleOp> module = raise(model, element == Element::BF16);
    EXPECT_EQ(count<ternary::MatmulOp>(*module), 7);
  }
}

TEST_F(BuildDecoder, PlainTernaryValuesBecomeTernaryProducts) {
  for (Element element : {Element::F32, Element::F16, Element::BF16})
    for (bool quantize : {true, false}) {
      Model model = makeModel(file);
      forEachLinear(model, [&](Linear &linear) {
        linear.form = WeightForm::Plain;
        linear.quantizeInput = quantize;
        linear.weight = file.ternary(linear.name + ".weight", {linear.rows, linear.columns}, element, 0.37f);
      });
      OwningOpRef<ModuleOp> module = raise(model, element == Element::F16);
      EXPECT_EQ(count<ternary::MatmulOp>(*module), 7);
      EXPECT_EQ(count<ternary::QuantizeOp>(*module), quantize ? 4 : 0);
    }
}

TEST_F(BuildDecoder, PackedWeightsOfFloatActivations) {
  Model model = makeModel(file);
  forEachLinear(model, [&](Linear &linear) { linear.quantizeInput = false; });
  OwningOpRef<ModuleOp> module = raise(model);
  EXPECT_EQ(count<ternary::MatmulOp>(*module), 7);
}

TEST_F(BuildDecoder, ScalesDivideAndBiasesComeBeforeOrAfter) {
  for (bool divides : {true, false})
    for (bool before : {true, false})
      for (bool quantize : {true, false}) {
        Model model = makeModel(file);
        int index = 0;
        forEachLinear(model, [&](Linear &linear) {
          linear.scaling = divides ? Linear::Divide : Linear::Multiply;
          linear.biasBeforeScale = before;
          linear.quantizeInput = quantize;
          linear.bias = file.floats("bias" + std::to_string(index++), {linear.rows}, Element::BF16);
        });
        OwningOpRef<ModuleOp> module = raise(model, quantize);
        EXPECT_EQ(count<ternary::MatmulOp>(*module), 7);
      }
}

TEST_F(BuildDecoder, TiedEmbeddingIsOneParameterOfItsOwnType) {
  OwningOpRef<ModuleOp> module = raise(makeModel(file), /*verifies=*/false);
  auto head = find<linalg::MatmulOp>(*module);
  auto load = head.getInputs()[1].getDefiningOp<ml_program::GlobalLoadConstOp>();
  ASSERT_TRUE(load);
  EXPECT_TRUE(getElementTypeOrSelf(load.getType()).isBF16());
  int parameters = 0;
  for (auto global : module->getOps<ml_program::GlobalOp>())
    parameters += cast<RankedTensorType>(global.getType()).getShape() == ArrayRef<int64_t>{96, 32};
  EXPECT_EQ(parameters, 1);
  bool isGathered = false;
  module->walk([&](nn::EmbeddingOp op) {
    auto table = op.getTable().getDefiningOp<ml_program::GlobalLoadConstOp>();
    isGathered |= table && table.getGlobal() == load.getGlobal();
  });
  EXPECT_TRUE(isGathered);
}

TEST_F(BuildDecoder, HeadOfItsOwnStaysNarrow) {
  for (Element element : {Element::F32, Element::F16, Element::BF16}) {
    Model model = makeModel(file);
    model.head.weight = file.floats("lm_head.weight", {model.vocabulary, model.hidden}, element, 0.3f);
    OwningOpRef<ModuleOp> module = raise(model, /*verifies=*/false);
    auto head = find<linalg::MatmulOp>(*module);
    auto load = head.getInputs()[1].getDefiningOp<ml_program::GlobalLoadConstOp>();
    ASSERT_TRUE(load);
    EXPECT_EQ(getElementTypeOrSelf(load.getType()).getIntOrFloatBitWidth(), element == Element::F32 ? 32u : 16u);
  }
}

TEST_F(BuildDecoder, LogitsOfTheRowsThatAreAskedFor) {
  OwningOpRef<ModuleOp> module = build(makeModel(file));
  auto entry = module->lookupSymbol<func::FuncOp>("main");
  EXPECT_EQ(entry.getArgAttrOfType<StringAttr>(1, "setun.name"), "logits_to_keep");
  auto head = find<linalg::MatmulOp>(*module);
  module->walk([&](linalg::MatmulOp op) { head = op; });
  auto norm = head.getInputs()[0].getDefiningOp<nn::RmsNormOp>();
  ASSERT_TRUE(norm);
  auto gather = norm.getX().getDefiningOp<nn::EmbeddingOp>();
  ASSERT_TRUE(gather);
  EXPECT_EQ(gather.getIds(), entry.getArgument(1));
}

TEST_F(BuildDecoder, CachesAreStates) {
  OwningOpRef<ModuleOp> module = build(makeModel(file, twoLayers()));
  auto entry = module->lookupSymbol<func::FuncOp>("main");
  ASSERT_EQ(entry.getNumArguments(), 2u + 4 + 3);
  ASSERT_EQ(entry.getNumResults(), 5u);
  for (unsigned i = 0; i < 4; ++i) {
    std::string end = "." + std::to_string(i / 2) + (i % 2 ? ".value" : ".key");
    EXPECT_EQ(entry.getArgAttrOfType<StringAttr>(2 + i, "setun.name"), "past_key_values" + end);
    EXPECT_EQ(entry.getArgAttrOfType<StringAttr>(2 + i, "setun.state"), "present" + end);
    EXPECT_EQ(entry.getArgAttrOfType<IntegerAttr>(2 + i, "setun.axis").getInt(), 2);
    EXPECT_EQ(entry.getResultAttrOfType<StringAttr>(1 + i, "setun.name"), "present" + end);
  }
  EXPECT_EQ(entry.getArgAttrOfType<StringAttr>(8, "setun.symbol"), "past");
}

TEST_F(BuildDecoder, TablesHoldAllPositionsThatMayBeAskedFor) {
  Model model = makeModel(file);
  for (auto [context, rows] : {std::pair<int64_t, int64_t>(16, 64), {100, 100}}) {
    OwningOpRef<ModuleOp> module = build(model, Options{context});
    auto table = module->lookupSymbol<ml_program::GlobalOp>("rotary_emb.cos");
    ASSERT_TRUE(table);
    EXPECT_EQ(cast<RankedTensorType>(table.getType()).getShape(), (ArrayRef<int64_t>{rows, 4}));
  }
}

TEST_F(BuildDecoder, OptionsOfAttention) {
  Model model = makeModel(file, twoLayers());
  Attention &first = model.layers[0].attention, &second = model.layers[1].attention;
  first.window = 5;
  first.softcap = 20;
  first.scale = 0.25f;
  first.qNorm = Norm{"q_norm", Norm::RMS, file.floats("q_norm.weight", {8}, Element::F32), {}, 1e-6f};
  first.kNorm = Norm{"k_norm", Norm::RMS, file.floats("k_norm.weight", {8}, Element::F32), {}, 1e-6f};
  second.rotary = false;
  second.subNorm.reset();
  OwningOpRef<ModuleOp> module = raise(model);
  auto attention = find<nn::AttentionOp>(*module);
  EXPECT_EQ(attention.getWindow(), 5);
  EXPECT_EQ(attention.getSoftcap().convertToFloat(), 20.0f);
  EXPECT_EQ(attention.getScale().convertToFloat(), 0.25f);
  EXPECT_TRUE(attention.getCausal());
  EXPECT_EQ(count<nn::RotaryEmbeddingOp>(*module), 2);
  EXPECT_EQ(count<nn::RmsNormOp>(*module), 9 + 2 - 1);
}

TEST_F(BuildDecoder, WithoutPositionsThereAreNoTables) {
  Model model = makeModel(file);
  model.rope.reset();
  for (Layer &layer : model.layers)
    layer.attention.rotary = false;
  OwningOpRef<ModuleOp> module = raise(model, /*verifies=*/false);
  EXPECT_FALSE(module->lookupSymbol("rotary_emb.cos"));
}

TEST_F(BuildDecoder, PartOfAHeadIsTurned) {
  Model model = makeModel(file);
  model.rope->dimension = 6;
  OwningOpRef<ModuleOp> module = raise(model, /*verifies=*/false);
  auto rotary = find<nn::RotaryEmbeddingOp>(*module);
  EXPECT_EQ(cast<RankedTensorType>(rotary.getCos().getType()).getDimSize(2), 3);
}

TEST_F(BuildDecoder, EveryActivationWithAndWithoutAGate) {
  for (Activation activation :
       {Activation::Relu2, Activation::Silu, Activation::GeluTanh, Activation::Gelu, Activation::Relu})
    for (bool gated : {true, false}) {
      Model model = makeModel(file);
      for (Layer &layer : model.layers) {
        layer.mlp.activation = activation;
        if (!gated)
          layer.mlp.gate.reset();
      }
      OwningOpRef<ModuleOp> module = raise(model, /*verifies=*/false);
      EXPECT_EQ(count<ternary::MatmulOp>(*module), gated ? 7 : 6);
      EXPECT_EQ(count<math::ErfOp>(*module), activation == Activation::Gelu ? 1 : 0);
      EXPECT_EQ(count<math::TanhOp>(*module), activation == Activation::GeluTanh ? 1 : 0);
      EXPECT_EQ(count<math::ExpOp>(*module), activation == Activation::Silu ? 1 : 0);
    }
}

TEST_F(BuildDecoder, NormsOfAllKindsAndPlaces) {
  Model model = makeModel(file);
  Norm layerNorm{"ln", Norm::Layer, file.floats("ln.weight", {32}, Element::BF16),
                 file.floats("ln.bias", {32}, Element::BF16), 1e-5f};
  Norm gemma{"gemma", Norm::RMS, file.floats("gemma.weight", {32}, Element::BF16), {}, 1e-6f};
  gemma.plusOne = true;
  for (Layer &layer : model.layers) {
    layer.beforeAttention = layerNorm;
    layer.postAttention = gemma;
    layer.postMlp = Norm{"plain", Norm::RMS, {}, {}, 1e-5f};
    layer.attention.q.norm = gemma;
  }
  model.norm = Norm{"final", Norm::Layer, {}, {}, 1e-5f};
  OwningOpRef<ModuleOp> module = raise(model, /*verifies=*/false);
  EXPECT_EQ(count<nn::LayerNormOp>(*module), 2);
  EXPECT_EQ(count<nn::RmsNormOp>(*module), 6);
}

TEST_F(BuildDecoder, ScalesAndCapsOfTheEnds) {
  Model model = makeModel(file);
  model.embeddingScale = 5.5f;
  model.logitSoftcap = 30;
  model.head.bias = file.floats("lm_head.bias", {model.vocabulary}, Element::F32);
  OwningOpRef<ModuleOp> module = raise(model, /*verifies=*/false);
  EXPECT_EQ(count<math::TanhOp>(*module), 1);
}

TEST_F(BuildDecoder, RefusesWhatDoesNotFit) {
  Model model = makeModel(file, twoLayers());
  auto changed = [&](auto change) {
    Model other = model;
    change(other);
    return refuse(other);
  };
  EXPECT_EQ(changed([](Model &m) { m.hidden = -3; }), "the hidden size is -3, no size");
  EXPECT_EQ(changed([](Model &m) { m.layers[1].attention.keyHeads = 3; }), "3 key-value heads do not divide 4 heads");
  EXPECT_EQ(changed([](Model &m) { m.layers[0].mlp.down.rows = 31; }),
            "'model.layers.0.mlp.down_proj' is of 31 x 48, its place of 32 x 48");
  EXPECT_EQ(changed([](Model &m) { m.layers[0].mlp.up.weight.length -= 1; }),
            "tensor 'model.layers.0.mlp.up_proj.weight' has 383 bytes, but [12, 32] of U8 needs 384");
  EXPECT_EQ(changed([](Model &m) { m.layers[0].mlp.up.weight.element = Element::I8; }),
            "tensor 'model.layers.0.mlp.up_proj.weight' is of I8, expected U8");
  EXPECT_EQ(changed([](Model &m) { m.embedding.shape = {32, 96}; }),
            "tensor 'model.embed_tokens.weight' has shape [32, 96], expected [96, 32]");
  EXPECT_EQ(changed([](Model &m) {
              m.norm->weight->name = "lm_head";
              m.layers[0].beforeMlp->weight->name = "lm_head";
            }),
            "two tensors are named 'lm_head'");
  EXPECT_EQ(changed([](Model &m) { m.norm->epsilon = NAN; }),
            "the epsilon of norm 'model.norm' must be a number that is not negative");
  EXPECT_EQ(changed([](Model &m) { m.rope->dimension = 7; }),
            "the rotary embedding turns 7 components, no even number above 0");
  EXPECT_EQ(changed([](Model &m) { m.rope->dimension = 10; }),
            "the rotary embedding turns 10 components of heads of 8");
  EXPECT_EQ(changed([](Model &m) { m.rope.reset(); }),
            "'model.layers.0.self_attn' has positions, but the model has no rotary embedding");
  EXPECT_EQ(changed([](Model &m) { m.rope->kind = Rope::LongRope; }), "longrope has 0 factors, expected 4");
  EXPECT_EQ(changed([](Model &m) { m.positions = int64_t(1) << 30; }),
            "rotary tables of 1073741824 positions are too large");
  EXPECT_EQ(changed([](Model &m) { m.layers[0].attention.o.scale->shape = {2}; }),
            "tensor 'model.layers.0.self_attn.o_proj.weight_scale' has shape [2], expected one element");
}

} // namespace
