"""Renders orders as text: detail, timeline, summary, advice on failures, and exported files."""
