"""Bytes to one frozen, validated value with units. Nothing here imports torch, even indirectly."""
