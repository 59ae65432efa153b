//===- FusedProduct.cpp - A product with what stands around it ------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads a group that --setun-group-steps made, on buffers by now: the elementwise operations on the product's sums
// become its epilogue, evaluated where a sum is complete; for few tokens the quantizer becomes its prologue.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/FusedProduct.h"

#include "setun/Target/NVPTX/RowKernels.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

namespace {

/// Where the sums go that an operand of an elementwise operation reads: acc[m, n] for n from `offset` on, `sizes` the
/// parts that the columns are seen as, `rows` those of the rows (sequences, positions) where they are more than one.
struct SumView {
  int64_t offset = 0;
  SmallVector<int64_t> sizes; // their product is the number of columns
  SmallVector<OpFoldResult> rows;
  int64_t columns() const { return llvm::product_of(sizes); }
};

/// How `buffer` views `acc`; none if it is another buffer or another kind of view.
std::optional<SumView> viewOf(Value buffer, Value acc) {
  auto type = cast<MemRefType>(buffer.getType());
  SumView view;
  while (buffer != acc) {
    Operation *op = buffer.getDefiningOp();
    if (auto cast = dyn_cast_or_null<memref::CastOp>(op)) {
      buffer = cast.getSource();
    } else if (auto expand = dyn_cast_or_null<memref::ExpandShapeOp>(op)) {
      SmallVector<ReassociationIndices> groups = expand.getReassociationIndices();
      if (groups.size() != 2 || !view.rows.empty())
        return std::nullopt;
      if (groups.front().size() > 1)
        view.rows = llvm::to_vector(ArrayRef(expand.getMixedOutputShape()).take_front(groups.front().size()));
      buffer = expand.getSrc();
    } else if (auto part = dyn_cast_or_null<memref::SubViewOp>(op)) {
      if (part.getType().getRank() != 2 || part.getSourceType().getRank() != 2 || part.getStaticOffsets()[0] != 0 ||
          ShapedType::isDynamic(part.getStaticOffsets()[1]) ||
          llvm::any_of(part.getStaticStrides(), [](int64_t s) { return s != 1; }))
        return std::nullopt;
      view.offset += part.getStaticOffsets()[1];
      buffer = part.getSource();
    } else {
      return std::nullopt;
    }
  }
  view.sizes = llvm::to_vector(type.getShape().drop_front(std::max<size_t>(view.rows.size(), 1)));
  return ShapedType::isDynamicShape(view.sizes) ? std::nullopt : std::optional(view);
}

/// What an expanded buffer is another view of.
Value getExpanded(Value buffer) {
  auto expand = buffer.getDefiningOp<memref::ExpandShapeOp>();
  return expand ? expand.getSrc() : buffer;
}

/// An elementwise operation on sums.
struct Consumer {
  linalg::GenericOp op;
  DenseMap<unsigned, unsigned> sums; // number of an input -> number of its companion
  SumView view;                      // of its first companion
};

struct GroupedProduct {
  ternary::MatmulOp op;
  Operation *quantize = nullptr;
  SmallVector<linalg::GenericOp> scales; // on the quantizer's scale, element by element
  SmallVector<Consumer> consumers;
  SmallVector<int64_t> companions{0};
  SmallVector<linalg::GenericOp> inlined; // those of the scales that only consumers read: computed where they are read
  bool storesSums = false;                // somebody reads them from memory
};

/// What of the group's operations the product's kernels take over.
struct Reader {
  GroupedProduct group;
  Value acc;
  int64_t n;

  explicit Reader(ternary::MatmulOp op) : acc(op.getAcc()) {
    group.op = op;
    n = cast<MemRefType>(acc.getType()).getDimSize(1);
  }

  bool readsSums(Value buffer) const {
    while (Operation *op = buffer.getDefiningOp()) {
      if (buffer == acc)
        return true;
      if (!isa<memref::CastOp, memref::ExpandShapeOp, memref::SubViewOp, memref::CollapseShapeOp>(op))
        return false;
      buffer = op->getOperand(0);
    }
    return buffer == acc;
  }

