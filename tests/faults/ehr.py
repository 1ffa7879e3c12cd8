"""Exports with bad tables: ids, numbers, units, dates, levels, labels. The text of the files is in `ehr_files`."""

from __future__ import annotations

import pyarrow as pa

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.audit.checks import audit
from tests.faults.fault import NAME
from tests.faults.hospital import Hospital, fault, hospital

WEIRD = ("\u00a0", " ", "\u3000", "\t")
LIMITS = ("<5", ">= 90", "≤0.5", "<3")
GRADES = ("1+", "++", "(+)", "3+")
FLAGGED = ("12 (H)", "9 mg", "7*", f"5 {NAME}")
WORDS = ("neg", NAME, "see remark", "haemolytic")
NOTHING = ("NA", "n/a", "?", "NULL")
INFINITE = ("inf", "-Infinity", "1e400", "∞")
GROUPED = ("1.234,5", "1'234.5", "12 345", "1.234.567")
NEVER = ("2020-02-30", "0001-01-01 08:00", "9999-12-31", "2099-02-02 10:00")
OFFSETS = ("+02:00", "Z", "+00:00", "-0500")
ANSWERS = ("Ja", "1.0", NAME, "maybe")


def cells(table: str, column: str, written: tuple[str, ...], rows: int = 3):
    """Put one thing into the first cells of a column."""

    def change(made: Hospital, variant: int) -> None:
        for row in range(rows):
            made.put(table, row, column, written[variant % len(written)])

    return change


