// What setun.hpp makes of a compiled language model: a conversation, a text that is continued, a state that is saved.
// Compile: c++ -std=c++17 chat.cpp -lsetun_rt_text -lsetun_rt

#include <cstdio>
#include <iostream>
#include <setun-rt/setun.hpp>

int main(int argc, char **argv) {
  setun::Program program(argc > 1 ? argv[1] : "./model.so");
  setun::LanguageModel model(program);
  setun::Sampler greedy;

  std::vector<setun::Message> conversation;
  for (const char *question : {"hi", "you"}) {
    conversation.push_back({"user", question});
    model.extend(conversation);
    auto answer = model.generate(greedy, {}, [](std::string_view text) {
      std::cout << text << std::flush;
      return true; // false ends the answer
    });
    std::cout << "\n";
    conversation.push_back({"assistant", answer.text});
  }

  setun_generation three{};
  three.max_tokens = 3;
  model.truncate(0);
  model.extend("a");
  for (char c : model.generate(greedy, three).text)
    std::cout << c << (c == 'd' ? ", " : " ");
  std::cout << model.length() << " tokens, saved and loaded:";
  model.save("chat.state");
  setun::LanguageModel other(program);
  other.load("chat.state");
  std::remove("chat.state");
  three.max_tokens = 2;
  for (char c : other.generate(greedy, three).text)
    std::cout << " " << c;
  std::cout << "\n";
#ifdef __cpp_exceptions
  try {
    model.extend(setun::Ids{999});
  } catch (const setun::Error &error) {
    std::cout << "error: " << error.what() << "\n";
  }
#endif
}
