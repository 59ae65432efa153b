//===- Compiler.cpp - A model file to a native file -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Import, the stages of docs/contracts.md, one code module for each level of the target, weights, link.

#include "setun/Compiler/Compiler.h"

#include "setun/Compiler/Descriptor.h"
#include "setun/Compiler/Link.h"
#include "setun/Compiler/Object.h"
#include "setun/Compiler/OutputFile.h"
#include "setun/Compiler/Report.h"
#include "setun/Compiler/Stages.h"
#include "setun/Compiler/WeightsFile.h"
#include "setun/Import/HF.h"
#include "setun/Import/ONNX.h"
#include "setun/Import/Text.h"
#include "setun/Pipelines/Registration.h"
#include "setun/Target/Registry.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Support/EndianStream.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace setun;

std::unique_ptr<MLIRContext> setun::makeCompilerContext() {
  [[maybe_unused]] static const bool registered = (registerPasses(), true);
  DialectRegistry registry;
  registerDialects(registry);
  auto context = std::make_unique<MLIRContext>(registry);
  context->printOpOnDiagnostic(false);
  return context;
}

std::string setun::getModelName(StringRef path) {
  if (!llvm::sys::fs::is_directory(path))
    return llvm::sys::path::stem(path).str();
  SmallString<256> real; // `.` has a name as well
  if (llvm::sys::fs::real_path(path, real))
    real = path;
  return llvm::sys::path::filename(real).str(); // folders have dots in their names, not extensions
}

OwningOpRef<ModuleOp> setun::loadModel(const CompileOptions &options, MLIRContext &context) {
  Location loc = NameLoc::get(StringAttr::get(&context, options.model));
  if (!llvm::sys::fs::exists(options.model))
    return emitError(loc) << "no such file", nullptr;
  StringRef extension = llvm::sys::path::extension(options.model);
  if (options.batch != 1 && !isHfFolder(options.model))
    return emitError(loc)
               << "--batch is for a checkpoint's folder: the sequences of a graph are the first dimension of "
                  "its inputs, so export it with as many",
           nullptr;
  if (extension == ".mlir" || extension == ".mlirbc")
    return parseSourceFile<ModuleOp>(options.model, &context);
  if (isHfFolder(options.model))
    return importHf(options.model, {options.context, options.batch}, &context);
  if (extension != ".onnx")
    return emitError(loc) << "unknown kind of model: expected .onnx, .mlir or a folder with a config.json", nullptr;
  OnnxImportOptions import;
  for (const std::string &state : options.states)
    if (!parseOnnxState(state, import))
      return emitError(loc) << "state '" << state << "' is not of the form IN:OUT", nullptr;
  return importOnnx(options.model, import, &context);
}

LogicalResult setun::lowerToTernary(ModuleOp module, const CompileOptions &options) {
  return runPipeline(module,
                     options.verifyRaise ? "setun-input-to-ternary{verify-raise=true}" : "setun-input-to-ternary");
}

static func::FuncOp findEntry(ModuleOp module) {
  auto entry = module.lookupSymbol<func::FuncOp>("main");
  if (!entry)
    emitError(module.getLoc()) << "the module has no function @main";
  return entry;
}

/// The processor that a level's code is made for: this machine's plainest where its instructions are emulated.
static CodeTarget getCodeTarget(const TargetSelection &selection, const TargetLevel &level, bool emulate) {
  if (level.getTarget().isDevice() && !emulate) { // what launches its kernels is for any processor
    const LevelInfo &host = selection.target->getLevels().back()->getInfo();
    return {selection.triple, host.cpu, host.features, selection.cpu};
  }
  if (!emulate)
    return {selection.triple, level.getInfo().cpu, level.getInfo().features, selection.cpu};
  const TargetLevel &plain = getPlainLevel();
  return {plain.getTarget().getTriple().str(), plain.getInfo().cpu, plain.getInfo().features, ""};
}

/// Lowers a copy of `module` for each level and links the results into one LLVM module. `parameters` becomes the copy
/// that knows where each parameter lies in the weights.
static std::unique_ptr<llvm::Module> generateCode(ModuleOp module, const TargetSelection &selection,
                                                  const CompileOptions &options, llvm::LLVMContext &context,
                                                  OwningOpRef<ModuleOp> &parameters, bool &finished) {
  std::unique_ptr<llvm::Module> whole;
  for (const TargetLevel *level : selection.levels) {
    OwningOpRef<ModuleOp> copy = module.clone();
    const LevelInfo &info = level->getInfo();
    if (failed(runPipeline(*copy, "setun-encoded-to-target{target=" + level->getName() + " products=" +
                                      options.products + " emulate=" + (options.emulate ? "true" : "false") + "}")))
      return nullptr;
    if (failed(endStage(*copy, "target", options, finished)) || finished)
      return nullptr;
    if (!parameters)
      parameters = copy->clone();
    if (failed(runPipeline(*copy, "setun-target-to-llvm{target=" + level->getName() + " products=" + options.products +
                                      " emulate=" + (options.emulate ? "true" : "false") + "}")))
      return nullptr;
    if (failed(endStage(*copy, "llvm", options, finished)) || finished)
      return nullptr;
    if (options.progress)
      options.progress("code for " + info.name);
    std::unique_ptr<llvm::Module> part =
        makeLevel(*copy, info.name, getCodeTarget(selection, *level, options.emulate), context);
    if (!part)
      return nullptr;
    if (!whole)
      whole = std::move(part);
    else if (llvm::Linker::linkModules(*whole, std::move(part)))
      return emitError(module.getLoc()) << "cannot link the levels of the target", nullptr;
  }
  return whole;
}

