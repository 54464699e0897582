"""Landmark geometry: distances, eye aspect ratio and the 3D similarity that lays one point set on another.

Everything here is exact under a mirror: negate x and swap the left and right points of each pair, and the result is
the mirrored one to the last bit. So no side is ever favoured by rounding.
"""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel

# fields of a fit, and the scratch behind them
SCALE = 0
ROTATION = 1  # 9 numbers, row by row
CENTRE_FROM = 10
CENTRE_TO = 13
WORK = 16  # 4 x 4 matrix while fitting
FIT_SIZE = 32

MAX_NEWTON = 50


@kernel
def distance(row: NDArray[np.float64], a: int, b: int) -> float:
    """Measure the distance of two points of a frame.

    row  : a frame, x, y, z of each point one after the other
    a, b : column of each point's x
    """
    dx = row[a] - row[b]
    dy = row[a + 1] - row[b + 1]
    dz = row[a + 2] - row[b + 2]
    return math.sqrt(dx * dx + dy * dy + dz * dz)


@kernel
def eye_height(row: NDArray[np.float64], eye: NDArray[np.int64]) -> float:
    """Measure the fissure of one eye: the mean distance of its two pairs of upper and lower lid points.

    eye : columns of corner, upper, upper, corner, lower, lower, going around, [6]
    """
    return 0.5 * (distance(row, eye[1], eye[5]) + distance(row, eye[2], eye[4]))


@kernel
def eye_aspect_ratio(row: NDArray[np.float64], eye: NDArray[np.int64]) -> float:
    """Divide the height of one eye by its width, NaN where the eye has no width.

    Source: Soukupova and Cech 2016, equation 1, on 3D distances (the same where z is 0).
    """
    width = distance(row, eye[0], eye[3])
    return eye_height(row, eye) / width if width > 0.0 else np.nan


@kernel
def centre(points: NDArray[np.float64], n: int, n_pairs: int, out: NDArray[np.float64]) -> None:
    """Average n points, each pair summed first so that swapping its two points changes nothing.

    points : [>= n, 3], the first 2 n_pairs rows are pairs (left, right)
    """
    for c in range(3):
        total = 0.0
        for i in range(n_pairs):
            total += points[2 * i, c] + points[2 * i + 1, c]
        for i in range(2 * n_pairs, n):
            total += points[i, c]
        out[c] = total / n


@kernel
def spread(points: NDArray[np.float64], n: int, n_pairs: int, mid: NDArray[np.float64]) -> float:
    """Sum the squared distances of n points from their centre."""
    total = 0.0
    for i in range(n_pairs):
        total += _square(points[2 * i], mid) + _square(points[2 * i + 1], mid)
    for i in range(2 * n_pairs, n):
        total += _square(points[i], mid)
    return total


@kernel
def _square(p: NDArray[np.float64], mid: NDArray[np.float64]) -> float:
    x, y, z = p[0] - mid[0], p[1] - mid[1], p[2] - mid[2]
    return x * x + y * y + z * z


@kernel
def minor(m: NDArray[np.float64], r: int, c: int) -> float:
    """Compute the determinant of a 4 x 4 matrix without row r and column c.

    m : the matrix row by row, [16]
    """
    i = (0 if r > 0 else 1) * 4
    j = (1 if r > 1 else 2) * 4
    k = (2 if r > 2 else 3) * 4
    a = 0 if c > 0 else 1
    b = 1 if c > 1 else 2
    d = 2 if c > 2 else 3
    return (
        m[i + a] * (m[j + b] * m[k + d] - m[j + d] * m[k + b])
        - m[i + b] * (m[j + a] * m[k + d] - m[j + d] * m[k + a])
        + m[i + d] * (m[j + a] * m[k + b] - m[j + b] * m[k + a])
    )


@kernel
def determinant(m: NDArray[np.float64]) -> float:
    """Compute the determinant of a 4 x 4 matrix from the minors of its upper and lower half.

    m : the matrix row by row, [16]
    """
    return (
        (m[0] * m[5] - m[4] * m[1]) * (m[10] * m[15] - m[14] * m[11])
        - (m[0] * m[6] - m[4] * m[2]) * (m[9] * m[15] - m[13] * m[11])
        + (m[0] * m[7] - m[4] * m[3]) * (m[9] * m[14] - m[13] * m[10])
        + (m[1] * m[6] - m[5] * m[2]) * (m[8] * m[15] - m[12] * m[11])
        - (m[1] * m[7] - m[5] * m[3]) * (m[8] * m[14] - m[12] * m[10])
        + (m[2] * m[7] - m[6] * m[3]) * (m[8] * m[13] - m[12] * m[9])
    )


