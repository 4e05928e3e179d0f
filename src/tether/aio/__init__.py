"""asyncio's face of the engine."""
