//===- Rewrite.cpp - A GPU kernel made a function of the host -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Device functions are inlined first, so that one function has it all: the thread it
// runs for, its block, its shared memory.
//
//===----------------------------------------------------------------------===//

#include "Rewrite.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/ReplaceConstant.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Transforms/Utils/Cloning.h"

using namespace llvm;
using namespace setun::nvptx;
using namespace setun::nvptx::emulator;

static constexpr unsigned kShared = 3;

Site &Rewriter::addSite(const Twine &what) {
  Site &site = kernel.sites.emplace_back();
  site.what = what.str();
  site.index = kernel.sites.size();
  return site;
}

Value *Rewriter::loadField(Value *object, size_t offset, Type *type, bool constant) {
  Value *address = builder.CreateConstInBoundsGEP1_64(builder.getInt8Ty(), object, offset);
  LoadInst *load = builder.CreateLoad(type, address);
  load->setMetadata("setun.machine", MDNode::get(builder.getContext(), {})); // not the kernel's own access
  if (constant)
    load->setMetadata(LLVMContext::MD_invariant_load, MDNode::get(builder.getContext(), {}));
  return load;
}

void Rewriter::pass(unsigned slot, Value *value) {
  Type *type = value->getType();
  if (type->isPointerTy())
    value = pointerBits(value);
  else if (type->isIntegerTy(1) || type->isIntegerTy(16))
    value = builder.CreateZExt(value, builder.getInt32Ty());
  else if (!type->isIntegerTy())
    value = builder.CreateBitCast(value, builder.getIntNTy(type->getPrimitiveSizeInBits()));
  builder.CreateStore(value,
                      builder.CreateConstInBoundsGEP1_64(builder.getInt8Ty(), thread, offsetof(Thread, in) + 4 * slot));
}

Value *Rewriter::result(unsigned slot, Type *type) {
  if (type->isIntegerTy(1))
    return builder.CreateTrunc(loadField(thread, offsetof(Thread, out) + 4 * slot, builder.getInt32Ty(), false), type);
  return loadField(thread, offsetof(Thread, out) + 4 * slot, type, false);
}

void Rewriter::call(void (*function)(Thread *, const Site *), const Site &site) {
  auto constant = [&](uint64_t address) {
    return ConstantExpr::getIntToPtr(builder.getInt64(address), builder.getPtrTy());
  };
  auto *type = FunctionType::get(builder.getVoidTy(), {builder.getPtrTy(), builder.getPtrTy()}, false);
  CallInst *made = builder.CreateCall(type, constant(reinterpret_cast<uint64_t>(function)),
                                      {thread, constant(reinterpret_cast<uint64_t>(&site))});
  made->setConvergent();
  made->setDoesNotThrow();
}

Value *Rewriter::callHost(StringRef name, Type *type, ArrayRef<Value *> arguments) {
  SmallVector<Type *> types;
  for (Value *argument : arguments)
    types.push_back(argument->getType());
  Module *module = builder.GetInsertBlock()->getModule();
  FunctionCallee callee = module->getOrInsertFunction(name, FunctionType::get(type, types, false));
  CallInst *made = builder.CreateCall(callee, arguments);
  made->setDoesNotAccessMemory();
  made->setDoesNotThrow();
  return made;
}

Value *Rewriter::pack(Type *type, ArrayRef<Value *> fields) {
  if (!type->isStructTy())
    return fields.front();
  Value *all = PoisonValue::get(type);
  for (auto [i, field] : enumerate(fields))
    all = builder.CreateInsertValue(all, field, i);
  return all;
}

Handler setun::nvptx::emulator::lookupHandler(StringRef name) {
  for (auto lookup : {lookupGroup, lookupRegister, lookupCollective, lookupInteger, lookupFloat})
    if (Handler handler = lookup(name))
      return handler;
  return nullptr;
}