  void read() {
    bool after = false;
    for (Operation &op : *group.op->getBlock()) {
      if (&op == group.op) {
        after = true;
        continue;
      }
      if (!after && isa<ternary::QuantizeOp, ternary::NormQuantizeOp>(op) &&
          op.getOperand(quantizedOf(&op)) == group.op.getX())
        group.quantize = &op;
      auto generic = dyn_cast<linalg::GenericOp>(op);
      if (generic && readScale(generic))
        continue;
      if (after && !isa<memref::CastOp, memref::ExpandShapeOp, memref::SubViewOp>(op) &&
          llvm::any_of(op.getOperands(),
                       [&](Value value) { return isa<MemRefType>(value.getType()) && readsSums(value); }) &&
          !(generic && readConsumer(generic)))
        group.storesSums = true;
    }
    llvm::copy_if(group.scales, std::back_inserter(group.inlined), [&](linalg::GenericOp op) { return isInline(op); });
  }

  /// Whether nobody but consumers reads what `scale` makes. One kernel less, for a division more an element.
  bool isInline(linalg::GenericOp scale) const {
    Value made = scale.getOutputs().front();
    return scale->hasAttr(kLocalAttr) && !scale.payloadUsesValueFromOperand(scale.getDpsInitOperand(0)) &&
           llvm::all_of(made.getUses(), [&](OpOperand &use) {
             auto isReader = [&](const Consumer &consumer) {
               return consumer.op == use.getOwner() && linalg::GenericOp(consumer.op).isDpsInput(&use);
             };
             return use.getOwner() == scale || llvm::any_of(group.consumers, isReader);
           });
  }

  static unsigned quantizedOf(Operation *op) { return op->getNumOperands() - 2; }
  static Value scaleOf(Operation *op) { return op->getOperands().back(); }

  bool readScale(linalg::GenericOp generic) {
    if (!group.quantize || generic.getNumLoops() != generic.getNumParallelLoops() || generic.getNumDpsInputs() != 1 ||
        generic.getNumDpsInits() != 1 || getExpanded(generic.getInputs().front()) != scaleOf(group.quantize) ||
        generic.hasIndexSemantics() ||
        !llvm::all_of(generic.getIndexingMapsArray(), [](AffineMap map) { return map.isIdentity(); }))
      return false;
    group.scales.push_back(generic);
    return true;
  }

  /// Takes an operation whose every sum is found from (m, n) alone.
  bool readConsumer(linalg::GenericOp generic) {
    if (generic.getNumLoops() != generic.getNumParallelLoops() || ShapedType::isDynamic(n))
      return false;
    Consumer consumer;
    consumer.op = generic;
    SmallVector<std::pair<unsigned, SumView>> views;
    AffineMap map;
    for (auto [i, input] : llvm::enumerate(generic.getInputs())) {
      if (!isa<MemRefType>(input.getType()) || !readsSums(input))
        continue;
      std::optional<SumView> view = viewOf(input, acc);
      AffineMap here = generic.getIndexingMapsArray()[i];
      if (!view || !here.isPermutation() || (map && map != here) ||
          (!views.empty() && (view->sizes != views.front().second.sizes || view->rows != views.front().second.rows)))
        return false;
      map = here;
      views.push_back({i, *view});
    }
    for (Value output : generic.getOutputs())
      if (readsSums(output))
        return false;
    int64_t columns = views.front().second.columns(), first = views.front().second.offset;
    bool paired = llvm::any_of(views, [&](auto &view) { return view.second.offset != first; });
    if (paired && !pair(columns))
      return false;
    if (!paired && group.companions.size() > 1)
      return false;
    for (auto &[i, view] : views)
      consumer.sums[i] = paired ? view.offset / columns : 0;
    consumer.view = views.front().second;
    if (paired)
      consumer.view.offset = 0;
    group.consumers.push_back(consumer);
    return true;
  }

