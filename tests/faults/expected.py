"""What the list of situations expects of each number, and where a kind gets something else, with the reason.

The numbers: D DICOM, N NIfTI, E EEG, H tables, S studies. A number without an action is one that is simply to work.
"""

from __future__ import annotations

_LIST = """
D01 REJ;  D02 FIX;  D03 FIX REJ;  D04 REJ;  D05 REJ;  D06 REJ;
D07 REJ;  D08 REJ;  D09 FIX REJ;  D10 REJ;  D11 REJ;  D12 REJ;
D13 REJ;  D14 ASK;  D15 REJ;  D16 REJ;  D17 REJ;  D18 REJ;
D19 FIX FLAG;  D20 FIX;  D21 FIX FLAG;  D22 ASK REJ;  D23 FIX REJ;  D24 FIX ASK;
D25 FAIL;  D26 REJ;  D27 FIX REJ;  D28 ASK REJ;  D29 ASK;  D30 FIX;
D31 FIX FLAG;  D32 ASK REJ;  D33 REJ FIX;  D34 FLAG;  D35 REJ FLAG;  D36 FIX FLAG;
D37 REJ;  D38 FLAG;  D39;  D40 REJ;  D41 REJ;  D42;
D43 REJ;  D44 REJ;  D45 REJ;  D46 REJ;  D47 FIX FLAG;  D48 FIX;
D49;  D50 FLAG REJ;  D51 FLAG;  D52 ASK;  D53 REJ;  D54 REJ;
D55;  N01 REJ;  N02 REJ;  N03 REJ;  N04 REJ;  N05 REJ;
N06 REJ FLAG;  N07 ASK;  N08 REJ ASK;  N09 FLAG REJ;  N10 ASK REJ;  E01 REJ;
E02 REJ;  E03 FIX FLAG;  E04 REJ FLAG;  E05 REJ;  E06 FIX FLAG;  E07 REJ;
E08 REJ;  E09 REJ;  E10 REJ;  E11 FLAG;  E12 FIX FLAG;  E13;
E14 ASK;  E15 REJ;  E16 FIX FLAG;  E17 FIX ASK;  E18 ASK;  E19 REJ;
E20 FLAG REJ;  E21 FIX REJ;  E22 FIX;  E23 REJ;  E24 REJ;  E25;
E26 FLAG;  E27;  E28 REJ;  E29 ASK;  E30 REJ;  H01;
H02;  H03;  H04 FIX FAIL;  H05 FIX FAIL;  H06 FAIL;  H07;
H08 FAIL;  H09 FAIL;  H10 FAIL;  H11 FIX;  H12 FIX FAIL;  H13 FAIL ASK;
H14 ASK;  H15 FLAG FIX;  H16 FLAG FAIL;  H17 FLAG FIX;  H18 FAIL;  H19 FLAG FIX;
H20;  H21 FIX FLAG;  H22 FAIL FIX;  H23 FIX FLAG;  H24 FAIL;  H25 FAIL;
H26 FAIL;  H27 FAIL;  H28 FAIL;  H29 FAIL FLAG;  H30;  H31;
H32 FAIL;  H33 FAIL;  H34 FAIL;  H35 FAIL;  S01 FAIL;  S02 FAIL;
S03 FAIL;  S04;  S05 FAIL FLAG FIX;  S06;  S07 FAIL;  S08;
S09;  S10;  S11;  S12 FAIL;  S13;  S14 REJ;
S15;  S16;  S17;  S18;  S19;  S20 FAIL;
S21;  S22;
"""
EXPECTED: dict[str, tuple[str, ...]] = {
    words[0]: tuple(words[1:]) for words in (part.split() for part in _LIST.replace("\n", " ").split(";")) if words
}