static bool isKernel(const Function &function) {
  return function.getCallingConv() == CallingConv::PTX_Kernel && !function.isDeclaration();
}

Error setun::nvptx::emulator::checkModule(Module &module) {
  if (!module.getTargetTriple().isNVPTX())
    return createStringError("the device code is for '" + module.getTargetTriple().str() + "', not for NVPTX");
  for (Function &function : module)
    if (function.isDeclaration() && !function.use_empty()) {
      StringRef name = function.getName();
      if (name.consume_front("llvm.nvvm.")) {
        if (!lookupHandler(name))
          return createStringError("the emulator does not know the intrinsic '" + function.getName() + "'");
      } else if (!function.isIntrinsic()) {
        return createStringError("the device code calls '" + function.getName() + "', which it does not define");
      }
    } else if (!isKernel(function)) {
      continue;
    }
  for (GlobalVariable &global : module.globals()) {
    if (global.getAddressSpace() == kShared && global.hasInitializer() && !isa<UndefValue>(global.getInitializer()))
      return createStringError("shared memory '" + global.getName() +
                               "' has initial values, which a GPU cannot give it");
    if (global.getAddressSpace() != kShared && global.isDeclaration() && !global.use_empty())
      return createStringError("the device code uses '" + global.getName() + "', which it does not define");
  }
  for (Function &function : module) {
    if (Error error = checkGroups(function))
      return error;
    for (Instruction &instruction : instructions(function))
      if (auto *call = dyn_cast<CallInst>(&instruction)) {
        if (auto *assembly = dyn_cast<InlineAsm>(call->getCalledOperand())) {
          if (!lookupGroupAssembly(assembly->getAsmString()) && !lookupAssembly(assembly->getAsmString()))
            return createStringError("the emulator does not know the inline assembly '" + assembly->getAsmString() +
                                     "' in '" + function.getName() + "'");
        } else if (!call->getCalledFunction()) {
          return createStringError("'" + function.getName() + "' calls through a pointer, which the emulator cannot");
        }
      }
  }
  return Error::success();
}

/// Shared variables that a function or what it calls uses.
static void collectShared(Function &function, SmallPtrSetImpl<Function *> &seen, SetVector<GlobalVariable *> &found) {
  if (!seen.insert(&function).second)
    return;
  SmallVector<const User *> work;
  for (Instruction &instruction : instructions(function))
    work.push_back(&instruction);
  SmallPtrSet<const User *, 16> done;
  while (!work.empty()) {
    const User *user = work.pop_back_val();
    for (const Use &operand : user->operands()) {
      if (auto *global = dyn_cast<GlobalVariable>(operand.get())) {
        if (global->getAddressSpace() == kShared)
          found.insert(const_cast<GlobalVariable *>(global));
      } else if (auto *callee = dyn_cast<Function>(operand.get())) {
        collectShared(*const_cast<Function *>(callee), seen, found);
      } else if (auto *constant = dyn_cast<Constant>(operand.get())) {
        if (done.insert(constant).second)
          work.push_back(constant);
      }
    }
  }
}

/// Where each shared variable of a kernel lies; those without a size, which are the dynamic ones, all at the end.
/// Returns the end of the static ones.
static uint64_t layOutShared(Function &kernel, MapVector<GlobalVariable *, uint64_t> &offsets) {
  SmallPtrSet<Function *, 8> seen;
  SetVector<GlobalVariable *> found;
  collectShared(kernel, seen, found);
  auto globals = found.takeVector();
  llvm::sort(globals, [](auto *a, auto *b) { return a->getName() < b->getName(); });
  const DataLayout &layout = kernel.getDataLayout();
  uint64_t end = 0, dynamicAlign = 1;
  for (bool dynamic : {false, true}) {
    for (GlobalVariable *global : globals) {
      uint64_t size = layout.getTypeAllocSize(global->getValueType());
      uint64_t align = global->getAlign().value_or(layout.getABITypeAlign(global->getValueType())).value();
      if ((size == 0) != dynamic)
        continue;
      if (dynamic) {
        dynamicAlign = std::max(dynamicAlign, align);
        continue;
      }
      end = alignTo(end, align);
      offsets[global] = end;
      end += size;
    }
  }
  end = alignTo(end, dynamicAlign);
  for (GlobalVariable *global : globals)
    if (!offsets.count(global))
      offsets[global] = end;
  return end;
}

