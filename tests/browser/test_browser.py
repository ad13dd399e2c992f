"""The page as a visitor sees it, in headless Chromium; nothing leaves the machine.

    SMILE_JAX_DEMO_RUN=runs/demo SMILE_JAX_SCREENSHOT=docs/demo.png \\
        python -m pytest tests/browser/test_browser.py

looks at a run that has learned something, and keeps a picture of the page.
"""

import dataclasses
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest

from smile_jax.evaluation.fold_loop import evaluate
from smile_jax.mesh.writers import write_ply
from tests.conftest import ROOT
from tests.faces.heads import performed
from tests.mesh.shapes import sphere

pytest.importorskip("gradio", reason="the page needs it: extra `page`")
webdriver = pytest.importorskip("selenium.webdriver", reason="extra `test`")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    # Selenium leaves the driver's pipes to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="no chromium and chromedriver here"
    ),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A smile as a scan and as a sequence, a sphere, a broken file."""
    folder = tmp_path_factory.mktemp("files")
    clip = performed("happy", 9, seed=5)
    for i in range(9):
        write_ply(folder / f"frame_{i}.ply", clip[i])
    write_ply(folder / "scan.ply", clip[4])
    ball = sphere(90.0, n=60)
    write_ply(folder / "sphere.ply", dataclasses.replace(ball, landmarks=None))
    (folder / "broken.ply").write_text("ply\nformat ascii 1.0\n")
    return folder


@pytest.fixture(scope="module")
def page(plain_run, tmp_path_factory):
    """Its address; the run is a copy that was evaluated."""
    workdir = os.environ.get("SMILE_JAX_DEMO_RUN")
    if not workdir:
        workdir = tmp_path_factory.mktemp("demo") / "run"
        shutil.copytree(plain_run, workdir)
        evaluate(workdir, "holdout")["known"].save(workdir)
    command = [
        sys.executable,
        "-m",
        "smile_jax.page",
        f"--workdir={workdir}",
        "--port=0",
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert found, line
        yield found[0]
    finally:
        process.terminate()
        process.wait(20)


class Browser:
    """The page in Chromium."""

    def __init__(self, url: str) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (
            "--headless=new", "--no-sandbox", "--disable-dev-shm-usage",
            "--window-size=1200,1400", "--enable-unsafe-swiftshader", "--use-gl=angle",
            "--use-angle=swiftshader", "--disable-background-networking",
            "--disable-component-update", "--no-first-run",
        ):  # fmt: skip
            options.add_argument(flag)
        logs = {"browser": "ALL", "performance": "ALL"}
        options.set_capability("goog:loggingPrefs", logs)
        service = webdriver.ChromeService(DRIVER)
        self.driver = webdriver.Chrome(options=options, service=service)
        self.url = url
        self.driver.get(url)
        self.until(lambda: self.find("#prompts textarea"))

    def find(self, selector: str):
        return self.driver.find_element("css selector", selector)

    def text(self, selector: str) -> str:
        return self.find(selector).text

    def until(self, wanted, seconds: float = 90.0):
        end, error = time.monotonic() + seconds, None
        while time.monotonic() < end:
            try:
                if found := wanted():
                    return found
            except Exception as raised:  # the page is being drawn anew
                error = raised
            time.sleep(0.2)
        raise AssertionError(f"not seen on the page; last: {error}")

    def upload(self, *paths: pathlib.Path) -> None:
        """In place of what was there."""
        for button in self.driver.find_elements(
            "css selector", "#files button[aria-label*='lear']"
        ):
            button.click()
        box = self.until(lambda: self.find("#files input[type=file]"))
        box.send_keys("\n".join(map(str, paths)))

    def type_prompts(self, *words: str) -> None:
        box = self.find("#prompts textarea")
        box.send_keys(webdriver.Keys.CONTROL, "a")
        box.send_keys(webdriver.Keys.BACKSPACE, "\n".join(words))

    def elsewhere(self) -> set[str]:
        """What was asked of other machines."""
        asked = set()
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                asked.add(message["params"]["request"]["url"])
        return {u for u in asked if not u.startswith((self.url, "data:", "blob:"))}


@pytest.fixture(scope="module")
def browser(page):
    found = Browser(page)
    yield found
    found.driver.quit()


def probabilities(browser: Browser) -> dict[str, int]:
    """Off the page, in percent."""
    lines = browser.text("#bars").splitlines()
    pairs = itertools.pairwise(lines)
    return {a: int(b[:-1]) for a, b in pairs if re.fullmatch(r"\d+%", b)}


def test_a_scan_is_answered_in_any_words(browser, files):
    browser.type_prompts("a happy face", "a sad face")
    browser.upload(files / "scan.ply")
    browser.until(lambda: "a face (landmarks" in browser.text("#said"))
    found = browser.until(lambda: probabilities(browser))
    assert set(found) == {"a happy face", "a sad face"}
    assert 99 <= sum(found.values()) <= 101
    captions = browser.text("#views")
    shares = [int(share) for share in re.findall(r": (\d+)%", captions)]
    assert len(shares) > 1 and 98 <= sum(shares) <= 102
    assert browser.find("#head canvas").get_attribute("data-frame") == "0"
    picture = browser.driver.execute_script(
        "const c = document.querySelector('#head canvas');"
        "const gl = c.getContext('webgl2'); const p = new Uint8Array(4);"
        "gl.readPixels(c.width / 2, c.height / 2, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, p);"
        "return Array.from(p);"
    )
    assert max(picture[:3]) < 235, "no head in the middle of the picture"


def test_views_are_taken_away(browser):
    def seen() -> int:
        return len(re.findall(r": \d+%", browser.text("#views")))

    before = seen()
    for views in (before - 1, before):
        browser.driver.find_elements("css selector", "#seen input")[0].click()
        browser.until(lambda views=views: seen() == views)


def test_a_sequence_has_a_timeline_that_moves_with_the_head(browser, files):
    if os.environ.get("SMILE_JAX_DEMO_RUN"):  # its own words
        browser.type_prompts("")
    browser.upload(*sorted(files.glob("frame_*.ply")))
    browser.until(lambda: "onset" in browser.text("#said"))
    number = browser.until(lambda: browser.find("#frame input[type=number]"))
    canvas = browser.find("#head canvas")
    apex = int(number.get_attribute("value"))
    browser.until(lambda: canvas.get_attribute("data-frame") == str(apex))
    picture = browser.until(lambda: browser.find("#plot img")).get_attribute("src")
    if kept := os.environ.get("SMILE_JAX_SCREENSHOT"):
        browser.driver.find_element("css selector", "h1").click()
        time.sleep(2)  # until what is drawn is there
        browser.driver.save_screenshot(kept)
    slider = browser.find("#frame input[type=range]")
    slider.send_keys(webdriver.Keys.HOME)
    browser.until(lambda: canvas.get_attribute("data-frame") == "0")
    browser.until(lambda: browser.find("#plot img").get_attribute("src") != picture)


def test_what_is_no_face_and_what_is_broken_is_said(browser, files):
    browser.upload(files / "sphere.ply")
    browser.until(lambda: "not a face" in browser.text("#said"))
    browser.upload(files / "broken.ply")
    browser.until(
        lambda: "It cannot be used. broken.ply: byte" in browser.text("#said")
    )
    browser.type_prompts("only one")
    browser.upload(files / "scan.ply")
    browser.until(lambda: "two prompts or more" in browser.text("#said"))


def test_nothing_leaves_the_machine(browser):
    assert browser.elsewhere() == set()
    errors = [e for e in browser.driver.get_log("browser") if e["level"] == "SEVERE"]
    assert not errors, errors
