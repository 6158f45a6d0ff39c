# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks, and functions test_* as a TAP stream."""
import shutil
import sys
import time
import traceback


def same(got, want, what=""):
    assert got == want, f"{what}: got {got!r}, want {want!r}"


def has(text, part):
    assert part in text, f"{part!r} is not in {text!r}"


def done(result, status=0, err=None):
    assert result.returncode == status, f"status {result.returncode}, want {status}: {result.stdout}{result.stderr}"
    if err:
        has(result.stderr, err)
    return result


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.05)


def tap(functions, world, work):
    """Runs all of them, or those whose name has a word of the command line in it, each in a world of its own. Ends the program."""
    words = sys.argv[1:]
    tests = [(n, f) for n, f in functions.items() if n.startswith("test_") and (not words or any(x in n for x in words))]
    failed = 0
    print(f"1..{len(tests)}")
    for i, (name, test) in enumerate(tests, 1):
        begin, w = time.monotonic(), None
        try:
            w = world(test)
            test(w)
            print(f"ok {i} - {name[5:]} # {time.monotonic() - begin:.1f} s", flush=True)
        except Exception:  # a test that breaks is one that fails
            failed += 1
            print(f"not ok {i} - {name[5:]}")
            print("".join(f"# {line}\n" for line in traceback.format_exc().splitlines()), end="", flush=True)
        finally:
            if w:
                w.end()
    shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if failed else 0)
