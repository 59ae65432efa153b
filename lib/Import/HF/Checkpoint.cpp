//===- Checkpoint.cpp - The tensors of a folder -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Checkpoint.h"

#include "Json.h"

#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <map>
#include <set>

using namespace llvm;
using namespace setun;
using namespace setun::hf;

constexpr uint64_t kLongestIndex = 32 << 20;

static bool exists(const Twine &path) { return sys::fs::exists(path); }

/// Says why a folder without safetensors cannot be read.
static bool refuseFolder(StringRef folder, Refusal &refuse) {
  bool gguf = false, pickled = false;
  std::string other;
  std::error_code error;
  for (sys::fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    StringRef name = sys::path::filename(it->path());
    gguf |= name.ends_with(".gguf");
    pickled |= name.ends_with(".bin") || name.ends_with(".pt") || name.ends_with(".pth");
    if (name.ends_with(".safetensors") && (other.empty() || name < other))
      other = name.str();
  }
  std::string begin = folder.str() + ": neither model.safetensors nor model.safetensors.index.json is in the folder";
  if (!other.empty())
    return refuse(begin + "; there is " + quote(other) + ", of which nothing says that it is the whole model");
  if (pickled)
    return refuse(begin + "; its weights are pickled (pytorch_model.bin), which only Python can read: save the model "
                          "with save_pretrained, which writes safetensors");
  return refuse(begin + (gguf ? "; GGUF files are not read" : ""));
}

std::optional<Checkpoint> Checkpoint::read(StringRef folder, Refusal &refuse) {
  Checkpoint checkpoint(folder);
  bool read = false;
  if (exists(folder + "/adapter_config.json"))
    refuse(folder + "/adapter_config.json: adapters are not applied: merge the adapter into its model and save that");
  else if (exists(folder + "/model.safetensors"))
    read = checkpoint.add("model.safetensors", refuse);
  else if (exists(folder + "/model.safetensors.index.json"))
    read = checkpoint.readShards("model.safetensors.index.json", refuse);
  else
    refuseFolder(folder, refuse);
  return read ? std::optional(std::move(checkpoint)) : std::nullopt;
}

bool Checkpoint::add(StringRef file, Refusal &refuse) {
  std::optional<std::vector<StoredTensor>> stored = readSafetensors(folder + "/" + file.str(), refuse);
  if (!stored)
    return false;
  for (StoredTensor &tensor : *stored) {
    auto [place, isNew] = indices.try_emplace(tensor.name, tensors.size());
    if (!isNew)
      return refuse(folder + "/" + file + ": tensor " + quote(tensor.name) + " is also in " +
                    tensors[place->second].file);
    HfTensor &entry = tensors.emplace_back();
    entry.name = std::move(tensor.name);
    entry.dtype = std::move(tensor.dtype);
    entry.shape = std::move(tensor.shape);
    entry.file = file.str();
    entry.offset = tensor.offset;
    entry.length = tensor.length;
  }
  return true;
}

bool Checkpoint::readShards(StringRef index, Refusal &refuse) {
  std::string path = folder + "/" + index.str();
  std::optional<json::Object> object = readObject(path, kLongestIndex, refuse);
  if (!object)
    return false;
  const json::Object *map = object->getObject("weight_map");
  if (!map)
    return refuse(path + ": key 'weight_map' is not an object");
  std::set<std::string> files;
  for (const auto &[name, value] : *map) {
    std::optional<StringRef> file = value.getAsString();
    // A shard lies in the folder: no path, and nothing hidden.
    if (!file || file->find_first_of(StringRef("/\\\0", 3)) != StringRef::npos || file->starts_with(".") ||
        !file->ends_with(".safetensors"))
      return refuse(path + ": key 'weight_map': tensor " + quote(StringRef(name)) + " is in " +
                    quote(file.value_or("(not a string)")) + ", which is not the name of a .safetensors file");
    files.insert(file->str());
  }
  for (const std::string &file : files) {
    if (!exists(folder + "/" + file))
      return refuse(path + ": shard " + quote(file) + " is not in the folder");
    if (!add(file, refuse))
      return false;
  }
  for (const HfTensor &tensor : tensors) {
    std::optional<StringRef> file = map->getString(tensor.name);
    if (file != StringRef(tensor.file))
      return refuse(folder + "/" + tensor.file + ": tensor " + quote(tensor.name) + " is in " + tensor.file +
                    ", and the index " + (file ? "has it in " + file->str() : "does not name it"));
  }
  for (const auto &[name, value] : *map)
    if (!find(StringRef(name)))
      return refuse(folder + "/" + value.getAsString()->str() + ": tensor " + quote(StringRef(name)) +
                    " is missing, which the index has there");
  return true;
}

const HfTensor *Checkpoint::find(StringRef name) const {
  auto it = indices.find(name);
  return it == indices.end() ? nullptr : &tensors[it->second];
}

HfTensor *Checkpoint::find(StringRef name) { return const_cast<HfTensor *>(std::as_const(*this).find(name)); }

decoder::Tensor Checkpoint::take(StringRef name, const Twine &role, Refusal &refuse, const Twine &why) {
  HfTensor *entry = find(name);
  if (!entry)
    return refuse(folder + ": tensor " + quote(name) + " is missing, which " + why + " asks for"), decoder::Tensor();
  entry->role = role.str();
  taken.push_back(entry - tensors.data());
  std::optional<decoder::Element> element = StringSwitch<std::optional<decoder::Element>>(entry->dtype)
                                                .Case("F32", decoder::Element::F32)
                                                .Case("F16", decoder::Element::F16)
                                                .Case("BF16", decoder::Element::BF16)
                                                .Case("I8", decoder::Element::I8)
                                                .Case("U8", decoder::Element::U8)
                                                .Default(std::nullopt);
  if (!element)
    refuse(folder + "/" + entry->file + ": tensor " + quote(name) + " has dtype " + quote(entry->dtype) +
           "; supported: F32, F16, BF16, I8, U8");
  SmallString<256> path(folder + "/" + entry->file);
  sys::fs::make_absolute(path);
  return {name.str(),   element.value_or(decoder::Element::F32), entry->shape, path.str().str(), entry->offset,
          entry->length};
}

std::vector<HfTensor> Checkpoint::takeTensors() {
  for (size_t i = 0; i < tensors.size(); ++i)
    taken.push_back(i);
  std::vector<HfTensor> result;
  BitVector done(tensors.size());
  for (size_t i : taken)
    if (!done.test(i)) {
      done.set(i);
      result.push_back(std::move(tensors[i]));
    }
  return result;
}

std::optional<std::string> Checkpoint::readBytes(const HfTensor &tensor, uint64_t limit, Refusal &refuse) const {
  std::string path = folder + "/" + tensor.file;
  auto bytes = MemoryBuffer::getFileSlice(path, std::min(limit, tensor.length), tensor.offset);
  if (!bytes)
    return refuse(path + ": " + bytes.getError().message()), std::nullopt;
  return (*bytes)->getBuffer().str();
}

bool Checkpoint::equal(const HfTensor &a, const HfTensor &b, Refusal &refuse) const {
  if (a.dtype != b.dtype || a.shape != b.shape)
    return false;
  auto left = MemoryBuffer::getFileSlice(folder + "/" + a.file, a.length, a.offset);
  auto right = MemoryBuffer::getFileSlice(folder + "/" + b.file, b.length, b.offset);
  if (!left || !right)
    return refuse(folder + ": cannot read the weights");
  return (*left)->getBuffer() == (*right)->getBuffer();
}