  /// Makes the sums of n / columns ranges of columns meet in one thread.
  bool pair(int64_t columns) {
    if (n % columns || (group.companions.size() == 1 && !group.consumers.empty()))
      return false;
    SmallVector<int64_t> companions;
    for (int64_t offset = 0; offset < n; offset += columns)
      companions.push_back(offset);
    if (group.companions.size() > 1)
      return group.companions == companions;
    group.companions = companions;
    return true;
  }
};

/// Clones the body of `op` with its block arguments given; returns what it yields.
Values inlineBody(DeviceBuilder &b, linalg::GenericOp op, ValueRange arguments, ValueRange indices) {
  IRMapping mapping;
  mapping.map(op.getBody()->getArguments(), arguments);
  for (Operation &inner : op.getBody()->without_terminator())
    if (auto index = dyn_cast<linalg::IndexOp>(inner))
      mapping.map(index.getResult(), indices[index.getDim()]);
    else
      b.clone(inner, mapping);
  Values results;
  for (Value value : op.getBody()->getTerminator()->getOperands())
    results.push_back(mapping.lookupOrDefault(value));
  return results;
}

/// The indices at which `map` reads.
Values applyMap(DeviceBuilder &b, AffineMap map, ValueRange indices) {
  Values result;
  for (AffineExpr expr : map.getResults())
    if (auto dim = dyn_cast<AffineDimExpr>(expr))
      result.push_back(indices[dim.getPosition()]);
    else
      result.push_back(affine::AffineApplyOp::create(b, AffineMap::get(map.getNumDims(), 0, expr), indices));
  return result;
}

/// Evaluates one consumer at (m, n). `known` has the values of buffers that were not written.
void emitConsumer(DeviceBuilder &b, const Consumer &consumer, ArrayRef<linalg::GenericOp> inlined, Value m, Value n,
                  ValueRange sums, llvm::function_ref<Value(Value buffer)> known) {
  linalg::GenericOp op = consumer.op;
  // m and n as the view's dimensions, and those as the loops'.
  Values parts{m};
  if (!consumer.view.rows.empty())
    parts =
        LoopEmitter(b, b.getLoc()).delinearize(m, getValueOrCreateConstantIndexOp(b, b.getLoc(), consumer.view.rows));
  Value rest = b.sub(n, b.index(consumer.view.offset));
  int64_t below = consumer.view.columns();
  for (auto [i, size] : llvm::enumerate(consumer.view.sizes)) {
    below /= size;
    parts.push_back(below == 1 && i + 1 == consumer.view.sizes.size() ? rest : b.div(rest, b.index(below)));
    rest = b.rem(rest, b.index(below));
  }
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  AffineMap ofSums = maps[consumer.sums.begin()->first];
  Values indices(op.getNumLoops());
  for (auto [part, expr] : llvm::zip_equal(parts, ofSums.getResults()))
    indices[cast<AffineDimExpr>(expr).getPosition()] = part;

  auto read = [&](Value buffer, ValueRange at) -> Value {
    for (linalg::GenericOp scale : inlined)
      if (scale.getOutputs().front() == buffer) {
        Value source = memref::LoadOp::create(b, scale.getInputs().front(), at);
        Value none = b.constant(cast<MemRefType>(buffer.getType()).getElementType(), 0);
        return inlineBody(b, scale, {source, none}, at).front();
      }
    return memref::LoadOp::create(b, buffer, at);
  };
  Values arguments;
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    auto type = dyn_cast<MemRefType>(operand.getType());
    auto sum = consumer.sums.find(i);
    if (sum != consumer.sums.end())
      arguments.push_back(sums[sum->second]);
    else if (!type)
      arguments.push_back(operand);
    else if (Value value = known(operand))
      arguments.push_back(value);
    else if (op.isDpsInit(&op->getOpOperand(i)) && !op.payloadUsesValueFromOperand(&op->getOpOperand(i)))
      arguments.push_back(b.constant(type.getElementType(), 0));
    else
      arguments.push_back(read(operand, applyMap(b, maps[i], indices)));
  }
  Values results = inlineBody(b, op, arguments, indices);
  for (auto [i, result] : llvm::enumerate(results))
    memref::StoreOp::create(b, result, op.getOutputs()[i], applyMap(b, maps[op.getNumDpsInputs() + i], indices));
}

