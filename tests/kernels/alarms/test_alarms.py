import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore import alarms as limits
from vitalcore import findings
from vitalcore.kernels.alarms import alarms
from vitalcore.kernels.core import codes, finding
from vitalcore.kernels.core.finding import ACKNOWLEDGED, ASSERTED, ENDED, FINDING, RAISED

FS_HZ = 100.0
LETHAL = (
    codes.ASYSTOLE,
    codes.VENTRICULAR_FIBRILLATION,
    codes.VENTRICULAR_TACHYCARDIA,
    codes.EXTREME_BRADYCARDIA,
    codes.EXTREME_TACHYCARDIA,
)


def row(what: int, code: int, t_s: float, known_s: float, *body: float, **fields: int | float) -> NDArray[np.void]:
    made = np.zeros(1, FINDING)
    made["what"], made["code"], made["channel"], made["quality"] = what, code, -1, 1.0
    made["t"], made["t_known"] = t_s * FS_HZ, known_s * FS_HZ
    made["body"] = np.nan
    made["body"][0, : len(body)] = body
    for name, value in fields.items():
        made[name] = value
    return made


def event(code: int, met_s: float, end_s: float = np.nan, known_s: float | None = None) -> NDArray[np.void]:
    known = known_s if known_s is not None else met_s if np.isnan(end_s) else end_s
    return row(finding.EVENT, code, met_s - 4, known, end_s * FS_HZ, (met_s - 4) * FS_HZ, met_s * FS_HZ)


def second(t_s: float, rate: float = 75.0, quality: float = 1.0, reasons: int = 0) -> NDArray[np.void]:
    return row(finding.FEATURE, codes.HEART_RATE, t_s, t_s, rate, 1.0, quality=quality, reasons=reasons)


def lead(t_s: float, channel: int, reasons: int) -> NDArray[np.void]:
    return row(finding.FEATURE, codes.SIGNAL_QUALITY, t_s, t_s, 0.0, 1.0, channel=channel, reasons=reasons)


def pulse(t_s: float, quality: float = 1.0, witness: int = 1) -> NDArray[np.void]:
    return row(finding.BEAT, codes.PULSE, t_s, t_s + 0.4, slot=witness, quality=quality)


class Alarms:
    """The kernel with its memory, for the limits of a grown-up."""

    def __init__(self, **changes: object) -> None:
        self.params = limits.preset().changed(changes).params(FS_HZ)
        self.state = np.zeros(1, alarms.STATE)
        alarms.begin(self.state[0])

    def take(self, *rows: NDArray[np.void]) -> findings.Findings:
        x = np.concatenate(rows)
        out = np.zeros(len(x) * 3 * alarms.N, FINDING)
        n = alarms.step(self.params[0], self.state[0], x, out)
        return findings.alarms(out[:n])

    def seconds(self, start_s: int, end_s: int, rate: float = 75.0) -> findings.Findings:
        return self.take(*(second(t, rate) for t in range(start_s, end_s)))

    def acknowledge(self, code: int) -> None:
        self.state[0]["each"][alarms.place(code)]["asked"] = 1


def states(said: findings.Findings) -> list[int]:
    return said["state"].astype(int).tolist()


@pytest.mark.parametrize("code", LETHAL)
def test_a_lethal_rhythm_is_raised_at_once_with_its_evidence(code: int) -> None:
    (alarm,) = Alarms().take(event(code, 20.0, known_s=20.3))
    assert (alarm["code"], alarm["state"], alarm["priority"], alarm["latching"]) == (code, RAISED, finding.HIGH, 1)
    assert (alarm["t"], alarm["t_known"]) == (2000, 2030)
    assert (alarm["evidence_from"], alarm["evidence_to"]) == (1600, 2000)
    assert np.isnan(alarm["t_end"])


@pytest.mark.parametrize("code", LETHAL)
def test_a_lethal_alarm_stands_after_its_end_until_it_is_acknowledged(code: int) -> None:
    a = Alarms()
    a.take(event(code, 20.0))
    (over,) = a.take(event(code, 20.0, 30.0))
    assert (over["state"], over["t_end"]) == (ASSERTED, 3000)
    said = a.seconds(31, 60)
    assert states(said) == [ASSERTED, ASSERTED]
    a.acknowledge(code)
    said = a.seconds(60, 90)
    assert states(said) == [ACKNOWLEDGED, ENDED]
    assert said["t_known"].tolist() == [6000, 6000]
    assert said["t_end"].tolist() == [3000, 3000]


