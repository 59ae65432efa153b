"""A synthetic folder of each family becomes a program that chats: the answer that transformers' prompt leads to."""

import subprocess

import pytest
from setun import synth
from transformers import AutoTokenizer

TURN = "Hello there, who are you?"


@pytest.mark.parametrize("shape", sorted(name for name in synth.SHAPES if name.startswith("tiny-")))
def test_a_folder_chats(shape, compiled, tmp_path):
    synth.write(tmp_path / shape, shape, tokenizer=True)
    program = compiled(shape, "--target", "x86-64:avx2,baseline", source=tmp_path / shape)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / shape)
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": TURN}], add_generation_prompt=True, tokenize=False)
    ids = tokenizer.encode(prompt, add_special_tokens=False)
    command = [program, "--tokens", ",".join(map(str, ids)), "-n", "16", "--stop-tokens", str(tokenizer.eos_token_id)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    expected = tokenizer.decode([int(token) for token in printed.split(",")], skip_special_tokens=True)
    spoken = subprocess.run([program, "--chat", "-n", "16"], check=True, capture_output=True, input=TURN.encode() + b"\n").stdout
    assert spoken.decode() == expected + "\n"
