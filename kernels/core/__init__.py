"""What every kernel is made with: its decorator, the rows and codes it speaks, small helpers."""
