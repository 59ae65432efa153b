"""Talking to a model at the shell: prompts, pipes, a terminal, state files, and the examples in C and C++."""

import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import fcntl

import chat_model
import pytest

ROOT, BUILD = chat_model.ROOT, chat_model.BUILD


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The program and the shared library of the model with a chat template."""
    return chat_model.make(tmp_path_factory.mktemp("chat"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The program without a chat template."""
    return chat_model.make(tmp_path_factory.mktemp("plain"), template=False)[0]


def run(program, *flags, stdin="", status=0):
    """Standard output and error of a run."""
    done = subprocess.run([program, *map(str, flags)], input=stdin.encode(), capture_output=True, timeout=60)
    assert done.returncode == status, done.stderr
    return done.stdout.decode(), done.stderr.decode()


# Prompts.


def test_a_prompt_is_continued(model):
    assert run(model[0], "--prompt", "a", "-n", 5) == ("bcdef\n", "")
    assert run(model[0], "--prompt", "xyz a", "-n", 5, "--stop", "e", "--stop", "dx")[0] == "bcd\n"
    assert run(model[0], "--prompt", "a", "-n", 9, "--stop", "ef")[0] == "bcd\n"
    assert run(model[0], "--prompt", "a", "-n", 9, "--stop-tokens", "102,100")[0] == "bc\n"
    assert run(model[0], "--prompt", "a", "-n", 0) == ("", "")
    nothing = json.loads(run(model[0], "--prompt", "a", "-n", 0, "--json")[0])
    assert nothing["tokens"] == [] and nothing["text"] == "" and nothing["finish"] == "length"


def test_a_prompt_from_a_file(model, tmp_path):
    (tmp_path / "prompt").write_text("one\ntwo a")
    assert run(model[0], "--prompt-file", tmp_path / "prompt", "-n", 3)[0] == "bcd\n"
    assert run(model[0], "--prompt-file", "-", "-n", 3, stdin="A")[0] == "BCD\n"


def test_text_is_held_back_while_it_may_be_a_stop(model):
    """What stops is never given, what only began like it is, whole and in order."""
    assert run(model[0], "--prompt", "a", "-n", 6, "--stop", "cdx", "--stop", "defghi")[0] == "bcdefg\n"
    assert run(model[0], "--prompt", "a", "-n", 20, "--stop", "cdx", "--stop", "defghi")[0] == "bc\n"


def test_characters_come_whole(model):
    """Bytes of one character are in two tokens; a byte that never becomes a character is U+FFFD at the end."""
    out = json.loads(run(model[0], "--chat", "--prompt", "hi", "--json")[0])
    assert out["text"] == "Hello, wörld!" and out["tokens"] == [260, 261, 262, 263, 258] and out["finish"] == "end"
    out = json.loads(run(model[0], "--chat", "--prompt", "hi", "--json", "-n", 2)[0])
    assert out["text"] == "Hello, w\ufffd" and out["finish"] == "length"


def test_special_tokens_in_prompts_are_text_unless_asked(model):
    assert json.loads(run(model[0], "--prompt", "<A>", "--json", "-n", 1)[0])["tokens"] == [ord(">") + 1]
    special = json.loads(run(model[0], "--prompt", "<A>", "--json", "--parse-special")[0])
    assert special["tokens"] == [260, 261, 262, 263, 258]
    assert run(model[0], "--chat", "--prompt", "x<A><U>")[0] == "Hello, wörld!\n"


