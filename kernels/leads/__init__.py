"""One lead of an ECG beyond its beats: hum, pacemaker pulses, quality, breathing, and its last seconds."""
