"""datatrove's local executor with the steps of `benchmarks/corpus.py peer`; run by that script.

    python corpus_peer.py FOLDER_OF_JSONL OUT LANGUAGE WORKERS

Gopher's repetition and quality rules, MinHash with 20 bands of 6 rows over 5-grams, zstd parquet.
Needs `pip install 'datatrove[io,processing]'` in an environment of its own (it wants xxhash < 4).
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """All stages in turn."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
    )
    from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
    from datatrove.pipeline.readers import JsonlReader, ParquetReader
    from datatrove.pipeline.writers import ParquetWriter
    from datatrove.utils.hashing import HashConfig

    folder, out, language, workers = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    tasks = len(list(Path(folder).glob("*.jsonl")))
    config = MinhashConfig(
        n_grams=5, num_buckets=20, hashes_per_bucket=6, hash_config=HashConfig(precision=64)
    )

    def stage(pipeline: list[object], count: int, after: object = None) -> LocalPipelineExecutor:
        made = LocalPipelineExecutor(
            pipeline=pipeline, tasks=count, workers=min(workers, count), depends=after
        )
        return made

    kept, keys, buckets, ids = (str(out / name) for name in ("kept", "keys", "buckets", "ids"))
    clean = stage(
        [
            JsonlReader(folder),
            GopherRepetitionFilter(language=language),
            GopherQualityFilter(language=language),
            ParquetWriter(kept),
        ],
        tasks,
    )
    signatures = stage(
        [ParquetReader(kept), MinhashDedupSignature(keys, config=config, language=language)],
        tasks,
        clean,
    )
    bucketed = stage(
        [MinhashDedupBuckets(input_folder=keys, output_folder=buckets, config=config)],
        config.num_buckets,
        signatures,
    )
    clustered = stage(
        [MinhashDedupCluster(input_folder=buckets, output_folder=ids, config=config)], 1, bucketed
    )
    end = ParquetWriter(str(out / "end"))
    last = [ParquetReader(kept), MinhashDedupFilter(input_folder=ids), end]
    stage(last, tasks, clustered).run()


if __name__ == "__main__":
    main()