/// Appends the weights on a page of their own, and the trailer by which the runtime finds them.
static LogicalResult appendWeights(StringRef path, const WeightsFile &weights, Location loc) {
  std::error_code error;
  llvm::raw_fd_ostream os(path, error, llvm::sys::fs::CD_OpenExisting, llvm::sys::fs::FA_Write,
                          llvm::sys::fs::OF_Append);
  if (error)
    return emitError(loc) << "cannot append to " << path << ": " << error.message();
  uint64_t size = 0;
  llvm::sys::fs::file_size(path, size);
  uint64_t begin = llvm::alignTo(size, 4096);
  os.write_zeros(begin - size);
  if (failed(weights.write(os)))
    return failure();
  os << "SETUNWTS";
  llvm::support::endian::write<uint64_t>(os, begin, llvm::endianness::little);
  llvm::support::endian::write<uint64_t>(os, weights.getSize(), llvm::endianness::little);
  os.flush();
  if (os.has_error()) {
    std::string message = os.error().message();
    os.clear_error();
    return emitError(loc) << "cannot append to " << path << ": " << message;
  }
  return success();
}

/// The targets among the levels' whose code runs beside the host.
static SmallVector<std::string> getDevices(const TargetSelection &selection) {
  llvm::SetVector<StringRef> names;
  for (const TargetLevel *level : selection.levels)
    if (level->getTarget().isDevice())
      names.insert(level->getTarget().getName());
  return llvm::map_to_vector(names, [](StringRef name) { return name.str(); });
}

static LogicalResult writeCode(llvm::Module &code, StringRef triple, ArrayRef<std::string> devices,
                               const CompileOptions &options, OutputFile &output, Location loc) {
  if (options.emit == Emit::LLVMIR) {
    code.print(output.os(), nullptr);
    return success();
  }
  if (options.emit == Emit::Object || options.emit == Emit::Assembly)
    return emitMachineCode(code, triple,
                           options.emit == Emit::Object ? llvm::CodeGenFileType::ObjectFile
                                                        : llvm::CodeGenFileType::AssemblyFile,
                           output.os(), loc);
  FailureOr<OutputFile> object = OutputFile::open(options.output + ".o", loc);
  if (failed(object) || failed(emitMachineCode(code, triple, llvm::CodeGenFileType::ObjectFile, object->os(), loc)))
    return failure();
  object->os().flush();
  return linkModel(object->temporaryPath(), output.temporaryPath(), triple, devices, options, loc);
}

static FailureOr<TargetSelection> select(const CompileOptions &options, Location loc) {
  const Target *host = getHostTarget();
  StringRef name = options.target.empty() && host ? host->getName() : StringRef(options.target);
  llvm::Expected<TargetSelection> selection = selectTarget(name, options.cpu);
  if (!selection)
    return emitError(loc) << toString(selection.takeError());
  const Target &target = selection->levels.front()->getTarget();
  ArrayRef<StringRef> artifacts = target.getArtifacts();
  if (!options.artifact.empty() && !is_contained(artifacts, options.artifact)) {
    InFlightDiagnostic error = emitError(loc) << "target " << target.getName() << " does not emit '" << options.artifact
                                              << "'; known: exe, shared, object, llvm, asm";
    for (StringRef artifact : artifacts)
      error << ", " << artifact;
    return error;
  }
  return *selection;
}

/// What the target itself writes of a model with packed weights.
static LogicalResult writeArtifact(ModuleOp module, const TargetSelection &selection, const CompileOptions &options) {
  FailureOr<OutputFile> output = OutputFile::open(options.output, module.getLoc());
  Products products = options.products == "addsub" ? Products::AddSub : Products::Best;
  const TargetLevel &level = *selection.levels.front();
  if (failed(output) || failed(level.getTarget().emitArtifact(options.artifact, level, module, products, output->os())))
    return failure();
  return output->commit();
}

/// The model's text table; empty where it has no tokenizer.
static FailureOr<std::string> makeText(const CompileOptions &options, Location loc) {
  if (!options.tokenizer.empty())
    return compileText(options.tokenizer, loc);
  return isHfFolder(options.model) && hasTokenizer(options.model) ? compileText(options.model, loc) : std::string();
}

