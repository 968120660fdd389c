"""The rules of each source, one file each: `RULES`; see `danlu.data.quality.rules`."""
