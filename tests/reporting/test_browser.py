"""The page in a real browser, opened from disk."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from polypaca.reporting.page import render_page

from .conftest import make_responses, with_long_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from polypaca.core.results import Analysis

pytestmark = pytest.mark.browser

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs a browser: apt-get install chromium")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs Playwright: pip install playwright"
    )
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def files(
    analysis: Analysis, unrated: Analysis, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("page")
    pages = {
        "rated": render_page(analysis, make_responses(), max_prompts=4),
        "unrated": render_page(unrated, make_responses(rated=False)),
        "long": render_page(with_long_names(analysis), make_responses(), max_prompts=1),
    }
    for name, html in pages.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in pages}


@pytest.fixture
def opened(browser: Any, files: dict[str, Path]) -> Iterator[Any]:
    """Opens a page and, at the end, holds that it was quiet and asked for nothing else."""
    context = browser.new_context()
    context.set_default_timeout(10_000)
    page = context.new_page()
    troubles: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))

    def refuse(dialog: Any) -> None:
        troubles.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    page.on("request", lambda request: requests.append(request.url))

    def go(name: str = "rated", width: int = 1280) -> Any:
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(files[name].as_uri())
        return page

    yield go
    assert page.evaluate("window.pwned") is None
    assert troubles == []
    assert set(requests) <= {path.as_uri() for path in files.values()}
    context.close()


@pytest.mark.parametrize("name", ["rated", "unrated"])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_sideways_scrolling_in_any_language(opened: Any, name: str, width: int) -> None:
    page = opened(name, width)
    page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    for code in ("en", "ar", "zh", "no"):
        page.select_option("#pick-language", code)
        for index in range(4):
            page.select_option("#pick-prompt", index=index)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_selectors_change_the_answers(opened: Any) -> None:
    page = opened()
    first = page.inner_text(".prompt")
    assert page.inner_text("#position") == "1 of 4"
    assert page.is_disabled("#previous")
    page.click("#next")
    assert page.inner_text(".prompt") != first
    page.select_option("#pick-language", "ar")
    assert page.inner_text("#position") == "2 of 4", "the same prompt in another language"
    assert "ما هي" in page.inner_text(".prompt")
    assert page.get_attribute(".prompt", "dir") == "auto"
    assert page.get_attribute(".prompt", "lang") == "ar"
    page.select_option("#pick-prompt", index=0)
    assert page.inner_text("#position") == "1 of 4"
    assert "4 of the 5 Arabic prompts" in page.inner_text("#shown")


def test_the_arrow_keys_step_through_prompts_when_answers_are_in_view(opened: Any) -> None:
    page = opened()
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#position") == "1 of 4", "the answers are not in view yet"
    page.locator("#reading").scroll_into_view_if_needed()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#position") == "2 of 4"


def test_hostile_answers_are_shown_as_they_are(opened: Any) -> None:
    page = opened()
    seen = ""
    for _ in range(4):
        seen += page.inner_text("#reading")
        if page.is_enabled("#next"):
            page.click("#next")
    assert "</script><script>window.pwned = 1; alert(1)</script>" in seen
    assert '<img src=x onerror="window.pwned = 1">' in seen
    assert page.locator("#reading img, #reading script").count() == 0


def test_cards_say_whether_the_gate_was_passed(opened: Any) -> None:
    page = opened()
    page.select_option("#pick-language", "es")
    card = page.locator(".card", has_text="monolingual-en.s1")
    assert "✗ gate" in card.inner_text()
    assert "English" in card.inner_text()
    assert "score 0" in card.inner_text()
    assert page.locator(".cards-title").all_inner_texts()[-1] == "Controls"


def test_the_tabs_switch_the_table(opened: Any) -> None:
    page = opened()
    for measure in ("before", "gate", "robustness", "after"):
        page.click(f"label[for=tab-{measure}]")
        visible = page.locator(".tab:visible")
        assert visible.count() == 1
        assert visible.get_attribute("data-measure") == measure


@pytest.mark.parametrize("name", ["rated", "long"])
@pytest.mark.parametrize("font", ["DejaVu Sans", "Noto Sans", "serif"])
def test_names_of_bars_are_whole_in_any_font(opened: Any, name: str, font: str) -> None:
    for width in (390, 1280):
        page = opened(name, width)
        page.evaluate(f"document.documentElement.style.setProperty('--sans', '{font}')")
        outside = page.evaluate(
            """[...document.querySelectorAll('.panel svg')].flatMap((svg) => {
              const box = svg.getBoundingClientRect();
              return [...svg.querySelectorAll('text')].filter((text) => {
                const own = text.getBoundingClientRect();
                return own.left < box.left || own.right > box.right;
              }).map((text) => text.textContent);
            })"""
        )
        assert outside == []


def test_figures_are_drawn_large_enough_to_read_on_a_phone(opened: Any) -> None:
    page = opened("rated", 390)
    heights = page.evaluate(
        "[...document.querySelectorAll('.panel svg text')]"
        ".map((text) => text.getBoundingClientRect().height)"
    )
    assert len(heights) > 50
    assert min(heights) >= 10
