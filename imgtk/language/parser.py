"""Pipeline text to graph, by recursive descent.

    graph = chain { ";" chain } ;            chain = stage { "|" stage } ;
    stage = ( ref | OP { value } { KEY "=" value } ) [ "as" NAME ] ;
    value = WORD | STRING | ref | "(" chain ")" ;        ref = "@" NAME ;

A chain reads the input image unless it starts with a ref, or with an operator that makes an image; the last chain is
the result. A ref stands only at the start of a chain or as a value, and only for a name given before it, so that there
are no cycles.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, NoReturn

from imgtk.errors import ParameterError, PipelineError, UsageError
from imgtk.language import bind
from imgtk.language.graph import INPUT, Graph, Node
from imgtk.language.tokens import NAME, Kind, Token, tokenize
from imgtk.op import OpSpec
from imgtk.params import Flag, ImageInput
from imgtk.registry import Registry

MAX_DEPTH = 50
"""How deep parentheses may nest."""

_VALUES = (Kind.WORD, Kind.REFERENCE, Kind.OPEN)
_SHOWN = {Kind.END: "the end", Kind.PIPE: "|", Kind.SEMICOLON: ";", Kind.OPEN: "(", Kind.CLOSE: ")"}


def parse(text: str, registry: Registry) -> Graph:
    """Return the graph of a pipeline text, with its stages in canonical order (`Graph.ordered`).

    Raises:
        PipelineError: pointing at what is wrong.
    """
    return _Parser(text, registry).graph()


class _Parser:
    def __init__(self, source: str, registry: Registry) -> None:
        self.source = source
        self.registry = registry
        self.tokens = tokenize(source)
        self.position = 0
        self.depth = 0
        self.nodes = [Node("in")]
        self.names = {"in": INPUT}

    def graph(self) -> Graph:
        if self.next.kind is Kind.END:
            self.fail("the pipeline is empty", self.next, 'Write for example "upscale:bicubic x2".')
        output = self.chain()
        while self.accept(Kind.SEMICOLON):
            output = self.chain()
        if self.next.kind is Kind.CLOSE:
            self.fail("this ) closes nothing", self.next)
        return Graph(tuple(self.nodes), output).ordered()

    def chain(self) -> int:
        """Return the id of the node that the chain ends in."""
        if self.next.kind is Kind.REFERENCE:
            image = self.reference()
            if self.next.is_as():
                self.fail("`as` names the result of an operator", self.next, "A reference has its name already.")
            self.expect_end_of_stage()
        else:
            image = self.stage(None)
        while self.accept(Kind.PIPE):
            image = self.stage(image)
        return image

    def stage(self, piped: int | None) -> int:
        """Return the id of the node of an operator and its arguments, reading `piped`; None at the start of a
        chain, where it reads the input image, unless it makes one."""
        head = self.take()
        spec = self.operator(head)
        params: dict[str, Any] = {}
        images: dict[str, int] = {}
        while self.next.kind in (*_VALUES, Kind.KEY) and not self.next.is_as():
            self.argument(spec, params, images)
        lacking = bind.missing(spec, params.keys() | images.keys())
        if lacking:
            self.fail(f"{spec.name} needs {lacking.name}=", head, f"It takes {lacking.type.describe()}.")
        given = [param.keyword in images for param in spec.image_params]
        if sorted(given, reverse=True) != given:
            self.fail(f"{spec.name}: of its images the first are given first", head)
        if spec.generates and piped is not None:
            self.fail(f"{spec.name} takes no image", head, "It makes one: put it at the start of a chain.")
        inputs = tuple(images[param.keyword] for param in spec.image_params if param.keyword in images)
        if not spec.generates:
            inputs = (INPUT if piped is None else piped, *inputs)
        self.nodes.append(Node(spec.name, inputs, params, self.name()))
        return len(self.nodes) - 1

    def operator(self, head: Token) -> OpSpec:
        if head.is_as():
            self.fail("`as` without a stage before it", head)
        if head.kind is Kind.REFERENCE:
            self.fail(f"@{head.text} can only start a chain, or be a value", head)
        if head.kind is Kind.OPEN:
            self.fail("a chain in parentheses is a value, not a stage", head, "Put an operator before it.")
        if head.kind is not Kind.WORD:
            self.fail(f"expected an operator, got {_shown(head)}", head)
        try:
            return bind.spec_of(head.text, self.registry)
        except UsageError as error:
            self.fail(error.message, head, error.hint)

    def argument(self, spec: OpSpec, params: dict[str, Any], images: dict[str, int]) -> None:
        """Read one value, with its KEY= if it has one, into `params` or `images`."""
        bound = params.keys() | images.keys()
        first = value = self.next
        given: object = value.text
        if first.kind is Kind.KEY:
            self.take()
            value = self.next
            given = value.text
            param = spec.param(first.text) or self.unknown_argument(spec, first)
            if value.kind not in _VALUES or value.start != first.end:
                self.fail(f"{first.text}= has no value", first, f"It takes {param.type.describe()}.")
        elif value.kind is not Kind.WORD:
            param = bind.positional_image(spec, bound) or self.misfit(spec, bound, value)
        elif not value.quoted and (flag := bind.bare_flag(spec, value.text)):
            param, given = flag, True
        else:
            param = bind.positional(spec, bound, value.text) or self.misfit(spec, bound, value)
        if param.keyword in bound:
            self.fail(f"{spec.name}: {param.name} is given twice", first)
        if isinstance(param.type, ImageInput) != (value.kind is not Kind.WORD):
            self.fail(f"{spec.name}: {param.name}: expected {param.type.describe()}, got {_shown(value)}", value)
        if isinstance(param.type, ImageInput):
            images[param.keyword] = self.image()
            return
        self.take()
        try:
            params[param.keyword] = param.convert(given, spec.name)
        except ParameterError as error:
            self.fail(error.message, value, error.hint)

    def image(self) -> int:
        """Return the id of the node that a value for an ImageInput means."""
        if self.next.kind is Kind.REFERENCE:
            return self.reference()
        opening = self.take()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"parentheses nest deeper than {MAX_DEPTH}", opening)
        image = self.chain()
        if self.next.kind is Kind.SEMICOLON:
            self.fail("expected ), got ;", self.next, "Parentheses hold one chain.")
        if not self.accept(Kind.CLOSE):
            self.fail("this ( is never closed", opening)
        self.depth -= 1
        return image

    def reference(self) -> int:
        token = self.take()
        if token.text in self.names:
            return self.names[token.text]
        if not token.text:
            self.fail("expected a name after @", token)
        if any(a.is_as() and b.text == token.text for a, b in zip(self.tokens, self.tokens[1:], strict=False)):
            self.fail(f"@{token.text} is named only later", token, "A reference can only point back.")
        self.fail(f"no stage is named {token.text!r}", token, _nearest(token.text, self.names, "@{}"))

    def name(self) -> str | None:
        """Return what `as` names the stage, if it does."""
        if not self.next.is_as():
            self.expect_end_of_stage()
            return None
        keyword = self.take()
        token = self.next
        if token.kind is not Kind.WORD:
            self.fail("expected a name after `as`", keyword if token.kind is Kind.END else token)
        self.take()
        if not NAME.fullmatch(token.text):
            self.fail(f"{token.text!r} is no name", token, "A name has letters, digits, - and _.")
        if token.text in self.names:
            self.fail(f"the name {token.text!r} is taken", token)
        self.expect_end_of_stage()
        self.names[token.text] = len(self.nodes)
        return token.text

    def expect_end_of_stage(self) -> None:
        if self.next.kind in (*_VALUES, Kind.KEY):
            self.fail(f"expected |, ; or the end, got {_shown(self.next)}", self.next)

    def unknown_argument(self, spec: OpSpec, key: Token) -> NoReturn:
        names = [param.name for param in spec.params]
        hint = _nearest(key.text, names, "{}=") or (
            f"It takes {', '.join(names)}." if names else "It takes no arguments."
        )
        self.fail(f"{spec.name} has no argument {key.text!r}", key, hint)

    def misfit(self, spec: OpSpec, bound: Iterable[str], value: Token) -> NoReturn:
        """Fail for a bare value that no positional parameter takes."""
        unbound = [param for param in spec.params if param.keyword not in bound]
        forms = [param.name if isinstance(param.type, Flag) else f"{param.name}=" for param in unbound]
        near = _nearest(value.text, forms, "{}")
        free = bind.first_free(spec, list(bound))
        if free:
            self.fail(f"{spec.name}: {free.name}: expected {free.type.describe()}, got {_shown(value)}", value, near)
        hint = near or f"See `imgtk help {spec.name}`."
        self.fail(f"{spec.name} does not know what to do with {_shown(value)}", value, hint)

    @property
    def next(self) -> Token:
        return self.tokens[self.position]

    def take(self) -> Token:
        token = self.next
        self.position = min(self.position + 1, len(self.tokens) - 1)
        return token

    def accept(self, kind: Kind) -> bool:
        if self.next.kind is not kind:
            return False
        self.take()
        return True

    def fail(self, message: str, token: Token, hint: str | None = None) -> NoReturn:
        raise PipelineError(message, source=self.source, start=token.start, end=token.end, hint=hint) from None


def _shown(token: Token) -> str:
    if token.kind in (Kind.KEY, Kind.REFERENCE):
        return f"{token.text}=" if token.kind is Kind.KEY else f"@{token.text}"
    return _SHOWN.get(token.kind) or repr(token.text)


def _nearest(word: str, names: Iterable[str], form: str) -> str | None:
    near = get_close_matches(word, list(names), n=1)
    return f"Did you mean {form.format(near[0])}?" if near else None
