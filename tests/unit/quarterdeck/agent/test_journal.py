"""What a command writes, on disk: after another life all of it, as far as it is remembered at all; never more than twice that."""

from quarterdeck.agent.kernels import journal
from quarterdeck.agent.kernels.capture import Tail
from quarterdeck.agent.kernels.journal import Journal


def kept(path, tail):
    tail.keep(Journal(path, 100))
    return tail


def test_a_log_goes_on_in_another_life(tmp_path):
    first = Tail(100)
    first.add(b"before ")
    kept(tmp_path / "k.log", first).add(b"then ")
    first.close()
    second = Tail(100)
    second.add(b"meanwhile ")
    kept(tmp_path / "k.log", second).add(b"now")
    assert second.logs().text == "before then meanwhile now"
    second.close()
    assert journal.read(tmp_path / "k.log") == second.logs().text.encode()


def test_a_journal_is_bounded_and_has_the_newest(tmp_path):
    tail = kept(tmp_path / "k.log", Tail(100))
    for number in range(100):
        tail.add(b"%09d " % number)
        assert (tmp_path / "k.log").stat().st_size <= 200
    tail.close()
    assert journal.read(tmp_path / "k.log", 100).decode() == tail.logs().text
    assert tail.logs().text.endswith("000000099 ")


def test_a_disk_that_is_full_costs_the_next_life_only(tmp_path, caplog):
    tail = kept(tmp_path / "k.log", Tail(100))
    tail.close()
    broken = Journal(tmp_path / "other.log", 100)
    broken.close()
    tail.keep(broken)
    tail.add(b"all the same")
    assert tail.logs().text == "all the same"
    assert "journal-not-written" in caplog.text


def test_no_journal_is_nothing(tmp_path):
    assert journal.read(tmp_path / "none.log") == b""
