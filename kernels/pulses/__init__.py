"""Pulses of a PPG: the pulsatile part of a wavelength, each pulse and its shape."""
