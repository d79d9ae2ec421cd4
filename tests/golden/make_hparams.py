"""Writes hparams.txt: what yaml.dump writes for one hyperparameter, a case a line: a list in JSON of name, value, YAML.

A value that JSON does not have is {"real": "inf"}. The last line, whose name is null, is a dict of many names, numbered.
"""
import json
import math
import yaml

TEXTS = [
    "adam", "", " ", "a b", " a", "a ", "it's", "'", "''", "don't: do", "a: b", "a:b", "a:", ":", ":a", "a #b", "a#b", "#a",
    "-", "- a", "-a", "--a", "---", "---a", "...", "?", "? a", "?a", "yes", "Yes", "yES", "on", "off", "No", "true", "FALSE",
    "null", "Null", "~", "~a", "<<", "=", "==", "!a", "&a", "*a", "|", ">", "%a", "@a", "`a`", "\"a\"", "a\"b", "a,b", ",a",
    "[a]", "{a}", "a]", "a}b", "1", "-1", "+1", "01", "08", "0x1f", "0b11", "1_000", "1.5", ".5", "1.", "1e5", "1.0e5", "1.0e+5",
    "-.inf", ".inf", ".nan", "inf", "nan", "12:30", "12:30:45.6", "1:99", "2024-01-31", "2024-1-3", "2024-01-31 12:00:00",
    "2024-01-31T12:00:00Z", "1.2.3", "v1", "1a", "\t", "a\tb", "\r", "\x07\x08\x1b\\", "\x01\x7f", "größe",
    "\xa0\x85\u2028\u2029", "\u20ac", "\U0001f600 smile", "x" * 200, "path/to/some file.csv", "a=b", "(1, 2)", "*", "100%", "a  b",
    "word " * 40 + "end", "it's " * 40 + "end", "a" * 85 + " b " + "c" * 30 + "  d e", "- " + "long text " * 20 + "x",
    "# " + "it's " * 16 + "aaaaa" + "'" + " b c d", "x " * 41, "a" * 79 + " b", "a" * 80 + " b", "a" * 78 + " b c",
]
NUMBERS = [0.0, -0.0, 1.0, 0.1, 1e-05, 1.5e-07, 1e16, 1e+300, 123456789.125, 2.5e-310, float("inf"), -float("inf"), float("nan"),
           0, 1, -7, 2**63 - 1, -(2**63), True, False]
NAMES = ["lr", "batch size", "a.b", "a: b", "it's", "yes", "1", "größe", "-", "x" * 100, " a", "word " * 15 + "a b c d e f"]

with open("hparams.txt", "w", encoding="ascii") as out:
    for value in TEXTS + NUMBERS:
        finite = isinstance(value, str) or math.isfinite(value)
        out.write(json.dumps(["n", value if finite else {"real": str(value)}, yaml.dump({"n": value})]) + "\n")
    for name in NAMES:
        out.write(json.dumps([name, 1, yaml.dump({name: 1})]) + "\n")
    all_of_them = {name: i for i, name in enumerate(NAMES)}
    out.write(json.dumps([None, NAMES, yaml.dump(all_of_them)]) + "\n")
