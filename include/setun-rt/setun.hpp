//===- setun.hpp - Running compiled models from C++ -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The C API (setun.h, text.h, sample.h, language.h) as C++17 objects that close themselves. Failures are
// setun::Error, a std::runtime_error; without exceptions they print their message and abort. What is not wrapped here
// is a call away: every object gives its C handle by get().
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_RT_SETUN_HPP
#define SETUN_RT_SETUN_HPP

#include "setun-rt/language.h"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace setun {

class Error : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

namespace detail {

[[noreturn]] inline void fail(const std::string &message) {
#ifdef __cpp_exceptions
  throw Error(message);
#else
  std::fprintf(stderr, "setun: %s\n", message.c_str());
  std::abort();
#endif
}

/// Calls close on destruction.
template <auto close> struct Closer {
  template <typename T> void operator()(T *handle) const { close(handle); }
};
template <typename T, auto close> using Handle = std::unique_ptr<T, Closer<close>>;

/// Calls write(ids, capacity), which tells how many there are, until they fit.
template <typename T, typename Write> std::vector<T> gather(size_t guess, Write write) {
  std::vector<T> items(guess);
  for (;;) {
    int64_t count = write(items.data(), items.size());
    if (count < 0)
      fail("out of memory");
    bool fits = static_cast<size_t>(count) <= items.size();
    items.resize(static_cast<size_t>(count));
    if (fits)
      return items;
  }
}

template <typename T> struct TypeOf;
template <> struct TypeOf<float> {
  static constexpr setun_dtype value = SETUN_F32;
};
template <> struct TypeOf<double> {
  static constexpr setun_dtype value = SETUN_F64;
};
template <> struct TypeOf<int8_t> {
  static constexpr setun_dtype value = SETUN_I8;
};
template <> struct TypeOf<uint8_t> {
  static constexpr setun_dtype value = SETUN_U8;
};
template <> struct TypeOf<int16_t> {
  static constexpr setun_dtype value = SETUN_I16;
};
template <> struct TypeOf<int32_t> {
  static constexpr setun_dtype value = SETUN_I32;
};
template <> struct TypeOf<int64_t> {
  static constexpr setun_dtype value = SETUN_I64;
};

} // namespace detail

using Ids = std::vector<int64_t>;

/// An opened model. Must outlive its sessions and language models.
class Program {
public:
  explicit Program(const std::string &library, const setun_options &options = {}) {
    char error[1024] = "";
    handle.reset(setun_open(library.c_str(), &options, error, sizeof error));
    if (!handle)
      detail::fail(error);
  }
  /// A model that is linked into this program.
  explicit Program(const setun_model_desc &model, const setun_options &options = {}) {
    char error[1024] = "";
    handle.reset(setun_open_linked(&model, &options, error, sizeof error));
    if (!handle)
      detail::fail(error);
  }
  setun_program *get() const { return handle.get(); }
  std::string level() const { return setun_level_name(get()); }
  int threads() const { return setun_threads(get()); }
  /// Where it runs: DLPack's type of device (1: the processor), its index and name.
  setun_device_info device() const { return setun_get_device(get()); }

private:
  detail::Handle<setun_program, setun_close> handle;
};

/// An output or a state, valid until the session's next call.
struct Tensor : setun_tensor {
  std::vector<int64_t> shape() const { return {dims, dims + rank}; }
  size_t size() const {
    size_t count = 1;
    for (uint32_t d = 0; d < rank; ++d)
      count *= static_cast<size_t>(dims[d]);
    return count;
  }
  /// Its elements, if they are of this type.
  template <typename T> const T *as() const {
    if (dtype != detail::TypeOf<T>::value)
      detail::fail(std::string("the tensor is of type ") + setun_dtype_name(dtype));
    return static_cast<const T *>(data);
  }
};

