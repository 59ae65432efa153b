//===- PersistentKernel.cpp - Many launches as one ------------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each kernel's body becomes a function of the block that it is to be: its thread, block and grid are parameters, its
// barrier is that of a team of threads, its shared memory a part of one piece that all bodies use in turn. Where it
// waits for the kernel in front of it (griddepcontrol.wait), it waits for the step before: what stands in front of
// that, loads of weights, runs while other blocks still work on that step.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/PersistentKernel.h"

#include "PersistentLoop.h"

#include "setun-rt/abi.h"

#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicsNVPTX.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/IR/ReplaceConstant.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Transforms/IPO/AlwaysInliner.h"
#include "llvm/Transforms/InstCombine/InstCombine.h"
#include "llvm/Transforms/Scalar/SROA.h"
#include "llvm/Transforms/Scalar/SimplifyCFG.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"
#include "llvm/Transforms/Utils/Cloning.h"

using namespace llvm;
using namespace setun;
using namespace setun::nvptx;

/// Threads of a block, and how many of these a multiprocessor must hold: 128 registers a thread. Barriers of teams: 15
/// beside the block's own.
constexpr unsigned kThreads = 256, kBlocks = 2, kMostTeams = 15;
/// Bytes of shared memory that bodies share, and of a step with its parameters.
constexpr uint64_t kShared = 44 << 10, kStepBytes = SETUN_DEVICE_STEP_BYTES;
constexpr unsigned kSharedSpace = 3, kGlobalSpace = 1;

namespace {

/// What a kernel's body needs.
struct Body {
  Function *kernel;
  unsigned threads = 0, teams = 0;
  SmallVector<std::pair<GlobalVariable *, uint64_t>> shared = {}; // and where each starts in a team's part
  uint64_t sharedBytes = 0;                                       // of a team
};

/// The threads that the kernel's blocks have, if that is known and a number of whole warps of a block of ours.
unsigned threadsOf(const Function &kernel) {
  unsigned threads = 0;
  Attribute exact = kernel.getFnAttribute("nvvm.reqntid"); // or what the only launch has
  StringRef size = (exact.isValid() ? exact : kernel.getFnAttribute("nvvm.maxntid")).getValueAsString();
  auto [x, rest] = size.split(',');
  if (x.trim().getAsInteger(10, threads) || (!rest.empty() && rest.trim() != "1,1" && rest.trim() != "1, 1"))
    return 0;
  return threads % 32 == 0 && threads <= kThreads ? threads : 0;
}

/// Whether all that it does can be done by a team.
bool fitsTeam(Function &kernel) {
  for (Instruction &instruction : instructions(kernel)) {
    if (isa<AllocaInst>(instruction))
      return false;
    auto *call = dyn_cast<CallInst>(&instruction);
    if (!call)
      continue;
    auto *assembly = dyn_cast<InlineAsm>(call->getCalledOperand());
    if (assembly && assembly->getAsmString().empty())
      continue; // holds loads where they are
    Function *callee = call->getCalledFunction();
    if (!callee || (!callee->isIntrinsic() && callee->isDeclaration()))
      return false; // inline assembly, too
    StringRef name = callee->getName();
    if (!name.consume_front("llvm.nvvm."))
      continue;
    if (name.starts_with("barrier") || name.starts_with("bar.")) {
      auto *number = dyn_cast<ConstantInt>(call->getArgOperand(0));
      bool all = name == "barrier.cta.sync.aligned.all" && number && number->isZero();
      if (!all && !name.starts_with("bar.warp.sync"))
        return false;
    }
    for (StringRef other : {"mma", "wgmma", "ldmatrix", "cp.async", "mbarrier", "cluster", "read.ptx.sreg.warpid",
                            "read.ptx.sreg.dynamic", "read.ptx.sreg.total"})
      if (name.starts_with(other))
        return false;
  }
  return true;
}

/// Shared variables that it uses, one behind the other; false if one has no size.
bool placeShared(Body &body) {
  const DataLayout &layout = body.kernel->getDataLayout();
  for (GlobalVariable &global : body.kernel->getParent()->globals()) {
    if (global.getAddressSpace() != kSharedSpace || llvm::none_of(global.users(), [&](User *user) {
          SmallVector<User *> work{user}; // constant expressions lead to instructions
          while (!work.empty()) {
            User *next = work.pop_back_val();
            if (auto *instruction = dyn_cast<Instruction>(next);
                instruction && instruction->getFunction() == body.kernel)
              return true;
            if (isa<Constant>(next))
              llvm::append_range(work, next->users());
          }
          return false;
        }))
      continue;
    uint64_t size = layout.getTypeAllocSize(global.getValueType());
    if (size == 0)
      return false;
    body.sharedBytes = alignTo(body.sharedBytes, global.getAlign().valueOrOne());
    body.shared.push_back({&global, body.sharedBytes});
    body.sharedBytes += size;
  }
  body.sharedBytes = alignTo(body.sharedBytes, 128);
  return true;
}

std::optional<Body> readBody(Function &kernel) {
  Body body{&kernel};
  body.threads = threadsOf(kernel);
  if (!body.threads || !fitsTeam(kernel) || !placeShared(body) || body.sharedBytes > kShared)
    return std::nullopt;
  const DataLayout &layout = kernel.getDataLayout();
  uint64_t params = sizeof(setun_device_step);
  for (Argument &argument : kernel.args()) {
    if (argument.hasByValAttr())
      return std::nullopt;
    params = alignTo(params, layout.getABITypeAlign(argument.getType())) + layout.getTypeStoreSize(argument.getType());
  }
  if (params > kStepBytes)
    return std::nullopt;
  body.teams = std::min(kThreads / body.threads, kMostTeams);
  if (body.sharedBytes)
    body.teams = std::min<unsigned>(body.teams, kShared / body.sharedBytes);
  return body;
}

/// Makes the functions that setun.run calls.
struct BodyWriter {
  Module &module;
  Function &run, &wait;
  GlobalVariable *memory;     // shared memory of all bodies
  Value *grid[3] = {nullptr}; // of the step, in the body that is written

