//===- Writer.h - Writes a decoder in the input contract -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_DECODER_WRITER_H
#define SETUN_LIB_IMPORT_DECODER_WRITER_H

#include "setun/Import/Decoder.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringMap.h"

namespace setun::decoder {

/// One diagnostic if the description contradicts itself; then nothing may be written from it.
llvm::LogicalResult verifyModel(const Model &model, const Options &options, mlir::Location location);

/// Builds operations at the end of @main. Text goes through a model as rows, a matrix [rows, features] of float32 with
/// a row for each position of each sequence, one sequence behind the other; where sequences are a dimension of their
/// own, the dynamic size is `length`. These two are the only dynamic sizes of the tensors made here, but for the
/// caches.
class Writer {
public:
  Writer(mlir::ModuleOp module, const Model &model, int64_t batch);

  /// The whole function; its options are the rows of the rotary tables.
  void write(int64_t tablePositions);

private:
  using Values = llvm::ArrayRef<mlir::Value>;

  // The entry function (BuildDecoder.cpp).
  void makeEntry();
  void finishEntry(mlir::Value logits);
  /// From now on `length` positions of each sequence.
  void setLength(mlir::Value symbol);
  mlir::Value makeKeptRows();
  mlir::Value makePositions();
  void makeRotaryTables(int64_t tablePositions);

  // Parameters (Parameters.cpp). Each is read once and stored once, whoever asks for it.
  mlir::ml_program::GlobalOp makeGlobal(llvm::StringRef name, mlir::Type type, mlir::Attribute value);
  mlir::Value load(const Tensor &tensor);
  /// The same as float32.
  mlir::Value loadFloat(const Tensor &tensor);
  /// A scalar of float32 from a parameter of one element.
  mlir::Value loadScalar(const Tensor &tensor);
  mlir::Value makeTable(llvm::StringRef name, int64_t rows, int64_t columns, const std::vector<float> &values);

  // Plain arithmetic (Writer.cpp).
  mlir::RankedTensorType rowsOf(int64_t features) { return rowsOf(features, b.getF32Type()); }
  mlir::RankedTensorType rowsOf(int64_t features, mlir::Type element);
  /// Matrices and vectors have `rows`, others `length`.
  mlir::Value empty(mlir::RankedTensorType type);
  /// A constant of static shape, a fill of dynamic shape.
  mlir::Value splat(mlir::Type type, double number);
  mlir::Value zeros(mlir::RankedTensorType type);
  /// `value` repeated along the dimensions of `type` that it lacks.
  mlir::Value broadcast(mlir::Value value, mlir::RankedTensorType type, llvm::ArrayRef<int64_t> dimensions);
  /// One number for each column of `rows`.
  mlir::Value alongColumns(mlir::Value vector, mlir::Value rows);
  /// One number for each row of `rows`.
  mlir::Value alongRows(mlir::Value vector, mlir::Value rows);
  mlir::Value alongAll(mlir::Value scalar, mlir::Value rows);
  /// x [m, k] times the transpose of weight [n, k].
  mlir::Value product(mlir::Value x, mlir::Value weight, mlir::Type element);
  mlir::Value sumOf(mlir::Value tensor);
  mlir::Value gather(mlir::Value indices, mlir::Value table);
  mlir::Value softcap(mlir::Value value, float cap);

  // Layers (Linear.cpp, Layers.cpp).
  mlir::Value norm(mlir::Value x, const Norm &norm);
  mlir::Value norm(mlir::Value x, const std::optional<Norm> &maybe) { return maybe ? norm(x, *maybe) : x; }
  mlir::Value masterToTernary(mlir::Value master);
  mlir::Value unpack(mlir::Value packed, int64_t rows);
  mlir::Value linear(mlir::Value x, const Linear &linear);
  mlir::Value activate(mlir::Value x, Activation activation);
  mlir::Value heads(mlir::Value rows, int64_t count, int64_t size, const std::optional<Norm> &norm, bool turn);
  mlir::Value attention(mlir::Value x, const Attention &attention, unsigned layer);
  mlir::Value mlp(mlir::Value x, const Mlp &mlp);

  /// Names what is built until the guard's end.
  struct At {
    At(Writer &writer, llvm::StringRef name);
    ~At() { writer.b.setLoc(before); }
    Writer &writer;
    mlir::Location before;
  };

  mlir::ModuleOp module;
  const Model &model;
  int64_t batch;
  mlir::ImplicitLocOpBuilder b;
  mlir::SymbolTable symbols;
  llvm::StringMap<mlir::Value> loaded;
  mlir::func::FuncOp entry;
  mlir::Value sequence, logits, past; ///< symbols
  mlir::Value length;                 ///< positions of each sequence: `sequence`, at the end `logits`
  mlir::Value rows;                   ///< of all sequences
  mlir::Value cosines, sines;         ///< [1, sequence, dimension / 2]
  llvm::SmallVector<mlir::Value> states;
};

} // namespace setun::decoder

#endif // SETUN_LIB_IMPORT_DECODER_WRITER_H
