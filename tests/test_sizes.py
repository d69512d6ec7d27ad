"""Files and functions stay short."""

import ast
import io
import tokenize
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("skvae", "tests", "examples", "benchmarks")
MOST_LINES = 350  # of a file
MOST_CODE = 40  # lines of a function's body, without docstring, comments and blanks

NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE),
    *(tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER),
}


def lines_of_code(source):
    """Return the numbers of the lines that have more than a comment."""
    return {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in NO_CODE
        for line in range(token.start[0], token.end[0] + 1)
    }


def docstring_lines(node):
    """Return the numbers of the lines of the docstring of a function, or none."""
    if ast.get_docstring(node) is None:
        return set()
    return set(range(node.body[0].lineno, node.body[0].end_lineno + 1))


def functions_of(source):
    """Yield the name of every function and how many lines of code its body has."""
    nodes = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    code = lines_of_code(source).difference(*map(docstring_lines, nodes))
    for node in nodes:
        body = range(node.body[0].lineno, node.end_lineno + 1)
        yield node.name, len(code.intersection(body))


def too_long():
    """Return {file or file::function: its number of lines} of all that are too long."""
    found = {}
    for path in sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py")):
        name, source = path.relative_to(ROOT).as_posix(), path.read_text()
        n_lines = len(source.splitlines())
        found |= {name: n_lines} if n_lines > MOST_LINES else {}
        functions = functions_of(source)
        found |= {f"{name}::{f}": n for f, n in functions if n > MOST_CODE}
    return found


def test_no_file_and_no_function_is_too_long():
    long = [f"{name} ({n} lines)" for name, n in too_long().items()]
    rule = f"At most {MOST_LINES} lines for a file and {MOST_CODE} for a function"
    assert not long, f"{rule}: {', '.join(long)}"


def test_lines_of_a_function_are_those_of_its_body():
    source = '''
def f(
    a,
    b,
):
    """Docstring

    of three lines.
    """
    # a comment
    x = [
        a,
    ]

    def g():
        "Only a docstring."

    return """text

    of three lines""", x
'''
    assert dict(functions_of(source)) == {"f": 7, "g": 0}
