"""Text in Python: the tokenizer beside Hugging Face's, generation and chat of the demonstration model."""

import json
import shutil

import pytest
import tokenizers

import setun
from conftest import ROOT

CHECKPOINT = ROOT / "python/tinylm/checkpoint"
TEMPLATE = ("{% for m in messages %}<{{ m['role'] }}> {{ m['content'] }}\n{% endfor %}"
            "{% if add_generation_prompt %}<assistant>{% endif %}")  # fmt: skip
TEXTS = ["In the beginning God created the heaven", "", " ", "naïve café — 3.14 № 東京 👩‍👩‍👧", "a\tb\r\n\n\0c", "<|endoftext|>x", "x" * 5000]
PROMPT = "In the beginning"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The checkpoint's tokenizer, with a chat template."""
    folder = tmp_path_factory.mktemp("tokenizer")
    for name in ("tokenizer.json", "generation_config.json"):
        shutil.copy(CHECKPOINT / name, folder)
    config = json.loads((CHECKPOINT / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": TEMPLATE}))
    return folder


@pytest.fixture(scope="module")
def tiny(exports, folder):
    return setun.compile(exports / "tiny-lm-cache.onnx", context=256, tokenizer=folder, target="native")


@pytest.fixture(scope="module")
def theirs():
    return tokenizers.Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json"))


def test_encode_and_decode(tiny, theirs):
    ours = tiny.tokenizer
    for text in TEXTS:
        assert ours.encode(text, add_special_tokens=False, parse_special=True) == theirs.encode(text, add_special_tokens=False).ids, text
        ids = ours.encode(text, add_special_tokens=False)
        assert ours.decode(ids) == text
    assert ours.encode("a\ud800b", False) == ours.encode(b"a\xed\xa0\x80b", False) == ours.encode("a\ufffd\ufffd\ufffdb", False)
    assert ours.decode([5, 10**9, -1]) == ours.decode([5])


def test_tokens(tiny, theirs):
    ours = tiny.tokenizer
    assert len(ours) == theirs.get_vocab_size() and ours.end_tokens == [0] and ours.is_special(0) and not ours.is_special(5)
    assert ours.token_id("<|endoftext|>") == 0 and ours.token_id("no such token") is None
    assert ours.encode("<|endoftext|>", False) != [0] and ours.encode("<|endoftext|>", False, parse_special=True) == [0]
    assert ours.decode([0]) == "<|endoftext|>" and ours.decode([0], skip_special_tokens=True) == ""


def test_generate_text(tiny):
    whole = tiny.generate(PROMPT, max_new_tokens=20)
    ids = tiny.generate(tiny.tokenizer.encode(PROMPT), max_new_tokens=20)
    assert str(whole) == whole.text == ids.text and whole.ids == ids.ids and whole.text
    pieces = list(tiny.generate(PROMPT, 20, stream=True))
    assert "".join(pieces) == whole.text and len(pieces) > 5
    assert tiny.tokenizer.decode(tiny.tokenizer.encode(PROMPT) + whole.ids) == PROMPT + whole.text


def test_stop_texts(tiny):
    whole = tiny.generate(PROMPT, max_new_tokens=40, end_tokens=[]).text
    word = whole.split()[3]
    for stop in (word, ["never seen", word]):
        stopped = tiny.generate(PROMPT, max_new_tokens=40, end_tokens=[], stop=stop)
        assert stopped.finish == "stop" and stopped.text == whole[: whole.index(word)]
    assert "".join(tiny.generate(PROMPT, max_new_tokens=40, end_tokens=[], stop=word, stream=True)) == stopped.text


def test_chat_template(tiny):
    """Special tokens in contents are text."""
    ours, messages = tiny.tokenizer, [{"role": "user", "content": "Hello <|endoftext|>"}]
    assert ours.has_chat_template
    assert ours.decode(ours.apply_chat_template(messages)) == "<user> Hello <|endoftext|>\n<assistant>"
    assert ours.decode(ours.apply_chat_template(messages, add_generation_prompt=False)) == "<user> Hello <|endoftext|>\n"
    assert 0 not in ours.apply_chat_template(messages)
    assert tiny.generate(messages, 5).ids == tiny.generate(ours.apply_chat_template(messages), 5).ids
    for wrong in ([{"role": "user"}], [{"role": "user", "content": 3}], ["Hello"]):
        with pytest.raises(TypeError):
            ours.apply_chat_template(wrong)
    with pytest.raises(ValueError, match="zero character"):
        ours.apply_chat_template([{"role": "user", "content": "a\0b"}])
    with pytest.raises(setun.RuntimeError):
        ours.apply_chat_template([{"role": "juggler", "content": "a"}])


def test_chat(tiny, tmp_path):
    chat = tiny.chat("Be brief.", max_new_tokens=8, end_tokens=[])
    first = chat.say("Who was Noah?")
    assert [m["role"] for m in chat.messages] == ["system", "user", "assistant"] and chat.messages[2]["content"] == first.text
    expected = tiny.generate([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who was Noah?"}], 8, end_tokens=[])
    assert first.ids == expected.ids and chat.context_used + chat.context_room == 256
    chat.save(tmp_path / "chat")
    pieces = chat.say("And then?", stream=True)
    second = "".join(pieces)
    assert chat.messages[-1]["content"] == second and pieces.result.reused_tokens > 0
    other = setun.load(tiny.path).chat(max_new_tokens=8, end_tokens=[])
    other.load(tmp_path / "chat")
    assert other.messages == chat.messages[:3] and other.say("And then?").text == second and other.messages == chat.messages
    chat.reset()
    assert chat.messages == [{"role": "system", "content": "Be brief."}] and chat.say("Who was Noah?").text == first.text


def test_long_chats(tiny):
    """What no longer fits is refused, and leaves the conversation as it was; with overflow="shift" old turns go."""
    chat = tiny.chat(context=64, max_new_tokens=8, end_tokens=[])
    with pytest.raises(setun.RuntimeError, match="the context holds 64"):
        for _ in range(9):
            chat.say("And then what did he say to them?")
    held = list(chat.messages)
    with pytest.raises(setun.RuntimeError):
        chat.say("And then what did he say to them?")
    assert chat.messages == held
    for _ in range(9):
        chat.say("And then what did he say to them?", overflow="shift")
    assert len(chat.messages) < 9


def test_a_closed_answer_stays(tiny):
    chat = tiny.chat(end_tokens=[])
    with chat.say("Who was Noah?", stream=True) as answer:
        next(answer)
    assert chat.messages[-1] == {"role": "assistant", "content": answer.result.text} and answer.result.text


def test_without_a_template(exports):
    model = setun.compile(exports / "tiny-lm-cache.onnx", context=256, tokenizer=CHECKPOINT, target="native")
    assert not model.tokenizer.has_chat_template and model.generate(PROMPT, 3).text
    with pytest.raises(setun.RuntimeError, match="no chat template"):
        model.chat()
    with pytest.raises(setun.CompileError, match="cannot read tokenizer"):
        setun.compile(exports / "tiny-lm-cache.onnx", tokenizer=exports / "missing.json")