Expected<std::vector<KernelInfo>> setun::nvptx::emulator::describeKernels(Module &module) {
  std::vector<KernelInfo> kernels;
  const DataLayout &layout = module.getDataLayout();
  for (Function &function : module) {
    if (!isKernel(function))
      continue;
    KernelInfo &info = kernels.emplace_back();
    info.name = function.getName().str();
    for (Argument &argument : function.args()) {
      Type *type = argument.hasByValAttr() ? argument.getParamByValType() : argument.getType();
      uint64_t align = argument.hasByValAttr() ? argument.getParamAlign().value_or(layout.getABITypeAlign(type)).value()
                                               : layout.getABITypeAlign(type).value();
      info.paramsSize = alignTo(info.paramsSize, align);
      info.paramOffsets.push_back(info.paramsSize);
      info.paramSizes.push_back(layout.getTypeStoreSize(type));
      info.paramsSize += info.paramSizes.back();
    }
    MapVector<GlobalVariable *, uint64_t> offsets;
    info.sharedBytes = layOutShared(function, offsets);
    for (auto [key, exact] : {std::pair("nvvm.maxntid", false), std::pair("nvvm.reqntid", true)}) {
      SmallVector<StringRef, 3> parts;
      Attribute limits = function.getFnAttribute(key);
      if (!limits.isValid())
        continue;
      limits.getValueAsString().split(parts, ',');
      uint64_t threads = 1, part = 1;
      for (StringRef text : parts)
        threads *= text.trim().getAsInteger(10, part) ? 1 : part;
      info.maxThreads = std::min<uint64_t>(threads, 1024);
      info.exactThreads = exact;
    }
    for (Instruction &instruction : instructions(function))
      if (auto *call = dyn_cast<CallInst>(&instruction)) {
        auto *assembly = dyn_cast<InlineAsm>(call->getCalledOperand());
        Function *callee = call->getCalledFunction();
        info.signalsDependents |= callee && callee->getName() == "llvm.nvvm.griddepcontrol.launch.dependents";
        info.signalsDependents |= assembly && StringRef(assembly->getAsmString()).contains("launch_dependents");
      }
  }
  return kernels;
}

/// Inlines all calls of functions with a body.
static Error inlineAll(Function &kernel) {
  for (unsigned round = 0; round < 1000; ++round) {
    CallInst *found = nullptr;
    for (Instruction &instruction : instructions(kernel))
      if (auto *call = dyn_cast<CallInst>(&instruction);
          call && call->getCalledFunction() && !call->getCalledFunction()->isDeclaration()) {
        found = call;
        break;
      }
    if (!found)
      return Error::success();
    StringRef callee = found->getCalledFunction()->getName();
    InlineFunctionInfo info;
    InlineResult result = InlineFunction(*found, info);
    if (!result.isSuccess())
      return createStringError("cannot inline '" + callee + "' into '" + kernel.getName() +
                               "': " + result.getFailureReason());
  }
  return createStringError("'" + kernel.getName() + "' calls functions without end: recursion");
}

