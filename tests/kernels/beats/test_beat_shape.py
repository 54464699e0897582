"""Shapes of beats are told apart, learned and measured."""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.beats import beat_shape
from vitalcore.kernels.beats.beat_shape import LEAD, N_AFTER_SHAPE, N_QRS, N_READ, N_SHAPE, N_SHIFT, N_T, QRS_AT

T_S = beat_shape.FIRST_S + beat_shape.STEP_S * np.arange(N_READ)


def narrow(shift_s: float = 0.0, p: float = 0.15) -> NDArray[np.float64]:
    """A P wave and a narrow complex."""
    qrs = np.exp(-(((T_S - shift_s) / 0.012) ** 2)) - 0.25 * np.exp(-(((T_S - shift_s - 0.03) / 0.012) ** 2))
    return np.asarray(qrs + p * np.exp(-(((T_S + 0.16) / 0.025) ** 2)))


def wide() -> NDArray[np.float64]:
    return np.asarray(-1.4 * np.exp(-((T_S / 0.05) ** 2)) + 0.5 * np.exp(-(((T_S - 0.1) / 0.04) ** 2)))


def seen(lead: np.void, points: NDArray[np.float64], v: float = 0.0) -> NDArray[np.float64]:
    """Look at a beat and learn it."""
    x, after = np.zeros(N_SHAPE), np.zeros(N_T)
    beat_shape.look(lead, points, x)
    beat_shape.learn(lead, x, after, 0, 1.0, v, 0.0)
    return x


def test_a_fit_is_the_best_correlation_over_the_shifts() -> None:
    rng = np.random.default_rng(1)
    pairs = rng.normal(size=N_READ // 2)
    shape = rng.normal(size=N_QRS)
    shape -= shape.mean()
    r, distance, size, shift = beat_shape.fit(pairs, shape)
    windows = {s: pairs[QRS_AT + s : QRS_AT + s + N_QRS] for s in range(-N_SHIFT, N_SHIFT + 1)}
    best = max(windows, key=lambda s: float(np.corrcoef(windows[s], shape)[0, 1]))
    moved = windows[best] - windows[best].mean()
    assert shift == best
    np.testing.assert_allclose(r, np.corrcoef(moved, shape)[0, 1])
    np.testing.assert_allclose(distance, np.linalg.norm(moved - shape) / np.linalg.norm(shape))
    np.testing.assert_allclose(size, np.linalg.norm(moved) / np.linalg.norm(shape))


def test_the_usual_shape_is_dominant_and_a_wide_one_is_another() -> None:
    lead = np.zeros(1, LEAD)[0]
    for k in range(20):
        seen(lead, narrow(0.004 * (k % 3 - 1)))
    same, other = seen(lead, narrow()), seen(lead, wide(), v=1.0)
    assert same[beat_shape.FIT] > 0.95
    assert same[beat_shape.OWN_IS_DOMINANT] == 1.0
    assert other[beat_shape.FIT] < 0.5
    assert other[beat_shape.OWN_IS_DOMINANT] == 0.0
    assert other[beat_shape.SPREAD] > 2 * same[beat_shape.SPREAD]
    assert seen(lead, wide())[beat_shape.OWN_V] == 1.0  # what was said of that shape is remembered


def test_every_second_beat_ventricular_leaves_the_narrow_shape_dominant() -> None:
    lead = np.zeros(1, LEAD)[0]
    for _ in range(30):
        seen(lead, narrow())
        seen(lead, wide(), v=1.0)
    assert seen(lead, narrow())[beat_shape.OWN_IS_DOMINANT] == 1.0


def test_an_absent_p_wave_shows() -> None:
    lead = np.zeros(1, LEAD)[0]
    for _ in range(12):
        seen(lead, narrow())
    there, absent = seen(lead, narrow()), seen(lead, narrow(p=0.0))
    assert abs(there[beat_shape.P_SIZE] - 1.0) < 0.05
    assert abs(absent[beat_shape.P_SIZE]) < 0.1
    assert absent[beat_shape.P_HIGH] < 0.2 * there[beat_shape.P_HIGH]


def test_a_turned_t_wave_shows() -> None:
    lead = np.zeros(1, LEAD)[0]
    t_wave = 0.3 * np.sin(np.linspace(0, np.pi, N_T))
    x, after = np.zeros(N_SHAPE), np.zeros(N_AFTER_SHAPE)
    for _ in range(12):
        beat_shape.look(lead, narrow(), x)
        beat_shape.learn(lead, x, t_wave, N_T, 1.0, 0.0, 0.0)
    beat_shape.look(lead, narrow(), x)
    beat_shape.look_after(lead, t_wave, N_T, float(x[beat_shape.AREA]), after)
    assert after[beat_shape.T_FIT] > 0.95
    beat_shape.look_after(lead, -t_wave, N_T, float(x[beat_shape.AREA]), after)
    assert after[beat_shape.T_FIT] < -0.99
    assert after[beat_shape.T_LEAN] < 0


def test_a_forgotten_lead_knows_no_shape() -> None:
    lead = np.zeros(1, LEAD)[0]
    for _ in range(5):
        seen(lead, wide())
    beat_shape.forget(lead)
    x = np.zeros(N_SHAPE)
    beat_shape.look(lead, narrow(), x)
    assert x[beat_shape.FIT] == 1.0
    assert lead["own"] == -1


def test_a_flat_lead_gives_numbers_all_the_same() -> None:
    lead = np.zeros(1, LEAD)[0]
    for _ in range(3):
        assert np.isfinite(seen(lead, np.zeros(N_READ))).all()
