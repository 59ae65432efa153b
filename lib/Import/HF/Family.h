//===- Family.h - Architectures that differ in data alone -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// All families are one decoder: pre-norm attention with rotary positions and a gated MLP. A row
// says where they differ, and which defaults their configuration classes have (transformers 5).
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_HF_FAMILY_H
#define SETUN_LIB_IMPORT_HF_FAMILY_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>

namespace setun::hf {

struct Family {
  llvm::StringLiteral architecture; ///< as `architectures` names it
  llvm::StringLiteral modelType;    ///< as `model_type` does

  // Defaults of keys that are absent.
  double theta = 10000;
  double epsilon = 1e-6;
  int64_t positions = 2048;
  int64_t keyHeads = 0; ///< 0: as many as there are heads
  int64_t headSize = 0; ///< 0: hidden size / heads
  llvm::StringLiteral activation = "silu";

  // Norms besides the usual ones: names below self_attn and mlp; empty: none.
  llvm::StringLiteral attentionSubNorm = "", mlpSubNorm = "";
  bool headNorms = false; ///< q_norm and k_norm, of each head

  enum Bias { NoBias, ByKey, Inputs } attentionBias = NoBias; ///< Inputs: q, k and v, always
  bool mlpBiasKey = false;                                    ///< reads mlp_bias

  enum Window { NoWindow, AllLayers, SomeLayers } window = NoWindow; ///< SomeLayers: as layer_types says
  bool alwaysOnline = false; ///< the blocks' linear layers are BitLinear with full-precision masters by themselves
};

/// All rows.
llvm::ArrayRef<Family> getFamilies();

} // namespace setun::hf

#endif // SETUN_LIB_IMPORT_HF_FAMILY_H