/// bf16 is rounded in integers: few processors have an instruction for it, and a call would not vectorize.
static Value *roundToBFloat(IRBuilder<> &builder, Value *value, Type *type) {
  Type *word = value->getType()->getWithNewBitWidth(32);
  Type *halfWord = value->getType()->getWithNewBitWidth(16);
  Value *bits = builder.CreateBitCast(value, word);
  Value *odd = builder.CreateAnd(builder.CreateLShr(bits, 16), 1);
  Value *rounded = builder.CreateAdd(builder.CreateAdd(bits, odd), ConstantInt::get(word, 0x7fff));
  Value *quiet = builder.CreateOr(bits, ConstantInt::get(word, 0x400000));
  Value *isNan = builder.CreateFCmpUNO(value, value);
  Value *high = builder.CreateLShr(builder.CreateSelect(isNan, quiet, rounded), 16);
  return builder.CreateBitCast(builder.CreateTrunc(high, halfWord), type);
}

static Type *withFloats(Type *type) {
  Type *single = Type::getFloatTy(type->getContext());
  auto *vector = dyn_cast<VectorType>(type);
  return vector ? VectorType::get(single, vector->getElementCount()) : single;
}

/// Arithmetic on bf16 in f32, rounded after every operation.
static void expandBFloats(Function &function) {
  IRBuilder<> builder(function.getContext());
  for (Instruction &instruction : make_early_inc_range(instructions(function))) {
    Type *type = instruction.getType();
    if (!type->getScalarType()->isBFloatTy())
      continue;
    builder.SetInsertPoint(&instruction);
    Value *replacement = nullptr;
    if (isa<FPTruncInst>(instruction) && instruction.getOperand(0)->getType()->getScalarType()->isFloatTy()) {
      replacement = roundToBFloat(builder, instruction.getOperand(0), type);
    } else if (auto *operation = dyn_cast<BinaryOperator>(&instruction)) {
      Value *wide =
          builder.CreateBinOp(operation->getOpcode(), builder.CreateFPExt(operation->getOperand(0), withFloats(type)),
                              builder.CreateFPExt(operation->getOperand(1), withFloats(type)));
      replacement = roundToBFloat(builder, wide, type);
    }
    if (replacement) {
      instruction.replaceAllUsesWith(replacement);
      instruction.eraseFromParent();
    }
  }
}

/// After what a thread may do in a loop until another one has written, others get their turn.
static void addSpins(Function &function, Rewriter &rewriter) {
  for (Instruction &instruction : make_early_inc_range(instructions(function))) {
    auto *load = dyn_cast<LoadInst>(&instruction);
    if ((load && (load->isAtomic() || load->isVolatile())) || isa<AtomicCmpXchgInst>(instruction) ||
        (isa<AtomicRMWInst>(instruction) && !instruction.use_empty())) {
      rewriter.builder.SetInsertPoint(instruction.getNextNode());
      rewriter.call(spinOnce, rewriter.addSite("spin"));
    }
  }
}

