"""What a shell in an image runs, in the shell of this machine."""

import contextlib
import os
import signal
import subprocess

from quarterdeck.agent.kernels.oci import bundle, shell

INTERRUPTS = 500


def test_interrupt_between_two_commands_is_told_as_one_within(tmp_path):
    """Shells differ in the status that a piece has then. Interrupt one again and again the moment its first command begins: each is told as cut."""
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    (tmp_path / shell.CELL).write_text(f"echo > {begun}; while :; do :; done\n")
    told, answers = os.pipe()
    program = f"exec 3>/proc/self/fd/{answers}\n" + shell.PROGRAM.replace(
        bundle.GIVEN, str(tmp_path)
    )
    running = subprocess.Popen(
        ("/bin/sh", "-c", program), stdin=subprocess.PIPE, pass_fds=(answers,)
    )
    os.close(answers)
    with running, os.fdopen(told) as lines, contextlib.ExitStack() as stack:
        stack.callback(running.kill)
        assert running.stdin is not None
        for number in range(INTERRUPTS):
            running.stdin.write(f"{number}\n".encode())
            running.stdin.flush()
            reading = os.open(begun, os.O_RDONLY)
            running.send_signal(signal.SIGINT)
            assert lines.readline() == f"{number} 130\n"
            os.close(reading)