def test_an_acknowledged_lethal_alarm_ends_with_its_condition() -> None:
    a = Alarms()
    a.take(event(codes.ASYSTOLE, 20.0))
    a.acknowledge(codes.ASYSTOLE)
    assert states(a.seconds(21, 30)) == [ACKNOWLEDGED]
    a.take(event(codes.ASYSTOLE, 20.0, 30.0))
    (ended,) = a.seconds(30, 60)
    assert (ended["state"], ended["t_end"], ended["t"]) == (ENDED, 3000, 2000)


def test_a_standing_alarm_is_said_again_every_ten_seconds_acknowledged_or_not() -> None:
    a = Alarms()
    a.take(second(20), event(codes.VENTRICULAR_FIBRILLATION, 20.0))
    said = a.seconds(21, 61)
    assert states(said) == [ASSERTED] * 4
    assert np.diff(said["t_known"]).tolist() == [1000.0] * 3
    a.acknowledge(codes.VENTRICULAR_FIBRILLATION)
    assert states(a.seconds(61, 92)) == [ACKNOWLEDGED] * 4


def test_an_alarm_that_comes_back_while_it_is_latched_is_raised_anew() -> None:
    a = Alarms()
    a.take(event(codes.ASYSTOLE, 20.0), event(codes.ASYSTOLE, 20.0, 30.0))
    (again,) = a.take(event(codes.ASYSTOLE, 50.0))
    assert (again["state"], again["t"]) == (RAISED, 5000)
    assert np.isnan(again["t_end"])


def test_an_acknowledgement_of_an_alarm_that_does_not_stand_does_nothing_later() -> None:
    a = Alarms()
    a.acknowledge(codes.ASYSTOLE)
    a.seconds(1, 5)
    a.take(event(codes.ASYSTOLE, 20.0))
    assert not len(a.seconds(21, 30))


def test_a_rate_outside_its_limits_is_an_alarm_after_the_delay_and_ends_by_itself() -> None:
    a = Alarms(heart_rate_delay_s=3)
    said = np.concatenate([a.seconds(1, 10), a.seconds(10, 30, 130.0), a.seconds(30, 40)])
    assert states(said) == [RAISED, ASSERTED, ASSERTED, ENDED]
    first, last = said[0], said[-1]
    assert (first["code"], first["priority"], first["latching"]) == (codes.HEART_RATE_HIGH, finding.MEDIUM, 0)
    assert (first["measured"], first["limit"]) == (130, 120)
    assert (first["t"], first["t_known"]) == (901, 1200)
    assert (last["t_end"], last["t_known"]) == (2901, 3200)


def test_a_low_rate_is_an_alarm() -> None:
    (alarm,) = Alarms().seconds(1, 8, 42.0)
    assert (alarm["code"], alarm["measured"], alarm["limit"]) == (codes.HEART_RATE_LOW, 42, 50)


def test_a_rate_that_lies_outside_for_less_than_the_delay_is_no_alarm() -> None:
    a = Alarms(heart_rate_delay_s=5)
    for t in range(1, 60, 6):
        assert not len(a.seconds(t, t + 4, 130.0))
        assert not len(a.seconds(t + 4, t + 6))


def test_the_extreme_alarm_speaks_for_the_limit() -> None:
    a = Alarms()
    a.take(event(codes.EXTREME_TACHYCARDIA, 5.0))
    assert not len(a.seconds(5, 14, 160.0))
    said = a.take(event(codes.EXTREME_TACHYCARDIA, 5.0, 14.0), *(second(t, 130.0) for t in range(15, 20)))
    assert said["code"].tolist() == [codes.EXTREME_TACHYCARDIA, codes.HEART_RATE_HIGH]


def test_a_run_that_is_over_when_it_is_said_stands_long_enough_to_be_seen() -> None:
    a = Alarms()
    said = np.concatenate([a.take(event(codes.VENTRICULAR_RUN, 20.0, 20.5)), a.seconds(21, 40)])
    assert states(said) == [RAISED, ENDED]
    assert (said[0]["priority"], said[1]["t_end"]) == (finding.MEDIUM, 2050)
    assert said[1]["t_known"] - said[0]["t_known"] >= 400


def test_a_loss_of_signal_is_a_technical_alarm_and_nothing_of_the_patient_is_raised_meanwhile() -> None:
    a = Alarms()
    (lost,) = a.take(event(codes.NO_USABLE_SIGNAL, 10.0))
    assert (lost["code"], lost["priority"], lost["state"]) == (codes.NO_USABLE_SIGNAL, finding.LOW, RAISED)
    assert (lost["t"], lost["t_known"]) == (600, 1000)
    for code in LETHAL:
        assert not len(a.take(event(code, 15.0)))
    said = a.seconds(11, 40, 130.0)
    assert set(said["code"].tolist()) == {codes.NO_USABLE_SIGNAL}


