"""Who is who: keys in place of ids everywhere, and the one private place that can turn a key back."""

from __future__ import annotations

import base64
import csv
import hashlib
import hmac
import io
import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import final

from clinfuse.errors import DataError, StorageError

PRIVATE_FOLDER = "private"
SECRET_FILE = "secret"
KEYS_FILE = "keys.csv"
COLUMNS = ("key", "patient", "record", "files")
# Spreadsheets take what begins like this for a formula, and run it; the sign we put before it begins one as well.
_FORMULA = re.compile(r"(^|;)(?=[=+\-@\t\r\0'])")
_ESCAPED = re.compile(r"(^|;)'")
_SECRET_BYTES = 32
_CHARACTERS = 10


@final
class KeyRing:
    """Keys of records and patients, the same for the same secret.

    A key is ``R-`` or ``P-`` and the first 10 base-32 characters of HMAC-SHA256 of the id (RFC 2104,
    https://doi.org/10.17487/RFC2104), so that nobody without the secret can test whether a given id is among them.

    Parameters
    ----------
    secret : bytes
        32 random bytes.

    Examples
    --------
    >>> KeyRing(bytes(32)).record("4711")
    'R-Z4TUP56DEJ'
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) != _SECRET_BYTES:
            raise StorageError(
                "SECRET_LENGTH",
                place="private/secret",
                rule=f"{_SECRET_BYTES} bytes",
                found=f"{len(secret)}",
                remedy="Restore the file from a backup; a new one gives every record another key.",
            )
        self._secret = secret

    def __repr__(self) -> str:
        return "KeyRing(secret hidden)"

    def record(self, record_id: str) -> str:
        """Key of a record, ``R-`` and 10 characters."""
        return f"R-{self._code(record_id)}"

    def patient(self, patient_id: str) -> str:
        """Key of a patient, ``P-`` and 10 characters."""
        return f"P-{self._code(patient_id)}"

    def records(self, record_ids: Iterable[str]) -> list[str]:
        """Keys of records, one each, checked to be different where the ids are.

        Raises
        ------
        DataError
            ``KEY_COLLISION`` if two ids share a key.
        """
        return self._unique(list(record_ids), "R-")

    def patients(self, patient_ids: Iterable[str]) -> list[str]:
        """Keys of patients, one each, checked as in :meth:`records`."""
        return self._unique(list(patient_ids), "P-")

    def _unique(self, ids: list[str], prefix: str) -> list[str]:
        keys = [prefix + self._code(written) for written in ids]
        if len(set(keys)) != len(set(ids)):
            raise DataError(
                "KEY_COLLISION",
                place="keys",
                rule="another key for each id",
                found=f"{len(set(ids)) - len(set(keys))} shared",
                remedy="Remove private/secret so that a new one is drawn; every key changes.",
            )
        return keys

    def _code(self, written: str) -> str:
        digest = hmac.new(self._secret, written.encode("utf-8"), hashlib.sha256).digest()
        return base64.b32encode(digest).decode("ascii")[:_CHARACTERS]


def private_folder(folder: Path, private: Path | None) -> Path:
    """Where ids are kept: as named, or ``private`` beside ``cohort.toml``."""
    return folder / PRIVATE_FOLDER if private is None else Path(private)


def open_private(folder: Path, private: Path | None = None) -> KeyRing:
    """The keys of a cohort; its secret is drawn at the first call and read back at every later one.

    Parameters
    ----------
    folder : Path
        The folder that holds ``cohort.toml``.
    private : Path, optional
        Folder for the secret and the list of keys where `folder` cannot be written to.

    Returns
    -------
    KeyRing

    Raises
    ------
    StorageError
        ``PRIVATE_WRITE`` where the folder cannot be written to, ``SECRET_READ`` where the secret is no secret,
        ``SECRET_LOST`` where keys were made with a secret that is gone.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as place:
    ...     open_private(Path(place)).record("1") == open_private(Path(place)).record("1")
    True
    """
    where = private_folder(folder, private)
    file = where / SECRET_FILE
    try:
        if not file.exists():
            if (where / KEYS_FILE).exists():
                raise _lost()
            where.mkdir(mode=0o700, parents=True, exist_ok=True)
            _place(file, secrets.token_bytes(_SECRET_BYTES).hex() + "\n", keep=True)
        written = file.read_bytes()
    except OSError as error:
        raise error if isinstance(error, StorageError) else _cannot_write() from None
    try:
        secret = bytes.fromhex(written.decode("ascii").strip())
    except ValueError:
        raise StorageError(
            "SECRET_READ",
            place="private/secret",
            rule="64 hexadecimal digits",
            found="something else",
            remedy="Restore the file from a backup; a new one gives every record another key.",
        ) from None
    return KeyRing(secret)


def _lost() -> StorageError:
    return StorageError(
        "SECRET_LOST",
        place="private/secret",
        rule="the secret that the keys in private/keys.csv were made with",
        found="none",
        remedy="Restore the file from a backup. To begin anew with other keys, remove private/keys.csv as well; "
        "finished runs and reports then name nobody.",
    )


def write_keys(where: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    """The list of keys, written whole and readable by its owner only; `who` reads it.

    Ids and names of files that a spreadsheet would take for a formula have an apostrophe in front.

    Parameters
    ----------
    where : Path
        The private folder.
    rows : sequence of mapping
        ``key``, ``patient``, ``record``, ``files`` each; written in the order of their keys.

    Returns
    -------
    Path
        The file; untouched where it already says the same.

    Raises
    ------
    StorageError
        ``PRIVATE_WRITE``.
    """
    text = io.StringIO(newline="")
    # The module quotes the line end it writes, and splits at this one as well when it reads.
    returns = any("\r" in row[column] for row in rows for column in COLUMNS)
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", quoting=csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL)
    writer.writeheader()
    for row in sorted(rows, key=lambda row: (row["key"], row["record"])):
        writer.writerow({column: _FORMULA.sub(r"\1'", row[column]) for column in COLUMNS})
    file = where / KEYS_FILE
    try:
        if not file.exists() or file.read_text(encoding="utf-8") != text.getvalue():
            where.mkdir(mode=0o700, parents=True, exist_ok=True)
            _place(file, text.getvalue(), keep=False)
    except OSError:
        raise _cannot_write() from None
    return file


def who(folder: Path, key: str, *, private: Path | None = None) -> dict[str, str]:
    """The line of the private list that a key stands for.

    Parameters
    ----------
    folder : Path
        The folder that holds ``cohort.toml``.
    key : str
        ``R-…`` of a record or ``P-…`` of a patient.
    private : Path, optional
        Where the list lies, if not beside ``cohort.toml``.

    Returns
    -------
    dict
        ``key``, ``patient``, ``record``, ``files``; several records or files are separated by ``;``.

    Raises
    ------
    StorageError
        ``KEYS_ABSENT`` where there is no list.
    DataError
        ``KEY_UNKNOWN``.
    """
    file = private_folder(folder, private) / KEYS_FILE
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                if row["key"] == key.strip():
                    return {column: _ESCAPED.sub(r"\1", row[column]) for column in COLUMNS}
    except OSError:
        raise StorageError(
            "KEYS_ABSENT",
            place="private/keys.csv",
            rule="the list of keys",
            found="none that can be read",
            remedy="Name the private folder, or read the cohort once.",
        ) from None
    raise DataError(
        "KEY_UNKNOWN",
        place="private/keys.csv",
        rule="a key of this cohort",
        found="another one",
        remedy="Check the letters, and that the key comes from this cohort and this secret.",
    )


def _place(file: Path, text: str, *, keep: bool) -> None:
    """Write `text` under a temporary name, mode 0600, then give it its own name in one step.

    With `keep`, a file that another process placed meanwhile stays: two processes that start at once must agree on
    one secret.
    """
    number, name = tempfile.mkstemp(dir=file.parent, prefix=".", text=False)
    temporary = Path(name)
    try:
        with os.fdopen(number, "wb") as out:
            out.write(text.encode("utf-8"))
            out.flush()
            os.fsync(out.fileno())
        if not keep:
            temporary.replace(file)
            return
        try:
            os.link(temporary, file)
        except FileExistsError:
            return
        except OSError:
            # A file system without links: the first of two processes wins by the open that refuses an existing name.
            with file.open("x", encoding="utf-8") as out_text:
                out_text.write(text)
            file.chmod(0o600)
    finally:
        temporary.unlink(missing_ok=True)


def _cannot_write() -> StorageError:
    return StorageError(
        "PRIVATE_WRITE",
        place="private",
        rule="a folder for the secret and the list of keys that can be written to",
        found="one that cannot",
        remedy="Name another folder with --private (private= in Python).",
    )
