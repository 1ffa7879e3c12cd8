"""What the header of a film says of it, held against what was declared: projection, origin, size, burned-in text."""

from __future__ import annotations

from typing import Literal

from pydicom.dataset import Dataset

from clinfuse.io.dicom_file import numbers, text
from clinfuse.io.film_display import refuse
from clinfuse.io.policies import BODY_PARTS, VIEWS, XrayPolicy
from clinfuse.io.values import Remark

MODALITIES = ("CR", "DX", "MG")
_LATERAL = ("LL", "RL", "LAT", "LATERAL")
_SCREENSHOT = "1.2.840.10008.5.1.4.1.1.7"
_LOSSY_SYNTAXES = (
    *("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81"),
    *("1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.203"),
)
_SMALLEST_MM, _LARGEST_MM = 0.01, 10.0


def check_film(dataset: Dataset, policy: XrayPolicy) -> list[Remark]:
    """Refuse a file that is no film of the declared sort; say what else its header tells.

    Raises
    ------
    DataError
        ``XRAY_KIND``, ``XRAY_DERIVED``, ``XRAY_VIEW``, ``XRAY_BODY_PART``.
    """
    if text(dataset, "Modality") not in MODALITIES:
        remedy = "Select the X-ray files in cohort.toml."
        refuse("XRAY_KIND", "modality CR, DX or MG", "another modality", remedy)
    remarks = _origin(dataset, policy)
    _check_view(dataset, policy)
    if policy.body_part:
        found = _word(text(dataset, "BodyPartExamined"), BODY_PARTS)
        _expect(found, policy.body_part, "body_part", "XRAY_BODY_PART")
    if text(dataset, "LossyImageCompression") == "01" or _syntax(dataset) in _LOSSY_SYNTAXES:
        remarks.append(Remark("XRAY_LOSSY", "The image was compressed with loss."))
    if text(dataset, "PresentationIntentType") == "FOR PROCESSING":
        text_ = "The image is raw (for processing) and looks unlike one for presentation."
        remarks.append(Remark("XRAY_RAW", text_))
    return remarks


def _syntax(dataset: Dataset) -> str:
    return str(getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID", ""))


def _origin(dataset: Dataset, policy: XrayPolicy) -> list[Remark]:
    # An image for presentation is DERIVED\PRIMARY as a rule; SECONDARY is what was made after the examination.
    kinds = text(dataset, "ImageType").split("\\")
    captured = text(dataset, "SOPClassUID").startswith(_SCREENSHOT)
    if not captured and "SECONDARY" not in kinds and "SCREEN SAVE" not in kinds:
        return []
    if policy.derived != "accept":
        refuse(
            "XRAY_DERIVED",
            "an image as it was acquired",
            "a secondary capture or an image derived afterwards",
            'Export the original, or write `derived = "accept"` in this modality if such files are films.',
        )
    return [Remark("XRAY_DERIVED", "The image is a secondary capture or was derived afterwards; accepted as declared.")]


def view_of(dataset: Dataset) -> str:
    """The projection as one of the known terms, ``"other"``, or ``"unknown"`` where the file does not say."""
    return _word(text(dataset, "ViewPosition"), VIEWS)


def _check_view(dataset: Dataset, policy: XrayPolicy) -> None:
    view = view_of(dataset)
    if policy.view:
        _expect(view, policy.view, "view", "XRAY_VIEW")
    elif view in _LATERAL:
        _expect(view, ("PA", "AP", "unknown"), "view", "XRAY_VIEW")


def _word(written: str, known: tuple[str, ...]) -> str:
    """The value of a tag if it is one of the known terms: anything else may be free text about a person."""
    term = written.upper()
    return term if term in known else "other" if term else "unknown"


def _expect(found: str, accepted: tuple[str, ...], key: str, code: str) -> None:
    if found in accepted:
        return
    line = ", ".join(f'"{term}"' for term in (*accepted, found))
    remedy = f"Leave the file refused, or write `{key} = [{line}]` in this modality to read such films too."
    refuse(code, f"{key} {', '.join(accepted)}", f"{key} {found}", remedy)


def spacing_of(dataset: Dataset) -> tuple[tuple[float, float], list[Remark]]:
    """Size of a pixel (y, x), mm, (0, 0) where the file does not say; a remark if it is the one at the detector.

    Raises
    ------
    DataError
        ``XRAY_SPACING``.
    """
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        size = numbers(dataset, keyword, 2)
        if not size.size:
            continue
        if size.min() < _SMALLEST_MM or size.max() > _LARGEST_MM:
            refuse("XRAY_SPACING", f"a {keyword} of {_SMALLEST_MM:g} to {_LARGEST_MM:g} mm", "another one")
        spacing = float(size[0]), float(size[1])
        if keyword == "PixelSpacing":
            return spacing, []
        text_ = "Only the pixel size at the detector is known, where the patient appears magnified."
        return spacing, [Remark("XRAY_DETECTOR_SPACING", text_)]
    return (0.0, 0.0), []


def burned_in(written: str, policy: XrayPolicy) -> tuple[Literal["no", "yes", "unknown"], list[Remark]]:
    """Whether text may be burned into the picture, from BurnedInAnnotation; a remark where it may not be shown."""
    if written == "NO":
        return "no", []
    said: Literal["yes", "unknown"] = "yes" if written == "YES" else "unknown"
    if policy.burned_in == "show":
        return said, []
    begins = "Text is" if said == "yes" else "Nothing says that no text is"
    line = '`burned_in = "show"` in this modality would show it'
    return said, [Remark("XRAY_TEXT", f"{begins} burned into the picture, so no page shows it; {line}.")]
