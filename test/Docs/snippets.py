"""`snippets.py PAGE.md SOURCE...`: fails on a C++ snippet of the page that stands in none of the sources."""

import pathlib
import re
import sys


def squeeze(text):
    """White space as one blank: a formatter may break lines elsewhere."""
    return " ".join(text.split())


def main(page, sources):
    sources = [squeeze(pathlib.Path(source).read_text()) for source in sources]
    snippets = re.findall(r"^```cpp\n(.*?)^```$", pathlib.Path(page).read_text(), re.M | re.S)
    stale = [s for s in snippets if not any(squeeze(s) in source for source in sources)]
    for snippet in stale:
        print(f"{page}: stands in no source:\n{snippet}")
    print(f"{len(snippets)} snippets, {len(stale)} stale")
    return bool(stale or not snippets)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
