"""Learned models, one JSON file each, and what runs them: boosted trees and small nets."""
