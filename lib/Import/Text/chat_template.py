"""Turns a chat template (Jinja, as transformers keeps it) into a small program of literal texts.

Reads {"template", "tokens": {"bos_token": ...}} as JSON on standard input and writes the program, or {"refused": why}.

The template is rendered on every conversation of up to DEPTH messages, and what stands between the contents is gathered
into a state machine over the roles. A literal text may depend on all messages before it, on the message it stands in
front of and on the one after that. Longer conversations with other contents are then rendered both ways: a template that
the machine does not reproduce is refused. So a program is right for what was tried, and never a guess at the template's
source.

Program: [{"ends": [[kind, text], [kind, text]], "next": {role: {"state": n, "transform": name, "text": {following: text}}}}],
one a state. `ends` is what closes the conversation, without and with a generation prompt: kind "text", or "error" with
the template's message. `following` is a role, or "end" or "generate".
"""

import itertools
import json
import random
import sys

import jinja2
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

ROLES = ("system", "user", "assistant")
DEPTH = 5  # of conversations that are all tried
LOOK = 2  # two states are one when they agree on everything so many messages on
MOST_STATES = 64


class Refused(Exception):
    """Why there is no program."""


class TemplateError(Exception):
    """What the template's raise_exception said."""


class GenerationBlocks(Extension):
    """{% generation %} marks what training learns from; it renders its body (transformers' AssistantTracker)."""

    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(["name:endgeneration"], drop_needle=True)


