"""Builds the documentation: `./dev docs` generates the reference, runs Sphinx, and checks what was built."""

import shutil
import subprocess
import sys
from pathlib import Path

from docs import links

HERE = Path(__file__).parent
SITE = HERE / "_site"


def main(python: str) -> None:
    """Build the site with Sphinx, which `python` can import; exit with what is wrong."""
    subprocess.run([sys.executable, "-m", "docs.generate"], cwd=HERE.parent, check=True)
    shutil.rmtree(SITE, ignore_errors=True)
    strict = ["--fail-on-warning", "--nitpicky", "--fresh-env", "--quiet"]
    sphinx = [python, "-m", "sphinx", *strict, "-d", str(SITE / ".doctrees"), str(HERE), str(SITE)]
    if (code := subprocess.run(sphinx).returncode) != 0:
        sys.exit(code)
    if problems := [*links.problems_of_site(SITE), *links.problems_of_files(HERE.parent)]:
        sys.exit("\n".join(problems))
    print(f"The documentation is {SITE / 'index.html'}.")


if __name__ == "__main__":
    main(sys.argv[1])
