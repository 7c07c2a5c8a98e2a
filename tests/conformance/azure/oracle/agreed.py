"""The differences from the vendor's runtime that are meant: the table of that name in the documentation."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from compare import Difference

TABLE = Path(__file__).parents[4] / "docs/azure.md"
HEADING = "## Differences from the vendor's runtime"


@dataclass
class Row:
    """Fields that may differ in some cases. Both are patterns in which `*` stands for anything."""

    cases: list[str]
    fields: list[str]
    there: str
    here: str
    used: set[str] = field(default_factory=set)

    def allows(self, case: str, difference: Difference) -> bool:
        """Whether the difference is this one; if so, the row's field counts as seen."""
        if not any(fnmatchcase(case, pattern) for pattern in self.cases):
            return False
        fitting = [pattern for pattern in self.fields if fnmatchcase(difference.field, pattern)]
        there, here = self.there in ("…", difference.there), self.here in ("…", difference.here)
        if fitting and there and here:
            self.used.update(fitting)
            return True
        return False


class Agreed:
    """All rows of the table."""

    def __init__(self, rows: list[Row]):
        self.rows = rows

    @classmethod
    def read(cls) -> "Agreed":
        """The table whose columns are: case, field, the runtime's, Sederunt's, reason."""
        text = TABLE.read_text(encoding="utf-8")
        lines = text[text.index(HEADING) :].splitlines()
        first = next(at for at, line in enumerate(lines) if line.startswith("|"))
        rows = []
        for line in lines[first + 2 :]:
            if not line.startswith("|"):
                break
            cases, fields, there, here, reason = (cell.strip() for cell in line.strip("|").split("|"))
            assert reason, f"a difference without a reason: {line}"
            rows.append(Row(words(cases), words(fields), there.strip("`"), here.strip("`")))
        return cls(rows)

    def allows(self, case: str, difference: Difference) -> bool:
        return any([row.allows(case, difference) for row in self.rows])

    def unused(self) -> list[str]:
        """Rows, or fields of rows, that no case has shown."""
        return [f"{row.cases} {name}" for row in self.rows for name in row.fields if name not in row.used]


def words(cell: str) -> list[str]:
    """The patterns in a cell: each between backticks, parted by commas."""
    return [word.strip().strip("`") for word in cell.split(",")]
