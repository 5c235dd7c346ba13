"""Runs the checks of a folder, by default those beside it, and ends with one line that scripts/test counts.

run.py [NAME [FOLDER]]: only test_NAME*.py where NAME is not empty.
"""

import pathlib
import sys
import unittest

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here))
pattern = f"test_{sys.argv[1]}*.py" if len(sys.argv) > 1 and sys.argv[1] else "test_*.py"
folder = str(pathlib.Path(sys.argv[2]).resolve()) if len(sys.argv) > 2 else str(here)
suite = unittest.defaultTestLoader.discover(folder, pattern=pattern, top_level_dir=folder)
result = unittest.TextTestRunner(verbosity=2).run(suite)
for test, reason in result.skipped:
    print(f"left out: {test}: {reason}", file=sys.stderr)
# Parts of one check that fail are one check that failed.
broken = [getattr(test, "test_case", test) for test, _ in result.failures + result.errors]
bad = len({test.id() for test in broken + result.unexpectedSuccesses})
good = result.testsRun - bad - len(result.skipped)
if result.testsRun == 0:
    sys.exit(f"no check is called {pattern}")
print(f"{max(good, 0)} passed, {bad} failed, {len(result.skipped)} skipped")
sys.exit(0 if bad == 0 else 1)
