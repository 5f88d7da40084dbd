"""Thin shells that run the engine: registrar, courier, receipts, projector."""