_NO_GUESS = "the user decides, and the printed line accepts it: better than an end without a way on"
_ONLY_THAT = "only what is wrong is lost, noted and counted; the rest of the study goes on"
_READ = "the reader reads it rightly, so there is nothing to refuse or to note"
DEVIATIONS: dict[tuple[str, str], str] = {
    ("D01", "an empty file beside a series"): "read as a folder, it is skipped and noted; a cohort refuses the series",
    ("D02", "a folder without DICOM"): "nothing is left after skipping",
    ("D02", "picture that is another format"): "its format is declared, so it is no stray file",
    ("D05", "a cut slice that may be one of two patients"): _ONLY_THAT,
    ("D05", "cut files in an export"): "counted with their code; a series beside them is refused",
    ("D14", "film whose pixels deny the sign of its header"): "no number says which is right, as air does in a CT",
    ("D16", "film without rescaling"): _READ,
    ("D24", "two series of one length"): "the reader is handed files of two series and none is longer",
    ("D25", "two patients in one series"): "one series is one record's; a cohort stops with PATIENT_MIX",
    ("D34", "picture with a note that turns it"): _NO_GUESS,
    ("D37", "many slices in one file, in any order"): _READ,
    ("D37", "all groups for each frame"): _READ,
    ("D37", "two stacks in one file"): _NO_GUESS,
    ("D38", "without VR, as declared"): _READ,
    ("D43", "run lengths and JPEG-LS"): _READ,
    ("D53", "screenshots in a series"): "the images beside them are sound; the screenshots are dropped and noted",
    ("D53", "computed images in a series"): "the images beside them are sound; the computed ones are dropped and noted",
    ("D53", "nothing but computed images"): _NO_GUESS,
    ("D53", "secondary capture"): _NO_GUESS,
    ("D53", "raw film"): "unprocessed, and still the film; noted",
    ("D54", "a file that changed a moment ago"): "it holds still at the second look",
    ("N08", "nifti whose affine leans"): "a leaning grid is sound and is resampled; noted",
    ("N08", "nifti with two voxel sizes"): "the affine decides, as the standard says; noted",
    ("E04", "fewer data records than declared"): "the refusal prints the policy's line",
    ("E19", "an electrode that was not recorded"): "masked, and said of the record",
    ("E19", "most electrodes under names of their own"): _NO_GUESS,
    ("E26", "a day that a window in hours cuts"): _NO_GUESS,
    ("E28", "BDF under the name of EDF"): "its first bytes are those of a sound BDF; noted",
    ("H05", "two heights of one person"): _ONLY_THAT,
    ("H05", "two values of one measurement"): _NO_GUESS,
    ("H06", "a visit without a patient id"): _ONLY_THAT,
    ("H06", "measurements without a patient id"): _ONLY_THAT,
    ("H11", "ids that lost a letter"): "two people could share what is left",
    ("H11", "UTF-16 without a byte-order mark"): _NO_GUESS,
    ("H11", "Windows text read as UTF-8"): _NO_GUESS,
    ("H11", "UTF-8 read as Windows text"): _NO_GUESS,
    ("H12", "decimal commas in one table"): _NO_GUESS,
    ("H12", "semicolons where commas are declared"): _NO_GUESS,
    ("H12", "semicolons and decimal commas"): _NO_GUESS,
    ("H16", "a table in another metric unit"): _NO_GUESS,
    ("H16", "a table in a unit that cannot be converted"): _NO_GUESS,
    ("H18", "dates in which the day may be the month"): _NO_GUESS,
    ("H18", "German dates"): _NO_GUESS,
    ("H18", "American dates"): _NO_GUESS,
    ("H18", "days and months exchanged against the declaration"): _NO_GUESS,
    ("H19", "a time of day where Excel had day 0"): "the cell holds no date at all, and nothing says which was meant",
    ("H23", "a level that nobody declared"): _NO_GUESS,
    ("H26", "no header at all"): _NO_GUESS,
    ("H26", "a workbook of several sheets"): _NO_GUESS,
    ("H27", "a workbook with a row far below the others"): "empty rows cost nothing when they are not made",
    ("H28", "two classes and no word on which is the finding"): _NO_GUESS,
    ("H28", "records without a label"): _ONLY_THAT,
    ("H28", "a third answer"): _ONLY_THAT,
    ("S03", "a recording cut in two"): "two recordings may meet by chance; the audit names them",
    ("S07", "one file cut short"): _ONLY_THAT,
    ("S07", "many files cut short"): _NO_GUESS,
    ("S14", "a recording without any signal"): "every channel is masked and said to be bad",
}