  /// The kernel's code as a function with run's parameters.
  Function *write(const Body &body) {
    Function *function = Function::Create(run.getFunctionType(), GlobalValue::ExternalLinkage,
                                          kPersistentBody + body.kernel->getName(), module);
    BasicBlock *entry = BasicBlock::Create(module.getContext(), "params", function);
    IRBuilder<> builder(entry);
    ValueToValueMapTy map;
    uint64_t offset = sizeof(setun_device_step);
    for (Argument &argument : body.kernel->args()) {
      map[&argument] = loadParameter(builder, function->getArg(kStep), argument.getType(), offset);
      map[&argument]->setName(argument.getName());
    }
    for (unsigned axis = 0; axis < 3; ++axis)
      grid[axis] = loadGrid(builder, function->getArg(kStep), axis);
    Value *part =
        body.sharedBytes ? builder.CreateMul(function->getArg(kTeam), builder.getInt32(body.sharedBytes)) : nullptr;
    for (auto [global, start] : body.shared)
      map[global] = builder.CreateGEP(builder.getInt8Ty(), memory, builder.CreateAdd(part, builder.getInt32(start)));
    SmallVector<ReturnInst *, 4> returns;
    CloneFunctionInto(function, body.kernel, map, CloneFunctionChangeType::LocalChangesOnly, returns);
    BasicBlock *first = cast<BasicBlock>(map[&body.kernel->getEntryBlock()]);
    builder.SetInsertPoint(entry);
    builder.CreateBr(first);
    function->setAttributes(AttributeList());
    function->setCallingConv(CallingConv::C);
    function->setDSOLocal(true); // the kernel is not
    // Optimized apart: one function of all bodies would take minutes.
    for (auto kind : {Attribute::NoInline, Attribute::Convergent, Attribute::NoUnwind})
      function->addFnAttr(kind);
    // Half of a number of 64 bits is known to be zero then, and needs no register.
    auto isBelow = [&](unsigned argument, uint64_t from, uint64_t end) {
      function->addParamAttr(argument, Attribute::get(module.getContext(), Attribute::Range,
                                                      ConstantRange(APInt(32, from), APInt(32, end))));
    };
    for (unsigned axis = 0; axis < 3; ++axis)
      isBelow(kBlock + axis, 0, INT32_MAX);
    isBelow(kThread, 0, body.threads);
    isBelow(kTeam, 0, body.teams);
    adapt(*function, body);
    return function;
  }

