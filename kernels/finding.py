"""The one row in which every detector and chain says what it found."""

import numpy as np

# Times are in samples since the stream began (sub-sample where they can be), or in ns since the stream began for a
# variable-rate signal. What the eight numbers of `body` mean depends on `what`; vitalcore.findings names them.
FINDING = np.dtype(
    [
        ("slot", "i8"),  # row of the table that said it; 0 in a session
        ("what", "i8"),  # BEAT, FEATURE or EVENT
        ("code", "i8"),  # of kernels.codes; the catalogue has its texts
        ("channel", "i8"),  # lead, wavelength or side (LEFT, RIGHT) it was measured in; -1: all
        ("t", "f8"),  # when it was
        ("t_known", "f8"),  # time of the sample that settled it
        ("quality", "f8"),  # 0 to 1
        ("reasons", "i8"),  # why quality is below 1 or a value is absent: bits of kernels.codes
        ("body", "f8", (8,)),
    ],
    align=True,
)

BEAT, FEATURE, EVENT = 1, 2, 3

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

# body of an EVENT
T_END = 0  # NaN while it lasts
EVIDENCE_FROM, EVIDENCE_TO = 1, 2  # sample range

LEFT, RIGHT = 0, 1  # the subject's
