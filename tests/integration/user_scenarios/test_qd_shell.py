"""`qd session shell` as people use it: the real program in a real terminal, on a real cluster."""

import os
import signal
import termios

from shakeout.waiting.until import until

LEAVE = "\x1d\x1d"
QUIET = "stty -echo; PS1=; echo re''ady\n"


def modes(seen):
    """How the window treats keys and output."""
    return termios.tcgetattr(seen._end)[:4]


async def test_shell_is_typed_in_resized_left_and_taken_up_again(qd, session, observe):
    """Behaviour 17: type, resize the window, leave by the key, come back, exit; the window is as before, the kernel has no more processes."""
    kernel = observe.kernel(session.id)
    before = observe.kernel_pids(kernel)
    async with qd.terminal("session", "shell", session.id) as seen:
        usual = modes(seen)
        await seen.shows("Ctrl-] twice leaves")
        await until(lambda: modes(seen) != usual, within=10)
        seen.types(QUIET)
        await seen.shows("ready")
        seen.types("stty size\n")
        await seen.shows("24 80\r\n")
        seen.resize(132, 50)
        seen.types("until [ \"$(stty size)\" = '50 132' ]; do :; done; echo gr''own\n")
        await seen.shows("grown")
        (shell,) = {p for p in observe.kernel_pids(kernel) if p not in before}
        seen.types(LEAVE)
        assert await seen.ended() == 0
        assert "the shell goes on: qd session shell" in seen.text
        assert modes(seen) == usual
    assert shell in observe.kernel_pids(kernel)
    async with qd.terminal("session", "shell", session.id) as seen:
        await seen.shows("grown")
        seen.types("echo a''gain; exit\n")
        await seen.shows("again")
        assert await seen.ended() == 0
    await until(lambda: observe.kernel_pids(kernel) == before, within=5)


async def test_keys_reach_the_shell_as_they_are(qd, session):
    """Ctrl-C is for what runs there, and one Ctrl-] is a key like others. Interrupt a program; have all keys shown as bytes."""
    async with qd.terminal("session", "shell", session.id) as seen:
        seen.types(QUIET)
        await seen.shows("ready")
        seen.types("sh -c \"echo sl''eeps; exec sleep 600\"; echo s=$?\n")
        await seen.shows("sleeps")
        seen.interrupts()
        seen.types("echo st''ill\n")
        await seen.shows("still")
        seen.types(
            "stty raw; echo r''aw; dd bs=1 count=9 2>/dev/null | od -An -tx1; stty sane -echo\n"
        )
        await seen.shows("raw")
        seen.types("\x03\x04\x1a\x1dx\x1dé\x1d")
        await seen.shows("03 04 1a 1d 78 1d c3 a9 1d")
        seen.types(LEAVE)
        assert await seen.ended() == 0


async def test_lost_connection_is_taken_up_again(private_cluster, qd, user):
    """A shell outlives the manager. Restart it under an open shell, with another screen on: the same shell goes on, and the window is restored."""
    session = await user.sessions.create(name="fit")
    await session.reaches("RUNNING", within=10)
    async with qd.terminal("session", "shell", "fit") as seen:
        seen.types(QUIET)
        await seen.shows("ready")
        seen.types("kept=yes; printf '\\033[?1049hsc''reen'\n")
        await seen.shows("screen")
        await private_cluster.restart("manager")
        await seen.shows("the connection is lost")
        seen.types("echo still $kept\n")
        await seen.shows("still yes")
        seen.forget()
        seen.types(LEAVE)
        assert await seen.ended() == 0
        assert "\x1b[?1049l" in seen.raw


async def test_end_of_the_session_ends_the_shell(qd, session):
    """Nobody is left before a dead window. Terminate the session under an open shell."""
    async with qd.terminal("session", "shell", session.id) as seen:
        usual = modes(seen)
        seen.types(QUIET)
        await seen.shows("ready")
        await session.terminate()
        assert await seen.ended() == 0
        assert modes(seen) == usual


async def test_program_that_is_ended_restores_the_window(qd, session):
    """SIGTERM leaves no raw terminal behind. The shell goes on."""
    async with qd.terminal("session", "shell", session.id) as seen:
        usual = modes(seen)
        seen.types(QUIET)
        await seen.shows("ready")
        os.kill(seen.pid, signal.SIGTERM)
        assert await seen.ended() == 128 + signal.SIGTERM
        assert modes(seen) == usual


async def test_no_shell_where_there_is_none(qd, session):
    """A shell needs a terminal, and a session that runs: both are said, with what to do instead."""
    piped = await qd("session", "shell", session.id, check=False)
    assert piped.code == 2
    assert "qd session exec SESSION -- COMMAND" in piped.stderr
    await session.terminate()
    await session.reaches("TERMINATED", within=10)
    async with qd.terminal("session", "shell", session.id) as seen:
        assert await seen.ended() == 125
    assert "qd session show" in seen.text
