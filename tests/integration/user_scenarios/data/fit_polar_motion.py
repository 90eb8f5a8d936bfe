"""Fit the Earth's polar motion: a drift, the annual wobble and Chandler's wobble, by least squares.

Usage: python fit_polar_motion.py EOP_C04_FILE RESULTS_DIRECTORY

Reads the daily pole coordinates of the IERS C04 series (arcseconds) and, for x and y, fits

    offset + drift * t + annual cosine and sine + Chandler cosine and sine

with t in years from the middle of the series. The period of Chandler's wobble is searched first, on every tenth day:
of the periods tried, the one that leaves the least residual wins. Writes `model.json` (the coefficients) and
`residuals.csv` (what the model leaves, day by day). Needs no package.
"""

import csv
import json
import math
import sys
from pathlib import Path

DAYS_PER_YEAR = 365.25
CHANDLER_PERIODS_DAYS = [425 + 0.5 * step for step in range(33)]
PARAMETERS = ("offset", "drift", "annual_cos", "annual_sin", "chandler_cos", "chandler_sin")


def main(source, target):
    series = read(Path(source))
    period = min(CHANDLER_PERIODS_DAYS, key=lambda days: sum_of_squares(series[::10], days))
    model = {axis: fit(series, axis, period) for axis in ("x", "y")}
    write(Path(target), series, period, model)
    print(f"{len(series)} days, Chandler period {period} days")
    for axis, (coefficients, _) in model.items():
        chandler = math.hypot(coefficients["chandler_cos"], coefficients["chandler_sin"])
        print(
            f"{axis}: drift {1000 * coefficients['drift']:+.3f} mas/year, Chandler amplitude {1000 * chandler:.1f} mas"
        )


def read(path):
    """Rows of the modified Julian date and the pole's coordinates x and y."""
    lines = (line.split() for line in path.read_text().splitlines() if not line.startswith("#"))
    return [{"mjd": float(line[4]), "x": float(line[5]), "y": float(line[6])} for line in lines]


def sum_of_squares(series, period):
    return math.fsum(r * r for axis in ("x", "y") for r in fit(series, axis, period)[1])


def fit(series, axis, period):
    """The coefficients by name, and the residual of each day."""
    middle = (series[0]["mjd"] + series[-1]["mjd"]) / 2
    rows = [design((day["mjd"] - middle) / DAYS_PER_YEAR, period) for day in series]
    values = [day[axis] for day in series]
    size = range(len(PARAMETERS))
    normal = [[math.fsum(row[i] * row[j] for row in rows) for j in size] for i in size]
    moments = [math.fsum(row[i] * value for row, value in zip(rows, values)) for i in size]
    solution = solve(normal, moments)
    residuals = [
        value - sum(a * b for a, b in zip(row, solution)) for row, value in zip(rows, values)
    ]
    return dict(zip(PARAMETERS, solution)), residuals


def design(years, period):
    annual = 2 * math.pi * years
    chandler = annual * DAYS_PER_YEAR / period
    return (1.0, years, math.cos(annual), math.sin(annual), math.cos(chandler), math.sin(chandler))


def solve(matrix, vector):
    """Gaussian elimination with partial pivoting."""
    rows = [[*row, value] for row, value in zip(matrix, vector)]
    size = len(rows)
    for column in range(size):
        pivot = max(range(column, size), key=lambda i: abs(rows[i][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        for i in range(column + 1, size):
            factor = rows[i][column] / rows[column][column]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[column])]
    solution = [0.0] * size
    for i in reversed(range(size)):
        known = sum(rows[i][j] * solution[j] for j in range(i + 1, size))
        solution[i] = (rows[i][size] - known) / rows[i][i]
    return solution


def write(directory, series, period, model):
    directory.mkdir(parents=True, exist_ok=True)
    summary = {"days": len(series), "chandler_period_days": period}
    summary.update({axis: coefficients for axis, (coefficients, _) in model.items()})
    (directory / "model.json").write_text(json.dumps(summary, indent=2))
    with (directory / "residuals.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("mjd", "x", "y"))
        table.writerows(zip((day["mjd"] for day in series), model["x"][1], model["y"][1]))


if __name__ == "__main__":
    main(*sys.argv[1:])