/// One use of a program: inputs, states, outputs.
class Session {
public:
  explicit Session(const Program &program, int64_t capacity = 0) {
    char error[1024] = "";
    handle.reset(setun_session_open(program.get(), capacity, error, sizeof error));
    if (!handle)
      detail::fail(error);
  }
  setun_session *get() const { return handle.get(); }
  /// Row-major; borrowed until runs are over.
  template <typename T> void set(const std::string &name, const std::vector<int64_t> &shape, const T *data) {
    check(setun_set_input(get(), name.c_str(), detail::TypeOf<T>::value, shape.data(),
                          static_cast<uint32_t>(shape.size()), data));
  }
  void run() { check(setun_run(get())); }
  Tensor output(const std::string &name) {
    Tensor tensor{};
    check(setun_get_output(get(), name.c_str(), &tensor));
    return tensor;
  }
  /// The same in the memory of the program's device.
  Tensor outputOnDevice(const std::string &name) {
    Tensor tensor{};
    check(setun_get_output_device(get(), name.c_str(), &tensor));
    return tensor;
  }
  /// The index of the largest number in an output's row (-1: the last row); -1 when there is none.
  int64_t argmax(const std::string &name, int64_t row = -1) {
    int64_t index = -1;
    check(setun_argmax(get(), name.c_str(), row, &index));
    return index;
  }
  void truncate(int64_t position) { check(setun_truncate(get(), position)); }
  int64_t position() const { return setun_position(get()); }

private:
  void check(int failed) const {
    if (failed)
      detail::fail(setun_error(get()));
  }
  detail::Handle<setun_session, setun_session_close> handle;
};

/// Draws tokens from logits.
class Sampler {
public:
  explicit Sampler(const setun_sampling &sampling = {}) {
    char error[256] = "";
    handle.reset(setun_sampler_open(&sampling, error, sizeof error));
    if (!handle)
      detail::fail(error);
  }
  setun_sampler *get() const { return handle.get(); }

private:
  detail::Handle<setun_sampler, setun_sampler_close> handle;
};

/// A model's tokenizer: a view, valid as long as the language model.
class Tokenizer {
public:
  explicit Tokenizer(const setun_tokenizer *tokenizer) : handle(tokenizer) {}
  explicit operator bool() const { return handle != nullptr; }
  const setun_tokenizer *get() const { return handle; }

  Ids encode(std::string_view text, uint32_t flags = SETUN_ADD_SPECIAL) const {
    return detail::gather<int64_t>(text.size() + 8, [&](int64_t *ids, size_t capacity) {
      return setun_encode(handle, text.data(), text.size(), flags, ids, capacity);
    });
  }
  std::string decode(const Ids &ids, uint32_t flags = SETUN_SKIP_SPECIAL) const {
    std::vector<char> text = detail::gather<char>(8 * ids.size(), [&](char *bytes, size_t capacity) {
      return setun_decode(handle, ids.data(), ids.size(), flags, bytes, capacity);
    });
    return {text.begin(), text.end()};
  }

private:
  const setun_tokenizer *handle;
};

struct Message {
  std::string role, content;
};

/// Tokens in, logits and text out.
class LanguageModel {
public:
  explicit LanguageModel(const Program &program, const setun_lm_options &options = {}) {
    char error[1024] = "";
    handle.reset(setun_lm_open(program.get(), &options, error, sizeof error));
    if (!handle)
      detail::fail(error);
  }
  setun_lm *get() const { return handle.get(); }
  Tokenizer tokenizer() const { return Tokenizer(setun_lm_tokenizer(get())); }
  int64_t vocabulary() const { return setun_lm_vocabulary(get()); }
  int64_t length() const { return setun_lm_length(get()); }
  int64_t room() const { return setun_lm_room(get()); }
  Ids tokens() const {
    const int64_t *ids = setun_lm_tokens(get());
    return length() ? Ids(ids, ids + length()) : Ids();
  }

