"""Fenced code blocks are found where they stand, with what is inside."""

from __future__ import annotations

import pytest

from tests.fences import fences_of

TEXT = """# Page

```sql
select 1;
```

1. a list

   ~~~sh
   make run
     --twice
   ~~~

```
plain ``` text
```"""


def test_every_block_is_found_with_its_kind_text_and_first_line() -> None:
    found = [(fence.info, fence.text, fence.line) for fence in fences_of(TEXT)]
    assert found == [
        ("sql", "select 1;\n", 4), ("sh", "make run\n  --twice\n", 10), ("", "plain ``` text\n", 15),
    ]  # fmt: skip


def test_the_place_of_a_block_includes_its_marks() -> None:
    first, *_, last = fences_of(TEXT)
    assert TEXT[first.start : first.end] == "```sql\nselect 1;\n```\n"
    assert TEXT[last.start :] == TEXT[last.start : last.end] == "```\nplain ``` text\n```"


def test_a_text_without_blocks_has_none() -> None:
    assert list(fences_of("no `code` here\n")) == []


def test_a_block_that_is_not_closed_is_an_error() -> None:
    with pytest.raises(ValueError, match="line 3 is not closed"):
        list(fences_of("a\n\n```sh\nmake\n"))