def test_sampling_flags(model):
    assert run(model[0], "--prompt", "a", "-n", 3, "--logit-bias", "98=-inf,120=32")[0] == "xyz\n"
    assert run(model[0], "--prompt", "a", "-n", 3, "--logit-bias", "98=-inf", "--logit-bias", "99=100")[0] == "ccc\n"
    assert run(model[0], "--prompt", "a", "-n", 3, "--logit-bias", "99=100", "--presence-penalty", "120")[0] == "cde\n"
    drawn = [run(model[0], "--prompt", "a", "-n", 20, "--temp", 9, "--seed", seed)[0] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    unknown = run(model[0], "--prompt", "a", "--logit-bias", "999=1", status=1)[1]
    assert "--logit-bias: token 999 is not in the vocabulary of 266" in unknown
    assert "--logit-bias takes ID=BIAS" in run(model[0], "--prompt", "a", "--logit-bias", "5:1", status=1)[1]


def test_a_full_context(model):
    out, err = run(model[0], "--prompt", "a", "--context", 8)
    assert out == "bcdefgh\n" and "stopped after 7 tokens: the context is full" in err
    shifted = run(model[0], "--prompt", "a", "--context", 8, "--context-full", "shift", "-n", 20)
    assert shifted[0] == "bcdefghijklmnopqrstu\n"
    assert "do not fit into the context" in run(model[0], "--prompt", "a" * 9, "--context", 8, status=1)[1]


def test_a_space_between_prompt_and_text_stays(plain):
    """A decoder of SentencePiece drops the space at the beginning of a text, and what goes on is no beginning."""
    assert run(plain, "--prompt", "a", "-n", 3)[0] == " bcd\n"
    assert json.loads(run(plain, "--prompt", "a", "-n", 3, "--json")[0])["text"] == " bcd"


# State files.


def test_a_saved_state_goes_on_as_if_it_never_stopped(model, tmp_path):
    state = tmp_path / "state"
    run(model[0], "--prompt", "xyz a", "-n", 4, "--save-state", state)
    assert run(model[0], "--load-state", state, "-n", 3)[0] == "fgh\n"
    assert run(model[0], "--load-state", state, "--prompt", "A", "-n", 3)[0] == "BCD\n"
    run(model[0], "--prompt", "xyz a", "-n", 0, "--save-state", state)
    whole = json.loads(run(model[0], "--prompt", "xyz a", "-n", 9, "--temp", 5, "--seed", 3, "--json")[0])
    again = json.loads(run(model[0], "--load-state", state, "-n", 9, "--temp", 5, "--seed", 3, "--json")[0])
    assert whole["tokens"] == again["tokens"] and whole["text"] == again["text"]


def test_draws_go_on_from_a_state(model, tmp_path):
    """Without --seed the sampler stands where it stood; penalties count on from where the first part began."""
    state, flags = tmp_path / "state", ("--temp", 5, "--frequency-penalty", 1, "--presence-penalty", 1, "--json")
    tokens = lambda *more: json.loads(run(model[0], *flags, *more)[0])["tokens"]
    whole = tokens("--prompt", "xyz a", "-n", 20, "--seed", 3)
    first = tokens("--prompt", "xyz a", "-n", 8, "--seed", 3, "--save-state", state)
    assert len(whole) == 20 and first + tokens("--load-state", state, "-n", 12) == whole
    assert first + tokens("--load-state", state, "-n", 12, "--seed", 3) != whole
    turns = "one\ntwo\nthree\n"
    chat = lambda lines, *more: run(model[0], "--chat", "--temp", 9, "-n", 12, *more, stdin=lines)[0]
    parts = chat("one\n", "--seed", 5, "--save-state", state), chat("two\nthree\n", "--load-state", state)
    assert "".join(parts) == chat(turns, "--seed", 5)
    old = bytearray(state.read_bytes())
    old[7] = ord("1")
    state.write_bytes(old)
    assert "its format has version 1, and this program reads version 2" in run(model[0], "--load-state", state, status=1)[1]


def test_a_saved_conversation_goes_on(model, tmp_path):
    state = tmp_path / "state"
    assert run(model[0], "--chat", "--save-state", state, "--system", "be", stdin="hi\n")[0] == "Yes. Hello, wörld!\n"
    out = json.loads(run(model[0], "--chat", "--load-state", state, "--json", stdin="you\n")[0])
    assert out["text"] == "again"
    # The whole conversation, of which the answer's tokens are written anew: <S>be<U>hi<A>...<E><U>you<A>.
    assert out["context"] == 3 + 3 + 1 + len("Yes. Hello, wörld!".encode()) + 1 + 4 + 1 + 2


def test_a_damaged_state_is_refused(model, plain, tmp_path):
    state = tmp_path / "state"
    run(model[0], "--prompt", "a", "-n", 4, "--save-state", state)
    whole = state.read_bytes()
    state.write_bytes(whole[:-1])
    out, err = run(model[0], "--load-state", state, status=1)
    assert out == "" and err.count("\n") == 1 and f"cannot load the state '{state}': it is damaged or was cut" in err
    state.write_bytes(whole)
    assert "it is of another model" in run(plain, "--load-state", state, status=1)[1]
    assert sorted(tmp_path.iterdir()) == [state]


# Pipes.


def test_a_pipe_has_a_turn_a_line(model):
    out, err = run(model[0], "--chat", stdin="hi\n\n/help\n")
    assert out == "Hello, wörld!\nagain\n"
    assert re.match(r"\[5 tokens, [\d.]+ tokens/s; prompt 4 tokens, [\d.]+ tokens/s; context 9 of 256\]\n", err)
    lines = run(model[0], "--chat", "--json", stdin="hi\nyou\n")[0].splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["Hello, wörld!", "again"]


def test_what_was_taken_is_not_taken_again(model):
    """The second prompt of a conversation takes what is new: from the answer on, whose bytes are other tokens."""
    turns = [json.loads(line) for line in run(model[0], "--chat", "--json", stdin="hi\nyou\n")[0].splitlines()]
    assert turns[0]["timings"]["prompt_tokens"] == 4  # <U>hi<A>
    assert turns[1]["timings"]["prompt_tokens"] == len("Hello, wörld!".encode()) + 1 + 4 + 1


def test_a_conversation_past_the_context(model):
    lines = "".join(f"{i:20}\n" for i in range(9))
    out, err = run(model[0], "--chat", "--context", 50, stdin=lines, status=1)
    assert out == "Hello, wörld!\n" and "error: the context is full: the conversation has" in err
    out = run(model[0], "--chat", "--context", 60, "--context-full", "shift", "-n", 4, stdin=lines)[0]
    assert len(out.splitlines()) == 9


def test_without_a_template_prompts_are_continued(plain):
    out, err = run(plain, "--chat", "-n", 3, stdin="a\nA\n")
    assert out == " bcd\nBCD\n" and "note: the model has no chat template" in err
    assert "--system: the model has no chat template" in run(plain, "--chat", "--system", "x", status=1)[1]


def test_without_a_tokenizer_there_is_no_text(plain):
    bare = BUILD / "test" / "Runtime" / "fake-lm"
    assert "without a tokenizer" in run(bare, "--prompt", "a", status=1)[1]
    assert "without a tokenizer" in run(bare, "--chat", status=1)[1]


# A terminal.


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *command, columns=80, **environment):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execve(command[0], [str(c) for c in command], {**os.environ, **environment})
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.output, self.seen = "", 0

    def expect(self, text, seconds=20):
        """Waits for a text after what was seen last, and returns what came before it."""
        end = time.time() + seconds
        while text not in self.output[self.seen :]:
            assert time.time() < end, f"no {text!r} in {self.output[self.seen:]!r}"
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.output += os.read(self.master, 65536).decode(errors="replace")
                except OSError:
                    assert text in self.output[self.seen :], f"ended without {text!r}: {self.output[self.seen:]!r}"
        at = self.output.index(text, self.seen)
        before, self.seen = self.output[self.seen : at], at + len(text)
        return before

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        """Its exit status, or minus the signal that ended it."""
        end = time.time() + 20
        while time.time() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.master)
                return os.waitstatus_to_exitcode(status)
            if select.select([self.master], [], [], 0.05)[0]:
                try:
                    self.output += os.read(self.master, 65536).decode(errors="replace")
                except OSError:
                    time.sleep(0.02)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError(f"it did not end: {self.output!r}")


