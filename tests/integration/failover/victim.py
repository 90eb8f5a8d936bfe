"""A busy run of the whole platform that never ends by itself; `test_runner_killed` starts it and kills it."""


async def test_busy(cluster, user, tmp_path):
    """Keep everything busy: sessions come, compute, spawn children and go, files are written, one session always runs."""
    (tmp_path / "data").write_bytes(bytes(1024 * 1024))
    folder = await user.folders.create("busy")
    steady = await user.sessions.create(mounts={"data": folder})
    await steady.reaches("RUNNING", within=30)
    await steady.execute("import subprocess; subprocess.Popen(['setsid', 'sleep', '1000'])")
    (tmp_path.parent / "busy").touch()
    while True:
        await folder.upload(tmp_path / "data")
        brief = await user.sessions.create()
        await brief.reaches("RUNNING", within=30)
        await brief.execute("sum(range(1000))")
        await brief.terminate()
