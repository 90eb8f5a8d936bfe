"""What processes cost, as the kernel counts it."""

from pathlib import Path


def private_mb(pid: int) -> float:
    """Memory that a process shares with nobody."""
    return memory_mb(pid, ("Private_Clean", "Private_Dirty"))


def memory_mb(pid: int, kinds: tuple[str, ...] = ("Pss",)) -> float:
    """Sum of these lines of smaps_rollup; by default its share of all memory that it uses."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.split(":")[0] in kinds) / 1024


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far, all threads that live."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