def test_a_loss_of_signal_ends_what_does_not_latch_and_says_why() -> None:
    a = Alarms()
    a.take(*(second(t, 130.0) for t in range(1, 8)), event(codes.ASYSTOLE, 5.0))
    gone = event(codes.NO_USABLE_SIGNAL, 10.0)
    gone["reasons"] = codes.LEAD_OFF
    said = np.concatenate([a.take(gone), a.seconds(11, 14, np.nan)])
    ended = {int(alarm["code"]): alarm for alarm in said if not np.isnan(alarm["t_end"])}
    assert ended[codes.HEART_RATE_HIGH]["state"] == ENDED
    assert ended[codes.ASYSTOLE]["state"] == ASSERTED
    for alarm in ended.values():
        assert alarm["reasons"] & codes.SUPPRESSED
        assert alarm["reasons"] & codes.LEAD_OFF


def test_a_condition_that_outlasts_the_loss_of_signal_is_raised_when_it_is_back() -> None:
    a = Alarms()
    a.take(event(codes.NO_USABLE_SIGNAL, 10.0), event(codes.VENTRICULAR_FIBRILLATION, 15.0))
    said = a.take(event(codes.NO_USABLE_SIGNAL, 10.0, 20.0), second(21))
    assert (codes.VENTRICULAR_FIBRILLATION, RAISED) in {(int(s["code"]), int(s["state"])) for s in said}


def test_a_lead_that_falls_off_is_an_alarm_of_its_own() -> None:
    a = Alarms(lead_delay_s=4)
    said = [a.take(lead(t, 0, 0), lead(t, 1, codes.LEAD_OFF | codes.FLAT), second(t + 0.01)) for t in range(1, 10)]
    (alarm,) = np.concatenate(said)
    assert (alarm["code"], alarm["channel"], alarm["priority"]) == (codes.LEAD_DISCONNECTED, 1, finding.LOW)
    assert alarm["reasons"] == codes.LEAD_OFF | codes.FLAT
    assert alarm["t_known"] <= 501
    assert states(a.seconds(10, 20)) == [ENDED]


def test_noise_without_a_rate_is_a_technical_alarm() -> None:
    a = Alarms(noise_delay_s=6)
    said = a.take(*(second(t, np.nan, 0.15, codes.NOISE) for t in range(1, 12)))
    assert said["code"].tolist() == [codes.NOISY_SIGNAL]
    assert said["t_known"].tolist() == [600]


@pytest.mark.parametrize("code", [codes.ASYSTOLE, codes.VENTRICULAR_FIBRILLATION, codes.PAUSE])
def test_regular_pulses_hold_an_arrest_back_until_they_stop(code: int) -> None:
    a = Alarms()
    a.take(*(pulse(t) for t in np.arange(10.0, 20.0, 0.8)))
    assert not len(a.take(event(code, 20.0)))
    a.take(*(pulse(t) for t in np.arange(20.4, 24.0, 0.8)))
    assert not len(a.seconds(21, 25))
    said = a.seconds(25, 30)
    assert (said[0]["code"], said[0]["state"], said[0]["t"]) == (code, RAISED, 2000)


@pytest.mark.parametrize("quality", [0.1, 0.4])
def test_pulses_of_poor_quality_are_no_witness(quality: float) -> None:
    a = Alarms()
    a.take(*(pulse(t, quality) for t in np.arange(10.0, 20.0, 0.8)))
    assert states(a.take(event(codes.ASYSTOLE, 20.0))) == [RAISED]


def test_a_second_witness_counts_too() -> None:
    a = Alarms()
    a.take(*(pulse(t, 0.1, 1) for t in np.arange(10.0, 20.0, 0.7)))
    a.take(*(pulse(t, 1.0, 2) for t in np.arange(10.0, 20.0, 0.8)))
    assert not len(a.take(event(codes.ASYSTOLE, 20.0)))


def test_pulses_that_come_late_take_an_alarm_back() -> None:
    a = Alarms()
    a.take(event(codes.VENTRICULAR_FIBRILLATION, 20.0))
    said = a.take(*(pulse(t) for t in np.arange(20.0, 24.0, 0.8)), second(24))
    assert said[-1]["t_end"] == 2400
    assert said[-1]["reasons"] & codes.CONTRADICTED