  /// As a C struct has them. All pointers that kernels get are of the device's memory.
  static Value *loadParameter(IRBuilder<> &builder, Value *step, Type *type, uint64_t &offset) {
    const DataLayout &layout = builder.GetInsertBlock()->getModule()->getDataLayout();
    Align align = layout.getABITypeAlign(type);
    offset = alignTo(offset, align);
    Value *address = builder.CreateConstInBoundsGEP1_32(builder.getInt8Ty(), step, offset);
    offset += layout.getTypeStoreSize(type);
    auto *pointer = dyn_cast<PointerType>(type);
    if (!pointer || pointer->getAddressSpace())
      return builder.CreateAlignedLoad(type, address, align);
    Value *global = builder.CreateAlignedLoad(builder.getPtrTy(kGlobalSpace), address, align);
    return builder.CreateAddrSpaceCast(global, type);
  }

  static Value *loadGrid(IRBuilder<> &builder, Value *step, unsigned axis) {
    auto *load = builder.CreateAlignedLoad(
        builder.getInt32Ty(),
        builder.CreateConstInBoundsGEP1_32(builder.getInt8Ty(), step, offsetof(setun_device_step, grid) + 4 * axis),
        Align(4));
    load->setMetadata(LLVMContext::MD_range,
                      MDBuilder(builder.getContext()).createRange(APInt(32, 1), APInt(32, uint64_t(INT32_MAX) + 1)));
    return load;
  }

  /// Replaces what is true of a whole block.
  void adapt(Function &function, const Body &body) {
    SmallVector<CallInst *> calls;
    for (Instruction &instruction : instructions(function))
      if (auto *call = dyn_cast<CallInst>(&instruction); call && call->getCalledFunction())
        calls.push_back(call);
    IRBuilder<> builder(module.getContext());
    Value *thread = function.getArg(kThread), *team = function.getArg(kTeam);
    builder.SetInsertPoint(function.getEntryBlock().begin());
    AllocaInst *waited = builder.CreateAlloca(builder.getInt1Ty(), nullptr, "waited");
    builder.CreateStore(function.getArg(kWaited), waited);
    for (BasicBlock &block : function)
      if (auto *end = dyn_cast<ReturnInst>(block.getTerminator())) {
        builder.SetInsertPoint(end);
        builder.CreateRet(builder.CreateLoad(builder.getInt1Ty(), waited));
        end->eraseFromParent();
      }
    bool waits = false;
    auto callWait = [&] {
      builder.CreateCall(&wait, {waited, function.getArg(kCounter), function.getArg(kTarget), thread,
                                 builder.CreateAdd(team, builder.getInt32(1)), builder.getInt32(body.threads)});
    };
    for (CallInst *call : calls) {
      StringRef name = call->getCalledFunction()->getName();
      if (!name.consume_front("llvm.nvvm."))
        continue;
      builder.SetInsertPoint(call);
      Value *replacement = nullptr;
      if (name.consume_front("read.ptx.sreg.")) {
        auto [family, axis] = name.rsplit('.');
        size_t dim = StringRef("xyz").find(axis);
        if (axis.size() != 1 || dim > 2)
          continue;
        if (family == "tid")
          replacement = dim ? builder.getInt32(0) : thread;
        else if (family == "ntid")
          replacement = builder.getInt32(dim ? 1 : body.threads);
        else if (family == "ctaid")
          replacement = function.getArg(kBlock + dim);
        else if (family == "nctaid")
          replacement = grid[dim];
        else
          continue;
        call->replaceAllUsesWith(replacement);
      } else if (name == "barrier.cta.sync.aligned.all") {
        builder.CreateIntrinsic(Intrinsic::nvvm_barrier_cta_sync_aligned_count,
                                {builder.CreateAdd(team, builder.getInt32(1)), builder.getInt32(body.threads)});
      } else if (name == "griddepcontrol.wait") {
        callWait();
        waits = true;
      } else if (name != "griddepcontrol.launch.dependents") {
        continue;
      }
      call->eraseFromParent();
    }
    if (waits)
      return;
    builder.SetInsertPoint(function.getEntryBlock().getTerminator());
    callWait();
  }
};

/// The loop's text, with its numbers.
std::string getLoop() {
  std::string text = kPersistentLoop;
  const std::pair<StringRef, uint64_t> numbers[] = {
      {"<ENTRY>", kStepBytes}, {"<STEPS>", SETUN_DEVICE_STEPS}, {"<THREADS>", kThreads}, {"<BLOCKS>", kBlocks}};
  for (auto [name, number] : numbers)
    for (size_t at; (at = text.find(name.str())) != std::string::npos;)
      text.replace(at, name.size(), std::to_string(number));
  return text;
}

} // namespace