@pytest.fixture
def terminal(model):
    return Terminal(model[0], "--chat")


def test_terminal_answers_and_ends(terminal):
    terminal.expect("> ")
    terminal.type("hi\r")
    assert "Hello, wörld!" in terminal.expect("tokens/s]".replace("]", ";"))
    terminal.expect("> ")
    terminal.type("\x04")
    assert terminal.end() == 0


def test_terminal_streams(model):
    """Each token is shown before the next one is made."""
    slow = Terminal(model[0], "--chat", FAKE_SLOW="1")
    slow.expect("> ")
    slow.type("hi\r")
    slow.expect("Hello")
    assert "!" not in slow.output[slow.seen :]
    slow.expect(", wörld!")
    slow.type("\x04")
    assert slow.end() == 0


def test_ctrl_c_stops_the_answer_and_not_the_program(model):
    endless = ["-n", "4000", "--context", "8000", "--logit-bias", "258=-1000,98=100"]
    slow = Terminal(model[0], "--chat", *endless, FAKE_SLOW="1")
    slow.expect("> ")
    slow.type("hi\r")
    slow.expect("bbb")
    slow.type("\x03")
    slow.expect(", interrupted; prompt")
    slow.expect("> ")
    slow.type("\x03")
    slow.expect("(Ctrl-C again, or Ctrl-D, ends)")
    slow.type("x\r")  # something else in between: it takes two again
    slow.expect("bbb")
    slow.type("\x03")
    slow.expect(", interrupted; prompt")
    slow.expect("> ")
    slow.type("\x03")
    slow.expect("ends)")
    slow.expect("> ")
    slow.type("\x03")
    assert slow.end() == 0