/// The epilogue of all consumers.
Epilogue makeEpilogue(const GroupedProduct &group, const Product &p,
                      std::function<Value(DeviceBuilder &, Value)> known) {
  return [=](DeviceBuilder &b, Value m, Value n, ValueRange sums) {
    if (group.storesSums || group.consumers.empty())
      for (auto [offset, sum] : llvm::zip_equal(group.companions, sums))
        b.store(sum, p.acc, b.add(b.mul(m, p.accStride), b.add(n, b.index(offset))));
    for (const Consumer &consumer : group.consumers) {
      auto emit = [&] {
        emitConsumer(b, consumer, group.inlined, m, n, sums,
                     [&](Value buffer) { return known ? known(b, buffer) : Value(); });
      };
      int64_t first = consumer.view.offset, last = first + consumer.view.columns();
      Value inside;
      if (first > 0)
        inside = b.cmp(arith::CmpIPredicate::uge, n, b.index(first));
      if (std::optional<int64_t> columns = getConstant(p.n); group.companions.size() == 1 && columns != last) {
        Value below = b.cmp(arith::CmpIPredicate::ult, n, b.index(last));
        inside = inside ? arith::AndIOp::create(b, inside, below).getResult() : below;
      }
      if (inside)
        b.branch(inside, emit);
      else
        emit();
    }
  };
}

/// The scales that a kernel's own quantizer makes, kept in shared memory: as the quantizer gives them and as the
/// operations on them do.
class KeptScales {
public:
  explicit KeptScales(const GroupedProduct &group) : quantizer(group.quantize), scales(group.scales) {}

  void quantize(DeviceBuilder &b, const Threads &t, Value m, Value words) {
    auto *kept = get(b);
    Value scale = emitQuantizer(b, t, m, words);
    b.branch(b.equals(t.thread, 0), [&] {
      b.store(scale, kept->lookup(Reader::scaleOf(quantizer)), b.index(0));
      for (linalg::GenericOp op : scales)
        b.store(inlineBody(b, op, {scale, scale}, {m}).front(), kept->lookup(op.getOutputs().front()), b.index(0));
    });
    b.barrier();
  }

  /// The value of an element of one of those buffers, or null for others.
  Value load(DeviceBuilder &b, Value buffer) {
    auto *kept = get(b);
    auto *found = kept->find(buffer);
    return found == kept->end() ? Value() : b.load(found->second, b.index(0));
  }

private:
  using Kept = llvm::MapVector<Value, Value>;

  /// Those of the launch around: a product may have several.
  Kept *get(DeviceBuilder &b) {
    gpu::LaunchOp launch = b.getLaunch();
    auto [kept, isNew] = launches.try_emplace(launch);
    if (isNew) {
      kept->second.insert({Reader::scaleOf(quantizer), b.shared(1, b.getF32Type())});
      for (linalg::GenericOp op : scales)
        kept->second.insert({op.getOutputs().front(), b.shared(1, b.getF32Type())});
    }
    return &kept->second;
  }