Expected<std::vector<uint32_t>> nvptx::addPersistentKernel(Module &code, ArrayRef<std::string> kernels,
                                                           ArrayRef<bool> excluded) {
  static_assert(sizeof(setun_device_step) == 32 && offsetof(setun_device_step, grid) == 16);
  SmallVector<std::pair<unsigned, Body>> bodies;
  std::vector<uint32_t> forms(kernels.size(), 0);
  for (auto [i, name] : llvm::enumerate(kernels)) {
    Function *kernel = code.getFunction(name);
    std::optional<Body> body = kernel && !excluded[i] ? readBody(*kernel) : std::nullopt;
    if (!body)
      continue;
    forms[i] = body->threads | body->teams << 16;
    bodies.push_back({static_cast<unsigned>(i), std::move(*body)});
  }
  if (bodies.size() < 2)
    return std::vector<uint32_t>();
  // Shared variables of several names at one place: constant expressions must not stand for them.
  SmallVector<Constant *> shared;
  uint64_t bytes = 0;
  for (auto &[number, body] : bodies) {
    bytes = std::max(bytes, body.teams * body.sharedBytes);
    for (auto [global, start] : body.shared)
      shared.push_back(global);
  }
  convertUsersOfConstantsToInstructions(shared);

  SMDiagnostic problem;
  std::unique_ptr<Module> loop = parseAssemblyString(getLoop(), problem, code.getContext());
  if (!loop)
    return createStringError("the loop of the persistent kernel: " + problem.getMessage());
  loop->setTargetTriple(code.getTargetTriple());
  loop->setDataLayout(code.getDataLayout());
  if (Linker::linkModules(code, std::move(loop)))
    return createStringError("the loop of the persistent kernel cannot be linked");
  auto *type = ArrayType::get(Type::getInt8Ty(code.getContext()), std::max<uint64_t>(bytes, 16));
  auto *memory =
      new GlobalVariable(code, type, /*isConstant=*/false, GlobalValue::InternalLinkage, PoisonValue::get(type),
                         "setun.shared", nullptr, GlobalValue::NotThreadLocal, kSharedSpace);
  memory->setAlignment(Align(128));
  Function *run = code.getFunction("setun.run"), *wait = code.getFunction("setun.wait");
  BodyWriter writer{code, *run, *wait, memory};
  BasicBlock *entry = BasicBlock::Create(code.getContext(), "entry", run);
  BasicBlock *end = BasicBlock::Create(code.getContext(), "end", run);
  IRBuilder<> builder(end);
  PHINode *waited = builder.CreatePHI(builder.getInt1Ty(), bodies.size() + 1);
  waited->addIncoming(builder.getFalse(), entry);
  builder.CreateRet(waited);
  builder.SetInsertPoint(entry);
  SwitchInst *choice = builder.CreateSwitch(run->getArg(0), end, bodies.size());
  SmallVector<Value *> arguments(llvm::make_pointer_range(run->args()));
  for (auto &[number, body] : bodies) {
    Function *function = writer.write(body);
    BasicBlock *block = BasicBlock::Create(code.getContext(), body.kernel->getName(), run, end);
    builder.SetInsertPoint(block);
    waited->addIncoming(builder.CreateCall(function, arguments), block);
    builder.CreateBr(end);
    choice->addCase(builder.getInt32(number), block);
  }
  run->setLinkage(GlobalValue::InternalLinkage);
  run->setDSOLocal(true);
  for (auto kind : {Attribute::AlwaysInline, Attribute::Convergent, Attribute::NoUnwind})
    run->addFnAttr(kind);
  std::string message;
  raw_string_ostream stream(message);
  if (verifyModule(code, &stream))
    return createStringError("the persistent kernel is wrong: " + message);
  return forms;
}

void nvptx::inlinePersistentKernel(Module &code) {
  Function *kernel = code.getFunction(kPersistentKernel);
  if (!kernel)
    return;
  for (Function &function : code)
    if (function.getName().starts_with(kPersistentBody)) {
      function.removeFnAttr(Attribute::NoInline);
      function.addFnAttr(Attribute::AlwaysInline);
    }
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager components;
  ModuleAnalysisManager modules;
  PassBuilder builder;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  AlwaysInlinerPass(/*InsertLifetime=*/false).run(code, modules);
  modules.invalidate(code, PreservedAnalyses::none());
  FunctionPassManager passes;
  passes.addPass(SROAPass(SROAOptions::ModifyCFG));
  passes.addPass(InstCombinePass());
  passes.addPass(SimplifyCFGPass());
  passes.run(*kernel, functions);
}
