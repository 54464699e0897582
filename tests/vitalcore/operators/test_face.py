"""Face and Blinks as operators, on simulated and real faces."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vitalcore import findings
from vitalcore.errors import InputError, ParameterError
from vitalcore.fixtures.face import simulate_face
from vitalcore.kernels.core import codes
from vitalcore.operators.face import SCHEMAS, Blinks, Face, frames
from vitalcore.plan import Node, Plan, source


def plan(schema: str, **how: Any) -> Plan:
    node = source("face", None, 3 * SCHEMAS[schema].n_points) | Face(schema, **how)
    return Plan(found=node, wave=node.wave)


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("depth", [2, 3])
def test_every_blink_of_a_simulated_face_is_found_in_time(schema: str, depth: int) -> None:
    made = simulate_face(40, 30, schema, 2)
    out = plan(schema).run(face=frames(made.t_ns, made.points[:, :, :depth]))
    for side in (0, 1):
        found = findings.beats(out["found"], codes.BLINK)
        found = found[found["channel"] == side]
        assert len(found) == len(made.blink_ns[side])
        assert np.abs(found["t"] - made.blink_ns[side]).max() < 30e6
        late = found["t_known"] - found["t"]
        assert np.percentile(late, 95) <= 300e6
        assert late.max() <= 600e6
    assert out["wave"].shape == (len(made.t_ns), 4)


def test_schemas_name_each_point_once_and_on_its_side() -> None:
    for name, schema in SCHEMAS.items():
        x = simulate_face(0.1, 30, name, yaw_deg=0, jitter_mm=0, px_per_mm=1).points[0, :, 0] - 320
        lefts = [p for p, _ in schema.pairs] + list(schema.eyes[0]) + list(schema.brows[0]) + [schema.mouth[0]]
        rights = [p for _, p in schema.pairs] + list(schema.eyes[1]) + list(schema.brows[1]) + [schema.mouth[1]]
        assert (x[lefts] > 0).all()
        np.testing.assert_allclose(x[rights] + x[lefts], 2 * x[schema.nose], atol=1e-9)
        assert max(*lefts, *rights, *schema.midline, schema.nose) < schema.n_points


def test_frames_pack_points_with_and_without_depth() -> None:
    points = np.arange(12.0).reshape(2, 2, 3)
    assert frames(np.array([5, 6]), points).tolist() == [[5, *range(6)], [6, *range(6, 12)]]
    assert frames(np.array([5, 6]), points[:, :, :2])[0].tolist() == [5, 0, 1, 0, 3, 4, 0]
    with pytest.raises(InputError, match="points must be"):
        frames(np.array([5]), points)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: source("face", None, 9) | Face(), "needs 1434"),
        (lambda: source("face", 30, 1434) | Face(), "declare face with fs_hz=None"),
        (lambda: source("face", None, 1434) | Face("dlib"), "schema is dlib; there are ibug68, mp468, mp478"),
        (lambda: source("face", None, 1434) | Face(rest_s=0), "rest_s is 0 s"),
        (lambda: source("face", None, 1434) | Face(pose_deg=90), "pose_deg is 90 deg"),
        (lambda: source("ear", None, 2) | Blinks(drop_ratio=2), "drop_ratio is 2"),
        (lambda: source("ear", None, 3) | Blinks(), "1 or 2 eyes"),
        (lambda: source("ear", None, 2) | Blinks() | Blinks(), "takes a wave"),
    ],
)
def test_what_does_not_fit_is_refused(make: Callable[[], Node], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        make()


def test_blinks_of_an_aspect_ratio_given_are_those_of_the_face() -> None:
    made = simulate_face(30, 30, "ibug68", 1, yaw_deg=0)
    face = plan("ibug68").run(face=frames(made.t_ns, made.points))
    ear = np.column_stack([made.t_ns, face["wave"][:, :2]])
    given = Plan(blinks=source("ear", None, ("left", "right")) | Blinks()).run(ear=ear)["blinks"]
    assert given.tobytes() == face["found"][face["found"]["code"] == codes.BLINK].tobytes()


def test_a_session_restored_elsewhere_goes_on() -> None:
    made = simulate_face(10, 30, "mp478", 1)
    x = frames(made.t_ns, made.points)
    whole, first, second = plan("mp478").open(), plan("mp478").open(), plan("mp478").open()
    expected = whole.push(face=x)["found"]
    a = first.push(face=x[:140])["found"]
    second.restore(first.snapshot())
    b = second.push(face=x[140:])["found"]
    assert np.concatenate([a, b]).tobytes() == expected.tobytes()


@pytest.mark.parametrize("clip", [1, 2])
def test_a_turning_head_of_a_real_detector_feigns_little(data: Path, clip: int) -> None:
    made = np.load(data / "face" / "dynaface" / f"video{clip}-512_mp478.npz")
    x = frames(np.rint(made["t"] * 1e9), made["landmarks"])
    wave = plan("mp478", rest_s=0.5).run(face=x)["wave"]
    difference = (wave[:, 2] - wave[:, 3]) * 63  # about mm
    assert np.nanstd(difference) < 1.0


def test_a_real_face_of_68_points_is_followed(data: Path) -> None:
    table = pd.read_csv(data / "face" / "pyfeat" / "OpenFace_Test.csv", skipinitialspace=True)
    points = np.stack([table[[f"{a}_{i}" for i in range(68)]].to_numpy() for a in "XYZ"], axis=2)
    t_ns = np.rint(np.arange(len(table)) * 1e9 / 30).astype(np.int64)
    out = plan("ibug68").run(face=frames(t_ns, points))
    assert np.nanmedian(out["wave"][:, :2]) == pytest.approx(0.32, abs=0.03)
    yaw = findings.features(out["found"], codes.HEAD_YAW)["value"][2:]
    assert np.abs(yaw - np.rad2deg(table["pose_Ry"]).mean()).max() < 3


def test_lids_given_as_coefficients_are_counted(data: Path) -> None:
    table = pd.read_csv(data / "face" / "livelinkface_rom" / "alex_rom_3.csv")
    ear = 0.3 * (1 - table[["EyeBlinkLeft", "EyeBlinkRight"]].to_numpy())
    t_ns = np.rint(np.arange(len(table)) * 1e9 / 30)
    found = Plan(b=source("ear", None, 2) | Blinks()).run(ear=np.column_stack([t_ns, ear]))["b"]
    left, right = found[found["channel"] == 0], found[found["channel"] == 1]
    assert 5 < len(left) < 150
    together = np.abs(left["t"][:, None] - right["t"]).min(axis=1) < 150e6
    assert together.mean() > 0.8
