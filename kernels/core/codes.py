"""Numbers of the codes and reasons that kernels speak; `vitalcore/codes.csv` gives each its name, units and texts."""

# beats
HEART_BEAT = 1
PULSE = 2
BLINK = 3
PACER_PULSE = 4

# features, once a second
HEART_RATE = 10  # averaged as monitors do
HEART_RATE_INSTANT = 11
PULSE_RATE = 12
PULSE_RATE_INSTANT = 13
PERFUSION_INDEX = 14
BLINK_RATE = 15
EYE_ASPECT_RATIO = 16  # one a side
BROW_EXCURSION = 17
LID_EXCURSION = 18
MOUTH_EXCURSION = 19
BROW_SYMMETRY = 20
LID_SYMMETRY = 21
MOUTH_SYMMETRY = 22
HEAD_YAW = 23
SIGNAL_QUALITY = 24
HRV_SDNN = 25
HRV_RMSSD = 26
HRV_PNN50 = 27
HRV_SD1 = 28
HRV_SD2 = 29
HRV_LF = 30
HRV_HF = 31
HRV_LF_HF = 32
ECG_RESPIRATION = 33

# events
NO_USABLE_SIGNAL = 40
GAP = 41
CLOCK_STEP = 42
SINUS_RHYTHM = 43
SINUS_BRADYCARDIA = 44
SINUS_TACHYCARDIA = 45
ATRIAL_FIBRILLATION = 46
BIGEMINY = 47
TRIGEMINY = 48
COUPLET = 49
VENTRICULAR_RUN = 50
VENTRICULAR_TACHYCARDIA = 51
VENTRICULAR_FIBRILLATION = 52
PAUSE = 53
ASYSTOLE = 54
PACED_RHYTHM = 55
VENTRICULAR_RHYTHM = 56
EXTREME_BRADYCARDIA = 57
EXTREME_TACHYCARDIA = 58
HEART_RATE_HIGH = 60
HEART_RATE_LOW = 61
LEAD_DISCONNECTED = 62
NOISY_SIGNAL = 63
STORAGE_FAILED = 64

# reasons: bits
MISSING = 1 << 0  # samples are NaN or lost
LEAD_OFF = 1 << 1  # or sensor without contact
FLAT = 1 << 2
SATURATED = 1 << 3
NOISE = 1 << 4
BASELINE_WANDER = 1 << 5
MAINS = 1 << 6
MOTION = 1 << 7
LOW_PERFUSION = 1 << 8
IRREGULAR = 1 << 9
TOO_FEW_BEATS = 1 << 10  # not enough beats yet, or the last are too old
POSE = 1 << 11  # head turned too far
UNDERSAMPLED = 1 << 12
NO_REST = 1 << 13  # no rest shape has been learnt yet
NO_DC = 1 << 14  # the signal comes without its true mean level
LOOKED_BACK = 1 << 15  # found by looking back after a pause
SPIKES = 1 << 16
ECTOPY = 1 << 17  # too few normal beats among the beats
SUPPRESSED = 1 << 18  # held back for a more urgent alarm, or for want of a usable signal
CONTRADICTED = 1 << 19  # another signal of the subject says otherwise
RECOVERING = 1 << 20  # the amplifier comes back from a step that was too large for it