def typed(model, keys):
    """The user's messages of a conversation that was typed, by the file it was saved to."""
    path = model[0].parent / "typed"
    path.unlink(missing_ok=True)
    terminal = Terminal(model[0], "--chat")
    terminal.expect("> ")
    for line in keys:
        terminal.type(line)
        terminal.expect("context ")
        terminal.expect("> ")
    terminal.type(f"/save {path}\r")
    terminal.type("/exit\r")
    assert terminal.end() == 0, terminal.output
    note = path.read_bytes()[56:].split(b"user\0")[1:]
    return [message.split(b"\0")[0].decode() for message in note]


@pytest.mark.parametrize(
    "keys, message",
    [
        ("hxllo\x1b[D\x1b[D\x1b[D\x1b[D\x1b[3~e\r", "hello"),  # left, delete
        ("llo\x01he\x05!\r", "hello!"),  # Ctrl-A, Ctrl-E
        ("hello world\x17there\r", "hello there"),  # Ctrl-W
        ("hello world\x1b[H\x0bbye\r", "bye"),  # Home, Ctrl-K
        ("hello\x15bye\r", "bye"),  # Ctrl-U
        ("grün\x1b[D\x7fu\r", "grun"),  # over a character of two bytes
        ("日本語\x02\x02\x7f\x06x\r", "本x語"),  # wide ones
        ("e\u0301a\x1b[D\x7fo\r", "oa"),  # an accent goes with its letter
        ("\x1b[200~one\ntwo\r\nthree\x1b[201~!\r", "one\ntwo\n\nthree!"),  # pasted
        ("one\x1b\rtwo\r", "one\ntwo"),  # Alt-Enter
        ("/etc is\x1b[1~ \r", " /etc is"),
    ],
)
def test_line_editing(model, keys, message):
    assert typed(model, [keys]) == [message]


def test_history(model):
    """Up and down go through the lines before; what was being written is kept."""
    up, down = "\x1b[A", "\x1b[B"
    assert typed(model, ["one\r", "two\r", f"{up}{up}!\r", f"new{up}{up}{down}{down}er\r"]) == ["one", "two", "one!", "newer"]


def test_long_lines_scroll(model):
    narrow = Terminal(model[0], "--chat", columns=20)
    narrow.expect("> ")
    narrow.type("abcdefghijklmnopqrstuvwxyz")
    narrow.expect("xyz")
    rows = re.split(r"\r(?:\x1b\[\d+C)?", narrow.output)
    assert max(len(re.sub(r"\x1b\[[?\d]*[a-zA-Z]", "", row)) for row in rows) <= 20
    narrow.type("\x01")
    narrow.expect("> abcdefghijklmnopq")
    narrow.type("\x15\x05\x15\x04")
    assert narrow.end() == 0


def test_commands(model, tmp_path):
    state = tmp_path / "conversation"
    terminal = Terminal(model[0], "--chat")
    terminal.expect("> ")
    terminal.type("/help\r")
    terminal.expect("/save FILE")
    terminal.type(f"hi\r/save {state}\r/reset\rhi\r")
    terminal.expect("Hello, wörld!")
    terminal.expect("Hello, wörld!")  # anew
    terminal.type(f"/load {state}\rmore\r")
    terminal.expect("again")
    terminal.type("/load nowhere\r")
    terminal.expect("error: cannot load the state 'nowhere': No such file or directory")
    terminal.type("/nonsense\r")
    terminal.expect("error: unknown command (see /help)")
    terminal.type("/exit\r")
    assert terminal.end() == 0


def test_the_terminal_is_left_as_it_was(model):
    """While there is no line to edit Ctrl-C is a signal; at the end all modes are those that were found."""
    terminal = Terminal(model[0], "--chat")
    before = termios.tcgetattr(terminal.master)
    terminal.expect("> ")
    terminal.type("hi\r")
    terminal.expect("context ")
    terminal.expect("> ")
    assert not termios.tcgetattr(terminal.master)[3] & termios.ICANON
    terminal.type("\x04")
    end = time.time() + 5
    while termios.tcgetattr(terminal.master) != before:
        assert time.time() < end
        time.sleep(0.01)
    assert terminal.end() == 0


# setun chat, and the examples.


def test_setun_chat(model):
    for file in model:
        assert run(BUILD / "bin" / "setun", "chat", file, "-n", "3", stdin="hi\n")[0].startswith("Hello, wörld")
    through = Terminal(BUILD / "bin" / "setun", "chat", model[0])
    through.expect("> ")
    through.type("hi\r")
    through.expect("Hello, wörld!")
    through.expect("> ")
    through.type("\x03")
    through.expect("ends)")
    through.type("\x04")
    assert through.end() == 0


