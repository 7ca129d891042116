"""Verification: what the rows and the journal of orders must be like, checked on live data."""

from backend.store.verification.journal_verifier import (
    PAGE,
    JournalVerifier,
    OrderSignatures,
    VerificationFault,
)

__all__ = ["PAGE", "JournalVerifier", "OrderSignatures", "VerificationFault"]
