"""The one row in which every detector and chain says what it found."""

import numpy as np

N_BODY = 16

# Times are in samples since the stream began (sub-sample where they can be), or in ns since the stream began for a
# variable-rate signal. What the numbers of `body` mean depends on `what`; vitalcore.findings names them.
FINDING = np.dtype(
    [
        ("slot", "i8"),  # row of the table that said it; 0 in a session
        ("what", "i8"),  # BEAT, FEATURE, EVENT, WAVES or ALARM
        ("code", "i8"),  # of kernels.core.codes; the catalogue has its texts
        ("channel", "i8"),  # lead, wavelength or side (LEFT, RIGHT) it was measured in; -1: all
        ("t", "f8"),  # when it was
        ("t_known", "f8"),  # time of the sample that settled it
        ("quality", "f8"),  # 0 to 1
        ("reasons", "i8"),  # why quality is below 1 or a value is absent: bits of kernels.core.codes
        ("body", "f8", (N_BODY,)),
    ],
    align=True,
)

BEAT, FEATURE, EVENT, WAVES, ALARM = 1, 2, 3, 4, 5

# body of a BEAT: heart beat (t is the R peak), pulse (systolic peak), blink (apex)
INTERVAL_S = 0  # from the beat before; NaN where that one is not known
AMPLITUDE = 1  # in the signal's unit; for a blink the drop of the eye aspect ratio
WIDTH_S = 2  # at half amplitude
ONSET = 3  # time of the foot or onset; NaN where it is not measured
END = 4
COMPLETENESS = 5  # of a blink: 1 is shut
LABEL = 7  # class, as the code point of its letter

# body of a FEATURE
VALUE = 0  # in the catalogue's unit; NaN where the signal can't carry one
WINDOW_S = 1
N_USED, N_LEFT_OUT = 2, 3  # of heart rate variability: intervals in the window

# body of an EVENT, whose t is its onset
T_END = 0  # NaN while it lasts
EVIDENCE_FROM, EVIDENCE_TO = 1, 2  # sample range; with its last sample the rule was met

# body of WAVES, the delineation of a heart beat in one lead; t is its R peak; a wave that is not there is NaN
P_ON, P_PEAK, P_OFF = 0, 1, 2
QRS_ON, QRS_OFF = 3, 4
T_ON, T_PEAK, T_OFF = 5, 6, 7
ST_60, ST_80 = 8, 9  # in the signal's unit, 60 and 80 ms after QRS_OFF against the level before QRS_ON
RR_S = 10  # interval from the beat before
CLASS = 11  # final class, as LABEL

# body of an ALARM, whose t is when its condition was met: T_END, EVIDENCE_FROM and EVIDENCE_TO as of an EVENT, and
STATE = 3  # RAISED, ACKNOWLEDGED, ENDED or ASSERTED
PRIORITY = 4  # HIGH, MEDIUM or LOW
LATCHING = 5  # 1: stays until it is acknowledged
MEASURED, LIMIT = 6, 7  # NaN where it has none

RAISED, ACKNOWLEDGED, ENDED, ASSERTED = 1, 2, 3, 4
HIGH, MEDIUM, LOW = 3, 2, 1

LEFT, RIGHT = 0, 1  # the subject's
