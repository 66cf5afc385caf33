"""Reader processes: right pixels, priorities, cancellation, and what a crash or a hang costs."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from lile_engine.errors import SlideError
from lile_engine.slides import open_slide
from lile_engine.slides.readers import ReaderPool

posix_only = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs POSIX signals")
WAIT_S = 60


@pytest.fixture
def pool() -> Iterator[ReaderPool]:
    with ReaderPool(workers=1, timeout_s=20) as readers:
        yield readers


def test_pixels_and_facts_are_those_of_the_slide(pool: ReaderPool, jpeg_slide: Path) -> None:
    with open_slide(jpeg_slide, mpp=0.3) as slide:
        assert pool.open(jpeg_slide, 0.3).result(WAIT_S) == slide.info
        for future, expected in (
            (pool.read(jpeg_slide, 1, 100, 60, 200, 150), slide.read_region(100, 60, 1, 200, 150)),
            (pool.read(jpeg_slide, 0, 800, 600, 200, 200), slide.read_region(800, 600, 0, 200, 200)),
            (pool.read_area(jpeg_slide, 1.5, 2, 300, 200, 90, 60), slide.read_area(1.5, 2, 300, 200, 90, 60)),
            (pool.thumbnail(jpeg_slide, 120), slide.thumbnail(120)),
        ):
            pixels = future.result(WAIT_S)
            assert pixels.dtype == np.uint8
            assert np.array_equal(pixels[..., 2::-1], expected)
            assert (pixels[..., 3] == 255).all()


def test_a_picture_larger_than_the_shared_memory_comes_too(pool: ReaderPool, jpeg_slide: Path) -> None:
    assert pool.read(jpeg_slide, 0, 0, 0, 2100, 2100).result(WAIT_S).shape == (2100, 2100, 4)


def test_failures_are_slide_errors_and_cost_no_reader(pool: ReaderPool, jpeg_slide: Path, tmp_path: Path) -> None:
    pool.open(jpeg_slide).result(WAIT_S)
    before = pool.process_ids()
    for future in (
        pool.open(tmp_path / "none.svs"),
        pool.read(tmp_path / "none.svs", 0, 0, 0, 10, 10),
        pool.read(jpeg_slide, 7, 0, 0, 10, 10),
        pool.associated(jpeg_slide, "label"),
    ):
        with pytest.raises(SlideError):
            future.result(WAIT_S)
    assert pool.process_ids() == before


def test_urgent_requests_go_first_and_cancelled_ones_not_at_all(pool: ReaderPool, jpeg_slide: Path) -> None:
    gate, order = threading.Event(), []
    first = pool.open(jpeg_slide)
    first.add_done_callback(lambda _: gate.wait(WAIT_S))
    futures = {}
    for name, priority in (("late", 9), ("b", 5), ("urgent", -1), ("c", 5), ("dropped", 0)):
        future = pool.read(jpeg_slide, 0, 0, 0, 16, 16, priority=priority)
        future.add_done_callback(lambda done, name=name: None if done.cancelled() else order.append(name))
        futures[name] = future
    assert futures["dropped"].cancel()
    gate.set()
    wait([future for name, future in futures.items() if name != "dropped"], WAIT_S)
    assert order == ["urgent", "b", "c", "late"]


def test_a_request_that_cannot_be_sent_costs_no_thread(pool: ReaderPool, jpeg_slide: Path) -> None:
    pool.open(jpeg_slide).result(WAIT_S)
    for unsendable in (lambda: 1, threading.Lock()):
        with pytest.raises(SlideError, match=r"slide\.tif could not be read"):
            pool.read(jpeg_slide, 0, 0, 0, unsendable, 64).result(WAIT_S)  # type: ignore[arg-type]
    assert pool.read(jpeg_slide, 0, 0, 0, 64, 64).result(WAIT_S).shape == (64, 64, 4)
    assert not pool.is_marked(jpeg_slide)


@posix_only
def test_an_answer_without_room_costs_no_thread(pool: ReaderPool, jpeg_slide: Path) -> None:
    """The reader sends more than this process may hold."""
    import resource

    pool.open(jpeg_slide).result(WAIT_S)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + 100 * 2**20, hard))
    try:
        failure = pool.read(jpeg_slide, 0, 0, 0, 9000, 9000).exception(WAIT_S)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert isinstance(failure, SlideError)
    assert pool.read(jpeg_slide, 0, 0, 0, 64, 64).result(WAIT_S).shape == (64, 64, 4)


def test_numbers_out_of_bounds_are_told_by_the_reader(pool: ReaderPool, jpeg_slide: Path) -> None:
    for future in (
        pool.read_area(jpeg_slide, math.nan, 0, 10, 10, 5, 5),
        pool.read_area(jpeg_slide, 0, 0, 0, 0, 5, 5),
        pool.open("a\0b"),
    ):
        with pytest.raises(SlideError):
            future.result(WAIT_S)
    assert (pool.read(jpeg_slide, 0, 2**64, 0, 10, 10).result(WAIT_S) == 255).all()


def test_a_slide_opened_again_at_once_stays_open(pool: ReaderPool, tmp_path: Path, make_texture: Any) -> None:
    """Closed and opened in one breath; a picture still open can be read although its file is away."""
    from PIL import Image

    path = tmp_path / "picture.png"
    Image.fromarray(make_texture(300, 300)).save(path)
    pool.open(path).result(WAIT_S)
    pixels = pool.read(path, 0, 0, 0, 64, 64).result(WAIT_S)
    gate = threading.Event()
    first = pool.thumbnail(path, 30)
    first.add_done_callback(lambda _: gate.wait(WAIT_S))  # until both of what follows wait in the queue
    pool.forget(path)
    opened = pool.open(path)
    gate.set()
    opened.result(WAIT_S)
    with pytest.raises(SlideError):  # a later request, so that the reader has got so far
        pool.read(tmp_path / "none.tif", 0, 0, 0, 8, 8, priority=2000).result(WAIT_S)
    pool.read(path, 0, 0, 0, 64, 64).result(WAIT_S)
    path.rename(tmp_path / "away")
    assert np.array_equal(pool.read(path, 0, 0, 0, 64, 64).result(WAIT_S), pixels)


@posix_only
def test_a_crash_costs_the_request_and_a_reader_nothing_else(jpeg_slide: Path, lossless_slide: Path) -> None:
    with ReaderPool(workers=1, timeout_s=60) as pool:
        pool.open(jpeg_slide).result(WAIT_S)
        (process,) = pool.process_ids()
        os.kill(process, signal.SIGSTOP)  # so that the request is surely under way when the reader dies
        doomed = pool.read(jpeg_slide, 0, 0, 0, 64, 64)
        after = pool.read(lossless_slide, 0, 0, 0, 64, 64)
        while not doomed.running():
            pass
        os.kill(process, signal.SIGKILL)
        with pytest.raises(SlideError, match=r"slide\.tif made the reader crash"):
            doomed.result(WAIT_S)
        assert after.result(WAIT_S).shape == (64, 64, 4)
        assert pool.process_ids() != [process]
        with pytest.raises(SlideError, match="left alone"):  # the same request is not tried again
            pool.read(jpeg_slide, 0, 0, 0, 64, 64).result(WAIT_S)
        assert pool.read(jpeg_slide, 0, 64, 0, 64, 64).result(WAIT_S).shape == (64, 64, 4)
        pool.open(jpeg_slide).result(WAIT_S)  # opened again by the user: tried again
        assert pool.read(jpeg_slide, 0, 0, 0, 64, 64).result(WAIT_S).shape == (64, 64, 4)


@posix_only
def test_a_hang_costs_the_timeout_and_the_slide_is_left_alone_in_the_end(jpeg_slide: Path) -> None:
    with ReaderPool(workers=1, timeout_s=0.5) as pool:
        pool.open(jpeg_slide).result(WAIT_S)
        for number in range(3):
            assert not pool.is_marked(jpeg_slide)
            pool.thumbnail(jpeg_slide, 50 + number).result(WAIT_S)  # the reader is up and no longer fresh
            os.kill(pool.process_ids()[0], signal.SIGSTOP)
            began = time.monotonic()
            with pytest.raises(SlideError, match=r"slide\.tif did not answer within 0\.5 seconds"):
                pool.read(jpeg_slide, 0, number, 0, 64, 64).result(WAIT_S)
            assert time.monotonic() - began < 5
        assert pool.is_marked(jpeg_slide)
        with pytest.raises(SlideError, match="left alone; open it again"):
            pool.read(jpeg_slide, 0, 99, 0, 64, 64).result(WAIT_S)
        pool.open(jpeg_slide).result(WAIT_S)
        assert not pool.is_marked(jpeg_slide)


@posix_only
def test_a_reader_killed_while_idle_blames_no_slide(pool: ReaderPool, jpeg_slide: Path) -> None:
    pool.open(jpeg_slide).result(WAIT_S)
    child = psutil.Process(pool.process_ids()[0])
    child.kill()
    child.wait(WAIT_S)
    assert pool.read(jpeg_slide, 0, 0, 0, 64, 64).result(WAIT_S).shape == (64, 64, 4)
    assert not pool.is_marked(jpeg_slide)


@posix_only
def test_closing_is_quick_even_if_a_reader_hangs_and_ends_every_future(jpeg_slide: Path) -> None:
    pool = ReaderPool(workers=1, timeout_s=60)
    pool.open(jpeg_slide).result(WAIT_S)
    (process,) = pool.process_ids()
    os.kill(process, signal.SIGSTOP)
    futures = [pool.read(jpeg_slide, 0, n, 0, 64, 64) for n in range(20)]
    while not futures[0].running():
        pass
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < 3
    assert not psutil.pid_exists(process) or psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    assert isinstance(futures[0].exception(WAIT_S), SlideError)
    assert all(future.cancelled() for future in futures[1:])
    with pytest.raises(SlideError, match="closed"):
        pool.read(jpeg_slide, 0, 0, 0, 8, 8).result(WAIT_S)


def until_every_reader_has_answered(pool: ReaderPool, slide: Path) -> None:
    """While one process is stopped, the other has to answer: so both are up and hold all that a reader needs."""
    for process in (processes := pool.process_ids()):
        others = [p for p in processes if p != process]
        for other in others:
            os.kill(other, signal.SIGSTOP)
        try:
            reads = [pool.thumbnail(slide, 40 + n) for n in range(len(processes))]
            done, _ = wait(reads, WAIT_S, FIRST_COMPLETED)
            assert done
        finally:
            for other in others:
                os.kill(other, signal.SIGCONT)
        assert not wait(reads, WAIT_S).not_done


@posix_only
def test_a_plain_image_is_held_by_one_reader_only(tmp_path: Path, jpeg_slide: Path, make_texture: Any) -> None:
    from PIL import Image

    path = tmp_path / "picture.png"
    Image.fromarray(make_texture(1500, 1500)).save(path)
    with ReaderPool(workers=2) as pool:
        pool.open(jpeg_slide).result(WAIT_S)
        until_every_reader_has_answered(pool, jpeg_slide)  # one still starting grows without holding any picture
        memory = {process: psutil.Process(process).memory_info().rss for process in pool.process_ids()}
        pool.open(path).result(WAIT_S)
        wait([pool.read(path, 0, 8 * n, 0, 300, 300) for n in range(60)], WAIT_S)
        grown = [p for p, before in memory.items() if psutil.Process(p).memory_info().rss > before + 6_000_000]
        assert len(grown) == 1


def test_a_forgotten_picture_leaves_the_memory(tmp_path: Path, make_texture: Any) -> None:
    from PIL import Image

    path = tmp_path / "picture.png"
    Image.fromarray(make_texture(2500, 4000)).save(path)
    with ReaderPool(workers=1) as pool:
        pool.open(path).result(WAIT_S)
        first = pool.read(path, 0, 0, 0, 64, 64).result(WAIT_S)
        held = psutil.Process(pool.process_ids()[0]).memory_info().rss
        pool.forget(path)
        reader, until = psutil.Process(pool.process_ids()[0]), time.monotonic() + WAIT_S
        while True:
            with pytest.raises(SlideError):  # later requests, until the reader has got so far
                pool.read(tmp_path / "none.tif", 0, 0, 0, 8, 8, priority=2000).result(WAIT_S)
            if reader.memory_info().rss < held - 30_000_000 or time.monotonic() > until:
                break
        assert reader.memory_info().rss < held - 30_000_000
        assert np.array_equal(pool.read(path, 0, 0, 0, 64, 64).result(WAIT_S), first)


@pytest.mark.parametrize("ending", ["pool.close()", "pass", "sys.exit(3)", "raise ValueError('on purpose')"])
def test_a_program_ends_cleanly_with_or_without_close(jpeg_slide: Path, tmp_path: Path, ending: str) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys
        from lile_engine.slides.readers import ReaderPool
        if __name__ == "__main__":
            pool = ReaderPool()
            futures = [pool.read({str(jpeg_slide)!r}, 0, n, 0, 256, 256) for n in range(50)]
            futures[3].result(60)
            print([memory.name for memory in (reader._memory for reader in pool._readers)])
            print(pool.process_ids())
            {ending}
        """)
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=90)
    names, processes = (eval(line) for line in done.stdout.splitlines())
    assert "leaked" not in done.stderr
    assert ("Traceback" in done.stderr) == ("ValueError" in ending)
    assert done.returncode == {"sys.exit(3)": 3, "pool.close()": 0, "pass": 0}.get(ending, 1)
    assert not any((Path("/dev/shm") / name.lstrip("/")).exists() for name in names)
    assert not any(psutil.pid_exists(process) for process in processes)


