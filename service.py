"""The entry point for BentoML in a checkout and in a bento: what it serves and builds."""

from ocr_runtime.serving.service import RapidOCRService, settings

__all__ = ["RapidOCRService", "settings"]
