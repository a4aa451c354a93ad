import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "libsvm.md"


def test_the_examples_of_the_page_run_in_order():
    examples = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(examples) >= 7
    exec(compile("\n".join(examples), str(PAGE), "exec"), {"__name__": "page"})
