"""The published JSON documents as pydantic models."""