@posix_only
def test_readers_end_when_their_parent_is_killed(jpeg_slide: Path, tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        textwrap.dedent(f"""
        import time
        from lile_engine.slides.readers import ReaderPool
        if __name__ == "__main__":
            pool = ReaderPool()
            pool.open({str(jpeg_slide)!r}).result(60)
            print(pool.process_ids(), flush=True)
            input()
        """)
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    children = [psutil.Process(process) for process in eval(parent.stdout.readline())]
    parent.kill()
    parent.wait()
    gone, alive = psutil.wait_procs(children, timeout=20)
    assert len(gone) == 2
    assert not alive


@posix_only
def test_no_more_handles_is_told_and_passes(jpeg_slide: Path) -> None:
    import resource

    with ReaderPool(workers=1) as pool:
        pool.open(jpeg_slide).result(WAIT_S)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        child = psutil.Process(pool.process_ids()[0])
        resource.setrlimit(resource.RLIMIT_NOFILE, (psutil.Process().num_fds(), hard))
        try:
            child.kill()
            child.wait(WAIT_S)
            with pytest.raises(SlideError, match="starts no more processes"):
                pool.read(jpeg_slide, 0, 0, 0, 8, 8).result(WAIT_S)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert pool.read(jpeg_slide, 0, 0, 0, 8, 8).result(WAIT_S).shape == (8, 8, 4)