Error setun::nvptx::emulator::rewriteKernel(Module &module, CompiledKernel &kernel, bool checks) {
  Function &old = *module.getFunction(kernel.info->name);
  if (Error error = inlineAll(old))
    return error;
  MapVector<GlobalVariable *, uint64_t> offsets;
  layOutShared(old, offsets);
  SmallVector<Constant *> shared;
  for (auto &entry : offsets)
    shared.push_back(entry.first);
  convertUsersOfConstantsToInstructions(shared);

  Rewriter rewriter(kernel, module.getContext());
  IRBuilder<> &builder = rewriter.builder;
  auto *type = FunctionType::get(builder.getVoidTy(), {builder.getPtrTy(), builder.getPtrTy()}, false);
  Function *function = Function::Create(type, Function::ExternalLinkage, "", module);
  function->takeName(&old);
  function->splice(function->begin(), &old);
  rewriter.thread = function->getArg(0);
  function->getArg(0)->setName("thread");
  builder.SetInsertPoint(&*function->getEntryBlock().getFirstInsertionPt());
  rewriter.block = rewriter.loadField(rewriter.thread, offsetof(Thread, block), builder.getPtrTy());
  for (auto [i, argument] : enumerate(old.args())) {
    if (argument.use_empty())
      continue;
    Value *address =
        builder.CreateConstInBoundsGEP1_64(builder.getInt8Ty(), function->getArg(1), kernel.info->paramOffsets[i]);
    Value *value = argument.hasByValAttr() ? address : builder.CreateLoad(argument.getType(), address);
    argument.replaceAllUsesWith(value);
  }
  if (!offsets.empty()) {
    Value *base = rewriter.loadField(rewriter.block, offsetof(Block, shared), builder.getPtrTy());
    base = builder.CreateAddrSpaceCast(base, builder.getPtrTy(kShared));
    for (auto [global, offset] : offsets) {
      global->replaceUsesWithIf(builder.CreateConstInBoundsGEP1_64(builder.getInt8Ty(), base, offset), [&](Use &use) {
        auto *user = dyn_cast<Instruction>(use.getUser());
        return user && user->getFunction() == function;
      });
    }
  }
  old.eraseFromParent();

  SmallVector<CallInst *> calls;
  SmallVector<AllocaInst *> stacks;
  for (Instruction &instruction : instructions(*function)) {
    if (auto *call = dyn_cast<CallInst>(&instruction))
      calls.push_back(call);
    else if (auto *stack = dyn_cast<AllocaInst>(&instruction))
      stacks.push_back(stack);
  }
  constexpr uint64_t kMostLocal = 512 << 10; // of a thread of any GPU
  for (AllocaInst *stack : stacks) {
    std::optional<TypeSize> size = stack->getAllocationSize(module.getDataLayout());
    if (!size)
      return createStringError("kernel '" + kernel.info->name + "' takes stack by a size that only it knows");
    kernel.stackBytes += size->getFixedValue() + stack->getAlign().value();
    if (kernel.stackBytes > kMostLocal)
      return createStringError("kernel '" + kernel.info->name + "' takes more local memory than a thread can have");
    if (!stack->isStaticAlloca()) // within a loop: once is enough
      stack->moveBefore(function->getEntryBlock().getFirstInsertionPt());
  }
  for (CallInst *call : calls) {
    builder.SetInsertPoint(call);
    Handler handler = nullptr;
    StringRef name;
    std::string text;
    if (auto *assembly = dyn_cast<InlineAsm>(call->getCalledOperand())) {
      text = assembly->getAsmString();
      name = text;
      handler = lookupGroupAssembly(name);
      handler = handler ? handler : lookupAssembly(name);
    } else {
      name = call->getCalledFunction()->getName();
      if (name == "llvm.assume") { // an alignment that is only claimed must be checked, not believed
        call->eraseFromParent();
        continue;
      }
      if (name == "llvm.trap" || name == "llvm.debugtrap" || name == "llvm.ubsantrap") {
        rewriter.call(trap, rewriter.addSite(name));
        continue;
      }
      if (!name.consume_front("llvm.nvvm."))
        continue;
      handler = lookupHandler(name);
    }
    Value *replacement = handler(rewriter, *call, name);
    if (replacement) {
      if (replacement->getType() != call->getType())
        replacement = builder.CreateBitCast(replacement, call->getType());
      call->replaceAllUsesWith(replacement);
    }
    call->eraseFromParent();
  }
  expandBFloats(*function);
  addSpins(*function, rewriter);
  if (checks)
    checkAccesses(*function, rewriter);
  for (Instruction &instruction : instructions(*function)) { // what is misaligned has been told; it must not crash
    if (auto *load = dyn_cast<LoadInst>(&instruction); load && !load->isAtomic())
      load->setAlignment(Align(1));
    else if (auto *store = dyn_cast<StoreInst>(&instruction); store && !store->isAtomic())
      store->setAlignment(Align(1));
  }
  kernel.stackBytes += 32 * function->getInstructionCount(); // each value may be put there
  std::string message;
  raw_string_ostream stream(message);
  if (verifyFunction(*function, &stream))
    return createStringError("the emulator made a wrong function of kernel '" + kernel.info->name + "': " + message);
  return Error::success();
}