  Value emitQuantizer(DeviceBuilder &b, const Threads &t, Value m, Value words) {
    auto norm = dyn_cast<ternary::NormQuantizeOp>(quantizer);
    RowQuantizer row = norm ? RowQuantizer::of(b, norm) : RowQuantizer::of(cast<ternary::QuantizeOp>(quantizer));
    Value x = quantizer->getOperand(0);
    int64_t threads = *getConstant(b.getLaunch().getBlockSizeX());
    Value k = b.createOrFold<memref::DimOp>(x, 1);
    return emitRowQuantize(b, t, threads, row, RowSource::of(b, x, {m}), k, words);
  }

  Operation *quantizer;
  SmallVector<linalg::GenericOp> scales;
  std::map<Operation *, Kept> launches;
};

/// Whether a kernel can quantize a token by itself.
bool canFuse(const GroupedProduct &group, const Product &p) {
  auto isScale = [](Value buffer) {
    auto type = cast<MemRefType>(buffer.getType());
    return type.getRank() == 1 && type.getElementType().isF32();
  };
  return group.quantize && takesPrologue(p) &&
         cast<MemRefType>(group.quantize->getOperand(0).getType()).getRank() == 2 &&
         isScale(Reader::scaleOf(group.quantize)) &&
         llvm::all_of(group.scales, [&](linalg::GenericOp op) { return isScale(op.getOutputs().front()); });
}

} // namespace

LogicalResult nvptx::lowerGroupedProduct(RewriterBase &rewriter, ternary::MatmulOp op, bool dependent,
                                         bool warpGroups) {
  Reader reader(op);
  reader.read();
  GroupedProduct &group = reader.group;
  // What the kernels take over stands before the last of it; everything is made anew there.
  Operation *last = op;
  for (Consumer &consumer : group.consumers)
    if (last->isBeforeInBlock(consumer.op))
      last = consumer.op;
  rewriter.setInsertionPointAfter(last);
  DeviceBuilder b(op.getLoc(), rewriter);
  FailureOr<Product> p = Product::get(b, op);
  if (failed(p))
    return failure();
  DeviceProduct product = makePlainProduct(b, *p);
  product.dependent = dependent;
  product.warpGroups = warpGroups;
  product.companions = group.companions;
  product.columns = b.div(p->n, b.index(group.companions.size()));

  auto separate = [&] {
    if (group.quantize)
      b.clone(*group.quantize);
    for (linalg::GenericOp scale : group.scales)
      if (!llvm::is_contained(group.inlined, scale))
        b.clone(*scale);
  };
  auto prefill = [&] {
    separate();
    product.epilogue = makeEpilogue(group, *p, nullptr);
    if (group.companions.size() <= 2)
      emitPrefillProduct(b, product);
    else
      emitDecodeProduct(b, product);
  };
  auto decode = [&] {
    separate();
    product.epilogue = makeEpilogue(group, *p, nullptr);
    emitDecodeProduct(b, product);
  };
  auto fused = [&] {
    auto kept = std::make_shared<KeptScales>(group);
    DeviceProduct whole = product;
    whole.prologue =
        Prologue{[kept](DeviceBuilder &b, const Threads &t, Value m, Value words) { kept->quantize(b, t, m, words); }};
    whole.epilogue = makeEpilogue(group, *p, [kept](DeviceBuilder &b, Value buffer) { return kept->load(b, buffer); });
    emitDecodeProduct(b, whole);
  };
  auto atMost = [&](int64_t tokens) { return b.cmp(arith::CmpIPredicate::ule, p->m, b.index(tokens)); };
  auto withoutPrologue = [&] { b.branch(atMost(kDecodeTokens), decode, prefill); };
  if (canFuse(group, *p))
    b.branch(atMost(1), fused, withoutPrologue); // of several tokens each would read the weights again
  else
    withoutPrologue();

  for (Consumer &consumer : group.consumers)
    rewriter.eraseOp(consumer.op);
  for (linalg::GenericOp scale : group.scales)
    rewriter.eraseOp(scale);
  rewriter.eraseOp(op);
  if (group.quantize)
    rewriter.eraseOp(group.quantize);
  return success();
}
