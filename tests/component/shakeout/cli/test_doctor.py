"""`shakeout doctor` on this machine, which has everything, and on one that is made to lack something."""


async def test_everything_is_there(shakeout):
    ended = await shakeout("doctor", "--json")
    assert [one["name"] for one in ended.record if not one["fine"] and not one["optional"]] == []
    assert ended.code == 0


async def test_what_is_missing_is_told_with_its_remedy(shakeout, tmp_path):
    (tmp_path / "file").touch()
    ended = await shakeout("doctor", SHAKEOUT_HOME=str(tmp_path / "file" / "home"))
    assert ended.code == 1
    assert "missing  run directories" in ended.out
    assert "-> set SHAKEOUT_HOME to a directory with 1.0 GiB free" in ended.out
