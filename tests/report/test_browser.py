"""A page in a real browser: silent whatever its words are, usable by keyboard, complete without its script."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from clinfuse.report.patient import patient_page, write_patient_index
from clinfuse.report.record.compose import record_page
from clinfuse.report.record.page import RecordPage
from tests.report.payloads import PAYLOADS
from tests.report.test_patient import KNOWN

pytestmark = pytest.mark.browser
CHROMIUM = Path("/usr/bin/chromium")
AXE = "axe-core@4.10.3"
# What is no text of anybody: pictures, and words of our own that the schema fixes.
FIXED = {"data", "kind", "base", "over", "state", "about", "outside", "model_card"}


@dataclass
class Heard:
    """What a page did beside being shown."""

    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        return not (self.console or self.requests or self.dialogs)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def contents(attribution) -> RecordPage:
    passed = tuple(replace(check, passed=True) for check in attribution.checks)
    return record_page(replace(attribution, checks=passed), replace(KNOWN, blind=True, group="rightly called"))


def opened(browser: Any, place: Path, text: str, **how: Any) -> tuple[Any, Heard]:
    file = place / "page.html"
    file.write_text(text, encoding="utf-8")
    page, heard = browser.new_page(**how), Heard()
    page.set_default_timeout(120_000)
    page.on("console", lambda message: heard.console.append(message.text))
    page.on("pageerror", lambda error: heard.console.append(str(error)))
    page.on("dialog", lambda dialog: (heard.dialogs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: heard.requests.append(request.url))
    page.goto(file.as_uri(), wait_until="load")
    heard.requests = [url for url in heard.requests if not url.startswith(("data:", file.as_uri()))]
    return page, heard


def spoiled(value: Any, payload: str, name: str = "") -> Any:
    """The same contents with every text of a person, file or configuration replaced."""
    if isinstance(value, dict):
        return {key: spoiled(one, payload, key) for key, one in value.items()}
    if isinstance(value, list):
        return [spoiled(one, payload, name) for one in value]
    return payload if isinstance(value, str) and name not in FIXED else value


def test_there_are_enough_payloads() -> None:
    assert len(set(PAYLOADS)) >= 50


def test_no_word_of_a_record_is_ever_more_than_a_word(browser: Any, contents: RecordPage, tmp_path: Path) -> None:
    light = contents.model_copy(update={"sources": contents.sources[3:]})
    written = json.loads(light.text())
    for payload in PAYLOADS:
        page = RecordPage.model_validate(spoiled(written, payload), strict=False)
        shown, heard = opened(browser, tmp_path, patient_page(page))
        assert heard.nothing, (payload, heard)
        assert shown.locator("script").count() == 1
        assert shown.locator("iframe, object, embed, form, link, base").count() == 0
        assert shown.locator("svg, img").count() <= 3
        shown.close()


def test_the_whole_page_and_the_list_open_in_silence(browser: Any, contents: RecordPage, tmp_path: Path) -> None:
    index = write_patient_index([contents], tmp_path / "index.html", rule="drawn").read_text(encoding="utf-8")
    for text in (patient_page(contents), index):
        shown, heard = opened(browser, tmp_path, text)
        assert heard.nothing, heard
        shown.close()


def test_a_script_that_is_not_ours_does_not_run(browser: Any, contents: RecordPage, tmp_path: Path) -> None:
    text = patient_page(contents).replace("</main>", "<script>document.title = 'taken'</script></main>", 1)
    shown, heard = opened(browser, tmp_path, text)
    assert shown.title() != "taken"
    assert any("Content Security Policy" in one for one in heard.console)
    shown.close()


def test_slices_windows_and_attribution_obey_the_keyboard(browser: Any, contents: RecordPage, tmp_path: Path) -> None:
    shown, heard = opened(browser, tmp_path, patient_page(contents))
    plane = shown.locator(".plane").first
    slider, words = plane.locator("input"), plane.locator("figcaption:visible")
    number = contents.sources[0].viewer.planes[0].chosen + 1
    assert words.all_inner_texts() == [f"slice {number} of 8"]
    slider.focus()
    shown.keyboard.press("Home")
    assert words.all_inner_texts() == ["slice 1 of 8"]
    shown.keyboard.press("ArrowRight")
    assert words.all_inner_texts() == ["slice 2 of 8"]
    assert slider.get_attribute("aria-valuetext") == "slice 2 of 8"
    shown.keyboard.press("End")
    assert words.all_inner_texts() == ["slice 8 of 8"]
    over = shown.locator(".over")
    style = "one => getComputedStyle(one).display"
    assert over.first.evaluate(style) == "block"
    shown.locator(".overlay").first.focus()
    shown.keyboard.press("Space")
    assert over.first.evaluate(style) == "none"
    base = shown.locator(".base").first
    before = base.evaluate("one => getComputedStyle(one).filter")
    shown.locator(".window").first.focus()
    shown.keyboard.press("ArrowDown")
    assert base.evaluate("one => getComputedStyle(one).filter") != before
    shown.locator(".outcome summary").focus()
    assert not shown.get_by_text("embolism (rightly called)").is_visible()
    shown.keyboard.press("Enter")
    assert shown.get_by_text("embolism (rightly called)").is_visible()
    assert heard.nothing, heard
    shown.close()


def test_the_page_is_complete_without_its_script(browser: Any, contents: RecordPage, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    shown, _ = opened(context, tmp_path, patient_page(contents))
    count = sum(len(plane.slices) for plane in contents.sources[0].viewer.planes)
    assert shown.locator(".slice:visible").count() == count
    assert shown.locator(".plane input:visible").count() == 0
    context.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The checker of accessibility, from CLINFUSE_AXE or as npm gives it."""
    if os.environ.get("CLINFUSE_AXE"):
        return Path(os.environ["CLINFUSE_AXE"]).read_text(encoding="utf-8")
    folder = tmp_path_factory.mktemp("axe")
    try:
        subprocess.run(["npm", "pack", AXE, "--silent"], cwd=folder, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        pytest.skip(f"npm does not give {AXE}; name a copy of axe.min.js in CLINFUSE_AXE")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        content = archive.extractfile("package/axe.min.js")
        assert content is not None
        return content.read().decode("utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["page", "list"])
def test_nothing_serious_stands_in_the_way_of_any_reader(
    browser: Any, contents: RecordPage, tmp_path: Path, axe: str, scheme: str, which: str
) -> None:
    text = patient_page(contents)
    if which == "list":
        text = write_patient_index([contents], tmp_path / "index.html", rule="drawn").read_text(encoding="utf-8")
    shown, _ = opened(browser, tmp_path, text, color_scheme=scheme)
    shown.evaluate(axe)
    found = shown.evaluate("async () => (await axe.run()).violations")
    grave = [(one["id"], one["nodes"][0]["html"][:200]) for one in found if one["impact"] in ("serious", "critical")]
    assert not grave, grave
    shown.close()