def compile_template(source):
    """The template in the environment that transformers gives it, but for `strftime_now`: a program has no clock."""

    def raise_exception(message):
        raise TemplateError(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlocks, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    return environment.from_string(source)


def after_thinking(text):
    """What Qwen3-like templates keep of an assistant's answer."""
    return text.split("</think>")[-1].lstrip("\n") if "</think>" in text else text


TRANSFORMS = {
    "none": lambda text: text,
    "trim": str.strip,
    "trim_left": str.lstrip,
    "trim_right": str.rstrip,
    "after_thinking": after_thinking,
    "trim_after_thinking": lambda text: after_thinking(text).strip(),
    "trim_newlines_after_thinking": lambda text: after_thinking(text).strip("\n"),
}


class Renderer:
    def __init__(self, template, tokens):
        self.template, self.tokens = template, tokens

    def render(self, roles, contents, generate):
        messages = [{"role": role, "content": content} for role, content in zip(roles, contents)]
        try:
            return self.template.render(messages=messages, add_generation_prompt=generate, tools=None, documents=None, **self.tokens)
        except TemplateError:
            raise
        except Exception as error:  # whatever a hostile template does
            raise Refused(f"it fails on a conversation of {', '.join(roles)}: {error}") from error

    def literals(self, roles, generate):
        """What stands before, between and after the contents."""
        contents = [f"content<{i}>" for i in range(len(roles))]
        text, parts, end = self.render(roles, contents, generate), [], 0
        for content in contents:
            begin = text.find(content, end)
            if begin < 0 and content in text:
                raise Refused("it moves messages")
            if begin < 0:
                raise TemplateError("the chat template leaves out a message of this conversation")
            parts.append(text[end:begin])
            end = begin + len(content)
        if any(content in part for part in [*parts, text[end:]] for content in contents):
            raise Refused("it writes a message more than once")
        return [*parts, text[end:]]


def conversations(shortest, longest):
    return (roles for length in range(shortest, longest + 1) for roles in itertools.product(ROLES, repeat=length))


def find_transforms(renderer):
    """Which of TRANSFORMS the content of a message goes through: {roles before it: {its role: names}}."""
    probes = ["\t\n probe one \n\t\n", "\t\n<think>\nprobe of thought\n</think>\n\n probe two \n\t\n"]
    found = {}
    for roles in conversations(1, LOOK + 2):
        for at, role in enumerate(roles):
            # Answers since the last question may be shown with their thoughts: the rule for those before it counts.
            if at > LOOK or (role == "assistant" and roles[at + 1 : at + 2] != ("user",)):
                continue
            possible = found.setdefault(roles[:at], {}).setdefault(role, set(TRANSFORMS))
            for probe in probes:
                contents = [f"other {i}" for i in range(len(roles))]
                contents[at] = probe
                try:
                    text = renderer.render(roles, contents, roles[-1] == "user")
                except TemplateError:
                    continue
                fits = {name: len(TRANSFORMS[name](probe)) for name in TRANSFORMS if TRANSFORMS[name](probe) in text}
                # A shorter text is in the text of every longer one.
                if fits:
                    possible &= {name for name, length in fits.items() if length == max(fits.values())}
            if not possible:
                raise Refused(f"it changes the content of messages of role '{role}' in a way that is not supported")
    return {before: {role: frozenset(names) for role, names in of.items()} for before, of in found.items()}


class Behaviour:
    """What the template does on every conversation of up to DEPTH messages."""

    def __init__(self, renderer):
        self.transforms = find_transforms(renderer)
        self.ends = {(): [("error", "a conversation has at least one message")] * 2}
        self.texts = {}  # {roles before: {(role, what follows): text}}
        for roles in conversations(1, DEPTH):
            self.ends[roles] = [self.close(renderer, roles, generate) for generate in (False, True)]

    def close(self, renderer, roles, generate):
        try:
            parts = renderer.literals(roles, generate)
        except TemplateError as error:
            return "error", str(error)
        follow = [*roles[1:], "generate" if generate else "end"]
        for i, part in enumerate(parts[:-1]):
            if self.texts.setdefault(roles[:i], {}).setdefault((roles[i], follow[i]), part) != part:
                raise Refused(f"the text before message {i + 1} depends on messages far behind it")
        return "text", parts[-1]

    def agree(self, a, b, depth):
        """Whether two beginnings of conversations go on alike, for `depth` messages."""
        if a and b and self.ends[a] != self.ends[b]:
            return False
        for known in (self.texts, self.transforms):
            mine, theirs = known.get(a, {}), known.get(b, {})
            if any(mine[key] != theirs[key] for key in mine.keys() & theirs.keys()):
                return False
        return depth == 0 or all(self.agree((*a, role), (*b, role), depth - 1) for role in ROLES)


def learn(behaviour):
    states, number, queue = [()], {(): 0}, [()]
    while queue:
        here = queue.pop(0)
        for role in ROLES:
            there = (*here, role)
            depth = DEPTH - len(there)
            same = next((s for s in states if s and behaviour.agree(s, there, min(depth, DEPTH - len(s)))), None)
            if same is not None:
                number[there] = number[same]
            elif depth < LOOK or len(states) == MOST_STATES:
                raise Refused("what it writes depends on too much of the conversation")
            else:
                number[there] = len(states)
                states.append(there)
                queue.append(there)

    program = [{"ends": behaviour.ends[state], "next": {}} for state in states]
    for state, entry in zip(states, program):
        for role in ROLES:
            names = behaviour.transforms.get(state, {}).get(role, set(TRANSFORMS))
            name = next(name for name in TRANSFORMS if name in names)
            entry["next"][role] = {"state": number[(*state, role)], "transform": name, "text": {}}
    # What a state's own beginning does not show, another beginning that leads to it may.
    for roles, known in behaviour.texts.items():
        state = 0
        for role in roles:
            state = program[state]["next"][role]["state"]
        for (role, follow), text in known.items():
            program[state]["next"][role]["text"].setdefault(follow, text)
    if all(kind == "error" for entry in program for kind, _ in entry["ends"]):
        raise Refused(f"it writes no conversation: {program[-1]['ends'][1][1]}")
    return program


def run(program, roles, contents, generate):
    """What the runtime does with a program (lib/Runtime/Text/chat.c); None: the template refuses."""
    state, text = program[0], ""
    follow = [*roles[1:], "generate" if generate else "end"]
    for i, (role, content) in enumerate(zip(roles, contents)):
        step = state["next"][role]
        if follow[i] not in step["text"]:
            return None
        text += step["text"][follow[i]] + TRANSFORMS[step["transform"]](content)
        state = program[step["state"]]
    kind, end = state["ends"][generate]
    return None if kind == "error" else text + end


def check(program, renderer):
    """Renders longer conversations and other contents both ways."""
    dice = random.Random(1)
    contents = ["Hello!", "  spaces around\n\n", "two\nlines", "<|special|> [INST] {{ x }}", "naïve 日本 🙂", "a" * 300]
    for trial in range(300):
        roles = [dice.choice(ROLES) for _ in range(dice.randrange(1, DEPTH + 6))]
        if trial % 2:  # what chats are
            roles = ["system"] * (trial % 4 == 1) + ["user", "assistant"] * dice.randrange(0, 6) + ["user"]
        texts, generate = [dice.choice(contents) for _ in roles], dice.random() < 0.7
        result = run(program, roles, texts, generate)
        try:
            agrees = renderer.render(roles, texts, generate) == result or result is None
        except TemplateError:
            agrees = result is None
        if not agrees:
            raise Refused(f"it cannot be foretold on a conversation of {', '.join(roles)}")
        if result is None and trial % 4 == 3 and generate:
            raise Refused("it refuses a conversation of user, assistant, ..., user")


def main():
    request = json.load(sys.stdin)
    try:
        try:
            template = compile_template(request["template"])
        except jinja2.TemplateError as error:
            raise Refused(f"it is no Jinja template: {error}") from error
        renderer = Renderer(template, request["tokens"])
        program = learn(Behaviour(renderer))
        check(program, renderer)
        answer = {"states": program}
    except Refused as refused:
        answer = {"refused": " ".join(str(refused).split())}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
