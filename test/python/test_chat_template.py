"""Chat templates: the program that chat_template.py makes of each says what transformers' apply_chat_template says."""

import importlib.util
import itertools
import pathlib

import pytest
from conftest import ROOT
from transformers import PreTrainedTokenizerFast
from tokenizers import Tokenizer, models

TEMPLATES = sorted((pathlib.Path(__file__).parent / "chat_templates").glob("*.jinja"))
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
CONTENTS = ["Hi", " \t\n leading", "trailing \u00a0\u2003\n", "[INST] </s> {{ messages }}", "日本語 🙂", "<think>\nwhy\n</think>\n\nbecause\n"]

spec = importlib.util.spec_from_file_location("chat_template", ROOT / "lib" / "Import" / "Text" / "chat_template.py")
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)


def program_of(source):
    return script.learn(script.Behaviour(script.Renderer(script.compile_template(source), TOKENS)))


def rendered(tokenizer, source, messages, generate):
    try:
        return tokenizer.apply_chat_template(messages, chat_template=source, add_generation_prompt=generate, tokenize=False)
    except Exception:  # raise_exception of the template
        return None


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_program_equals_transformers(path):
    source = path.read_text()
    program = program_of(source)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, unk_token="a")), **TOKENS)
    turns = ["user", "assistant"] * 6
    compared = 0
    for length, system, generate in itertools.product(range(1, 12, 2), (False, True), (False, True)):
        roles = ["system"] * system + turns[:length]
        for shift in range(len(CONTENTS)):
            contents = [CONTENTS[(i + shift) % len(CONTENTS)] for i in range(len(roles))]
            messages = [{"role": role, "content": content} for role, content in zip(roles, contents)]
            expected = rendered(tokenizer, source, messages, generate)
            assert script.run(program, roles, contents, generate) == expected
            compared += expected is not None
    assert compared >= 70


@pytest.mark.parametrize(
    "source, why",
    [
        ("{% for m in messages %}{{ m.content.upper() }}{% endfor %}", "leaves out a message"),
        ("{% for m in messages | reverse %}{{ m.content }}{% endfor %}", "moves messages"),
        ("{% for m in messages %}{{ m.content }}|{{ messages[0].content }}{% endfor %}", "more than once"),
        ("{% for m in messages %}{{ messages | length }}{{ m.content }}{% endfor %}", "depends on messages far behind"),
        ("{% for m in messages %}{{ loop.index }}{{ m.content }}{% endfor %}", "too much of the conversation"),
        ("{{ strftime_now('%d') }}{% for m in messages %}{{ m.content }}{% endfor %}", "strftime_now"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
    ],
)
def test_refusals(source, why):
    with pytest.raises(script.Refused, match=why):
        program_of(source)