def odd_ids(made: Hospital, variant: int) -> None:
    wide = str.maketrans("0123456789", "０１２３４５６７８９")
    made.each("labs", "PID", lambda k, cell: cell.translate(wide) + WEIRD[variant] if k // 2 % 3 else cell)


def two_people_by_blanks(made: Hospital, variant: int) -> None:
    first = made.tables["visits"][1][0]
    made.put("visits", 0, "PID", f"{first}\u3000a")
    made.put("visits", variant + 1, "PID", f"{first} a")


def repeated(table: str, *, other: str = ""):
    """A row comes twice, the second time with another cell in one column if named."""

    def change(made: Hospital, variant: int) -> None:
        row = list(made.tables[table][variant + 2])
        if other:
            at = made.column(table, other)
            row[at] = NAME if other == "NAME" else "199.5"
        made.tables[table].append(row)

    return change


def undated_repeats(made: Hospital, variant: int) -> None:
    made.contract = made.contract.replace('time = "T"\n', "").replace(
        'take = ["last", "mean"]', 'take = ["mean", "count"]'
    )
    repeated("labs")(made, variant)


def day_among_times(made: Hospital, variant: int) -> None:
    """The first value of a patient loses its time of day; it differs from the second."""
    row = 2 * variant
    made.put("labs", row, "T", made.tables["labs"][row + 1][made.column("labs", "T")][:10])
    made.put("visits", variant, "AT", "2020-06-30 12:00")
    made.put("visits", variant, "Y_AT", "2020-06-30 13:00")


def cut_days(made: Hospital, variant: int) -> None:
    """Days of which the window leaves out the morning."""
    made.contract = made.contract.replace('time = "T"\n', 'time = "T"\nwindow = ["-24 h", "0 h"]\n')
    for row in range(2 * variant + 2):
        made.put("labs", row, "T", f"2020-05-{row // 2 % 14 + 9:02d}")


def typed_ids(made: Hospital, variant: int) -> None:
    made.contract = made.contract.replace("labs.csv", "labs.parquet")
    made.ids = (pa.int64(), pa.float64(), pa.uint64(), pa.decimal128(38, 0))[variant]


def short_ids(made: Hospital, variant: int) -> None:
    zeros = "0" * (variant + 1)
    for table in ("visits", "history"):
        made.each(table, "PID", lambda _, cell: zeros + cell)


def commas(made: Hospital, variant: int) -> None:
    made.each("labs", "RESULT", lambda k, cell: cell.replace(".", ","))


def other_unit(unit: str, *, some: bool):
    def change(made: Hospital, variant: int) -> None:
        made.each("labs", "UNIT", lambda k, cell: unit if not some or k <= variant else cell)

    return change


def two_scales(made: Hospital, variant: int) -> None:
    made.contract = made.contract.replace(", range = [20, 250]", "")
    made.tables = hospital(42).tables
    factor = (100.0, 2.54, 10.0, 1000.0)[variant]
    made.each("history", "HEIGHT", lambda k, cell: f"{(150 + k / 2) / (factor if k % 2 else 1):.3f}")


def dates(style: str, *, column: str = "T", declared: str = ""):
    """Write the dates of the laboratory in another way."""

    def change(made: Hospital, variant: int) -> None:
        def rewritten(k: int, cell: str) -> str:
            year, month, day = cell[:10].split("-")
            day = f"{k % 12 + 1:02d}" if "AMBIGUOUS" in style else day
            hour = f" {(variant + 7) % 12:02d}:00" if variant % 2 else ""
            return style.removesuffix("AMBIGUOUS").format(y=year, m=month, d=day) + hour

        made.each("labs", column, rewritten)
        if declared:
            made.contract = made.contract.replace('time = "T"', f'time = "T"\ndates = "{declared}"')
        if "AMBIGUOUS" in style:
            made.each("visits", "AT", lambda k, cell: "2020-12-31 12:00")
            made.each("visits", "Y_AT", lambda k, cell: "2020-12-31 12:00")

    return change


def exchanged(made: Hospital, variant: int) -> None:
    dates("{m}/{d}/{y}", declared="%d/%m/%Y" + (" %H:%M" if variant % 2 else ""))(made, variant)


def seen_before(made: Hospital, variant: int) -> None:
    for row in range(variant + 1):
        made.put("visits", row, "SEEN", "2019-01-01 08:00")
        made.put("visits", row, "Y", "no")


def with_offset(made: Hospital, variant: int) -> None:
    made.each("labs", "T", lambda k, cell: cell + OFFSETS[variant])


def some_short_ids(made: Hospital, variant: int) -> None:
    for table in ("visits", "history", "labs"):
        made.each(table, "PID", lambda _, cell: f"00{cell}")
    made.each("labs", "PID", lambda k, cell: cell.lstrip("0") if k <= variant else cell)


def renamed(made: Hospital, variant: int) -> None:
    table, column, other = (
        ("history", "HEIGHT", "Height"),
        ("labs", "RESULT", "result"),
        ("visits", "AT", "Index date"),
        ("visits", "Y", NAME),
    )[variant]
    header = made.tables[table][0]
    header[header.index(column)] = other


def more_columns(made: Hospital, variant: int) -> None:
    for k in range(variant + 1):
        for row in made.tables["history"]:
            row.insert(k, f"{NAME} {k}" if row is made.tables["history"][0] else NAME)


def no_finding(made: Hospital, variant: int) -> None:
    made.contract = made.contract.replace('positive = ["yes"]\n', "").replace(
        'time = "Y_AT"\nwindow = ["0 d", "30 d"]\nfollow_up = "SEEN"\n', ""
    )
    words = (("yes", "no"), ("1", "0"), ("case", "control"), ("Ja", "Nein"))[variant]
    made.each("visits", "Y", lambda k, cell: words[k % 2])


def three_answers(made: Hospital, variant: int) -> None:
    made.contract = made.contract.replace('["yes"]', '["1"]')
    made.each("visits", "Y", lambda k, cell: "019"[k % (3 if k < variant + 4 else 2)])


def remarks(made: Hospital, variant: int) -> None:
    made.each("history", "REMARK", lambda k, cell: f"{cell} {k} {variant}")
    made.contract += 'columns.REMARK = "category"\n'


def unused_remarks(made: Hospital, variant: int) -> None:
    made.each("history", "REMARK", lambda k, cell: ("=cmd|' /C calc'!A0", "@SUM(1)", "+1", "-1")[variant] + cell)


def address(made: Hospital, variant: int) -> None:
    where = ("file:///etc/passwd", "https://example.org/labs.csv", "s3://bucket/labs.csv", "FILE:labs.csv")[variant]
    made.contract = made.contract.replace("labs.csv", where)


def outside(made: Hospital, variant: int) -> None:
    made.contract = made.contract.replace("labs.csv", ("../labs.csv", "/etc/passwd", "a/../../b.csv", "..")[variant])


def strangers(made: Hospital, variant: int) -> None:
    made.each("labs", "PID", lambda k, cell: f"{NAME[: variant + 4]}{k}")


def the_label(made: Hospital, variant: int) -> None:
    made.tables = hospital(28).tables
    made.each("history", "HEIGHT", lambda k, cell: str(170 + (k % 2) * (variant + 1)))


def findings(cohort: Cohort) -> tuple[str, ...]:
    return tuple(text for one in audit(cohort).findings for text in (one.code, one.text))


LABS, HISTORY = "modalities.labs", "modalities.history"
FAULTS = (
    fault("H04", "ids in other digits and with other blanks", "FIX", "", odd_ids, matched=True),
    fault("H04", "two ids that differ in their blanks only", "FAIL", "ID_COLLISION", two_people_by_blanks),
    fault("H11", "ids that lost a letter", "FAIL", "ID_DAMAGED", cells("visits", "PID", ("M\ufffdller", "\ufffd1"), 1)),
    fault("H05", "a visit that comes twice", "FIX", "RECORD_REPEATED", repeated("visits")),
    fault(
        "H05",
        "a visit that comes twice with other contents",
        "FAIL",
        "RECORD_CONFLICT",
        repeated("visits", other="NAME"),
    ),
    # The list says FAIL; only this patient's table is in doubt, so it alone is refused and counted.
    fault("H05", "two heights of one person", "REJ", "ROWS_CONFLICT", repeated("history", other="HEIGHT"), strict=True),
    fault("H05", "a measurement that comes twice", "FIX", "ROWS_REPEATED", repeated("labs")),
    fault(
        "H05",
        "two values of one measurement",
        "ASK",
        "SAME_TIME",
        repeated("labs", other="RESULT"),
        section=LABS,
        strict=True,
    ),
    fault("H05", "a measurement without a time that comes twice", "FIX", "ROWS_REPEATED", undated_repeats),
    # The list says FAIL; a row without an id is left out, listed with its line and counted, and stops if strict.
    fault("H06", "a visit without a patient id", "FLAG", "ID_MISSING", cells("visits", "PID", ("", "-", " ", "-"), 1)),
    fault(
        "H06",
        "a visit without a patient id, read strictly",
        "FAIL",
        "ID_MISSING",
        cells("visits", "PID", ("", "-"), 2),
        strict=True,
    ),
    fault("H06", "measurements without a patient id", "FLAG", "ID_MISSING", cells("labs", "PID", ("", "-"), 4)),
    fault("H07", "ids that are numbers in one table and text in another", "FIX", "", typed_ids, matched=True),
    fault("H07", "ids whose zeros were lost in one table", "FLAG", "IDS_NONE_MEET", short_ids),
    fault("H07", "ids whose zeros were lost in some rows", "FLAG", "IDS_SHORT", some_short_ids),
    fault("H07", "a table about other people", "FLAG", "IDS_NONE_MEET", strangers),
    fault("H12", "decimal commas in one table", "ASK", "EHR_NUMBER", commas, section=LABS),
    fault(
        "H13",
        "points and commas in one column",
        "FAIL",
        "EHR_NUMBER",
        cells("labs", "RESULT", ("1,5", "0,25", "3,0", "9,5")),
    ),
    fault("H13", "separators of thousands", "ASK", "EHR_NUMBER", cells("labs", "RESULT", GROUPED)),
    fault("H14", "limits of measurement", "ASK", "EHR_NUMBER", cells("labs", "RESULT", LIMITS)),
    fault("H14", "grades", "ASK", "EHR_NUMBER", cells("labs", "RESULT", GRADES)),
    fault("H14", "numbers with a flag behind them", "ASK", "EHR_NUMBER", cells("labs", "RESULT", FLAGGED)),
    fault("H14", "words among numbers", "ASK", "EHR_NUMBER", cells("history", "HEIGHT", WORDS)),
    fault("H14", "words for a missing value", "ASK", "EHR_NUMBER", cells("history", "HEIGHT", NOTHING)),
    fault("H15", "infinite numbers", "FLAG", "EHR_INFINITE", cells("labs", "RESULT", INFINITE)),
    fault("H16", "a table in another metric unit", "ASK", "EHR_UNIT", other_unit("mg/dL", some=False)),
    fault("H16", "a table in a unit that cannot be converted", "ASK", "EHR_UNIT", other_unit("nmol/L", some=False)),
    fault("H16", "some values in another unit", "FLAG", "EHR_UNIT", other_unit("mg/dL", some=True)),
    fault("H16", "heights in metres and centimetres", "FLAG", "EHR_TWO_SCALES", two_scales, variants=4),
    fault("H17", "heights that cannot be", "FLAG", "EHR_RANGE", cells("history", "HEIGHT", ("-1", "999", "1.75", "0"))),
    fault(
        "H18", "dates in which the day may be the month", "ASK", "EHR_TIME", dates("{d}/{m}/{y}AMBIGUOUS"), section=LABS
    ),
    fault("H18", "German dates", "ASK", "EHR_TIME", dates("{d}.{m}.{y}"), section=LABS),
    fault("H18", "American dates", "ASK", "EHR_TIME", dates("{m}/{d}/{y}"), section=LABS),
    fault("H18", "days and months exchanged against the declaration", "ASK", "EHR_TIME", exchanged, section=LABS),
    fault("H19", "dates that cannot be", "FLAG", "EHR_DATE", cells("labs", "T", NEVER)),
    fault("H19", "last seen before the visit", "FLAG", "FOLLOW_UP_BEFORE", seen_before),
    fault("H20", "times with an offset", "ASK", "EHR_ZONE", with_offset, section=LABS),
    fault("H20", "a day among times of the same day", "ASK", "SAME_TIME", day_among_times, section=LABS, strict=True),
    fault("H20", "days that a window in hours cuts", "FLAG", "TIME_UNKNOWN", cut_days),
    fault("H21", "a column without a value", "FLAG", "EHR_EMPTY", cells("history", "HEIGHT", ("",), 14), variants=1),
    fault(
        "H21",
        "a column that never varies",
        "FLAG",
        "EHR_CONSTANT",
        cells("history", "HEIGHT", ("170", "1e2", "180", "90.5"), 14),
    ),
    fault("H22", "a column under another name", "FAIL", "COLUMN_ABSENT", renamed),
    fault("H22", "columns that nobody declared, in another order", "FIX", "", more_columns),
    fault("H23", "a level that nobody declared", "ASK", "EHR_LEVEL", cells("history", "SEX", ("d", "w", NAME, "F"), 1)),
    fault("H24", "answers in other words", "FAIL", "EHR_ANSWER", cells("history", "SMOKES", ANSWERS)),
    fault(
        "H28", "two classes and no word on which is the finding", "ASK", "LABEL_POSITIVE", no_finding, section="label"
    ),
    fault("H28", "one class only", "FAIL", "LABEL_CONSTANT", cells("visits", "Y", ("no", "yes"), 14), variants=2),
    fault("H28", "records without a label", "FLAG", "LABEL_MISSING", cells("visits", "Y", ("", "-"), 3)),
    fault("H28", "a third answer", "FLAG", "LABEL_OTHER", three_answers),
    fault("H29", "an input that is the label", "FLAG", "COLUMN_IS_LABEL", the_label, look=findings),
    fault("H30", "remarks declared as a category", "FAIL", "EHR_FREE_TEXT", remarks),
    fault("H31", "remarks that are formulas", "FIX", "", unused_remarks),
    fault("H34", "a table at an address", "FAIL", "FILE_URL", address),
    fault("H34", "a table outside the folder", "FAIL", "FILE_OUTSIDE", outside),
)