  void extend(const Ids &ids) { check(setun_lm_extend(get(), ids.data(), static_cast<int64_t>(ids.size()))); }
  /// Takes a text as the beginning, or as what follows.
  void extend(std::string_view text) {
    if (!tokenizer())
      detail::fail(setun_lm_no_tokenizer(get()));
    extend(tokenizer().encode(text, length() ? 0 : SETUN_ADD_SPECIAL));
  }
  /// Takes a conversation up to where the assistant begins to speak. What of it was taken before is not taken again.
  void extend(const std::vector<Message> &conversation) {
    if (!tokenizer())
      detail::fail(setun_lm_no_tokenizer(get()));
    std::vector<setun_chat_message> messages;
    for (const Message &message : conversation)
      messages.push_back({message.role.c_str(), message.content.c_str()});
    char error[512] = "";
    Ids ids = detail::gather<int64_t>(512, [&](int64_t *out, size_t capacity) {
      int64_t count =
          setun_chat(tokenizer().get(), messages.data(), messages.size(), 1, out, capacity, error, sizeof error);
      if (count == -2)
        detail::fail(error);
      return count;
    });
    Ids before = tokens();
    size_t same = 0;
    while (same < before.size() && same + 1 < ids.size() && before[same] == ids[same])
      ++same;
    if (setun_lm_truncate(get(), static_cast<int64_t>(same)))
      truncate(static_cast<int64_t>(same = 0));
    extend(Ids(ids.begin() + static_cast<std::ptrdiff_t>(same), ids.end()));
  }
  /// The logits after the last token: vocabulary() of them, valid until the next call.
  const float *logits() {
    const float *rows = setun_lm_logits(get());
    if (!rows)
      detail::fail(*setun_lm_error(get()) ? setun_lm_error(get()) : "there are no logits before a token is taken");
    return rows;
  }
  void truncate(int64_t length) { check(setun_lm_truncate(get(), length)); }
  void save(const std::string &path) { check(setun_lm_save(get(), path.c_str())); }
  void load(const std::string &path) { check(setun_lm_load(get(), path.c_str())); }
  /// Puts a sampler where the one stood that made the last token; false where there was none.
  bool resume(const Sampler &sampler) { return setun_lm_resume(get(), sampler.get()) != 0; }
  /// How the model's makers want its tokens drawn.
  setun_sampling sampling() const {
    setun_sampling result;
    setun_lm_sampling(get(), &result);
    return result;
  }

  struct Answer {
    std::string text;
    Ids tokens;
    setun_finish finish = SETUN_FINISH_LENGTH;
  };
  /// Gets each token's text as it comes; false ends the answer.
  using OnText = std::function<bool(std::string_view)>;

  /// Generates until something ends it.
  Answer generate(const Sampler &sampler, const setun_generation &generation = {}, const OnText &onText = {}) {
    struct State {
      Answer answer;
      const OnText &onText;
#ifdef __cpp_exceptions
      std::exception_ptr thrown = nullptr; // C in between lets none through
#endif
    };
    State state{{}, onText};
    auto give = [](void *user, int64_t id, const char *text, size_t size) -> int {
      auto *state = static_cast<State *>(user);
#ifdef __cpp_exceptions
      try {
#endif
        state->answer.tokens.push_back(id);
        state->answer.text.append(size ? text : "", size);
        return state->onText && !state->onText({size ? text : "", size});
#ifdef __cpp_exceptions
      } catch (...) {
        state->thrown = std::current_exception();
        return 1;
      }
#endif
    };
    check(setun_lm_generate(get(), sampler.get(), &generation, give, &state, &state.answer.finish));
#ifdef __cpp_exceptions
    if (state.thrown)
      std::rethrow_exception(state.thrown);
#endif
    return std::move(state.answer);
  }

private:
  void check(int failed) const {
    if (failed)
      detail::fail(setun_lm_error(get()));
  }
  detail::Handle<setun_lm, setun_lm_close> handle;
};

} // namespace setun

#endif // SETUN_RT_SETUN_HPP
