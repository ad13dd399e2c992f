"""Files that several processes write."""

import concurrent.futures
import time

from smile_jax.core.files import folder_lock, replace_text


def test_nothing_is_lost_between_reading_and_writing(tmp_path):
    path = tmp_path / "count"
    replace_text(path, "0")

    def count_on(_: int) -> None:
        with folder_lock(tmp_path):
            before = int(path.read_text())
            time.sleep(1e-3)
            replace_text(path, str(before + 1))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(count_on, range(40)))
    assert path.read_text() == "40"