def test_pulses_contradict_an_extreme_rate() -> None:
    for code, apart_s in ((codes.EXTREME_BRADYCARDIA, 0.8), (codes.EXTREME_TACHYCARDIA, 0.8)):
        a = Alarms()
        a.take(*(pulse(t) for t in np.arange(5.0, 20.0, apart_s)))
        assert not len(a.take(event(code, 20.0)))
    for code, apart_s in ((codes.EXTREME_BRADYCARDIA, 1.7), (codes.EXTREME_TACHYCARDIA, 0.4)):
        a = Alarms()
        a.take(*(pulse(t) for t in np.arange(5.0, 20.0, apart_s)))
        assert len(a.take(event(code, 20.0)))


def beat(t_s: float, interval_s: float, amplitude: float) -> NDArray[np.void]:
    made = row(finding.BEAT, codes.HEART_BEAT, t_s, t_s + 0.2, interval_s, amplitude, 0.05)
    made["body"][0, finding.LABEL] = ord("N")
    return made


def tachycardia(begin_s: float = 20.0, n: int = 12) -> list[NDArray[np.void]]:
    before = [beat(t, 0.8, 1.0) for t in np.arange(4.0, begin_s, 0.8)]
    return before + [beat(begin_s + 0.36 * k, 0.36, -1.5) for k in range(n)]


def test_a_burst_of_fast_beats_of_another_shape_is_a_ventricular_tachycardia_whatever_they_are_called() -> None:
    a = Alarms()
    (alarm,) = a.take(*tachycardia())
    assert (alarm["code"], alarm["state"]) == (codes.VENTRICULAR_TACHYCARDIA, RAISED)
    assert alarm["measured"] == pytest.approx(60 / 0.36)
    assert alarm["limit"] == 100
    assert alarm["t_known"] - alarm["t"] == pytest.approx(20)
    (over,) = a.take(beat(25.2, 1.2, 1.0))
    assert (over["state"], over["t_end"]) == (ASSERTED, 2520)


@pytest.mark.parametrize("code", [codes.ASYSTOLE, codes.VENTRICULAR_FIBRILLATION, codes.NO_USABLE_SIGNAL])
def test_a_burst_is_over_where_beats_are_no_longer_to_be_seen(code: int) -> None:
    a = Alarms()
    a.take(*tachycardia())
    said = a.take(event(code, 30.0))
    assert said["t_end"][said["code"] == codes.VENTRICULAR_TACHYCARDIA].tolist() == [3000]
    said = a.take(event(code, 30.0, 35.0), second(36))
    assert RAISED not in said["state"][said["code"] == codes.VENTRICULAR_TACHYCARDIA].tolist()


def test_an_event_and_a_burst_are_one_alarm_that_ends_with_the_later() -> None:
    a = Alarms()
    a.take(*tachycardia(), event(codes.VENTRICULAR_TACHYCARDIA, 24.5))
    assert not len(a.take(beat(25.2, 1.2, 1.0)))
    (over,) = a.take(event(codes.VENTRICULAR_TACHYCARDIA, 24.5, 26.0))
    assert (over["code"], over["state"], over["t_end"]) == (codes.VENTRICULAR_TACHYCARDIA, ASSERTED, 2600)


def test_an_alarm_that_is_off_is_never_raised() -> None:
    a = Alarms(priority={"asystole": "off"})
    assert not len(a.take(event(codes.ASYSTOLE, 20.0)))
    assert not len(a.seconds(20, 40))


def test_new_limits_count_from_the_next_second() -> None:
    a = Alarms()
    assert not len(a.seconds(1, 10, 110.0))
    a.params = limits.preset().changed({"heart_rate_high_per_min": 100}).params(FS_HZ)
    (alarm,) = a.seconds(10, 15, 110.0)
    assert alarm["limit"] == 100


def test_cutting_the_findings_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    rows = [second(t, float(rng.choice([75, 130, 40, np.nan]))) for t in range(1, 120)]
    rows += [
        event(int(c), float(t)) for c, t in zip(rng.choice(alarms.CODES, 20), rng.uniform(5, 100, 20), strict=True)
    ]
    rows += [event(int(r["code"][0]), float(r["t"][0]) / FS_HZ + 4, float(r["t"][0]) / FS_HZ + 9) for r in rows[-20:]]
    rows.sort(key=lambda r: float(r["t_known"][0]))
    whole = Alarms().take(*rows).tobytes()
    a = Alarms()
    assert b"".join(a.take(r).tobytes() for r in rows) == whole
    assert len(whole) > 40 * FINDING.itemsize
