"""The main job: a user's own script on a real data file, by the SDK and by `qd`, judged by an independent computation."""

import csv
import json
from pathlib import Path

import astropy_iers_data
import numpy as np

SCRIPT = Path(__file__).parent / "data" / "fit_polar_motion.py"
SERIES = Path(astropy_iers_data.IERS_B_FILE)
"""Daily pole coordinates since 1962, as the Earth orientation service publishes them."""

DAYS_PER_YEAR = 365.25
CHANDLER_PERIODS_DAYS = np.arange(425, 441.5, 0.5)
AGREEMENT_ARCSECONDS = 1e-9
RUN = f"""
import runpy, sys
sys.argv = ["fit", "work/{SERIES.name}", "work/results"]
_ = runpy.run_path("work/{SCRIPT.name}", run_name="__main__")
"""


async def test_user_fits_a_model_to_real_data_through_the_sdk(user, observe, tmp_path):
    """A user's work is right and leaves nothing. Upload, run, download, compare with numpy's own solution, terminate."""
    folder = await user.folders.create("polar-motion")
    await folder.upload(SCRIPT)
    await folder.upload(SERIES)
    assert observe.content(folder.id) == {
        path.name: path.read_bytes() for path in (SCRIPT, SERIES)
    }

    session = await user.sessions.create(slots={"cpu": 1}, mounts={"work": folder})
    await session.reaches("RUNNING", within=10)
    execution = await session.execute(RUN)
    assert execution.error is None
    assert "Chandler period" in execution.stdout

    await folder.download("results", tmp_path)
    judge(tmp_path / "results")

    await session.terminate()
    await session.reaches("TERMINATED", within=10)
    assert_nothing_is_left(observe, session.id)


async def test_user_fits_a_model_to_real_data_through_qd(user, observe, qd, tmp_path):
    """The same by hand: every step is a command as a user types it, in a process of its own."""
    await qd("folder", "create", "polar-motion")
    await qd("folder", "upload", "polar-motion", str(SCRIPT))
    await qd("folder", "upload", "polar-motion", str(SERIES))
    wanted = ("python:3.11", "--name", "fit", "--mount", "polar-motion:work")
    created = await qd("session", "create", *wanted, "--wait", "--json")
    session = created.json["id"]
    ran = await qd("session", "exec", "fit", "-c", RUN)
    assert "Chandler period" in ran.stdout

    await qd("folder", "download", "polar-motion", "results", ".")
    judge(tmp_path / "results")

    await qd("session", "rm", "fit", "--wait")
    assert_nothing_is_left(observe, session)
    await qd("folder", "rm", "polar-motion")
    await qd("folder", "purge", "polar-motion")
    assert observe.value("SELECT count(*) FROM folders WHERE owner_id = %s", user.id) == 0


def judge(results: Path) -> None:
    """Solve the problem anew with numpy, from the published file, and compare every number that the user got."""
    table = np.loadtxt(SERIES, usecols=(4, 5, 6))
    period = min(CHANDLER_PERIODS_DAYS, key=lambda days: left_over(table[::10], days))
    solution = np.linalg.lstsq(design(table[:, 0], period), table[:, 1:], rcond=None)[0]
    expected = table[:, 1:] - design(table[:, 0], period) @ solution

    model = json.loads((results / "model.json").read_text())
    assert model["days"] == len(table)
    assert model["chandler_period_days"] == period
    fitted = np.array([list(model[axis].values()) for axis in ("x", "y")]).T
    np.testing.assert_allclose(fitted, solution, rtol=0, atol=AGREEMENT_ARCSECONDS)
    with (results / "residuals.csv").open() as file:
        residuals = np.array([[float(row["x"]), float(row["y"])] for row in csv.DictReader(file)])
    np.testing.assert_allclose(residuals, expected, rtol=0, atol=AGREEMENT_ARCSECONDS)


def design(days: np.ndarray, period: float) -> np.ndarray:
    years = (days - (days[0] + days[-1]) / 2) / DAYS_PER_YEAR
    annual = 2 * np.pi * years
    chandler = annual * DAYS_PER_YEAR / period
    waves = [np.cos(annual), np.sin(annual), np.cos(chandler), np.sin(chandler)]
    return np.stack([np.ones_like(years), years, *waves], axis=1)


def left_over(table: np.ndarray, period: float) -> float:
    return float(np.linalg.lstsq(design(table[:, 0], period), table[:, 1:], rcond=None)[1].sum())


def assert_nothing_is_left(observe, session: str) -> None:
    assert observe.live_kernels(session) == []
    assert observe.kernel(session) not in observe.scratch()
    assert observe.slots_in_use(session) == (0, 0)