@kernel
def similarity(
    points: NDArray[np.float64], onto: NDArray[np.float64], n: int, n_pairs: int, fit: NDArray[np.float64]
) -> int:
    """Find scale, rotation and centres that lay points on other points with least squared error; 0 where none exists.

    points, onto : the same n points twice, the first 2 n_pairs rows are pairs (left, right), [>= n, 3]
    fit          : SCALE, ROTATION, CENTRE_FROM, CENTRE_TO and scratch, [FIT_SIZE]; `place` applies it

    Flat point sets (all z equal) are turned within their plane. Mirror images are never made.
    Source: Horn 1987 (quaternion matrix); Theobald 2005 (its largest root by Newton from above).
    """
    mid = fit[CENTRE_FROM : CENTRE_FROM + 3]
    aim = fit[CENTRE_TO : CENTRE_TO + 3]
    centre(points, n, n_pairs, mid)
    centre(onto, n, n_pairs, aim)
    size = spread(points, n, n_pairs, mid)
    size_onto = spread(onto, n, n_pairs, aim)
    norm = math.sqrt(size) * math.sqrt(size_onto)
    if not (norm > 0.0 and norm < 1e300):
        return 0
    s = fit[ROTATION : ROTATION + 9]  # the covariance, until the rotation is known
    for a in range(3):
        for b in range(3):
            total = 0.0
            for i in range(n_pairs):
                j = 2 * i
                total += (points[j, a] - mid[a]) * (onto[j, b] - aim[b]) + (points[j + 1, a] - mid[a]) * (
                    onto[j + 1, b] - aim[b]
                )
            for i in range(2 * n_pairs, n):
                total += (points[i, a] - mid[a]) * (onto[i, b] - aim[b])
            s[3 * a + b] = total / norm
    m = fit[WORK : WORK + 16]
    m[0] = s[0] + s[4] + s[8]
    m[5] = s[0] - s[4] - s[8]
    m[10] = s[4] - s[0] - s[8]
    m[15] = s[8] - s[0] - s[4]
    m[1] = s[5] - s[7]
    m[2] = s[6] - s[2]
    m[3] = s[1] - s[3]
    m[6] = s[1] + s[3]
    m[7] = s[2] + s[6]
    m[11] = s[5] + s[7]
    for i in range(4):
        for j in range(i):
            m[4 * i + j] = m[4 * j + i]
    c2 = 0.0
    for i in range(9):
        c2 += s[i] * s[i]
    c2 *= -2.0
    c1 = -8.0 * (
        s[0] * (s[4] * s[8] - s[5] * s[7]) - s[1] * (s[3] * s[8] - s[5] * s[6]) + s[2] * (s[3] * s[7] - s[4] * s[6])
    )
    c0 = determinant(m)
    root = 1.0  # an upper bound by Cauchy and Schwarz, so Newton falls onto the largest root
    for _ in range(MAX_NEWTON):
        square = root * root
        slope = (4.0 * square + 2.0 * c2) * root + c1
        if not slope > 0.0:
            break
        fall = ((square + c2) * square + c1 * root + c0) / slope
        root -= fall
        if abs(fall) < 1e-15:
            break
    for i in range(4):
        m[5 * i] -= root
    best, largest = 0, -1.0
    for i in range(4):
        v = abs(minor(m, i, i))
        if v > largest:
            best, largest = i, v
    for i in range(4):
        s[i] = minor(m, best, i)
    w, x, y, z = s[0], -s[1], s[2], -s[3]
    length = math.sqrt((w * w + x * x) + (y * y + z * z))
    if not length > 1e-6:  # the points lie on one line: their rotation is open
        return 0
    w, x, y, z = w / length, x / length, y / length, z / length
    s[0] = (w * w + x * x) - (y * y + z * z)
    s[4] = (w * w + y * y) - (x * x + z * z)
    s[8] = (w * w + z * z) - (x * x + y * y)
    s[1] = 2.0 * (x * y - w * z)
    s[2] = 2.0 * (x * z + w * y)
    s[3] = 2.0 * (x * y + w * z)
    s[5] = 2.0 * (y * z - w * x)
    s[6] = 2.0 * (x * z - w * y)
    s[7] = 2.0 * (y * z + w * x)
    fit[SCALE] = root * norm / size
    return 1


@kernel
def similarity_in_plane(
    points: NDArray[np.float64], onto: NDArray[np.float64], n: int, n_pairs: int, fit: NDArray[np.float64]
) -> int:
    """Find what `similarity` finds, turning in the image plane only: for points without depth, even all on one line."""
    mid = fit[CENTRE_FROM : CENTRE_FROM + 3]
    aim = fit[CENTRE_TO : CENTRE_TO + 3]
    centre(points, n, n_pairs, mid)
    centre(onto, n, n_pairs, aim)
    size = spread(points, n, n_pairs, mid)
    along, across = 0.0, 0.0
    for k in range(n_pairs):
        i, j = 2 * k, 2 * k + 1
        along += _along(points[i], mid, onto[i], aim) + _along(points[j], mid, onto[j], aim)
        across += _across(points[i], mid, onto[i], aim) + _across(points[j], mid, onto[j], aim)
    for i in range(2 * n_pairs, n):
        along += _along(points[i], mid, onto[i], aim)
        across += _across(points[i], mid, onto[i], aim)
    length = math.sqrt(along * along + across * across)
    if not (length > 0.0 and length < 1e300 and size > 0.0):
        return 0
    r = fit[ROTATION : ROTATION + 9]
    for i in range(9):
        r[i] = 0.0
    r[0] = r[4] = along / length
    r[1] = -across / length
    r[3] = across / length
    r[8] = 1.0
    fit[SCALE] = length / size
    return 1


@kernel
def _along(p: NDArray[np.float64], mid: NDArray[np.float64], q: NDArray[np.float64], aim: NDArray[np.float64]) -> float:
    return (p[0] - mid[0]) * (q[0] - aim[0]) + (p[1] - mid[1]) * (q[1] - aim[1])


@kernel
def _across(
    p: NDArray[np.float64], mid: NDArray[np.float64], q: NDArray[np.float64], aim: NDArray[np.float64]
) -> float:
    return (p[0] - mid[0]) * (q[1] - aim[1]) - (p[1] - mid[1]) * (q[0] - aim[0])


@kernel
def place(fit: NDArray[np.float64], p: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Apply a fit to one point.

    p, out : [3]; may be the same
    """
    x = p[0] - fit[CENTRE_FROM]
    y = p[1] - fit[CENTRE_FROM + 1]
    z = p[2] - fit[CENTRE_FROM + 2]
    for i in range(3):
        r = ROTATION + 3 * i
        out[i] = fit[SCALE] * (fit[r] * x + fit[r + 1] * y + fit[r + 2] * z) + fit[CENTRE_TO + i]
