"""Cleaning steps, one file each: `build(settings) -> Step`; see `danlu.data.rows`."""