def test_setun_run_continues_a_prompt(model):
    assert run(BUILD / "bin" / "setun", "run", model[1], "--prompt", "a", "-n", "3")[0] == "bcd\n"


LIBRARIES = [BUILD / "lib" / "libsetun_rt_text.a", BUILD / "lib" / "libsetun_rt.a", "-lpthread", "-ldl"]


def test_example_in_c(model, tmp_path):
    flags = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", ROOT / "include"]
    source = ROOT / "docs" / "examples" / "chat.c"
    assert len(source.read_text().splitlines()) <= 60
    subprocess.run(["cc", *flags, source, "-o", tmp_path / "chat", *LIBRARIES], check=True)
    assert run(tmp_path / "chat", model[1], stdin="hi\nyou\n")[0] == "Hello, wörld!\nagain\n"
    assert "cannot open model" in run(tmp_path / "chat", "nowhere.so", status=1)[1]


def test_example_in_cpp(model, tmp_path):
    source = ROOT / "docs" / "examples" / "chat.cpp"
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", ROOT / "include"]
    subprocess.run(["c++", *flags, source, "-o", tmp_path / "chat", *LIBRARIES], check=True)
    out = run(tmp_path / "chat", model[1])[0]
    assert out.splitlines()[:3] == ["Hello, wörld!", "again", "b c d, 4 tokens, saved and loaded: e f"]
    assert out.splitlines()[3:] == ["error: token 999 is not in the vocabulary of 266"]
    subprocess.run(["c++", *flags, "-fno-exceptions", source, "-o", tmp_path / "quiet", *LIBRARIES], check=True)
    assert run(tmp_path / "quiet", "nowhere.so", status=-signal.SIGABRT)[1].startswith("setun: cannot open model")


# What generation_config.json says.


def test_sampling_of_the_checkpoint(model, tmp_path):
    """Drawn as the makers say unless the command line says otherwise; without do_sample the likeliest token."""
    sampled = tmp_path / "sampled"
    sampled.mkdir()
    program = chat_model.make(sampled, generation={"do_sample": True, "temperature": 5.0, "top_p": 0.9, "repetition_penalty": 1.1, "eos_token_id": 258})[0]
    ask = ("--prompt", "a", "-n", 20, "--seed", 4)
    theirs = run(program, *ask)[0]
    assert theirs == run(model[0], *ask, "--temp", 5, "--top-p", 0.9, "--repetition-penalty", 1.1, "--top-k", 50)[0] != run(model[0], *ask)[0]
    assert run(program, *ask, "--top-k", 0)[0] == run(model[0], *ask, "--temp", 5, "--top-p", 0.9, "--repetition-penalty", 1.1)[0]
    assert run(program, *ask, "--temp", 0, "--repetition-penalty", 1)[0] == run(model[0], *ask)[0]
    greedy = tmp_path / "greedy"
    greedy.mkdir()
    program = chat_model.make(greedy, generation={"temperature": 5.0, "top_k": 3, "eos_token_id": 258})[0]
    assert run(program, *ask)[0] == run(model[0], *ask)[0]


@pytest.mark.parametrize("key, value", [("temperature", -1), ("temperature", "hot"), ("top_p", 1.5), ("top_k", -3), ("repetition_penalty", 0), ("do_sample", 3)])
def test_sampling_that_makes_no_sense(key, value, tmp_path):
    chat_model.write_tokenizer(tmp_path)
    (tmp_path / "generation_config.json").write_text(json.dumps({"do_sample": True, key: value}))
    done = subprocess.run([BUILD / "bin" / "setun", "tokenizer", tmp_path, "-o", tmp_path / "table"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("error:") == 1 and f"generation_config.json: {key}" in done.stderr, done.stderr
    assert not (tmp_path / "table").exists()


def test_without_the_libraries_of_text(tmp_path):
    """Linked where PCRE2 and utf8proc were missing, a model with a tokenizer still takes token ids, and refuses text."""
    program = chat_model.make(tmp_path, text=chat_model.make_textless(tmp_path))[0]
    assert run(program, "--tokens", "97,98", "-n", 3)[0] == "99,100,101\n"
    for ask in (["--prompt", "a"], ["--chat"]):
        out, err = run(program, *ask, status=1)
        assert out == "" and err.count("\n") == 1 and "no text here: this program was linked for an architecture whose PCRE2" in err