/// The output's weights may not take the place of a file that the model's are still to be read from.
static LogicalResult checkOverwriting(ModuleOp module, StringRef weightsPath, Location loc) {
  for (auto global : module.getOps<ml_program::GlobalOp>())
    if (auto data = global->getAttrOfType<DictionaryAttr>("setun.data"))
      if (auto file = data.getAs<StringAttr>("file"); file && llvm::sys::fs::equivalent(file.getValue(), weightsPath))
        return emitError(loc) << "the output's weights would overwrite " << weightsPath
                              << ", which holds those of the model: choose another name for the output";
  return success();
}

LogicalResult setun::compileModel(const CompileOptions &options, MLIRContext &context) {
  Location loc = NameLoc::get(StringAttr::get(&context, options.model));
  bool linked = options.emit == Emit::Executable || options.emit == Emit::SharedLibrary;
  if (options.weights == WeightsPlace::Appended && !linked)
    return emitError(loc) << "weights can be appended to an executable or a shared library only";
  if (options.linkStatically && options.emit != Emit::Executable)
    return emitError(loc) << "only an executable can be linked statically";
  FailureOr<TargetSelection> selection = select(options, loc);
  if (failed(selection))
    return failure();
  if (linked && options.compileTo.empty() &&
      failed(checkLinker(getCodeTarget(*selection, *selection->levels.front(), options.emulate).triple,
                         getDevices(*selection), options, loc)))
    return failure();

  bool finished = false;
  OwningOpRef<ModuleOp> module = loadModel(options, context);
  if (!module || failed(endStage(*module, "input", options, finished)) || finished)
    return success(finished);
  FailureOr<std::string> text = makeText(options, loc);
  if (failed(text))
    return failure();
  std::string weightsPath = options.output + ".safetensors";
  if (failed(checkOverwriting(*module, weightsPath, loc)))
    return failure();
  if (failed(lowerToTernary(*module, options)) || failed(endStage(*module, "ternary", options, finished)) || finished)
    return success(finished);
  func::FuncOp entry = findEntry(*module);
  FailureOr<ModelDescriptor> model = entry ? describeModel(entry) : FailureOr<ModelDescriptor>();
  if (failed(model))
    return failure();
  for (auto global : module->getOps<ml_program::GlobalOp>())
    model->parameters += cast<ShapedType>(global.getType()).getNumElements();
  std::vector<ProductFacts> layers = collectProducts(*module);
  if (failed(runPipeline(*module, "setun-encode{target=" + selection->str() + " products=" + options.products +
                                      " encoding=" + options.encoding + "}")))
    return failure();
  if (!options.report.empty() && failed(writeReport(layers, *module, *selection, options)))
    return failure();
  if (!options.artifact.empty())
    return writeArtifact(*module, *selection, options);

  llvm::LLVMContext llvmContext;
  OwningOpRef<ModuleOp> parameters;
  std::unique_ptr<llvm::Module> code = generateCode(*module, *selection, options, llvmContext, parameters, finished);
  if (!code)
    return success(finished);
  FailureOr<WeightsFile> weights = WeightsFile::plan(*parameters, *text);
  if (failed(weights))
    return failure();
  model->name = getModelName(options.model);
  model->defaultCapacity = options.context;
  if (!weights->empty()) {
    model->weightsSize = weights->getSize();
    model->dataOffset = weights->getDataOffset();
    model->headerHash = weights->getHeaderHash();
    model->textOffset = weights->getTextOffset();
    model->textSize = text->size();
    if (options.weights == WeightsPlace::Beside)
      model->weightsFile = llvm::sys::path::filename(weightsPath).str();
  }
  SmallVector<std::pair<std::string, uint64_t>> levelNames;
  for (const TargetLevel *level : selection->levels)
    levelNames.emplace_back(level->getInfo().name, options.emulate ? 0 : level->getInfo().runtimeFeatures);
  emitDescriptor(*model, levelNames, *code);

  FailureOr<OutputFile> output = OutputFile::open(options.output, loc, linked);
  if (failed(output) ||
      failed(writeCode(*code, code->getTargetTriple().str(), getDevices(*selection), options, *output, loc)))
    return failure();
  if (options.progress)
    options.progress("weights");
  if (weights->empty() || options.output == "-") // text for a reader; there is no file to stand beside
    return output->commit();
  if (options.weights == WeightsPlace::Appended)
    return success(succeeded(appendWeights(output->temporaryPath(), *weights, loc)) && succeeded(output->commit()));
  FailureOr<OutputFile> weightsOutput = OutputFile::open(weightsPath, loc);
  if (failed(weightsOutput) || failed(weights->write(weightsOutput->os())) || failed(weightsOutput->commit()))
    return failure();
  return output->commit();
}
